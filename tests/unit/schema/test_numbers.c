#include "thing.h"

Test(numbers, cpu)
{
    static const struct {
        const char *text;
        int64_t millis;
        const char *printed;
    } cases[] = {{"250m", 250, "250m"},
                 {"4", 4000, "4"},
                 {"0.5", 500, "500m"},
                 {"1.250", 1250, "1250m"},
                 {"1000m", 1000, "1"},
                 {"0", 0, "0"},
                 {"0m", 0, "0"},
                 {"1.0m", 1, "1m"},
                 {"0.001", 1, "1m"},
                 {"", -1, NULL},
                 {"m", -1, NULL},
                 {"-1", -1, NULL},
                 {"1.", -1, NULL},
                 {".5", -1, NULL},
                 {"0.0005", -1, NULL},
                 {"1.5m", -1, NULL},
                 {"1 ", -1, NULL},
                 {"1k", -1, NULL},
                 {"99999999999999999999", -1, NULL},
                 {"1mm", -1, NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t millis = -1;
        char printed[SCHEMA_NUMBER_BYTES];
        cr_expect_eq(schema_parse_cpu(cases[i].text, &millis), cases[i].millis >= 0, "%s",
                     cases[i].text);
        cr_expect_eq(millis, cases[i].millis, "%s", cases[i].text);
        if (cases[i].printed)
            cr_expect_str_eq(schema_format_cpu(millis, printed), cases[i].printed);
    }
}

Test(numbers, memory)
{
    static const struct {
        const char *text;
        int64_t bytes;
        const char *printed;
    } cases[] = {{"64Mi", 64 << 20, "64Mi"},
                 {"1G", 1000000000, "1000000000"},
                 {"1Gi", 1 << 30, "1Gi"},
                 {"1024Gi", INT64_C(1) << 40, "1Ti"},
                 {"1024Ti", INT64_C(1) << 50, "1024Ti"},
                 {"1536", 1536, "1536"},
                 {"1.5Ki", 1536, "1536"},
                 {"2048", 2048, "2Ki"},
                 {"1k", 1000, "1000"},
                 {"1K", 1000, "1000"},
                 {"1024K", 1024000, "1000Ki"},
                 {"0", 0, "0"},
                 {"0Mi", 0, "0"},
                 {"0.5", -1, NULL},
                 {"1Pi", -1, NULL},
                 {"1mi", -1, NULL},
                 {"1MB", -1, NULL},
                 {"1 Mi", -1, NULL},
                 {"-1Mi", -1, NULL},
                 {"", -1, NULL},
                 {"Mi", -1, NULL},
                 {"9999999999999Ti", -1, NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t bytes = -1;
        char printed[SCHEMA_NUMBER_BYTES];
        cr_expect_eq(schema_parse_memory(cases[i].text, &bytes), cases[i].bytes >= 0, "%s",
                     cases[i].text);
        cr_expect_eq(bytes, cases[i].bytes, "%s", cases[i].text);
        if (cases[i].printed)
            cr_expect_str_eq(schema_format_memory(bytes, printed), cases[i].printed);
    }
}

Test(numbers, what_is_printed_reads_back)
{
    uint64_t seed = 88172645463325252u;
    for (int i = 0; i < 20000; i++) {
        seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
        int64_t number = (int64_t)(seed >> (14 + seed % 40)), again = -1;
        char printed[SCHEMA_NUMBER_BYTES];
        cr_assert(schema_parse_memory(schema_format_memory(number, printed), &again), "%s",
                  printed);
        cr_assert_eq(number, again);
        cr_assert(schema_parse_cpu(schema_format_cpu(number, printed), &again), "%s", printed);
        cr_assert_eq(number, again);
    }
}

Test(numbers, amounts_round_as_asked)
{
    static const struct {
        struct amount amount;
        int64_t whole, up, down;
    } cases[] = {{{25, true}, 3, 1, 0},   {{25, true}, 4, 1, 1},
                 {{25, true}, 0, 0, 0},   {{100, true}, 7, 7, 7},
                 {{3, false}, 100, 3, 3}, {{0, true}, 9, 0, 0},
                 {{33, true}, 10, 4, 3},  {{1000, true}, 1000000, 10000000, 10000000}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_expect_eq(amount_of(cases[i].amount, cases[i].whole, true), cases[i].up, "case %zu", i);
        cr_expect_eq(amount_of(cases[i].amount, cases[i].whole, false), cases[i].down, "case %zu",
                     i);
    }
}
