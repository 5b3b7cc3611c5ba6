/* A server's certificate with its private key, read from two PEM files and looked at before it is
 * used: both can be read, others can't read the key, the key belongs to the certificate. What was
 * read is wiped when it goes. [any thread; blocks while it reads] */
#ifndef BASE_KEY_PAIR_H
#define BASE_KEY_PAIR_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KEY_PAIR_BYTES = 256 * 1024 }; /* of either file */
struct key_pair {
    uint8_t *pem; /* the certificate, those that signed it, and the key */
    size_t length;
    int64_t valid_from_ms, valid_until_ms;
    bool key_is_at_fault; /* after a failure: else the certificate is */
};
/* False: nothing is held, and the error says which file is wrong and what to do. */
bool key_pair_read(struct key_pair *pair, const char *certificate_file, const char *key_file,
                   struct error *error);
/* Would clients take it at that time? */
bool key_pair_check_time(const struct key_pair *pair, const char *certificate_file, int64_t now_ms,
                         struct error *error);
void key_pair_finish(struct key_pair *pair); /* zeroed is fine */

#endif
