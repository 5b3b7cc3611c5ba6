/* Watching the server: which containers come and go and why, and whether all is as declared. */
#ifndef WATCH_H
#define WATCH_H

#include "outcome.h"

struct server_process;
void watch_init(struct arena *arena);
void watch_server(struct server_process *process); /* one that has just been started */
/* A step begins; what happens from now on is its. */
void watch_begin(void);
/* Looks at what is declared and what there is; often. */
void watch_look(void);
/* Is nothing under way but what finds no place? */
bool watch_is_calm(void);
uint64_t watch_last_change_ns(void); /* world time */
void watch_end(struct outcome_step *step);
uint64_t watch_containers_made(void);
void watch_finish(void);

#endif
