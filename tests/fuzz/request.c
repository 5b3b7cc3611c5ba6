/* What is judged of a request before its body: a line "METHOD TARGET VERSION", then headers. What
 * passes has a route and the right key, what its path says is plain, and nothing is hidden in it.
 */
#include "api/impl.h"
#include "config/config.h"
#include "fuzz.h"

enum { HEADERS = 128 };
#define KEY "right-key"

static struct {
    struct {
        char *name, *value;
    } items[HEADERS];
    size_t count;
} headers;
/* The head as the library leaves it: its lines one behind the other, zeros for what separates. */
static struct {
    char *bytes;
    size_t length;
} head;

/* In the library's place: the headers of this input. */
int MHD_get_connection_values_n(struct MHD_Connection *mhd, enum MHD_ValueKind kind,
                                MHD_KeyValueIteratorN iterator, void *argument)
{
    (void)mhd;
    for (size_t i = 0; i < headers.count; i++)
        iterator(argument, kind, headers.items[i].name, strlen(headers.items[i].name),
                 headers.items[i].value, strlen(headers.items[i].value));
    return (int)headers.count;
}

const union MHD_ConnectionInfo *MHD_get_connection_info(struct MHD_Connection *mhd,
                                                        enum MHD_ConnectionInfoType kind, ...)
{
    static union MHD_ConnectionInfo info;
    (void)mhd;
    PROMISE(kind == MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE, "something else is asked for");
    info.header_size = head.length;
    return &info;
}

const char *exchange_header(const struct exchange *exchange, const char *name)
{
    (void)exchange;
    for (size_t i = 0; i < headers.count; i++)
        if (strcasecmp(headers.items[i].name, name) == 0)
            return headers.items[i].value;
    return NULL;
}

static void begin(struct request *request)
{
    (void)request;
}

static const struct route routes[] = {
    {.method = "GET", .path = "/healthz", .begin = begin, .role = ROLE_NONE},
    {.method = "GET",
     .path = "/metrics",
     .begin = begin,
     .role = ROLE_VIEWER,
     .loopback_open = true},
    {.method = "GET", .path = "/api/v1/deployments", .begin = begin, .role = ROLE_VIEWER},
    {.method = "POST",
     .path = "/api/v1/deployments",
     .begin = begin,
     .role = ROLE_DEPLOYER,
     .body = BODY_REQUIRED},
    {.method = "PATCH",
     .path = "/api/v1/deployments/{name}",
     .begin = begin,
     .role = ROLE_DEPLOYER,
     .body = BODY_REQUIRED},
    {.method = "GET",
     .path = "/api/v1/a/{name}/b/{name}/c/{name}/d/{name}",
     .begin = begin,
     .role = ROLE_VIEWER}};
static const struct route_table table = {routes, sizeof routes / sizeof routes[0]};
static const struct route_table *const tables[] = {&table};

/* The next line of the input; `size` of it are left at most. */
static char *lay_line(const uint8_t **data, size_t *size)
{
    const uint8_t *line;
    size_t length = fuzz_line(data, size, &line);
    char *at = head.bytes + head.length;
    if (length)
        memcpy(at, line, length);
    memset(at + length, 0, HEAD_LINE_END);
    head.length += length + HEAD_LINE_END;
    return at;
}

static void read_headers(const uint8_t *data, size_t size)
{
    headers.count = 0;
    while (size && headers.count < HEADERS) {
        char *name = lay_line(&data, &size), *value = strchr(name, ':');
        if (value) {
            *value++ = 0;
            value += *value == ' ';
        }
        headers.items[headers.count].name = name;
        headers.items[headers.count++].value = value ? value : name + strlen(name);
    }
}

