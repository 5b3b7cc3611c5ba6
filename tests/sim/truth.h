/* Between the files that keep the truth and those that judge by it. */
#ifndef TRUTH_H
#define TRUTH_H

#include "judge.h"

/* A slow store and a busy loop may lie between what a controller saw and what became durable. */
#define DECISION_NS (20 * NS_PER_SECOND)

/* The most, the least that was desired while what is decided now may have been decided. */
int64_t truth_most_desired(const struct true_deployment *deployment);
int64_t truth_least_desired(const struct true_deployment *deployment);
/* While two servers run, what one of them heard is not what the other decides by. */
bool truth_one_decides(void);
bool truth_is_lost(const struct true_container *container);
bool truth_node_is_away(const char *name);
/* Its containers are to move, and their slots are free for those that take their place. */
bool truth_node_was_draining(const char *name);
/* Is it one of its deployment's that are wanted and there? */
bool truth_counts(const struct true_container *container);

/* judge_made.c */
void judge_new(const struct true_container *fresh);

/* judge_stopped.c */
void judge_replaced(const struct true_container *victim);

#endif
