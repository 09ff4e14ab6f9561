// SPDX-License-Identifier: GPL-2.0-only
/* verdict - what the kernel half is told of a connection: whether it is read, how much of a call is worth copying, what is passed over. */
#include "items/app/requests/talk_parts.h"

enum {
	LONG_ENOUGH = 4, /* long calls, after which the next ones are believed to be alike */
	LONG_NEVER = UINT8_MAX,
	PASS_BYTES = 32 * 1024, /* fewer are not worth a word */
};

_Static_assert(1 << HEAD_MAX_LOG2 == REQUESTS_HEAD_MAX, "one limit");

static void verdict_write(struct talks *talks, struct talk *talk, enum requests_wanted wanted)
{
	uint64_t word = requests_verdict(talk->cookie, wanted, talk->limit_log2[REQUESTS_IN],
					 talk->limit_log2[REQUESTS_OUT]);
	uint64_t *verdicts = talk->via == VIA_SOCKET ? talks->verdicts : talks->inside_verdicts;

	talk->wanted = (uint8_t)wanted;
	if (verdicts)
		__atomic_store_n(&verdicts[talk->cookie % REQUESTS_VERDICTS], word,
				 __ATOMIC_RELAXED);
}

/* Nothing that either side will say can be read: TLS behind its handshake. */
static bool passes_for_good(const struct conversation *conversation)
{
	return conversation->protocol && conversation->protocol->is_opaque &&
	       conversation_passes(conversation, 0) == UINT64_MAX &&
	       conversation_passes(conversation, 1) == UINT64_MAX;
}

void verdict_judge(struct talks *talks, struct talk *talk)
{
	const struct conversation *conversation = &talk->conversation;
	enum requests_wanted wanted = REQUESTS_UNDECIDED;

	if (conversation->is_over || infer_is_hopeless(&conversation->infer) ||
	    passes_for_good(conversation))
		wanted = REQUESTS_UNWANTED;
	else if (conversation->protocol)
		wanted = REQUESTS_WANTED;
	if (wanted != talk->wanted)
		verdict_write(talks, talk, wanted);
}

/*
 * How much of a call is worth copying. A call longer than head_bytes may be many messages in a row, of which every
 * byte counts, or one with a long body, of which the beginning does. It begins with as much as can be
 * had; after LONG_ENOUGH calls that were one message each it is head_bytes, until that does harm.
 */
static void set_limit(struct talks *talks, struct talk *talk, unsigned direction, uint32_t log2)
{
	bool is_request = (direction == REQUESTS_IN) == talk->is_accepted;
	uint16_t port = talk_server_port(talk);
	uint32_t bit = is_request ? REQUESTS_LONG_REQUESTS : REQUESTS_LONG_RESPONSES;

	talk->limit_log2[direction] = (uint8_t)log2;
	verdict_write(talks, talk, talk->wanted);
	if (talks->ports && talk->via == VIA_SOCKET)
		talks->ports[port] = log2 == HEAD_MAX_LOG2 ? talks->ports[port] & ~bit
							   : talks->ports[port] | bit;
}

void verdict_learn(struct talks *talks, struct talk *talk, const struct chunk *chunk,
		   uint64_t messages, bool did_harm)
{
	const struct protocol *protocol = talk->conversation.protocol;
	uint8_t *calls = &talk->long_calls[chunk->direction];
	bool is_piped = !talk->conversation.is_by_id && talk->conversation.pair.deepest > 1;

	/* who asks several things at once has several answers in a call, the next time perhaps in a long one */
	if (is_piped && talk->limit_log2[chunk->direction] == talks->head_log2)
		set_limit(talks, talk, chunk->direction, HEAD_MAX_LOG2);
	if (is_piped)
		*calls = LONG_NEVER;
	if (chunk->moved <= 1u << talks->head_log2)
		return;
	if (did_harm && chunk->first + chunk->last < chunk->moved &&
	    talk->limit_log2[chunk->direction] != HEAD_MAX_LOG2)
		set_limit(talks, talk, chunk->direction, HEAD_MAX_LOG2);
	if (did_harm || messages > 1 || (protocol && protocol->call_bytes > 1u << talks->head_log2))
		*calls = LONG_NEVER;
	else if (*calls != LONG_NEVER && ++*calls == LONG_ENOUGH)
		set_limit(talks, talk, chunk->direction, talks->head_log2);
}

/* That went in this direction; as long as nobody knows whose it is, none. */
uint64_t verdict_messages(const struct conversation *conversation, unsigned direction)
{
	const struct pair_counts *counts = &conversation->pair.counts;

	if (!conversation->protocol)
		return 0;
	return conversation->infer.side_of[direction] == SIDE_CLIENT
		       ? counts->requests
		       : counts->responses + counts->interims + counts->pushes;
}

/*
 * A body of known length, or what else nobody reads: the kernel half need not copy it, nor tell of it, until it ends.
 * (What is passed for good is a verdict.)
 */
void verdict_pass(struct talks *talks, const struct talk *talk, unsigned direction)
{
	uint64_t bytes = conversation_passes(&talk->conversation, direction);
	struct requests_pass *pass;

	if (!talks->passes || bytes < PASS_BYTES || bytes > UINT64_MAX / 2)
		return;
	pass = &talks->passes[talk->cookie % REQUESTS_VERDICTS];
	if (pass->cookie != talk->cookie) {
		__atomic_store_n(&pass->cookie, 0, __ATOMIC_RELEASE);
		pass->until[!direction] = 0;
	}
	__atomic_store_n(&pass->until[direction], talk->expected[direction] + bytes,
			 __ATOMIC_RELEASE);
	__atomic_store_n(&pass->cookie, talk->cookie, __ATOMIC_RELEASE);
}
