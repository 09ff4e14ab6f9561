// SPDX-License-Identifier: GPL-2.0-only
/*
 * dns - questions and answers of the Domain Name System (RFC 1035, EDNS RFC 6891).
 *
 * A message says in its first question what it is about, and a response repeats it; so id, name and type
 * together find the request, though 16 bits of id alone would do so badly. Names come lower case: some
 * resolvers mix the case at random and compare (draft-vixie-dnsext-dns0x20).
 *
 * Compression pointers may only point backward, before the start of the label run that holds them; each
 * jump is to a smaller place, so there is no loop (RFC 1035 4.1.4: "a prior occurrence").
 *
 * Over a stream, only head and question are read; the rest of a message is passed and may be a gap.
 * Multicast DNS (RFC 6762) has id 0, the cache-flush and unicast bits in the class, and responses to
 * nobody's question: those count as pushes.
 */
#include "protocol/dns.h"

#include <stdio.h>

#include "protocol/pack.h"

enum {
	FLAG_RESPONSE = 0x8000,
	FLAG_AUTHORITATIVE = 0x0400,
	FLAG_TRUNCATED = 0x0200,
	FLAG_ZERO = 0x0040, /* must be 0 (RFC 1035 4.1.1) */
	CODE_MASK = 0x000f,
	OPCODE_QUERY = 0,
	OPCODE_MAX = 6,
	TYPE_OPT = 41,
	QUESTIONS_MAX = 32, /* multicast DNS asks for several things at once */
	QUESTION_MAX = DNS_HEAD + DNS_NAME_MAX + 2 + 4,
	FRAME_HEAD = 2,
};

/* The fixed part of a message. */
struct head {
	uint16_t id, flags;
	uint16_t count[4]; /* questions, answers, authorities, additional */
};

struct question {
	uint16_t type, class;
	size_t end; /* of the question, from the start of the message */
};

static uint16_t read16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t read32(const uint8_t *at)
{
	return (uint32_t)read16(at) << 16 | read16(at + 2);
}

static struct head read_head(struct span in)
{
	struct head head = {.id = read16(in.at), .flags = read16(in.at + 2)};

	for (size_t i = 0; i < 4; i++)
		head.count[i] = read16(in.at + 4 + 2 * i);
	return head;
}

static unsigned opcode_of(uint16_t flags)
{
	return flags >> 11 & 15;
}

static uint8_t name_char(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c + 32;
	return c > ' ' && c < 0x7f && c != '.' ? c : '?';
}

enum name {
	NAME_READ,
	NAME_SHORT, /* goes on beyond the input */
	NAME_BAD,
};

/* ret_end: behind the name at `at`, where its pointer was not followed. `to` has DNS_NAME_MAX bytes. */
static enum name read_name(struct span in, size_t at, bool takes_pointers, uint8_t *to,
			   uint8_t *ret_len, size_t *ret_end)
{
	size_t len = 0, floor = at;
	bool has_jumped = false;

	for (;;) {
		uint8_t label;

		if (at >= in.len)
			return NAME_SHORT;
		label = in.at[at];
		if (!label)
			break;
		if (label >= 0xc0) {
			if (!takes_pointers)
				return NAME_BAD;
			if (at + 2 > in.len)
				return NAME_SHORT;
			if (!has_jumped)
				*ret_end = at + 2;
			has_jumped = true;
			at = read16(in.at + at) & 0x3fff;
			if (at >= floor || at < DNS_HEAD)
				return NAME_BAD;
			floor = at;
			continue;
		}
		if (label > 63 || len + label + 1 > DNS_NAME_MAX)
			return NAME_BAD;
		if (at + 1 + label > in.len)
			return NAME_SHORT;
		if (len)
			to[len++] = '.';
		for (size_t i = 0; i < label; i++)
			to[len++] = name_char(in.at[at + 1 + i]);
		at += 1 + label;
	}
	if (!has_jumped)
		*ret_end = at + 1;
	*ret_len = (uint8_t)len;
	return NAME_READ;
}

