// SPDX-License-Identifier: GPL-2.0-only
/* tcp_pair - the broker enters a new network namespace, connects to itself there, and leaves it again. */
#include "kernel/tcp_pair.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int close_with(int fd, int error)
{
	close(fd);
	return error;
}

static int tcp_socket(void)
{
	int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return sock < 0 ? -errno : sock;
}

static int raise_loopback(int sock)
{
	struct ifreq request = {.ifr_flags = IFF_UP | IFF_RUNNING};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "lo");
	return ioctl(sock, SIOCSIFFLAGS, &request) ? -errno : 0;
}

static int listen_anywhere(int sock, struct sockaddr_in *ret_address)
{
	socklen_t bytes = sizeof(*ret_address);

	*ret_address =
		(struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	if (bind(sock, (struct sockaddr *)ret_address, bytes) || listen(sock, 1) ||
	    getsockname(sock, (struct sockaddr *)ret_address, &bytes))
		return -errno;
	return 0;
}

static int connect_to(const struct sockaddr_in *address, int listener, int ret_socks[2])
{
	int client = tcp_socket(), server;

	if (client < 0)
		return client;
	if (connect(client, (const struct sockaddr *)address, sizeof(*address)))
		return close_with(client, -errno);
	server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (server < 0)
		return close_with(client, -errno);
	ret_socks[0] = client;
	ret_socks[1] = server;
	return 0;
}

static int make_pair(int ret_socks[2])
{
	struct sockaddr_in address;
	int listener = tcp_socket(), error;

	if (listener < 0)
		return listener;
	error = raise_loopback(listener);
	if (!error)
		error = listen_anywhere(listener, &address);
	if (!error)
		error = connect_to(&address, listener, ret_socks);
	return close_with(listener, error);
}

int tcp_pair_in_new_namespace(int ret_socks[2], uint64_t *ret_inode)
{
	int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), error;
	struct stat st = {};

	if (own < 0)
		return -errno;
	if (unshare(CLONE_NEWNET))
		return close_with(own, -errno);
	error = make_pair(ret_socks);
	if (stat("/proc/self/ns/net", &st))
		st.st_ino = 0;
	if (setns(own, CLONE_NEWNET)) /* can't happen: it was ours a moment ago */
		_exit(1);
	close(own);
	*ret_inode = st.st_ino;
	return error;
}
