/* SPDX-License-Identifier: Apache-2.0
 *
 * The plugin ABI: base types, status codes, growth of structs, the manifest.
 *
 * A plugin is a shared object that exports one constant data symbol, `orch_plugin_manifest_1`.
 * The host judges it by that data alone, before any of its functions runs.
 *
 * Rules that hold in every header of this folder:
 *  - C17, usable from C++17, 64-bit only. No implicit padding, fixed-width types.
 *  - Each function pointer carries one tag that says on which thread it is called or may be called:
 *    [init] the host's main thread before serving; [loop] the loop thread; [proxy] the proxy's main
 *    thread; [worker] one proxy worker's thread; [pool] a pool thread; [store] the store thread;
 *    [any] every thread.
 *  - Growable structs begin with their size, set by whoever fills them to sizeof. They grow at the
 *    end only; zero means the old behaviour. The receiver copies the smaller of both sizes into a
 *    zeroed local of its own and refuses (ORCH_E_UNSUPPORTED) when bytes beyond what it knows are
 *    not zero: ORCH_TAKE. Structs marked "advisory" are views and results: unknown tails in them
 *    are ignored. Types marked "leaf" never change.
 *  - Parameters are borrowed for the call unless it is said otherwise. What an operation that
 *    answered ORCH_PENDING was given stays valid until its completion. Nothing is freed on the
 *    other side than it was allocated on.
 *  - 0 is no valid value of any enumeration, and no valid status. */
#ifndef ORCHESTRATOR_ABI_H
#define ORCHESTRATOR_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ORCH_MAGIC UINT32_C(0x4843524f) /* "ORCH" in memory */
#define ORCH_LOADER_ABI UINT32_C(1)
#define ORCH_VERSION(major, minor, patch)                                                          \
    (((uint32_t)(major) << 16) | ((uint32_t)(minor) << 8) | (uint32_t)(patch))
#define ORCH_SDK_VERSION ORCH_VERSION(1, 0, 0)

#if defined(__GNUC__)
#define ORCH_EXPORT __attribute__((visibility("default")))
#else
#define ORCH_EXPORT
#endif

/* What every call answers. Negative: failed. */
typedef int32_t orch_status;
enum {
    ORCH_OK = 1,      /* done */
    ORCH_PENDING = 2, /* the completion follows, exactly once */

    ORCH_E_INVALID = -1,      /* a parameter makes no sense; retrying is pointless */
    ORCH_E_NOT_FOUND = -2,    /* no such container, image, file, key */
    ORCH_E_EXISTS = -3,       /* there is one of that name, and it is not ours */
    ORCH_E_CONFLICT = -4,     /* the state compared with is another one */
    ORCH_E_FENCED = -5,       /* a newer leader has written */
    ORCH_E_FULL = -6,         /* no room: disk, quota, queue */
    ORCH_E_IO = -7,           /* the device or the connection failed */
    ORCH_E_UNKNOWN = -8,      /* it may or may not have happened */
    ORCH_E_UNSUPPORTED = -9,  /* newer than this side knows */
    ORCH_E_UNAVAILABLE = -10, /* the engine or peer does not answer; try later */
    ORCH_E_TIMEOUT = -11,
    ORCH_E_CANCELLED = -12,
    ORCH_E_STALE = -13,  /* the operation is over for the host */
    ORCH_E_DENIED = -14, /* authentication or permission */
    ORCH_E_TOO_LARGE = -15,
    ORCH_E_NO_MEMORY = -16,
    ORCH_E_WRONG_THREAD = -17,
    ORCH_E_INTERNAL = -18,
    ORCH_E_BUSY = -19 /* under way already, or locked by another process */
};

/* Bytes, not terminated. {NULL, 0} is "not given". leaf */
struct orch_str {
    const char *ptr;
    size_t len;
};
/* leaf */
struct orch_pair {
    struct orch_str key, value;
};
/* `count` items, `stride` bytes apart; read each by ORCH_AT. leaf */
struct orch_array {
    const void *items;
    uint32_t count, stride;
};
#define ORCH_AT(type, array, index)                                                                \
    ((const type *)(const void *)((const char *)(array).items +                                    \
                                  (size_t)(array).stride * (size_t)(index)))
/* Where variable-length output goes; `put` copies. leaf */
struct orch_sink {
    void (*put)(void *context, const char *bytes, size_t length);
    void *context;
};

/* Filled by whoever fails; the caller owns it and has set `size`. Never written past `size`. */
struct orch_error {
    uint32_t size;
    int32_t code;      /* the orch_status, negative */
    int32_t sys_errno; /* 0: none */
    uint32_t reserved;
    char message[496]; /* a terminated sentence one can act on */
};

#define ORCH_SIZE_UPTO(type, member)                                                               \
    ((uint32_t)(offsetof(type, member) + sizeof(((const type *)0)->member)))
/* Is `member` within the size that the other side filled, and not zero? For pointers of tables. */
#define ORCH_HAS(type, pointer, member)                                                            \
    ((pointer)->size >= ORCH_SIZE_UPTO(type, member) && (pointer)->member)