static const char *check_head(const struct head *head)
{
	bool is_response = head->flags & FLAG_RESPONSE;

	if (opcode_of(head->flags) > OPCODE_MAX || (head->flags & FLAG_ZERO))
		return "flags that no message has";
	if (!is_response && (head->flags & CODE_MASK))
		return "a question with a response code";
	if (head->count[0] > QUESTIONS_MAX || (!head->count[0] && !is_response))
		return "no question, or too many";
	return NULL;
}

static bool is_class(uint16_t class)
{
	class &= 0x7fff; /* RFC 6762 5.4: the upper bit asks for a unicast response */
	return class == 1 || class == 3 || class == 4 || class == 254 || class == 255;
}

static enum name read_question(struct span in, uint8_t *to, uint8_t *ret_len,
			       struct question *ret_question)
{
	size_t end = 0;
	enum name name = read_name(in, DNS_HEAD, false, to, ret_len, &end);

	if (name != NAME_READ)
		return name;
	if (end + 4 > in.len)
		return NAME_SHORT;
	ret_question->type = read16(in.at + end);
	ret_question->class = read16(in.at + end + 2);
	ret_question->end = end + 4;
	return ret_question->type && is_class(ret_question->class) ? NAME_READ : NAME_BAD;
}

/* Names of numbers. */

static const char *type_name(uint16_t type, char *room, size_t size)
{
	static const struct {
		uint16_t type;
		const char *name;
	} names[] = {
		{1, "A"},       {28, "AAAA"},  {5, "CNAME"}, {12, "PTR"},   {33, "SRV"},
		{65, "HTTPS"},  {2, "NS"},     {6, "SOA"},   {15, "MX"},    {16, "TXT"},
		{13, "HINFO"},  {35, "NAPTR"}, {43, "DS"},   {46, "RRSIG"}, {47, "NSEC"},
		{48, "DNSKEY"}, {50, "NSEC3"}, {52, "TLSA"}, {64, "SVCB"},  {99, "SPF"},
		{251, "IXFR"},  {252, "AXFR"}, {255, "ANY"}, {257, "CAA"},  {44, "SSHFP"},
		{29, "LOC"},    {39, "DNAME"}, {41, "OPT"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (names[i].type == type)
			return names[i].name;
	snprintf(room, size, "TYPE%u", type); /* RFC 3597 5 */
	return room;
}

static const char *code_name(unsigned code)
{
	static const char *const names[] = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN",
					    "NOTIMP",  "REFUSED", "YXDOMAIN", "YXRRSET",
					    "NXRRSET", "NOTAUTH", "NOTZONE"};

	if (code < sizeof(names) / sizeof(*names))
		return names[code];
	switch (code) {
	case 16: return "BADVERS";
	case 17: return "BADKEY";
	case 18: return "BADTIME";
	case 23: return "BADCOOKIE";
	default: return "UNKNOWN";
	}
}

static const char *opcode_name(unsigned opcode)
{
	static const char *const names[] = {"QUERY",  "IQUERY", "STATUS", "UNKNOWN",
					    "NOTIFY", "UPDATE", "DSO"};

	return names[opcode];
}

/* Messages. */

/* FNV-1a over what a response repeats: RFC 1035 leaves no room for doubt when all of it is equal. */
static uint64_t identity(const struct dns_state *state, enum side from)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (size_t i = 0; i < state->name_len[from]; i++)
		hash = (hash ^ state->name[from][i]) * 0x100000001b3;
	hash = (hash ^ state->type_number[from]) * 0x100000001b3;
	return hash << 16 | state->id[from];
}

static bool is_unasked(const struct dns_state *state, enum side from)
{
	return !state->id[from] && !state->questions[from] &&
	       (state->flags[from] & FLAG_AUTHORITATIVE);
}

