/* Every command: the one list from which parsing, help, man pages and completion come. */
#include "commands.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const struct option global_options[] = {
    {"server", 0, "URL", WORD_ANY, "http, https or unix:///PATH (ORCH_SERVER)"},
    {"key", 0, "KEY", WORD_ANY,
     "the API key; others see it in the list of processes (ORCH_API_KEY)"},
    {"key-file", 0, "FILE", WORD_FILE, "a file that holds the API key"},
    {"ca-file", 0, "FILE", WORD_FILE, "certificates of the authorities to trust"},
    {"context", 0, "NAME", WORD_CONTEXT, "a server known by \"orchctl context\" (ORCH_CONTEXT)"},
    {"help", 'h', NULL, WORD_ANY, "what the command does and takes"},
};
const size_t global_option_count = COUNT(global_options);

/* -- declare -- */

static const struct option run_options[] = {
    {"name", 0, "NAME", WORD_ANY, "of the deployment; else the image's last part"},
    {"replicas", 'r', "N", WORD_ANY, "how many (1)"},
    {"port", 'p', "[NAME=]PORT", WORD_ANY, "a port that the process listens on; may be repeated"},
    {"listen", 0, "ADDRESS:PORT", WORD_ANY, "make a service that listens there"},
    {"env", 'e', "NAME=VALUE", WORD_ANY, "environment; may be repeated"},
    {"label", 'l', "KEY=VALUE", WORD_ANY, "a label of the deployment; may be repeated"},
    {"cpu", 0, "CPU", WORD_ANY, "reserved, such as 250m or 2"},
    {"memory", 'm', "MEMORY", WORD_ANY, "reserved and the limit, such as 64Mi"},
    {"dry-run", 0, NULL, WORD_ANY, "print the manifest, and change nothing"},
    DETACH_OPTION,
    TIMEOUT_OPTION,
};
static const struct option apply_options[] = {
    {"file", 'f', "FILE", WORD_FILE,
     "a file, a folder of them, or - for standard input; may be repeated"},
    {"prune", 0, "APP", WORD_ANY,
     "label what is applied orchctl/app=APP, and delete what else has it"},
    {"dry-run", 0, "WHERE", WORD_ANY,
     "client: check the files only; server: let the server check them"},
    {"plan", 0, "TOKEN", WORD_ANY, "do just what that plan says, or fail if the world has moved"},
    {"lenient", 0, NULL, WORD_ANY,
     "leave out of Kubernetes manifests what has no counterpart here, and say what"},
    DETACH_OPTION,
    TIMEOUT_OPTION,
};
static const struct option diff_options[] = {
    {"file", 'f', "FILE", WORD_FILE, "a file, a folder of them, or -; may be repeated"},
    {"lenient", 0, NULL, WORD_ANY, "as for apply"},
};
static const struct option plan_options[] = {
    {"file", 'f', "FILE", WORD_FILE, "a file, a folder of them, or -; may be repeated"},
    {"lenient", 0, NULL, WORD_ANY, "as for apply"},
    OUTPUT_OPTION,
};
static const struct option convert_options[] = {
    {"file", 'f', "FILE", WORD_FILE, "a file, a folder of them, or -; may be repeated"},
    {"lenient", 0, NULL, WORD_ANY, "leave out what has no counterpart, and say what"},
    {"output", 'o', "FORMAT", WORD_OUTPUT, "yaml or json"},
};
static const struct command commands_declare[] = {
    {.name = "apply",
     .aliases = "deploy,up",
     .arguments = "-f FILE",
     .summary = "declare what the manifests say, and wait until it is so",
     .detail = "Manifests are YAML or JSON, several documents in a file: ours (kind: Deployment or "
               "Service) and Kubernetes' (apps/v1 Deployment and DaemonSet, v1 Service). All files "
               "are checked before anything is changed; faults are named as FILE:LINE:COLUMN.\n\n"
               "The exit status tells how it ended: 0 complete, 1 failed, 3 rolled back, 4 not "
               "complete within --timeout, 5 changed by somebody else.",
     .examples = "orchctl apply -f web.yaml\n"
                 "orchctl apply -f deploy/ --prune shop --timeout 5m\n"
                 "kubectl create deployment web --image=nginx:1.27 --dry-run=client -o yaml | "
                 "orchctl apply -f -",
     COMMAND_OPTIONS(apply_options),
     .run = run_apply},
    {.name = "diff",
     .arguments = "-f FILE",
     .summary = "show what apply would change",
     .detail = "Field by field, defaults included. Exit status 2: something would change.",
     .examples = "orchctl diff -f web.yaml",
     COMMAND_OPTIONS(diff_options),
     .run = run_diff},
    {.name = "plan",
     .arguments = "-f FILE | scale DEPLOYMENT N | delete DEPLOYMENT | drain|cordon|lose NODE",
     .summary = "show what a change would start, stop and move, without making it",
     .detail = "The server computes it with its real scheduler and gives a token; \"apply --plan "
               "TOKEN\" does just that. Exit status 2: something would change.",
     .examples = "orchctl plan -f web.yaml\norchctl plan drain node-2",
     COMMAND_OPTIONS(plan_options),
     .most = 3,
     .run = run_plan},
    {.name = "run",
     .arguments = "IMAGE [-- COMMAND [ARG...]]",
     .summary = "declare a deployment from one line",
     .examples = "orchctl run nginx:1.27 --port 80 --listen 127.0.0.1:8080 --replicas 3",
     COMMAND_OPTIONS(run_options),
     .least = 1,
     .most = -1,
     .run = run_run},
    {.name = "convert",
     .arguments = "-f FILE",
     .summary = "turn Kubernetes manifests into ours, on standard output",
     .detail = "What maps, maps exactly. What does not is refused by name with its place; with "
               "--lenient it is left out, and listed on standard error.",
     .examples = "orchctl convert -f k8s/ > shop.yaml",
     COMMAND_OPTIONS(convert_options),
     .run = run_convert},
};

