/* Private to this folder: one try of a probe. */
#ifndef HEALTH_IMPL_H
#define HEALTH_IMPL_H

#include "health/health.h"
#include "health/probe_state.h"

enum { PROBE_BODY_BYTES = 64 * 1024, PROBE_MESSAGE_BYTES = 160 };

struct attempt; /* under way */
struct prober {
    struct health *health;
    const struct probe *probe;
    enum probe_role role;
    struct probe_state state;
    struct loop_timer timer; /* the next try, or this one's timeout */
    struct attempt *attempt;
    char message[PROBE_MESSAGE_BYTES]; /* of the last failure */
};
struct health {
    struct health_config config;
    char address[64], runtime_id[80];
    struct prober probers[ROLE_COUNT];
    bool held_ready; /* adopted: true until readiness is known */
    struct loop_timer tell;
};
/* Ends the try; message NULL: it succeeded. The attempt is freed. */
void prober_result(struct prober *prober, const char *message);
uint16_t prober_port(const struct prober *prober, const struct port_ref *ref);

/* Each kind: begin a try (false: it has ended already by prober_result), and give one up. */
struct attempt *probe_http_start(struct prober *prober);
void probe_http_stop(struct attempt *attempt);
struct attempt *probe_tcp_start(struct prober *prober);
void probe_tcp_stop(struct attempt *attempt);
struct attempt *probe_exec_start(struct prober *prober);
void probe_exec_stop(struct attempt *attempt);

#endif
