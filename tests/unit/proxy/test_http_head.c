#include "proxy/http/head.h"
#include "proxy/http/scan.h"
#include "proxy/http/write.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define HOST "Host: a\r\n"
#define GET "GET / HTTP/1.1\r\n" HOST

static struct http_head head;

static int read_request(const char *text, size_t length)
{
    http_head_reset(&head);
    return http_read_request(&head, (const uint8_t *)text, length);
}

/* With every way to cut it in two, so that no answer depends on how the bytes come. */
static int read_in_pieces(const char *text, size_t length)
{
    int whole = read_request(text, length);
    for (size_t cut = 1; cut < length; cut++) {
        http_head_reset(&head);
        int answer = http_read_request(&head, (const uint8_t *)text, cut);
        if (answer == HTTP_MORE)
            answer = http_read_request(&head, (const uint8_t *)text, length);
        cr_assert_eq(answer, whole, "cut at %zu of %s: %d, not %d", cut, text, answer, whole);
    }
    return whole;
}

struct refused {
    const char *what, *text;
    size_t length; /* 0: as a string */
    int status;    /* 0: 400 */
};

static void refuses(const struct refused *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t length = cases[i].length ? cases[i].length : strlen(cases[i].text);
        int answer = read_in_pieces(cases[i].text, length);
        int wanted = cases[i].status ? cases[i].status : 400;
        cr_expect_eq(answer, wanted, "%s: %d, not %d", cases[i].what, answer, wanted);
        cr_expect(answer < 2 || head.fault, "%s: no reason", cases[i].what);
    }
}
#define REFUSES(cases) refuses(cases, sizeof(cases) / sizeof(cases)[0])
#define BYTES(text) text, sizeof(text) - 1