/* -- see -- */

static const struct option get_options[] = {
    OUTPUT_OPTION,
    QUIET_OPTION,
    {"watch", 'w', NULL, WORD_ANY, "go on, and show every change"},
    {"selector", 'l', "SELECTOR", WORD_ANY, "by labels: k=v, k!=v, k, !k, joined by commas"},
    {"deployment", 0, "NAME", WORD_DEPLOYMENT, "only what belongs to it"},
    {"node", 0, "NAME", WORD_NODE, "containers on that node"},
    {"state", 0, "STATE", WORD_ANY, "containers in that state; several with commas"},
    {"no-headers", 0, NULL, WORD_ANY, "a table without its first line"},
};
static const struct option list_options[] = {
    OUTPUT_OPTION,
    QUIET_OPTION,
    {"watch", 'w', NULL, WORD_ANY, "go on, and show every change"},
    {"selector", 'l', "SELECTOR", WORD_ANY, "by labels: k=v, k!=v, k, !k, joined by commas"},
    {"no-headers", 0, NULL, WORD_ANY, "a table without its first line"},
};
static const struct option logs_options[] = {
    {"follow", 'f', NULL, WORD_ANY, "go on with what comes"},
    {"tail", 'n', "N", WORD_ANY, "so many lines of each container (100)"},
    {"since", 0, "TIME", WORD_ANY, "only what is younger: 15m, or a time in RFC 3339"},
    {"timestamps", 't', NULL, WORD_ANY, "with the time of each line"},
    {"previous", 0, NULL, WORD_ANY, "of the process before the present one"},
    {"no-prefix", 0, NULL, WORD_ANY, "without the container's name"},
};
static const struct option exec_options[] = {
    {"stdin", 'i', NULL, WORD_ANY, "pass standard input on"},
    {"tty", 't', NULL, WORD_ANY, "give it a terminal, this one"},
};
static const struct option events_options[] = {
    {"watch", 'w', NULL, WORD_ANY, "go on with what happens"},
    {"tail", 'n', "N", WORD_ANY, "so many of the latest (50)"},
    {"warnings", 0, NULL, WORD_ANY, "warnings only"},
    {"no-headers", 0, NULL, WORD_ANY, "without the table's first line"},
    OUTPUT_OPTION,
};
static const struct option output_only[] = {OUTPUT_OPTION};
static const struct command commands_see[] = {
    {.name = "get",
     .aliases = "ls,list,ps",
     .arguments = "KIND [NAME...] | KIND/NAME",
     .summary = "list objects, or show some of them",
     .detail =
         "Kinds: deployments (deployment, deploy, d), containers (container, c), nodes (node, "
         "n), services (service, svc), events (ev), plugins, problems; several with commas, "
         "or \"all\". A container's id may be cut to what is unique.\n\n"
         "-o yaml writes deployments and services as manifests that apply takes.",
     .examples = "orchctl get deployments\n"
                 "orchctl get containers --deployment web -o wide\n"
                 "orchctl get deploy web -o yaml > web.yaml\n"
                 "orchctl get containers -w",
     COMMAND_OPTIONS(get_options),
     .least = 1,
     .most = -1,
     .words = {WORD_KIND, WORD_NAME, WORD_NAME},
     .run = run_get},
    {.name = "describe",
     .aliases = "inspect",
     .arguments = "KIND NAME... | KIND/NAME",
     .summary = "show an object with all that belongs to it",
     .examples = "orchctl describe deployment web\norchctl describe node/node-1",
     .least = 1,
     .most = -1,
     .words = {WORD_KIND, WORD_NAME, WORD_NAME},
     .run = run_describe},
    {.name = "logs",
     .arguments = "DEPLOYMENT|CONTAINER",
     .summary = "print what containers write",
     .detail = "Of a deployment: all its containers, each line with its container's name. On a "
               "terminal, control characters in the output are shown as '?'.",
     .examples = "orchctl logs -f web\norchctl logs web-0-k3x9 --previous",
     COMMAND_OPTIONS(logs_options),
     .least = 1,
     .most = 1,
     .words = {WORD_TARGET},
     .run = run_logs},
    {.name = "exec",
     .arguments = "DEPLOYMENT|CONTAINER COMMAND [ARG...]",
     .summary = "run a command in a container",
     .detail = "Of a deployment: in its first container that is ready. The exit status is the "
               "command's. Options come before the container's name.",
     .examples = "orchctl exec -it web sh\norchctl exec web-0-k3x9q2 cat /etc/hosts",
     COMMAND_OPTIONS(exec_options),
     .least = 2,
     .most = -1,
     .words = {WORD_TARGET, WORD_ANY},
     .rest = true,
     .run = run_exec},
    {.name = "events",
     .arguments = "[DEPLOYMENT|KIND/NAME]",
     .summary = "show what happened",
     .examples = "orchctl events -w\norchctl events deployment/web --warnings",
     COMMAND_OPTIONS(events_options),
     .most = 1,
     .words = {WORD_DEPLOYMENT},
     .run = run_events},
    {.name = "top",
     .arguments = "[nodes|deployments|services]",
     .summary = "show how much is in use: reserved on nodes, traffic of the others",
     .most = 1,
     .words = {WORD_KIND},
     .run = run_top},
    {.name = "cluster",
     .aliases = "status",
     .summary = "show the cluster in a few lines",
     COMMAND_OPTIONS(output_only),
     .run = run_cluster},
    {.name = "service ls",
     .aliases = "services,svc",
     .arguments = "[NAME...]",
     .summary = "list services",
     COMMAND_OPTIONS(list_options),
     .most = -1,
     .words = {WORD_SERVICE},
     .run = run_service_ls},
};