/* Copies a growable struct into `destination` (zeroed first). Answers ORCH_E_UNSUPPORTED when the
 * sender filled something that this side does not know, and its offset. */
static inline orch_status orch_take(void *destination, size_t known, const void *source,
                                    size_t *offset)
{
    const unsigned char *from = (const unsigned char *)source;
    unsigned char *to = (unsigned char *)destination;
    uint32_t given = *(const uint32_t *)source;
    size_t i;
    for (i = 0; i < known; i++)
        to[i] = i < given ? from[i] : 0;
    for (i = known; i < given; i++) {
        if (from[i]) {
            if (offset)
                *offset = i;
            return ORCH_E_UNSUPPORTED;
        }
    }
    return ORCH_OK;
}

/* Writes "<prefix><name> ... " style messages without stdio; never past error->size. */
static inline void orch_error_append(struct orch_error *error, const char *string)
{
    size_t room, at = 0;
    if (!error || error->size <= offsetof(struct orch_error, message) + 1)
        return;
    room = error->size - offsetof(struct orch_error, message);
    if (room > sizeof error->message)
        room = sizeof error->message;
    while (at < room - 1 && error->message[at])
        at++;
    while (at < room - 1 && *string)
        error->message[at++] = *string++;
    error->message[at] = 0;
}
static inline orch_status orch_fail(struct orch_error *error, orch_status code, const char *message)
{
    if (error && error->size >= ORCH_SIZE_UPTO(struct orch_error, sys_errno)) {
        error->code = code;
        error->sys_errno = 0;
        if (error->size > offsetof(struct orch_error, message))
            error->message[0] = 0;
        orch_error_append(error, message);
    }
    return code;
}
static inline orch_status orch_take_checked(void *destination, size_t known, const void *source,
                                            const char *name, struct orch_error *error)
{
    size_t offset = 0, divisor = 10000;
    char digits[8];
    size_t count = 0;
    if (orch_take(destination, known, source, &offset) == ORCH_OK)
        return ORCH_OK;
    (void)orch_fail(error, ORCH_E_UNSUPPORTED, name); /* "struct orch_task" */
    orch_error_append(error, " has a value at offset ");
    for (; divisor; divisor /= 10)
        if (count || offset / divisor || divisor == 1) {
            digits[count++] = (char)('0' + offset / divisor % 10);
        }
    digits[count] = 0;
    orch_error_append(error, digits);
    orch_error_append(error, ", which is newer than this side knows");
    return ORCH_E_UNSUPPORTED;
}
/* ORCH_TAKE(struct orch_task, &mine, theirs, error): see the rules above. */
#define ORCH_TAKE(type, destination, source, error)                                                \
    orch_take_checked((destination), sizeof(type), (source), #type, (error))

struct orch_host; /* host.h */

/* One implementation that the plugin offers. */
struct orch_provide {
    const char *interface_id;  /* "orch.scheduler/1" */
    const char *name;          /* as the configuration file calls it: "spread" */
    const void *table;         /* struct orch_scheduler_v1 and so on; begins with its size */
    const char *config_schema; /* JSON Schema of its configuration (docs/abi.md lists the words
                                  known); NULL: takes none */
};
/* One host interface that the plugin uses. */
struct orch_need {
    const char *interface_id; /* "orch.host.log/1" */
    uint32_t min_size;        /* ORCH_SIZE_UPTO(struct orch_host_log_v1, last member used) */
    uint32_t optional;        /* 1: can live without it */
};

/* The one exported symbol. The first 16 bytes never change. */
struct orch_manifest {
    uint32_t magic;       /* ORCH_MAGIC */
    uint32_t loader_abi;  /* ORCH_LOADER_ABI */
    uint32_t size;        /* sizeof(struct orch_manifest) */
    uint32_t sdk_version; /* ORCH_SDK_VERSION: what it was built with, not what it needs */
    const char *id;       /* reverse domain name: "org.example.my-scheduler" */
    const char *version;  /* of the plugin: "1.2.0" */
    const char *vendor, *license, *url; /* may be NULL */
    const struct orch_provide *provides;
    uint32_t provide_count, provide_stride;
    const struct orch_need *needs;
    uint32_t need_count, need_stride;
    /* [init] Optional. Called once after the plugin was accepted. `module` is handed to every
     * create. Anything but ORCH_OK refuses the plugin. */
    orch_status (*init)(const struct orch_host *host, void **module, struct orch_error *error);
    /* [init] Optional. Called at an orderly end after the last destroy. */
    void (*fini)(void *module);
};
#define ORCH_MANIFEST_SYMBOL "orch_plugin_manifest_1"
#define ORCH_MANIFEST_HEAD                                                                         \
    ORCH_MAGIC, ORCH_LOADER_ABI, sizeof(struct orch_manifest), ORCH_SDK_VERSION
extern ORCH_EXPORT const struct orch_manifest orch_plugin_manifest_1;

#ifdef __cplusplus
}
#endif
#endif
