/* Commands in containers, with a client at the other end of a WebSocket. Private to core/api.
 *
 * A session is made with a ticket, which is good for one connection within EXEC_TICKET_SECONDS. The
 * connection's bytes are the API thread's (exec_socket.c), the command is the main loop's
 * (exec_command.c); between the two lies a bridge of two bounded buffers (exec_bridge.c). A client
 * that does not read holds up its command, a command that does not read holds up its client.
 *
 * What goes through the bridge are records: a channel, a length, the bytes. The channels are those
 * of the messages: the first byte of each. */
#ifndef API_EXEC_H
#define API_EXEC_H

#include "api/exec_ticket.h"
#include "api/impl.h"
#include "api/websocket.h"

enum exec_channel { EXEC_INPUT = 0, EXEC_OUTPUT, EXEC_ERRORS, EXEC_END, EXEC_SIZE };
enum {
    EXEC_SESSIONS = 64,       /* connected at a time; more are refused */
    EXEC_TICKETS = 256,       /* not used yet; more are refused */
    EXEC_IN_BYTES = 64 * 1024 /* of input that waits; then the client is not read from */
};

struct exec_socket {                           /* [api] */
    struct MHD_UpgradeResponseHandle *upgrade; /* NULL: there is no connection (any more) */
    int fd;
    struct loop_io io;
    struct loop_timer timer;
    struct websocket_reader reader;
    struct text records; /* taken from the bridge, not yet in frames */
    size_t records_used;
    struct text sending;
    size_t sent;
    uint64_t heard_ns;   /* when something last came from the client */
    unsigned close_code; /* 0: it goes on */
    const char *reason;  /* static */
    bool close_sent, closed_by_client;
    bool deaf; /* what comes is thrown away */
    bool ping_due, pong_due;
    uint8_t pong[WEBSOCKET_CONTROL_BYTES];
    size_t pong_length;
};
/* What goes through the bridge: one message's channel and bytes, or a part of them. */
struct exec_record {
    enum exec_channel channel;
    const char *bytes;
    size_t length;
};
struct exec_command { /* [loop] */
    uint64_t op;      /* 0: it does not run */
    uint64_t began_ns;
    bool is_being_recorded; /* its event is not durable yet */
    bool input_over, size_due, has_record;
    uint16_t size[2];      /* rows, columns */
    uint64_t size_from_ns; /* the next size may be told */
    struct text records;   /* taken from the bridge, not yet with the runtime */
    size_t used;
    struct exec_record record; /* what is left of the first of them */
    struct loop_timer retry;
};
struct exec_bridge {
    pthread_mutex_t lock;
    struct text in, out; /* records: to the command, to the client */
    size_t owed;         /* bytes of output that the client's end has taken */
    bool client_gone, command_gone;
    bool reader_waits; /* the socket is not read until there is room */
    bool tell_posted, wake_posted;
    struct loop_task tell, wake; /* to the main loop, to the API's */
};

struct exec_session {
    struct api *api; /* [api] */
    struct api_parts parts;
    struct loop *api_loop;
    struct arena arena;
    struct exec_order order;
    struct exec_session *next, *previous; /* [api] among those of its state */
    char id[ID_UID_BYTES];
    uint8_t digest[SHA256_BYTES]; /* of its ticket */
    uint64_t expires_ns;          /* 0: its ticket was used */
    struct loop_task begin;
    struct exec_bridge bridge;
    struct exec_socket socket;
    struct exec_command command;
};

/* -- sessions [api] -- */

struct exec_server;
struct exec_server *exec_server_create(struct api *api);
void exec_server_destroy(struct exec_server *server); /* NULL is fine */
/* The session whose ticket that is; nobody else gets it again. NULL: UNAUTHORIZED, or RATE_LIMITED
 * while too many are connected (the ticket stays good). */
struct exec_session *exec_ticket_take(struct exec_server *server, const char *id,
                                      const char *ticket, struct error *error);
/* The daemon ends: clients are told, and have as long as api_stop gives them. */
void exec_server_end(struct exec_server *server);
/* All connections are given back to libmicrohttpd, at once. */
void exec_server_cut(struct exec_server *server);

/* -- the connection [api] -- */

/* The answer that makes the exchange's connection a WebSocket; exchange->exec_accept is filled. */
struct MHD_Response *exec_socket_response(struct exchange *exchange);
void exec_socket_end(struct exec_session *session, unsigned code, const char *reason);
void exec_socket_cut(struct exec_session *session);
/* The exchange is over: whatever is left of the session goes once the loop has let go of it. */
void exec_session_drop(struct exec_session *session); /* NULL is fine */
/* Something is in the bridge for the client, or there is room for input. */
void exec_socket_woken(struct exec_session *session);

/* -- the command [loop] -- */

void exec_command_begin(struct loop_task *begin);
/* Something is in the bridge for the command, or its output was taken, or the client has gone. */
void exec_command_told(struct exec_session *session);

/* -- the bridge -- */

void exec_bridge_init(struct exec_session *session);
/* [api] False: no more, until exec_socket_woken. */
bool exec_bridge_put_input(struct exec_session *session, enum exec_channel channel,
                           const void *bytes, size_t length);
bool exec_bridge_has_room(struct exec_session *session); /* [api] */
/* [api] All records for the client, into an empty text; whether they are the last. */
void exec_bridge_take_output(struct exec_session *session, struct text *records, bool *last);
/* [api] The bridge may be gone after this. */
void exec_bridge_client_gone(struct exec_session *session);
/* [loop] */
void exec_bridge_put_output(struct exec_session *session, enum exec_channel channel,
                            const void *bytes, size_t length);
/* [loop] Records for the command into `records`, if that is empty; how many bytes of output were
 * taken since. */
void exec_bridge_take_input(struct exec_session *session, struct text *records, size_t *credit,
                            bool *client_gone);
/* [loop] The session may be gone after this. */
void exec_bridge_command_gone(struct exec_session *session);

/* A record at `used`; false: there is none. Moves `used` behind it. */
bool exec_record_next(const struct text *records, size_t *used, struct exec_record *out);

#endif