static void check_uri(const struct uri *uri)
{
    for (size_t i = 0; i < uri->segment_count; i++) {
        const char *segment = uri->segments[i];
        PROMISE(text_is_utf8(segment, strlen(segment)), "a part that is not UTF-8");
        PROMISE(!strpbrk(segment, "/\\\r\n\x1b\x7f"), "a part with \"%s\"", segment);
        PROMISE(strcmp(segment, "..") != 0 && strcmp(segment, ".") != 0, "a dot segment");
    }
    for (size_t i = 0; i < uri->parameter_count; i++)
        PROMISE(uri->parameters[i].name && uri->parameters[i].value, "a half parameter");
}

static void check_passed(const struct exchange *exchange)
{
    const struct route *route = exchange->request.route;
    const char *key = exchange_header(exchange, "X-API-Key");
    const char *bearer = exchange_header(exchange, "Authorization");
    bool right = (key && strcmp(key, KEY) == 0) || (!key && bearer && strstr(bearer, KEY));
    if (exchange->is_file) {
        PROMISE(!exchange->uri.segment_count || strcmp(exchange->uri.segments[0], "api") != 0,
                "a file below /api");
        return;
    }
    PROMISE(route, "it passed without a route");
    PROMISE(right || route->role == ROLE_NONE || route->loopback_open, "it passed without a key");
    for (size_t i = 0; i < 3; i++)
        if (exchange->request.params[i])
            PROMISE(strspn(exchange->request.params[i], "abcdefghijklmnopqrstuvwxyz0123456789-") ==
                        strlen(exchange->request.params[i]),
                    "parameter \"%s\"", exchange->request.params[i]);
}

/* Of each zero the end of a line, a colon or a space accounts for one or two. */
static size_t zeros_of_head(void)
{
    size_t zeros = 0;
    for (size_t i = 0; i < head.length; i++)
        zeros += head.bytes[i] == 0;
    return zeros;
}

static void check_nothing_hidden(void)
{
    size_t colons = 0;
    for (size_t i = 0; i < headers.count; i++)
        colons += headers.items[i].value > headers.items[i].name + strlen(headers.items[i].name);
    PROMISE(zeros_of_head() == HEAD_SPACE * 2 + colons + HEAD_LINE_END * (headers.count + 2),
            "a zero byte passed");
}

static void judge(struct api *api, char *method, char *target, const char *version)
{
    struct connection connection = {.api = api, .loopback = true, .address = "127.0.0.1"};
    struct exchange exchange = {
        .api = api, .connection = &connection, .raw_uri = target, .uri_came_at = target};
    exchange.request.api = api;
    exchange.uri_bad =
        !uri_parse(target, &exchange.request.arena, &exchange.uri, &exchange.uri_error);
    if (!exchange.uri_bad)
        check_uri(&exchange.uri);
    if (check_request(&exchange, method, version)) {
        check_passed(&exchange);
        check_nothing_hidden();
    } else {
        PROMISE(exchange.request.error.code && exchange.request.error.message[0],
                "refused without a word");
    }
    arena_finish(&exchange.request.arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct config config = {.node.address = "192.0.2.1"};
    struct api api = {.limits = {.body_bytes = 1 << 20,
                                 .header_bytes = 16384,
                                 .header_count = 100,
                                 .uri_bytes = 8192},
                      .parts = {.config = &config, .node_name = "node-1"},
                      .loop = loop_create_virtual(1, 0),
                      .dashboard = (char[]){"/nowhere"}};
    /* A line of nothing but its end takes the most: a byte of input, two of the head. */
    head.bytes = memory_alloc((size + 2) * HEAD_LINE_END);
    head.length = 0;
    char *rest = lay_line(&data, &size);
    char *method = strsep(&rest, " "), *target = strsep(&rest, " ");
    atomic_store(&api.serving, true);
    router_init(&api.router, tables, 1);
    auth_init(&api.auth, KEY);
    read_headers(data, size);
    head.length += HEAD_LINE_END; /* the empty line's */
    if (target)
        judge(&api, method, target, rest ? rest : "");
    auth_finish(&api.auth);
    router_finish(&api.router);
    loop_destroy(api.loop);
    free(head.bytes);
    return 0;
}