/* -- explain -- */

static const struct option why_not_options[] = {
    {"node", 0, "NAME", WORD_NODE, "the node"},
    OUTPUT_OPTION,
};
static const struct command commands_explain[] = {
    {.name = "why",
     .arguments = "DEPLOYMENT|CONTAINER",
     .summary = "say what it waits for, node by node, and what would help",
     .detail = "Of a container: its state, how its processes ended, and where it could run.",
     COMMAND_OPTIONS(output_only),
     .least = 1,
     .most = 1,
     .words = {WORD_TARGET},
     .run = run_why},
    {.name = "why-not",
     .arguments = "DEPLOYMENT --node NAME",
     .summary = "say why it does not run on that node",
     COMMAND_OPTIONS(why_not_options),
     .least = 1,
     .most = 1,
     .words = {WORD_DEPLOYMENT},
     .run = run_why_not},
};

/* -- change -- */

static const struct option wait_options[] = {DETACH_OPTION, TIMEOUT_OPTION};
static const struct option scale_options[] = {
    {"replicas", 'r', "N", WORD_ANY, "how many, in place of the second word"},
    DETACH_OPTION,
    TIMEOUT_OPTION,
};
static const struct option rollback_options[] = {
    {"to", 0, "REVISION", WORD_ANY, "that revision; else the one before"},
    DETACH_OPTION,
    TIMEOUT_OPTION,
};
static const struct option status_options[] = {
    {"no-wait", 0, NULL, WORD_ANY, "how it stands, at once"},
    TIMEOUT_OPTION,
};
static const struct option delete_options[] = {
    {"yes", 'y', NULL, WORD_ANY, "do not ask, even on a terminal"},
    {"detach", 'd', NULL, WORD_ANY, "do not wait until its containers are gone"},
    TIMEOUT_OPTION,
};
static const struct option for_options[] = {
    {"for", 0, "STATE", WORD_ANY, "ready, deleted, or any phase or state (ready)"},
    TIMEOUT_OPTION,
};
static const struct command commands_change[] = {
    {.name = "scale",
     .arguments = "DEPLOYMENT N",
     .summary = "set the number of replicas",
     .examples = "orchctl scale web 5",
     COMMAND_OPTIONS(scale_options),
     .least = 1,
     .most = 2,
     .words = {WORD_DEPLOYMENT, WORD_ANY},
     .run = run_scale},
    {.name = "restart",
     .aliases = "rollout restart",
     .arguments = "DEPLOYMENT | container/ID",
     .summary = "replace every container, a few at a time",
     COMMAND_OPTIONS(wait_options),
     .least = 1,
     .most = 1,
     .words = {WORD_TARGET},
     .run = run_restart},
    {.name = "rollout status",
     .arguments = "DEPLOYMENT",
     .summary = "follow a rollout to its end",
     COMMAND_OPTIONS(status_options),
     .least = 1,
     .most = 1,
     .words = {WORD_DEPLOYMENT},
     .run = run_rollout_status},
    {.name = "rollout pause",
     .arguments = "DEPLOYMENT",
     .summary = "hold a rollout where it is",
     .least = 1,
     .most = 1,
     .words = {WORD_DEPLOYMENT},
     .run = run_rollout_pause},
    {.name = "rollout resume",
     .arguments = "DEPLOYMENT",
     .summary = "go on with a held rollout",
     .least = 1,
     .most = 1,
     .words = {WORD_DEPLOYMENT},
     .run = run_rollout_resume},
    {.name = "rollout history",
     .aliases = "history",
     .arguments = "DEPLOYMENT",
     .summary = "list its revisions; * is the one in force",
     COMMAND_OPTIONS(output_only),
     .least = 1,
     .most = 1,
     .words = {WORD_DEPLOYMENT},
     .run = run_rollout_history},
    {.name = "rollback",
     .aliases = "rollout undo,undo",
     .arguments = "DEPLOYMENT",
     .summary = "put an earlier revision back",
     .examples = "orchctl rollback web\norchctl rollback web --to 3",
     COMMAND_OPTIONS(rollback_options),
     .least = 1,
     .most = 1,
     .words = {WORD_DEPLOYMENT},
     .run = run_rollback},
    {.name = "delete",
     .aliases = "rm",
     .arguments = "KIND NAME... | KIND/NAME",
     .summary = "delete objects; their containers drain first",
     .detail = "A deleted container of a deployment is replaced.",
     COMMAND_OPTIONS(delete_options),
     .least = 1,
     .most = -1,
     .words = {WORD_KIND, WORD_NAME, WORD_NAME},
     .run = run_delete},
    {.name = "wait",
     .arguments = "DEPLOYMENT | KIND/NAME",
     .summary = "wait until an object is in a state",
     .examples = "orchctl wait web --for complete --timeout 2m\n"
                 "orchctl wait deployment/web --for deleted",
     COMMAND_OPTIONS(for_options),
     .least = 1,
     .most = 1,
     .words = {WORD_DEPLOYMENT},
     .run = run_wait},
};

