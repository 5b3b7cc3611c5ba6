#include "base/failpoint.h"

#ifdef ORCHESTRATOR_FAILPOINTS
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum action { ACTION_NONE, ACTION_ABORT, ACTION_ERROR, ACTION_DELAY };
enum { DELAY_NS = 100 * 1000 * 1000 };

static const char *const names[FAILPOINT_COUNT] = {
#define X(name) #name,
    FAILPOINTS(X)
#undef X
};
/* Written once, before the first look. */
static struct {
    enum action action;
    unsigned nth;
    atomic_uint hits;
} points[FAILPOINT_COUNT];
static pthread_once_t read_once = PTHREAD_ONCE_INIT;

/* A test that names nothing would prove nothing. */
static void refuse(const char *word)
{
    fprintf(stderr, "ORCH_FAILPOINTS: \"%s\" is no NAME=abort|error|delay[:nth] of a failpoint\n",
            word);
    _exit(2);
}

static enum action action_of(const char *word)
{
    if (strcmp(word, "abort") == 0)
        return ACTION_ABORT;
    if (strcmp(word, "error") == 0)
        return ACTION_ERROR;
    return strcmp(word, "delay") == 0 ? ACTION_DELAY : ACTION_NONE;
}

static void read_point(const char *word)
{
    char name[48], action[16];
    unsigned nth = 1;
    if (sscanf(word, "%47[^=]=%15[^:]:%u", name, action, &nth) < 2)
        refuse(word);
    for (size_t i = 0; i < FAILPOINT_COUNT; i++) {
        if (strcmp(names[i], name) != 0)
            continue;
        points[i].action = action_of(action);
        points[i].nth = nth;
        if (points[i].action)
            return;
    }
    refuse(word);
}

static void read_environment(void)
{
    const char *text = getenv("ORCH_FAILPOINTS");
    char *copy = text ? strdup(text) : NULL, *rest = copy;
    for (char *word; (word = strsep(&rest, ","));)
        if (*word)
            read_point(word);
    free(copy);
}

bool failpoint_hit(enum failpoint point)
{
    pthread_once(&read_once, read_environment);
    if (!points[point].action)
        return false;
    unsigned hit = atomic_fetch_add(&points[point].hits, 1) + 1;
    if (points[point].action == ACTION_DELAY && hit >= points[point].nth)
        nanosleep(&(struct timespec){.tv_nsec = DELAY_NS}, NULL);
    if (points[point].action == ACTION_ABORT && hit == points[point].nth)
        kill(getpid(), SIGKILL);
    return points[point].action == ACTION_ERROR && hit == points[point].nth;
}
#endif
