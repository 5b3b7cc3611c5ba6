/* Manual pages, from the tables alone: orchctl(1), and one for each command. */
#include "commands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* roff takes backslashes, and dots and quotes at a line's beginning, for its own. */
static void put(FILE *page, const char *text)
{
    bool begins = true;
    for (; *text; text++) {
        if (begins && (*text == '.' || *text == '\''))
            fputs("\\&", page);
        if (*text == '\\')
            fputs("\\e", page);
        else if (*text == '-')
            fputs("\\-", page);
        else if (*text == '\n')
            fputs("\n.br\n", page);
        else
            fputc(*text, page);
        begins = *text == '\n';
    }
}

static void put_options(FILE *page, const struct option *options, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fputs(".TP\n", page);
        if (options[i].letter)
            fprintf(page, "\\fB\\-%c\\fR, ", options[i].letter);
        fputs("\\fB\\-\\-", page);
        put(page, options[i].name);
        fputs("\\fR", page);
        if (options[i].value) {
            fputs(" \\fI", page);
            put(page, options[i].value);
            fputs("\\fR", page);
        }
        fputc('\n', page);
        put(page, options[i].doc);
        fputc('\n', page);
    }
}

static void put_head(FILE *page, const char *name, const char *summary)
{
    fprintf(page,
            ".TH \"%s\" 1 \"\" \"orchestrator " ORCHESTRATOR_VERSION "\" \"User Commands\"\n"
            ".SH NAME\n%s \\- ",
            name, name);
    put(page, summary);
    fputs("\n.SH SYNOPSIS\n.B orchctl\n", page);
}

/* "rollout status" -> "orchctl-rollout-status" */
static void page_name(const struct command *command, char name[96])
{
    snprintf(name, 96, "orchctl-%s", command->name);
    for (char *at = name; *at; at++)
        if (*at == ' ')
            *at = '-';
}

static void put_command(FILE *page, const struct command *command)
{
    char name[96];
    page_name(command, name);
    put_head(page, name, command->summary);
    put(page, command->name);
    fputc(' ', page);
    put(page, command->arguments ? command->arguments : "");
    fputs(command->option_count ? " [\\fIOPTION\\fR...]\n" : "\n", page);
    if (command->detail || command->aliases) {
        fputs(".SH DESCRIPTION\n", page);
        put(page, command->detail ? command->detail : "");
        if (command->aliases) {
            fputs("\n.PP\nAlso: ", page);
            put(page, command->aliases);
        }
        fputc('\n', page);
    }
    fputs(".SH OPTIONS\n", page);
    put_options(page, command->options, command->option_count);
    put_options(page, global_options, global_option_count);
    if (command->examples) {
        fputs(".SH EXAMPLES\n.nf\n", page);
        put(page, command->examples);
        fputs("\n.fi\n", page);
    }
    fputs(".SH SEE ALSO\n\\fBorchctl\\fR(1)\n", page);
}

static void put_overview(FILE *page)
{
    put_head(page, "orchctl", "declare, see and change what an orchestrator runs");
    fputs("\\fICOMMAND\\fR [\\fIOPTION\\fR...] [\\fIWORD\\fR...]\n.SH COMMANDS\n", page);
    for (size_t i = 0; i < command_group_count; i++) {
        fprintf(page, ".SS %s\n", command_groups[i].title);
        for (size_t j = 0; j < command_groups[i].count; j++) {
            fputs(".TP\n.B ", page);
            put(page, command_groups[i].commands[j].name);
            fputc('\n', page);
            put(page, command_groups[i].commands[j].summary);
            fputc('\n', page);
        }
    }
    fputs(".SH OPTIONS\n", page);
    put_options(page, global_options, global_option_count);
    fputs(".SH ENVIRONMENT\n"
          ".TP\n.B ORCH_SERVER\nThe server's URL.\n"
          ".TP\n.B ORCH_API_KEY\nThe API key.\n"
          ".TP\n.B ORCH_CONTEXT\nThe context, in place of the current one.\n"
          ".TP\n.B ORCH_CONFIG\nThe file of contexts.\n"
          ".TP\n.B NO_COLOR\nNo colours.\n"
          ".SH FILES\n"
          ".TP\n.I ~/.config/orchctl/contexts.json\nServers and keys, mode 0600.\n"
          ".TP\n.I /var/lib/orchestrator/api\\-key\nThe local daemon's key, used where no other is "
          "given and the server is on this host.\n"
          ".SH EXIT STATUS\n"
          "0 done, 1 failed, 2 there are changes (plan, diff), 3 rolled back, 4 not within "
          "\\-\\-timeout, 5 conflict.\n",
          page);
}

static FILE *open_page(const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.1", folder, name);
    FILE *page = fopen(path, "we");
    if (!page)
        complain(STATUS_FAILED, NULL, "cannot write %s: %s", path, strerror(errno));
    return page;
}

int man_write(const char *folder)
{
    char name[96];
    FILE *page = open_page(folder, "orchctl");
    if (!page)
        return STATUS_FAILED;
    put_overview(page);
    int status = fclose(page) ? STATUS_FAILED : STATUS_FINE;
    for (size_t i = 0; i < command_group_count; i++)
        for (size_t j = 0; j < command_groups[i].count && status == STATUS_FINE; j++) {
            page_name(&command_groups[i].commands[j], name);
            page = open_page(folder, name);
            if (!page)
                return STATUS_FAILED;
            put_command(page, &command_groups[i].commands[j]);
            status = fclose(page) ? STATUS_FAILED : STATUS_FINE;
        }
    return status;
}
