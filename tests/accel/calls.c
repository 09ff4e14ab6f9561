// SPDX-License-Identifier: GPL-2.0-only
/* calls - cases about single system calls: flags, options, waiting, counting. */
#include "torture.h"

#include <linux/errqueue.h>
#include <linux/sockios.h>
#include <sys/mman.h>
#include <sys/select.h>

static void close_both(struct pair pair)
{
	close(pair.c);
	close(pair.s);
}

static void nothing_yet(int sock)
{
	char byte;

	if (recv(sock, &byte, 1, MSG_DONTWAIT) != -1 || errno != EAGAIN)
		fail("EAGAIN was expected");
}

static void dontwait(void)
{
	struct pair pair = connected();

	nothing_yet(pair.s);
	send_stream(pair.c, 1000, 0, 1);
	receive_stream(pair.s, 1000, 0, 1);
	nothing_yet(pair.s);
	nothing_yet(pair.c);
	saw("EAGAIN where nothing is");
	close_both(pair);
}

static void peek(void)
{
	struct pair pair = connected();
	uint8_t one[1000], two[1000];
	ssize_t first, second;

	send_stream(pair.c, 1000, 0, 1);
	wait_for(pair.s, POLLIN);
	first = recv(pair.s, one, 1000, MSG_PEEK);
	second = recv(pair.s, two, 400, MSG_PEEK);
	check(one, (size_t)first, 0, 1);
	check(two, (size_t)second, 0, 1);
	receive_stream(pair.s, 600, 0, 1);
	first = recv(pair.s, one, 1000, MSG_PEEK);
	check(one, (size_t)first, 600, 1);
	receive_stream(pair.s, 400, 600, 1);
	nothing_yet(pair.s);
	saw("peeked %zd of 400, then %zd", second, first);
	close_both(pair);
}

static void *send_in_two(void *arg)
{
	int sock = *(int *)arg;

	send_stream(sock, 600, 0, 1);
	pause_ms(100);
	send_stream(sock, 400, 600, 1);
	return NULL;
}

static void waitall(void)
{
	struct pair pair = connected();
	uint8_t block[1000];
	pthread_t writer = start(send_in_two, &pair.c);
	ssize_t got = recv(pair.s, block, sizeof(block), MSG_WAITALL);

	pthread_join(writer, NULL);
	saw("MSG_WAITALL got %zd", got);
	close_both(pair);
}

static void truncated(void)
{
	struct pair pair = connected();
	ssize_t got;

	send_stream(pair.c, 1000, 0, 1);
	wait_for(pair.s, POLLIN);
	got = recv(pair.s, NULL, 400, MSG_TRUNC);
	saw("MSG_TRUNC dropped %zd", got);
	receive_stream(pair.s, 600, 400, 1);
	close_both(pair);
}

static int unread(int sock)
{
	int bytes = -1;

	ioctl(sock, FIONREAD, &bytes);
	return bytes;
}

static void fionread_cold(void)
{
	struct pair pair = connected();
	int before = unread(pair.s), after;

	send_stream(pair.c, 3333, 0, 1);
	wait_for(pair.s, POLLIN);
	after = unread(pair.s);
	receive_stream(pair.s, 3333, 0, 1);
	saw("FIONREAD %d, %d, %d", before, after, unread(pair.s));
	close_both(pair);
}

static void fionread_later(void)
{
	struct pair pair = connected();
	char text[200] = "";

	for (int i = 0; i < 5; i++) {
		size_t used = strlen(text);

		send_stream(pair.c, 1000, (uint64_t)i * 1000, 1);
		wait_for(pair.s, POLLIN);
		receive_stream(pair.s, 300, (uint64_t)i * 1000, 1);
		snprintf(text + used, sizeof(text) - used, " %d", unread(pair.s));
		receive_stream(pair.s, 700, (uint64_t)i * 1000 + 300, 1);
	}
	saw("FIONREAD after parts were read:%s", text);
	close_both(pair);
}

