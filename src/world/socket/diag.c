// SPDX-License-Identifier: GPL-2.0-only
/*
 * diag - reads dumps of sockets.
 *
 * A dump is a row of netlink messages: a head with the length of all of it, struct inet_diag_msg, attributes
 * that do not matter here; the next begins at a multiple of 4. (RFC 3549; include/uapi/linux/inet_diag.h)
 */
#include "world/socket/diag.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>

enum { LAST_ERRNO = 4095 }; /* MAX_ERRNO of include/linux/err.h */

static bool read_addr(uint8_t family, const __be32 from[4], uint8_t ret_addr[ADDR_BYTES])
{
	if (family == AF_INET)
		addr_from_ip4((const uint8_t *)from, ret_addr);
	else if (family == AF_INET6)
		memcpy(ret_addr, from, ADDR_BYTES);
	else
		return false;
	return true;
}

static bool read_socket(const struct inet_diag_msg *message, struct socket *ret)
{
	*ret = (struct socket){
		.cookie = (uint64_t)message->id.idiag_cookie[1] << 32 | message->id.idiag_cookie[0],
		.state = message->idiag_state,
		.local_port = ntohs(message->id.idiag_sport),
		.remote_port = ntohs(message->id.idiag_dport),
	};
	return ret->cookie &&
	       read_addr(message->idiag_family, message->id.idiag_src, ret->local_addr) &&
	       read_addr(message->idiag_family, message->id.idiag_dst, ret->remote_addr);
}

int diag_read(struct span bytes, uint32_t netns, uint8_t transport, diag_socket each, void *ctx)
{
	int sockets = 0;

	while (bytes.len) {
		struct inet_diag_msg message;
		struct socket socket;
		struct nlmsghdr head;
		int error = 0;

		if (bytes.len < sizeof(head))
			return -EPROTO;
		memcpy(&head, bytes.at, sizeof(head));
		if (head.nlmsg_len < sizeof(head) || head.nlmsg_len > bytes.len)
			return -EPROTO;
		if (head.nlmsg_type == NLMSG_DONE)
			break;
		if (head.nlmsg_type == NLMSG_ERROR) {
			if (head.nlmsg_len >= sizeof(head) + sizeof(error))
				memcpy(&error, bytes.at + sizeof(head), sizeof(error));
			return error < 0 && error >= -LAST_ERRNO ? error : -EPROTO;
		}
		if (head.nlmsg_type == SOCK_DIAG_BY_FAMILY) {
			if (head.nlmsg_len < sizeof(head) + sizeof(message))
				return -EPROTO;
			memcpy(&message, bytes.at + sizeof(head), sizeof(message));
			if (read_socket(&message, &socket)) {
				socket.netns = netns;
				socket.transport = transport;
				each(ctx, &socket);
				sockets++;
			}
		}
		bytes = span_from(bytes, NLMSG_ALIGN((size_t)head.nlmsg_len));
	}
	return sockets;
}
