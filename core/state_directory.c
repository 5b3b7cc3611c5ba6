#include "state_directory.h"
#include "base/failpoint.h"
#include "base/id.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static bool make_folders(const char *path, struct error *error)
{
    char part[PATH_MAX];
    if (snprintf(part, sizeof part, "%s", path) >= (int)sizeof part)
        return error_set(error, ERROR_VALIDATION, "stateDir is longer than a path may be");
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(part, 0755) != 0 && errno != EEXIST)
            return error_set_errno(error, ERROR_IO, errno, "stateDir: %s could not be made", part);
        *slash = '/';
    }
    if (mkdir(part, 0700) != 0 && errno != EEXIST)
        return error_set_errno(error, ERROR_IO, errno, "stateDir: %s could not be made", part);
    return true;
}

static bool check_folder(const char *path, struct error *error)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return error_set_errno(error, ERROR_IO, errno, "stateDir: %s can't be read", path);
    if (!S_ISDIR(status.st_mode))
        return error_set(error, ERROR_IO, "stateDir: %s is no folder", path);
    if (status.st_uid != geteuid())
        return error_set(error, ERROR_FORBIDDEN,
                         "stateDir: %s belongs to uid %u, the daemon runs as uid %u; chown it",
                         path, status.st_uid, geteuid());
    if (status.st_mode & 077)
        return error_set(error, ERROR_FORBIDDEN,
                         "stateDir: %s holds secrets and others may enter it (mode %04o); "
                         "chmod 700 %s",
                         path, status.st_mode & 07777, path);
    return true;
}

int state_directory_open(const char *path, struct error *error)
{
    char lock_path[PATH_MAX];
    if (!make_folders(path, error) || !check_folder(path, error))
        return -1;
    snprintf(lock_path, sizeof lock_path, "%s/lock", path);
    int fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        error_set_errno(error, ERROR_IO, errno, "stateDir: %s could not be opened", lock_path);
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        FAILPOINT(start_locked);
        return fd;
    }
    if (errno == EWOULDBLOCK)
        error_set(
            error, ERROR_CONFLICT,
            "another daemon runs on stateDir %s: end it, or give this one a folder of its own",
            path);
    else
        error_set_errno(error, ERROR_IO, errno, "stateDir: %s could not be locked", lock_path);
    close(fd);
    return -1;
}

/* Written whole under another name, so that a crash leaves no half a key. */
static bool make_key(const char *folder, const char *path, char key[API_KEY_BYTES],
                     struct error *error)
{
    char fresh[PATH_MAX];
    struct random_source random = random_source_system();
    id_make_uid(random, key);
    id_make_uid(random, key + strlen(key));
    snprintf(fresh, sizeof fresh, "%s/api-key.new", folder);
    (void)unlink(fresh); /* of a crash before */
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set_errno(error, ERROR_IO, errno, "%s could not be made", fresh);
    bool done = dprintf(fd, "%s\n", key) > 0 && fsync(fd) == 0;
    int fault = errno;
    close(fd);
    if (!done || rename(fresh, path) != 0)
        return error_set_errno(error, ERROR_IO, done ? errno : fault, "%s could not be written",
                               path);
    return true;
}

static bool read_key(int fd, const char *path, char key[API_KEY_BYTES], struct error *error)
{
    struct stat status;
    if (fstat(fd, &status) != 0 || (status.st_mode & 077))
        return error_set(error, ERROR_FORBIDDEN,
                         "%s holds the administrator's key and others may read it (mode %04o); "
                         "chmod 600 %s",
                         path, status.st_mode & 07777, path);
    ssize_t length = read(fd, key, API_KEY_BYTES - 1);
    if (length < 0)
        return error_set_errno(error, ERROR_IO, errno, "%s can't be read", path);
    key[length] = 0;
    key[strcspn(key, "\r\n")] = 0;
    if (strlen(key) < 16)
        return error_set(error, ERROR_VALIDATION,
                         "%s holds no key of at least 16 characters; remove it to have one made",
                         path);
    return true;
}

bool api_key_load(const char *path, const char *configured, char key[API_KEY_BYTES], bool *made,
                  struct error *error)
{
    char file[PATH_MAX];
    *made = false;
    if (*configured) {
        snprintf(key, API_KEY_BYTES, "%s", configured);
        return true;
    }
    snprintf(file, sizeof file, "%s/api-key", path);
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT) {
        *made = true;
        return make_key(path, file, key, error);
    }
    if (fd < 0)
        return error_set_errno(error, ERROR_IO, errno, "%s can't be opened", file);
    bool done = read_key(fd, file, key, error);
    close(fd);
    return done;
}
