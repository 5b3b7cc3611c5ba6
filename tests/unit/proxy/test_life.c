#include "rig.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(proxy_life, .init = rig_prepare, .fini = rig_finish, .timeout = 90);

static struct origin *a;
static char answer[64];

static void start_one(void)
{
    a = origin_start(ORIGIN_NAME, "a");
    rig_feed();
    rig_put((struct rig_endpoint[]){{"a", a->port, false}}, 1);
    rig_publish();
}

static int connect_new(void)
{
    int fd = client_connect(rig.port);
    cr_assert(fd >= 0);
    cr_assert(client_ask(fd, answer, sizeof answer));
    return fd;
}

static bool is_replaced(void)
{
    return rig.disconnects == 1 && rig.connects == 2;
}

Test(proxy_life, that_ends_by_a_signal_is_replaced_with_the_same_listeners)
{
    start_one();
    int before = proxy_feed_pid(rig.feed);
    kill(before, SIGKILL);
    int waiting = client_connect(rig.port); /* the listener is there although no proxy is */
    cr_assert(waiting >= 0);
    cr_assert(rig_wait(is_replaced));
    cr_assert_neq(proxy_feed_pid(rig.feed), before);
    cr_assert(client_ask(waiting, answer, sizeof answer));
    close(waiting);
    close(connect_new());
}

static bool is_acknowledged_again(void)
{
    return rig.acknowledged == rig.version;
}

Test(proxy_life, acknowledges_again_when_it_is_a_new_one)
{
    start_one();
    kill(proxy_feed_pid(rig.feed), SIGKILL);
    rig.acknowledged = 0;
    cr_assert(rig_wait(is_replaced));
    cr_assert(rig_wait(is_acknowledged_again));
}

Test(proxy_life, goes_on_without_its_daemon_and_is_adopted)
{
    start_one();
    int before = proxy_feed_pid(rig.feed), fd = connect_new();
    proxy_feed_destroy(rig.feed, false);
    cr_assert(client_ask(fd, answer, sizeof answer));
    close(connect_new());
    rig_feed();
    cr_assert_eq(proxy_feed_pid(rig.feed), before);
    close(connect_new()); /* before the new daemon knows what is to be served */
    rig.version = rig.acknowledged = 0;
    rig_put((struct rig_endpoint[]){{"a", a->port, false}}, 1);
    rig_publish();
    cr_assert(client_ask(fd, answer, sizeof answer));
    close(connect_new());
    kill(before, SIGKILL); /* the new daemon has the listeners too */
    cr_assert(rig_wait(is_replaced));
    close(connect_new());
    close(fd);
}

Test(proxy_life, withdraws_what_an_adopting_daemon_knows_to_have_ended)
{
    start_one();
    struct origin *b = origin_start(ORIGIN_NAME, "b");
    rig_put((struct rig_endpoint[]){{"a", a->port, false}, {"b", b->port, false}}, 2);
    rig_publish();
    proxy_feed_destroy(rig.feed, false);
    rig_feed();
    rig.acknowledged = 0;
    rig.version = 1;
    proxy_feed_withdraw(rig.feed, "a", 1);
    cr_assert(rig_wait(is_acknowledged_again));
    for (int i = 0; i < 4; i++) {
        int fd = client_connect(rig.port);
        cr_assert(client_ask(fd, answer, sizeof answer));
        cr_assert_str_eq(answer, "b");
        close(fd);
    }
    rig_put((struct rig_endpoint[]){{"a", a->port, false}}, 1);
    rig_publish(); /* a table of its own is the whole truth */
    close(connect_new());
}

Test(proxy_life, drops_what_an_adopting_daemon_does_not_publish)
{
    start_one();
    proxy_feed_destroy(rig.feed, false);
    rig_feed();
    rig.version = rig.acknowledged = 0;
    rig_publish();
    cr_assert_eq(client_connect(rig.port), -1);
}

