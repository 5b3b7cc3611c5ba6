/* The rules of versions, revisions and preconditions. */
#include "unit/server/rig.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static void setup(void)
{
    rig_begin();
    rig_add_node("node-1", 4000, "a");
}

TestSuite(deployment_commands, .init = setup, .fini = rig_end, .timeout = 60);

static struct deployment_manager *manager(void)
{
    return rig.server->deployments;
}

static void complete(struct deployment *wanted)
{
    cr_assert_eq(rig_write(wanted), ERROR_NONE, "%s", rig.error.message);
    rig_run_ms(10000);
    cr_assert_eq(rig_status(wanted->name).phase, PHASE_COMPLETE);
}

/* -- version and revision -- */

static void set_labels(struct deployment *wanted)
{
    static const struct map_entry label = {"team", "shop"};
    wanted->labels = (struct list){&label, 1};
}

static void set_env(struct deployment *wanted)
{
    static const struct map_entry variable = {"TZ", "UTC"};
    wanted->template.env = (struct list){&variable, 1};
}

static void set_args(struct deployment *wanted)
{
    static const char *const arguments[] = {"-g"};
    wanted->template.args = (struct list){arguments, 1};
}

static void set_nothing(struct deployment *wanted)
{
    (void)wanted;
}

#define SETTER(name, member, value)                                                                \
    static void name(struct deployment *wanted)                                                    \
    {                                                                                              \
        wanted->member = value;                                                                    \
    }
SETTER(set_image, template.image, "app:2")
SETTER(set_pull, template.image_pull, IMAGE_PULL_ALWAYS)
SETTER(set_cpu, template.resources.cpu_millis, 100)
SETTER(set_grace, template.stop_grace_period_ns, NS_PER_SECOND)
SETTER(set_policy, template.restart_policy.backoff_ns, NS_PER_SECOND)
SETTER(set_root, template.security.read_only_root, false)
SETTER(set_replicas, replicas, 3)
SETTER(set_surge, rollout.max_surge.value, 2)
SETTER(set_history, revision_history, 3)
SETTER(set_most, placement.max_per_node, 9)

