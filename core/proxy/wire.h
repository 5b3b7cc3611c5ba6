/* What the feed and the proxy say to each other: packets over a SOCK_SEQPACKET socket of one host.
 *
 * A packet is a 32-bit type and its members, in the order given below: numbers in the host's byte
 * order, texts as a 32-bit length and bytes. HELLO, LISTENER, ADOPTED and BYE never change, so that
 * programs of different versions can hand listeners over; everything else is fixed by
 * WIRE_PROTOCOL, which both ends must share. What does not fit in one packet is sent as several
 * (ENDPOINTS). [any thread; no shared state] */
#ifndef PROXY_WIRE_H
#define PROXY_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WIRE_PROTOCOL = 10, WIRE_PACKET_BYTES = 48 * 1024, WIRE_FD_LIMIT = 64 };

/* Addresses of listeners of datagrams begin so: they are others than those of TCP. */
#define WIRE_UDP "udp/"

/* With members of a packet in order; [n] fd: descriptors that travel with it. */
enum wire_type {
    /* both ways, first */
    WIRE_HELLO = 1, /* u32 protocol, text version, u32 workers as configured, text user, u64 pid */
    /* LISTENER: both ways; text address; [1..64] fd */
    WIRE_LISTENER,
    WIRE_ADOPTED, /* proxy: all its listeners have been sent */
    WIRE_BYE,     /* both ways; u32 enum wire_bye; the last packet */

    /* feed -> proxy */
    WIRE_SETTINGS = 32, /* u64 linger_ns, text fallback balancer */
    WIRE_BALANCER,      /* text name; [1] fd of the plugin */
    WIRE_FULL,          /* services not put until the next PUBLISH are to go */
    WIRE_SERVICE,       /* text name, listen ("": none), balancer, configuration, certificate ("":
                           without TLS); u32 protocol; text sticky cookie, path prefix; u32 host
                           count, then each: text; hold: u64 time, u32 requests; page: text type,
                           body; redirect: u32 status, text scheme, host, path; u64 policy seed, drain,
                           connect, idle timeout,       slow start; u32 most connections; ejection: u32
                           failures, percent,       share, u64 interval, time, longest time; requests: u32
                           weight, header count, then each: text name, value; u32 count of
                           trusted networks, then each: text; u32 most connections of a client;
                           u32 endpoint count
                         */
    WIRE_ENDPOINTS,   /* of the service put last: u32 count, then each: text id, address; u32 port,
                         weight, state, local */
    WIRE_REMOVE,      /* text name */
    WIRE_PUBLISH,     /* u64 version: all of the above and WITHDRAW takes effect at once */
    WIRE_WITHDRAW,    /* text endpoint id: it drains in every service that has it */
    WIRE_CERTIFICATE, /* text name; [1] fd of a certificate with its key; those not put between
                         FULL and the next PUBLISH are to go */

    /* proxy -> feed */
    WIRE_ACKNOWLEDGED = 64, /* u64 version */
    WIRE_DRAINED,           /* text service, endpoint; u64 cut */
    WIRE_COUNTERS, /* u32 count, then each: text service, endpoint ("": the service by itself);
                      u64 source; u32 resumed; u64 in flight; u64 each of enum traffic_kind;
                      u32 count of buckets that have changed, then each: u32 index, u64 */
    WIRE_EJECTED,  /* text service, endpoint; u32 out, text why; u64 time */
};
enum wire_bye {
    WIRE_BYE_ORDERLY = 1, /* the daemon ends; follow the linger */
    WIRE_BYE_REPLACED,    /* another proxy has the listeners; finish what there is */
    WIRE_BYE_SUPERSEDED,  /* to a feed: a newer daemon feeds this proxy from now on */
};

struct wire_writer {
    size_t length;
    bool overflow; /* it did not fit; the packet must not be sent */
    uint8_t bytes[WIRE_PACKET_BYTES];
};
void wire_begin(struct wire_writer *writer, enum wire_type type);
void wire_put_u32(struct wire_writer *writer, uint32_t value);
void wire_put_u64(struct wire_writer *writer, uint64_t value);
void wire_put_text(struct wire_writer *writer, const char *text); /* NULL as "" */
/* For counts that are known only later: where to write it, and doing so. */
size_t wire_put_count(struct wire_writer *writer);
void wire_set_count(struct wire_writer *writer, size_t place, uint32_t count);
/* Does this much more fit? */
bool wire_has_room(const struct wire_writer *writer, size_t bytes);

/* After a fault every reading yields 0 or "" and `failed` stays set. */
struct wire_reader {
    const uint8_t *at, *end;
    bool failed;
};
uint32_t wire_get_u32(struct wire_reader *reader);
uint64_t wire_get_u64(struct wire_reader *reader);
/* Bytes of the packet, terminated by the writer; valid as long as it. Never NULL. */
const char *wire_get_text(struct wire_reader *reader);

#endif
