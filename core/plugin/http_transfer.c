/* One request: its options for libcurl, what libcurl calls while it runs, and its deadlines. */
#include "base/clock.h"
#include "plugin/http_impl.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

enum { CONNECT_DEFAULT_S = 5, FIRST_BYTE_DEFAULT_S = 30, UNIX_PATH_LIMIT = 107 };

/* ---- what libcurl calls; nothing in here may call libcurl ------------------------------------ */

static bool tell_head(struct http_transfer *transfer)
{
    transfer->head_told = true;
    size_t count = transfer->field_count;
    transfer->field_count = 0; /* what comes after the body are trailers */
    if (transfer->handler->head && !transfer->cancelled)
        transfer->handler->head(transfer->argument, transfer->status, transfer->fields, count);
    return !transfer->cancelled;
}

static bool add_field(struct http_transfer *transfer, const char *line, size_t length)
{
    const char *colon = memchr(line, ':', length);
    if (!colon || transfer->field_count == HTTP_HEADER_LIMIT)
        return colon == NULL;
    char *name = arena_strndup(&transfer->head, line, (size_t)(colon - line));
    for (char *at = name; *at; at++)
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at - 'A' + 'a');
    const char *value = colon + 1, *end = line + length;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    transfer->fields[transfer->field_count++] =
        (struct http_header){name, arena_strndup(&transfer->head, value, (size_t)(end - value))};
    return true;
}

/* "HTTP/1.1 200 OK" */
static void begin_head(struct http_transfer *transfer, const char *line, size_t length)
{
    const char *space = memchr(line, ' ', length);
    transfer->field_count = 0;
    transfer->status = 0;
    for (size_t i = 1; space && space + i < line + length && i <= 3; i++)
        if (space[i] >= '0' && space[i] <= '9')
            transfer->status = transfer->status * 10 + (space[i] - '0');
}

static size_t on_header(char *line, size_t size, size_t count, void *argument)
{
    struct http_transfer *transfer = argument;
    size_t given = size * count, length = given;
    while (length && (line[length - 1] == '\r' || line[length - 1] == '\n'))
        length--;
    transfer->last_byte_ns = loop_now_ns(transfer->client->loop);
    transfer->head_bytes += given;
    if (transfer->head_bytes > HTTP_HEAD_LIMIT) {
        error_set(&transfer->error, ERROR_PAYLOAD_TOO_LARGE, "the reply's head is over %d bytes",
                  HTTP_HEAD_LIMIT);
        return 0;
    }
    if (!transfer->head_told && length > 5 && strncasecmp(line, "HTTP/", 5) == 0)
        begin_head(transfer, line, length);
    else if (length && !add_field(transfer, line, length))
        error_set(&transfer->error, ERROR_PAYLOAD_TOO_LARGE, "the reply has over %d header fields",
                  HTTP_HEADER_LIMIT);
    else if (!length && !transfer->head_told && transfer->status >= 200 && !tell_head(transfer))
        return 0;
    return transfer->error.code ? 0 : given;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *argument)
{
    struct http_transfer *transfer = argument;
    size_t given = size * count;
    if (transfer->cancelled)
        return CURL_WRITEFUNC_ERROR;
    if (transfer->paused) {
        transfer->stopped = true; /* libcurl keeps these bytes and offers them again */
        return CURL_WRITEFUNC_PAUSE;
    }
    transfer->last_byte_ns = loop_now_ns(transfer->client->loop);
    transfer->body_bytes += given;
    if (transfer->body_bytes > transfer->max_body_bytes) {
        error_set(&transfer->error, ERROR_PAYLOAD_TOO_LARGE, "the reply's body is over %llu bytes",
                  (unsigned long long)transfer->max_body_bytes);
        return CURL_WRITEFUNC_ERROR;
    }
    if (transfer->handler->body && !transfer->handler->body(transfer->argument, bytes, given) &&
        !transfer->cancelled) {
        error_set(&transfer->error, ERROR_CANCELLED, "the receiver wanted no more");
        return CURL_WRITEFUNC_ERROR;
    }
    return transfer->cancelled ? CURL_WRITEFUNC_ERROR : given;
}

static int on_connected(void *argument, char *peer, char *local, int peer_port, int local_port)
{
    struct http_transfer *transfer = argument;
    (void)peer, (void)local, (void)peer_port, (void)local_port;
    transfer->connected = true;
    return CURL_PREREQFUNC_OK;
}

static curl_socket_t open_socket(void *argument, curlsocktype purpose,
                                 struct curl_sockaddr *address)
{
    (void)argument, (void)purpose;
    return socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                  address->protocol);
}

