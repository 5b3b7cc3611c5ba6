/* Between the files of the users: their ledger, what they ask for, their last words. */
#ifndef USERS_H
#define USERS_H

#include "judge.h"

enum outcome { OUTCOME_OPEN = 1, OUTCOME_DONE, OUTCOME_REFUSED, OUTCOME_UNKNOWN, OUTCOME_LOST };
struct operation {
    uint64_t number;
    enum outcome outcome;
    uint64_t process_generation;
    struct process *process;
    bool appeared;   /* its content became durable */
    uint32_t audits; /* durable ones in its name */
    char by[24], object[96];
};

/* users_ledger.c: what was asked and answered */
struct operation *users_begin(const char *format, const char *name);
void users_done(void *argument, const struct error *error, const struct write_result *result);
/* What the manager answered on the spot; false: it was refused. */
bool users_taken(struct operation *operation, bool accepted, const struct error *error);
struct write_request users_request(const struct operation *operation);
uint64_t users_next_number(void);
void users_skip(void);
bool users_wait(void); /* is anything not answered? */

/* users_wishes.c: drawn specifications. `last`: one that can be fulfilled and is to hold. */
extern const char *const users_deployments[], *const users_services[];
bool users_deploy(struct operation *operation, const char *name, bool last);
bool users_put_service(struct operation *operation, uint64_t which);

/* users_last.c: what is to hold in the end, step by step */
void users_last_go_on(void);

#endif
