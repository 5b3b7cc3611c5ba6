/* Outgoing HTTP on the loop: libcurl's multi-socket interface with our own deadlines. Used by the
 * plugins' http service, HTTP probes and the links between daemons. Library core_plugin_http.
 *
 * No redirects, no proxies or credentials from the environment, no Expect, no signals. HTTP/1.1,
 * or HTTP/2 where TLS negotiates it or by prior knowledge. Connections are kept and used again.
 * Everything is [loop]; callbacks never run inside a call of ours. */
#ifndef PLUGIN_HTTP_CLIENT_H
#define PLUGIN_HTTP_CLIENT_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_client;
struct loop;

enum { HTTP_CLIENT_LIMIT = 4096 }; /* requests at a time; more are refused */

struct http_client *http_client_create(struct loop *loop, struct error *error);
void http_client_destroy(struct http_client *client); /* no callbacks; NULL is fine */

struct http_header {
    const char *name, *value; /* names of replies are in lower case */
};
/* All of it is copied by http_client_start. */
struct http_request {
    const char *method;      /* NULL: "GET" */
    const char *url;         /* http:// or https:// */
    const char *unix_socket; /* at most 107 bytes; NULL: by the URL's host */
    const struct http_header *headers;
    size_t header_count;
    const void *body; /* NULL: none */
    size_t body_bytes;
    const char *ca_file, *certificate_file, *key_file; /* https; may be NULL */
    uint64_t connect_timeout_ns;                       /* until connected, TLS included; 0: 5 s */
    uint64_t first_byte_timeout_ns; /* from start to the head; 0: 30 s; UINT64_MAX: none */
    uint64_t stall_timeout_ns; /* no byte of the reply for so long, while not paused; 0: none */
    uint64_t total_timeout_ns; /* 0: none */
    uint64_t max_body_bytes;   /* of the reply; 0: 1 MiB; UINT64_MAX: no bound */
    bool http2_prior_knowledge;
    bool insecure;         /* https: don't verify the peer */
    bool fresh_connection; /* neither a kept connection nor keeping this one: for probes */
};
/* Order: head once, body any number of times, trailers at most once, then exactly one done. */
struct http_handler {
    void (*head)(void *argument, int status, const struct http_header *headers, size_t count);
    bool (*body)(void *argument, const void *bytes, size_t length); /* false: enough, CANCELLED */
    void (*trailers)(void *argument, const struct http_header *headers, size_t count);
    /* `error` is NULL when the reply came whole, whatever its status. Else its code is
     * ERROR_UNAVAILABLE (no connection), ERROR_TIMEOUT, ERROR_IO (cut, or no HTTP),
     * ERROR_PAYLOAD_TOO_LARGE, ERROR_CANCELLED, ERROR_FORBIDDEN (TLS refused), and the message
     * says which deadline or limit it was. `status` is 0 when no head came. */
    void (*done)(void *argument, int status, const struct error *error);
    /* In place of done, some turns after a cancel or at destroy: to free what `argument` is. */
    void (*dropped)(void *argument);
}; /* all but done may be NULL; the struct must live until done or dropped */

/* The id (never 0, never reused), or 0 with `error` filled: a bad URL, method or header, too many.
 */
uint64_t http_client_start(struct http_client *client, const struct http_request *request,
                           const struct http_handler *handler, void *argument, struct error *error);
void http_client_cancel(struct http_client *client, uint64_t id); /* no callback after this */
void http_client_pause(struct http_client *client, uint64_t id, bool paused);

/* For replies that are wanted whole. Valid during the callback; `body` is terminated. */
struct http_reply {
    int status;
    const struct http_header *headers;
    size_t header_count;
    const char *body;
    size_t body_bytes;
};
/* `done` gets a reply, or an error and NULL. */
uint64_t http_client_fetch(struct http_client *client, const struct http_request *request,
                           void (*done)(void *argument, const struct http_reply *reply,
                                        const struct error *error),
                           void *argument, struct error *error);
/* NULL when there is none of that name (lower case). */
const char *http_reply_header(const struct http_reply *reply, const char *name);

struct http_client_counts {
    uint64_t started, failed, active, rebuilt; /* rebuilt: libcurl was in doubt and made anew */
};
void http_client_read_counts(const struct http_client *client, struct http_client_counts *out);

#endif
