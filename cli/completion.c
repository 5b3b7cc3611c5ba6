/* Completion: small scripts for the shells, which ask this program what could come next. */
#include "commands.h"

#include "client.h"
#include "contexts.h"
#include "kinds.h"

#include <stdio.h>
#include <string.h>

static const char bash_script[] =
    "_orchctl() {\n"
    "    local line\n"
    "    COMPREPLY=()\n"
    "    while IFS= read -r line; do\n"
    "        COMPREPLY+=(\"${line%%$'\\t'*}\")\n"
    "    done < <(\"${COMP_WORDS[0]}\" __complete \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n"
    "    [ ${#COMPREPLY[@]} -gt 0 ] || compopt -o default 2>/dev/null\n"
    "}\n"
    "complete -F _orchctl orchctl\n";
static const char zsh_script[] =
    "#compdef orchctl\n"
    "_orchctl() {\n"
    "    local -a found\n"
    "    local line\n"
    "    while IFS= read -r line; do\n"
    "        found+=(\"${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}\")\n"
    "    done < <(\"${words[1]}\" __complete \"${(@)words[2,CURRENT]}\" 2>/dev/null)\n"
    "    if (( ${#found} )); then _describe 'orchctl' found; else _files; fi\n"
    "}\n"
    "if [ \"${funcstack[1]}\" = _orchctl ]; then _orchctl; else compdef _orchctl orchctl; fi\n";
static const char fish_script[] = "function __orchctl_complete\n"
                                  "    set -l words (commandline -opc) (commandline -ct)\n"
                                  "    orchctl __complete $words[2..-1] 2>/dev/null\n"
                                  "end\n"
                                  "complete -c orchctl -f -a '(__orchctl_complete)'\n"
                                  "complete -c orchctl -s f -l file -r -F\n";

int run_completion(struct cli *cli)
{
    static const struct {
        const char *shell, *script;
    } scripts[] = {{"bash", bash_script}, {"zsh", zsh_script}, {"fish", fish_script}};
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++)
        if (strcmp(cli->words[0], scripts[i].shell) == 0) {
            fputs(scripts[i].script, stdout);
            return STATUS_FINE;
        }
    return complain(STATUS_FAILED, NULL, "the shell must be bash, zsh or fish, not \"%s\"",
                    cli->words[0]);
}

/* -- candidates -- */

static void offer(const char *prefix, const char *word, const char *doc)
{
    if (text_starts_with(word, prefix))
        printf("%s\t%s\n", word, doc);
}

static void offer_list(const char *prefix, const char *const *words)
{
    for (; *words; words++)
        offer(prefix, *words, "");
}

/* Names as the server has them; nothing when it cannot be asked. */
static void offer_objects(struct cli *cli, const char *prefix, const struct kind *kind)
{
    size_t i;
    json_t *item;
    if (!kind || !kind->one)
        return;
    json_t *all = client_list(cli, arena_format(&cli->arena, "%s?fields=%s", kind->path, kind->key),
                              "complete");
    json_array_foreach(all, i, item) offer(prefix, member_text(item, kind->key), kind->singular);
    json_decref(all);
}

static void offer_contexts(struct cli *cli, const char *prefix)
{
    const char *name;
    json_t *context, *contexts = contexts_read(cli);
    json_object_foreach(json_object_get(contexts, "contexts"), name, context)
        offer(prefix, name, member_text(context, "server"));
    json_decref(contexts);
}

static void offer_kinds(const char *prefix)
{
    for (size_t i = 0; i < kind_count; i++)
        offer(prefix, kinds[i].plural, kinds[i].others);
}

