/* Calls to the runtime that are under way, so that the agent can go at any time. */
#include "agent/impl.h"

#include <stdlib.h>

void pending_add(struct agent *agent, struct pending *pending)
{
    pending->agent = agent;
    pending->next = agent->pending;
    pending->link = &agent->pending;
    if (pending->next)
        pending->next->link = &pending->next;
    agent->pending = pending;
}

void pending_end(struct pending *pending)
{
    *pending->link = pending->next;
    if (pending->next)
        pending->next->link = pending->link;
}

void pending_drop_all(struct agent *agent)
{
    while (agent->pending) {
        struct pending *pending = agent->pending;
        runtime_abandon(agent->runtime, pending->call);
        pending_end(pending);
        if (pending->drop)
            pending->drop(pending);
        else
            free(pending);
    }
}
