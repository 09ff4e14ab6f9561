// SPDX-License-Identifier: GPL-2.0-only
/*
 * diag - dumps the sockets of a network namespace (NETLINK_SOCK_DIAG) for the worker.
 *
 * A netlink socket belongs to the namespace it was made in. The messages are not looked at here beyond the end mark: the
 * worker parses them.
 */
#include "kernel/diag.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/netns.h"

static int socket_in(int pid)
{
	int own, sock, error = netns_enter(pid, &own);

	if (error)
		return error;
	sock = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (sock < 0)
		error = -errno;
	netns_return(own);
	return error ? error : sock;
}

static int ask(int sock, int family, int protocol, uint32_t states)
{
	struct {
		struct nlmsghdr head;
		struct inet_diag_req_v2 request;
	} message = {
		.head =
			{
				.nlmsg_len = sizeof(message),
				.nlmsg_type = SOCK_DIAG_BY_FAMILY,
				.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			},
		.request =
			{
				.sdiag_family = (uint8_t)family,
				.sdiag_protocol = (uint8_t)protocol,
				.idiag_states = states,
			},
	};

	return send(sock, &message, sizeof(message), 0) < 0 ? -errno : 0;
}

/* Does this datagram hold the end of the dump, or an error (negative errno in ret_error)? */
static int is_last(const char *at, size_t len, int *ret_error)
{
	while (len >= sizeof(struct nlmsghdr)) {
		struct nlmsghdr head;
		size_t step;

		memcpy(&head, at, sizeof(head));
		if (head.nlmsg_type == NLMSG_DONE)
			return 1;
		if (head.nlmsg_type == NLMSG_ERROR) {
			struct nlmsgerr error = {.error = -EIO};

			if (len >= sizeof(head) + sizeof(int))
				memcpy(&error.error, at + sizeof(head), sizeof(int));
			*ret_error = error.error;
			return 1;
		}
		step = NLMSG_ALIGN(head.nlmsg_len);
		if (step < sizeof(head) || step > len)
			return 0;
		at += step;
		len -= step;
	}
	return 0;
}

int diag_dump(int pid, int family, int protocol, uint32_t states, void *out, size_t room)
{
	char *at = out;
	size_t used = 0;
	int sock, error;

	if (family != AF_INET && family != AF_INET6)
		return -EAFNOSUPPORT;
	sock = socket_in(pid);
	if (sock < 0)
		return sock;
	error = ask(sock, family, protocol, states);
	while (!error) {
		ssize_t got = recv(sock, at + used, room - used, MSG_TRUNC);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			error = got < 0 ? -errno : -EIO;
		else if ((size_t)got > room - used)
			error = -ENOSPC;
		else if (is_last(at + used, (size_t)got, &error))
			break;
		else
			used += (size_t)got;
	}
	close(sock);
	return error ? error : (int)used;
}
