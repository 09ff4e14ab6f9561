/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * parser - what every protocol offers: bytes of a connection in, messages out.
 *
 * A parser is a `struct protocol` of pure functions over a state of fixed size that the caller owns
 * (one per connection, all zero = nothing seen yet). It never sees a socket, a file or a clock, keeps
 * no global, allocates nothing (but for http2, whose streams need room that grows up to a cap) and logs
 * nothing.
 *
 * Streams are captured with holes on purpose: heads are copied, bodies are only counted. So what the
 * caller feeds, for each side of a connection and in order of stream position, is
 *
 *	[bytes] [gap of n bytes] [bytes] ... [close]
 *
 * with these calls, each of which may deliver one message:
 *
 *	cut()		bytes. Call again, from the first byte not used, until it says CUT_MORE. What it
 *			leaves unused then (a line or a frame header that is not whole) the caller keeps and
 *			hands in again, followed by what came after: at most KEPT_MAX bytes.
 *	gap()		n bytes of this side were not captured. Inside a payload of known length that is
 *			harmless.
 *	resync()	after CUT_BAD: looks for a plausible start of a message in what follows.
 *	close()		this side will send nothing more.
 *
 * The two sides are fed as their bytes moved in time, as far as that is known: a request's head before
 * its response. Where a response is fed first all the same, its parser takes the usual shape.
 *
 * What all parsers promise (and x_fuzz.c checks): they read inside the given bytes only; used <= given;
 * CUT_BAD uses at least one byte, and so does one of two CUT_MESSAGEs in a row unless the first has_more,
 * so there is always progress; cutting the input elsewhere cuts the same messages, with the same texts (message_bound() of
 * pack.h).
 */
#pragma once

#include "base/span.h"

enum {
	KEPT_MAX =
		64 *
		1024, /* bytes: no parser asks the caller to keep more than that; it says CUT_BAD */
};

/* Who sent the bytes. */
enum side {
	SIDE_CLIENT,
	SIDE_SERVER,
	SIDE_UNKNOWN, /* only in answers of classify() */
};

enum cut {
	CUT_MESSAGE, /* a message was cut; call again for the next */
	CUT_MORE, /* nothing (more) in what was given; go on with what comes next on this side */
	CUT_BAD, /* not this protocol, or the place in it is lost: resync(), `why` says what was wrong */
};

enum verdict {
	VERDICT_NO, /* these bytes cannot begin a message of this protocol */
	VERDICT_MAYBE, /* they could: too few, or nothing in them that only this protocol has */
	VERDICT_YES, /* they are well formed and bear a mark that is hard to meet by chance */
};

struct guess {
	enum verdict verdict;
	enum side from; /* who speaks, if the bytes tell */
};

enum message_kind {
	MESSAGE_REQUEST,
	MESSAGE_RESPONSE, /* the last word on its request */
	MESSAGE_INTERIM, /* an answer before the answer: HTTP 1xx; the request stays open */
	MESSAGE_PUSH, /* sent by the server without being asked: greeting, notification, pub/sub */
};

/* How many responses a request will have. */
enum answer {
	ANSWER_ONE,
	ANSWER_NONE, /* one way: MySQL COM_STMT_CLOSE, Redis after CLIENT REPLY OFF */
	ANSWER_MAYBE, /* only if there is something to say: quiet gets of memcached */
	ANSWER_ERROR, /* only if it fails: memcached noreply, quiet sets */
};

/* How a response finds its request. */
enum correlation {
	CORRELATION_ORDER, /* responses come in the order of requests */
	CORRELATION_ID, /* by `id`, in any order; an id is free again after its response */
	CORRELATION_ORDER_ID, /* in order, and `id` is repeated in the response (0: neither has one), but
			       * perhaps not in an error: tells which of several quiet requests was
			       * answered, and checks the order */
};

/* Headers the caller may want; what a protocol has no such thing for stays empty. */
enum chosen {
	CHOSEN_HOST, /* Host, :authority; SNI of TLS */
	CHOSEN_TRACEPARENT, /* W3C Trace Context */
	CHOSEN_REQUEST_ID, /* x-request-id */
	CHOSEN_USER_AGENT, /* User-Agent; application_name, client library */
	CHOSEN_CONTENT_TYPE, /* Content-Type; ALPN of TLS */
	CHOSEN_USER, /* user and database of a session, "user@database"; never a password */
	CHOSEN_GRPC_STATUS, /* grpc-status of a response: "0" is success */
	CHOSEN_COUNT,
};

/* How the names of a message are known, where they are sent once and then referred to: HTTP/2. */
enum naming {
	NAMING_KNOWN,
	NAMING_SEEDED, /* from a table that was read in a program's memory */
	NAMING_OPAQUE, /* they were sent before we came; `opaque` tells them apart */
	NAMING_LOST, /* they were sent in bytes that were not captured */
};

/* What must still be done to `target` before it may leave: see mask.h. */
enum target_mask {
	TARGET_CLEAN, /* holds no data of a user: normalised or masked by the parser already */
	TARGET_URL, /* a URL as it was on the wire: mask_url() */
};

/*
 * One message. Its spans point into the bytes given to the call that delivered it or into the
 * parser's state: valid until the next call with this state, and while the input is.
 */
struct message {
	enum message_kind kind;
	enum answer answer; /* requests only */
	enum correlation correlation; /* the same for all messages of a protocol */
	enum target_mask target_mask;
	uint64_t id; /* for CORRELATION_ID and _ORDER_ID; other bits of the message that a response
		      * repeats may be mixed in (DNS: id and question) */

	/* Requests: hash of `target` where that is the shape of a statement (sql.h), else 0. The
	 * execution of a prepared statement often has this only, operation and target being empty:
	 * who needs them remembers what came with that hash before (shapes.h). */
	uint64_t shape;