static void give(struct dns_state *state, enum side from, unsigned code, uint64_t bytes,
		 struct message *ret_message)
{
	uint16_t flags = state->flags[from];
	struct span name = {state->name[from], state->name_len[from]};
	unsigned opcode = opcode_of(flags);

	*ret_message = (struct message){
		.kind = flags & FLAG_RESPONSE ? MESSAGE_RESPONSE : MESSAGE_REQUEST,
		.correlation = CORRELATION_ID,
		.id = identity(state, from),
		.bytes = bytes,
		.is_complete = true,
	};
	if (!name.len)
		name = span_of(".");
	if (!(flags & FLAG_RESPONSE)) {
		ret_message->operation =
			span_of(opcode != OPCODE_QUERY
					? opcode_name(opcode)
					: type_name(state->type_number[from], state->type[from],
						    sizeof(state->type[from])));
		ret_message->resource = ret_message->target = name;
	} else if (is_unasked(state, from)) {
		ret_message->kind = MESSAGE_PUSH;
		ret_message->operation = span_of("announce");
		ret_message->items = state->answers[from];
	} else {
		ret_message->status = span_of(code_name(code));
		ret_message->is_error = code;
		ret_message->items = state->answers[from];
		if (flags & FLAG_TRUNCATED)
			ret_message->reason = span_of("truncated");
	}
	message_bound(ret_message, PACKED_MAX);
}

/* Head and first question of a message; *ret_short: not whole here. */
static const char *read_start(struct dns_state *state, enum side from, struct span in,
			      bool *ret_short)
{
	struct question question = {};
	struct head head;
	const char *why;

	*ret_short = in.len < DNS_HEAD;
	if (*ret_short)
		return NULL;
	head = read_head(in);
	why = check_head(&head);
	if (why)
		return why;
	state->id[from] = head.id;
	state->flags[from] = head.flags;
	state->answers[from] = head.count[1];
	state->questions[from] = (uint8_t)head.count[0];
	state->name_len[from] = 0;
	if (head.count[0]) {
		enum name name =
			read_question(in, state->name[from], &state->name_len[from], &question);

		*ret_short = name == NAME_SHORT;
		if (name == NAME_BAD)
			return "question is not a name, a type and a class";
	}
	state->type_number[from] = question.type;
	return NULL;
}

/* Records behind the questions. */

static bool skip_questions(struct span in, unsigned count, size_t *at)
{
	uint8_t name[DNS_NAME_MAX], len;

	while (count--) {
		if (read_name(in, *at, true, name, &len, at) != NAME_READ || *at + 4 > in.len)
			return false;
		*at += 4;
	}
	return true;
}

bool dns_walk_start(struct dns_walk *walk, struct span datagram)
{
	struct head head;

	*walk = (struct dns_walk){.in = datagram, .at = DNS_HEAD};
	if (datagram.len < DNS_HEAD)
		return false;
	head = read_head(datagram);
	if (check_head(&head) || !skip_questions(datagram, head.count[0], &walk->at))
		return false;
	walk->left = head.count[1];
	return true;
}

bool dns_walk_next(struct dns_walk *walk, struct dns_answer *ret_answer)
{
	const uint8_t *at;
	size_t end = 0;
	uint16_t len;
	uint8_t name_len;

	if (!walk->left)
		return false;
	walk->left--;
	if (read_name(walk->in, walk->at, true, walk->name, &name_len, &end) != NAME_READ ||
	    end + 10 > walk->in.len) {
		walk->left = 0;
		return false;
	}
	at = walk->in.at + end;
	len = read16(at + 8);
	if (end + 10 + len > walk->in.len) {
		walk->left = 0;
		return false;
	}
	*ret_answer = (struct dns_answer){
		.name = {walk->name, name_len},
		.data = {at + 10, len},
		.ttl = read32(at + 4),
		.type = read16(at),
	};
	walk->at = end + 10 + len;
	return true;
}

