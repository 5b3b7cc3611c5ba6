/* Named places where tests make the daemon crash, fail or wait: FAILPOINT(store_before_apply).
 *
 * Compiled in with the option ORCHESTRATOR_FAILPOINTS only (presets dev, asan-ubsan, torture), and
 * idle until the environment names some:
 *
 *   ORCH_FAILPOINTS="store_before_apply=abort:3,keep_before_write=error"
 *
 * abort: the process is killed at the nth hit (1), as by SIGKILL; error: the place fails at it,
 * where it can (FAILPOINT_FAILS); delay: 100 ms at it and at each one after. Any thread. */
#ifndef BASE_FAILPOINT_H
#define BASE_FAILPOINT_H

#include <stdbool.h>

/* The one list of them; tests/torture reads it here. Those marked `fails` know the action error. */
#define FAILPOINTS(X)                                                                              \
    X(start_locked)           /* the state directory is ours */                                    \
    X(start_keyed)            /* the administrator's key is read or made */                        \
    X(start_plugins)          /* plugins are loaded */                                             \
    X(start_feed)             /* a proxy is adopted or started */                                  \
    X(start_agent)            /* the agent has read its file */                                    \
    X(start_loaded)           /* the state is loaded, nothing is served yet */                     \
    X(start_serving)          /* everything answers */                                             \
    X(store_listed)           /* records are read, not yet in the indexes */                       \
    X(store_first_written)    /* the new fence is durable */                                       \
    X(store_submitted)        /* a transaction joins a batch */                                    \
    X(store_batch_closed)     /* the batch goes to the store's thread */                           \
    X(store_before_apply)     /* fails: refused */                                                 \
    X(store_after_apply)      /* durable, the loop has not heard; fails: outcome unknown */        \
    X(store_before_done)      /* durable, not yet in memory */                                     \
    X(store_before_reply)     /* durable and in memory, the caller has not heard */                \
    X(store_before_read_back) /* after an unknown outcome; fails: the store does not answer */     \
    X(store_after_read_back)                                                                       \
    X(api_before_command)  /* read and checked, nothing is submitted */                            \
    X(api_before_reply)    /* durable, nothing is sent */                                          \
    X(idempotency_before)  /* changed, the answer is not yet kept */                               \
    X(idempotency_after)   /* the answer is kept, not yet sent */                                  \
    X(place_before_submit) /* nodes are chosen */                                                  \
    X(place_after_submit)  /* new containers are on their way to the store */                      \
    X(reconcile_before)    /* a rollout's next step, before its transaction */                     \
    X(reconcile_after)     /* that transaction is decided */                                       \
    X(rollback_before)     /* an automatic rollback is about to be submitted */                    \
    X(assignment_taken)    /* by the agent, not yet in its file */                                 \
    X(table_taken)         /* the endpoint table, not yet told to the proxy */                     \
    X(report_taken)        /* by the server, not yet in the store */                               \
    X(keep_before_write)   /* fails: the agent's file can't be written */                          \
    X(keep_before_rename)  /* the new file lies beside the old one */                              \
    X(keep_after_rename)   /* the agent's file is the new one */                                   \
    X(runtime_before_create)                                                                       \
    X(runtime_after_create)                                                                        \
    X(runtime_before_start)                                                                        \
    X(runtime_after_start)                                                                         \
    X(runtime_before_stop)                                                                         \
    X(runtime_after_stop)                                                                          \
    X(runtime_before_remove)                                                                       \
    X(runtime_after_remove)                                                                        \
    X(runtime_before_list)                                                                         \
    X(runtime_after_list)                                                                          \
    X(stray_before_remove)  /* a container that no record wants */                                 \
    X(table_published)      /* handed to the proxy's channel */                                    \
    X(table_acknowledged)   /* by the proxy */                                                     \
    X(table_drained)        /* an endpoint's last connection has ended */                          \
    X(feed_spawned)         /* a proxy of our own runs */                                          \
    X(feed_adopted)         /* a proxy from before has handed its listeners over */                \
    X(feed_before_full)     /* a whole table is about to be sent */                                \
    X(feed_before_listener) /* a listening socket is about to be sent */                           \
    X(feed_after_listener)                                                                         \
    X(stop_signalled) /* SIGTERM was read */                                                       \
    X(stop_api_ended) /* nobody asks any more */                                                   \
    X(stop_agent_ended)                                                                            \
    X(stop_store_closed)

enum failpoint {
#define X(name) FAILPOINT_##name,
    FAILPOINTS(X)
#undef X
        FAILPOINT_COUNT
};

#ifdef ORCHESTRATOR_FAILPOINTS
/* True: the place is to fail. */
bool failpoint_hit(enum failpoint point);
#define FAILPOINT(name) ((void)failpoint_hit(FAILPOINT_##name))
#define FAILPOINT_FAILS(name) failpoint_hit(FAILPOINT_##name)
#else
#define FAILPOINT(name) ((void)0)
#define FAILPOINT_FAILS(name) false
#endif

#endif
