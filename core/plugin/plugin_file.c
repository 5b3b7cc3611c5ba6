#include "plugin/plugin_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void plugin_file_finish(struct plugin_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    free(file->path);
    *file = (struct plugin_file){.fd = -1};
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static void add_reason(struct text *reasons, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void add_reason(struct text *reasons, const char *format, ...)
{
    struct error sentence = {0};
    va_list arguments;
    va_start(arguments, format);
    error_vset(&sentence, ERROR_PLUGIN, format, arguments);
    va_end(arguments);
    text_append_format(reasons, "%s%s", reasons->length ? "; " : "", sentence.message);
}

/* Whoever can write it could run code as us. A group's right to write is fine when the group is
 * root's or our own. */
static void judge_rights(const struct stat *status, const char *what, struct text *reasons)
{
    uid_t self = geteuid();
    mode_t mode = status->st_mode & 07777;
    if (status->st_uid != 0 && status->st_uid != self)
        add_reason(reasons, "%s belongs to uid %u; it must be root's or this user's (uid %u)", what,
                   status->st_uid, self);
    if (mode & S_IWOTH)
        add_reason(reasons, "%s can be written by everyone (mode %04o)", what, mode);
    if (mode & S_IWGRP && status->st_gid != 0 && status->st_gid != getegid())
        add_reason(reasons, "%s can be written by group %u (mode %04o)", what, status->st_gid,
                   mode);
}

static bool judge_opened(int folder_fd, const char *folder, int fd, struct text *reasons)
{
    struct stat file, above;
    if (fstat(fd, &file) != 0 || fstat(folder_fd, &above) != 0) {
        add_reason(reasons, "can't be examined: %s", strerror(errno));
        return false;
    }
    if (!S_ISREG(file.st_mode)) {
        add_reason(reasons, "is no regular file");
        return false;
    }
    if (file.st_size > PLUGIN_FILE_LIMIT)
        add_reason(reasons, "is over %d MiB", PLUGIN_FILE_LIMIT >> 20);
    judge_rights(&file, "the file", reasons);
    struct text where CLEANUP(text_finish) = {0};
    text_append_format(&where, "its folder %s", folder);
    judge_rights(&above, text_string(&where), reasons);
    return reasons->length == 0;
}

bool plugin_file_open(const char *folder, const char *name, struct plugin_file *out,
                      struct text *reasons)
{
    int folder_fd __attribute__((cleanup(close_fd))) =
        open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct text path = {0};
    *out = (struct plugin_file){.fd = -1};
    if (folder_fd < 0)
        return false; /* a search path that is not there holds no plugins */
    int fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return false;
    text_append_format(&path, "%s/%s", folder, name);
    *out = (struct plugin_file){.fd = fd, .path = text_take(&path)};
    if (fd >= 0)
        return judge_opened(folder_fd, folder, fd, reasons);
    if (errno == ELOOP)
        add_reason(reasons, "is a symbolic link; put the file itself there");
    else
        add_reason(reasons, "can't be opened: %s", strerror(errno));
    return false;
}

bool plugin_file_read(int fd, struct text *bytes, char sha256[SHA256_HEX_BYTES],
                      struct error *error)
{
    uint8_t digest[SHA256_BYTES];
    char block[64 * 1024];
    text_clear(bytes);
    for (;;) {
        ssize_t count = pread(fd, block, sizeof block, (off_t)bytes->length);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return error_set_errno(error, ERROR_IO, errno, "reading");
        if (count == 0)
            break;
        text_append(bytes, block, (size_t)count);
        if (bytes->length > PLUGIN_FILE_LIMIT)
            return error_set(error, ERROR_PLUGIN, "is over %d MiB", PLUGIN_FILE_LIMIT >> 20);
    }
    hash_sha256(text_string(bytes), bytes->length, digest);
    hash_hex(digest, sizeof digest, sha256);
    return true;
}

static bool write_all(int fd, const struct text *bytes)
{
    for (size_t at = 0; at < bytes->length;) {
        ssize_t count = write(fd, bytes->data + at, bytes->length - at);
        if (count < 0 && errno != EINTR)
            return false;
        at += count > 0 ? (size_t)count : 0;
    }
    return true;
}

static bool copy_sound(const char *path, const char *sha256)
{
    struct text bytes CLEANUP(text_finish) = {0};
    char found[SHA256_HEX_BYTES];
    struct error ignored; /* whatever is wrong with it, it is made anew */
    int fd __attribute__((cleanup(close_fd))) = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    return fd >= 0 && plugin_file_read(fd, &bytes, found, &ignored) && text_equal(found, sha256);
}

static bool copy_write(const char *path, const struct text *bytes, struct error *error)
{
    struct text temporary CLEANUP(text_finish) = {0};
    text_append_format(&temporary, "%s.new", path);
    const char *name = text_string(&temporary);
    (void)unlink(name); /* left over from a crash, if at all */
    int fd __attribute__((cleanup(close_fd))) =
        open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0500);
    if (fd < 0)
        return error_set_errno(error, ERROR_IO, errno, "%s", name);
    if (write_all(fd, bytes) && fsync(fd) == 0 && rename(name, path) == 0)
        return true;
    error_set_errno(error, ERROR_IO, errno, "%s", name);
    (void)unlink(name);
    return false;
}

bool plugin_file_keep(const char *state_directory, const struct text *bytes, const char *sha256,
                      char **path, struct error *error)
{
    struct text folder CLEANUP(text_finish) = {0}, file CLEANUP(text_finish) = {0};
    text_append_format(&folder, "%s/plugins", state_directory);
    if (mkdir(text_string(&folder), 0700) != 0 && errno != EEXIST)
        return error_set_errno(error, ERROR_IO, errno, "%s", text_string(&folder));
    text_append_format(&file, "%s/%s.so", text_string(&folder), sha256);
    if (!copy_sound(text_string(&file), sha256) && !copy_write(text_string(&file), bytes, error))
        return false;
    *path = text_take(&file);
    return true;
}

int plugin_file_seal(const struct text *bytes, struct error *error)
{
    const int seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
    int fd = memfd_create("plugin", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 && write_all(fd, bytes) && fcntl(fd, F_ADD_SEALS, seals) == 0)
        return fd;
    error_set_errno(error, ERROR_IO, errno, "a descriptor of the plugin");
    if (fd >= 0)
        close(fd);
    return -1;
}
