/* The proxy's process: found by its socket, or started. */
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "proxy/feed_impl.h"
#include "proxy/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define GREETING_NS (10 * NS_PER_SECOND)
#define SOUND_NS (1 * NS_PER_SECOND) /* one that ran this long is replaced at once */
#define FIRST_BACKOFF_NS (20 * NS_PER_MS)
#define LONGEST_BACKOFF_NS (1 * NS_PER_SECOND)

extern char **environ;

/* The path of a socket holds 107 bytes, a folder's may be longer: it is reached by its descriptor.
 */
static int open_folder(const struct proxy_feed *feed, struct error *error)
{
    int folder = open(feed->state_directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        error_set_errno(error, ERROR_IO, errno, "stateDir: %s", feed->state_directory);
    return folder;
}

static struct sockaddr_un address_in(int folder, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", folder, name);
    return address;
}

bool feed_start_adopt(struct proxy_feed *feed)
{
    int folder = open_folder(feed, NULL);
    if (folder < 0)
        return false;
    struct sockaddr_un address = address_in(folder, "proxy.sock");
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool runs = fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    close(folder);
    if (!runs) { /* a socket file that is left over is replaced */
        if (fd >= 0)
            close(fd);
        return false;
    }
    feed_link_attach(feed, fd, 0);
    LOG_INFO("a proxy that runs is adopted", LOG_INT("pid", feed->pid));
    loop_timer_start(&feed->greeting, GREETING_NS);
    return true;
}

/* Under another name first, so that the name always leads to a whole one. */
static int bind_socket(const struct proxy_feed *feed, struct error *error)
{
    int folder = open_folder(feed, error);
    if (folder < 0)
        return -1;
    struct sockaddr_un made = address_in(folder, "proxy.sock.new");
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)unlinkat(folder, "proxy.sock.new", 0); /* left over from a crash, if at all */
    bool bound = fd >= 0 && bind(fd, (const struct sockaddr *)&made, sizeof made) == 0 &&
                 fchmodat(folder, "proxy.sock.new", 0600, 0) == 0 &&
                 renameat(folder, "proxy.sock.new", folder, "proxy.sock") == 0;
    if (!bound) {
        error_set_errno(error, ERROR_IO, errno, "%s/proxy.sock", feed->state_directory);
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    close(folder);
    return fd;
}

/* -- spawning -- */

/* The daemon's environment may hold secrets; the proxy runs as another user. */
static bool is_passed_on(const char *variable)
{
    static const char *const names[] = {
        "PATH=",          "TZ=",           "LANG=",         "ASAN_OPTIONS=",
        "UBSAN_OPTIONS=", "TSAN_OPTIONS=", "LSAN_OPTIONS=", "GCOV_PREFIX="};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (text_starts_with(variable, names[i]))
            return true;
    return false;
}

static char **proxy_environment(void)
{
    size_t count = 0, kept = 0;
    while (environ[count])
        count++;
    char **out = memory_alloc((count + 1) * sizeof *out);
    for (size_t i = 0; i < count; i++)
        if (is_passed_on(environ[i]))
            out[kept++] = environ[i];
    return out;
}

static void set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_init(attributes);
    posix_spawnattr_setsigdefault(attributes, &all);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setflags(attributes,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
}

static void set_actions(posix_spawn_file_actions_t *actions, int socket_fd, int feed_fd)
{
    posix_spawn_file_actions_init(actions);
    posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDWR, 0);
    posix_spawn_file_actions_adddup2(actions, 0, 1);
    posix_spawn_file_actions_adddup2(actions, socket_fd, PROXY_SOCKET_FD);
    posix_spawn_file_actions_adddup2(actions, feed_fd, PROXY_FEED_FD);
    posix_spawn_file_actions_addclosefrom_np(actions, PROXY_FEED_FD + 1);
}

static enum log_level current_level(void)
{
    enum log_level level = LOG_LEVEL_DEBUG;
    while (level < LOG_LEVEL_ERROR && !log_enabled(level))
        level++;
    return level;
}

