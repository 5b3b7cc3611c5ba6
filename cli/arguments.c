/* From argv to a command, its words and its options; with the nearest known name for a wrong one.
 */
#include "cli.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_LIMIT = 256 };

/* -- finding commands -- */

static bool alias_is(const char *aliases, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = aliases; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, name, length) == 0 && (at[length] == ',' || !at[length]))
            return true;
    }
    return false;
}

static const struct command *find_exactly(const char *name)
{
    for (size_t i = 0; i < command_group_count; i++)
        for (size_t j = 0; j < command_groups[i].count; j++) {
            const struct command *command = &command_groups[i].commands[j];
            if (strcmp(command->name, name) == 0 || alias_is(command->aliases, name))
                return command;
        }
    return NULL;
}

const struct command *command_find(const char *const *words, size_t count, size_t *used)
{
    char both[96];
    const struct command *found = NULL;
    if (count > 1) {
        snprintf(both, sizeof both, "%s %s", words[0], words[1]);
        found = find_exactly(both);
    }
    *used = found ? 2 : 1;
    return found ? found : count ? find_exactly(words[0]) : NULL;
}

bool command_is_group(const char *word)
{
    size_t length = strlen(word);
    for (size_t i = 0; i < command_group_count; i++)
        for (size_t j = 0; j < command_groups[i].count; j++) {
            const char *name = command_groups[i].commands[j].name;
            if (strncmp(name, word, length) == 0 && name[length] == ' ')
                return true;
        }
    return false;
}

/* The part of each command's name that could have been meant: its first word, or in a group the
 * second. */
static size_t names_of(struct arena *arena, const char *group, const char *names[NAMES_LIMIT])
{
    size_t count = 0, length = group ? strlen(group) : 0;
    for (size_t i = 0; i < command_group_count; i++)
        for (size_t j = 0; j < command_groups[i].count && count < NAMES_LIMIT; j++) {
            const char *name = command_groups[i].commands[j].name;
            if (!group)
                names[count++] = arena_strndup(arena, name, strcspn(name, " "));
            else if (strncmp(name, group, length) == 0 && name[length] == ' ')
                names[count++] = name + length + 1;
        }
    return count;
}

static bool refuse_command(struct cli *cli, const char *const *words, size_t count)
{
    const char *names[NAMES_LIMIT] = {0};
    const char *group = command_is_group(words[0]) ? words[0] : NULL;
    if (group && count == 1) {
        help_group(group);
        return false;
    }
    const char *word = group ? words[1] : words[0];
    const char *near = text_nearest(word, names, names_of(&cli->arena, group, names));
    const char *before = group ? arena_format(&cli->arena, "%s ", group) : "";
    complain(STATUS_FAILED,
             near ? arena_format(&cli->arena, "did you mean \"orchctl %s%s\"?", before, near)
                  : arena_format(&cli->arena, "orchctl %s--help lists the commands", before),
             "there is no command \"%s%s\"", before, word);
    return false;
}

/* -- options -- */

static const struct option *option_find(const struct option *options, size_t count,
                                        const char *name, size_t length, char letter)
{
    for (size_t i = 0; i < count; i++) {
        if (letter ? options[i].letter == letter
                   : strncmp(options[i].name, name, length) == 0 && !options[i].name[length])
            return &options[i];
    }
    return NULL;
}

static const struct option *option_of(const struct cli *cli, const char *name, size_t length,
                                      char letter)
{
    const struct option *found = NULL;
    if (cli->command)
        found =
            option_find(cli->command->options, cli->command->option_count, name, length, letter);
    return found ? found : option_find(global_options, global_option_count, name, length, letter);
}

