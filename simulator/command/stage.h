/* The stage: the world that a scenario describes, and its steps played on it. */
#ifndef STAGE_H
#define STAGE_H

#include "outcome.h"

/* Plays it whole. False: it could not begin, `error` says why. */
bool stage_play(const struct scenario *scenario, struct outcome *outcome, struct error *error);

#endif
