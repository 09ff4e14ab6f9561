/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * network - who is behind an address: network namespaces, the addresses in them, who listens where, names learnt.
 *
 * Pure bookkeeping. A namespace is known by its inode number and stood for by one living process in it.
 */
#pragma once

#include "base/addr.h"
#include "base/map.h"
#include "world/socket/socket_row.h"

/* A process by its key. */
struct holder {
	uint32_t pid; /* 0 = nobody */
	uint32_t pad;
	uint64_t start_ns;
};

struct space {
	struct holder holder; /* the oldest process in it: in a pod the one that made it */
	uint64_t read_ns; /* when its addresses were read; 0 = never */
	bool seen;
};

struct networks {
	struct map spaces; /* netns -> struct space */
	struct map addresses; /* address -> struct place (network.c) */
	struct map listeners; /* struct listener_key (network.c) -> struct holder */
	struct map names; /* address -> struct learnt (network.c) */
	size_t name_bytes;
};

void networks_init(struct networks *networks, size_t spaces, size_t addresses, size_t names);
void networks_done(struct networks *networks);

/* All namespaces anew: begin, one call for every living process, end. */
void networks_begin(struct networks *networks);
void networks_space(struct networks *networks, uint32_t netns, const struct holder *holder);
void networks_end(struct networks *networks);
/* A namespace whose addresses are older than that; 0 = none. */
uint32_t networks_stale(const struct networks *networks, uint64_t before_ns,
			struct space **ret_space);
const struct space *networks_find(const struct networks *networks, uint32_t netns);

/* An address that is the namespace's own. Loopback and link-local ones say nothing and are left out. */
void networks_address(struct networks *networks, uint32_t netns, const uint8_t addr[ADDR_BYTES],
		      uint64_t now_ns);
/* Forgets addresses that were not seen since. */
void networks_forget_addresses(struct networks *networks, uint64_t before_ns);
/* The namespace that has this address: 0 = none, or more than one. */
uint32_t networks_of(const struct networks *networks, const uint8_t addr[ADDR_BYTES]);

/* All listeners anew: clear, one call for each row. */
void networks_clear_listeners(struct networks *networks);
void networks_listener(struct networks *networks, const struct socket_row *row);
/* Who listens there, on that address or on all; NULL = nobody. */
const struct holder *networks_listening(const struct networks *networks, uint32_t netns,
					const uint8_t addr[ADDR_BYTES], uint16_t port);

/* A name that was learnt of an address (an answer of DNS), good until then. */
void networks_name(struct networks *networks, const uint8_t addr[ADDR_BYTES], struct span name,
		   uint64_t until_ns);
struct span networks_named(const struct networks *networks, const uint8_t addr[ADDR_BYTES]);
void networks_forget_names(struct networks *networks, uint64_t now_ns);

size_t networks_bytes(const struct networks *networks);

/* Own addresses out of /proc/PID/net/fib_trie (IPv4) and /proc/PID/net/if_inet6. */
typedef void (*own_address)(void *ctx, const uint8_t addr[ADDR_BYTES]);
void fib_trie_read(struct span text, own_address each, void *ctx);
void if_inet6_read(struct span text, own_address each, void *ctx);
