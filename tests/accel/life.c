// SPDX-License-Identifier: GPL-2.0-only
/* life - cases about how connections begin and end. */
#include "torture.h"

#define MIB (1u << 20)

static void close_both(struct pair pair)
{
	close(pair.c);
	close(pair.s);
}

static void before_accept(void)
{
	uint16_t port;
	int from = listener(AF_INET, &port);
	struct pair pair = {.c = connect_to(AF_INET, port)};

	send_stream(pair.c, 20000, 0, 1);
	pause_ms(50);
	pair.s = accept_from(from);
	send_stream(pair.c, 20000, 20000, 1);
	receive_stream(pair.s, 40000, 0, 1);
	saw("bytes before accept come first");
	close(from);
	close_both(pair);
}

static void defer_accept(void)
{
	uint16_t port;
	int from = listener(AF_INET, &port);
	struct pair pair;

	set_int(from, IPPROTO_TCP, TCP_DEFER_ACCEPT, 5);
	pair.c = connect_to(AF_INET, port);
	send_stream(pair.c, 1000, 0, 1);
	pair.s = accept_from(from);
	for (uint64_t i = 1; i < 50; i++)
		send_stream(pair.c, 1000, i * 1000, 1);
	receive_stream(pair.s, 50000, 0, 1);
	send_stream(pair.s, 50000, 0, 2);
	receive_stream(pair.c, 50000, 0, 2);
	saw("TCP_DEFER_ACCEPT is right");
	close(from);
	close_both(pair);
}

/* The second connection may carry its first bytes in the SYN. */
static void fast_open(void)
{
	uint16_t port;
	int from = listener(AF_INET, &port);

	setsockopt(from, IPPROTO_TCP, TCP_FASTOPEN, &(int){16}, sizeof(int));
	for (int i = 0; i < 2; i++) {
		struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
		struct pair pair = {.c = socket(AF_INET, SOCK_STREAM, 0)};
		uint8_t block[1000];

		fill(block, sizeof(block), 0, 1);
		if (sendto(pair.c, block, sizeof(block), MSG_FASTOPEN, (struct sockaddr *)&to, sizeof(to)) != sizeof(block))
			fail("MSG_FASTOPEN");
		pair.s = accept_from(from);
		send_stream(pair.c, 9000, 1000, 1);
		receive_stream(pair.s, 10000, 0, 1);
		close_both(pair);
	}
	saw("TCP fast open is right");
	close(from);
}

static void half_close(void)
{
	struct pair pair = connected();
	pid_t pid = fork();

	if (!pid) {
		close(pair.c);
		receive_stream(pair.s, 4 * MIB, 0, 1);
		expect_end(pair.s);
		send_stream(pair.s, MIB, 0, 2);
		_exit(0);
	}
	send_stream(pair.c, 4 * MIB, 0, 1);
	shutdown(pair.c, SHUT_WR);
	close(pair.s);
	receive_stream(pair.c, MIB, 0, 2);
	waitpid(pid, NULL, 0);
	expect_end(pair.c);
	saw("half-close after 4 MiB is right");
	close(pair.c);
}

static void *receive_blocking(void *arg)
{
	char block[65536];
	ssize_t got;
	int sock = *(int *)arg;

	while ((got = recv(sock, block, sizeof(block), 0)) > 0)
		;
	return (void *)(intptr_t)(got < 0 ? errno : 0);
}

static void half_close_blocking(void)
{
	struct pair pair = connected();
	pthread_t reader = start(receive_blocking, &pair.c);
	void *result;

	pause_ms(50);
	send_stream(pair.c, 1000, 0, 1);
	shutdown(pair.c, SHUT_WR);
	receive_stream(pair.s, 1000, 0, 1);
	expect_end(pair.s);
	pause_ms(50);
	send_stream(pair.s, 1000, 0, 2);
	close(pair.s);
	pthread_join(reader, &result);
	saw("a reader that blocks while its own side is shut down ends with %d", (int)(intptr_t)result);
	close(pair.c);
}

static void close_after_write(void)
{
	for (int i = 0; i < 20; i++) {
		struct pair pair = connected();

		send_stream(pair.c, 100000, 0, 1);
		close(pair.c);
		receive_stream(pair.s, 100000, 0, 1);
		expect_end(pair.s);
		close(pair.s);
	}
	saw("all is there when the writer closes at once");
}

static void close_before_accept(void)
{
	uint16_t port;
	int from = listener(AF_INET, &port), sock;

	for (int i = 0; i < 10; i++) {
		int client = connect_to(AF_INET, port);

		send_stream(client, 30000, 0, 1);
		close(client);
		pause_ms(5);
		sock = accept_from(from);
		receive_stream(sock, 30000, 0, 1);
		expect_end(sock);
		close(sock);
	}
	saw("all is there though the writer closed before accept");
	close(from);
}