/* ---- deadlines ------------------------------------------------------------------------------- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t stall_deadline(const struct http_transfer *transfer)
{
    if (!transfer->stall_timeout_ns || !transfer->head_told || transfer->paused)
        return UINT64_MAX;
    return transfer->last_byte_ns + transfer->stall_timeout_ns;
}

static uint64_t next_deadline(const struct http_transfer *transfer)
{
    uint64_t deadline = earlier(transfer->total_deadline_ns, stall_deadline(transfer));
    if (!transfer->connected)
        deadline = earlier(deadline, transfer->connect_deadline_ns);
    if (!transfer->head_told)
        deadline = earlier(deadline, transfer->first_byte_deadline_ns);
    return deadline;
}

void http_transfer_arm(struct http_transfer *transfer)
{
    uint64_t deadline = next_deadline(transfer), now = loop_now_ns(transfer->client->loop);
    if (transfer->stall_timeout_ns) /* its clock may start meanwhile: look again by then */
        deadline = earlier(deadline, stall_deadline(transfer) == UINT64_MAX
                                         ? now + transfer->stall_timeout_ns
                                         : deadline);
    if (deadline == UINT64_MAX)
        loop_timer_stop(&transfer->timer);
    else
        loop_timer_start(&transfer->timer, deadline > now ? deadline - now : 0);
}

static void timer_fired(void *argument)
{
    struct http_transfer *transfer = argument;
    uint64_t now = loop_now_ns(transfer->client->loop);
    if (next_deadline(transfer) > now) { /* a phase has passed meanwhile */
        http_transfer_arm(transfer);
        return;
    }
    const char *what = "the whole reply";
    if (!transfer->connected && now >= transfer->connect_deadline_ns)
        what = "a connection";
    else if (!transfer->head_told && now >= transfer->first_byte_deadline_ns)
        what = "the reply's head";
    else if (now >= stall_deadline(transfer))
        what = "more of the reply";
    error_set(&transfer->error, ERROR_TIMEOUT, "timed out waiting for %s", what);
    http_client_chores_wanted(transfer->client);
}

/* 0 means `fallback`, UINT64_MAX none. */
static uint64_t deadline_after(uint64_t now, uint64_t timeout_ns, uint64_t fallback_ns)
{
    uint64_t timeout = timeout_ns ? timeout_ns : fallback_ns;
    return timeout > UINT64_MAX - now ? UINT64_MAX : now + timeout;
}

static void set_deadlines(struct http_transfer *transfer, const struct http_request *request)
{
    uint64_t now = loop_now_ns(transfer->client->loop);
    transfer->connect_deadline_ns =
        deadline_after(now, request->connect_timeout_ns, CONNECT_DEFAULT_S * NS_PER_SECOND);
    transfer->first_byte_deadline_ns =
        deadline_after(now, request->first_byte_timeout_ns, FIRST_BYTE_DEFAULT_S * NS_PER_SECOND);
    transfer->total_deadline_ns = deadline_after(now, request->total_timeout_ns, UINT64_MAX);
    transfer->stall_timeout_ns =
        request->stall_timeout_ns == UINT64_MAX ? 0 : request->stall_timeout_ns;
    transfer->last_byte_ns = now;
    transfer->max_body_bytes =
        request->max_body_bytes ? request->max_body_bytes : HTTP_DEFAULT_BODY;
}

/* ---- options --------------------------------------------------------------------------------- */

static bool plain_text(const char *string)
{
    for (; *string; string++)
        if ((unsigned char)*string < ' ' && *string != '\t')
            return false;
    return true;
}