Test(http_head, refuses_what_two_readers_would_frame_differently)
{
    static const struct refused cases[] = {
        {"length beside coding", GET "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 0,
         0},
        {"coding beside length", GET "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", 0,
         0},
        {"two lengths", GET "Content-Length: 3\r\nContent-Length: 4\r\n\r\n", 0, 0},
        {"two equal lengths", GET "Content-Length: 3\r\nContent-Length: 3\r\n\r\n", 0, 0},
        {"a list of lengths", GET "Content-Length: 3, 3\r\n\r\n", 0, 0},
        {"signed length", GET "Content-Length: +3\r\n\r\n", 0, 0},
        {"negative length", GET "Content-Length: -3\r\n\r\n", 0, 0},
        {"hexadecimal length", GET "Content-Length: 0x3\r\n\r\n", 0, 0},
        {"length with a space", GET "Content-Length: 1 2\r\n\r\n", 0, 0},
        {"length with a point", GET "Content-Length: 3.0\r\n\r\n", 0, 0},
        {"length with zeros before", GET "Content-Length: 003\r\n\r\n", 0, 0},
        {"empty length", GET "Content-Length:\r\n\r\n", 0, 0},
        {"length 2^63", GET "Content-Length: 9223372036854775808\r\n\r\n", 0, 0},
        {"length 2^64", GET "Content-Length: 18446744073709551616\r\n\r\n", 0, 0},
        {"length of many digits", GET "Content-Length: 99999999999999999999999999\r\n\r\n", 0, 0},
        {"Arabic digits", GET "Content-Length: \xd9\xa3\r\n\r\n", 0, 0},
        {"other coding", GET "Transfer-Encoding: gzip\r\n\r\n", 0, 0},
        {"coding before chunked", GET "Transfer-Encoding: gzip, chunked\r\n\r\n", 0, 0},
        {"chunked not last", GET "Transfer-Encoding: chunked, gzip\r\n\r\n", 0, 0},
        {"chunked twice", GET "Transfer-Encoding: chunked, chunked\r\n\r\n", 0, 0},
        {"two codings", GET "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 0,
         0},
        {"identity", GET "Transfer-Encoding: identity\r\n\r\n", 0, 0},
        {"chunked with a parameter", GET "Transfer-Encoding: chunked;q=1\r\n\r\n", 0, 0},
        {"quoted chunked", GET "Transfer-Encoding: \"chunked\"\r\n\r\n", 0, 0},
        {"empty coding", GET "Transfer-Encoding:\r\n\r\n", 0, 0},
        {"misspelt coding", GET "Transfer-Encoding: xchunked\r\n\r\n", 0, 0},
        {"list with an empty element", GET "Transfer-Encoding: ,chunked\r\n\r\n", 0, 0},
        {"coding with a vertical tab", GET "Transfer-Encoding: \vchunked\r\n\r\n", 0, 0},
        {"coding in HTTP/1.0", "POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", 0,
         0},
        {"folded coding", GET "Transfer-Encoding:\r\n chunked\r\n\r\n", 0, 0},
        {"space before the colon", GET "Content-Length : 3\r\n\r\n", 0, 0},
        {"tab before the colon", GET "Content-Length\t: 3\r\n\r\n", 0, 0},
        {"space before a name", GET " Content-Length: 3\r\n\r\n", 0, 0},
        {"space before the first name", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 0, 0},
        {"folded line", GET "X: a\r\n b\r\n\r\n", 0, 0},
        {"folded line of a tab", GET "X: a\r\n\tb\r\n\r\n", 0, 0},
        {"underscore", GET "Content_Length: 3\r\n\r\n", 0, 0},
        {"two Host", GET "Host: b\r\n\r\n", 0, 0},
        {"two equal Host", GET HOST "\r\n", 0, 0},
        {"target's host differs", "GET http://b/ HTTP/1.1\r\n" HOST "\r\n", 0, 0},
        {"LF alone", "GET / HTTP/1.1\nHost: a\n\n", 0, 0},
        {"LF alone after a field", GET "X: a\nY: b\r\n\r\n", 0, 0},
        {"LF alone at the end", GET "\n", 0, 0},
        {"CR alone", GET "X: a\rY: b\r\n\r\n", 0, 0},
        {"CR CR LF", GET "X: a\r\r\n\r\n", 0, 0},
        {"CR alone in a name", GET "X\rY: b\r\n\r\n", 0, 0},
        {"CR alone in the first line", "GET /\rHTTP/1.1\r\n" HOST "\r\n", 0, 0},
    };
    REFUSES(cases);
}

