/* record_sum(key, value): what a row must hash to. SQLite looks at the form of its pages, not at
 * what rows say; its log has sums of its own, the database has none. Each step is one to one, so
 * that a single changed word, thus any flipped bit, always changes the outcome. */
#include "sqlite.h"

#include <stdint.h>
#include <string.h>

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ (hash >> 32);
}

static uint64_t add(uint64_t hash, const unsigned char *bytes, size_t length)
{
    size_t at = 0;
    uint64_t word;
    hash = mix(hash, length);
    for (; at + sizeof word <= length; at += sizeof word) {
        memcpy(&word, bytes + at, sizeof word);
        hash = mix(hash, word);
    }
    word = 0;
    if (at < length)
        memcpy(&word, bytes + at, length - at);
    return mix(hash, word);
}

static void record_sum(sqlite3_context *context, int count, sqlite3_value **values)
{
    uint64_t hash = 0;
    for (int i = 0; i < count; i++) {
        const unsigned char *bytes = sqlite3_value_blob(values[i]);
        hash = add(hash, bytes, (size_t)sqlite3_value_bytes(values[i]));
    }
    sqlite3_result_int64(context, (sqlite3_int64)hash);
}

int64_t store_row_sum(sqlite3_stmt *statement)
{
    uint64_t hash = 0;
    for (int i = 0; i < 2; i++) {
        const unsigned char *bytes = sqlite3_column_blob(statement, i);
        hash = add(hash, bytes, (size_t)sqlite3_column_bytes(statement, i));
    }
    return (int64_t)hash;
}

int store_add_sum(sqlite3 *database)
{
    return sqlite3_create_function_v2(database, "record_sum", 2,
                                      SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, NULL,
                                      record_sum, NULL, NULL, NULL);
}
