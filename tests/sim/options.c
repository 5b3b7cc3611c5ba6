/* What a seed is: which faults are on, and how strong. */
#include "options.h"

#include <stdio.h>
#include <string.h>

enum { USUAL_HOSTS = 8 };
static const uint64_t strongest[FAULT_COUNT] = {
#define X(id, name, most) most,
    SIM_FAULTS(X)
#undef X
};

/* Enough nodes for the brake to matter while fewer than half are silent; dear, so seldom and short.
 */
void options_widen(uint32_t hosts)
{
    enum { SAFETY_S = 90 };
    world.options.hosts = hosts < HOST_LIMIT ? hosts : HOST_LIMIT;
    run.deployments = 1;
    run.services = run.services > 1 ? 1 : run.services;
    if (run.safety_ns > SAFETY_S * NS_PER_SECOND)
        run.safety_ns = SAFETY_S * NS_PER_SECOND;
}

void options_draw(uint64_t seed)
{
    struct options *options = &world.options;
    world_seed(seed);
    options->hosts = (uint32_t)draw_between(STREAM_OPTIONS, 1, USUAL_HOSTS + 1);
    if (draw(STREAM_OPTIONS, 2) && options->hosts > 3)
        options->hosts = 3; /* small clusters are where odd things show */
    run.deployments = (uint32_t)draw_between(STREAM_OPTIONS, 1, 4);
    run.services = (uint32_t)draw_between(STREAM_OPTIONS, 0, 4);
    run.safety_ns = draw_between(STREAM_OPTIONS, 60, 400) * NS_PER_SECOND;
    run.user_pause_ns = draw_between(STREAM_OPTIONS, 1, 12) * NS_PER_SECOND;
    options->default_scheduler = draw(STREAM_OPTIONS, 2) ? "binpack" : "spread";
    options->fallback_scheduler = "spread";
    options->suspect_after_ns = SUSPECT_MS * NS_PER_MS;
    options->lost_after_ns = LOST_MS * NS_PER_MS;
    options->event_limit = 200;
    options->proxies = options->files = true;
    options_usual_paces(options);
    world.traced = true;
    options->buggify = true;
    for (int i = 0; i < FAULT_COUNT; i++) {
        bool on = draw(STREAM_OPTIONS, 2) != 0;
        uint64_t rate = draw_between(STREAM_OPTIONS, strongest[i] / 8 + 1, strongest[i] + 1);
        options->rates[i] = on ? rate : 0;
    }
    if (draw(STREAM_OPTIONS, 16) == 0)
        memset(options->rates, 0, sizeof options->rates); /* a calm day must work too */
    if (draw(STREAM_OPTIONS, 64) == 0)
        options_widen((uint32_t)draw_between(STREAM_OPTIONS, 36, 44));
}

static bool is_in(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; at && *at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, name, length) == 0 && (at[length] == ',' || !at[length]))
            return true;
    return false;
}

void options_without(const char *list)
{
    for (int i = 0; i < FAULT_COUNT; i++)
        if (is_in(list, fault_names[i]))
            world.options.rates[i] = 0;
}

void options_only(const char *list)
{
    for (int i = 0; i < FAULT_COUNT; i++)
        if (!is_in(list, fault_names[i]))
            world.options.rates[i] = 0;
}

bool options_with(const char *list)
{
    while (*list) {
        char name[64];
        unsigned long long rate;
        int length = 0;
        int fault = 0;
        if (sscanf(list, "%63[^=,]=%llu%n", name, &rate, &length) != 2)
            return false;
        while (fault < FAULT_COUNT && strcmp(fault_names[fault], name) != 0)
            fault++;
        if (fault == FAULT_COUNT || (list[length] && list[length] != ','))
            return false;
        world.options.rates[fault] = rate;
        list += length + (list[length] == ',');
    }
    return true;
}

void options_print(void)
{
    const struct options *options = &world.options;
    printf("seed %llu hosts %u deployments %u services %u safety %llus pause %llus %s\n",
           (unsigned long long)world.seed, options->hosts, run.deployments, run.services,
           (unsigned long long)(run.safety_ns / NS_PER_SECOND),
           (unsigned long long)(run.user_pause_ns / NS_PER_SECOND), options->default_scheduler);
    printf("faults");
    for (int i = 0; i < FAULT_COUNT; i++)
        if (options->rates[i])
            printf(" %s=%llu", fault_names[i], (unsigned long long)options->rates[i]);
    printf("\n");
}