Test(proxy_life, is_told_what_drained_again_by_an_adopted_proxy)
{
    start_one();
    rig_put((struct rig_endpoint[]){{"a", a->port, true}}, 1);
    rig_publish();
    proxy_feed_destroy(rig.feed, false);
    rig.drain_count = 0;
    rig_feed();
    rig.version = rig.acknowledged = 0;
    rig_put((struct rig_endpoint[]){{"a", a->port, true}}, 1);
    rig_publish();
    uint64_t cut = 9;
    rig_loop(100 * NS_PER_MS);
    cr_assert(rig_drained("a", &cut));
    cr_assert_eq(cut, 0);
}

Test(proxy_life, set_otherwise_hands_its_listeners_over_and_finishes)
{
    start_one();
    int before = proxy_feed_pid(rig.feed), fd = connect_new();
    proxy_feed_destroy(rig.feed, false);
    rig.workers = 1;
    rig_feed();
    cr_assert_neq(proxy_feed_pid(rig.feed), before);
    rig_put((struct rig_endpoint[]){{"a", a->port, false}}, 1);
    rig_publish();
    for (int i = 0; i < 20; i++)
        close(connect_new());
    cr_assert(client_ask(fd, answer, sizeof answer)); /* by the old one */
    close(fd);
    int status;
    cr_assert_eq(waitpid(before, &status, 0), before);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static bool is_cut_off(void)
{
    return rig.older_disconnects == 1;
}

Test(proxy_life, is_fed_by_the_newer_of_two_daemons)
{
    start_one();
    int pid = proxy_feed_pid(rig.feed);
    struct proxy_feed *older = rig.feed;
    rig_feed();
    cr_assert_eq(proxy_feed_pid(rig.feed), pid);
    cr_assert(rig_wait(is_cut_off));
    rig_loop(100 * NS_PER_MS); /* the older one starts none of its own */
    cr_assert_eq(rig.connects, 1);
    cr_assert_eq(proxy_feed_pid(older), 0);
    proxy_feed_destroy(older, true);
    close(connect_new());
}

Test(proxy_life, asked_to_end_finishes_what_it_has_while_another_serves)
{
    start_one();
    int before = proxy_feed_pid(rig.feed), fd = connect_new(), status;
    kill(before, SIGTERM);
    cr_assert(rig_wait(is_replaced));
    close(connect_new());
    cr_assert(client_ask(fd, answer, sizeof answer));
    close(fd);
    while (waitpid(before, &status, WNOHANG) == 0)
        rig_loop(10 * NS_PER_MS);
    cr_assert_neq(kill(before, 0), 0);
}

static bool is_gone(void *argument)
{
    pid_t pid = *(pid_t *)argument;
    (void)waitpid(pid, NULL, WNOHANG);
    return kill(pid, 0) != 0;
}

Test(proxy_life, ends_unfed_when_it_has_nothing_to_do)
{
    rig.linger_ns = 600 * NS_PER_SECOND;
    rig_feed();
    pid_t pid = proxy_feed_pid(rig.feed);
    proxy_feed_destroy(rig.feed, false);
    cr_assert(wait_until(is_gone, &pid));
    rig.linger_ns = 0;
    rig_feed(); /* a socket file that is left over is no hindrance */
}

Test(proxy_life, ends_unfed_after_its_linger)
{
    rig.linger_ns = NS_PER_SECOND;
    start_one();
    pid_t pid = proxy_feed_pid(rig.feed);
    int fd = connect_new();
    proxy_feed_destroy(rig.feed, true);
    cr_assert(client_ask(fd, answer, sizeof answer));
    cr_assert(wait_until(is_gone, &pid));
    close(fd);
    rig.linger_ns = 0;
    rig_feed();
}

static void status_line(int pid, const char *name, char *out, size_t bytes)
{
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *file = fopen(path, "re");
    cr_assert(file);
    while (fgets(line, sizeof line, file))
        if (strncmp(line, name, strlen(name)) == 0)
            snprintf(out, bytes, "%s", line + strlen(name));
    fclose(file);
}

Test(proxy_life, has_no_rights_left)
{
    char value[128] = "", path[128];
    struct stat status;
    if (geteuid() != 0 || strcmp(PROXY_USER, "nobody") != 0)
        return; /* there is nothing to give up, or it is kept to measure coverage */
    start_one();
    int pid = proxy_feed_pid(rig.feed);
    status_line(pid, "Uid:\t", value, sizeof value);
    cr_assert_str_eq(value, "65534\t65534\t65534\t65534\n");
    status_line(pid, "Gid:\t", value, sizeof value);
    cr_assert_str_eq(value, "65534\t65534\t65534\t65534\n");
    status_line(pid, "Groups:\t", value, sizeof value);
    cr_assert_str_eq(value, " \n");
    status_line(pid, "CapPrm:\t", value, sizeof value);
    cr_assert_str_eq(value, "0000000000000000\n");
    status_line(pid, "CapBnd:\t", value, sizeof value);
    cr_assert_str_eq(value, "0000000000000000\n");
    status_line(pid, "NoNewPrivs:\t", value, sizeof value);
    cr_assert_str_eq(value, "1\n");
    snprintf(path, sizeof path, "/proc/%d/maps", pid);
    cr_assert_eq(stat(path, &status), 0);
    cr_assert_eq(status.st_uid, 0); /* not dumpable: the kernel keeps its files from its own user */
    snprintf(path, sizeof path, "%s/proxy.sock", rig.folder);
    cr_assert_eq(stat(path, &status), 0);
    cr_assert_eq(status.st_mode & 0777, 0600);
}

Test(proxy_life, is_ended_by_a_hung_balancer_and_replaced)
{
    start_one();
    pid_t before = proxy_feed_pid(rig.feed);
    rig.balancer = "faulty";
    rig.config = "{\"fault\":\"hang\"}";
    rig_put((struct rig_endpoint[]){{"a", a->port, false}}, 1);
    rig_publish();
    int fd = client_connect(rig.port);
    cr_assert(fd >= 0);
    cr_assert(rig_wait(is_replaced));
    cr_assert_neq(proxy_feed_pid(rig.feed), before);
    close(fd);
    rig.balancer = "round-robin";
    rig.config = "{}";
    rig_put((struct rig_endpoint[]){{"a", a->port, false}}, 1);
    rig_publish();
    close(connect_new());
}

Test(proxy_life, goes_on_when_a_balancer_answers_what_does_not_exist)
{
    start_one();
    rig.balancer = "faulty";
    rig.config = "{\"fault\":\"index\"}";
    rig_put((struct rig_endpoint[]){{"a", a->port, false}}, 1);
    rig_publish();
    for (int i = 0; i < 20; i++)
        close(connect_new());
    cr_assert_eq(rig.disconnects, 0);
}

/* -- changes under load -- */

static atomic_bool ending;
static atomic_uint asked, lost;

static void *load(void *argument)
{
    char line[64];
    int held = client_connect(rig.port);
    (void)argument;
    while (!atomic_load(&ending)) {
        int fd = client_connect(rig.port);
        if (fd < 0 || !client_ask(fd, line, sizeof line) || !client_ask(held, line, sizeof line))
            atomic_fetch_add(&lost, 1);
        atomic_fetch_add(&asked, 1);
        if (fd >= 0)
            close(fd);
    }
    close(held);
    return NULL;
}

Test(proxy_life, changed_a_hundred_times_under_load_loses_nothing)
{
    pthread_t threads[4];
    start_one();
    struct origin *b = origin_start(ORIGIN_NAME, "b");
    for (int i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, load, NULL), 0);
    for (unsigned i = 0; i < 100; i++) {
        rig.idle_ns = (100 + i) * NS_PER_SECOND;
        /* one of them may always be used */
        rig_put((struct rig_endpoint[]){{"a", a->port, i % 2}, {"b", b->port, i % 4 == 2}}, 2);
        rig.drain_count = 0;
        rig_publish();
        rig_loop(5 * NS_PER_MS);
    }
    atomic_store(&ending, true);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    cr_assert_gt(atomic_load(&asked), 100);
    cr_assert_eq(atomic_load(&lost), 0, "%u of %u", atomic_load(&lost), atomic_load(&asked));
}