static void linger_zero(void)
{
	struct pair pair = connected();
	struct linger linger = {1, 0};
	char byte;
	ssize_t got;

	send_stream(pair.c, 1000, 0, 1);
	receive_stream(pair.s, 1000, 0, 1);
	setsockopt(pair.c, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(pair.c);
	wait_for(pair.s, POLLIN);
	got = recv(pair.s, &byte, 1, MSG_DONTWAIT);
	saw("SO_LINGER 0: %zd %s", got, got < 0 ? strerrorname_np(errno) : "");
	close(pair.s);
}

static void reset_unread(void)
{
	struct pair pair = connected();
	char byte;
	ssize_t got;

	send_stream(pair.s, 100, 0, 2);
	receive_stream(pair.c, 100, 0, 2);
	send_stream(pair.c, 1000, 0, 1);
	wait_for(pair.s, POLLIN);
	close(pair.s);
	wait_for(pair.c, POLLIN);
	got = recv(pair.c, &byte, 1, MSG_DONTWAIT);
	saw("closing with unread bytes: the peer %s", got <= 0 ? "is told of the end" : "reads on");
	close(pair.c);
}

static void write_to_closed(void)
{
	struct pair pair = connected();
	char block[1000] = "";
	int tries = 0, error = 0;

	send_stream(pair.c, 1000, 0, 1);
	receive_stream(pair.s, 1000, 0, 1);
	close(pair.s);
	for (; tries < 1000 && !error; tries++, pause_ms(1))
		if (send(pair.c, block, sizeof(block), MSG_NOSIGNAL) < 0)
			error = errno;
	saw("writing to who has closed ends with %s", error == EPIPE || error == ECONNRESET ? "EPIPE or ECONNRESET" : "nothing");
	close(pair.c);
}

static void close_wakes(void)
{
	for (int i = 0; i < 20; i++) {
		struct pair pair = connected();
		pthread_t reader;
		void *result;

		send_stream(pair.c, 5000, 0, 1);
		reader = start(receive_blocking, &pair.s);
		pause_ms(10);
		close(pair.c);
		pthread_join(reader, &result);
		if (result)
			fail("a blocked reader ended with %s", strerrorname_np((int)(intptr_t)result));
		close(pair.s);
	}
	saw("closing wakes a blocked reader");
}

static void shutdown_wakes(void)
{
	struct pair pair = connected();
	pthread_t reader;
	void *result;

	send_stream(pair.c, 1000, 0, 1);
	reader = start(receive_blocking, &pair.s);
	pause_ms(50);
	shutdown(pair.c, SHUT_RDWR);
	pthread_join(reader, &result);
	saw("shutdown wakes a blocked reader: %d", (int)(intptr_t)result);
	close_both(pair);
}

static void no_reader(void)
{
	struct pair pair = connected();
	static uint8_t block[65536];
	size_t total = 0;
	ssize_t done;

	nonblocking(pair.c, true);
	while (total < 64 * MIB) {
		fill(block, sizeof(block), total, 1);
		done = send(pair.c, block, sizeof(block), MSG_NOSIGNAL);
		if (done < 0 && errno == EAGAIN)
			break;
		if (done <= 0)
			fail("send");
		sent(pair.c, (size_t)done);
		total += (size_t)done;
	}
	saw("without a reader %s", total > 100000 && total < 8 * MIB ? "a writer is stopped in time" : "a writer is not stopped in time");
	receive_stream(pair.s, total, 0, 1);
	send_stream(pair.c, 100000, 0, 1);
	receive_stream(pair.s, 100000, 0, 1);
	close_both(pair);
}

enum { MANY = 500, AGAIN = 200 };

static void many(void)
{
	static struct pair pairs[MANY];
	uint16_t port;
	int from = listener(AF_INET, &port);

	for (int i = 0; i < MANY; i++) {
		pairs[i].c = connect_to(AF_INET, port);
		pairs[i].s = accept_from(from);
	}
	for (uint64_t round = 0; round < 3; round++)
		for (int i = 0; i < MANY; i++) {
			send_stream(pairs[i].c, 1000, round * 1000, (uint32_t)i);
			send_stream(pairs[i].s, 500, round * 500, (uint32_t)i + MANY);
		}
	for (int i = 0; i < MANY; i++) {
		receive_stream(pairs[i].s, 3000, 0, (uint32_t)i);
		receive_stream(pairs[i].c, 1500, 0, (uint32_t)i + MANY);
		close_both(pairs[i]);
	}
	saw("%d connections at once are right", MANY);
	close(from);
}

static int connect_from(uint16_t own, uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(own), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	set_int(sock, SOL_SOCKET, SO_REUSEADDR, 1);
	if (bind(sock, (struct sockaddr *)&address, sizeof(address)))
		fail("bind");
	address.sin_port = htons(port);
	if (connect(sock, (struct sockaddr *)&address, sizeof(address)))
		fail("connect from a port");
	count(sock);
	return sock;
}

/* A port that is free, for connecting from. */
static uint16_t free_port(void)
{
	uint16_t port;

	close(listener(AF_INET, &port));
	return port;
}

static void reuse(void)
{
	uint16_t port, own = free_port();
	int from = listener(AF_INET, &port);
	struct linger linger = {1, 0};

	for (uint32_t i = 0; i < AGAIN; i++) {
		struct pair pair = {.c = connect_from(own, port)};

		pair.s = accept_from(from);
		send_stream(pair.c, 2000, 0, i);
		send_stream(pair.s, 2000, 0, i + 1);
		receive_stream(pair.s, 2000, 0, i);
		receive_stream(pair.c, 2000, 0, i + 1);
		setsockopt(pair.c, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
		close_both(pair);
	}
	saw("the same four numbers %d times are right", AGAIN);
	close(from);
}

static void one_port_two_peers(void)
{
	uint16_t port[2], own = free_port();
	int from[2] = {listener(AF_INET, &port[0]), listener(AF_INET, &port[1])};
	struct pair pair[2];

	for (uint32_t i = 0; i < 2; i++) {
		pair[i].c = connect_from(own, port[i]);
		pair[i].s = accept_from(from[i]);
	}
	for (uint32_t i = 0; i < 2; i++)
		send_stream(pair[i].c, 50000, 0, i);
	for (uint32_t i = 0; i < 2; i++)
		receive_stream(pair[i].s, 50000, 0, i);
	saw("one port, two peers: right");
	close_both(pair[0]);
	close_both(pair[1]);
}

static void short_lives(void)
{
	uint16_t port;
	int from = listener(AF_INET, &port);

	for (int i = 0; i < 500; i++) {
		struct pair pair = {.c = connect_to(AF_INET, port)};

		pair.s = accept_from(from);
		send_stream(pair.c, 200, 0, 1);
		receive_stream(pair.s, 200, 0, 1);
		send_stream(pair.s, 700, 0, 2);
		close(pair.s);
		receive_stream(pair.c, 700, 0, 2);
		expect_end(pair.c);
		close(pair.c);
	}
	saw("500 short connections are right");
	close(from);
}

static void refused_and_silent(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(free_port()), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int sock = socket(AF_INET, SOCK_STREAM, 0), result = connect(sock, (struct sockaddr *)&to, sizeof(to));

	saw("where nobody listens: %d %s", result, strerrorname_np(errno));
	close(sock);
}

static void nonblocking_connect(void)
{
	uint16_t port;
	int from = listener(AF_INET, &port);
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct pair pair = {.c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)};
	int result = connect(pair.c, (struct sockaddr *)&to, sizeof(to)), error = result ? errno : 0;

	if (error && error != EINPROGRESS)
		fail("connect");
	count(pair.c);
	wait_for(pair.c, POLLOUT);
	pair.s = accept_from(from);
	nonblocking(pair.s, true);
	send_stream(pair.c, 100000, 0, 1);
	receive_stream(pair.s, 100000, 0, 1);
	saw("a connection that was made without waiting is right");
	close(from);
	close_both(pair);
}

const struct torture_case cases_life[] = {
	{"before_accept", before_accept, false},
	{"defer_accept", defer_accept, false},
	{"fast_open", fast_open, false},
	{"half_close", half_close, false},
	{"half_close_blocking", half_close_blocking, true},
	{"close_after_write", close_after_write, false},
	{"close_before_accept", close_before_accept, false},
	{"linger_zero", linger_zero, false},
	{"reset_unread", reset_unread, false},
	{"write_to_closed", write_to_closed, false},
	{"close_wakes", close_wakes, false},
	{"shutdown_wakes", shutdown_wakes, false},
	{"no_reader", no_reader, false},
	{"many", many, false},
	{"reuse", reuse, false},
	{"one_port_two_peers", one_port_two_peers, false},
	{"short_lives", short_lives, false},
	{"refused", refused_and_silent, false},
	{"nonblocking_connect", nonblocking_connect, false},
	{},
};
