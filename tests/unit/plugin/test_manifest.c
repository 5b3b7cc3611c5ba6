/* Manifests that no compiler of ours would lay out. Those of real files: tests/abi. */
#include "plugin/manifest.h"

#include <criterion/criterion.h>
#include <orchestrator/scheduler.h>
#include <string.h>

static const struct plugin_environment environment = {.product = "orchestrator",
                                                      .version = "0.1.0"};

static void expect_refused(const struct orch_manifest *manifest, const char *wanted)
{
    struct manifest_judgement judgement;
    cr_expect_not(manifest_judge(manifest, &environment, PLUGIN_KIND_NONE, NULL, &judgement));
    cr_expect(strstr(text_string(&judgement.reasons), wanted), "wanted <%s> got <%s>", wanted,
              text_string(&judgement.reasons));
    manifest_judgement_finish(&judgement);
}

/* Found by fuzzing: elements would have been read where no pointer may lie. */
Test(manifest, strides_that_leave_elements_misaligned_are_refused)
{
    static const struct orch_provide provides[3];
    static const struct orch_need needs[3];
    struct orch_manifest manifest = {ORCH_MANIFEST_HEAD, .id = "org.example.odd",
                                     .version = "1.0.0", .provides = provides,
                                     .provide_count = 2, .provide_stride = sizeof provides[0] + 3};
    expect_refused(&manifest, "its provides are no array of struct orch_provide (2, stride 35)");
    manifest.provide_stride = sizeof provides[0];
    manifest.needs = needs;
    manifest.need_count = 2;
    manifest.need_stride = sizeof needs[0] + 1;
    expect_refused(&manifest, "its needs are no array of struct orch_need (2, stride 17)");
}
