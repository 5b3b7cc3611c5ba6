/* Talk with a proxy of one worker in front of one or two origins, byte for byte. */
#ifndef TEST_HTTP_TALK_H
#define TEST_HTTP_TALK_H

#include "http_origin.h"
#include "rig.h"

#define HOST "Host: a.example\r\n"
#define GET(target) "GET " target " HTTP/1.1\r\n" HOST "\r\n"
/* What the proxy answers by itself. */
#define ANSWER(status, length, more, text)                                                         \
    "HTTP/1.1 " status "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: " length    \
    "\r\n" more "\r\n" text "\n"

enum { GOT_BYTES = 1 << 17 };
extern struct http_origin *a, *b; /* b: NULL with start_one */
extern char got[GOT_BYTES];       /* what was received last */

void http_talk_prepare(void); /* rig_finish ends it */
void start_one(void);
void start_two(void);
void put_origins(bool with_a, bool draining_a);

void put_bytes(int fd, const char *text);
const char *receive(int fd, const char *end); /* until what came ends in `end` */
const char *receive_all(int fd);              /* until the connection ends */
const char *ask(int fd, const char *request, const char *end);
char ask_name(int fd, const char *request); /* whose reply it is: a name is one letter */
bool got_has(const char *text);
/* On a connection of its own. */
void expect_answer(const char *request, const char *answer);

#endif