static bool refuse_option(struct cli *cli, const char *given)
{
    const char *names[NAMES_LIMIT] = {0};
    size_t count = 0;
    char word[64];
    for (size_t i = 0; cli->command && i < cli->command->option_count; i++)
        names[count++] = cli->command->options[i].name;
    for (size_t i = 0; i < global_option_count; i++)
        names[count++] = global_options[i].name;
    snprintf(word, sizeof word, "%.*s", (int)strcspn(given, "="), given);
    const char *near = text_starts_with(word, "--") ? text_nearest(word + 2, names, count) : NULL;
    const char *of = cli->command ? cli->command->name : "";
    complain(STATUS_FAILED,
             near ? arena_format(&cli->arena, "did you mean \"--%s\"?", near)
                  : arena_format(&cli->arena, "orchctl %s%s--help lists the options", of,
                                 *of ? " " : ""),
             "%s%shas no option \"%s\"", of, *of ? " " : "orchctl ", word);
    return false;
}

static void give(struct cli *cli, const struct option *option, const char *value)
{
    cli->given[cli->given_count++] = (struct given){option, value};
}

static bool needs_value(struct cli *cli, const struct option *option)
{
    complain(STATUS_FAILED,
             arena_format(&cli->arena, "for example: --%s %s", option->name, option->value),
             "--%s needs a value: %s", option->name, option->doc);
    return false;
}

/* "--name", "--name=value", "--name value"; `at` moves over what was taken. */
static bool take_long(struct cli *cli, int argc, char **argv, int *at)
{
    const char *name = argv[*at] + 2, *equals = strchr(name, '=');
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    const struct option *option = option_of(cli, name, length, 0);
    if (!option || !length)
        return refuse_option(cli, argv[*at]);
    if (!option->value && equals) {
        complain(STATUS_FAILED, NULL, "--%s takes no value", option->name);
        return false;
    }
    if (option->value && !equals && *at + 1 == argc)
        return needs_value(cli, option);
    give(cli, option, !option->value ? NULL : equals ? equals + 1 : argv[++*at]);
    return true;
}

/* "-w", "-it", "-o json", "-ojson". */
static bool take_short(struct cli *cli, int argc, char **argv, int *at)
{
    for (const char *letter = argv[*at] + 1; *letter; letter++) {
        const struct option *option = option_of(cli, "", 0, *letter);
        if (!option)
            return refuse_option(cli, argv[*at]);
        if (!option->value) {
            give(cli, option, NULL);
            continue;
        }
        if (!letter[1] && *at + 1 == argc)
            return needs_value(cli, option);
        give(cli, option, letter[1] ? letter + 1 + (letter[1] == '=') : argv[++*at]);
        break;
    }
    return true;
}

const struct option *option_of_word(const struct cli *cli, const char *word)
{
    bool is_long = text_starts_with(word, "--");
    return is_long ? option_of(cli, word + 2, strcspn(word + 2, "="), 0)
                   : option_of(cli, "", 0, word[1]);
}

/* How many words an option takes up; for those before the command, which only global ones can be.
 */
static int words_of_option(const struct cli *cli, const char *text)
{
    const struct option *option = option_of_word(cli, text);
    bool apart = text_starts_with(text, "--") ? !strchr(text, '=') : !text[2];
    return option && option->value && apart ? 2 : 1;
}

static bool is_option(const char *text)
{
    return text[0] == '-' && text[1];
}

/* The command stands in the first words that are no options; they are taken out of argv. */
static bool find_command(struct cli *cli, int *argc, char **argv)
{
    int places[2] = {0};
    const char *words[2];
    size_t count = 0, used;
    for (int i = 0; i < *argc && count < 2;) {
        if (strcmp(argv[i], "--") == 0)
            break;
        if (is_option(argv[i])) {
            i += words_of_option(cli, argv[i]);
            continue;
        }
        places[count] = i;
        words[count++] = argv[i++];
    }
    if (!count)
        return true;
    cli->command = command_find(words, count, &used);
    if (!cli->command)
        return command_is_group(words[0]) && count == 1 ? true : refuse_command(cli, words, count);
    for (size_t i = used; i-- > 0;) {
        memmove(&argv[places[i]], &argv[places[i] + 1],
                (size_t)(*argc - places[i] - 1) * sizeof *argv);
        (*argc)--;
    }
    return true;
}

