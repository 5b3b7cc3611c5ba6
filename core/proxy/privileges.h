/* What the proxy gives up once everything is open. [before threads] */
#ifndef PROXY_PRIVILEGES_H
#define PROXY_PRIVILEGES_H

#include "base/error.h"

/* To that user (a name or a number) with no group but its own, no capability, no way to new ones,
 * no core dump and no tracer. Without root there is no user to change to, and the rest is done. */
bool privileges_drop(const char *user, struct error *error);

#endif