/* The upper bits of the response code stand in the OPT record (RFC 6891 6.1.3), if there is one. */
static unsigned code_of(struct span in)
{
	struct head head = read_head(in);
	unsigned code = head.flags & CODE_MASK;
	struct dns_answer record;
	struct dns_walk walk;

	if (!dns_walk_start(&walk, in))
		return code;
	walk.left = (uint32_t)head.count[1] + head.count[2] + head.count[3];
	while (dns_walk_next(&walk, &record))
		if (record.type == TYPE_OPT)
			return record.ttl >> 24 << 4 | code;
	return code;
}

/* Datagrams. */

static enum cut dns_cut(void *at, enum side from, struct span in, struct message *ret_message,
			size_t *ret_used, const char **ret_why)
{
	struct dns_state *state = at;
	bool is_short;

	*ret_used = in.len;
	if (!in.len)
		return CUT_MORE;
	*ret_why = read_start(state, from, in, &is_short);
	if (is_short)
		*ret_why = "datagram ends before its question does";
	if (*ret_why)
		return CUT_BAD;
	give(state, from, code_of(in), in.len, ret_message);
	return CUT_MESSAGE;
}

static enum cut dns_gap(void *at, enum side from, struct span kept, uint64_t bytes,
			struct message *ret_message, uint64_t *ret_used, const char **ret_why)
{
	*ret_used = bytes;
	return CUT_MORE;
}

static bool dns_resync(void *at, enum side from, struct span in, size_t *ret_used)
{
	*ret_used = 0;
	return true;
}

static enum cut dns_close(void *at, enum side from, struct span kept, struct message *ret_message)
{
	return CUT_MORE;
}

/* Records that are there must be right; those that a short capture cut off need not be there. */
static enum verdict check_records(struct span in, const struct head *head)
{
	size_t at = DNS_HEAD;
	unsigned left = (unsigned)head->count[1] + head->count[2] + head->count[3];

	if (!skip_questions(in, head->count[0], &at))
		return VERDICT_NO;
	while (left-- && at < in.len) {
		uint8_t name[DNS_NAME_MAX], len;
		enum name got = read_name(in, at, true, name, &len, &at);

		if (got == NAME_BAD)
			return VERDICT_NO;
		if (got == NAME_SHORT || at + 10 > in.len)
			return VERDICT_YES;
		at += 10 + (size_t)read16(in.at + at + 8);
	}
	return at == in.len || at > in.len ? VERDICT_YES : VERDICT_NO;
}

static struct guess dns_classify(struct span in)
{
	struct dns_state state;
	struct guess guess = {VERDICT_NO, SIDE_UNKNOWN};
	bool is_short;
	struct head head;

	if (in.len < DNS_HEAD)
		return guess;
	head = read_head(in);
	if (read_start(&state, 0, in, &is_short) || is_short)
		return guess;
	guess.verdict = check_records(in, &head);
	if (guess.verdict == VERDICT_YES && !head.count[0])
		guess.verdict = VERDICT_MAYBE;
	if (guess.verdict != VERDICT_NO)
		guess.from = head.flags & FLAG_RESPONSE ? SIDE_SERVER : SIDE_CLIENT;
	return guess;
}

const struct protocol dns = {
	.name = "dns",
	.state_size = sizeof(struct dns_state),
	.is_datagram = true,
	.classify = dns_classify,
	.cut = dns_cut,
	.gap = dns_gap,
	.resync = dns_resync,
	.close = dns_close,
};

/* Streams. */

static enum cut finish_frame(struct dns_state *state, enum side from, struct message *ret_message)
{
	give(state, from, state->flags[from] & CODE_MASK, state->bytes[from], ret_message);
	return CUT_MESSAGE;
}

