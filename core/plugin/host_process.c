/* orch.host.process/1. Children are watched by pidfd, so that no SIGCHLD handler is needed and
 * other children of the process are left alone. */
#include "base/text.h"
#include "loop/loop.h"
#include "plugin/host.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILD_LIMIT = 1024 };

struct child {
    struct children *owner;
    struct child *next;
    struct loop_io io;
    pid_t pid;
    int pidfd;
    void (*ended)(void *context, int32_t code);
    void *context;
};
struct children {
    struct plugin_host *host;
    struct child *first;
    uint32_t count;
};

static struct children *children_of(const struct orch_host *orch)
{
    return plugin_host_state(orch, &host_process_service);
}

static void forget(struct child *child)
{
    struct child **link = &child->owner->first;
    while (*link != child)
        link = &(*link)->next;
    *link = child->next;
    child->owner->count--;
    loop_io_set(&child->io, child->pidfd, 0);
    close(child->pidfd);
    free(child);
}

static void child_ready(void *argument, int fd, unsigned events)
{
    struct child *child = argument;
    int state = 0;
    (void)fd, (void)events;
    if (waitpid(child->pid, &state, WNOHANG) == 0)
        return;
    int32_t code = WIFSIGNALED(state) ? 128 + WTERMSIG(state) : WEXITSTATUS(state);
    void (*ended)(void *, int32_t) = child->ended;
    void *context = child->context;
    forget(child);
    if (ended)
        ended(context, code);
}

/* Above the three standard ones, so that no dup2 of the child overwrites a source of another. */
static int safe_copy(int32_t fd)
{
    return fd < 0 ? open("/dev/null", O_RDWR | O_CLOEXEC) : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static int spawn_with(const struct orch_process *process, const int fds[3], pid_t *pid)
{
    static const char *const empty[] = {NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    for (int i = 0; i < 3; i++)
        posix_spawn_file_actions_adddup2(&actions, fds[i], i);
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    const char *const *environment = process->envp ? process->envp : empty;
    /* POSIX's types lack the const that it promises in words. */
    int failed =
        posix_spawn(pid, process->argv[0], &actions, &attributes,
                    (char *const *)(uintptr_t)process->argv, (char *const *)(uintptr_t)environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

static int spawn_process(const struct orch_process *process, pid_t *pid)
{
    int fds[3] = {safe_copy(process->stdin_fd), safe_copy(process->stdout_fd),
                  safe_copy(process->stderr_fd)};
    int failed = fds[0] < 0 || fds[1] < 0 || fds[2] < 0 ? errno : spawn_with(process, fds, pid);
    for (int i = 0; i < 3; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    return failed;
}

static orch_status fail_errno(struct orch_error *error, orch_status status, int number,
                              const char *what)
{
    (void)orch_fail(error, status, what);
    if (error && error->size >= ORCH_SIZE_UPTO(struct orch_error, sys_errno))
        error->sys_errno = number;
    return status;
}

static orch_status spawn(const struct orch_host *orch, const struct orch_process *theirs,
                         void (*ended)(void *context, int32_t code), void *context, uint64_t *id,
                         struct orch_error *error)
{
    struct children *children = children_of(orch);
    struct orch_process process;
    pid_t pid = -1;
    if (!plugin_host_on_loop(orch, "orch.host.process/1 spawn"))
        return orch_fail(error, ORCH_E_WRONG_THREAD, "spawn is for the loop's thread");
    if (!theirs || !id)
        return orch_fail(error, ORCH_E_INVALID, "a parameter is NULL");
    if (ORCH_TAKE(struct orch_process, &process, theirs, error) != ORCH_OK)
        return ORCH_E_UNSUPPORTED;
    if (!process.argv || !process.argv[0] || process.argv[0][0] != '/')
        return orch_fail(error, ORCH_E_INVALID, "argv[0] is no absolute path");
    if (children->count == CHILD_LIMIT)
        return orch_fail(error, ORCH_E_FULL, "1024 processes are running");
    int failed = spawn_process(&process, &pid);
    if (failed)
        return fail_errno(error, failed == ENOENT ? ORCH_E_NOT_FOUND : ORCH_E_IO, failed,
                          process.argv[0]);
    int pidfd = pidfd_open(pid, 0);
    if (pidfd < 0) {
        failed = errno;
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0); /* it was killed: this does not take long */
        return fail_errno(error, ORCH_E_IO, failed, "a process can't be watched");
    }
    struct child *child = memory_alloc(sizeof *child);
    *child = (struct child){.owner = children,
                            .next = children->first,
                            .pid = pid,
                            .pidfd = pidfd,
                            .ended = ended,
                            .context = context};
    children->first = child;
    children->count++;
    loop_io_init(&child->io, children->host->environment->loop, children->host->label, child_ready,
                 child);
    loop_io_set(&child->io, pidfd, LOOP_READ);
    *id = (uint64_t)pid;
    return ORCH_OK;
}

static orch_status send_signal(const struct orch_host *orch, uint64_t pid, int32_t number)
{
    if (!plugin_host_on_loop(orch, "orch.host.process/1 signal"))
        return ORCH_E_WRONG_THREAD;
    for (const struct child *child = children_of(orch)->first; child; child = child->next)
        if ((uint64_t)child->pid == pid) {
            if (pidfd_send_signal(child->pidfd, number, NULL, 0) == 0)
                return ORCH_OK;
            return errno == ESRCH ? ORCH_E_NOT_FOUND : ORCH_E_INVALID;
        }
    return ORCH_E_NOT_FOUND;
}

static void *attach(struct plugin_host *host)
{
    struct children *children = memory_alloc(sizeof *children);
    children->host = host;
    return children;
}

/* Processes go on: what a runtime started outlives the daemon. */
static void detach(void *state)
{
    struct children *children = state;
    while (children->first)
        forget(children->first);
    free(children);
}

static const struct orch_host_process_v1 table = {
    .size = sizeof table, .spawn = spawn, .signal = send_signal};
const struct plugin_service host_process_service = {
    .interface_id = ORCH_HOST_PROCESS_1, .table = &table, .attach = attach, .detach = detach};
