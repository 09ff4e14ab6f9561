// SPDX-License-Identifier: GPL-2.0-only
/*
 * network - who is behind an address.
 *
 * Without any help of an orchestrator this much can be known of a remote end on the same machine: which
 * network namespace has its address, who listens on its port there, and, where nobody does, which
 * container the namespace was made for.
 */
#include "world/socket/network.h"

#include <stdlib.h>

struct place {
	uint64_t seen_ns;
	uint32_t netns; /* 0 = several have it */
};

struct listener_key {
	uint8_t addr[ADDR_BYTES]; /* all zero = every address */
	uint32_t netns;
	uint16_t port;
	uint16_t transport;
};

struct learnt {
	char *name; /* owned */
	uint64_t until_ns;
};

void networks_init(struct networks *networks, size_t spaces, size_t addresses, size_t names)
{
	*networks = (struct networks){};
	map_init(&networks->spaces, sizeof(uint32_t), sizeof(struct space), spaces);
	map_init(&networks->addresses, ADDR_BYTES, sizeof(struct place), addresses);
	map_init(&networks->listeners, sizeof(struct listener_key), sizeof(struct holder),
		 addresses);
	map_init(&networks->names, ADDR_BYTES, sizeof(struct learnt), names);
}

void networks_done(struct networks *networks)
{
	networks_forget_names(networks, UINT64_MAX);
	map_done(&networks->spaces);
	map_done(&networks->addresses);
	map_done(&networks->listeners);
	map_done(&networks->names);
}

void networks_begin(struct networks *networks)
{
	const void *key;
	void *value;
	size_t at = 0;

	while (map_next(&networks->spaces, &at, &key, &value))
		((struct space *)value)->seen = false;
}

void networks_space(struct networks *networks, uint32_t netns, const struct holder *holder)
{
	struct space *space = netns ? map_put(&networks->spaces, &netns, NULL) : NULL;

	if (!space)
		return;
	if (!space->seen || holder->start_ns < space->holder.start_ns)
		space->holder = *holder;
	space->seen = true;
}

static bool space_goes(void *ctx, const void *key, void *value)
{
	return !((struct space *)value)->seen;
}

void networks_end(struct networks *networks)
{
	map_remove(&networks->spaces, space_goes, NULL);
}

uint32_t networks_stale(const struct networks *networks, uint64_t before_ns,
			struct space **ret_space)
{
	const void *key;
	void *value;
	size_t at = 0;

	while (map_next(&networks->spaces, &at, &key, &value)) {
		struct space *space = value;

		if (space->read_ns && space->read_ns >= before_ns)
			continue;
		*ret_space = space;
		return *(const uint32_t *)key;
	}
	return 0;
}

const struct space *networks_find(const struct networks *networks, uint32_t netns)
{
	return map_get(&networks->spaces, &netns);
}

static bool says_nothing(const uint8_t addr[ADDR_BYTES])
{
	static const uint8_t loopback6[ADDR_BYTES] = {[15] = 1};

	if (addr_is_none(addr) || !memcmp(addr, loopback6, ADDR_BYTES))
		return true;
	if (addr_is_ip4(addr))
		return addr[12] == 127 || (addr[12] == 169 && addr[13] == 254) || !addr[12];
	return addr[0] == 0xfe && (addr[1] & 0xc0) == 0x80; /* RFC 4291 2.5.6 */
}

void networks_address(struct networks *networks, uint32_t netns, const uint8_t addr[ADDR_BYTES],
		      uint64_t now_ns)
{
	struct place *place;
	bool is_new;

	if (says_nothing(addr))
		return;
	place = map_put(&networks->addresses, addr, &is_new);
	/* what several have stays unknown until it is forgotten for want of a sight, and seen anew */
	if (!place || (!is_new && !place->netns))
		return;
	/* two that have it at the same time: bridges of their own with the same network */
	if (!is_new && place->netns != netns && map_get(&networks->spaces, &place->netns))
		netns = 0;
	*place = (struct place){.seen_ns = now_ns, .netns = netns};
}

static bool place_goes(void *ctx, const void *key, void *value)
{
	return ((struct place *)value)->seen_ns < *(uint64_t *)ctx;
}

void networks_forget_addresses(struct networks *networks, uint64_t before_ns)
{
	map_remove(&networks->addresses, place_goes, &before_ns);
}

uint32_t networks_of(const struct networks *networks, const uint8_t addr[ADDR_BYTES])
{
	const struct place *place = map_get(&networks->addresses, addr);

	return place ? place->netns : 0;
}

void networks_clear_listeners(struct networks *networks)
{
	map_clear(&networks->listeners);
}

/* "::" of a dual-stack listener and "0.0.0.0" are the same to those who ask: every address. */
static bool is_any(const uint8_t addr[ADDR_BYTES])
{
	return addr_is_none(addr) ||
	       (addr_is_ip4(addr) && !addr[12] && !addr[13] && !addr[14] && !addr[15]);
}