static bool token(const char *string)
{
    size_t length = string ? strlen(string) : 0;
    return length && strspn(string, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                                    "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == length;
}

static bool request_valid(const struct http_request *request, struct error *error)
{
    if (request->method && !token(request->method))
        return error_set(error, ERROR_VALIDATION, "the method is no HTTP token");
    if (!request->url || !plain_text(request->url))
        return error_set(error, ERROR_VALIDATION, "the URL is missing or has control characters");
    if (strncasecmp(request->url, "http://", 7) != 0 &&
        strncasecmp(request->url, "https://", 8) != 0)
        return error_set(error, ERROR_VALIDATION, "the URL is neither http:// nor https://");
    if (request->unix_socket && strlen(request->unix_socket) > UNIX_PATH_LIMIT)
        return error_set(error, ERROR_VALIDATION, "%s: a unix socket's path has at most %d bytes",
                         request->unix_socket, UNIX_PATH_LIMIT);
    for (size_t i = 0; i < request->header_count; i++) {
        const struct http_header *header = &request->headers[i];
        if (!token(header->name) || !header->value || !plain_text(header->value))
            return error_set(error, ERROR_VALIDATION, "header %zu has no valid name or value", i);
    }
    return true;
}

static void add_header_line(struct http_transfer *transfer, const char *line)
{
    struct curl_slist *list = curl_slist_append(transfer->headers, line);
    if (list)
        transfer->headers = list;
}

static void set_headers(struct http_transfer *transfer, const struct http_request *request)
{
    struct text line CLEANUP(text_finish) = {0};
    bool typed = false;
    add_header_line(transfer, "Expect:"); /* libcurl would wait a second for 100 Continue */
    for (size_t i = 0; i < request->header_count; i++) {
        const struct http_header *header = &request->headers[i];
        typed |= strcasecmp(header->name, "content-type") == 0;
        text_clear(&line);
        text_append_format(&line, header->value[0] ? "%s: %s" : "%s;%s", header->name,
                           header->value); /* "Name;" is libcurl's way to send an empty value */
        add_header_line(transfer, text_string(&line));
    }
    if (!typed)
        add_header_line(transfer, "Content-Type:"); /* not form data unless it is said */
    curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
}

static CURLcode set_method(CURL *easy, const struct http_request *request)
{
    const char *method = request->method ? request->method : "GET";
    bool head = strcmp(method, "HEAD") == 0, get = strcmp(method, "GET") == 0;
    if (head)
        return curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    if (request->body || (!get && strcmp(method, "DELETE") != 0)) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_bytes);
        CURLcode code =
            curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, request->body ? request->body : "");
        if (code != CURLE_OK)
            return code;
    }
    return curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
}

static void set_tls(CURL *easy, const struct http_request *request)
{
    if (request->ca_file) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, request->ca_file);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
    if (request->certificate_file)
        curl_easy_setopt(easy, CURLOPT_SSLCERT, request->certificate_file);
    if (request->key_file)
        curl_easy_setopt(easy, CURLOPT_SSLKEY, request->key_file);
    if (request->insecure) {
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

static void set_connection(CURL *easy, const struct http_request *request)
{
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* else an end waits for the resolver */
    curl_easy_setopt(easy, CURLOPT_PROXY, "");      /* also overrides the environment's */
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, 3600L * 1000); /* ours is shorter */
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    if (request->unix_socket)
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, request->unix_socket);
    if (request->http2_prior_knowledge)
        curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
    if (request->fresh_connection) {
        curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
        curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    }
}

static void set_callbacks(struct http_transfer *transfer)
{
    CURL *easy = transfer->easy;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->curl_error);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connected);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, transfer);
}

struct http_transfer *http_transfer_create(struct http_client *client,
                                           const struct http_request *request, struct error *error)
{
    CURL *easy = request_valid(request, error) ? curl_easy_init() : NULL;
    if (!easy)
        return NULL;
    struct http_transfer *transfer = memory_alloc(sizeof *transfer);
    transfer->client = client;
    transfer->easy = easy;
    loop_timer_init(&transfer->timer, client->loop, "http deadline", timer_fired, transfer);
    set_deadlines(transfer, request);
    set_callbacks(transfer);
    set_connection(easy, request);
    set_tls(easy, request);
    set_headers(transfer, request);
    if (curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_URL, request->url) == CURLE_OK &&
        set_method(easy, request) == CURLE_OK)
        return transfer;
    error_set(error, ERROR_NO_MEMORY, "no memory for a request");
    http_transfer_free(transfer);
    return NULL;
}

void http_transfer_free(struct http_transfer *transfer)
{
    loop_timer_stop(&transfer->timer);
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->headers);
    arena_finish(&transfer->head);
    free(transfer);
}

void http_transfer_tell_trailers(struct http_transfer *transfer)
{
    if (transfer->head_told && transfer->field_count && transfer->handler->trailers)
        transfer->handler->trailers(transfer->argument, transfer->fields, transfer->field_count);
}

static enum error_code code_of(CURLcode code)
{
    switch ((int)code) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_INTERFACE_FAILED:
        return ERROR_UNAVAILABLE;
    case CURLE_OPERATION_TIMEDOUT:
        return ERROR_TIMEOUT;
    case CURLE_URL_MALFORMAT:
        return ERROR_VALIDATION;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
        return ERROR_FORBIDDEN;
    case CURLE_OUT_OF_MEMORY:
        return ERROR_NO_MEMORY;
    default:
        return ERROR_IO;
    }
}

bool http_transfer_explain(const struct http_transfer *transfer, CURLcode code, struct error *error)
{
    if (transfer->error.code) {
        *error = transfer->error;
        return false;
    }
    char detail[CURL_ERROR_SIZE];
    memcpy(detail, transfer->curl_error, sizeof detail);
    text_defuse(detail);
    return error_set(error, code_of(code), "%s", detail[0] ? detail : curl_easy_strerror(code));
}
