/* Keys: the digest of what is given is compared with the digest of ours in constant time. Wrong
 * ones are slowed down per source address and over all; a right one never is, since it is looked at
 * first. */
#include "api/impl.h"
#include "base/clock.h"

#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

enum { FREE_PER_MINUTE = 10, ADDRESS_LIMIT = 4096, GLOBAL_PER_SECOND = 100 };

void auth_init(struct auth *auth, const char *key)
{
    *auth = (struct auth){.global_tokens = GLOBAL_PER_SECOND};
    hash_sha256(key, strlen(key), auth->digest);
}

void auth_finish(struct auth *auth)
{
    struct address_entry *entry, *next;
    HASH_ITER(hh, auth->addresses, entry, next)
    {
        HASH_DEL(auth->addresses, entry);
        free(entry);
    }
}

/* Bounded: the address that was wrong longest ago is forgotten. */
static struct address_entry *entry_of(struct auth *auth, const char *address, uint64_t now_ns)
{
    struct address_entry *entry;
    HASH_FIND_STR(auth->addresses, address, entry);
    if (entry) {
        HASH_DEL(auth->addresses, entry); /* put last */
    } else if (HASH_COUNT(auth->addresses) >= ADDRESS_LIMIT) {
        entry = auth->addresses; /* the first in order of insertion */
        HASH_DEL(auth->addresses, entry);
        free(entry);
        entry = NULL;
    }
    if (!entry) {
        entry = memory_alloc(sizeof *entry);
        entry->tokens = FREE_PER_MINUTE;
        entry->at_ns = now_ns;
        strncpy(entry->address, address, sizeof entry->address - 1);
    }
    HASH_ADD_STR(auth->addresses, address, entry);
    return entry;
}

static void refill(double *tokens, uint64_t *at_ns, uint64_t now_ns, double per_second, double most)
{
    *tokens += (double)(now_ns - *at_ns) / 1e9 * per_second;
    *at_ns = now_ns;
    if (*tokens > most)
        *tokens = most;
}

enum auth_verdict auth_check(struct auth *auth, const char *key, const char *address,
                             uint64_t now_ns, unsigned *retry_after)
{
    uint8_t digest[SHA256_BYTES];
    hash_sha256(key, strlen(key), digest);
    if (gnutls_memcmp(digest, auth->digest, sizeof digest) == 0)
        return AUTH_RIGHT;
    double per_second = FREE_PER_MINUTE / 60.;
    struct address_entry *entry = entry_of(auth, address, now_ns);
    refill(&entry->tokens, &entry->at_ns, now_ns, per_second, FREE_PER_MINUTE);
    refill(&auth->global_tokens, &auth->global_at_ns, now_ns, GLOBAL_PER_SECOND, GLOBAL_PER_SECOND);
    if (entry->tokens >= 1. && auth->global_tokens >= 1.) {
        entry->tokens -= 1.;
        auth->global_tokens -= 1.;
        return AUTH_WRONG;
    }
    *retry_after = entry->tokens < 1. ? (unsigned)((1. - entry->tokens) / per_second) + 1 : 1;
    return AUTH_BACK_OFF;
}
