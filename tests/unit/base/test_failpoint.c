#include "base/failpoint.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* How a process ends that passes `hits` times where `environment` says what is to happen; one that
 * lives on ends with the number of hits that failed. */
static int end_of(const char *environment, int hits)
{
    int status = 0;
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        int failed = 0;
        setenv("ORCH_FAILPOINTS", environment, 1);
        for (int i = 0; i < hits; i++)
            failed += FAILPOINT_FAILS(store_before_apply);
        _exit(failed);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    return status;
}

Test(failpoint, does_nothing_until_it_is_named)
{
    cr_assert_eq(end_of("", 100), 0);
    cr_assert_eq(end_of("keep_before_write=abort", 100), 0);
}

Test(failpoint, kills_at_the_hit_that_is_given)
{
    int status = end_of("store_before_apply=abort", 1);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    cr_assert_eq(end_of("store_before_apply=abort:4", 3), 0);
    cr_assert(WIFSIGNALED(end_of("store_before_apply=abort:4", 4)));
}

Test(failpoint, fails_once_at_the_hit_that_is_given)
{
    int status = end_of("keep_before_write=abort,store_before_apply=error:2", 10);
    cr_assert(WIFEXITED(status));
    cr_assert_eq(WEXITSTATUS(status), 1);
}

Test(failpoint, refuses_names_and_actions_that_do_not_exist)
{
    static const char *const wrong[] = {"nowhere=abort", "store_before_apply=explode",
                                        "store_before_apply"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        int status = end_of(wrong[i], 1);
        cr_assert(WIFEXITED(status), "%s", wrong[i]);
        cr_assert_eq(WEXITSTATUS(status), 2, "%s", wrong[i]);
    }
}