/* What nginx does: it waits for an event, asks how much there is, and reads only that. */
static void fionread_driven(void)
{
	struct pair pair = connected();
	uint64_t place = 0;

	for (int i = 0; i < 200; i++) {
		size_t bytes = 1 + chance(9000), left = bytes;

		send_stream(pair.c, bytes, place, 1);
		while (left) {
			int ready;

			wait_for(pair.s, POLLIN);
			ready = unread(pair.s);
			if (ready <= 0 || (size_t)ready > left)
				fail("FIONREAD says %d of %zu", ready, left);
			receive_stream(pair.s, (size_t)ready, place, 1);
			place += (uint64_t)ready;
			left -= (size_t)ready;
		}
	}
	saw("reading what FIONREAD says is right");
	close_both(pair);
}

static void outq(void)
{
	struct pair pair = connected();
	int left = -1;

	send_stream(pair.c, 5000, 0, 1);
	receive_stream(pair.s, 5000, 0, 1);
	for (int i = 0; i < 500 && left; i++, pause_ms(10))
		ioctl(pair.c, SIOCOUTQ, &left);
	saw("SIOCOUTQ comes down to %d", left);
	close_both(pair);
}

static void rcvlowat(void)
{
	struct pair pair = connected();
	struct pollfd wait = {pair.s, POLLIN, 0};
	int early, late;

	set_int(pair.s, SOL_SOCKET, SO_RCVLOWAT, 1000);
	send_stream(pair.c, 500, 0, 1);
	early = poll(&wait, 1, 200);
	send_stream(pair.c, 500, 500, 1);
	late = poll(&wait, 1, 5000);
	saw("SO_RCVLOWAT: woken early %d, late %d", early, late);
	close_both(pair);
}

static int epoll_of(int sock, uint32_t events)
{
	struct epoll_event event = {.events = events};
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	epoll_ctl(epoll, EPOLL_CTL_ADD, sock, &event);
	return epoll;
}

static uint32_t event_of(int epoll, int ms)
{
	struct epoll_event event = {};

	return epoll_wait(epoll, &event, 1, ms) == 1 ? event.events : 0;
}

static void epoll_edges(void)
{
	struct pair pair = connected();
	int epoll = epoll_of(pair.s, EPOLLIN | EPOLLET), right = 0;

	for (int i = 0; i < 100; i++) {
		send_stream(pair.c, 700, (uint64_t)i * 700, 1);
		if (!(event_of(epoll, PATIENCE_MS) & EPOLLIN))
			fail("no edge for message %d", i);
		receive_stream(pair.s, 700, (uint64_t)i * 700, 1);
		right++;
	}
	saw("%d edges; without anything new: %x", right, event_of(epoll, 50));
	close(epoll);
	close_both(pair);
}

static void epoll_level(void)
{
	struct pair pair = connected();
	int epoll = epoll_of(pair.s, EPOLLIN);
	uint32_t seen[3];

	send_stream(pair.c, 700, 0, 1);
	seen[0] = event_of(epoll, PATIENCE_MS);
	seen[1] = event_of(epoll, PATIENCE_MS);
	receive_stream(pair.s, 700, 0, 1);
	seen[2] = event_of(epoll, 50);
	saw("level: %x %x %x", seen[0], seen[1], seen[2]);
	close(epoll);
	close_both(pair);
}

static void epoll_oneshot(void)
{
	struct pair pair = connected();
	int epoll = epoll_of(pair.s, EPOLLIN | EPOLLONESHOT);
	struct epoll_event again = {.events = EPOLLIN | EPOLLONESHOT};
	uint32_t first, second, third;

	send_stream(pair.c, 700, 0, 1);
	first = event_of(epoll, PATIENCE_MS);
	send_stream(pair.c, 700, 700, 1);
	second = event_of(epoll, 50);
	epoll_ctl(epoll, EPOLL_CTL_MOD, pair.s, &again);
	third = event_of(epoll, PATIENCE_MS);
	receive_stream(pair.s, 1400, 0, 1);
	saw("one shot: %x %x %x", first, second, third);
	close(epoll);
	close_both(pair);
}

