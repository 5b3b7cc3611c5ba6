/* consistent-hash: the same key goes to the same endpoint, on every node and worker, and when one
 * endpoint comes or goes few keys move. The table is Maglev's (Eisenbud et al., NSDI 2016): each
 * endpoint takes the free slot next in its own permutation of the slots, in turns as many as its
 * weight says, until all are taken. What has no key goes anywhere, at random.
 *
 * {"key": "source"} (the client's address, the default), or "header" or "cookie" with {"name"},
 * or "path". A slow start is not looked at: keys would move with it. */
#include <orchestrator/balancer.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 256, NO_ENDPOINT = 0xffff, ENDPOINTS_MAX = NO_ENDPOINT - 1 };

struct policy {
    uint64_t seed; /* equal on every node */
    char name[NAME_BYTES];
};

struct slots {
    uint32_t count; /* a prime */
    uint16_t endpoint[];
};

struct worker {
    const struct orch_endpoints *endpoints; /* the host's, until the next update returns */
    const struct slots *slots;              /* likewise; NULL: too many endpoints, or no memory */
    uint64_t random;
};

/* Behind `member` ("\"key\"") and a colon; NULL: it is not there. */
static const char *find_member(struct orch_str config, const char *member)
{
    size_t length = strlen(member);
    const char *end = config.ptr + config.len;
    for (const char *at = config.ptr; at + length < end; at++) {
        const char *after = at + length;
        if (memcmp(at, member, length) != 0)
            continue;
        while (after < end && strchr(" \t\r\n", *after))
            after++;
        if (after < end && *after == ':')
            return after + 1;
    }
    return NULL;
}

/* Its text; the configuration has been checked against the schema, so there are no escapes. */
static size_t read_text(struct orch_str config, const char *member, char *out, size_t bytes)
{
    const char *end = config.ptr + config.len, *at = find_member(config, member);
    const char *open = at ? memchr(at, '"', (size_t)(end - at)) : NULL;
    const char *close = open ? memchr(open + 1, '"', (size_t)(end - open - 1)) : NULL;
    size_t size = close ? (size_t)(close - open - 1) : 0;
    if (!size || size >= bytes)
        return 0;
    memcpy(out, open + 1, size);
    out[size] = '\0';
    return size;
}

static uint32_t key_kind(const char *word)
{
    static const char *const words[] = {"source", "header", "cookie", "path"};
    for (uint32_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(words[i], word) == 0)
            return ORCH_KEY_SOURCE + i;
    return ORCH_KEY_SOURCE;
}

static orch_status create(void *module, const struct orch_host *host, struct orch_str config,
                          uint64_t policy_seed, void **policy, struct orch_balancer_wants *wants,
                          struct orch_error *error)
{
    char word[16] = "source";
    (void)module, (void)host;
    struct policy *made = calloc(1, sizeof *made);
    if (!made)
        return orch_fail(error, ORCH_E_NO_MEMORY, "out of memory");
    read_text(config, "\"key\"", word, sizeof word);
    size_t name = read_text(config, "\"name\"", made->name, sizeof made->name);
    uint32_t kind = key_kind(word);
    if ((kind == ORCH_KEY_HEADER || kind == ORCH_KEY_COOKIE) != (name > 0)) {
        free(made);
        return orch_fail(error, ORCH_E_INVALID,
                         "name: is the name of the header or cookie, given with those keys only");
    }
    made->seed = policy_seed;
    wants->key_count = 1;
    wants->keys[0] = (struct orch_balancer_key){.kind = kind, .name = {made->name, name}};
    *policy = made;
    return ORCH_OK;
}

static void destroy(void *policy)
{
    free(policy);
}

/* -- the table -- */

static uint64_t mix(uint64_t x) /* splitmix64's finalizer */
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* A hundred slots an endpoint: shares differ by about one in a hundred. */
static uint32_t slot_count(uint32_t endpoints)
{
    static const uint32_t primes[] = {251, 1021, 4093, 16381, 65537, 262147, 1048573};
    uint32_t i = 0;
    while (i + 1 < sizeof primes / sizeof primes[0] && primes[i] < endpoints * 100)
        i++;
    return primes[i];
}

struct taker {
    uint32_t at, step; /* its permutation: at, at + step, ... */
    uint32_t owed;     /* gathered weight: a turn at each full `heaviest` */
};

static uint32_t next_free(struct taker *taker, const struct slots *slots)
{
    while (slots->endpoint[taker->at] != NO_ENDPOINT)
        taker->at = (taker->at + taker->step) % slots->count;
    return taker->at;
}

static void fill(struct slots *slots, struct taker *takers, const struct orch_endpoints *endpoints,
                 uint32_t heaviest)
{
    uint32_t left = slots->count, count = endpoints->items.count;
    while (left) {
        for (uint32_t i = 0; i < count && left; i++) {
            takers[i].owed += ORCH_AT(struct orch_endpoint, endpoints->items, i)->weight;
            if (takers[i].owed < heaviest)
                continue;
            takers[i].owed -= heaviest;
            slots->endpoint[next_free(&takers[i], slots)] = (uint16_t)i;
            left--;
        }
    }
}