/* -- nodes -- */

static const struct option drain_options[] = {
    {"deadline", 0, "DURATION", WORD_ANY, "what still runs then is stopped"},
    {"detach", 'd', NULL, WORD_ANY, "do not wait until it is empty"},
    TIMEOUT_OPTION,
};
static const struct command commands_nodes[] = {
    {.name = "node ls",
     .aliases = "nodes",
     .arguments = "[NAME...]",
     .summary = "list nodes",
     COMMAND_OPTIONS(list_options),
     .most = -1,
     .words = {WORD_NODE},
     .run = run_node_ls},
    {.name = "node cordon",
     .aliases = "cordon",
     .arguments = "NAME...",
     .summary = "let it take no new containers",
     .least = 1,
     .most = -1,
     .words = {WORD_NODE},
     .run = run_node_cordon},
    {.name = "node uncordon",
     .aliases = "uncordon",
     .arguments = "NAME...",
     .summary = "let it take new containers again",
     .least = 1,
     .most = -1,
     .words = {WORD_NODE},
     .run = run_node_uncordon},
    {.name = "node drain",
     .aliases = "drain",
     .arguments = "NAME",
     .summary = "move its containers to other nodes",
     COMMAND_OPTIONS(drain_options),
     .least = 1,
     .most = 1,
     .words = {WORD_NODE},
     .run = run_node_drain},
    {.name = "node label",
     .aliases = "label",
     .arguments = "NAME KEY=VALUE|KEY-...",
     .summary = "set labels, or remove them",
     .least = 2,
     .most = -1,
     .words = {WORD_NODE, WORD_ANY},
     .run = run_node_label},
    {.name = "node rm",
     .arguments = "NAME...",
     .summary = "forget a node that is lost or drained",
     .least = 1,
     .most = -1,
     .words = {WORD_NODE},
     .run = run_node_rm},
};

