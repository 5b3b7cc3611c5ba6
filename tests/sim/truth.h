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
/* Was its node given up, or no part of the cluster, while what is decided now may have been? */
bool truth_node_was_lost(const char *name);
/* Has the leader known for long enough, since its start, what runs there? */
bool truth_node_has_told(const char *name);
/* Is it of another template than what is in force? */
bool truth_is_old(const struct true_deployment *deployment, const struct true_container *container);
/* How its rollout goes has been changed by a user a moment ago. */
bool truth_strategy_changed(const struct true_deployment *deployment);
bool truth_awaits_promotion(const struct true_deployment *deployment);

/* judge_made.c */
void judge_new(const struct true_container *fresh);

/* judge_stopped.c */
void judge_replaced(const struct true_container *victim);
void judge_step_kept(const struct true_container *victim);
void judge_scaled_down(const struct true_container *victim);

#endif
