/* Two nodes and the deployment "web": what tests of rollouts do again and again. */
#ifndef TESTS_DEPLOYMENT_ROLLOUTS_H
#define TESTS_DEPLOYMENT_ROLLOUTS_H

#include "unit/server/rig.h"

void rollout_begin(void);
void expect_phase(uint8_t phase);
void complete(const struct deployment *wanted);
bool exists_of(int64_t revision);
struct deployment *impatient(const char *image, int64_t replicas);
void spoil(const char *image);
void set_paused(bool paused);
void expect_the_same_containers(const char *const ids[3]);
void note_containers(const char *ids[3]);
enum error_code abort_rollout(void);

#endif
