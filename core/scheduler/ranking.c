/* Tournament trees (Knuth, TAOCP 3, 5.4.1): a leaf per candidate, each inner place the better of
 * the two below. */
#include "scheduler/impl.h"

#include <assert.h>

struct tournament {
    uint32_t leaves;   /* a power of two; 0: an empty group */
    uint32_t *winners; /* 2 * leaves; [1] is the winner of all */
};

int64_t ranking_score(const struct ranking *ranking, uint32_t candidate)
{
    int64_t score = ranking->scores[candidate];
    return ranking->parts ? score + ranking->parts[ranking->groups[candidate]] : score;
}

/* Of one group, so without its part. */
static inline uint32_t better(const struct ranking *ranking, uint32_t a, uint32_t b)
{
    if (a == RANKING_NONE || b == RANKING_NONE)
        return a == RANKING_NONE ? b : a;
    if (ranking->scores[a] != ranking->scores[b])
        return ranking->scores[a] > ranking->scores[b] ? a : b;
    if (ranking->ties[a] != ranking->ties[b])
        return ranking->ties[a] > ranking->ties[b] ? a : b;
    return a < b ? a : b;
}

static inline uint32_t better_of_all(const struct ranking *ranking, uint32_t a, uint32_t b)
{
    if (a == RANKING_NONE || b == RANKING_NONE || !ranking->parts)
        return better(ranking, a, b);
    int64_t x = ranking_score(ranking, a), y = ranking_score(ranking, b);
    if (x != y)
        return x > y ? a : b;
    if (ranking->ties[a] != ranking->ties[b])
        return ranking->ties[a] > ranking->ties[b] ? a : b;
    return a < b ? a : b;
}

static uint32_t group_of(const struct ranking *ranking, uint32_t candidate)
{
    return ranking->groups ? ranking->groups[candidate] : 0;
}

static uint32_t winner_of(const struct ranking *ranking, uint32_t group)
{
    const struct tournament *tournament = &ranking->tournaments[group];
    return tournament->leaves ? tournament->winners[1] : RANKING_NONE;
}

static uint32_t power_of_two(uint32_t count)
{
    uint32_t power = 1;
    while (power < count)
        power *= 2;
    return power;
}

static void play_all(const struct ranking *ranking, struct tournament *tournament)
{
    for (uint32_t at = tournament->leaves; at-- > 1;)
        tournament->winners[at] =
            better(ranking, tournament->winners[2 * at], tournament->winners[2 * at + 1]);
}

static void place_leaves(struct ranking *ranking, const uint32_t *candidates, uint32_t count,
                         struct arena *arena)
{
    uint32_t *sizes = arena_alloc(arena, ranking->group_count * sizeof *sizes);
    for (uint32_t i = 0; i < count; i++)
        sizes[group_of(ranking, candidates[i])]++;
    for (uint32_t group = 0; group < ranking->group_count; group++) {
        struct tournament *tournament = &ranking->tournaments[group];
        tournament->leaves = sizes[group] ? power_of_two(sizes[group]) : 0;
        tournament->winners =
            arena_alloc(arena, (2 * (size_t)tournament->leaves + 1) * sizeof(uint32_t));
        for (uint32_t at = 0; at < 2 * tournament->leaves; at++)
            tournament->winners[at] = RANKING_NONE;
        sizes[group] = 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t group = group_of(ranking, candidates[i]);
        struct tournament *tournament = &ranking->tournaments[group];
        ranking->places[candidates[i]] = tournament->leaves + sizes[group]++;
        tournament->winners[ranking->places[candidates[i]]] = candidates[i];
    }
}

void ranking_init(struct ranking *ranking, const uint32_t *candidates, uint32_t count,
                  uint32_t nodes, struct arena *arena)
{
    ranking->tournaments = arena_alloc(arena, ranking->group_count * sizeof(struct tournament));
    ranking->places = arena_alloc(arena, ((size_t)nodes + 1) * sizeof *ranking->places);
    ranking->top_leaves = power_of_two(ranking->group_count);
    ranking->top = arena_alloc(arena, 2 * (size_t)ranking->top_leaves * sizeof *ranking->top);
    place_leaves(ranking, candidates, count, arena);
    for (uint32_t at = 0; at < 2 * ranking->top_leaves; at++)
        ranking->top[at] = RANKING_NONE;
    for (uint32_t group = 0; group < ranking->group_count; group++)
        ranking_rebuild(ranking, group);
}

