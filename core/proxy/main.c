/* orchestrator-proxy: started by the daemon, never by hand. Descriptors: 2 the log, 3 the bound
 * socket of <stateDir>, 4 the way to the daemon. */
#include "base/clock.h"
#include "base/log.h"
#include "proxy/privileges.h"
#include "proxy/program.h"
#include "proxy/proxy.h"
#include "plugin/host.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct arguments {
    uint32_t workers;
    const char *user;
    uint64_t linger_ns;
    enum log_level level;
};

static int usage(void)
{
    fputs("orchestrator-proxy is started by orchestrator; --version tells its version\n", stderr);
    return 2;
}

static bool parse(int count, char **values, struct arguments *arguments)
{
    static const struct option options[] = {{"workers", required_argument, NULL, 'w'},
                                            {"user", required_argument, NULL, 'u'},
                                            {"linger-ns", required_argument, NULL, 'l'},
                                            {"log-level", required_argument, NULL, 'v'},
                                            {0}};
    for (int option; (option = getopt_long(count, values, "", options, NULL)) != -1;) {
        if (option == 'w')
            arguments->workers = (uint32_t)strtoul(optarg, NULL, 10);
        else if (option == 'u')
            arguments->user = optarg;
        else if (option == 'l')
            arguments->linger_ns = strtoull(optarg, NULL, 10);
        else if (option == 'v')
            arguments->level = (enum log_level)strtoul(optarg, NULL, 10);
        else
            return false;
    }
    return optind == count && arguments->user;
}

static bool is_socket(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode);
}

struct ending {
    struct loop_io io;
    struct proxy *proxy;
};

static void signalled(void *argument, int fd, unsigned events)
{
    struct ending *ending = argument;
    struct signalfd_siginfo info;
    (void)events;
    if (read(fd, &info, sizeof info) == sizeof info)
        proxy_stop(ending->proxy);
}

/* Blocked in every thread, and read like anything else. */
static int block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static int serve(const struct proxy_config *config, int signal_fd)
{
    struct error error = {0};
    struct ending ending = {.proxy = proxy_create(config, &error)};
    if (!ending.proxy) {
        LOG_ERROR("the proxy can't start", LOG_STR("error", error.message));
        return 1;
    }
    loop_io_init(&ending.io, config->loop, "signal", signalled, &ending);
    loop_io_set(&ending.io, signal_fd, LOOP_READ);
    loop_run(config->loop);
    loop_io_set(&ending.io, signal_fd, 0);
    proxy_destroy(ending.proxy);
    LOG_INFO("proxy ended");
    return 0;
}

int main(int count, char **values)
{
    struct arguments arguments = {.level = LOG_LEVEL_INFO};
    struct error error = {0};
    if (count == 2 && strcmp(values[1], "--version") == 0) {
        puts("orchestrator-proxy " ORCHESTRATOR_VERSION);
        return 0;
    }
    if (!parse(count, values, &arguments) || !is_socket(PROXY_SOCKET_FD) ||
        !is_socket(PROXY_FEED_FD))
        return usage();
    log_configure(arguments.level, LOG_FORMAT_AUTO, STDERR_FILENO);
    int signal_fd = block_signals();
    uid_t feeder = getuid();
    /* Listening here, as root, makes us the one whose number the daemon sees. */
    if (signal_fd < 0 || chdir("/") != 0 || listen(PROXY_SOCKET_FD, 4) != 0 ||
        !privileges_drop(arguments.user, &error)) {
        LOG_ERROR("the proxy can't start",
                  LOG_STR("error", error.code ? error.message : strerror(errno)));
        return 1;
    }
    struct loop *loop = loop_create_real(&error);
    if (!loop) {
        LOG_ERROR("the proxy can't start", LOG_STR("error", error.message));
        return 1;
    }
    (void)plugin_thread_mark(ORCH_THREAD_PROXY);
    const struct proxy_config config = {.loop = loop,
                                        .workers = arguments.workers,
                                        .user = arguments.user,
                                        .linger_ns = arguments.linger_ns,
                                        .socket_fd = PROXY_SOCKET_FD,
                                        .feed_fd = PROXY_FEED_FD,
                                        .feeder_uid = feeder};
    int status = serve(&config, signal_fd);
    close(signal_fd);
    loop_destroy(loop);
    return status;
}
