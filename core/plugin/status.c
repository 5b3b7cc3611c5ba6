/* Statuses and errors of the ABI as the core's, and back. */
#include "base/text.h"
#include "plugin/host.h"

#include <string.h>

#define STATUSES(X)                                                                                \
    X(ORCH_OK, "OK", ERROR_NONE)                                                                   \
    X(ORCH_PENDING, "PENDING", ERROR_PLUGIN)                                                       \
    X(ORCH_E_INVALID, "INVALID", ERROR_PLUGIN)                                                     \
    X(ORCH_E_NOT_FOUND, "NOT_FOUND", ERROR_NOT_FOUND)                                              \
    X(ORCH_E_EXISTS, "EXISTS", ERROR_ALREADY_EXISTS)                                               \
    X(ORCH_E_CONFLICT, "CONFLICT", ERROR_CONFLICT)                                                 \
    X(ORCH_E_FENCED, "FENCED", ERROR_CONFLICT)                                                     \
    X(ORCH_E_FULL, "FULL", ERROR_UNAVAILABLE)                                                      \
    X(ORCH_E_IO, "IO", ERROR_IO)                                                                   \
    X(ORCH_E_UNKNOWN, "UNKNOWN", ERROR_UNKNOWN_OUTCOME)                                            \
    X(ORCH_E_UNSUPPORTED, "UNSUPPORTED", ERROR_PLUGIN)                                             \
    X(ORCH_E_UNAVAILABLE, "UNAVAILABLE", ERROR_UNAVAILABLE)                                        \
    X(ORCH_E_TIMEOUT, "TIMEOUT", ERROR_TIMEOUT)                                                    \
    X(ORCH_E_CANCELLED, "CANCELLED", ERROR_CANCELLED)                                              \
    X(ORCH_E_STALE, "STALE", ERROR_PLUGIN)                                                         \
    X(ORCH_E_DENIED, "DENIED", ERROR_FORBIDDEN)                                                    \
    X(ORCH_E_TOO_LARGE, "TOO_LARGE", ERROR_PAYLOAD_TOO_LARGE)                                      \
    X(ORCH_E_NO_MEMORY, "NO_MEMORY", ERROR_NO_MEMORY)                                              \
    X(ORCH_E_WRONG_THREAD, "WRONG_THREAD", ERROR_PLUGIN)                                           \
    X(ORCH_E_INTERNAL, "INTERNAL", ERROR_PLUGIN)                                                   \
    X(ORCH_E_BUSY, "BUSY", ERROR_UNAVAILABLE)

const char *plugin_status_word(orch_status status)
{
    switch (status) {
#define X(value, word, code)                                                                       \
    case value:                                                                                    \
        return word;
        STATUSES(X)
#undef X
    }
    return "?";
}

enum error_code plugin_status_code(orch_status status)
{
    switch (status) {
#define X(value, word, code)                                                                       \
    case value:                                                                                    \
        return code;
        STATUSES(X)
#undef X
    }
    return ERROR_PLUGIN;
}

void plugin_error_take(struct error *error, orch_status status, const struct orch_error *theirs)
{
    char message[sizeof((struct orch_error *)0)->message] = "";
    size_t room = 0;
    if (theirs && theirs->size > offsetof(struct orch_error, message))
        room = theirs->size - offsetof(struct orch_error, message);
    if (room > sizeof message)
        room = sizeof message;
    if (room)
        memcpy(message, theirs->message, room);
    message[sizeof message - 1] = 0;
    text_defuse(message);
    if (!message[0])
        error_set(error, plugin_status_code(status), "the plugin says only %s",
                  plugin_status_word(status));
    else if (room && theirs->sys_errno > 0)
        error_set_errno(error, plugin_status_code(status), theirs->sys_errno, "%s", message);
    else
        error_set(error, plugin_status_code(status), "%s", message);
}

orch_status plugin_error_give(struct orch_error *theirs, orch_status status,
                              const struct error *error)
{
    return orch_fail(theirs, status, error ? error->message : "");
}
