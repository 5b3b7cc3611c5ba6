/* Certificates that sign themselves, made for a test. */
#ifndef TESTS_PAIR_FILES_H
#define TESTS_PAIR_FILES_H

#include <stdint.h>

struct pair_files {
    char folder[64], certificate[96], key[96];
};
/* Files for an ECDSA key, valid from an hour ago for `seconds` from now. */
struct pair_files pair_files_make(const char *common_name, int64_t seconds);
void pair_files_remove(const struct pair_files *files);

#endif
