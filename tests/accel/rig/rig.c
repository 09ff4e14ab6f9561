// SPDX-License-Identifier: GPL-2.0-only
/* rig - addresses, sockets and known bodies, for the programs of the sidecar rig. */
#include "rig.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <time.h>

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_un un;
	};
	socklen_t bytes;
};

void give_up(const char *what)
{
	perror(what);
	exit(2);
}

static struct address address_of(const char *text)
{
	struct address address = {};
	const char *colon = strrchr(text, ':');
	char ip[64] = "0.0.0.0";

	if (!strncmp(text, "unix:", 5)) {
		address.un.sun_family = AF_UNIX;
		snprintf(address.un.sun_path, sizeof(address.un.sun_path), "%s", text + 5);
		address.bytes = sizeof(address.un);
		return address;
	}
	if (!colon)
		give_up("an address is IP:PORT or unix:PATH");
	if (colon > text)
		snprintf(ip, sizeof(ip), "%.*s", (int)(colon - text), text);
	address.in.sin_family = AF_INET;
	address.in.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
	if (inet_pton(AF_INET, ip, &address.in.sin_addr) != 1)
		give_up("not an address");
	address.bytes = sizeof(address.in);
	return address;
}

void socket_ready(int sock)
{
	int one = 1;

	setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* (a Unix socket refuses it) */
}

int listen_on(const char *text)
{
	struct address address = address_of(text);
	int sock = socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

	if (address.any.sa_family == AF_UNIX)
		unlink(address.un.sun_path);
	setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(sock, &address.any, address.bytes) || listen(sock, 4096))
		give_up(text);
	return sock;
}

int connect_to_address(const struct sockaddr *to, socklen_t bytes)
{
	int sock = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (sock < 0)
		return -1;
	socket_ready(sock);
	if (connect(sock, to, bytes) && errno != EINPROGRESS) {
		close(sock);
		return -1;
	}
	return sock;
}

int connect_to(const char *text)
{
	struct address address = address_of(text);

	return connect_to_address(&address.any, address.bytes);
}

void raise_file_limit(void)
{
	struct rlimit limit = {RIG_SOCKETS, RIG_SOCKETS};

	setrlimit(RLIMIT_NOFILE, &limit);
}

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

const uint8_t *body_of(uint32_t number)
{
	static uint8_t *table;

	if (!table) {
		table = malloc(RIG_TABLE);
		if (!table)
			give_up("memory");
		for (size_t i = 0; i < RIG_TABLE; i++)
			table[i] = (uint8_t)((i * 0x9e3779b97f4a7c15ull) >> 56);
	}
	return table + number % RIG_OFFSETS;
}

size_t head_end(const char *head, size_t bytes, size_t *ret_length)
{
	const char *end = memmem(head, bytes, "\r\n\r\n", 4), *line = head;

	if (!end)
		return 0;
	*ret_length = 0;
	while (line < end) {
		if (!strncasecmp(line, "content-length:", 15))
			*ret_length = strtoul(line + 15, NULL, 10);
		line = (const char *)memchr(line, '\n', (size_t)(end + 4 - line)) + 1;
	}
	return (size_t)(end - head) + 4;
}
