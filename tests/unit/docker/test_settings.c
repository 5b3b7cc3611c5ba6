#include "unit/docker/rig.h"

#include <stdio.h>
#include <string.h>

TestSuite(docker_settings, .init = rig_open, .fini = rig_close, .timeout = 30);

Test(docker_settings, endpoints_and_networks_are_taken_or_refused_with_the_reason)
{
    char message[600], longest[400];
    static const struct {
        const char *config;
        const char *says; /* NULL: taken */
    } rows[] = {{"{}", NULL},
                {"{\"endpoint\":\"unix:///var/run/docker.sock\"}", NULL},
                {"{\"endpoint\":\"tcp://127.0.0.1:2375\"}", NULL},
                {"{\"endpoint\":\"tcp://[::1]:2375\"}", NULL},
                {"{\"network\":\"apps\"}", NULL},
                {"{\"endpoint\":\"unix://run/docker.sock\"}", "is no absolute path"},
                {"{\"endpoint\":\"tcp://127.0.0.1\"}", "is no tcp://host:port"},
                {"{\"endpoint\":\"tcp://127.0.0.1:0\"}", "is no tcp://host:port"},
                {"{\"endpoint\":\"tcp://::1:2375\"}", "is no tcp://host:port"},
                {"{\"endpoint\":\"tcp://a/b:1\"}", "is no tcp://host:port"},
                {"{\"endpoint\":\"http://127.0.0.1:2375\"}", "neither unix:// nor tcp://"},
                {"{\"network\":\"host\"}", "network of the engine's of their own"},
                {"{\"network\":\"none\"}", "network of the engine's of their own"},
                {"{\"network\":\"container:x\"}", "network of the engine's of their own"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        orch_status status = rig_refused(rows[i].config, message);
        cr_expect_eq(status, rows[i].says ? ORCH_E_INVALID : ORCH_OK, "%s", rows[i].config);
        cr_expect(!rows[i].says || strstr(message, rows[i].says), "%s", message);
    }
    snprintf(longest, sizeof longest, "{\"endpoint\":\"unix:///%0107d\"}", 0);
    cr_assert_eq(rig_refused(longest, message), ORCH_E_INVALID);
    cr_assert(strstr(message, "at most 107 bytes"), "%s", message);
}