void ranking_part_changed(struct ranking *ranking, uint32_t group)
{
    uint32_t at = ranking->top_leaves + group;
    ranking->top[at] = winner_of(ranking, group);
    while (at /= 2)
        ranking->top[at] = better_of_all(ranking, ranking->top[2 * at], ranking->top[2 * at + 1]);
}

void ranking_rebuild(struct ranking *ranking, uint32_t group)
{
    play_all(ranking, &ranking->tournaments[group]);
    ranking_part_changed(ranking, group);
}

void ranking_set(struct ranking *ranking, uint32_t candidate, bool takes_part)
{
    struct tournament *tournament = &ranking->tournaments[group_of(ranking, candidate)];
    tournament->winners[ranking->places[candidate]] = takes_part ? candidate : RANKING_NONE;
}

void ranking_update(struct ranking *ranking, uint32_t candidate, bool takes_part)
{
    uint32_t group = group_of(ranking, candidate);
    uint32_t at = ranking->places[candidate];
    uint32_t *winners = ranking->tournaments[group].winners;
    assert(at);
    winners[at] = takes_part ? candidate : RANKING_NONE;
    while (at /= 2)
        winners[at] = better(ranking, winners[2 * at], winners[2 * at + 1]);
    ranking_part_changed(ranking, group);
}

/* Parts of the trees that no winner has been taken from yet. */
struct part {
    const uint32_t *winners;
    uint32_t leaves, at, winner;
    bool of_groups;
    int64_t score; /* of the winner */
};
struct frontier {
    struct part parts[512];
    uint32_t count;
};

static void add_part(const struct ranking *ranking, struct frontier *frontier, struct part part)
{
    part.winner = part.winners[part.at];
    if (part.winner == RANKING_NONE)
        return;
    part.score = ranking_score(ranking, part.winner);
    assert(frontier->count < sizeof frontier->parts / sizeof frontier->parts[0]);
    frontier->parts[frontier->count++] = part;
}

/* Takes the winner of a part out: what it beat stays, in parts of its own. */
static void split(const struct ranking *ranking, struct frontier *frontier, struct part part)
{
    for (;;) {
        while (part.at < part.leaves) {
            struct part other = part;
            other.at = 2 * part.at + (part.winners[2 * part.at] == part.winner);
            part.at = other.at ^ 1;
            add_part(ranking, frontier, other);
        }
        if (!part.of_groups)
            return;
        const struct tournament *below = &ranking->tournaments[part.at - part.leaves];
        part = (struct part){
            .winners = below->winners, .leaves = below->leaves, .at = 1, .winner = part.winner};
    }
}

static uint32_t first_of(const struct ranking *ranking, const struct frontier *frontier)
{
    uint32_t first = 0;
    for (uint32_t i = 1; i < frontier->count; i++) {
        const struct part *x = &frontier->parts[i], *y = &frontier->parts[first];
        if (x->score > y->score ||
            (x->score == y->score && better_of_all(ranking, x->winner, y->winner) == x->winner))
            first = i;
    }
    return first;
}

uint32_t ranking_best(const struct ranking *ranking, uint32_t *best, uint32_t limit)
{
    struct frontier frontier;
    uint32_t count = 0;
    frontier.count = 0;
    add_part(
        ranking, &frontier,
        (struct part){
            .winners = ranking->top, .leaves = ranking->top_leaves, .at = 1, .of_groups = true});
    while (frontier.count && count < limit) {
        uint32_t first = first_of(ranking, &frontier);
        struct part part = frontier.parts[first];
        frontier.parts[first] = frontier.parts[--frontier.count];
        best[count++] = part.winner;
        if (count < limit)
            split(ranking, &frontier, part);
    }
    return count;
}
