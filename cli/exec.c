/* exec: a command in a container, with this terminal as its own.
 *
 * POST /containers/ID/exec answers a ticket; the WebSocket it opens carries binary messages whose
 * first byte is the channel: 0 input (empty: its end), 1 output, 2 errors, 3 the end as JSON
 * {"exitCode"} or {"error"}, 4 the terminal's size as JSON {"columns", "rows"}. */
#include "commands.h"

#include "client.h"
#include "kinds.h"
#include "terminal.h"
#include "websocket.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum channel { CHANNEL_INPUT = 0, CHANNEL_OUTPUT, CHANNEL_ERRORS, CHANNEL_END, CHANNEL_SIZE };
enum { INPUT_BYTES = 32768, SIZE_EVERY_MS = 250 };

struct session {
    struct websocket *websocket;
    bool tty, input;
    struct winsize size; /* as last told, if `size_told` */
    bool size_told;
    int status; /* -1: it runs */
};

static struct termios before; /* the terminal's ways, given back at the end */

/* Ended from outside: the terminal is not left as it is. */
static void give_back(int number)
{
    tcsetattr(STDIN_FILENO, TCSANOW, &before);
    signal(number, SIG_DFL);
    raise(number);
}

/* The terminal gives every byte as it is typed. */
static bool make_raw(void)
{
    struct termios raw;
    if (tcgetattr(STDIN_FILENO, &before) != 0)
        return false;
    raw = before;
    cfmakeraw(&raw);
    signal(SIGTERM, give_back);
    signal(SIGHUP, give_back);
    return tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

static bool send_on(struct session *session, enum channel channel, const char *bytes, size_t length)
{
    CLEANUP(text_finish) struct text message = {0};
    text_append_char(&message, (char)channel);
    text_append(&message, bytes, length);
    return websocket_write(session->websocket, message.data, message.length);
}

static void tell_size(struct session *session)
{
    struct winsize now;
    char text[64];
    if (!session->tty || ioctl(STDIN_FILENO, TIOCGWINSZ, &now) != 0 ||
        (session->size_told && now.ws_col == session->size.ws_col &&
         now.ws_row == session->size.ws_row))
        return;
    session->size = now;
    session->size_told = true;
    int length =
        snprintf(text, sizeof text, "{\"columns\":%u,\"rows\":%u}", now.ws_col, now.ws_row);
    send_on(session, CHANNEL_SIZE, text, (size_t)length);
}

static void take_input(struct session *session)
{
    char bytes[INPUT_BYTES];
    ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);
    if (count < 0 && errno == EINTR)
        return;
    session->input = count > 0;
    send_on(session, CHANNEL_INPUT, bytes, count > 0 ? (size_t)count : 0);
}

static void take_end(struct session *session, const char *bytes, size_t length)
{
    json_t *end = json_loadb(bytes, length, 0, NULL);
    const char *error = member_text(end, "error");
    session->status = (int)member_int(end, "exitCode");
    if (*error || !json_is_integer(member(end, "exitCode")))
        session->status =
            complain(STATUS_FAILED, NULL, "%s", *error ? error : "it ended unclearly");
    json_decref(end);
}

/* With a terminal of its own a command draws on ours: its bytes go as they are. */
static void take_message(struct session *session, const char *bytes, size_t length)
{
    if (!length)
        return;
    FILE *out = bytes[0] == CHANNEL_ERRORS ? stderr : stdout;
    if (bytes[0] == CHANNEL_END)
        take_end(session, bytes + 1, length - 1);
    else if (bytes[0] != CHANNEL_OUTPUT && bytes[0] != CHANNEL_ERRORS)
        return;
    else if (session->tty)
        fwrite(bytes + 1, 1, length - 1, out);
    else
        print_foreign(out, bytes + 1, length - 1, true);
    fflush(out);
}

static void take_output(struct session *session)
{
    const char *bytes;
    size_t length;
    enum websocket_got got = WEBSOCKET_MESSAGE;
    while (session->status < 0 && got == WEBSOCKET_MESSAGE) {
        got = websocket_read(session->websocket, &bytes, &length);
        if (got == WEBSOCKET_MESSAGE)
            take_message(session, bytes, length);
    }
    if (got == WEBSOCKET_CLOSED && session->status < 0)
        session->status = complain(STATUS_FAILED, NULL, "the connection was closed before its end");
}

static int relay(struct session *session)
{
    while (session->status < 0) {
        bool pending = websocket_pending(session->websocket);
        struct pollfd looks[2] = {
            {.fd = websocket_descriptor(session->websocket),
             .events = pending ? POLLIN | POLLOUT : POLLIN},
            {.fd = session->input && !pending ? STDIN_FILENO : -1, .events = POLLIN}};
        tell_size(session);
        take_output(session); /* what TLS has read already wakes no poll */
        if (session->status >= 0 || poll(looks, 2, SIZE_EVERY_MS) <= 0)
            continue;
        if (pending)
            websocket_flush(session->websocket); /* its end is seen by the next look */
        if (looks[1].revents)
            take_input(session);
    }
    return session->status;
}

static int attach(struct cli *cli, const char *path, bool tty)
{
    struct session session = {.tty = tty, .status = -1, .input = option_given(cli, "stdin")};
    session.websocket = websocket_open(cli, path, "open the session");
    if (!session.websocket)
        return STATUS_FAILED;
    bool raw = tty && make_raw();
    int status = relay(&session);
    if (raw)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
    websocket_close(session.websocket);
    return status;
}

/* A deployment's first running container, or the container of that id. */
static const char *find_container(struct cli *cli, const char *name)
{
    const char *found = NULL;
    size_t i;
    json_t *container;
    const char *slash = strchr(name, '/');
    name = slash ? slash + 1 : name;
    json_t *all = client_list(
        cli, arena_format(&cli->arena, "/containers?deployment=%s", client_escape(cli, name)),
        "look for the container");
    if (!all)
        return NULL;
    json_array_foreach(all, i, container)
    {
        if (!found && member_true(container, "ready"))
            found = arena_strdup(&cli->arena, member_text(container, "id"));
    }
    json_decref(all);
    return found ? found : container_id(cli, name);
}

int run_exec(struct cli *cli)
{
    bool tty = option_given(cli, "tty");
    if (tty && !is_terminal(stdin))
        return complain(STATUS_FAILED, "leave -t out", "standard input is no terminal");
    const char *id = find_container(cli, cli->words[0]);
    if (!id)
        return STATUS_FAILED;
    json_t *command = json_array();
    for (size_t i = 1; i < cli->word_count; i++)
        json_array_append_new(command, json_string(cli->words[i]));
    json_t *body = json_pack("{s:o, s:b, s:b}", "command", command, "tty", tty, "stdin",
                             option_given(cli, "stdin"));
    const char *path = arena_format(&cli->arena, "/containers/%s/exec", client_escape(cli, id));
    json_t *answer = client_ask(cli, "POST", path, body, "run a command in \"%s\"", id);
    json_decref(body);
    if (!answer)
        return client_status(cli);
    path = arena_format(&cli->arena, "/exec/%s?ticket=%s",
                        client_escape(cli, member_text(answer, "id")),
                        client_escape(cli, member_text(answer, "ticket")));
    json_decref(answer);
    return attach(cli, path, tty);
}