/* -- settings and the rest -- */

static const struct option version_options[] = {
    {"client", 0, NULL, WORD_ANY, "of this program only"},
};
static const struct command commands_settings[] = {
    {.name = "context ls",
     .aliases = "contexts",
     .summary = "list the servers that you have set",
     .run = run_context_ls},
    {.name = "context set",
     .arguments = "NAME --server URL [--key-file FILE]",
     .summary = "remember a server and its key",
     .detail = "Kept in ~/.config/orchctl/contexts.json (ORCH_CONFIG), mode 0600. --key-file - "
               "reads the key from standard input, so that it is in no history.",
     .examples = "orchctl context set prod --server https://orch.example.org:7070 --key-file -",
     .least = 1,
     .most = 1,
     .run = run_context_set},
    {.name = "context use",
     .arguments = "NAME",
     .summary = "make it the current one",
     .least = 1,
     .most = 1,
     .words = {WORD_CONTEXT},
     .run = run_context_use},
    {.name = "context show",
     .summary = "say which server is used, and why",
     .run = run_context_show},
    {.name = "context rm",
     .arguments = "NAME",
     .summary = "forget it",
     .least = 1,
     .most = 1,
     .words = {WORD_CONTEXT},
     .run = run_context_rm},
    {.name = "plugin ls",
     .aliases = "plugins",
     .summary = "list the server's plugins",
     COMMAND_OPTIONS(list_options),
     .run = run_plugin_ls},
    {.name = "plugin check",
     .arguments = "FILE [CONFIG]",
     .summary = "say what a server would say about a plugin, without one",
     .least = 1,
     .most = 2,
     .words = {WORD_FILE},
     .run = run_plugin_check},
    {.name = "config",
     .summary = "show the server's effective configuration and where each value is from",
     COMMAND_OPTIONS(output_only),
     .run = run_config},
    {.name = "whoami", .summary = "say whose key is used and what it may do", .run = run_whoami},
    {.name = "version",
     .summary = "print the versions of this program and of the server",
     COMMAND_OPTIONS(version_options),
     .run = run_version},
    {.name = "completion",
     .arguments = "bash|zsh|fish",
     .summary = "print a script that completes commands, options and names",
     .examples = "source <(orchctl completion bash)\n"
                 "orchctl completion fish > ~/.config/fish/completions/orchctl.fish",
     .least = 1,
     .most = 1,
     .words = {WORD_SHELL},
     .run = run_completion},
    {.name = "help",
     .arguments = "[COMMAND]",
     .summary = "say what a command does",
     .most = 2,
     .words = {WORD_COMMAND},
     .run = run_help},
};

const struct command_group command_groups[] = {
    COMMAND_GROUP("Declare", commands_declare), COMMAND_GROUP("See", commands_see),
    COMMAND_GROUP("Explain", commands_explain), COMMAND_GROUP("Change", commands_change),
    COMMAND_GROUP("Nodes", commands_nodes),     COMMAND_GROUP("Settings", commands_settings),
};
const size_t command_group_count = COUNT(command_groups);
