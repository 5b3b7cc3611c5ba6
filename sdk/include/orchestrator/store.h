/* SPDX-License-Identifier: Apache-2.0
 *
 * orch.store/1: keeps the state: an ordered map from key to value with one number, the head.
 *
 * Blocking calls on one thread of the host's. All keys are UTF-8 paths without NUL
 * ("container/web/0/..."), ordered by bytes; values are JSON text. The host keeps all state in
 * memory: a store is asked to list everything once, and then to apply. */
#ifndef ORCHESTRATOR_STORE_H
#define ORCHESTRATOR_STORE_H

#include <orchestrator/host.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ORCH_STORE_1 "orch.store/1"

enum { ORCH_STORE_PUT = 1, ORCH_STORE_DELETE = 2 };
/* leaf */
struct orch_store_op {
    uint32_t kind, reserved;
    struct orch_str key, value; /* value: of a put */
};
/* All or nothing. Applied only when the head is `expected_head` and no greater fence was seen. */
struct orch_store_txn {
    uint32_t size, reserved;
    uint64_t expected_head, new_head; /* new_head > expected_head */
    uint64_t fence;                   /* of the writer; the store keeps the greatest */
    struct orch_array ops;            /* struct orch_store_op */
};
struct orch_store_batch {
    uint32_t size, reserved;
    struct orch_array txns; /* struct orch_store_txn, to be applied in order */
};
/* What the store can take; the host never builds a larger transaction: a user's change that would
 * need one is refused (413), controllers change less at once. 0: no limit. The host refuses a store
 * that takes less than 64 operations or 64 KiB. advisory */
struct orch_store_limits {
    uint32_t size, reserved;
    uint64_t max_operations, max_bytes, max_value_bytes; /* of a transaction */
};
struct orch_store_open {
    uint32_t size, reserved;
    struct orch_str state_directory; /* exists, 0700; for stores that keep files */
};
/* advisory */
struct orch_store_head {
    uint32_t size, reserved;
    uint64_t head, fence; /* both 0 in an empty store */
};
struct orch_store_list {
    uint32_t size, reserved;
    struct orch_str prefix, after; /* keys that begin with prefix and come after `after` */
    uint64_t limit;                /* entries of this page; 0: all */
};
/* Receives entries in order; both borrowed for the call. leaf */
struct orch_store_entries {
    void (*entry)(void *context, struct orch_str key, struct orch_str value);
    void *context;
};

struct orch_store_v1 {
    uint32_t size, reserved;
    /* [store] Migrates an older schema; refuses a newer one (UNSUPPORTED, both numbers in the
     * message) and a database that another process holds (BUSY). */
    orch_status (*open)(void *module, const struct orch_host *host, struct orch_str config,
                        const struct orch_store_open *request, struct orch_store_limits *limits,
                        void **store, struct orch_error *error);
    /* [store] */
    void (*close)(void *store);
    /* [store] */
    orch_status (*head)(void *store, struct orch_store_head *out, struct orch_error *error);
    /* [store] One page; `*more` is 1 when there are further entries. Pages of one listing (the host
     * passes the last key as `after`) are of one state as long as nothing is applied between. */
    orch_status (*list)(void *store, const struct orch_store_list *request,
                        struct orch_store_entries out, uint32_t *more, struct orch_error *error);
    /* [store] Durable when it returns. `*applied`: how many transactions, from the first, are in.
     * ORCH_OK: all of them. CONFLICT: the next one's expected_head is not the head; FENCED: its
     * fence is old; FULL, IO: not applied, the store is as before it. UNKNOWN: the prefix is in,
     * the next may be. */
    orch_status (*apply)(void *store, const struct orch_store_batch *batch, uint32_t *applied,
                         struct orch_error *error);
};

/* Optional, each on a connection of its own, never behind `apply`. All [loop], asynchronous. */
#define ORCH_STORE_LEASE_1 "orch.store.lease/1"
/* advisory */
struct orch_lease { /* value of acquire and renew */
    uint32_t size, reserved;
    uint64_t fence;  /* grows with each change of holder */
    uint64_t ttl_ns; /* counted from the start of the call */
};
struct orch_store_lease_v1 {
    uint32_t size, reserved;
    orch_status (*create)(void *module, const struct orch_host *host, struct orch_str config,
                          void **lease, struct orch_error *error);
    void (*destroy)(void *lease);
    /* [loop] -> struct orch_lease; ORCH_E_BUSY while another holds it. */
    orch_status (*acquire)(void *lease, struct orch_op op, struct orch_str name,
                           struct orch_str holder, uint64_t ttl_ns, struct orch_error *error);
    /* [loop] -> struct orch_lease; ORCH_E_FENCED when it was lost. */
    orch_status (*renew)(void *lease, struct orch_op op, struct orch_error *error);
    /* [loop] */
    orch_status (*release)(void *lease, struct orch_op op, struct orch_error *error);
    /* [loop] */
    void (*cancel)(void *lease, struct orch_op op);
};

#define ORCH_STORE_WATCH_1 "orch.store.watch/1"
/* What is emitted on ORCH_CHANNEL_EVENT, as the bytes of this struct. advisory */
struct orch_store_change {
    uint32_t size, kind; /* ORCH_STORE_PUT, _DELETE, or 3: compacted, list again */
    uint64_t head;
    struct orch_str key, value, origin;
};
struct orch_store_watch_v1 {
    uint32_t size, reserved;
    orch_status (*create)(void *module, const struct orch_host *host, struct orch_str config,
                          void **watch, struct orch_error *error);
    void (*destroy)(void *watch);
    /* [loop] Source of changes after that head. */
    orch_status (*watch)(void *watch, struct orch_op op, struct orch_str prefix,
                         uint64_t after_head, struct orch_error *error);
    void (*resume)(void *watch, struct orch_op op);
    void (*cancel)(void *watch, struct orch_op op);
};

#define ORCH_STORE_BACKUP_1 "orch.store.backup/1"
struct orch_store_backup_v1 {
    uint32_t size, reserved;
    orch_status (*create)(void *module, const struct orch_host *host, struct orch_str config,
                          void **backup, struct orch_error *error);
    void (*destroy)(void *backup);
    /* [loop] A consistent copy into a new file of that path; never overwrites. */
    orch_status (*save)(void *backup, struct orch_op op, struct orch_str path,
                        struct orch_error *error);
    void (*cancel)(void *backup, struct orch_op op);
};

#ifdef __cplusplus
}
#endif
#endif