void networks_listener(struct networks *networks, const struct socket_row *row)
{
	struct listener_key key = {
		.netns = row->netns,
		.port = row->local_port,
		.transport = row->transport,
	};
	struct holder *holder;
	bool is_new;

	if (!is_any(row->local_addr))
		memcpy(key.addr, row->local_addr, ADDR_BYTES);
	holder = map_put(&networks->listeners, &key, &is_new);
	if (holder && (is_new || row->start_ns < holder->start_ns))
		*holder = (struct holder){.pid = row->pid, .start_ns = row->start_ns};
}

const struct holder *networks_listening(const struct networks *networks, uint32_t netns,
					const uint8_t addr[ADDR_BYTES], uint16_t port)
{
	struct listener_key key = {.netns = netns, .port = port, .transport = 6 /* IPPROTO_TCP */};
	const struct holder *holder;

	memcpy(key.addr, addr, ADDR_BYTES);
	holder = map_get(&networks->listeners, &key);
	if (holder)
		return holder;
	memset(key.addr, 0, ADDR_BYTES);
	return map_get(&networks->listeners, &key);
}

void networks_name(struct networks *networks, const uint8_t addr[ADDR_BYTES], struct span name,
		   uint64_t until_ns)
{
	struct learnt *learnt;
	char *copy;

	if (!name.len || name.len > 255) /* RFC 1035 2.3.4 */
		return;
	copy = strndup((const char *)name.at, name.len);
	learnt = copy ? map_put(&networks->names, addr, NULL) : NULL;
	if (!learnt) {
		free(copy);
		return;
	}
	if (learnt->name)
		networks->name_bytes -= strlen(learnt->name) + 1;
	free(learnt->name);
	*learnt = (struct learnt){.name = copy, .until_ns = until_ns};
	networks->name_bytes += strlen(copy) + 1;
}

struct span networks_named(const struct networks *networks, const uint8_t addr[ADDR_BYTES])
{
	const struct learnt *learnt = map_get(&networks->names, addr);

	return learnt ? span_of(learnt->name) : (struct span){};
}

struct name_end {
	struct networks *networks;
	uint64_t now_ns;
};

static bool name_goes(void *ctx, const void *key, void *value)
{
	struct name_end *end = ctx;
	struct learnt *learnt = value;

	if (learnt->until_ns > end->now_ns)
		return false;
	end->networks->name_bytes -= strlen(learnt->name) + 1;
	free(learnt->name);
	return true;
}

void networks_forget_names(struct networks *networks, uint64_t now_ns)
{
	struct name_end end = {networks, now_ns};

	map_remove(&networks->names, name_goes, &end);
}

size_t networks_bytes(const struct networks *networks)
{
	return map_bytes(&networks->spaces) + map_bytes(&networks->addresses) +
	       map_bytes(&networks->listeners) + map_bytes(&networks->names) + networks->name_bytes;
}

/* The next line, without its end. */
static bool take_line(struct span *text, struct span *ret_line)
{
	const uint8_t *end;

	if (!text->len)
		return false;
	end = memchr(text->at, '\n', text->len);
	*ret_line = end ? span_first(*text, (size_t)(end - text->at)) : *text;
	*text = span_from(*text, ret_line->len + 1);
	return true;
}

static struct span after_blanks(struct span line)
{
	while (line.len && line.at[0] == ' ')
		line = span_from(line, 1);
	return line;
}

/* A leaf "|-- 10.0.0.1" is followed by what it is: "/32 host LOCAL" for an address of ours. */
void fib_trie_read(struct span text, own_address each, void *ctx)
{
	uint8_t leaf[ADDR_BYTES];
	bool has_leaf = false;
	struct span line;

	while (take_line(&text, &line)) {
		line = after_blanks(line);
		if (span_starts(line, "|-- "))
			has_leaf = addr_parse(span_from(line, 4), leaf);
		else if (has_leaf && span_starts(line, "/32 host LOCAL"))
			each(ctx, leaf);
	}
}

static int hex_value(uint8_t c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "fe80000000000000000000fffe000001 04 40 20 80 eth0" */
void if_inet6_read(struct span text, own_address each, void *ctx)
{
	struct span line;

	while (take_line(&text, &line)) {
		uint8_t addr[ADDR_BYTES];
		size_t i;

		for (i = 0; i < ADDR_BYTES && line.len > 2 * ADDR_BYTES; i++) {
			int high = hex_value(line.at[2 * i]), low = hex_value(line.at[2 * i + 1]);

			if (high < 0 || low < 0)
				break;
			addr[i] = (uint8_t)(high << 4 | low);
		}
		if (i == ADDR_BYTES)
			each(ctx, addr);
	}
}
