#include "manifest.h"

#include <criterion/criterion.h>

struct sample {
    const char *text;
    int decimals;
    long long value; /* -1: refused */
};

Test(quantity, is_exact_and_rounds_up_as_kubernetes_does)
{
    static const struct sample samples[] = {
        {"1", 0, 1},
        {"1.5Gi", 0, 1610612736},
        {"128974848", 0, 128974848},
        {"129e6", 0, 129000000},
        {"129M", 0, 129000000},
        {"123Mi", 0, 128974848},
        {"128974848000m", 0, 128974848},
        {"1m", 0, 1},
        {"0.1", 3, 100},
        {"100m", 3, 100},
        {"100u", 3, 1},
        {"1n", 3, 1},
        {"2", 3, 2000},
        {"0", 3, 0},
        {"+1k", 0, 1000},
        {".5", 3, 500},
        {"1.", 0, 1},
        {"1E", 0, 1000000000000000000LL},
        {"2E0", 0, 2},
        {"1e-3", 3, 1},
        {"1Ei", 0, 1152921504606846976LL},
    };
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        long long value = -1;
        cr_assert(quantity_parse(samples[i].text, samples[i].decimals, &value), "%s",
                  samples[i].text);
        cr_assert_eq(value, samples[i].value, "%s: %lld", samples[i].text, value);
    }
}

Test(quantity, refuses_what_is_none_or_too_large)
{
    static const char *const texts[] = {"",
                                        "Mi",
                                        ".",
                                        "1.2.3",
                                        "1 Mi",
                                        "1mi",
                                        "1K",
                                        "-1",
                                        "1e",
                                        "1e99",
                                        "1e3Mi",
                                        "0x10",
                                        "8Ei",
                                        "1000000000000000000E",
                                        "99999999999999999999"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        long long value;
        cr_assert_not(quantity_parse(texts[i], 3, &value), "%s", texts[i]);
    }
}
