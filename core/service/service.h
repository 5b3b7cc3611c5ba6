/* Records of services. */
#ifndef SERVICE_SERVICE_H
#define SERVICE_SERVICE_H

#include "container/template.h"
#include "service/http.h"
#include "store/record.h"

enum service_protocol { SERVICE_TCP = 1, SERVICE_HTTP, SERVICE_UDP };
struct sticky {
    const char *cookie;
};
struct service_tls {
    const char *certificate; /* of proxy.certificates, on every node */
};
/* What the proxy answers by itself: answers.c. */
struct hold {
    uint64_t time_ns; /* 0: no request waits */
    int64_t requests; /* at once, of one worker */
};
struct maintenance_page {
    const char *content_type, *body;
};
struct redirect {
    const char *scheme, *host, *path; /* NULL: the request's */
    int64_t status;
};
extern const struct type hold_type, maintenance_page_type, redirect_type;
/* When a proxy leaves an endpoint out: ejection.c. */
struct ejection {
    int64_t failures; /* in a row; 0: none are counted */
    struct amount failure_rate, max_share;
    uint64_t interval_ns, time_ns, max_time_ns;
};
extern const struct type ejection_type;
struct service {
    struct record record;
    const char *name, *namespace_name, *deployment;
    const char *listen;            /* "127.0.0.1:8080" */
    struct port_ref target_port;   /* neither: the deployment's only port */
    uint8_t protocol;              /* enum service_protocol */
    struct list hosts;             /* of const char *: exact, or "*.example.org"; none: any */
    const char *path_prefix;       /* "/": any */
    const struct sticky *sticky;   /* NULL: a client goes where the balancer says */
    const struct service_tls *tls; /* NULL: clients come without */
    const char *balancer;          /* NULL: the configured default */
    const char *balancer_config;   /* JSON text */
    uint64_t drain_timeout_ns, connect_timeout_ns, idle_timeout_ns;
    uint64_t slow_start_ns;  /* 0: a new endpoint has its whole weight at once */
    int64_t max_connections; /* of one proxy; NUMBER_NULL: no limit */
    struct ejection ejection;
    struct hold hold;
    const struct maintenance_page *maintenance; /* NULL: a sentence */
    const struct redirect *redirect;            /* NULL: requests are served */
    struct service_http http;
};
enum endpoint_state { ENDPOINT_ACTIVE = 1, ENDPOINT_DRAINING, ENDPOINT_DOWN };
extern const struct record_kind service_kind;
/* May both have the same `listen`: is it told by host and path which one is meant, or is one of
 * datagrams? */
bool service_can_share(const struct service *a, const struct service *b);
extern const struct type service_type;

#endif
