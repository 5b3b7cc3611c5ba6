#include "base/hash.h"

#include <criterion/criterion.h>
#include <string.h>

/* From the reference implementation's vectors_sip64: key 00..0f, message 00, 01, 02, ... */
Test(hash, sip_gives_the_reference_vectors)
{
    static const struct {
        size_t length;
        uint8_t bytes[8];
    } vectors[] = {{0, {0x31, 0x0e, 0x0e, 0xdd, 0x47, 0xdb, 0x6f, 0x72}},
                   {1, {0xfd, 0x67, 0xdc, 0x93, 0xc5, 0x39, 0xf8, 0x74}},
                   {2, {0x5a, 0x4f, 0xa9, 0xd9, 0x09, 0x80, 0x6c, 0x0d}},
                   {3, {0x2d, 0x7e, 0xfb, 0xd7, 0x96, 0x66, 0x67, 0x85}},
                   {7, {0x37, 0xd1, 0x01, 0x8b, 0xf5, 0x00, 0x02, 0xab}},
                   {8, {0x62, 0x24, 0x93, 0x9a, 0x79, 0xf5, 0xf5, 0x93}},
                   {15, {0xe5, 0x45, 0xbe, 0x49, 0x61, 0xca, 0x29, 0xa1}}};
    uint8_t message[16], key[16];
    struct hash_seed seed;
    for (uint8_t i = 0; i < 16; i++)
        message[i] = key[i] = i;
    memcpy(&seed.k0, key, 8);
    memcpy(&seed.k1, key + 8, 8);
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        uint64_t wanted;
        memcpy(&wanted, vectors[i].bytes, 8);
        cr_expect_eq(hash_sip(seed, message, vectors[i].length), wanted, "length %zu",
                     vectors[i].length);
    }
}

Test(hash, sip_depends_on_its_seed)
{
    cr_assert_neq(hash_sip((struct hash_seed){1, 2}, "web", 3),
                  hash_sip((struct hash_seed){1, 3}, "web", 3));
}

/* FIPS 180-2, appendix B, and the empty message. */
Test(hash, sha256_gives_the_standards_vectors)
{
    static const struct {
        const char *message, *hex;
    } vectors[] = {{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
                   {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
                   {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"}};
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        uint8_t digest[SHA256_BYTES];
        char hex[SHA256_HEX_BYTES];
        hash_sha256(vectors[i].message, strlen(vectors[i].message), digest);
        hash_hex(digest, sizeof digest, hex);
        cr_expect_str_eq(hex, vectors[i].hex);
    }
}

/* Ties are broken by these on every host and in every version: they must never change. */
Test(hash, of_text_and_mixing_are_fixed_for_ever)
{
    cr_assert_eq(hash_mix(0), UINT64_C(0xe220a8397b1dcdaf)); /* splitmix64's first, seed 0 */
    cr_assert_eq(hash_text(""), hash_mix(UINT64_C(0xcbf29ce484222325)));
    cr_assert_eq(hash_text("a"), hash_mix(UINT64_C(0xaf63dc4c8601ec8c))); /* FNV-1a of "a" */
    cr_assert_neq(hash_text("node-1"), hash_text("node-2"));
}
