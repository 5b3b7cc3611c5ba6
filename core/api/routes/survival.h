/* GET /cluster's `survives`. Private to this folder. */
#ifndef ROUTES_SURVIVAL_H
#define ROUTES_SURVIVAL_H

#include "base/text.h"
#include "plan/survival.h"

#define SURVIVES_SCHEMA                                                                            \
    "{\"type\":\"object\",\"description\":\"Does the cluster survive the loss of any one node? "   \
    "Worked out in the background by the filters and schedulers that place replicas.\","           \
    "\"properties\":{"                                                                             \
    "\"anyNode\":{\"type\":[\"boolean\",\"null\"],\"description\":\"Would all that a node runs "   \
    "be placed elsewhere, whichever is lost? null: not known yet, or no node is ready.\"},"        \
    "\"nodesChecked\":{\"type\":\"integer\"},\"nodesNotSurvived\":{\"type\":\"integer\"},"         \
    "\"unplaced\":{\"type\":\"array\",\"description\":\"What would fit nowhere, by node; the "     \
    "first hundred.\",\"items\":{\"type\":\"object\",\"properties\":{\"node\":{\"type\":"          \
    "\"string\"},\"deployment\":{\"type\":\"string\"},\"replicas\":{\"type\":\"integer\"},"        \
    "\"why\":{\"type\":\"string\"},\"nearest\":{\"type\":[\"object\",\"null\"],\"properties\":{"   \
    "\"node\":{\"type\":\"string\"},\"message\":{\"type\":\"string\"}}}}}},"                       \
    "\"unplacedTotal\":{\"type\":\"integer\"},"                                                    \
    "\"at\":{\"type\":[\"string\",\"null\"],\"format\":\"date-time\",\"description\":\"Of when "   \
    "the answer is.\"},\"seq\":{\"type\":\"integer\",\"description\":\"Of which state it is.\"},"  \
    "\"outdated\":{\"type\":\"boolean\",\"description\":\"Something has changed since; the next "  \
    "answer is on its way.\"}}}"
/* [loop] `survival` NULL: nobody works it out. */
void survival_write(const struct survival *survival, struct text *out);

#endif
