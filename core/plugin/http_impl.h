/* What http_client.c (libcurl's multi handle on our loop) and http_transfer.c (one request) share.
 */
#ifndef PLUGIN_HTTP_IMPL_H
#define PLUGIN_HTTP_IMPL_H

#include "base/text.h"
#include "loop/loop.h"
#include "plugin/http_client.h"

#include <curl/curl.h>

enum { HTTP_HEAD_LIMIT = 64 * 1024, HTTP_HEADER_LIMIT = 256, HTTP_DEFAULT_BODY = 1024 * 1024 };

struct http_transfer {
    struct http_client *client;
    struct http_transfer *next, *previous; /* of client->transfers, in order of start */
    uint64_t id;
    CURL *easy;
    struct curl_slist *headers;
    const struct http_handler *handler;
    void *argument;
    struct loop_timer timer;
    /* Instants of the loop's clock; UINT64_MAX: none. */
    uint64_t connect_deadline_ns, first_byte_deadline_ns, total_deadline_ns;
    uint64_t stall_timeout_ns, last_byte_ns;
    uint64_t max_body_bytes, body_bytes;
    struct arena head; /* the header lines of this reply, then its trailers */
    struct http_header fields[HTTP_HEADER_LIMIT];
    size_t field_count, head_bytes;
    int status;
    bool connected, head_told, in_multi;
    bool paused;        /* wanted by the caller */
    bool stopped;       /* libcurl holds the reply back, and must be told to go on */
    bool cancelled;     /* no callback any more; freed outside of libcurl */
    struct error error; /* why we ended it; code ERROR_NONE: we did not */
    char curl_error[CURL_ERROR_SIZE];
};

struct http_socket {
    struct loop_io io;
};

struct http_client {
    struct loop *loop;
    CURLM *multi;
    struct loop_timer timer;      /* libcurl's */
    struct loop_timer chores;     /* what callers asked for while libcurl was running */
    struct http_socket **sockets; /* by descriptor; kept for the client's life */
    size_t socket_count;
    struct http_transfer *first, *last;
    uint64_t next_id;
    bool in_curl; /* inside libcurl: nothing of it may be called */
    bool destroyed;
    struct http_client_counts counts;
};

/* http_transfer.c. Creation configures the easy handle, without starting anything. */
struct http_transfer *http_transfer_create(struct http_client *client,
                                           const struct http_request *request, struct error *error);
void http_transfer_free(struct http_transfer *transfer); /* out of the multi handle */
void http_transfer_arm(struct http_transfer *transfer);
/* Why it failed: our reason, or libcurl's. False. */
bool http_transfer_explain(const struct http_transfer *transfer, CURLcode code,
                           struct error *error);
void http_transfer_tell_trailers(struct http_transfer *transfer);

/* http_client.c */
void http_client_chores_wanted(struct http_client *client);

#endif
