/* A state on a virtual loop over the scripted store, and what the tests of batches do with it. */
#ifndef TEST_BATCHES_H
#define TEST_BATCHES_H

#include "node/node.h"
#include "store/impl.h"

extern struct loop *loop;
extern struct state *state;
extern struct error open_error; /* of the last opening */

void batches_setup(void); /* opens the state */
void batches_teardown(void);
void open_state(void);
void close_state(void);
void run_ms(uint64_t ms);

/* How a transaction ended. */
struct outcome {
    int times;
    struct error error;
    const char *retry, *gone; /* put again from `done`; must not be in the head view then */
};
void done(void *outcome, const struct error *error);
void expect_error(const struct outcome *outcome, enum error_code code);

/* Records are nodes of these names. */
const struct record *find(enum state_view view, const char *name);
struct txn *begin(void);
void put(struct txn *txn, const char *name);
void put_one(const char *name, struct outcome *outcome); /* NULL: nobody waits */
void delete_one(const char *name);

void send_batch(void); /* what was submitted is at the store, which has not answered */
void refuse(orch_status status, uint32_t prefix);

#endif
