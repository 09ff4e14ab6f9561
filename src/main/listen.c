// SPDX-License-Identifier: GPL-2.0-only
/* listen - the sockets of the API, bound by the process that may. */
#include "main/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { BACKLOG = 128 };

const char *listen_path(const char *address)
{
	return strncmp(address, "unix:", 5) ? NULL : address + 5;
}

static int make_parents(const char *path)
{
	char folder[256];

	if (snprintf(folder, sizeof(folder), "%s", path) >= (int)sizeof(folder))
		return -ENAMETOOLONG;
	for (char *at = folder + 1; (at = strchr(at, '/')); at++) {
		*at = 0;
		if (mkdir(folder, 0755) && errno != EEXIST)
			return -errno;
		*at = '/';
	}
	return 0;
}

static bool is_served(const struct sockaddr_un *address)
{
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool served =
		sock >= 0 && !connect(sock, (const struct sockaddr *)address, sizeof(*address));

	if (sock >= 0)
		close(sock);
	return served;
}

/* The worker of an agent that was killed a moment ago has its sockets until the kernel has taken it apart: looks again
 * for a second before somebody else is said to be there. */
static bool look_again(int *looks)
{
	enum { LOOKS = 20, LOOK_MS = 50 };

	nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000L}, NULL);
	return ++*looks < LOOKS;
}

static bool stays_served(const struct sockaddr_un *address)
{
	int looks = 0;
	bool served;

	do
		served = is_served(address);
	while (served && look_again(&looks));
	return served;
}

static int listen_unix(const char *path, struct err *why)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int sock, error = make_parents(path);
	mode_t mask;

	if (!error && snprintf(address.sun_path, sizeof(address.sun_path), "%s", path) >=
			      (int)sizeof(address.sun_path))
		error = -ENAMETOOLONG;
	if (error)
		return err_set(why, error, "cannot listen on '%s': %s", path, err_name(error));
	if (stays_served(&address))
		return err_set(
			why, -EADDRINUSE,
			"another agent serves '%s'; stop it, or give this one another address with "
			"--set listen=[unix:/path]",
			path);
	unlink(path);
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mask = umask(0117);
	if (sock < 0 || bind(sock, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(sock, BACKLOG)) {
		error = -errno;
		if (sock >= 0)
			close(sock);
		umask(mask);
		return err_set(why, error, "cannot listen on '%s': %s", path, err_name(error));
	}
	umask(mask);
	return sock;
}

union address {
	struct sockaddr any;
	struct sockaddr_in ip4;
	struct sockaddr_in6 ip6;
};

/* "127.0.0.1:8470", "[::1]:8470", ":8470" (all addresses). No names: a static binary has no resolver. */
static int parse(const char *text, union address *ret, socklen_t *ret_size)
{
	char host[64] = "";
	const char *colon = strrchr(text, ':');
	unsigned long port = colon ? strtoul(colon + 1, NULL, 10) : 0;
	size_t len = colon ? (size_t)(colon - text) : 0;

	memset(ret, 0, sizeof(*ret));
	if (!colon || !port || port > 65535 || len >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, len);
	if (!len || host[0] == '[') {
		ret->ip6.sin6_family = AF_INET6;
		ret->ip6.sin6_port = htons((uint16_t)port);
		*ret_size = sizeof(ret->ip6);
		if (!len)
			return 0;
		if (host[len - 1] != ']')
			return -EINVAL;
		host[len - 1] = 0;
		return inet_pton(AF_INET6, host + 1, &ret->ip6.sin6_addr) == 1 ? 0 : -EINVAL;
	}
	if (!strcmp(host, "localhost"))
		snprintf(host, sizeof(host), "127.0.0.1");
	ret->ip4.sin_family = AF_INET;
	ret->ip4.sin_port = htons((uint16_t)port);
	*ret_size = sizeof(ret->ip4);
	return inet_pton(AF_INET, host, &ret->ip4.sin_addr) == 1 ? 0 : -EINVAL;
}

bool listen_is_local(const char *text)
{
	union address address;
	socklen_t size;

	if (listen_path(text))
		return true;
	if (parse(text, &address, &size))
		return false;
	if (address.any.sa_family == AF_INET)
		return ntohl(address.ip4.sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&address.ip6.sin6_addr);
}

static int listen_tcp(const char *text, struct err *why)
{
	union address address;
	socklen_t size;
	int sock, error, one = 1, looks = 0;

	if (parse(text, &address, &size))
		return err_set(why, -EINVAL,
			       "cannot listen on '%s': an address is unix:/path, 127.0.0.1:8470, "
			       "[::1]:8470 or "
			       ":8470",
			       text);
	sock = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock >= 0)
		setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	do
		error = sock < 0 || bind(sock, &address.any, size) || listen(sock, BACKLOG) ? -errno
											    : 0;
	while (error == -EADDRINUSE && look_again(&looks));
	if (error) {
		if (sock >= 0)
			close(sock);
		if (error == -EADDRINUSE)
			return err_set(why, error,
				       "cannot listen on '%s': another program does; give this "
				       "agent another "
				       "address with --set listen=[...]",
				       text);
		return err_set(why, error, "cannot listen on '%s': %s", text, err_name(error));
	}
	return sock;
}

int listen_on(const char *address, struct err *why)
{
	const char *path = listen_path(address);

	return path ? listen_unix(path, why) : listen_tcp(address, why);
}
