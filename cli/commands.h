/* The commands' functions, and what several of them share. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "cli.h"
#include "output.h"

/* Every option that prints objects. */
#define OUTPUT_OPTION                                                                              \
    {                                                                                              \
        "output", 'o', "FORMAT", WORD_OUTPUT, "table, wide, json, yaml or name"                    \
    }
#define QUIET_OPTION                                                                               \
    {                                                                                              \
        "quiet", 'q', NULL, WORD_ANY, "names only, one a line"                                     \
    }
#define DETACH_OPTION                                                                              \
    {                                                                                              \
        "detach", 'd', NULL, WORD_ANY, "do not wait for the rollout"                               \
    }
#define TIMEOUT_OPTION                                                                             \
    {                                                                                              \
        "timeout", 0, "DURATION", WORD_ANY,                                                        \
            "wait at most so long (exit status 4); the default is "                                \
            "no limit"                                                                             \
    }

int run_apply(struct cli *cli), run_diff(struct cli *cli), run_run(struct cli *cli),
    run_convert(struct cli *cli), run_plan(struct cli *cli);
int run_get(struct cli *cli), run_describe(struct cli *cli), run_logs(struct cli *cli),
    run_events(struct cli *cli), run_top(struct cli *cli), run_cluster(struct cli *cli);
int run_why(struct cli *cli), run_why_not(struct cli *cli);
int run_scale(struct cli *cli), run_restart(struct cli *cli), run_delete(struct cli *cli),
    run_rollback(struct cli *cli), run_rollout_status(struct cli *cli),
    run_rollout_pause(struct cli *cli), run_rollout_resume(struct cli *cli),
    run_rollout_abort(struct cli *cli), run_rollout_promote(struct cli *cli),
    run_rollout_history(struct cli *cli), run_wait(struct cli *cli), run_exec(struct cli *cli);
int run_node_ls(struct cli *cli), run_node_cordon(struct cli *cli),
    run_node_uncordon(struct cli *cli), run_node_drain(struct cli *cli),
    run_node_label(struct cli *cli), run_node_rm(struct cli *cli);
int run_service_ls(struct cli *cli), run_plugin_ls(struct cli *cli),
    run_plugin_check(struct cli *cli), run_config(struct cli *cli), run_whoami(struct cli *cli),
    run_version(struct cli *cli), run_completion(struct cli *cli), run_complete(struct cli *cli),
    run_man(struct cli *cli), run_help(struct cli *cli);
int run_context_ls(struct cli *cli), run_context_show(struct cli *cli),
    run_context_set(struct cli *cli), run_context_use(struct cli *cli),
    run_context_rm(struct cli *cli);

/* get.c: objects of one kind as -o says. `list`: they were asked for as a list. */
struct kind;
int print_objects(struct cli *cli, const struct kind *kind, const json_t *objects, bool list);
/* What GET answers as a manifest: with `kind` in front, without what the server computes. The
 * caller owns it. */
json_t *manifest_of(const struct kind *kind, const json_t *object);
/* A deployment by its name; NULL: complained. The caller owns it. */
json_t *fetch_deployment(struct cli *cli, const char *name);

/* describe.c: how a process ended, with its last lines. */
void show_end(struct cli *cli, const json_t *end);

/* rollout.c: waits until each of the deployments has taken up its version (0: the present one). */
struct awaited {
    const char *name;
    long long version;
};
int rollout_wait(struct cli *cli, const struct awaited *awaited, size_t count);
/* As --detach and --timeout of this command say. */
int rollout_wait_one(struct cli *cli, const json_t *deployment);
/* The last lines of its containers that failed, on stderr. */
void show_failures(struct cli *cli, const char *deployment);

#endif