static void epoll_rdhup(void)
{
	struct pair pair = connected();
	int epoll = epoll_of(pair.s, EPOLLIN | EPOLLRDHUP | EPOLLET);
	uint32_t seen = 0;

	send_stream(pair.c, 3000, 0, 1);
	shutdown(pair.c, SHUT_WR);
	for (uint64_t until = now_ms() + 20000; !(seen & EPOLLRDHUP) && now_ms() < until;)
		seen |= event_of(epoll, 1000);
	receive_stream(pair.s, 3000, 0, 1);
	expect_end(pair.s);
	saw("events at the end: %x", seen);
	close(epoll);
	close_both(pair);
}

static void *send_later(void *arg)
{
	pause_ms(100);
	send_stream(*(int *)arg, 10, 0, 1);
	return NULL;
}

static void poll_wakes(void)
{
	struct pair pair = connected();

	for (int i = 0; i < 10; i++) {
		pthread_t writer = start(send_later, &pair.c);
		uint64_t from = now_ms();

		wait_for(pair.s, POLLIN);
		if (now_ms() - from > 5000)
			fail("poll was woken late");
		receive_stream(pair.s, 10, 0, 1);
		pthread_join(writer, NULL);
	}
	saw("poll is woken");
	close_both(pair);
}

static void select_wakes(void)
{
	struct pair pair = connected();
	pthread_t writer = start(send_later, &pair.c);
	struct timeval patience = {60, 0};
	fd_set in, out;
	int ready;

	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(pair.s, &in);
	ready = select(pair.s + 1, &in, NULL, NULL, &patience);
	FD_SET(pair.c, &out);
	saw("select: %d to read, %d to write", ready, select(pair.c + 1, NULL, &out, NULL, &patience));
	receive_stream(pair.s, 10, 0, 1);
	pthread_join(writer, NULL);
	close_both(pair);
}

static void *echo_blocking(void *arg)
{
	int sock = *(int *)arg;
	char block[4096];
	ssize_t got;

	while ((got = recv(sock, block, sizeof(block), 0)) > 0)
		if (send(sock, block, (size_t)got, MSG_NOSIGNAL) != got)
			return (void *)1;
		else
			sent(sock, (size_t)got);
	return got ? (void *)2 : NULL;
}

/* Readers that block, woken by data only. */
static void blocking(void)
{
	struct pair pair = connected();
	pthread_t peer = start(echo_blocking, &pair.s);
	uint8_t block[4096];
	void *result;

	for (uint64_t i = 0; i < 300; i++) {
		size_t bytes = 1 + chance(4000), got = 0;

		fill(block, bytes, i, 1);
		if (send(pair.c, block, bytes, MSG_NOSIGNAL) != (ssize_t)bytes)
			fail("send");
		sent(pair.c, bytes);
		while (got < bytes) {
			ssize_t part = recv(pair.c, block + got, bytes - got, 0);

			if (part <= 0)
				fail("a blocking recv returned %zd", part);
			got += (size_t)part;
		}
		check(block, bytes, i, 1);
	}
	close(pair.c);
	pthread_join(peer, &result);
	saw("blocking readers are right, the last returned %p", result);
	close(pair.s);
}

