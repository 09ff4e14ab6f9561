// SPDX-License-Identifier: GPL-2.0-only
/*
 * relay - the smallest sidecar: bytes of each connection that it accepts go to where that one wanted to (SO_ORIGINAL_DST, what
 * REDIRECT has changed), and back.
 *
 *	relay LISTEN [DEST]
 *
 * DEST: always there. `127.0.0.1:` without a port: that address, at the port that was wanted (a sidecar before its
 * application). Addresses: IP:PORT, :PORT, unix:PATH.
 */
#include "rig.h"

#include <arpa/inet.h>
#include <linux/netfilter_ipv4.h>
#include <netinet/in.h>

enum { BUFFER_BYTES = 65536, EVENTS = 256 };

/* One direction: what was read from one end and not yet written to the other. */
struct way {
	uint8_t *bytes;
	size_t from, to;
	bool ended, told; /* no more will come; the other end knows */
};

struct end {
	struct end *other;
	struct way in; /* read here, written to `other` */
	int sock;
	uint32_t events;
	bool watched, dead;
};

static int epoll;
static const char *destination;

static struct end *end_new(int sock)
{
	struct end *end = calloc(1, sizeof(*end));

	if (!end || !(end->in.bytes = malloc(BUFFER_BYTES)))
		give_up("memory");
	end->sock = sock;
	return end;
}

static void watch(struct end *end, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = end};

	if (end->watched && end->events == events)
		return;
	if (epoll_ctl(epoll, end->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, end->sock, &event))
		give_up("epoll_ctl");
	end->watched = true;
	end->events = events;
}

static int wanted(int sock, struct sockaddr_in *ret_to)
{
	socklen_t bytes = sizeof(*ret_to);

	if (getsockopt(sock, SOL_IP, SO_ORIGINAL_DST, ret_to, &bytes))
		return getsockname(sock, (struct sockaddr *)ret_to, &bytes);
	return 0;
}

static int connect_onward(int from)
{
	struct sockaddr_in to = {};
	size_t length = destination ? strlen(destination) : 0;

	if (length && destination[length - 1] != ':')
		return connect_to(destination);
	if (wanted(from, &to))
		return -1;
	if (length)
		to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return connect_to_address((struct sockaddr *)&to, sizeof(to));
}

static void accept_all(int listener)
{
	int sock;

	while ((sock = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		int onward = connect_onward(sock);
		struct end *one, *two;

		if (onward < 0) {
			close(sock);
			continue;
		}
		socket_ready(sock);
		one = end_new(sock);
		two = end_new(onward);
		one->other = two;
		two->other = one;
		watch(one, EPOLLIN);
		watch(two, EPOLLIN);
	}
}

/* False: the connection is of no use any more. */
static bool write_on(struct end *end)
{
	struct way *way = &end->in;

	while (way->from < way->to) {
		ssize_t done = send(end->other->sock, way->bytes + way->from, way->to - way->from, MSG_NOSIGNAL);

		if (done < 0 && (errno == EAGAIN || errno == EINPROGRESS || errno == ENOTCONN))
			return true;
		if (done <= 0)
			return false;
		way->from += (size_t)done;
	}
	way->from = way->to = 0;
	if (way->ended && !way->told) {
		shutdown(end->other->sock, SHUT_WR);
		way->told = true;
	}
	return true;
}

static bool read_in(struct end *end)
{
	struct way *way = &end->in;
	ssize_t got;

	if (way->to || way->ended)
		return true;
	got = recv(end->sock, way->bytes, BUFFER_BYTES, 0);
	if (got < 0)
		return errno == EAGAIN || errno == EINPROGRESS || errno == ENOTCONN;
	way->to = (size_t)got;
	way->ended = !got;
	return write_on(end);
}

static void want(struct end *end)
{
	watch(end, (end->in.to || end->in.ended ? 0 : EPOLLIN) | (end->other->in.to ? EPOLLOUT : 0));
}

static void finish(struct end *end)
{
	struct end *both[] = {end, end->other};

	for (int i = 0; i < 2; i++) {
		close(both[i]->sock);
		both[i]->dead = true;
	}
}

static void serve(struct end *end, uint32_t events)
{
	bool good = true;

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		good = read_in(end);
	if (good && events & EPOLLOUT)
		good = write_on(end->other);
	if (!good || (end->in.told && end->other->in.told) || events & EPOLLERR) {
		finish(end);
		return;
	}
	want(end);
	want(end->other);
}

static void forget(struct end *end)
{
	struct end *other = end->other;

	free(end->in.bytes);
	free(other->in.bytes);
	free(end);
	free(other);
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS], event = {.events = EPOLLIN};
	int listener;

	if (argc < 2)
		return 2;
	raise_file_limit();
	destination = argv[2];
	epoll = epoll_create1(EPOLL_CLOEXEC);
	listener = listen_on(argv[1]);
	epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
	for (;;) {
		int count = epoll_wait(epoll, events, EVENTS, -1);
		struct end *done[EVENTS];
		int ended = 0;

		for (int i = 0; i < count; i++) {
			struct end *end = events[i].data.ptr;

			if (!end) {
				accept_all(listener);
			} else if (!end->dead) {
				serve(end, events[i].events);
				if (end->dead)
					done[ended++] = end;
			}
		}
		while (ended)
			forget(done[--ended]);
	}
}