	struct span
		operation; /* requests: GET, SELECT, HGET, A; upper case as far as the protocol says so */
	struct span
		resource; /* what it works on, low cardinality: path (not yet templated), table, name */
	struct span target; /* what was asked, as far as it may be shown: see target_mask */
	struct span
		status; /* responses: the protocol's own code or word: 404, ER 1064, ERR, NXDOMAIN */
	struct span
		reason; /* responses: the server's words about an error; may hold data of a user */
	struct span
		key; /* the first key, raw: data of a user, never into a record unless asked for */
	struct span chosen[CHOSEN_COUNT];

	uint64_t
		items; /* rows, keys, answers, messages of gRPC, where the protocol tells; else 0 */
	uint64_t header_bytes; /* of `bytes`: head, frame headers; 0 where there is no such thing */
	uint64_t bytes; /* whole message on the wire, gaps included: it began that many bytes before
				* the end of what is used now */
	bool is_error; /* responses: the protocol calls it an error (HTTP: 4xx and 5xx) */
	bool is_complete; /* false: a gap or the end swallowed part of it and the rest is guessed or cut */
	bool is_unasked; /* a response whose request the parser has not seen, where that matters */
	bool ends_stream; /* nothing more of this protocol follows on this side */
	bool has_more; /* there is another message already: call cut() again, if only with no bytes */
	uint8_t naming; /* enum naming */

	/* Of a protocol whose messages overlap, when it was told when bytes moved (moment() below); all 0
	 * otherwise: the caller knows. */
	uint64_t began, ended; /* of its first and last byte */
	uint64_t position; /* of its first byte */
	uint64_t blocked_ns; /* for so long its sender had to wait for permission to send */

	/* NAMING_OPAQUE: the same number for messages of one connection whose names are the same, and for no
	 * others; 0: no number is left */
	uint32_t opaque;
	uint32_t interims; /* responses: answers before the answer, not told as messages */
	const char *
		dialect; /* static: what is spoken inside the protocol: "grpc", "grpc-web"; or NULL */

	/* Not NULL: with this message both sides change to another protocol (its name, static:
	 * "websocket", "h2c", "tls", or "unknown" as after CONNECT). The bytes after it are not ours. */
	const char *handover;
};

/* All functions but `passes` must be there. `state` is `state_size` bytes, aligned to 8. */
struct protocol {
	const char *name; /* as in records: http, redis, dns ... */
	size_t state_size; /* bytes per connection, both sides; all zero at the start */
	bool is_datagram; /* cut() is given exactly one datagram, and takes all of it */

	bool is_opaque; /* most of it is encrypted: then it does not matter who speaks */

	/* What the first bytes of a write (not: of the connection) look like. Reads as much of `in` as
	 * makes it sure, the start of the next message too where it is there. Keeps nothing. */
	struct guess (*classify)(struct span in);

	/* ret_message: CUT_MESSAGE only. ret_used: always. ret_why: CUT_BAD only, a static sentence. */
	enum cut (*cut)(void *state, enum side from, struct span in, struct message *ret_message,
			size_t *ret_used, const char **ret_why);

	/*
	 * `kept` is what cut() left unused, `bytes` (> 0) the length of the gap behind it.
	 *
	 * CUT_MORE: survived; all of it is inside a payload whose length is known (ret_used = bytes).
	 * CUT_MESSAGE: a message ends in the gap, or was cut short by it (is_complete = false);
	 * ret_used bytes of the gap belong to it; call again with no `kept` for the rest, if there is a rest.
	 * CUT_BAD: the place is lost and everything of this side with it until resync().
	 * `kept` counts as used in all cases.
	 */
	enum cut (*gap)(void *state, enum side from, struct span kept, uint64_t bytes,
			struct message *ret_message, uint64_t *ret_used, const char **ret_why);

	/* True: a message seems to start at in.at + *ret_used; cut() may go on there. False: none found;
	 * the first *ret_used bytes are not wanted again, the rest to be given again with what follows. */
	bool (*resync)(void *state, enum side from, struct span in, size_t *ret_used);

	/* `kept` as in gap(). CUT_MESSAGE (a body that ends with the connection, or a message cut short) or
	 * CUT_MORE: nothing was open. Where messages overlap, also if the place was lost. */
	enum cut (*close)(void *state, enum side from, struct span kept,
			  struct message *ret_message);

	/* How many bytes from here on this side will only be counted, as far as is known now; so the
	 * capture need not copy them. May be NULL: 0. */
	uint64_t (*passes)(const void *state, enum side from);

	/* Told before cut() and gap(): the bytes given next stand at `position` of their side and moved at
	 * `ns`, in the caller's clock. May be NULL: only where messages overlap. */
	void (*moment)(void *state, enum side from, uint64_t ns, uint64_t position);

	/* What is open now, oldest first; *at = 0 at first, then left alone. False: no more. Valid until the
	 * next call of the others. ret_has_response: it has begun. May be NULL. */
	bool (*open)(void *state, size_t *at, struct message *ret_request,
		     struct message *ret_response, bool *ret_has_response);

	/* Nothing is open, whatever was lost before: the next message of the client is the first of those to come. May be
	 * NULL: it makes no difference. */
	void (*settle)(void *state);

	/* True: no message is open or begun, of either side, and the next ones are a request and its response: those may be left
	 * out. May be NULL: never. */
	bool (*rests)(const void *state);

	/* Lets go of what the state owns. May be NULL: it owns nothing. */
	void (*done)(void *state);

	/* Bytes of the beginning of each call that should be captured. 0: the usual. */
	uint32_t call_bytes;
};
