/* Several commands as one transaction. */
#include "store/impl.h"

#include <stdlib.h>
#include <string.h>

struct txn_group {
    struct state *state;
    struct txn *first, *last; /* as they were submitted */
};

struct txn_group *txn_group_begin(struct state *state)
{
    struct txn_group *group = memory_alloc(sizeof *group);
    group->state = state;
    return group;
}

void txn_group_take(struct txn_group *group, struct txn *txn)
{
    txn->next = NULL;
    if (group->last)
        group->last->next = txn;
    else
        group->first = txn;
    group->last = txn;
}

/* The latest first: each leaves the head as it found it. */
static void take_back(struct txn *txn)
{
    if (!txn)
        return;
    take_back(txn->next);
    txn_take_back(txn);
}

static void move_changes(struct txn *from, struct txn *to)
{
    if (!from->count)
        return;
    to->room = to->count + from->count;
    to->changes = memory_resize(to->changes, to->room * sizeof *to->changes);
    memcpy(to->changes + to->count, from->changes, from->count * sizeof *from->changes);
    to->count += from->count;
    to->bytes += from->bytes;
    from->count = from->bytes = 0;
}

void txn_group_submit(struct txn_group *group)
{
    struct txn *all = txn_begin(group->state, (struct origin){0});
    all->dry_run = group->first && group->first->dry_run;
    all->members = group->first;
    if (all->dry_run)
        take_back(group->first);
    for (struct txn *member = group->first; member; member = member->next)
        move_changes(member, all);
    free(group);
    txn_submit(all, NULL, NULL);
}

void txn_group_abort(struct txn_group *group, const struct error *why)
{
    struct txn *all = txn_begin(group->state, (struct origin){0});
    all->members = group->first;
    take_back(group->first);
    free(group);
    txn_refuse_aside(all, why);
}
