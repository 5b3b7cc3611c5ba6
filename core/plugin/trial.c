#include "plugin/trial.h"
#include "base/clock.h"
#include "base/text.h"
#include "plugin/manifest.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REPORT_LIMIT = 1024 * 1024, CHILD_PIPE = 3, CHILD_FILE = 4 };

const char *plugin_dlerror(void)
{
    const char *message = dlerror();
    const char *colon = message ? strstr(message, ": ") : NULL;
    if (!message)
        return "for no reason given";
    return message[0] == '/' && colon ? colon + 2 : message;
}

/* ---- in the child ---------------------------------------------------------------------------- */

static void add_fault(void *argument, const char *path, const char *message)
{
    json_array_append_new(argument, json_pack("{s:s, s:s}", "path", path, "message", message));
}

static void check_config(const struct trial *trial, const struct orch_manifest *manifest,
                         json_t *faults)
{
    const struct orch_provide *provide =
        manifest_find(manifest, plugin_kind_interface(trial->kind), trial->name);
    struct error ignored; /* the judge has compiled it before */
    if (!provide)
        return;
    struct config_schema *schema = config_schema_compile(
        provide->config_schema ? provide->config_schema : PLUGIN_NO_CONFIG, &ignored);
    if (schema)
        config_schema_check(schema, trial->config, trial->config_path, add_fault, faults);
    config_schema_destroy(schema);
}

static json_t *list_provides(const struct orch_manifest *manifest)
{
    json_t *list = json_array();
    const struct orch_array provides = {manifest->provides, manifest->provide_count,
                                        manifest->provide_stride};
    for (uint32_t i = 0; i < provides.count; i++) {
        const struct orch_provide *provide = ORCH_AT(struct orch_provide, provides, i);
        json_array_append_new(list, json_pack("{s:s, s:s}", "interface", provide->interface_id,
                                              "name", provide->name ? provide->name : ""));
    }
    return list;
}

static json_t *child_report(const struct trial *trial)
{
    struct manifest_judgement judgement = {0};
    char path[40];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", CHILD_FILE);
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!object)
        return json_pack("{s:b, s:s+}", "accepted", 0, "reasons",
                         "can't be loaded: ", plugin_dlerror());
    json_t *faults = json_array(), *provides = NULL;
    bool accepted = manifest_judge(dlsym(object, ORCH_MANIFEST_SYMBOL), trial->environment,
                                   trial->kind, trial->name, &judgement);
    if (accepted) {
        provides = list_provides(&judgement.manifest);
        if (trial->check_config)
            check_config(trial, &judgement.manifest, faults);
    }
    return json_pack("{s:b, s:s, s:s, s:s?, s:s?, s:I, s:o, s:o*}", "accepted", accepted, "reasons",
                     text_string(&judgement.reasons), "warnings", text_string(&judgement.warnings),
                     "id", judgement.manifest.id, "version", judgement.manifest.version, "sdk",
                     (json_int_t)judgement.manifest.sdk_version, "faults", faults, "provides",
                     provides);
}

/* Nothing of the parent's is left open to a constructor but the two descriptors. */
static void child_isolate(int pipe_fd, int file_fd)
{
    const struct rlimit none = {0, 0};
    int null = open("/dev/null", O_RDWR);
    int report = fcntl(pipe_fd, F_DUPFD, 10), file = fcntl(file_fd, F_DUPFD, 10);
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)setrlimit(RLIMIT_CORE, &none); /* a crash here is an answer, no accident */
    for (int fd = 0; fd < 3; fd++)
        (void)dup2(null, fd);
    (void)dup2(report, CHILD_PIPE);
    (void)dup2(file, CHILD_FILE);
    (void)close_range(CHILD_FILE + 1, ~0U, 0);
}

static void child_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    for (int number = 1; number < NSIG; number++)
        (void)signal(number, SIG_DFL); /* fails for those that can't be caught */
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

__attribute__((noreturn)) static void child_main(const struct trial *trial, int pipe_fd)
{
    child_isolate(pipe_fd, trial->fd);
    child_signals();
    json_t *report = child_report(trial);
    char *text = report ? json_dumps(report, JSON_COMPACT) : NULL;
    if (text)
        (void)dprintf(CHILD_PIPE, "%s\n", text); /* a lost report is an answer as well */
    _exit(text ? 0 : 1);
}

/* ---- in the parent --------------------------------------------------------------------------- */

