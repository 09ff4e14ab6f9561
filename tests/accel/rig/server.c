// SPDX-License-Identifier: GPL-2.0-only
/*
 * server - a small HTTP server whose answers are known byte for byte: GET /BYTES/NUMBER answers with that body, a request
 * with a body is answered with its bytes.
 *
 *	server LISTEN...
 */
#include "rig.h"

enum { EVENTS = 256, LISTENERS = 4, ROOM = RIG_HEAD + RIG_BODY };

struct client {
	int sock;
	bool closing; /* after this answer */
	char *in; /* ROOM; a request that is not whole */
	size_t got;
	char head[256];
	size_t head_bytes, head_sent;
	const uint8_t *body;
	size_t body_bytes, body_sent;
	size_t used; /* bytes of `in` that the answer is about */
};

static int epoll;

static void finish(struct client *client)
{
	close(client->sock);
	free(client->in);
	free(client);
}

/* False: wait for room. */
static bool sends(struct client *client, const void *bytes, size_t count, size_t *sent, int flags, bool *ret_broken)
{
	while (*sent < count) {
		ssize_t done = send(client->sock, (const char *)bytes + *sent, count - *sent, MSG_NOSIGNAL | flags);

		if (done < 0 && errno == EAGAIN)
			return false;
		if (done <= 0) {
			*ret_broken = true;
			return false;
		}
		*sent += (size_t)done;
	}
	return true;
}

/* Small answers in one piece, as servers do. */
static bool answer(struct client *client, bool *ret_broken)
{
	if (client->body_bytes <= sizeof(client->head) * 64 && !client->head_sent && !client->body_sent) {
		char whole[sizeof(client->head) * 65];
		size_t sent = 0, bytes = client->head_bytes + client->body_bytes;

		memcpy(whole, client->head, client->head_bytes);
		memcpy(whole + client->head_bytes, client->body, client->body_bytes);
		sends(client, whole, bytes, &sent, 0, ret_broken);
		client->head_sent = sent < client->head_bytes ? sent : client->head_bytes;
		client->body_sent = sent - client->head_sent;
		return sent == bytes;
	}
	return sends(client, client->head, client->head_bytes, &client->head_sent, MSG_MORE, ret_broken) &&
	       sends(client, client->body, client->body_bytes, &client->body_sent, 0, ret_broken);
}

/* Is there a whole request? Then its answer stands ready. */
static bool understand(struct client *client)
{
	size_t length, head = head_end(client->in, client->got, &length);
	unsigned long bytes = 0, number = 0;

	if (!head || client->got < head + length)
		return false;
	client->used = head + length;
	if (length) {
		client->body = (uint8_t *)client->in + head;
		client->body_bytes = length;
	} else {
		if (sscanf(client->in, "GET /%lu/%lu", &bytes, &number) < 1 || bytes > RIG_BODY)
			bytes = 0;
		client->body = body_of((uint32_t)number);
		client->body_bytes = bytes;
	}
	client->closing = memmem(client->in, head, "onnection: close", 16);
	client->head_bytes = (size_t)snprintf(client->head, sizeof(client->head),
					      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n%s\r\n",
					      client->body_bytes, client->closing ? "Connection: close\r\n" : "");
	client->head_sent = client->body_sent = 0;
	return true;
}

static void watch(struct client *client, uint32_t events, int how)
{
	struct epoll_event event = {.events = events, .data.ptr = client};

	epoll_ctl(epoll, how, client->sock, &event);
}

/* False: the connection is over. */
static bool serve(struct client *client, uint32_t events)
{
	bool broken = false;
	ssize_t got;

	if (client->used && !answer(client, &broken))
		return !broken;
	for (;;) {
		if (client->used) {
			memmove(client->in, client->in + client->used, client->got - client->used);
			client->got -= client->used;
			client->used = 0;
			if (events & EPOLLOUT)
				watch(client, EPOLLIN, EPOLL_CTL_MOD);
			if (client->closing)
				return false;
		}
		if (!client->got || !understand(client)) {
			got = recv(client->sock, client->in + client->got, ROOM - client->got, 0);
			if (got <= 0)
				return got < 0 && errno == EAGAIN;
			client->got += (size_t)got;
			if (!understand(client))
				continue;
		}
		if (!answer(client, &broken)) {
			watch(client, EPOLLOUT, EPOLL_CTL_MOD);
			return !broken;
		}
		if (client->used == client->got && !client->closing) {
			client->got = client->used = 0;
			return true;
		}
	}
}

static void accept_all(int listener)
{
	int sock;

	while ((sock = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct client *client = calloc(1, sizeof(*client));

		if (!client || !(client->in = malloc(ROOM)))
			give_up("memory");
		client->sock = sock;
		socket_ready(sock);
		watch(client, EPOLLIN, EPOLL_CTL_ADD);
	}
}

int main(int argc, char **argv)
{
	static int listener[LISTENERS];
	struct epoll_event events[EVENTS];

	raise_file_limit();
	epoll = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 1; i < argc && i <= LISTENERS; i++) {
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = &listener[i - 1]};

		listener[i - 1] = listen_on(argv[i]);
		epoll_ctl(epoll, EPOLL_CTL_ADD, listener[i - 1], &event);
	}
	for (;;) {
		int count = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < count; i++) {
			int *at = events[i].data.ptr;

			if (at >= listener && at < listener + LISTENERS)
				accept_all(*at);
			else if (!serve(events[i].data.ptr, events[i].events))
				finish(events[i].data.ptr);
		}
	}
}