Test(http_head, refuses_what_is_malformed)
{
    static const struct refused cases[] = {
        {"NUL in a value", BYTES(GET "X: a\0b\r\n\r\n"), 0},
        {"NUL in a name", BYTES(GET "X\0: a\r\n\r\n"), 0},
        {"NUL in the target", BYTES("GET /\0 HTTP/1.1\r\n" HOST "\r\n"), 0},
        {"bell in a value", GET "X: a\x07\r\n\r\n", 0, 0},
        {"DEL in a value", GET "X: a\x7f\r\n\r\n", 0, 0},
        {"bell far behind in a value", GET "X: 0123456789abcdef0123456789abcdef\x07\r\n\r\n", 0, 0},
        {"no colon", GET "Xab\r\n\r\n", 0, 0},
        {"empty name", GET ": a\r\n\r\n", 0, 0},
        {"name with a slash", GET "a/b: a\r\n\r\n", 0, 0},
        {"name above ASCII", GET "\xc3\xa4: a\r\n\r\n", 0, 0},
        {"no method", " / HTTP/1.1\r\n" HOST "\r\n", 0, 0},
        {"method with a colon", "GE:T / HTTP/1.1\r\n" HOST "\r\n", 0, 0},
        {"two spaces", "GET  / HTTP/1.1\r\n" HOST "\r\n", 0, 0},
        {"two spaces before the version", "GET /  HTTP/1.1\r\n" HOST "\r\n", 0, 0},
        {"tab for a space", "GET\t/ HTTP/1.1\r\n" HOST "\r\n", 0, 0},
        {"space after the version", "GET / HTTP/1.1 \r\n" HOST "\r\n", 0, 0},
        {"no version", "GET /\r\n" HOST "\r\n", 0, 0},
        {"lower case", "GET / http/1.1\r\n" HOST "\r\n", 0, 0},
        {"HTTPS", "GET / HTTPS/1.1\r\n" HOST "\r\n", 0, 0},
        {"version of two digits", "GET / HTTP/1.10\r\n" HOST "\r\n", 0, 0},
        {"version with zeros", "GET / HTTP/01.1\r\n" HOST "\r\n", 0, 0},
        {"no minor version", "GET / HTTP/1\r\n" HOST "\r\n\r\n", 0, 0},
        {"comma for the point", "GET / HTTP/1,1\r\n" HOST "\r\n", 0, 0},
        {"HTTP/2.0", "GET / HTTP/2.0\r\n" HOST "\r\n", 0, 505},
        {"HTTP/0.9", "GET / HTTP/0.9\r\n" HOST "\r\n", 0, 505},
        {"preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0, 400},
        {"no path", "GET index HTTP/1.1\r\n" HOST "\r\n", 0, 0},
        {"asterisk with GET", "GET * HTTP/1.1\r\n" HOST "\r\n", 0, 0},
        {"fragment", "GET /a#b HTTP/1.1\r\n" HOST "\r\n", 0, 0},
        {"target above ASCII", "GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n", 0, 0},
        {"target of another scheme", "GET ftp://a/ HTTP/1.1\r\n" HOST "\r\n", 0, 0},
        {"target without host", "GET http:///x HTTP/1.1\r\n" HOST "\r\n", 0, 0},
        {"target with a user", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 0, 0},
        {"CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 0, 405},
        {"TRACE", "TRACE / HTTP/1.1\r\n" HOST "\r\n", 0, 405},
        {"no Host", "GET / HTTP/1.1\r\n\r\n", 0, 0},
        {"empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 0, 0},
        {"Host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 0, 0},
        {"Host with a user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 0, 0},
        {"Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 0, 0},
        {"a list of hosts", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 0, 0},
        {"Host with a bad port", "GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n", 0, 0},
        {"Host with an open bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 0, 0},
        {"Host with a quote", "GET / HTTP/1.1\r\nHost: a\"b\r\n\r\n", 0, 0},
        {"other expectation", GET "Expect: 200-ok\r\n\r\n", 0, 417},
        {"Connection with a space", GET "Connection: a b\r\n\r\n", 0, 0},
        {"TLS", BYTES("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n"), 0},
        {"two empty lines before", "\r\n\r\n" GET "\r\n", 0, 0},
        {"LF before", "\n" GET "\r\n", 0, 0},
    };
    REFUSES(cases);
}

Test(http_head, takes_what_is_right)
{
    static const char *const cases[] = {
        GET "\r\n",
        "\r\n" GET "\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.2\r\n" HOST "\r\n",
        "OPTIONS * HTTP/1.1\r\n" HOST "\r\n",
        "OPTIONS http://a HTTP/1.1\r\n" HOST "\r\n",
        "GET http://A:80?q HTTP/1.1\r\nHost: a:80\r\n\r\n",
        "GET HTTPS://a/x HTTP/1.1\r\n" HOST "\r\n",
        "M-SEARCH /a|b{c}\"<> HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:\r\n\r\n",
        GET "X:\r\nY: \t \r\nZ:a\r\nW: \xc3\xa4 b\tc \r\n\r\n",
        GET "Transfer-Encoding: Chunked \r\n\r\n",
        GET "Content-Length: 0\r\n\r\n",
        GET "Content-Length: 9223372036854775799\r\n\r\n",
        GET "Expect: 100-Continue\r\n\r\n",
        GET "!#$%&'*+-.^`|~09azAZ: token\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cr_expect_eq(read_in_pieces(cases[i], strlen(cases[i])), HTTP_DONE, "%s: %s", cases[i],
                     head.fault);
}

static int read_sized(const char *begin, char fill, size_t count, const char *end)
{
    char *text = malloc(count + 256);
    size_t length = (size_t)sprintf(text, "%s", begin);
    memset(text + length, fill, count);
    length += count + (size_t)sprintf(text + length + count, "%s", end);
    int answer = read_request(text, length);
    free(text);
    return answer;
}

Test(http_head, is_bounded)
{
    static char many[HTTP_FIELD_LIMIT * 8 + 64];
    size_t length = (size_t)sprintf(many, GET);
    for (int i = 1; i < HTTP_FIELD_LIMIT; i++)
        length += (size_t)sprintf(many + length, "a: b\r\n");
    cr_expect_eq(read_request(many, length), HTTP_MORE);
    length += (size_t)sprintf(many + length, "a: b\r\n\r\n");
    cr_expect_eq(read_request(many, length), 431);
    cr_expect_eq(read_sized("GET /", 'a', HTTP_TARGET_BYTES - 1, " HTTP/1.1\r\n" HOST "\r\n"),
                 HTTP_DONE);
    cr_expect_eq(read_sized("GET /", 'a', HTTP_TARGET_BYTES, " HTTP/1.1\r\n" HOST "\r\n"), 414);
    cr_expect_eq(read_sized(GET "X: ", 'a', 16000, "\r\n\r\n"), HTTP_DONE);
    cr_expect_eq(read_sized(GET "X: ", 'a', HTTP_REQUEST_BYTES, "\r\n\r\n"), 431);
    cr_expect_eq(read_sized("", 'A', HTTP_REQUEST_BYTES, ""), 414);
}

static const char *value_text(const char *text, struct http_span span)
{
    static char copy[256];
    snprintf(copy, sizeof copy, "%.*s", span.length, text + span.at);
    return copy;
}

Test(http_head, tells_what_it_has_read)
{
    static const char text[] = "POST http://a:1/x?y HTTP/1.1\r\nHost: A:1\r\n"
                               "Connection: x-mine , Close, content-length\r\nX-Mine: 1\r\n"
                               "Content-Length: 12\r\nUpgrade: websocket\r\nTE: trailers\r\n"
                               "Cookie:  a=b; c=d \r\n\r\nbody";
    cr_assert_eq(read_request(text, sizeof text - 1), HTTP_DONE);
    cr_expect_eq(head.length, sizeof text - 1 - 4);
    cr_expect_eq(head.method_id, HTTP_POST);
    cr_expect_str_eq(value_text(text, head.target), "/x?y");
    cr_expect_str_eq(value_text(text, head.authority), "a:1");
    cr_expect_str_eq(value_text(text, head.host), "A:1");
    cr_expect(head.close && !head.keep_alive && head.te_trailers && !head.wants_upgrade);
    cr_expect(head.has_length);
    cr_expect_eq(head.content_length, 12);
    cr_expect_eq(head.count, 7);
    cr_expect_eq(head.fields[2].id, HTTP_DROPPED);
    cr_expect_eq(head.fields[3].id, HTTP_CONTENT_LENGTH, "naming it does not take it away");
    cr_expect_str_eq(value_text(text, head.fields[6].value), "a=b; c=d");
}

Test(http_head, knows_its_names){
#define CHECK_NAME(known, text)                                                                    \
    {                                                                                              \
        char request[128];                                                                         \
        int length = snprintf(request, sizeof request, GET "%s: chunked\r\n", text);               \
        read_request(request, (size_t)length);                                                     \
        cr_expect_eq(head.fields[1].id, known, "%s", text);                                        \
    }
    HTTP_NAMES(CHECK_NAME)
#undef CHECK_NAME
}

Test(http_head, of_a_response)
{
    static const struct {
        const char *text;
        int answer;
        unsigned status;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", HTTP_DONE, 200},
        {"HTTP/1.1 200 \r\n\r\n", HTTP_DONE, 200},
        {"HTTP/1.1 200\r\n\r\n", HTTP_DONE, 200},
        {"HTTP/1.0 404 Nicht \xc3\xa4 da\r\nUnder_score: x\r\n\r\n", HTTP_DONE, 404},
        {"HTTP/1.1 200 OK\r\nContent-Len", HTTP_MORE, 200},
        {"HTTP/1.1 20", HTTP_MORE, 0},
        {"HTTP/1.1 2000 OK\r\n\r\n", 400, 200},
        {"HTTP/2.0 200 OK\r\n\r\n", 502, 0},
        {"HTTP/1.1 099 OK\r\n\r\n", 502, 0},
        {"HTTP/1.1  200 OK\r\n\r\n", 502, 0},
        {"hello, this is no HTTP\r\n\r\n", 502, 0},
        {"HTTP/1.1 200 OK\nX: a\n\n", 400, 200},
        {"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", 400, 200},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", 400, 200},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n", 400, 200},
        {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 400, 200},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        http_head_reset(&head);
        int answer =
            http_read_response(&head, (const uint8_t *)cases[i].text, strlen(cases[i].text));
        cr_expect_eq(answer, cases[i].answer, "%s: %d", cases[i].text, answer);
        cr_expect_eq(head.status, cases[i].status, "%s: %u", cases[i].text, head.status);
    }
}

Test(http_head, classes_are_as_defined)
{
    for (int byte = 0; byte < 256; byte++) {
        bool letter = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z' && byte < 128;
        bool digit = byte >= '0' && byte <= '9';
        bool token = letter || digit || (byte && strchr("!#$%&'*+-.^_`|~", byte));
        bool text = byte == '\t' || (byte >= ' ' && byte != 0x7f);
        uint8_t one = (uint8_t)byte, many[40];
        cr_expect_eq(!!scan_is(one, SCAN_TOKEN), token, "%d", byte);
        cr_expect_eq(!!scan_is(one, SCAN_TEXT), text, "%d", byte);
        cr_expect_eq(!!scan_is(one, SCAN_TARGET), byte > ' ' && byte < 0x7f && byte != '#', "%d",
                     byte);
        memset(many, 'x', sizeof many);
        for (size_t at = 0; at < sizeof many; at++) {
            many[at] = one;
            cr_expect_eq(scan_text(many, many + sizeof many) - many,
                         text ? (long)sizeof many : (long)at, "%d at %zu", byte, at);
            many[at] = 'x';
        }
    }
}

/* -- written again -- */

static const struct http_client_facts facts = {.address = "10.0.0.9", .local = "10.0.0.1:80"};
static char written[HTTP_RESPONSE_BYTES + HTTP_ADDED_BYTES];

static const char *rewrite(const char *text, bool upgrades)
{
    const struct http_request_extra extra = {
        .client = &facts, .random = {0x1111, 0x2222, 0x3332, 0x4444}, .upgrades = upgrades};
    cr_assert_eq(read_request(text, strlen(text)), HTTP_DONE, "%s", head.fault);
    written[http_write_request((uint8_t *)written, &head, (const uint8_t *)text, &extra)] = 0;
    return written;
}

#define IDS                                                                                        \
    "X-Request-Id: 00000000000011110000000000002222\r\n"                                           \
    "traceparent: 00-00000000000011110000000000003333-0000000000004445-01\r\n"
#define FORWARDED(host)                                                                            \
    "X-Forwarded-For: 10.0.0.9\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: " host              \
    "\r\nForwarded: for=10.0.0.9;host=\"" host "\";proto=http\r\n"

Test(http_head, of_a_request_is_made_anew)
{
    cr_expect_str_eq(
        rewrite(
            "GET /x HTTP/1.1\r\nhost: a\r\nConnection: keep-alive, b\r\nB: 1\r\n"
            "Keep-Alive: 5\r\nProxy-Authorization: x\r\nX-Forwarded-For: 6.6.6.6\r\n"
            "Forwarded: for=6.6.6.6\r\nUpgrade: websocket\r\nC:   2  \r\nX-Forwarded-Port: 1\r\n"
            "X-Forwarded-Prefix: /\r\nX-Real-IP: 6.6.6.6\r\nProxy: http://a/\r\n\r\n",
            false),
        "GET /x HTTP/1.1\r\nHost: a\r\nC: 2\r\n" IDS FORWARDED("a") "\r\n");
    cr_expect_str_eq(rewrite("GET http://b?q HTTP/1.1\r\nHost: B\r\n\r\n", false),
                     "GET /?q HTTP/1.1\r\nHost: b\r\n" IDS FORWARDED("b") "\r\n");
    cr_expect_str_eq(rewrite("OPTIONS http://b HTTP/1.1\r\nHost: b\r\n\r\n", false),
                     "OPTIONS * HTTP/1.1\r\nHost: b\r\n" IDS FORWARDED("b") "\r\n");
    cr_expect_str_eq(
        rewrite("POST / HTTP/1.0\r\nContent-Length: 7\r\nExpect: 100-continue\r\n\r\n", false),
        "POST / HTTP/1.1\r\nHost: 10.0.0.1:80\r\n" IDS FORWARDED(
            "10.0.0.1:80") "Content-Length: 7\r\n\r\n");
    cr_expect_str_eq(rewrite(GET "Transfer-Encoding: CHUNKED\r\nTE: gzip, trailers\r\n\r\n", false),
                     GET IDS FORWARDED("a") "Transfer-Encoding: chunked\r\n"
                                            "Connection: TE\r\nTE: trailers\r\n\r\n");
    cr_expect_str_eq(rewrite(GET "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", true),
                     GET IDS FORWARDED("a") "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
}

Test(http_head, ids_of_the_client_are_kept_where_they_are_right)
{
    static const char trace[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    char request[256];
    snprintf(request, sizeof request, GET "X-Request-Id: mine-1\r\nTraceparent: %s\r\n\r\n", trace);
    cr_expect(strstr(rewrite(request, false), "X-Request-Id: mine-1\r\nTraceparent: 00-0af7"));
    static const char *const bad[] = {"00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                                      "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                                      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", "x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(request, sizeof request, GET "X-Request-Id: a b\r\nTraceparent: %s\r\n\r\n",
                 bad[i]);
        cr_expect_str_eq(rewrite(request, false), GET IDS FORWARDED("a") "\r\n", "%s", bad[i]);
    }
}

static const char *rewrite_response(const char *text, enum http_framing framing,
                                    enum http_persistence persistence)
{
    http_head_reset(&head);
    cr_assert_eq(http_read_response(&head, (const uint8_t *)text, strlen(text)), HTTP_DONE);
    written[http_write_response((uint8_t *)written, &head, (const uint8_t *)text, framing,
                                persistence, "")] = 0;
    return written;
}

Test(http_head, of_a_response_is_made_anew)
{
    cr_expect_str_eq(rewrite_response("HTTP/1.0 200 Fine\r\nConnection: close, a\r\nA: 1\r\n"
                                      "Content-Length: 4\r\nB:2\r\n\r\n",
                                      HTTP_FRAMED_LENGTH, HTTP_PERSISTS),
                     "HTTP/1.1 200 Fine\r\nContent-Length: 4\r\nB: 2\r\n\r\n");
    cr_expect_str_eq(rewrite_response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                                      HTTP_FRAMED_CLOSE, HTTP_CLOSES),
                     "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    cr_expect_str_eq(rewrite_response("HTTP/1.1 204 No\r\nContent-Length: 4\r\n\r\n",
                                      HTTP_FRAMED_NONE, HTTP_KEEPS_ALIVE),
                     "HTTP/1.1 204 No\r\nConnection: keep-alive\r\n\r\n");
    cr_expect_str_eq(rewrite_response("HTTP/1.1 304 Same\r\nContent-Length: 4\r\n\r\n",
                                      HTTP_FRAMED_NONE, HTTP_PERSISTS),
                     "HTTP/1.1 304 Same\r\nContent-Length: 4\r\n\r\n");
}
