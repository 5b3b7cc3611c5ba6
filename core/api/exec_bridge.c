/* Two buffers under a lock, and a task each way that says that something happened. Freed when both
 * ends have let go and no task is under way. */
#include "api/exec.h"

#include <stdlib.h>
#include <string.h>

static void destroy(struct exec_session *session)
{
    pthread_mutex_destroy(&session->bridge.lock);
    text_finish(&session->bridge.in);
    text_finish(&session->bridge.out);
    text_finish(&session->socket.records);
    text_finish(&session->socket.sending);
    text_finish(&session->socket.reader.message);
    text_finish(&session->command.records);
    arena_finish(&session->arena);
    free(session);
}

static void unlock(struct exec_session *session)
{
    const struct exec_bridge *bridge = &session->bridge;
    bool over =
        bridge->client_gone && bridge->command_gone && !bridge->tell_posted && !bridge->wake_posted;
    pthread_mutex_unlock(&session->bridge.lock);
    if (over)
        destroy(session);
}

static void run_tell(struct loop_task *task)
{
    struct exec_session *session = CONTAINER_OF(task, struct exec_session, bridge.tell);
    pthread_mutex_lock(&session->bridge.lock);
    session->bridge.tell_posted = false;
    bool gone = session->bridge.command_gone;
    unlock(session);
    if (!gone) /* only the loop sets it: the session is still there */
        exec_command_told(session);
}

static void run_wake(struct loop_task *task)
{
    struct exec_session *session = CONTAINER_OF(task, struct exec_session, bridge.wake);
    pthread_mutex_lock(&session->bridge.lock);
    session->bridge.wake_posted = false;
    bool gone = session->bridge.client_gone;
    unlock(session);
    if (!gone) /* only this thread sets it */
        exec_socket_woken(session);
}

static void tell(struct exec_session *session)
{
    struct exec_bridge *bridge = &session->bridge;
    if (bridge->tell_posted || bridge->command_gone)
        return;
    bridge->tell_posted = true;
    bridge->tell = (struct loop_task){.run = run_tell, .name = "exec input"};
    loop_post(session->parts.loop, &bridge->tell);
}

static void wake(struct exec_session *session)
{
    struct exec_bridge *bridge = &session->bridge;
    if (bridge->wake_posted || bridge->client_gone)
        return;
    bridge->wake_posted = true;
    bridge->wake = (struct loop_task){.run = run_wake, .name = "exec output"};
    loop_post(session->api_loop, &bridge->wake);
}

void exec_bridge_init(struct exec_session *session)
{
    pthread_mutex_init(&session->bridge.lock, NULL);
    session->bridge.command_gone = true; /* until it is begun */
}

/* -- records -- */

static void add(struct text *records, enum exec_channel channel, const void *bytes, size_t length)
{
    uint32_t size = (uint32_t)length;
    text_append_char(records, (char)channel);
    text_append(records, &size, sizeof size);
    text_append(records, bytes, length);
}

bool exec_record_next(const struct text *records, size_t *used, struct exec_record *out)
{
    uint32_t size;
    if (*used >= records->length)
        return false;
    const char *at = records->data + *used;
    memcpy(&size, at + 1, sizeof size);
    *out = (struct exec_record){(enum exec_channel)at[0], at + 1 + sizeof size, size};
    *used += 1 + sizeof size + size;
    return true;
}

static void swap(struct text *a, struct text *b)
{
    struct text kept = *a;
    *a = *b;
    *b = kept;
}

/* -- the client's end -- */

bool exec_bridge_put_input(struct exec_session *session, enum exec_channel channel,
                           const void *bytes, size_t length)
{
    struct exec_bridge *bridge = &session->bridge;
    pthread_mutex_lock(&bridge->lock);
    if (!bridge->command_gone)
        add(&bridge->in, channel, bytes, length);
    bool room = bridge->in.length < EXEC_IN_BYTES;
    bridge->reader_waits = !room;
    tell(session);
    unlock(session);
    return room;
}

bool exec_bridge_has_room(struct exec_session *session)
{
    pthread_mutex_lock(&session->bridge.lock);
    bool room = session->bridge.in.length < EXEC_IN_BYTES;
    pthread_mutex_unlock(&session->bridge.lock);
    return room;
}

void exec_bridge_take_output(struct exec_session *session, struct text *records, bool *last)
{
    struct exec_bridge *bridge = &session->bridge;
    struct exec_record record;
    size_t used = 0;
    pthread_mutex_lock(&bridge->lock);
    swap(records, &bridge->out);
    *last = bridge->command_gone;
    while (exec_record_next(records, &used, &record))
        bridge->owed += record.channel == EXEC_END ? 0 : record.length;
    if (bridge->owed)
        tell(session);
    unlock(session);
}

void exec_bridge_client_gone(struct exec_session *session)
{
    pthread_mutex_lock(&session->bridge.lock);
    session->bridge.client_gone = true;
    tell(session);
    unlock(session);
}

/* -- the command's end -- */

void exec_bridge_put_output(struct exec_session *session, enum exec_channel channel,
                            const void *bytes, size_t length)
{
    struct exec_bridge *bridge = &session->bridge;
    pthread_mutex_lock(&bridge->lock);
    if (!bridge->client_gone)
        add(&bridge->out, channel, bytes, length);
    wake(session);
    unlock(session);
}

void exec_bridge_take_input(struct exec_session *session, struct text *records, size_t *credit,
                            bool *client_gone)
{
    struct exec_bridge *bridge = &session->bridge;
    pthread_mutex_lock(&bridge->lock);
    if (!records->length)
        swap(records, &bridge->in);
    *credit = bridge->owed;
    *client_gone = bridge->client_gone;
    bridge->owed = 0;
    if (bridge->reader_waits && bridge->in.length < EXEC_IN_BYTES) {
        bridge->reader_waits = false;
        wake(session);
    }
    unlock(session);
}

void exec_bridge_command_gone(struct exec_session *session)
{
    pthread_mutex_lock(&session->bridge.lock);
    session->bridge.command_gone = true;
    wake(session);
    unlock(session);
}
