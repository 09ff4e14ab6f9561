/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * talk - one connection as the user half knows it: who, its conversation, and when bytes arrived.
 *
 * talks_* feed it with the kernel half's events and hand on every exchange that has become whole, with its time
 * split into phases. Nothing here knows records or metrics.
 */
#pragma once

#include "base/addr.h"
#include "base/map.h"
#include "items/app/requests/usual.h"
#include "protocol/conversation.h"
#include "protocol/http2.h"

enum {
	TALK_STAYS = 32, /* exchanges of a server whose client may be on this machine too */
	TALK_KINDS = 4, /* of exchanges that are like others before */
	TALK_ARRIVALS =
		128, /* received calls whose times are remembered, for messages that begin in them */
};

enum phase {
	PHASE_SEND,
	PHASE_WAIT,
	PHASE_QUEUE,
	PHASE_PROCESS,
	PHASE_DOWNLOAD,
	PHASE_NETWORK,
	PHASES,
};

/* Received bytes [position, end): the first came to the socket at first_ns, the last at last_ns; 0 = not seen. */
struct arrival {
	uint64_t position, end;
	uint64_t first_ns, last_ns;
};

/* How long a request that began at `position` was at the server: from its arrival to its response. */
struct stay {
	uint64_t position, ns;
};

/* How bytes were seen. Those of a library are another layer of the same connection: positions of their own. */
enum talk_via {
	VIA_SOCKET, /* as they went over the socket */
	VIA_LIBRARY, /* as a program gave them to, or had them from, its TLS library */
};

/*
 * Bytes that one call moved in one direction. The first `first` and the last `last` of `moved` bytes are at `bytes`,
 * one behind the other; position counts from the beginning of that direction of that layer.
 */
struct chunk {
	uint64_t cookie; /* of the socket */
	uint64_t position;
	uint64_t ns;
	uint64_t received; /* all received bytes up to there have been told or cut; 0 = not known */
	uint64_t arrived_ns, arrived_last_ns; /* received bytes: at the socket; 0 = not known */
	const uint8_t *bytes;
	uint32_t moved, first, last;
	uint32_t pid, tid, srtt_us;
	enum talk_via via;
	uint8_t direction; /* enum requests_direction */
	bool has_loss; /* bytes in front of it were lost */
	bool is_end; /* nothing more will come in this direction */
};

/* Both ends of a connection on this machine find each other by it. */
struct tuple {
	uint8_t local_addr[ADDR_BYTES], remote_addr[ADDR_BYTES];
	uint16_t local_port, remote_port;
	uint32_t netns; /* of loopback addresses, which are the same in all; else 0 */
};

struct talk {
	uint64_t cookie, cgroup;
	enum talk_via via;
	bool tells_its_end; /* of a library's layer: it has open and closed events of its own */
	uint64_t heard_ns; /* the last event */
	uint32_t pid, tid, netns; /* of the last call */
	uint32_t srtt_us;
	uint8_t local_addr[ADDR_BYTES], remote_addr[ADDR_BYTES];
	uint16_t local_port, remote_port;
	uint8_t transport; /* IPPROTO_TCP, IPPROTO_UDP, REQUESTS_UNIX */
	uint8_t limit_log2[2]; /* bytes of a call copied, by direction; 0 = as for new ones */
	uint8_t long_calls[2]; /* long calls with one message in each; LONG_NEVER: with more */
	bool is_accepted;
	uint8_t wanted; /* enum requests_wanted, as last written */
	bool is_ended[2];
	bool has_several_peers; /* datagrams: the remote end is that of the last one sent */
	uint64_t expected[2]; /* position of the next event */
	uint64_t run_bytes; /* that went in one direction since the other last spoke */
	uint64_t held_until[2]; /* bytes up to there were only counted, and not passed on yet */
	uint8_t run_direction;
	struct arrival *arrival; /* owned */
	uint32_t arrival_room; /* a power of two up to TALK_ARRIVALS */
	uint32_t arrivals; /* counted without end */
	bool has_missed_arrival; /* one was looked for that had made room for another */
	struct stay stay[TALK_STAYS];
	uint32_t stays; /* likewise */
	struct talk *older, *newer; /* in the order in which they were heard */
	struct talk *peer; /* the other end of the connection, when that is one of ours too */
	struct talk *socket; /* of a library's layer: the connection below, when it is known */
	struct talk *inside; /* and the other way round */
	struct conversation conversation;
	struct usual_sight usual;
	/* what the receiver of exchanges remembers of it */
	char remote_name[64];
	char remote_text[ADDR_TEXT]; /* of a client whose server has no name: its address */
	uint32_t who; /* 1 + place; 0 = not asked yet */
	uint32_t who_pid;
	uint64_t who_ns;
	struct talk_counted {
		uint32_t like, who;
		uint32_t operation, status; /* totals.h: where such an exchange is counted */
		uint32_t row, interval; /* record/aggregate.h: likewise */
	} counted[TALK_KINDS]; /* by outcome.like */
};

