/* Built with an SDK of the future, but it uses nothing new: this must load. */
#define NO_MANIFEST
#include "scheduler.h"

struct newer_manifest {
    struct orch_manifest known;
    uint64_t more, and_more;
};
ORCH_EXPORT const struct newer_manifest newer __asm__("orch_plugin_manifest_1") = {
    .known = {.magic = ORCH_MAGIC,
              .loader_abi = ORCH_LOADER_ABI,
              .size = sizeof(struct newer_manifest),
              .sdk_version = ORCH_VERSION(1, 9, 0),
              .id = "org.example.test",
              .version = "1.2.3",
              .provides = provides,
              .provide_count = 1,
              .provide_stride = sizeof provides[0]}};
