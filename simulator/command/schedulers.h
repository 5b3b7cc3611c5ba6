/* The scheduler plugins of a scenario: those listed with their path, and of those that ship the
 * ones it names. */
#ifndef SCHEDULERS_H
#define SCHEDULERS_H

#include "scenario.h"

/* Loads them and checks their settings; adds a fault for each that does not stand. `folder`: where
 * those that ship lie. */
bool schedulers_load(struct scenario *scenario, const char *folder);
struct server_process;
bool schedulers_add(struct server_process *process, struct error *error);
void schedulers_finish(void);

#endif