/* An exchange with what talk knows beyond the bytes. */
struct outcome {
	const struct exchange *exchange;
	enum side side; /* ours */
	uint64_t began_ns, duration_ns;
	uint64_t phase_ns[PHASES];
	uint32_t phases; /* bits of those that are known */
	bool is_network_bound; /* PHASE_NETWORK is no more than a bound */
	bool is_peer_watched; /* the other end is one of our talks too */
	uint32_t
		like; /* exchanges of this talk in which it is the same have the same messages, but for their bytes; 0: who knows */
	bool is_whole; /* nothing of it was lost, and the pair is certain */
	bool is_open; /* it goes on: what has come so far */
	bool is_failure; /* the response says so, or none came and nothing was lost that may have been one */
};

typedef void (*talk_outcome)(void *ctx, struct talk *talk, struct outcome *outcome);

/* What became of all messages and bytes, of connections that are still there too. */
struct talks_sum {
	struct pair_counts pairs;
	uint64_t bad; /* times a parser found something wrong */
	uint64_t captured, cut, lost; /* bytes */
};

struct talks {
	struct map by_cookie; /* -> struct talk * */
	struct map by_tuple; /* struct tuple -> struct talk *; TCP only */
	struct talk *oldest, *newest;
	size_t cap;
	uint64_t *verdicts; /* mapped: REQUESTS_VERDICTS words; NULL: nowhere to write them */
	uint64_t *inside_verdicts; /* the same, for layers of libraries */
	uint32_t *ports; /* mapped: REQUESTS_PORTS words; likewise */
	struct requests_pass *passes; /* mapped: REQUESTS_VERDICTS of them; likewise */
	struct usual usual;
	uint32_t head_log2; /* bytes that do of the beginning of a long message */
	talk_outcome receive;
	/* What a library hands over no kernel half has filtered, nor what came before its filter was set. NULL: everything is
	 * wanted. */
	bool (*is_wanted)(void *ctx, const struct talk *talk);
	void *ctx;
	struct {
		uint64_t orphans; /* events of connections that are not known (any more) */
		uint64_t evicted; /* connections that made room */
		uint64_t refused; /* connections for which there was no memory */
		uint64_t bad; /* events whose size contradicts them */

		uint64_t uneven; /* connections that ended and did not add up */
		struct talks_sum ended; /* of connections that have ended */
	} counts;
};

void talks_init(struct talks *talks, size_t cap, talk_outcome receive, void *ctx);
void talks_done(struct talks *talks);

/* One event of the kernel half, `size` bytes. */
void talks_event(struct talks *talks, const struct event_head *event, size_t size);

/* Bytes of a connection, from whoever saw them. A library's layer begins with its first chunk and ends with its socket,
 * or with the chunks that end both directions; `is_accepted` says who connected where the socket is not known. */
void talks_chunk(struct talks *talks, const struct chunk *chunk, bool is_accepted);

/*
 * Events like those of the kernel half, of a library's layer. Its open event names the ends itself (all 0: they are not
 * known), with REQUESTS_END when it was joined late, and its closed event ends it. talks_end_inside: nobody tells of them any more.
 */
void talks_inside(struct talks *talks, const struct event_head *event, size_t size);
void talks_end_inside(struct talks *talks);

/* What is open now on connections where exchanges overlap, of those that began before `before_ns`. */
void talks_open(struct talks *talks, uint64_t before_ns, talk_outcome each, void *ctx);

/* A table of HPACK that was read in a program's memory (http2_seed): `from` is whose encoder wrote it. `named` is called
 * for each number that has become a name. -ENOENT: no such connection, or it does not speak HTTP/2. */
typedef void (*talk_named)(void *ctx, const struct talk *talk, uint32_t opaque,
			   enum hpack_name what, struct span text);
int talks_seed(struct talks *talks, uint64_t cookie, enum talk_via via, enum side from,
	       const struct hpack_seed *table, size_t n, int64_t low, int64_t high,
	       talk_named named, void *ctx);

/* Once a second: what is missing is given up, datagrams that nobody answered too. */
void talks_tick(struct talks *talks, uint64_t now_ns);

void talks_sum(const struct talks *talks, struct talks_sum *ret_sum);
size_t talks_bytes(const struct talks *talks);
