#include "base/id.h"
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static uint64_t system_next(void *context)
{
    (void)context;
    uint64_t value;
    size_t have = 0;
    while (have < sizeof value) {
        ssize_t got = getrandom((char *)&value + have, sizeof value - have, 0);
        if (got > 0)
            have += (size_t)got;
    }
    return value;
}

struct random_source random_source_system(void)
{
    return (struct random_source){.next = system_next};
}

void random_seeded_init(struct random_seeded *generator, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        seed += UINT64_C(0x9e3779b97f4a7c15);
        generator->state[i] = hash_mix(seed);
    }
}

static uint64_t seeded_next(void *context)
{
    uint64_t *s = ((struct random_seeded *)context)->state;
    uint64_t x = s[1] * 5, result = (x << 7 | x >> 57) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = s[3] << 45 | s[3] >> 19;
    return result;
}

struct random_source random_seeded_source(struct random_seeded *generator)
{
    return (struct random_source){.next = seeded_next, .context = generator};
}

void id_make_uid(struct random_source random, char out[ID_UID_BYTES])
{
    uint64_t words[2];
    words[0] = random.next(random.context);
    words[1] = random.next(random.context);
    hash_hex((const uint8_t *)words, sizeof words, out);
}

void id_make_suffix(struct random_source random, char out[ID_SUFFIX_BYTES])
{
    static const char letters[] = "bcdfghjkmnpqrstvwxz2456789";
    uint64_t value = random.next(random.context);
    for (int i = 0; i < ID_SUFFIX_BYTES - 1; i++) {
        out[i] = letters[value % (sizeof letters - 1)];
        value /= sizeof letters - 1;
    }
    out[ID_SUFFIX_BYTES - 1] = 0;
}
