/* Kubernetes' quantities (apimachinery, pkg/api/resource): sign, digits, then a binary or decimal
 * suffix or an exponent. Whole numbers only, so nothing is lost. */
#include "manifest.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS = 18 };

/* Powers of two and ten of the suffix; false: there is no such. */
static bool suffix_parse(const char *suffix, int *two, int *ten)
{
    static const char *const binary[] = {"Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
    static const struct {
        const char *word;
        int ten;
    } decimal[] = {{"n", -9}, {"u", -6}, {"m", -3}, {"", 0},   {"k", 3},
                   {"M", 6},  {"G", 9},  {"T", 12}, {"P", 15}, {"E", 18}};
    char *end;
    *two = *ten = 0;
    for (int i = 0; i < 6; i++)
        if (strcmp(binary[i], suffix) == 0) {
            *two = 10 * (i + 1);
            return true;
        }
    for (size_t i = 0; i < sizeof decimal / sizeof decimal[0]; i++)
        if (strcmp(decimal[i].word, suffix) == 0) {
            *ten = decimal[i].ten;
            return true;
        }
    if ((*suffix != 'e' && *suffix != 'E') || !suffix[1])
        return false;
    long exponent = strtol(suffix + 1, &end, 10);
    *ten = (int)exponent;
    return !*end && exponent >= -30 && exponent <= 30;
}

/* number * 2^two * 10^ten, rounded up. */
static bool scale(unsigned long long number, int two, int ten, long long *value)
{
    const unsigned __int128 limit = (unsigned __int128)1 << 62;
    unsigned __int128 scaled = (unsigned __int128)number << two; /* below 2^60 * 2^60 */
    for (; ten > 0 && scaled; ten--) {
        if (scaled > limit)
            return false;
        scaled *= 10;
    }
    unsigned __int128 divisor = 1;
    for (; ten < 0 && divisor < limit * limit; ten++)
        divisor *= 10;
    scaled = (scaled + divisor - 1) / divisor;
    *value = (long long)scaled;
    return scaled <= limit;
}

bool quantity_parse(const char *text, int decimals, long long *value)
{
    unsigned long long number = 0;
    int digits = 0, after_point = 0, two, ten;
    bool point = false;
    text += *text == '+';
    for (; isdigit((unsigned char)*text) || (*text == '.' && !point); text++) {
        if (*text == '.') {
            point = true;
            continue;
        }
        number = number * 10 + (unsigned)(*text - '0');
        digits++;
        after_point += point;
        if (digits > DIGITS)
            return false;
    }
    return digits && suffix_parse(text, &two, &ten) &&
           scale(number, two, ten - after_point + decimals, value);
}