static bool check_count(struct cli *cli)
{
    const struct command *command = cli->command;
    bool few = cli->word_count < (size_t)command->least;
    if (!few && (command->most < 0 || cli->word_count <= (size_t)command->most))
        return true;
    complain(STATUS_FAILED, arena_format(&cli->arena, "orchctl %s --help says more", command->name),
             few ? "%s needs more: orchctl %s %s" : "%s takes no so many words: orchctl %s %s",
             command->name, command->name, command->arguments ? command->arguments : "");
    return false;
}

bool arguments_parse(struct cli *cli, int argc, char **argv)
{
    cli->words = arena_alloc(&cli->arena, (size_t)(argc + 1) * sizeof *cli->words);
    size_t letters = 0; /* an upper bound of the options given */
    for (int i = 0; i < argc; i++)
        letters += strlen(argv[i]);
    cli->given = arena_alloc(&cli->arena, (letters + 1) * sizeof *cli->given);
    if (!find_command(cli, &argc, argv))
        return false;
    bool only_words = false;
    for (int i = 0; i < argc; i++) {
        bool rest = cli->command && cli->command->rest && cli->word_count > 0;
        if (!only_words && strcmp(argv[i], "--") == 0)
            only_words = true;
        else if (only_words || rest || !is_option(argv[i]))
            cli->words[cli->word_count++] = argv[i];
        else if (!(argv[i][1] == '-' ? take_long(cli, argc, argv, &i)
                                     : take_short(cli, argc, argv, &i)))
            return false;
    }
    return !cli->command || option_given(cli, "help") || check_count(cli);
}

/* -- reading them -- */

static const struct given *given_of(const struct cli *cli, const char *name)
{
    for (size_t i = cli->given_count; i-- > 0;)
        if (strcmp(cli->given[i].option->name, name) == 0)
            return &cli->given[i];
    return NULL;
}

const char *option_value(const struct cli *cli, const char *name)
{
    const struct given *given = given_of(cli, name);
    return given ? given->value : NULL;
}

bool option_given(const struct cli *cli, const char *name)
{
    return given_of(cli, name) != NULL;
}

size_t option_values(const struct cli *cli, const char *name, const char **values, size_t limit)
{
    size_t count = 0;
    for (size_t i = 0; i < cli->given_count && count < limit; i++)
        if (strcmp(cli->given[i].option->name, name) == 0)
            values[count++] = cli->given[i].value;
    return count;
}

bool option_int(const struct cli *cli, const char *name, long long least, long long most,
                long long other, long long *value)
{
    const char *text = option_value(cli, name);
    char *end;
    *value = other;
    if (!text)
        return true;
    errno = 0;
    *value = strtoll(text, &end, 10);
    if (!errno && *text && !*end && *value >= least && *value <= most)
        return true;
    complain(STATUS_FAILED, NULL, "--%s must be a whole number from %lld to %lld, not \"%s\"", name,
             least, most, text);
    return false;
}

bool option_duration_ms(const struct cli *cli, const char *name, long long other_ms,
                        long long *milliseconds)
{
    const char *text = option_value(cli, name);
    char *end;
    uint64_t nanoseconds;
    *milliseconds = other_ms;
    if (!text)
        return true;
    errno = 0;
    long long seconds = strtoll(text, &end, 10);
    if (*text && !*end && !errno && seconds >= 0 && seconds < 1000000000) {
        *milliseconds = seconds * 1000;
        return true;
    }
    if (clock_parse_duration_ns(text, &nanoseconds)) {
        *milliseconds = (long long)(nanoseconds / 1000000);
        return true;
    }
    complain(STATUS_FAILED, NULL, "--%s must be a duration such as 90s or 5m, not \"%s\"", name,
             text);
    return false;
}
