/* Batches: recvmmsg and sendmmsg, with the address of ours that a datagram came to (IP_PKTINFO),
 * and trains of datagrams of one size in one piece (UDP_GRO, UDP_SEGMENT). */
#include "proxy/udp.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>

static void map(struct in6_addr *out, const struct in_addr *address)
{
    *out = (struct in6_addr){0};
    out->s6_addr[10] = out->s6_addr[11] = 0xff;
    memcpy(out->s6_addr + 12, address, 4);
}

static void read_control(struct udp_datagrams *datagrams, int i, struct msghdr *header)
{
    datagrams->to[i] = (struct udp_local){0};
    datagrams->segment[i] = 0;
    for (struct cmsghdr *at = CMSG_FIRSTHDR(header); at; at = CMSG_NXTHDR(header, at)) {
        struct udp_local *to = &datagrams->to[i];
        if (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(at), sizeof info);
            map(&to->address, &info.ipi_addr);
            to->family = AF_INET;
        } else if (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(at), sizeof info);
            to->address = info.ipi6_addr;
            to->interface = IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr) ? info.ipi6_ifindex : 0;
            to->family = AF_INET6;
        } else if (at->cmsg_level == SOL_UDP && at->cmsg_type == UDP_GRO) {
            int size;
            memcpy(&size, CMSG_DATA(at), sizeof size);
            datagrams->segment[i] = (uint16_t)size;
        }
    }
}

int udp_receive(struct udp_datagrams *datagrams, int fd)
{
    for (int i = 0; i < UDP_BATCH; i++) {
        datagrams->parts[i] = (struct iovec){datagrams->bytes[i], UDP_BYTES};
        datagrams->headers[i].msg_hdr =
            (struct msghdr){.msg_name = &datagrams->from[i],
                            .msg_namelen = sizeof datagrams->from[i],
                            .msg_iov = &datagrams->parts[i],
                            .msg_iovlen = 1,
                            .msg_control = datagrams->control[i],
                            .msg_controllen = sizeof datagrams->control[i]};
    }
    int count = recvmmsg(fd, datagrams->headers, UDP_BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < count; i++) {
        read_control(datagrams, i, &datagrams->headers[i].msg_hdr);
        datagrams->parts[i].iov_len = datagrams->headers[i].msg_len;
    }
    return count;
}

static void *add_control(struct msghdr *header, int level, int type, size_t bytes)
{
    struct cmsghdr *at =
        (struct cmsghdr *)(void *)((uint8_t *)header->msg_control + header->msg_controllen);
    *at = (struct cmsghdr){.cmsg_len = CMSG_LEN(bytes), .cmsg_level = level, .cmsg_type = type};
    header->msg_controllen += CMSG_SPACE(bytes);
    return CMSG_DATA(at);
}

static void add_source(struct msghdr *header, const struct udp_local *local)
{
    if (local->family == AF_INET) {
        struct in_pktinfo info = {0};
        memcpy(&info.ipi_spec_dst, local->address.s6_addr + 12, 4);
        memcpy(add_control(header, IPPROTO_IP, IP_PKTINFO, sizeof info), &info, sizeof info);
    } else if (local->family == AF_INET6) {
        struct in6_pktinfo info = {.ipi6_addr = local->address, .ipi6_ifindex = local->interface};
        memcpy(add_control(header, IPPROTO_IPV6, IPV6_PKTINFO, sizeof info), &info, sizeof info);
    }
}

static void address(struct msghdr *header, const union socket_address *client,
                    const struct udp_local *local)
{
    header->msg_name = NULL;
    header->msg_namelen = 0;
    header->msg_controllen = 0;
    if (!client)
        return;
    header->msg_name = (void *)(uintptr_t)client;
    header->msg_namelen =
        client->any.sa_family == AF_INET6 ? sizeof client->ip6 : sizeof client->ip4;
    add_source(header, local);
}

/* The kernel or the way out takes no trains: one after the other. */
static bool send_apart(struct msghdr *header, uint16_t segment, int fd,
                       const union socket_address *client, const struct udp_local *local)
{
    struct iovec whole = header->msg_iov[0], *part = header->msg_iov;
    address(header, client, local);
    for (size_t at = 0; at < whole.iov_len; at += part->iov_len) {
        part->iov_base = (uint8_t *)whole.iov_base + at;
        part->iov_len = whole.iov_len - at < segment ? whole.iov_len - at : segment;
        if (sendmsg(fd, header, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
            return false;
    }
    return true;
}

static bool refuses_trains(int errno_value)
{
    return errno_value == EIO || errno_value == EINVAL || errno_value == EMSGSIZE ||
           errno_value == EOPNOTSUPP;
}

int udp_send(struct udp_datagrams *datagrams, uint32_t first, uint32_t count, int fd,
             const union socket_address *client, const struct udp_local *local)
{
    for (uint32_t i = first; i < first + count; i++) {
        struct msghdr *header = &datagrams->headers[i].msg_hdr;
        uint16_t segment = datagrams->segment[i];
        header->msg_control = datagrams->control[i];
        address(header, client, local);
        if (segment && segment < header->msg_iov[0].iov_len)
            memcpy(add_control(header, SOL_UDP, UDP_SEGMENT, sizeof segment), &segment,
                   sizeof segment);
        if (!header->msg_controllen)
            header->msg_control = NULL;
    }
    uint32_t done = 0;
    while (done < count) {
        int sent = sendmmsg(fd, datagrams->headers + first + done, count - done,
                            MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0) {
            done += (uint32_t)sent;
            continue;
        }
        uint32_t at = first + done;
        struct msghdr *header = &datagrams->headers[at].msg_hdr;
        header->msg_control = datagrams->control[at];
        if (!datagrams->segment[at] || !refuses_trains(errno) ||
            !send_apart(header, datagrams->segment[at], fd, client, local))
            break;
        done++;
    }
    return (int)done;
}
