/* Hashes. SipHash-2-4 (Aumasson, Bernstein 2012) for tables fed by strangers, SHA-256 through
 * GnuTLS for identities. [any thread] */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash_seed {
    uint64_t k0, k1;
};
uint64_t hash_sip(struct hash_seed seed, const void *bytes, size_t length);
/* A fixed mixing function (splitmix64 finaliser) for deterministic tie-breaks. */
uint64_t hash_mix(uint64_t value);
/* Deterministic, unkeyed (FNV-1a then mix): same text, same number, on every host and run. */
uint64_t hash_text(const char *string);

enum { SHA256_BYTES = 32, SHA256_HEX_BYTES = 65 };
void hash_sha256(const void *bytes, size_t length, uint8_t digest[SHA256_BYTES]);
void hash_hex(const uint8_t *bytes, size_t length, char *out); /* writes 2*length+1 bytes */

#endif