/* Both descriptors lie above those that they become. */
static bool spawn(struct proxy_feed *feed, int socket_fd, int feed_fd, pid_t *pid,
                  struct error *error)
{
    char workers[16], linger[24], level[16];
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    snprintf(workers, sizeof workers, "%u", feed->workers);
    snprintf(linger, sizeof linger, "%llu", (unsigned long long)feed->linger_ns);
    snprintf(level, sizeof level, "%d", (int)current_level());
    char *arguments[] = {feed->program, "--workers", workers,       "--user", feed->user,
                         "--linger-ns", linger,      "--log-level", level,    NULL};
    char **environment = proxy_environment();
    set_attributes(&attributes);
    set_actions(&actions, socket_fd, feed_fd);
    int failed = posix_spawn(pid, feed->program, &actions, &attributes, arguments, environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    free(environment);
    return !failed || error_set_errno(error, ERROR_IO, failed, "%s", feed->program);
}

/* -- children -- */

static void free_child(struct feed_child *child)
{
    struct feed_child **at = &child->feed->children;
    while (*at != child)
        at = &(*at)->next;
    *at = child->next;
    loop_io_set(&child->io, child->pidfd, 0);
    close(child->pidfd);
    free(child);
}

static void child_ended(void *argument, int fd, unsigned events)
{
    struct feed_child *child = argument;
    int status = 0;
    (void)fd, (void)events;
    if (waitpid(child->pid, &status, WNOHANG) == 0)
        return;
    if (WIFSIGNALED(status))
        LOG_ERROR("a proxy was ended by a signal", LOG_INT("pid", child->pid),
                  LOG_INT("signal", WTERMSIG(status)));
    else
        LOG_INFO("a proxy ended", LOG_INT("pid", child->pid),
                 LOG_INT("status", WEXITSTATUS(status)));
    free_child(child);
}

/* Its end is noticed by its socket; this is for its status, and so that it leaves no zombie. */
static void watch_child(struct proxy_feed *feed, pid_t pid)
{
    int pidfd = pidfd_open(pid, 0);
    if (pidfd < 0) {
        LOG_WARN("the proxy's end won't be seen", LOG_STR("error", strerror(errno)));
        return;
    }
    struct feed_child *child = memory_alloc(sizeof *child);
    child->feed = feed;
    child->pid = pid;
    child->pidfd = pidfd;
    child->next = feed->children;
    feed->children = child;
    loop_io_init(&child->io, feed->loop, "proxy process", child_ended, child);
    loop_io_set(&child->io, pidfd, LOOP_READ);
}

static int move_up(int fd)
{
    int moved = fd >= 0 && fd <= PROXY_FEED_FD ? fcntl(fd, F_DUPFD_CLOEXEC, PROXY_FEED_FD + 1) : fd;
    if (moved != fd)
        close(fd);
    return moved;
}

bool feed_start_new(struct proxy_feed *feed, struct error *error)
{
    int ends[2];
    pid_t pid = 0;
    int socket_fd = move_up(bind_socket(feed, error));
    if (socket_fd < 0)
        return false;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
        close(socket_fd);
        return error_set_errno(error, ERROR_IO, errno, "the proxy's socket");
    }
    ends[1] = move_up(ends[1]);
    bool spawned = spawn(feed, socket_fd, ends[1], &pid, error);
    close(socket_fd);
    close(ends[1]);
    if (!spawned) {
        close(ends[0]);
        return false;
    }
    FAILPOINT(feed_spawned);
    feed->started_ns = loop_now_ns(feed->loop);
    watch_child(feed, pid);
    feed_link_attach(feed, ends[0], pid);
    loop_timer_start(&feed->greeting, GREETING_NS);
    return true;
}

void feed_start_again(struct proxy_feed *feed)
{
    bool sound = loop_now_ns(feed->loop) - feed->started_ns >= SOUND_NS;
    uint64_t delay_ns = sound ? 0 : feed->start_backoff_ns;
    uint64_t next_ns = delay_ns ? delay_ns * 2 : FIRST_BACKOFF_NS;
    feed->start_backoff_ns = next_ns < LONGEST_BACKOFF_NS ? next_ns : LONGEST_BACKOFF_NS;
    loop_timer_start(&feed->start, delay_ns);
}

static void start_due(void *argument)
{
    struct proxy_feed *feed = argument;
    struct error error = {0};
    if (feed_start_new(feed, &error))
        return;
    LOG_ERROR("the proxy can't be started", LOG_STR("error", error.message));
    feed_start_again(feed);
}

static void greeting_late(void *argument)
{
    struct proxy_feed *feed = argument;
    LOG_ERROR("the proxy does not answer; it is ended", LOG_INT("pid", feed->pid));
    if (feed->pid > 0)
        kill(feed->pid, SIGKILL); /* its socket then closes, and another is started */
}

void feed_start_init(struct proxy_feed *feed)
{
    loop_timer_init(&feed->start, feed->loop, "start proxy", start_due, feed);
    loop_timer_init(&feed->greeting, feed->loop, "greeting", greeting_late, feed);
}

void feed_start_finish(struct proxy_feed *feed)
{
    loop_timer_stop(&feed->start);
    loop_timer_stop(&feed->greeting);
    while (feed->children)
        free_child(feed->children);
}
