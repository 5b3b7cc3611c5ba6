/* orchctl's frame: one table of commands, from which parsing, help, man pages and completion come.
 *
 * A program with one thread that runs one command and ends: strings and parsed values live in the
 * arena of `struct cli` and are freed with it. A command's function prints its data on stdout, says
 * everything else on stderr, and returns one of `enum status`. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "base/error.h"
#include "base/text.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum status {
    STATUS_FINE = 0,
    STATUS_FAILED = 1,
    STATUS_CHANGES = 2,     /* plan, diff: there is something to change */
    STATUS_ROLLED_BACK = 3, /* the rollout failed and was rolled back */
    STATUS_TIMEOUT = 4,
    STATUS_CONFLICT = 5,     /* somebody else changed it, or the name is taken */
    STATUS_INTERRUPTED = 130 /* by Ctrl-C, as a shell says it */
};

/* What a word on the command line stands for: for completion and help. */
enum word_kind {
    WORD_ANY = 0,
    WORD_KIND,
    WORD_NAME, /* of the kind given before it */
    WORD_DEPLOYMENT,
    WORD_CONTAINER,
    WORD_NODE,
    WORD_SERVICE,
    WORD_TARGET, /* a deployment or a container */
    WORD_FILE,
    WORD_CONTEXT,
    WORD_SHELL,
    WORD_OUTPUT,
    WORD_COMMAND
};

struct option {
    const char *name;  /* "output" */
    char letter;       /* 0: none */
    const char *value; /* "FORMAT"; NULL: a switch */
    enum word_kind word;
    const char *doc; /* a clause without a full stop */
};

struct cli;
struct command {
    const char *name;      /* "rollout status" */
    const char *aliases;   /* "ls,list", of the whole name; NULL */
    const char *arguments; /* "DEPLOYMENT [NAME...]" */
    const char *summary;   /* a clause without a full stop */
    const char *detail;    /* paragraphs, NULL */
    const char *examples;  /* lines "command  # why", NULL */
    const struct option *options;
    size_t option_count;
    int least, most;         /* words; most -1: any number */
    enum word_kind words[3]; /* the last one repeats */
    int (*run)(struct cli *cli);
    bool rest; /* after the first word, options are the user's program's */
};
#define COMMAND_OPTIONS(table)                                                                     \
    .options = (table), .option_count = sizeof(table) / sizeof((table)[0])

struct command_group {
    const char *title;
    const struct command *commands;
    size_t count;
};
#define COMMAND_GROUP(text, table)                                                                 \
    {                                                                                              \
        .title = (text), .commands = (table), .count = sizeof(table) / sizeof((table)[0])          \
    }
extern const struct command_group command_groups[];
extern const size_t command_group_count;
extern const struct option global_options[];
extern const size_t global_option_count;

struct given {
    const struct option *option;
    const char *value; /* NULL: a switch */
};
struct client;
struct cli {
    const struct command *command;
    const char **words; /* what is no option */
    size_t word_count;
    struct given *given;
    size_t given_count;
    struct client *client; /* see client.h; NULL until the first call */
    struct arena arena;
};

/* arguments.c: fills command, words and given. False when it has complained. */
bool arguments_parse(struct cli *cli, int argc, char **argv);
/* The command of that name or alias ("rollout status"); `used`: how many of the words it took. */
const struct command *command_find(const char *const *words, size_t count, size_t *used);
/* Is it the first word of several commands ("rollout")? */
bool command_is_group(const char *word);
/* The option's value (the last one given); NULL also where the command has no such option. */
const char *option_value(const struct cli *cli, const char *name);
bool option_given(const struct cli *cli, const char *name);
/* Every value of an option that may be repeated; returns how many, at most `limit`. */
size_t option_values(const struct cli *cli, const char *name, const char **values, size_t limit);
/* A whole number, a duration ("90s", seconds) of an option; `other` where it is not given. False
 * when it has complained. */
bool option_int(const struct cli *cli, const char *name, long long least, long long most,
                long long other, long long *value);
bool option_duration_ms(const struct cli *cli, const char *name, long long other_ms,
                        long long *milliseconds);

/* The option that "--name", "--name=value" or "-n" means; NULL: none. */
const struct option *option_of_word(const struct cli *cli, const char *word);

/* help.c */
void help_overview(void);
void help_group(const char *word);
void help_command(const struct command *command);
/* man.c: a page for each command and one for orchctl itself, into a folder. */
int man_write(const char *folder);
/* completion.c: what could stand for the last word, a line each: word, tab, description. */
int complete_words(struct cli *cli, const char *const *words, size_t count);

/* complain.c: "orchctl: SENTENCE" on stderr, made harmless; `next` (NULL) says what to do. Returns
 * the status. */
int complain(int status, const char *next, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A remark, not a failure. */
void remark(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
