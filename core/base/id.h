/* Random identifiers. Randomness is handed in, so that a simulated cluster is reproducible. */
#ifndef BASE_ID_H
#define BASE_ID_H

#include <stddef.h>
#include <stdint.h>

/* A source of random 64-bit numbers. The real one is the kernel's; the simulator's is seeded. */
struct random_source {
    uint64_t (*next)(void *context);
    void *context;
};
struct random_source random_source_system(void);
/* A seeded generator (xoshiro256**, Blackman and Vigna 2018); the state is the caller's. */
struct random_seeded {
    uint64_t state[4];
};
void random_seeded_init(struct random_seeded *generator, uint64_t seed);
struct random_source random_seeded_source(struct random_seeded *generator);

enum { ID_UID_BYTES = 33, ID_SUFFIX_BYTES = 7 };
/* 128 random bits as 32 hex digits. */
void id_make_uid(struct random_source random, char out[ID_UID_BYTES]);
/* Six characters of [a-z0-9] without vowels and look-alikes, for ends of container ids. */
void id_make_suffix(struct random_source random, char out[ID_SUFFIX_BYTES]);

#endif
