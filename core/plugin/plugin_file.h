/* Files of plugins: found, judged by owner and mode, read, kept as a copy of our own. */
#ifndef PLUGIN_PLUGIN_FILE_H
#define PLUGIN_PLUGIN_FILE_H

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>

enum { PLUGIN_FILE_LIMIT = 256 * 1024 * 1024 };

struct plugin_file {
    int fd;     /* -1: none */
    char *path; /* owned */
};
void plugin_file_finish(struct plugin_file *file);

/* Opens it once and judges what was opened. Reasons are joined by "; ". False with no reasons:
 * there is no such file. */
bool plugin_file_open(const char *folder, const char *name, struct plugin_file *out,
                      struct text *reasons);

/* The whole content, and its SHA-256 in hex. */
bool plugin_file_read(int fd, struct text *bytes, char sha256[SHA256_HEX_BYTES],
                      struct error *error);
/* Makes <state_directory>/plugins/<sha256>.so of these bytes, unless it is there and sound.
 * `path` is the caller's to free. */
bool plugin_file_keep(const char *state_directory, const struct text *bytes, const char *sha256,
                      char **path, struct error *error);
/* A sealed descriptor of the bytes, or -1. */
int plugin_file_seal(const struct text *bytes, struct error *error);

#endif
