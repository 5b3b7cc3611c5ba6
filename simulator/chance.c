/* Chance, time and the trace. */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct world world;

const char *const fault_names[FAULT_COUNT] = {
#define X(id, name, most) name,
    SIM_FAULTS(X)
#undef X
};

uint64_t now_ns(void)
{
    return loop_now_ns(world.loop);
}

int64_t wall_ms(const struct host *host)
{
    return loop_wall_ms(world.loop) + (host ? host->wall_skew_ms : 0);
}

void world_seed(uint64_t seed)
{
    world.seed = seed;
    for (int i = 0; i < STREAM_COUNT; i++)
        random_seeded_init(&world.streams[i], hash_mix(seed * STREAM_COUNT + (uint64_t)i));
}

uint64_t draw(enum stream stream, uint64_t below)
{
    struct random_source source = random_seeded_source(&world.streams[stream]);
    uint64_t number = source.next(source.context);
    return below ? number % below : 0;
}

uint64_t draw_between(enum stream stream, uint64_t low, uint64_t high)
{
    return low + draw(stream, high > low ? high - low : 1);
}

uint64_t draw_around(enum stream stream, uint64_t mean)
{
    uint64_t a = draw(stream, mean + 1);
    uint64_t b = draw(stream, mean + 1);
    uint64_t c = draw(stream, 4) ? 0 : draw(stream, 2 * mean + 1);
    return a / 2 + b / 2 + c;
}

void options_usual_paces(struct options *options)
{
    options->paces[PACE_LOOK] = (struct pace){NS_PER_US, 300, 5000};
    options->paces[PACE_PULL] = (struct pace){NS_PER_MS, 20, 4000};
    options->paces[PACE_CALL] = (struct pace){NS_PER_MS, 2, 120};
    options->paces[PACE_READY] = (struct pace){NS_PER_MS, 1, 800};
    options->paces[PACE_TERM] = (struct pace){NS_PER_MS, 1, 1500};
}

uint64_t draw_pace(enum stream stream, enum pace_of what)
{
    const struct pace *pace = &world.options.paces[what];
    return pace->unit_ns * draw_between(stream, pace->low, pace->high);
}

bool faults_on(void)
{
    return world.phase == PHASE_SAFETY;
}

bool strikes(enum fault fault, enum stream stream)
{
    uint64_t number = draw(stream, 1000); /* drawn in any case */
    bool hit = faults_on() && number < world.options.rates[fault];
    world.hits[fault] += hit;
    return hit;
}

bool buggify_strikes(const char *name);

/* Each site is active in a quarter of the seeds, and strikes a quarter of the times then. */
bool buggify_strikes(const char *name)
{
    struct site *site = world.sites;
    while (site->name[0] && strcmp(site->name, name) != 0 && site < &world.sites[SITE_LIMIT - 1])
        site++;
    if (!site->name[0]) {
        snprintf(site->name, sizeof site->name, "%s", name);
        site->active = world.options.buggify && hash_mix(world.seed ^ hash_text(name)) % 4 == 0;
    }
    site->asked++;
    bool hit = faults_on() && site->active && draw(STREAM_SITES, 4) == 0;
    site->hits += hit;
    return hit;
}

/* FNV-1a, then stirred. */
static void mix(const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    uint64_t hash = world.trace ^ UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    world.trace = hash_mix(hash);
}

static bool shows(void)
{
    return world.verbose && now_ns() >= world.verbose_from_ns;
}

static void show(char kind, const char *text)
{
    uint64_t us = now_ns() / NS_PER_US;
    fprintf(stderr, "%6llu.%06llu %c %s\n", (unsigned long long)(us / 1000000),
            (unsigned long long)(us % 1000000), kind, text);
}

void trace(char kind, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    if (!world.traced)
        return;
    uint64_t at = now_ns();
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    mix(&at, sizeof at);
    mix(&kind, 1);
    mix(text, strlen(text));
    if (shows())
        show(kind, text);
}

void trace_bytes(char kind, const char *label, const void *bytes, size_t length)
{
    if (!world.traced)
        return;
    trace(kind, "%s %zu bytes", label, length);
    mix(bytes, length);
    if (shows())
        fprintf(stderr, "         %.*s\n", (int)length, (const char *)bytes);
}
