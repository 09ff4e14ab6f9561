/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * socket - the table of sockets: cookie -> addresses, owner, role.
 *
 * Filled by scans (all network namespaces, also what is older than the agent) and by items that see sockets come
 * and go. Pure bookkeeping.
 */
#pragma once

#include "base/addr.h"
#include "base/map.h"
#include "world/socket/socket_row.h"

enum socket_role { ROLE_UNKNOWN, ROLE_LISTENER, ROLE_SERVER, ROLE_CLIENT };

enum { SOCKET_LISTEN = 10 /* TCP_LISTEN */, SOCKET_CHUNK = 4096 };

struct socket {
	uint64_t cookie;
	uint64_t owner_start_ns; /* with owner_pid: whose it is; 0 = not known */
	uint8_t local_addr[ADDR_BYTES], remote_addr[ADDR_BYTES];
	uint32_t owner_pid; /* 0 = nobody's (left over, not accepted yet) or not known */
	uint32_t netns;
	uint16_t local_port, remote_port;
	uint8_t transport; /* IPPROTO_TCP, IPPROTO_UDP */
	uint8_t state; /* TCP_ESTABLISHED = 1 ... as it was when last told */
	uint8_t role; /* enum socket_role */
	uint8_t scan; /* the last scan that saw it; private */
};

struct sockets {
	struct map by_cookie; /* cookie -> index */
	struct map listening; /* struct listening_key -> true, while a scan is under way */
	struct socket **chunk; /* owned: SOCKET_CHUNK each */
	uint32_t len, cap, chunks;
	uint8_t scan;
	uint64_t refused; /* sockets that found the table full */
};

int sockets_init(struct sockets *sockets, uint32_t cap);
void sockets_done(struct sockets *sockets);

/* Adds or updates. An owner and a role that are known stay when `facts` has none. NULL = refused. */
struct socket *sockets_note(struct sockets *sockets, const struct socket *facts);
void sockets_forget(struct sockets *sockets, uint64_t cookie);
struct socket *sockets_find(const struct sockets *sockets, uint64_t cookie);

/*
 * A scan: begin, every socket there is (by sock_diag without owner, by open files with it, in any order), end.
 * Afterwards roles are known, and what was not seen is forgotten.
 */
void sockets_scan(struct sockets *sockets);
void sockets_seen(struct sockets *sockets, const struct socket *facts);
void sockets_row(struct sockets *sockets, const struct socket_row *row);
void sockets_scanned(struct sockets *sockets);

/* Every socket: `uint32_t at = 0; while ((socket = sockets_next(&sockets, &at)))`. */
struct socket *sockets_next(const struct sockets *sockets, uint32_t *at);

size_t sockets_bytes(const struct sockets *sockets);
