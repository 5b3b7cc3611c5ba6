/* Loaded before others (LD_PRELOAD): makes system calls of the store and of the clock go wrong.
 *
 *   ORCH_FAULTY_SYNC=N         the Nth sync of a file whose path holds ORCH_FAULTY_PATH answers
 * EIO, and, as after a real one, those after it say that all is well ORCH_FAULTY_LOG=FILE gets a
 * byte at each sync from the failed one on ORCH_FAULTY_SYNCHRONOUS=M  stands in for FULL in "PRAGMA
 * synchronous=FULL" ORCH_FAULTY_CLOCK=FILE     eight bytes: seconds that are added to the wall
 * clock
 *
 * Any thread. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

int sqlite3_exec(void *database, const char *sql, int (*row)(void *, int, char **, char **),
                 void *argument, char **message);

/* -- syncs -- */

static int is_meant(int fd)
{
    char link[40], path[512];
    const char *part = getenv("ORCH_FAULTY_PATH");
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (!part || length < 0)
        return 0;
    path[length] = 0;
    return strstr(path, part) != NULL;
}

static void note(void)
{
    const char *path = getenv("ORCH_FAULTY_LOG");
    int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (fd < 0)
        return;
    ssize_t written = write(fd, "x", 1);
    (void)written;
    close(fd);
}

static int sync_or_fail(int fd, long call)
{
    static atomic_long count;
    const char *nth = getenv("ORCH_FAULTY_SYNC");
    if (nth && is_meant(fd)) {
        long number = atomic_fetch_add(&count, 1) + 1;
        if (number >= atol(nth))
            note();
        if (number == atol(nth)) {
            errno = EIO;
            return -1;
        }
    }
    return (int)syscall(call, fd);
}

int fsync(int fd)
{
    return sync_or_fail(fd, SYS_fsync);
}

int fdatasync(int fd)
{
    return sync_or_fail(fd, SYS_fdatasync);
}

/* -- SQLite's setting -- */

int sqlite3_exec(void *database, const char *sql, int (*row)(void *, int, char **, char **),
                 void *argument, char **message)
{
    static const char full[] = "PRAGMA synchronous=FULL;";
    int (*real)(void *, const char *, int (*)(void *, int, char **, char **), void *, char **);
    const char *mode = getenv("ORCH_FAULTY_SYNCHRONOUS"), *at = sql ? strstr(sql, full) : NULL;
    char changed[1024];
    *(void **)&real = dlsym(RTLD_NEXT, "sqlite3_exec");
    if (!real) { /* not in the order of search that began with us: loaded later by a plugin */
        void *library = dlopen("libsqlite3.so.0", RTLD_LAZY);
        *(void **)&real = library ? dlsym(library, "sqlite3_exec") : NULL;
    }
    if (!real)
        abort();
    if (mode && at) {
        snprintf(changed, sizeof changed, "%.*sPRAGMA synchronous=%s;%s", (int)(at - sql), sql,
                 mode, at + sizeof full - 1);
        sql = changed;
    }
    return real(database, sql, row, argument, message);
}

/* -- the wall clock -- */

static int64_t shift_s(void)
{
    static _Atomic(const volatile int64_t *) mapped;
    const volatile int64_t *shift = atomic_load(&mapped);
    const char *path = shift ? NULL : getenv("ORCH_FAULTY_CLOCK");
    if (path) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        void *place = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *shift, PROT_READ, MAP_SHARED, fd, 0);
        if (fd >= 0)
            close(fd);
        if (place == MAP_FAILED)
            abort(); /* a test that shifts nothing proves nothing */
        shift = place;
        atomic_store(&mapped, shift);
    }
    return shift ? *shift : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += shift_s();
    return result;
}

time_t time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec fine;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &fine);
    *now = (struct timeval){.tv_sec = fine.tv_sec, .tv_usec = fine.tv_nsec / 1000};
    return 0;
}
