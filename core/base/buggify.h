/* Fault sites: rare things that may happen at a place in the code, made to happen by the simulator
 * (after FoundationDB's BUGGIFY). A site is a name; whether it strikes is the simulator's to say.
 * In every other build it is a constant 0. */
#ifndef BASE_BUGGIFY_H
#define BASE_BUGGIFY_H

#ifdef ORCHESTRATOR_BUGGIFY
#include <stdbool.h>
bool buggify_strikes(const char *site); /* the simulator's */
#define BUGGIFY(site) buggify_strikes(site)
#else
#define BUGGIFY(site) 0
#endif

#endif
