/* A model of a Docker engine, served over a unix socket by threads of this process: real HTTP/1.1
 * with a script of faults and a count of calls. README.md tells what it models and its control
 * endpoints. All functions may be called from any thread. */
#ifndef TESTS_FAKE_DOCKER_H
#define TESTS_FAKE_DOCKER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct fake_docker;

/* `path` NULL: a socket in a temporary directory of its own. NULL with errno when it can't be. */
struct fake_docker *fake_docker_start(const char *path);
void fake_docker_stop(struct fake_docker *fake); /* NULL is fine */
const char *fake_docker_path(const struct fake_docker *fake);
/* Stops listening and cuts every connection; what is modelled stays. */
void fake_docker_go_away(struct fake_docker *fake);
void fake_docker_come_back(struct fake_docker *fake);
/* What /_ping tells; NULL: nothing. "1.41" at first. */
void fake_docker_set_version(struct fake_docker *fake, const char *version);

enum fake_how {
    FAKE_CLOSE = 1, /* the connection, without a byte of a reply */
    FAKE_HANG,      /* no reply until the client hangs up */
    FAKE_DELAY,     /* `ms`, then the usual reply */
    FAKE_REPLY,     /* `status` and `body` in place of the usual; 0, NULL: as usual */
    FAKE_TRUNCATE,  /* half of the usual body, then it closes */
    FAKE_FLOOD      /* `bytes` of one line */
};
struct fake_fault {
    const char *call; /* a glob over "METHOD /path", without version and query */
    enum fake_how how;
    bool act;       /* what was asked is done first */
    unsigned after; /* lets so many such calls pass */
    unsigned times; /* 0: once */
    int status;
    const char *body;
    unsigned ms;
    size_t bytes;
    bool cut;   /* with FAKE_REPLY: it closes where the reply would end ... */
    bool stall; /* ... or says no more */
};
void fake_docker_fault(struct fake_docker *fake, const struct fake_fault *fault); /* copied */
void fake_docker_faults_clear(struct fake_docker *fake);

/* How many calls came that fit the glob, and forgetting them. */
unsigned fake_docker_calls(struct fake_docker *fake, const char *call);
void fake_docker_calls_clear(struct fake_docker *fake);
/* The latest that fits: "METHOD /v1.41/path?query" and its body; the caller frees. NULL: none. */
char *fake_docker_last(struct fake_docker *fake, const char *call, char **body);
/* Returns once so many calls fit, or false after `ms`. */
bool fake_docker_await(struct fake_docker *fake, const char *call, unsigned count, unsigned ms);

/* An image that is there already; `local`: without a repository digest. */
void fake_docker_image(struct fake_docker *fake, const char *reference, bool local);
/* Made by somebody else; its id is written to `id` (65 bytes). `labels`: a JSON object. */
void fake_docker_container(struct fake_docker *fake, const char *name, const char *labels,
                           char *id);
/* `container`: an id or a name, here and below. */
void fake_docker_start_container(struct fake_docker *fake, const char *container);
void fake_docker_exit(struct fake_docker *fake, const char *container, int code, bool oom);
void fake_docker_destroy(struct fake_docker *fake, const char *container);
unsigned fake_docker_count(struct fake_docker *fake); /* of containers */
/* "created", "running", "exited", "removing", or "" */
const char *fake_docker_state(struct fake_docker *fake, const char *container);
/* What it was created from, a copy of the body; the caller's reference. */
json_t *fake_docker_config(struct fake_docker *fake, const char *container);
/* A line (or part) of its output; `channel` 1: stdout, 2: stderr. */
void fake_docker_log(struct fake_docker *fake, const char *container, int channel, const char *text,
                     size_t length);
void fake_docker_set_tty(struct fake_docker *fake, const char *container);

/* Of every so many events one is lost, or told twice; 0: none. */
void fake_docker_events_lose(struct fake_docker *fake, unsigned every);
void fake_docker_events_repeat(struct fake_docker *fake, unsigned every);
void fake_docker_events_cut(struct fake_docker *fake); /* all streams under way */

#endif
