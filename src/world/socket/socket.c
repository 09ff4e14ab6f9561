// SPDX-License-Identifier: GPL-2.0-only
/*
 * socket - the table of sockets.
 *
 * Entries lie densely in chunks; the map leads from the cookie to the place. Deleting moves the last entry into the
 * hole, so a walk sees every entry and memory follows what there is.
 *
 * Whose a socket is when several processes hold it: of a listener the oldest (its creator; workers got it by
 * fork), of a connection the youngest (a parent that forked a child for it holds it only by accident).
 * Which side a connection is on: the server's when its local port is being listened on in its namespace.
 */
#include "world/socket/socket.h"

#include <errno.h>
#include <stdlib.h>

/* Ports that are listened on; the address does not matter for the role. Zero padding: keys are compared bytewise. */
struct listening_key {
	uint32_t netns;
	uint16_t port;
	uint16_t transport;
};

int sockets_init(struct sockets *sockets, uint32_t cap)
{
	*sockets = (struct sockets){.cap = cap};
	map_init(&sockets->by_cookie, sizeof(uint64_t), sizeof(uint32_t), cap);
	map_init(&sockets->listening, sizeof(struct listening_key), 0, cap);
	sockets->chunk = calloc(cap / SOCKET_CHUNK + 1, sizeof(*sockets->chunk));
	return sockets->chunk ? 0 : -ENOMEM;
}

void sockets_done(struct sockets *sockets)
{
	for (uint32_t i = 0; i < sockets->chunks; i++)
		free(sockets->chunk[i]);
	free(sockets->chunk);
	map_done(&sockets->by_cookie);
	map_done(&sockets->listening);
	*sockets = (struct sockets){};
}

static struct socket *at_index(const struct sockets *sockets, uint32_t index)
{
	return &sockets->chunk[index / SOCKET_CHUNK][index % SOCKET_CHUNK];
}

struct socket *sockets_next(const struct sockets *sockets, uint32_t *at)
{
	return *at < sockets->len ? at_index(sockets, (*at)++) : NULL;
}

struct socket *sockets_find(const struct sockets *sockets, uint64_t cookie)
{
	const uint32_t *index = map_get(&sockets->by_cookie, &cookie);

	return index ? at_index(sockets, *index) : NULL;
}

static struct socket *find_or_add(struct sockets *sockets, uint64_t cookie)
{
	struct socket *socket = sockets_find(sockets, cookie);
	uint32_t *index;

	if (socket || !cookie)
		return socket;
	if (sockets->len == sockets->chunks * SOCKET_CHUNK && sockets->len < sockets->cap) {
		struct socket *chunk = calloc(SOCKET_CHUNK, sizeof(*chunk));

		if (chunk)
			sockets->chunk[sockets->chunks++] = chunk;
	}
	index = sockets->len < sockets->chunks * SOCKET_CHUNK && sockets->len < sockets->cap
			? map_put(&sockets->by_cookie, &cookie, NULL)
			: NULL;
	if (!index) {
		sockets->refused++;
		return NULL;
	}
	*index = sockets->len++;
	socket = at_index(sockets, *index);
	*socket = (struct socket){.cookie = cookie, .scan = sockets->scan};
	return socket;
}

void sockets_forget(struct sockets *sockets, uint64_t cookie)
{
	const uint32_t *index = map_get(&sockets->by_cookie, &cookie);
	struct socket *hole, *last;
	uint32_t place;

	if (!index)
		return;
	place = *index;
	hole = at_index(sockets, place);
	last = at_index(sockets, --sockets->len);
	map_del(&sockets->by_cookie, &cookie);
	if (hole != last) {
		*hole = *last;
		*(uint32_t *)map_get(&sockets->by_cookie, &hole->cookie) = place;
	}
	if (sockets->chunks * SOCKET_CHUNK - sockets->len >= 2 * SOCKET_CHUNK)
		free(sockets->chunk[--sockets->chunks]);
}

static bool is_better_owner(const struct socket *socket, uint64_t start_ns)
{
	if (!socket->owner_pid)
		return true;
	return socket->state == SOCKET_LISTEN ? start_ns < socket->owner_start_ns
					      : start_ns > socket->owner_start_ns;
}

static void set_facts(struct socket *socket, const struct socket *facts)
{
	memcpy(socket->local_addr, facts->local_addr, ADDR_BYTES);
	memcpy(socket->remote_addr, facts->remote_addr, ADDR_BYTES);
	socket->local_port = facts->local_port;
	socket->remote_port = facts->remote_port;
	socket->netns = facts->netns;
	socket->transport = facts->transport;
	socket->state = facts->state;
	if (facts->role)
		socket->role = facts->role;
	if (facts->state == SOCKET_LISTEN)
		socket->role = ROLE_LISTENER;
}

struct socket *sockets_note(struct sockets *sockets, const struct socket *facts)
{
	struct socket *socket = find_or_add(sockets, facts->cookie);

	if (!socket)
		return NULL;
	set_facts(socket, facts);
	if (facts->owner_pid) { /* told by an event: newer than any scan */
		socket->owner_pid = facts->owner_pid;
		socket->owner_start_ns = facts->owner_start_ns;
	}
	socket->scan = sockets->scan;
	return socket;
}

void sockets_scan(struct sockets *sockets)
{
	sockets->scan++;
	map_clear(&sockets->listening);
}

/* The first sight in a scan takes the old owner away: he may have closed it. */
void sockets_seen(struct sockets *sockets, const struct socket *facts)
{
	struct socket *socket = find_or_add(sockets, facts->cookie);

	if (!socket)
		return;
	if (socket->scan != sockets->scan) {
		socket->owner_pid = 0;
		socket->owner_start_ns = 0;
		socket->scan = sockets->scan;
	}
	set_facts(socket, facts);
	if (facts->owner_pid && is_better_owner(socket, facts->owner_start_ns)) {
		socket->owner_pid = facts->owner_pid;
		socket->owner_start_ns = facts->owner_start_ns;
	}
	if (facts->state == SOCKET_LISTEN) {
		struct listening_key key = {facts->netns, facts->local_port, facts->transport};

		map_put(&sockets->listening, &key, NULL);
	}
}

void sockets_row(struct sockets *sockets, const struct socket_row *row)
{
	struct socket facts = {
		.cookie = row->cookie,
		.owner_pid = row->pid,
		.owner_start_ns = row->start_ns,
		.netns = row->netns,
		.local_port = row->local_port,
		.remote_port = row->remote_port,
		.transport = row->transport,
		.state = row->state,
	};

	memcpy(facts.local_addr, row->local_addr, ADDR_BYTES);
	memcpy(facts.remote_addr, row->remote_addr, ADDR_BYTES);
	sockets_seen(sockets, &facts);
}

void sockets_scanned(struct sockets *sockets)
{
	for (uint32_t i = sockets->len; i-- > 0;) {
		struct socket *socket = at_index(sockets, i);
		struct listening_key key = {socket->netns, socket->local_port, socket->transport};

		if (socket->scan != sockets->scan)
			sockets_forget(sockets, socket->cookie);
		else if (!socket->role && socket->remote_port)
			socket->role =
				map_get(&sockets->listening, &key) ? ROLE_SERVER : ROLE_CLIENT;
	}
	map_done(&sockets->listening);
}

size_t sockets_bytes(const struct sockets *sockets)
{
	return map_bytes(&sockets->by_cookie) + map_bytes(&sockets->listening) +
	       (size_t)sockets->chunks * SOCKET_CHUNK * sizeof(struct socket);
}