static void rcvtimeo(void)
{
	struct pair pair = connected();
	struct timeval time = {0, 200000};
	uint64_t from = now_ms();
	char byte;
	ssize_t got;

	setsockopt(pair.s, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
	got = recv(pair.s, &byte, 1, 0);
	saw("SO_RCVTIMEO: %zd %s, %s", got, strerrorname_np(errno),
	    now_ms() - from >= 190 ? "after the time" : "too early");
	send_stream(pair.c, 100, 0, 1);
	receive_stream(pair.s, 100, 0, 1);
	close_both(pair);
}

static void sndtimeo(void)
{
	struct pair pair = connected();
	struct timeval time = {0, 300000};
	static uint8_t block[65536];
	size_t total = 0;
	ssize_t done;

	setsockopt(pair.c, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time));
	fill(block, sizeof(block), 0, 1);
	while ((done = send(pair.c, block, sizeof(block), MSG_NOSIGNAL)) > 0 && total < 100u << 20)
		total += (size_t)done;
	saw("SO_SNDTIMEO: %zd %s, %s", done, strerrorname_np(errno),
	    total > 65536 && total < 8u << 20 ? "a bounded number of bytes" : "too few or too many bytes");
	close_both(pair);
}

static void *splice_reader(void *arg)
{
	int *socks = arg;
	ssize_t got = splice(socks[0], NULL, socks[1], NULL, 4096, SPLICE_F_NONBLOCK);

	return (void *)(intptr_t)got;
}

static void splice_in(void)
{
	struct pair pair = connected();
	uint8_t block[4096];
	int pipes[2], args[2];
	void *got;

	if (pipe(pipes))
		fail("pipe");
	send_stream(pair.c, 4096, 0, 1);
	wait_for(pair.s, POLLIN);
	args[0] = pair.s;
	args[1] = pipes[1];
	pthread_join(start(splice_reader, args), &got);
	if ((intptr_t)got > 0 && read(pipes[0], block, (size_t)got) == (ssize_t)(intptr_t)got)
		check(block, (size_t)got, 0, 1);
	saw("splice from a socket: %zd", (ssize_t)(intptr_t)got);
	close_both(pair);
}

static void zerocopy(void)
{
	struct pair pair = connected();
	static uint8_t block[32768];
	char control[256];
	struct msghdr message = {.msg_control = control, .msg_controllen = sizeof(control)};
	struct pollfd wait = {pair.c, 0, 0};
	ssize_t done;

	set_int(pair.c, SOL_SOCKET, SO_ZEROCOPY, 1);
	fill(block, sizeof(block), 0, 1);
	done = send(pair.c, block, sizeof(block), MSG_ZEROCOPY | MSG_NOSIGNAL);
	sent(pair.c, done > 0 ? (size_t)done : 0);
	receive_stream(pair.s, sizeof(block), 0, 1);
	poll(&wait, 1, 1000);
	saw("MSG_ZEROCOPY: sent %zd, completed %s", done,
	    recvmsg(pair.c, &message, MSG_ERRQUEUE | MSG_DONTWAIT) >= 0 ? "yes" : "no");
	close_both(pair);
}

static void oob(void)
{
	struct pair pair = connected();
	char bytes[4] = "";
	ssize_t urgent, normal;
	int at_mark = 0;

	send(pair.c, "ab", 2, 0);
	send(pair.c, "!", 1, MSG_OOB);
	sent(pair.c, 3);
	wait_for(pair.s, POLLIN);
	pause_ms(50);
	urgent = recv(pair.s, bytes, 1, MSG_OOB);
	normal = recv(pair.s, bytes, 2, MSG_DONTWAIT);
	ioctl(pair.s, SIOCATMARK, &at_mark);
	saw("MSG_OOB: %zd urgent, %zd others, mark %d", urgent, normal, at_mark);
	close_both(pair);
}

static void tcp_inq(void)
{
	struct pair pair = connected();
	char block[100], control[128];
	struct iovec piece = {block, sizeof(block)};
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *part;
	int left = -1;

	set_int(pair.s, IPPROTO_TCP, 36 /* TCP_INQ */, 1);
	send_stream(pair.c, 1000, 0, 1);
	wait_for(pair.s, POLLIN);
	if (recvmsg(pair.s, &message, 0) != 100)
		fail("recvmsg");
	part = CMSG_FIRSTHDR(&message);
	if (part)
		memcpy(&left, CMSG_DATA(part), sizeof(left));
	saw("TCP_INQ says %d are left", left);
	close_both(pair);
}

