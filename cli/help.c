/* Help, from the tables alone. */
#include "commands.h"

#include "terminal.h"

#include <stdio.h>
#include <string.h>

enum { NAME_COLUMNS = 20, OPTION_COLUMNS = 28 };

static void title(const char *text)
{
    printf("\n%s%s%s\n", paint_on(stdout, PAINT_BOLD), text, paint_off(stdout));
}

static void show_command(const struct command *command)
{
    printf("  %-*s %s\n", NAME_COLUMNS, command->name, command->summary);
}

static void show_options(const struct option *options, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char left[64], letter[8] = "    ";
        if (options[i].letter)
            snprintf(letter, sizeof letter, "-%c, ", options[i].letter);
        snprintf(left, sizeof left, "%s--%s%s%s", letter, options[i].name,
                 options[i].value ? " " : "", options[i].value ? options[i].value : "");
        printf("  %-*s %s\n", OPTION_COLUMNS, left, options[i].doc);
    }
}

void help_overview(void)
{
    fputs("orchctl: declare, see and change what an orchestrator runs\n\n"
          "usage: orchctl COMMAND [OPTION...] [WORD...]\n",
          stdout);
    for (size_t i = 0; i < command_group_count; i++) {
        title(command_groups[i].title);
        for (size_t j = 0; j < command_groups[i].count; j++)
            show_command(&command_groups[i].commands[j]);
    }
    title("Options of every command");
    show_options(global_options, global_option_count);
    fputs("\n\"orchctl COMMAND --help\" says more. Exit status: 0 done, 1 failed, 2 there are "
          "changes "
          "(plan, diff),\n3 rolled back, 4 not within --timeout, 5 conflict.\n",
          stdout);
}

void help_group(const char *word)
{
    size_t length = strlen(word);
    printf("usage: orchctl %s COMMAND\n\n", word);
    for (size_t i = 0; i < command_group_count; i++)
        for (size_t j = 0; j < command_groups[i].count; j++) {
            const struct command *command = &command_groups[i].commands[j];
            if (strncmp(command->name, word, length) == 0 && command->name[length] == ' ')
                show_command(command);
        }
}

/* Paragraphs, broken at 78 columns. */
static void show_text(const char *text)
{
    enum { WIDTH = 78 };
    size_t column = 0;
    while (*text) {
        size_t length = strcspn(text, " \n");
        if (column && column + 1 + length > WIDTH) {
            putchar('\n');
            column = 0;
        }
        column += (size_t)printf("%s%.*s", column ? " " : "", (int)length, text);
        text += length;
        if (*text == '\n') {
            putchar('\n');
            column = 0;
        }
        text += *text != 0;
    }
    putchar('\n');
}

static void show_aliases(const struct command *command)
{
    printf("also: ");
    for (const char *at = command->aliases; *at; at++)
        *at == ',' ? fputs(", ", stdout) : putchar(*at);
    putchar('\n');
}

static void show_examples(const char *examples)
{
    title("Examples");
    while (*examples) {
        size_t length = strcspn(examples, "\n");
        printf("  %.*s\n", (int)length, examples);
        examples += length + (examples[length] == '\n');
    }
}

void help_command(const struct command *command)
{
    printf("usage: orchctl %s%s%s%s\n", command->name, command->arguments ? " " : "",
           command->arguments ? command->arguments : "",
           command->option_count ? " [OPTION...]" : "");
    if (command->aliases)
        show_aliases(command);
    printf("\nTo %s.\n", command->summary);
    if (command->detail) {
        putchar('\n');
        show_text(command->detail);
    }
    if (command->option_count) {
        title("Options");
        show_options(command->options, command->option_count);
    }
    title("Options of every command");
    show_options(global_options, global_option_count);
    if (command->examples)
        show_examples(command->examples);
}

int run_help(struct cli *cli)
{
    size_t used;
    if (!cli->word_count) {
        help_overview();
        return STATUS_FINE;
    }
    const struct command *command = command_find(cli->words, cli->word_count, &used);
    if (command)
        help_command(command);
    else if (command_is_group(cli->words[0]))
        help_group(cli->words[0]);
    else
        return complain(STATUS_FAILED, "orchctl help lists them", "there is no command \"%s\"",
                        cli->words[0]);
    return STATUS_FINE;
}
