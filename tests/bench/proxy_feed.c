/* Feeds the proxy one service, for proxy.py: proxy_feed PROGRAM PLUGIN FOLDER LISTEN PORT tcp|http.
 * Prints
 * the proxy's number once it serves, and ends with its standard input. */
#include "base/clock.h"
#include "proxy/feed.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct proxy_feed *feed;

static void acknowledged(void *argument, uint64_t version)
{
    (void)argument, (void)version;
    printf("%d\n", proxy_feed_pid(feed));
    fflush(stdout);
}

static void input_ended(void *argument, int fd, unsigned events)
{
    char byte;
    (void)events;
    if (read(fd, &byte, 1) <= 0)
        loop_stop(argument);
}

static struct feed_service service_of(char **values, struct feed_endpoint *endpoint)
{
    *endpoint = (struct feed_endpoint){.id = "origin",
                                       .address = "127.0.0.1",
                                       .port = (uint16_t)atoi(values[5]),
                                       .weight = 1,
                                       .state = FEED_ACTIVE,
                                       .local = true};
    return (struct feed_service){.name = "bench",
                                 .listen = values[4],
                                 .balancer = "round-robin",
                                 .balancer_config = "{}",
                                 .protocol = strcmp(values[6], "http") == 0 ? FEED_HTTP : FEED_TCP,
                                 .drain_timeout_ns = NS_PER_SECOND,
                                 .connect_timeout_ns = 2 * NS_PER_SECOND,
                                 .idle_timeout_ns = 300 * NS_PER_SECOND,
                                 .endpoints = endpoint,
                                 .endpoint_count = 1};
}

int main(int count, char **values)
{
    struct error error = {0};
    struct loop_io input;
    struct feed_endpoint endpoint;
    if (count != 7)
        return 2;
    struct loop *loop = loop_create_real(&error);
    struct feed_balancer balancer = {"round-robin", open(values[2], O_RDONLY | O_CLOEXEC)};
    feed = loop ? proxy_feed_create(&(struct feed_config){.loop = loop,
                                                          .state_directory = values[3],
                                                          .program = values[1],
                                                          .user = "nobody",
                                                          .workers = 1,
                                                          .balancers = &balancer,
                                                          .balancer_count = 1,
                                                          .fallback_balancer = "round-robin"},
                                    &(struct feed_callbacks){.acknowledged = acknowledged}, &error)
                : NULL;
    if (!feed) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    struct feed_service service = service_of(values, &endpoint);
    proxy_feed_service_put(feed, &service);
    proxy_feed_publish(feed, 1);
    loop_io_init(&input, loop, "input", input_ended, loop);
    loop_io_set(&input, STDIN_FILENO, LOOP_READ);
    loop_run(loop);
    proxy_feed_destroy(feed, true);
    loop_destroy(loop);
    return 0;
}