Test(deployment_commands, only_what_makes_a_container_makes_a_revision)
{
    static const struct {
        const char *what;
        void (*set)(struct deployment *wanted);
        bool version, revision;
    } cases[] = {{"nothing", set_nothing, false, false},
                 {"the default", set_root, false, false},
                 {"image", set_image, true, true},
                 {"imagePull", set_pull, true, false},
                 {"env", set_env, true, true},
                 {"args", set_args, true, true},
                 {"resources", set_cpu, true, true},
                 {"stopGracePeriod", set_grace, true, true},
                 {"restartPolicy", set_policy, true, true},
                 {"replicas", set_replicas, true, false},
                 {"labels", set_labels, true, false},
                 {"rollout", set_surge, true, false},
                 {"revisionHistory", set_history, true, false},
                 {"placement", set_most, true, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char name[16];
        snprintf(name, sizeof name, "web-%zu", i);
        struct deployment *wanted = rig_deployment(name, "app:1", 1);
        cr_assert_eq(rig_create(wanted), ERROR_NONE);
        uint64_t version = rig_find(name)->record.version;
        cr_assert_eq(version, 1);
        cr_assert_eq(rig_find(name)->revision, 1);
        cases[i].set(wanted);
        cr_assert_eq(rig_write(wanted), ERROR_NONE, "%s", rig.error.message);
        cr_expect_eq(rig_find(name)->record.version, version + cases[i].version, "%s",
                     cases[i].what);
        cr_expect_eq(rig_find(name)->revision, 1 + cases[i].revision, "%s", cases[i].what);
    }
}

Test(deployment_commands, status_never_moves_the_version)
{
    complete(rig_deployment("web", "app:1", 2));
    cr_assert_eq(rig_find("web")->record.version, 1);
    cr_assert_eq(rig_status("web").observed_version, 1);
    cr_assert_gt(rig_status("web").seq, rig_find("web")->record.seq - 1);
}

Test(deployment_commands, a_write_that_changes_nothing_is_no_transaction)
{
    struct state_figures before, after;
    complete(rig_deployment("web", "app:1", 1));
    state_read_figures(rig.server->state, &before);
    rig_write(rig_deployment("web", "app:1", 1));
    rig_scale("web", 1);
    state_read_figures(rig.server->state, &after);
    cr_assert_eq(after.transactions, before.transactions);
}

Test(deployment_commands, a_put_without_replicas_keeps_them)
{
    complete(rig_deployment("web", "app:1", 3));
    struct deployment *wanted = rig_deployment("web", "app:1", 1);
    cr_assert_eq(rig_answer(deployment_manager_write(manager(), WRITE_REPLACE, wanted, false,
                                                     &rig_request, rig_done, NULL, &rig.error)),
                 ERROR_NONE);
    cr_assert_eq(rig_find("web")->replicas, 3);
}

Test(deployment_commands, a_created_again_deployment_has_another_uid)
{
    char uid[ID_UID_BYTES];
    complete(rig_deployment("web", "app:1", 1));
    snprintf(uid, sizeof uid, "%s", rig_find("web")->record.uid);
    cr_assert_eq(rig_create(rig_deployment("web", "app:1", 1)), ERROR_ALREADY_EXISTS);
    rig_delete("web");
    rig_run_ms(3000);
    cr_assert_null(rig_find("web"));
    cr_assert_eq(rig_create(rig_deployment("web", "app:1", 1)), ERROR_NONE);
    cr_assert_str_neq(rig_find("web")->record.uid, uid);
    cr_assert_eq(rig_find("web")->revision, 1);
}

/* -- what is refused -- */

Test(deployment_commands, what_is_not_there_is_not_found)
{
    cr_expect_eq(rig_scale("nobody", 1), ERROR_NOT_FOUND);
    cr_expect_eq(rig_delete("nobody"), ERROR_NOT_FOUND);
    cr_expect_eq(rig_answer(deployment_manager_restart(manager(), "nobody", &rig_request, rig_done,
                                                       NULL, &rig.error)),
                 ERROR_NOT_FOUND);
    cr_expect_eq(rig_answer(deployment_manager_set_paused(manager(), "nobody", true, &rig_request,
                                                          rig_done, NULL, &rig.error)),
                 ERROR_NOT_FOUND);
    cr_expect_eq(rig_answer(deployment_manager_rollback(manager(), "nobody", 0, &rig_request,
                                                        rig_done, NULL, &rig.error)),
                 ERROR_NOT_FOUND);
}

Test(deployment_commands, while_it_is_deleted_other_writes_are_refused)
{
    complete(rig_deployment("web", "app:1", 1));
    rig.nodes[0].silent = true; /* its container will not go */
    cr_assert_eq(rig_delete("web"), ERROR_NONE);
    cr_expect_eq(rig_status("web").phase, PHASE_DELETING);
    cr_expect_eq(rig_write(rig_deployment("web", "app:2", 1)), ERROR_INVALID_STATE);
    cr_expect_eq(rig_create(rig_deployment("web", "app:2", 1)), ERROR_INVALID_STATE);
    cr_expect_eq(rig_scale("web", 5), ERROR_INVALID_STATE);
    uint64_t version = rig_find("web")->record.version;
    cr_expect_eq(rig_delete("web"), ERROR_NONE, "again is fine");
    cr_expect_eq(rig_find("web")->record.version, version);
    rig.nodes[0].silent = false;
}

Test(deployment_commands, mode_cannot_be_changed_and_global_ones_are_not_scaled)
{
    struct deployment *wanted = rig_deployment("web", "app:1", 1);
    wanted->mode = MODE_GLOBAL;
    complete(wanted);
    cr_expect_eq(rig_scale("web", 2), ERROR_INVALID_STATE);
    wanted->mode = MODE_REPLICATED;
    cr_expect_eq(rig_write(wanted), ERROR_VALIDATION);
}

Test(deployment_commands, a_scheduler_must_be_loaded)
{
    struct deployment *wanted = rig_deployment("web", "app:1", 1);
    wanted->placement.scheduler = "gone";
    cr_expect_eq(rig_create(wanted), ERROR_VALIDATION);
    cr_expect_not_null(strstr(rig.error.message, "placement.scheduler"), "%s", rig.error.message);
}

Test(deployment_commands, preconditions_compare_the_version)
{
    static const struct {
        struct write_request request;
        bool exists;
        enum error_code code;
    } cases[] = {
        {{.has_if_match = true, .if_match = 1}, true, ERROR_NONE},
        {{.has_if_match = true, .if_match = 2}, true, ERROR_PRECONDITION_FAILED},
        {{.has_if_match = true, .if_match = 1}, false, ERROR_PRECONDITION_FAILED},
        {{.has_if_match = true, .if_match_any = true}, true, ERROR_NONE},
        {{.has_if_match = true, .if_match_any = true}, false, ERROR_PRECONDITION_FAILED},
        {{.if_none_match_any = true}, true, ERROR_PRECONDITION_FAILED},
        {{.if_none_match_any = true}, false, ERROR_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char name[16];
        snprintf(name, sizeof name, "web-%zu", i);
        if (cases[i].exists)
            rig_create(rig_deployment(name, "app:1", 0));
        struct write_request request = cases[i].request;
        request.origin = rig_request.origin;
        enum error_code code = rig_answer(
            deployment_manager_write(manager(), WRITE_REPLACE, rig_deployment(name, "app:2", 0),
                                     true, &request, rig_done, NULL, &rig.error));
        cr_expect_eq(code, cases[i].code, "case %zu: %s", i, rig.error.message);
    }
}

/* -- revisions -- */

static enum error_code roll_back(int64_t revision)
{
    return rig_answer(deployment_manager_rollback(manager(), "web", revision, &rig_request,
                                                  rig_done, NULL, &rig.error));
}

Test(deployment_commands, a_rollback_is_the_old_content_with_a_new_number)
{
    complete(rig_deployment("web", "app:1", 1));
    cr_expect_eq(roll_back(0), ERROR_INVALID_STATE, "there is none before");
    complete(rig_deployment("web", "app:2", 1));
    complete(rig_deployment("web", "app:3", 1));
    cr_expect_eq(roll_back(17), ERROR_NOT_FOUND);
    cr_assert_eq(roll_back(1), ERROR_NONE, "%s", rig.error.message);
    cr_assert_eq(rig_find("web")->revision, 4);
    cr_assert_str_eq(rig_find("web")->template.image, "app:1");
    cr_assert_str_eq(deployment_manager_revision(manager(), rig_find("web"), 4)->cause,
                     "rollback to 1");
    cr_assert_eq(roll_back(0), ERROR_NONE);
    cr_assert_eq(rig_find("web")->revision, 5);
    cr_assert_str_eq(rig_find("web")->template.image, "app:3", "the one before 4");
}

Test(deployment_commands, what_an_image_resolved_to_stays_with_what_is_put_back)
{
    char template_id[64];
    complete(rig_deployment("web", "app:1", 1));
    snprintf(template_id, sizeof template_id, "%s/1", rig_find("web")->record.uid);
    const struct reported_image image = {
        .template_id = template_id, .image_pinned = "app@sha256:aa", .image_digest = "sha256:aa"};
    const struct report report = {.images = {&image, 1}};
    deployment_manager_report(manager(), "node-1", &report);
    complete(rig_deployment("web", "app:2", 1));
    cr_assert_eq(roll_back(1), ERROR_NONE);
    const struct revision *back = deployment_manager_revision(manager(), rig_find("web"), 3);
    cr_assert_str_eq(back->image_pinned, "app@sha256:aa", "the tag may mean another one by now");
    cr_assert_str_eq(back->image_digest, "sha256:aa");
}

Test(deployment_commands, a_restart_is_the_same_content_with_a_new_number)
{
    complete(rig_deployment("web", "app:1", 2));
    char id[80];
    snprintf(id, sizeof id, "%s", rig_first("web")->id);
    cr_assert_eq(rig_answer(deployment_manager_restart(manager(), "web", &rig_request, rig_done,
                                                       NULL, &rig.error)),
                 ERROR_NONE);
    cr_assert_eq(rig_find("web")->revision, 2);
    rig_run_ms(10000);
    cr_assert_eq(rig_status("web").phase, PHASE_COMPLETE);
    cr_assert_null(container_manager_find(rig.server->containers, id));
    cr_assert_eq(rig_count("web"), 2);
}

Test(deployment_commands, history_is_trimmed_and_never_one_that_is_in_use)
{
    complete(rig_deployment("web", "app:0", 1));
    rig.nodes[0].never_ready = true; /* revision 1 stays in use: no other becomes ready */
    for (int i = 1; i <= 8; i++) {
        char image[16];
        snprintf(image, sizeof image, "app:%d", i);
        struct deployment *wanted = rig_deployment("web", arena_strdup(&rig.arena, image), 1);
        wanted->revision_history = 3;
        cr_assert_eq(rig_write(wanted), ERROR_NONE);
        rig_run_ms(200);
        const struct container *container = NULL;
        while ((container = container_manager_next(rig.server->containers, "web", container)))
            cr_assert_not_null(
                deployment_manager_revision(manager(), rig_find("web"), container->revision),
                "revision %lld is in use", (long long)container->revision);
    }
    cr_assert_not_null(deployment_manager_revision(manager(), rig_find("web"), 1));
    cr_assert_leq(state_count(rig.server->state, KIND_REVISION), 5);
    rig.nodes[0].never_ready = false;
    complete(rig_deployment("web", "app:last", 1));
    cr_assert_eq(rig_find("web")->revision, 10, "numbers are never used again");
}

Test(deployment_commands, what_an_image_resolved_to_is_kept_with_its_revision)
{
    complete(rig_deployment("web", "app:1", 1));
    char template_id[64];
    snprintf(template_id, sizeof template_id, "%s/1", rig_find("web")->record.uid);
    const struct reported_image images[] = {
        {.template_id = template_id, .image_pinned = "app@sha256:aa", .image_digest = "sha256:aa"},
        {.template_id = "strange", .image_pinned = "x", .image_digest = "y"},
        {.template_id = "nobody/1", .image_pinned = "x", .image_digest = "y"}};
    const struct report report = {.images = {images, 3}};
    deployment_manager_report(manager(), "node-1", &report);
    rig_run_ms(20);
    const struct revision *revision = deployment_manager_revision(manager(), rig_find("web"), 1);
    cr_assert_str_eq(revision->image_pinned, "app@sha256:aa");
    cr_assert_str_eq(revision->image_digest, "sha256:aa");
    const struct reported_image other = {
        .template_id = template_id, .image_pinned = "app@sha256:bb", .image_digest = "sha256:bb"};
    deployment_manager_report(manager(), "node-1", &(struct report){.images = {&other, 1}});
    rig_run_ms(20);
    cr_assert_str_eq(deployment_manager_revision(manager(), rig_find("web"), 1)->image_pinned,
                     "app@sha256:aa", "the first word counts");
    cr_assert_str_eq(rig_find("web")->template.image, "app:1");
}