/* Reads up to the newline. False: the end or the time limit came first. */
static bool read_report(int pipe_fd, int timer_fd, struct text *out, bool *timed_out)
{
    struct pollfd wait[2] = {{.fd = pipe_fd, .events = POLLIN}, {.fd = timer_fd, .events = POLLIN}};
    char block[4096];
    for (;;) {
        if (poll(wait, 2, -1) < 0 && errno != EINTR)
            return false;
        if (wait[0].revents) {
            ssize_t count = read(pipe_fd, block, sizeof block);
            if (count <= 0 || out->length > REPORT_LIMIT)
                return false;
            text_append(out, block, (size_t)count);
            if (memchr(block, '\n', (size_t)count))
                return true;
        } else if (wait[1].revents) {
            *timed_out = true;
            return false;
        }
    }
}

static char *copied(const json_t *report, const char *key)
{
    const char *value = json_string_value(json_object_get(report, key));
    return memory_strdup(value ? value : "");
}

static void take_report(const char *text, struct trial_report *out)
{
    json_t *report = json_loads(text, 0, NULL);
    out->accepted = json_is_true(json_object_get(report, "accepted"));
    out->reasons = copied(report, "reasons");
    out->warnings = copied(report, "warnings");
    out->id = copied(report, "id");
    out->version = copied(report, "version");
    out->sdk_version = (uint32_t)json_integer_value(json_object_get(report, "sdk"));
    out->provides = json_incref(json_object_get(report, "provides"));
    out->faults = json_incref(json_object_get(report, "faults"));
    json_decref(report);
}

static void refuse(struct trial_report *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void refuse(struct trial_report *out, const char *format, ...)
{
    struct error sentence = {0};
    va_list arguments;
    va_start(arguments, format);
    error_vset(&sentence, ERROR_PLUGIN, format, arguments);
    va_end(arguments);
    take_report("{}", out);
    free(out->reasons);
    out->reasons = memory_strdup(sentence.message);
}

static void explain_end(const struct trial *trial, int state, bool timed_out,
                        struct trial_report *out)
{
    char limit[CLOCK_TEXT_BYTES];
    if (timed_out)
        refuse(out, "was not loaded within %s: a constructor hangs",
               clock_format_duration_ns(trial->limit_ms * NS_PER_MS, limit));
    else if (WIFSIGNALED(state))
        refuse(out, "crashes while being loaded (SIG%s)", sigabbrev_np(WTERMSIG(state)));
    else
        refuse(out, "ends the process while being loaded (exit status %d)", WEXITSTATUS(state));
}

static int timer_open(uint64_t limit_ms)
{
    const struct itimerspec limit = {
        .it_value = {.tv_sec = (time_t)(limit_ms / 1000),
                     .tv_nsec = (long)(limit_ms % 1000 * NS_PER_MS) + 1}};
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    if (fd >= 0)
        (void)timerfd_settime(fd, 0, &limit, NULL); /* the values are valid */
    return fd;
}

static void await_child(const struct trial *trial, pid_t child, int pipe_fd, int timer_fd,
                        struct trial_report *out)
{
    struct text text CLEANUP(text_finish) = {0};
    bool timed_out = false;
    int state = 0;
    bool reported = read_report(pipe_fd, timer_fd, &text, &timed_out);
    if (timed_out || reported)
        (void)kill(-child, SIGKILL); /* with what a constructor may have started */
    if (timed_out || reported)
        (void)kill(child, SIGKILL); /* it may not have come to setpgid */
    while (waitpid(child, &state, 0) < 0 && errno == EINTR)
        ;
    if (reported)
        take_report(text_string(&text), out);
    else
        explain_end(trial, state, timed_out, out);
}

void trial_run(const struct trial *trial, struct trial_report *out)
{
    int ends[2] = {-1, -1}, timer_fd = timer_open(trial->limit_ms);
    *out = (struct trial_report){0};
    if (timer_fd < 0 || pipe2(ends, O_CLOEXEC) != 0) {
        refuse(out, "can't be tried: %s", strerror(errno));
        if (timer_fd >= 0)
            close(timer_fd);
        return;
    }
    pid_t child = fork();
    if (child == 0)
        child_main(trial, ends[1]);
    close(ends[1]);
    if (child < 0)
        refuse(out, "can't be tried: %s", strerror(errno));
    else
        await_child(trial, child, ends[0], timer_fd, out);
    close(ends[0]);
    close(timer_fd);
}

void trial_report_finish(struct trial_report *report)
{
    free(report->reasons);
    free(report->warnings);
    free(report->id);
    free(report->version);
    json_decref(report->provides);
    json_decref(report->faults);
}
