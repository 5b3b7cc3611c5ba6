/* run: a deployment, and perhaps a service, from one line. */
#include "commands.h"

#include "client.h"
#include "kinds.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPEATED = 256 };

/* "registry:5000/shop/web:1.2" -> "web" */
static const char *name_of_image(struct cli *cli, const char *image)
{
    const char *slash = strrchr(image, '/');
    const char *last = slash ? slash + 1 : image;
    char *name = arena_strndup(&cli->arena, last, strcspn(last, ":@"));
    for (char *at = name; *at; at++)
        *at = isalnum((unsigned char)*at) ? (char)tolower((unsigned char)*at) : '-';
    return name;
}

/* "KEY=VALUE" of a repeated option, as an object. */
static json_t *pairs(struct cli *cli, const char *option, bool *fine)
{
    const char *given[REPEATED];
    size_t count = option_values(cli, option, given, REPEATED);
    json_t *object = json_object();
    for (size_t i = 0; i < count; i++) {
        const char *equals = strchr(given[i], '=');
        if (!equals || equals == given[i]) {
            *fine = complain(0, NULL, "--%s must be NAME=VALUE, not \"%s\"", option, given[i]);
            continue;
        }
        json_object_set_new(object,
                            arena_strndup(&cli->arena, given[i], (size_t)(equals - given[i])),
                            json_string(equals + 1));
    }
    return object;
}

/* "80", "http=80" */
static json_t *ports(struct cli *cli, bool *fine)
{
    const char *given[REPEATED];
    size_t count = option_values(cli, "port", given, REPEATED);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        const char *equals = strchr(given[i], '=');
        char *end;
        errno = 0;
        long long number = strtoll(equals ? equals + 1 : given[i], &end, 10);
        if (errno || *end || number < 1 || number > 65535)
            *fine = complain(0, NULL, "--port must be a port or NAME=PORT, not \"%s\"", given[i]);
        json_t *port = json_pack("{s:I}", "containerPort", (json_int_t)number);
        if (equals)
            json_object_set_new(port, "name", json_stringn(given[i], (size_t)(equals - given[i])));
        json_array_append_new(list, port);
    }
    return list;
}

static void set_text(json_t *object, const char *name, const char *value)
{
    if (value)
        json_object_set_new(object, name, json_string(value));
}

static void set_filled(json_t *object, const char *name, json_t *value)
{
    bool filled = json_object_size(value) || json_array_size(value);
    if (filled)
        json_object_set(object, name, value);
    json_decref(value);
}

static json_t *deployment_of(struct cli *cli)
{
    long long replicas;
    bool fine = true;
    const char *name = option_value(cli, "name"), *image = cli->words[0];
    json_t *object = json_object(), *resources = json_object(), *args = json_array();
    fine = option_int(cli, "replicas", 0, 1000000, 1, &replicas);
    json_object_set_new(object, "name", json_string(name ? name : name_of_image(cli, image)));
    set_filled(object, "labels", pairs(cli, "label", &fine));
    json_object_set_new(object, "replicas", json_integer(replicas));
    json_object_set_new(object, "image", json_string(image));
    for (size_t i = 1; i < cli->word_count; i++)
        json_array_append_new(args, json_string(cli->words[i]));
    set_filled(object, "args", args);
    set_filled(object, "env", pairs(cli, "env", &fine));
    set_filled(object, "ports", ports(cli, &fine));
    set_text(resources, "cpu", option_value(cli, "cpu"));
    set_text(resources, "memory", option_value(cli, "memory"));
    set_filled(object, "resources", resources);
    if (fine)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *service_of(struct cli *cli, const json_t *deployment)
{
    const char *listen = option_value(cli, "listen"), *name = member_text(deployment, "name");
    return listen ? json_pack("{s:s, s:s, s:s}", "name", name, "deployment", name, "listen", listen)
                  : NULL;
}

static void print_manifests(const json_t *deployment, const json_t *service)
{
    json_t *shown = manifest_of(kind_named("deployments"), deployment);
    output_yaml(shown);
    json_decref(shown);
    if (!service)
        return;
    puts("---");
    shown = manifest_of(kind_named("services"), service);
    output_yaml(shown);
    json_decref(shown);
}

/* The service first: it may come before its deployment, and a taken address is told early. */
static int declare(struct cli *cli, const json_t *deployment, const json_t *service)
{
    const char *name = member_text(deployment, "name");
    if (service) {
        json_t *made = client_ask(cli, "POST", "/services", service, "make service \"%s\"", name);
        if (!made)
            return client_status(cli);
        printf("service/%s created\n", name);
        json_decref(made);
    }
    json_t *made = client_ask(cli, "POST", "/deployments", deployment, "run \"%s\"",
                              member_text(deployment, "image"));
    if (!made)
        return client_status(cli);
    printf("deployment/%s created\n", name);
    fflush(stdout);
    int status = rollout_wait_one(cli, made);
    json_decref(made);
    return status;
}

int run_run(struct cli *cli)
{
    int status = STATUS_FINE;
    json_t *deployment = deployment_of(cli);
    if (!deployment)
        return STATUS_FAILED;
    json_t *service = service_of(cli, deployment);
    if (option_given(cli, "dry-run"))
        print_manifests(deployment, service);
    else
        status = declare(cli, deployment, service);
    json_decref(service);
    json_decref(deployment);
    return status;
}