/* Commands after `group`, or first words, each once. */
static void offer_commands(struct cli *cli, const char *prefix, const char *group)
{
    const char *last = "";
    size_t length = group ? strlen(group) : 0;
    for (size_t i = 0; i < command_group_count; i++)
        for (size_t j = 0; j < command_groups[i].count; j++) {
            const struct command *command = &command_groups[i].commands[j];
            const char *space = strchr(command->name, ' ');
            if (group) {
                if (strncmp(command->name, group, length) == 0 && command->name[length] == ' ')
                    offer(prefix, command->name + length + 1, command->summary);
            } else if (!space) {
                offer(prefix, command->name, command->summary);
            } else if (strncmp(last, command->name, (size_t)(space - command->name) + 1) != 0) {
                last = command->name;
                offer(prefix,
                      arena_strndup(&cli->arena, command->name, (size_t)(space - command->name)),
                      "several commands");
            }
        }
}

static void offer_words(struct cli *cli, const char *prefix, enum word_kind word,
                        const char *before)
{
    static const char *const shells[] = {"bash", "zsh", "fish", NULL};
    static const char *const outputs[] = {"table", "wide", "json", "yaml", "name", NULL};
    switch (word) {
    case WORD_KIND:
        offer_kinds(prefix);
        break;
    case WORD_NAME:
        offer_objects(cli, prefix, before ? kind_named(before) : NULL);
        break;
    case WORD_DEPLOYMENT:
        offer_objects(cli, prefix, kind_named("deployments"));
        break;
    case WORD_CONTAINER:
        offer_objects(cli, prefix, kind_named("containers"));
        break;
    case WORD_TARGET:
        offer_objects(cli, prefix, kind_named("deployments"));
        offer_objects(cli, prefix, kind_named("containers"));
        break;
    case WORD_NODE:
        offer_objects(cli, prefix, kind_named("nodes"));
        break;
    case WORD_SERVICE:
        offer_objects(cli, prefix, kind_named("services"));
        break;
    case WORD_CONTEXT:
        offer_contexts(cli, prefix);
        break;
    case WORD_SHELL:
        offer_list(prefix, shells);
        break;
    case WORD_OUTPUT:
        offer_list(prefix, outputs);
        break;
    case WORD_COMMAND:
        offer_commands(cli, prefix, NULL);
        break;
    case WORD_ANY:
    case WORD_FILE: /* the shell's own */
        break;
    }
}

static void offer_options(const char *prefix, const struct option *options, size_t count)
{
    char word[64];
    for (size_t i = 0; i < count; i++) {
        snprintf(word, sizeof word, "--%s", options[i].name);
        offer(prefix, word, options[i].doc);
    }
}

/* The words that are no options, without the last one, which is being typed. The option that waits
 * for its value, if one does. */
static const struct option *collect(struct cli *cli, const char *const *words, size_t count)
{
    cli->words = arena_alloc(&cli->arena, (count + 1) * sizeof *cli->words);
    for (size_t i = 0; i + 1 < count; i++) {
        if (words[i][0] != '-' || !words[i][1]) {
            size_t used;
            cli->words[cli->word_count++] = words[i];
            if (!cli->command)
                cli->command = command_find(cli->words, cli->word_count, &used);
            continue;
        }
        const struct option *option = option_of_word(cli, words[i]);
        if (option && option->value && !strchr(words[i], '=') && i + 2 == count)
            return option;
        i += option && option->value && !strchr(words[i], '=');
    }
    return NULL;
}

int complete_words(struct cli *cli, const char *const *words, size_t count)
{
    const char *prefix = words[count - 1];
    const struct option *waits = collect(cli, words, count);
    size_t used = 0;
    if (waits) {
        offer_words(cli, prefix, waits->word, NULL);
        return STATUS_FINE;
    }
    if (cli->word_count)
        cli->command = command_find(cli->words, cli->word_count, &used);
    if (*prefix == '-') {
        if (cli->command)
            offer_options(prefix, cli->command->options, cli->command->option_count);
        offer_options(prefix, global_options, global_option_count);
    } else if (!cli->command) {
        offer_commands(cli, prefix, cli->word_count ? cli->words[0] : NULL);
    } else {
        size_t position = cli->word_count - used;
        offer_words(cli, prefix, cli->command->words[position > 2 ? 2 : position],
                    position ? cli->words[used] : NULL);
    }
    return STATUS_FINE;
}