static enum cut stream_cut(void *at, enum side from, struct span in, struct message *ret_message,
			   size_t *ret_used, const char **ret_why)
{
	struct dns_state *state = at;
	size_t frame, step;
	bool is_short;

	*ret_used = 0;
	if (!in.len)
		return CUT_MORE;
	*ret_why = "the place in the stream is lost";
	if (state->is_lost[from])
		goto bad;
	if (!state->due[from]) {
		if (in.len < FRAME_HEAD)
			return CUT_MORE;
		frame = read16(in.at);
		*ret_why = "frame too short for a message";
		if (frame < DNS_HEAD)
			goto bad;
		*ret_why = read_start(state, from, span_first(span_from(in, FRAME_HEAD), frame),
				      &is_short);
		if (is_short && in.len < FRAME_HEAD + frame)
			return CUT_MORE;
		if (is_short)
			*ret_why = "frame ends before its question does";
		if (*ret_why)
			goto bad;
		state->due[from] = state->bytes[from] = (uint32_t)(FRAME_HEAD + frame);
	}
	step = in.len < state->due[from] ? in.len : state->due[from];
	*ret_used = step;
	state->due[from] -= (uint32_t)step;
	return state->due[from] ? CUT_MORE : finish_frame(state, from, ret_message);
bad:
	state->is_lost[from] = true;
	*ret_used = 1;
	return CUT_BAD;
}

static enum cut stream_gap(void *at, enum side from, struct span kept, uint64_t bytes,
			   struct message *ret_message, uint64_t *ret_used, const char **ret_why)
{
	struct dns_state *state = at;

	*ret_used = bytes;
	if (state->is_lost[from] || !state->due[from]) {
		state->is_lost[from] = true;
		*ret_why = "a gap where a message should begin";
		return CUT_BAD;
	}
	if (bytes < state->due[from]) {
		state->due[from] -= (uint32_t)bytes;
		return CUT_MORE;
	}
	*ret_used = state->due[from];
	state->due[from] = 0;
	return finish_frame(state, from, ret_message);
}

static enum cut stream_close(void *at, enum side from, struct span kept,
			     struct message *ret_message)
{
	struct dns_state *state = at;
	bool is_open = state->due[from] && !state->is_lost[from];

	state->is_lost[from] = true;
	if (!is_open)
		return CUT_MORE;
	state->bytes[from] -= state->due[from];
	state->due[from] = 0;
	finish_frame(state, from, ret_message);
	ret_message->is_complete = false;
	ret_message->ends_stream = true;
	return CUT_MESSAGE;
}

static struct guess stream_classify(struct span in)
{
	const struct guess maybe = {VERDICT_MAYBE, SIDE_UNKNOWN}, no = {VERDICT_NO, SIDE_UNKNOWN};
	struct dns_state state;
	bool is_short;
	size_t frame;

	if (in.len < FRAME_HEAD) /* the length may be a write of its own */
		return maybe;
	frame = read16(in.at);
	if (frame < DNS_HEAD)
		return no;
	in = span_first(span_from(in, FRAME_HEAD), frame);
	if (read_start(&state, 0, in, &is_short))
		return no;
	if (is_short)
		return in.len < frame ? maybe : no;
	return dns_classify(in);
}

/* Messages begin where writes do: there is no telling where in the middle of one another starts. */
static bool stream_resync(void *at, enum side from, struct span in, size_t *ret_used)
{
	struct dns_state *state = at;
	struct guess guess = stream_classify(in);

	*ret_used = guess.verdict == VERDICT_NO || guess.from == !from ? in.len : 0;
	if (guess.verdict != VERDICT_YES || guess.from != from)
		return false;
	state->is_lost[from] = false;
	state->due[from] = 0;
	return true;
}

static uint64_t stream_passes(const void *at, enum side from)
{
	return ((const struct dns_state *)at)->due[from];
}

const struct protocol dns_stream = {
	.name = "dns",
	.state_size = sizeof(struct dns_state),
	.classify = stream_classify,
	.cut = stream_cut,
	.gap = stream_gap,
	.resync = stream_resync,
	.close = stream_close,
	.passes = stream_passes,
};