static orch_status build(void *argument, const struct orch_endpoints *endpoints, void **table,
                         struct orch_error *error)
{
    const struct policy *policy = argument;
    uint32_t count = endpoints->items.count, heaviest = 1;
    if (count == 0 || count > ENDPOINTS_MAX)
        return ORCH_OK; /* no table: any endpoint will do */
    uint32_t size = slot_count(count);
    struct slots *slots = malloc(sizeof *slots + size * sizeof slots->endpoint[0]);
    struct taker *takers = calloc(count, sizeof *takers);
    if (!slots || !takers) {
        free(slots);
        free(takers);
        return orch_fail(error, ORCH_E_NO_MEMORY, "out of memory");
    }
    slots->count = size;
    memset(slots->endpoint, 0xff, size * sizeof slots->endpoint[0]);
    for (uint32_t i = 0; i < count; i++) {
        const struct orch_endpoint *endpoint = ORCH_AT(struct orch_endpoint, endpoints->items, i);
        uint64_t hash = mix(endpoint->id_hash ^ policy->seed);
        takers[i].at = (uint32_t)(hash % size);
        takers[i].step = (uint32_t)(mix(hash) % (size - 1)) + 1;
        heaviest = endpoint->weight > heaviest ? endpoint->weight : heaviest;
    }
    fill(slots, takers, endpoints, heaviest);
    free(takers);
    *table = slots;
    return ORCH_OK;
}

static void table_free(void *policy, void *table)
{
    (void)policy;
    free(table);
}

/* -- the workers -- */

static orch_status worker_new(void *policy, uint32_t index, uint32_t count, uint64_t seed,
                              uint32_t pick_size, uint32_t reserved, void **worker)
{
    struct worker *made = calloc(1, sizeof *made);
    (void)policy, (void)index, (void)count, (void)pick_size, (void)reserved;
    if (!made)
        return ORCH_E_NO_MEMORY;
    made->random = seed;
    *worker = made;
    return ORCH_OK;
}

static void worker_free(void *worker)
{
    free(worker);
}

static void update(void *argument, const struct orch_endpoints *endpoints, void *table)
{
    struct worker *worker = argument;
    worker->endpoints = endpoints;
    worker->slots = table;
}

static int32_t pick_anywhere(const struct orch_pick *pick, uint32_t count, uint64_t hash)
{
    uint32_t index = (uint32_t)(hash % count);
    for (uint32_t i = 0; i < count; i++) {
        if (!ORCH_TRIED(pick, index))
            return (int32_t)index;
        index = index + 1 < count ? index + 1 : 0;
    }
    return ORCH_PICK_NONE;
}

/* While its weight grows, an endpoint has that share of its keys, the same ones on every worker;
 * the others go on where they would without it. */
static int takes(const struct worker *worker, uint32_t index, uint64_t hash)
{
    const struct orch_endpoint *endpoint =
        ORCH_AT(struct orch_endpoint, worker->endpoints->items, index);
    return (hash >> 56) < orch_cell_weight(endpoint->cell);
}

/* What was tried is passed over to the owner of the next slot: a key's second choice is fixed as
 * well. A few slots further all may have been tried: then any that is left. */
static int32_t pick(void *argument, struct orch_pick *pick)
{
    enum { SLOTS_TRIED = 64 };
    struct worker *worker = argument;
    uint32_t count = worker->endpoints ? worker->endpoints->items.count : 0;
    if (count == 0)
        return ORCH_PICK_NONE;
    uint64_t hash = pick->key_count ? pick->key_hashes[0] : 0;
    if (hash == 0)
        hash = worker->random += UINT64_C(0x9e3779b97f4a7c15);
    hash = mix(hash);
    if (!worker->slots)
        return pick_anywhere(pick, count, hash);
    int32_t first = ORCH_PICK_NONE;
    uint32_t slot = (uint32_t)(hash % worker->slots->count);
    for (int i = 0; i < SLOTS_TRIED; i++) {
        uint32_t index = worker->slots->endpoint[slot];
        if (!ORCH_TRIED(pick, index) && takes(worker, index, hash))
            return (int32_t)index;
        if (!ORCH_TRIED(pick, index) && first < 0)
            first = (int32_t)index;
        slot = slot + 1 < worker->slots->count ? slot + 1 : 0;
    }
    return first >= 0 ? first : pick_anywhere(pick, count, hash);
}

static const struct orch_balancer_v1 table = {.size = sizeof table,
                                              .create = create,
                                              .destroy = destroy,
                                              .build = build,
                                              .table_free = table_free,
                                              .worker_new = worker_new,
                                              .worker_free = worker_free,
                                              .update = update,
                                              .pick = pick};
static const struct orch_provide provides[] = {
    {.interface_id = ORCH_BALANCER_1,
     .name = "consistent-hash",
     .table = &table,
     .config_schema =
         "{\"type\":\"object\",\"properties\":{\"key\":{\"type\":\"string\","
         "\"enum\":[\"source\",\"header\",\"cookie\",\"path\"],\"description\":\"What is "
         "hashed; source: the client's address.\"},\"name\":{\"type\":\"string\",\"minLength\":1,"
         "\"maxLength\":255,\"pattern\":\"^[A-Za-z0-9_-]+$\",\"description\":\"Of the header or "
         "cookie.\"}},\"additionalProperties\":false}"}};

const struct orch_manifest orch_plugin_manifest_1 = {
    ORCH_MANIFEST_HEAD,      .id = "org.orchestrator.balancer.consistent-hash",
    .version = "1.0.0",      .vendor = "orchestrator",
    .license = "Apache-2.0", .provides = provides,
    .provide_count = 1,      .provide_stride = sizeof provides[0]};
