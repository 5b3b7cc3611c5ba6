/* SPDX-License-Identifier: Apache-2.0
 *
 * A host to test plugins with, without the orchestrator: one thread, virtual time, everything that
 * a plugin does kept to be looked at. Offers log, thread, loop, ops, http (scripted) and metrics;
 * `fakehost_resize` makes it an older or a newer host. Aborts with a message on misuse by the test.
 */
#ifndef ORCHESTRATOR_FAKEHOST_H
#define ORCHESTRATOR_FAKEHOST_H

#include <orchestrator/host.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fakehost;

struct fakehost *fakehost_create(void);
/* Whatever was still posted or armed is dropped without a call. */
void fakehost_destroy(struct fakehost *fake);
const struct orch_host *fakehost_host(struct fakehost *fake);

/* How often the plugin broke a rule (a second completion, emitting for an ended operation, adding
 * to an unknown metric), and the last such sentence. */
unsigned fakehost_faults(const struct fakehost *fake);
const char *fakehost_last_fault(const struct fakehost *fake);

/* ---- other hosts ----------------------------------------------------------------------------- */
/* From the next `get` on the table of that id is so many bytes: shorter is an older host, longer a
 * newer one (its tail is zero), 0 a host that lacks it. */
void fakehost_resize(struct fakehost *fake, const char *interface_id, uint32_t size);

/* ---- the plugin under test ------------------------------------------------------------------- */
/* Its table of that interface and name (NULL: the first of the interface), as linked into the test.
 * NULL when it does not provide that, or when a mandatory need of the manifest is not met. */
const void *fakehost_table(struct fakehost *fake, const struct orch_manifest *manifest,
                           const char *interface_id, const char *name);

/* ---- the loop -------------------------------------------------------------------------------- */
uint64_t fakehost_now_ns(const struct fakehost *fake);
/* Runs the one thing that is due next: something posted or offloaded, an http event, else the next
 * timer (time jumps to it). 0: nothing was left. */
int fakehost_step(struct fakehost *fake);
/* Steps until nothing is left, at most 100,000; answers how many. */
unsigned fakehost_run(struct fakehost *fake);
/* Runs what is due within that time; the clock then stands there. */
void fakehost_advance(struct fakehost *fake, uint64_t ns);
/* Calls the plugin's watcher of that descriptor, if it wants one of these events. 0: it does not.
 */
int fakehost_ready(struct fakehost *fake, int32_t fd, uint32_t events);

/* ---- operations ------------------------------------------------------------------------------ */
/* `inspect` (may be NULL) is called inside `complete`, while the plugin's values are valid. */
struct orch_op fakehost_op(struct fakehost *fake,
                           void (*inspect)(void *context, const struct orch_result *result),
                           void *context);
/* 0 while it has not completed, else its status. */
orch_status fakehost_op_status(const struct fakehost *fake, struct orch_op op);
const char *fakehost_op_message(const struct fakehost *fake, struct orch_op op); /* "" if none */
/* Everything emitted on that channel, terminated. */
const char *fakehost_op_output(const struct fakehost *fake, struct orch_op op, uint32_t channel,
                               size_t *length);
/* Credit left; the test calls `resume` of the plugin's table after giving more. From 65536. */
void fakehost_op_credit(struct fakehost *fake, struct orch_op op, int64_t credit);
/* The host gives up: completions are STALE from now on, and no faults. */
void fakehost_op_give_up(struct fakehost *fake, struct orch_op op);

/* ---- http ------------------------------------------------------------------------------------ */
/* A reply to the next request whose method (NULL: any) and URL (a part of it) fit. Strings must
 * live until then. A request that no script fits ends with ORCH_E_UNAVAILABLE. */
struct fakehost_reply {
    const char *method, *url_part;
    int32_t http_status;
    uint32_t chunk_bytes; /* the body comes in pieces of so many; 0: whole */
    const struct orch_pair *headers;
    size_t header_count;
    struct orch_str body;
    orch_status
        end; /* 0: ORCH_OK; else it ends so after the body, or at once without http_status */
    uint32_t reserved;
    uint64_t delay_ns;
};
void fakehost_http_reply(struct fakehost *fake, const struct fakehost_reply *reply);
unsigned fakehost_http_count(const struct fakehost *fake); /* requests so far */
/* "POST http://host/path\nname: value\n\nbody", by order; NULL beyond the last. */
const char *fakehost_http_request(const struct fakehost *fake, unsigned index);

/* ---- log and metrics ------------------------------------------------------------------------- */
/* All lines: "warn message key=value\n". */
const char *fakehost_log(const struct fakehost *fake);
int64_t fakehost_metric(const struct fakehost *fake, const char *name); /* INT64_MIN: not defined */

#ifdef __cplusplus
}
#endif
#endif