static void bad_address(void)
{
	struct pair pair = connected();
	ssize_t out = send(pair.c, (void *)8, 100, MSG_NOSIGNAL);
	int out_errno = out < 0 ? errno : 0, in_errno;
	ssize_t in;

	send_stream(pair.c, 100, 0, 1);
	wait_for(pair.s, POLLIN);
	in = recv(pair.s, (void *)8, 100, MSG_DONTWAIT);
	in_errno = in < 0 ? errno : 0;
	saw("bad address: send %zd %s, recv %zd %s", out, strerrorname_np(out_errno), in, strerrorname_np(in_errno));
	close_both(pair);
}

static void nothing_at_all(void)
{
	struct pair pair = connected();
	char byte;
	ssize_t out = send(pair.c, &byte, 0, 0);

	send_stream(pair.c, 100, 0, 1);
	receive_stream(pair.s, 100, 0, 1);
	saw("sending nothing: %zd", out);
	close_both(pair);
}

static void keepalive(void)
{
	struct pair pair = connected();

	set_int(pair.c, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_int(pair.c, IPPROTO_TCP, TCP_KEEPIDLE, 1);
	set_int(pair.c, IPPROTO_TCP, TCP_KEEPINTVL, 1);
	set_int(pair.c, IPPROTO_TCP, TCP_KEEPCNT, 2);
	set_int(pair.c, IPPROTO_TCP, TCP_USER_TIMEOUT, 2000);
	for (int i = 0; i < 2; i++) {
		send_stream(pair.c, 1000, (uint64_t)i * 1000, 1);
		receive_stream(pair.s, 1000, (uint64_t)i * 1000, 1);
		pause_ms(i ? 0 : 3500);
	}
	saw("keepalive and USER_TIMEOUT leave an idle connection alone");
	close_both(pair);
}

static void names(void)
{
	struct pair pair = connected();
	struct sockaddr_in own = {}, peer = {};
	socklen_t bytes = sizeof(own);
	int type = 0, error = -1;

	send_stream(pair.c, 1000, 0, 1);
	receive_stream(pair.s, 1000, 0, 1);
	getsockname(pair.c, (struct sockaddr *)&own, &bytes);
	getpeername(pair.s, (struct sockaddr *)&peer, &bytes);
	bytes = sizeof(int);
	getsockopt(pair.c, SOL_SOCKET, SO_TYPE, &type, &bytes);
	getsockopt(pair.c, SOL_SOCKET, SO_ERROR, &error, &bytes);
	saw("names agree: %d, type %d, error %d", own.sin_port == peer.sin_port, type, error);
	close_both(pair);
}

const struct torture_case cases_calls[] = {
	{"dontwait", dontwait, false},
	{"peek", peek, false},
	{"waitall", waitall, true},
	{"trunc", truncated, true},
	{"fionread_cold", fionread_cold, false},
	{"fionread_later", fionread_later, false},
	{"fionread_driven", fionread_driven, false},
	{"outq", outq, false},
	{"rcvlowat", rcvlowat, true},
	{"epoll_edges", epoll_edges, false},
	{"epoll_level", epoll_level, false},
	{"epoll_oneshot", epoll_oneshot, false},
	{"epoll_rdhup", epoll_rdhup, false},
	{"poll_wakes", poll_wakes, false},
	{"select_wakes", select_wakes, false},
	{"blocking", blocking, false},
	{"rcvtimeo", rcvtimeo, false},
	{"sndtimeo", sndtimeo, false},
	{"splice_in", splice_in, true},
	{"zerocopy", zerocopy, true},
	{"oob", oob, true},
	{"tcp_inq", tcp_inq, true},
	{"bad_address", bad_address, true},
	{"nothing_at_all", nothing_at_all, false},
	{"keepalive", keepalive, false},
	{"names", names, false},
	{},
};
