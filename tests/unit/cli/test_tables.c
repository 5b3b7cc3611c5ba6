/* The table of commands is what parsing, help, man pages and completion rest on. */
#include "commands.h"

#include <criterion/criterion.h>
#include <string.h>

static void each_command(void (*look)(const struct command *command))
{
    for (size_t i = 0; i < command_group_count; i++)
        for (size_t j = 0; j < command_groups[i].count; j++)
            look(&command_groups[i].commands[j]);
}

static void check_texts(const struct command *command)
{
    cr_assert(command->run && command->summary, "%s", command->name);
    cr_assert_neq(command->summary[strlen(command->summary) - 1], '.', "%s", command->name);
    cr_assert(command->most < 0 || command->least <= command->most, "%s", command->name);
    cr_assert(!command->most || command->arguments, "%s takes words, and names none",
              command->name);
}

Test(commands, say_what_they_do_and_take)
{
    each_command(check_texts);
}

static bool is_global(const struct option *option)
{
    for (size_t i = 0; i < global_option_count; i++)
        if (strcmp(global_options[i].name, option->name) == 0 ||
            (option->letter && global_options[i].letter == option->letter))
            return true;
    return false;
}

static void check_options(const struct command *command)
{
    for (size_t i = 0; i < command->option_count; i++) {
        const struct option *a = &command->options[i];
        cr_assert_not(is_global(a), "%s --%s", command->name, a->name);
        for (size_t j = 0; j < i; j++) {
            const struct option *b = &command->options[j];
            cr_assert_str_neq(a->name, b->name, "%s --%s", command->name, a->name);
            cr_assert(!a->letter || a->letter != b->letter, "%s -%c", command->name, a->letter);
        }
    }
}

Test(commands, have_no_option_twice)
{
    each_command(check_options);
}

static void check_found(const struct command *command)
{
    char name[96];
    size_t used;
    snprintf(name, sizeof name, "%s", command->name);
    char *space = strchr(name, ' ');
    if (space)
        *space = 0;
    const char *words[] = {name, space ? space + 1 : "word"};
    cr_assert_eq(command_find(words, 2, &used), command, "%s", command->name);
    cr_assert_eq(used, space ? 2 : 1);
}

Test(commands, are_found_by_their_names)
{
    each_command(check_found);
}

static const struct command *parsed(struct cli *cli, bool fine, const char *const *words)
{
    char *argv[16];
    int argc = 0;
    for (; words[argc]; argc++)
        argv[argc] = (char *)words[argc];
    argv[argc] = NULL;
    cr_assert_eq(arguments_parse(cli, argc, argv), fine);
    return cli->command;
}

Test(arguments, options_come_in_every_form_and_place)
{
    struct cli cli = {0};
    const char *const words[] = {"--server=u", "get", "-ojson", "-w", "pods", "--selector",
                                 "a=b",        "-q",  "--",     "-x", NULL};
    cr_assert_str_eq(parsed(&cli, true, words)->name, "get");
    cr_assert_str_eq(option_value(&cli, "server"), "u");
    cr_assert_str_eq(option_value(&cli, "output"), "json");
    cr_assert_str_eq(option_value(&cli, "selector"), "a=b");
    cr_assert(option_given(&cli, "watch") && option_given(&cli, "quiet"));
    cr_assert_not(option_given(&cli, "node"));
    cr_assert_eq(cli.word_count, 2);
    cr_assert_str_eq(cli.words[0], "pods");
    cr_assert_str_eq(cli.words[1], "-x");
    arena_finish(&cli.arena);
}

Test(arguments, two_words_make_a_command_and_aliases_stand_for_it)
{
    struct cli cli = {0}, other = {0};
    const char *const words[] = {"rollout", "--context", "x", "undo", "web", NULL};
    const char *const alias[] = {"undo", "web", NULL};
    cr_assert_str_eq(parsed(&cli, true, words)->name, "rollback");
    cr_assert_eq(parsed(&other, true, alias), cli.command);
    cr_assert_str_eq(cli.words[0], "web");
    arena_finish(&cli.arena);
    arena_finish(&other.arena);
}

Test(arguments, a_value_that_is_missing_or_too_many_is_refused)
{
    struct cli a = {0}, b = {0}, c = {0};
    const char *const missing[] = {"get", "d", "-o", NULL};
    const char *const unwanted[] = {"get", "d", "--watch=yes", NULL};
    const char *const many[] = {"scale", "a", "1", "2", NULL};
    parsed(&a, false, missing);
    parsed(&b, false, unwanted);
    parsed(&c, false, many);
    arena_finish(&a.arena);
    arena_finish(&b.arena);
    arena_finish(&c.arena);
}
