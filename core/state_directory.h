/* The daemon's folder on disk: made when missing, checked, and held by one daemon at a time; and
 * the administrator's key that lies in it. [init] */
#ifndef STATE_DIRECTORY_H
#define STATE_DIRECTORY_H

#include "base/error.h"

enum { API_KEY_BYTES = 520 };

/* Makes the folder (0700, parents too) where it is missing, refuses one that others may enter or
 * that is not ours, and locks it. The descriptor of the lock, to be kept open; -1: `error`. */
int state_directory_open(const char *path, struct error *error);
/* `configured` where it is not empty, else what <path>/api-key holds; made once from 256 random
 * bits. `made` tells whether it was made now. */
bool api_key_load(const char *path, const char *configured, char key[API_KEY_BYTES], bool *made,
                  struct error *error);

#endif
