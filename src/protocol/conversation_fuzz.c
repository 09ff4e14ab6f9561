// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events of any sort in any order: nothing is read that was not given, every byte and every message is
 * accounted for, and what is held has a limit.
 *
 * Input: a byte of choices, then events: what it does, where, how many bytes moved, how many are there.
 */
#include "protocol/conversation.c"
#include "protocol/drive.h"

struct input {
	const uint8_t *at;
	size_t len;
};

static uint8_t take_byte(struct input *input)
{
	if (!input->len)
		return 0;
	input->len--;
	return *input->at++;
}

static void read_exchange(const struct exchange *exchange)
{
	const struct span texts[] = {exchange->request.operation, exchange->request.resource,
				     exchange->request.target,    exchange->request.key,
				     exchange->response.status,   exchange->response.reason};
	uint8_t sum = 0;

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		for (size_t at = 0; at < texts[i].len; at++)
			sum += texts[i].at[at];
	__asm__ volatile("" : : "r"(sum));
}

static void take_all(struct conversation *c, bool *closed)
{
	struct exchange exchange;
	size_t held = 0;

	while (conversation_take(c, &exchange))
		read_exchange(&exchange);
	drive_promise(pair_is_even(&c->pair));
	for (unsigned i = 0; i < 2; i++) {
		drive_promise(stream_is_even(&c->streams[i]));
		held += c->streams[i].ahead_bytes;
		drive_promise(c->streams[i].ahead_len <= STREAM_AHEAD);
	}
	drive_promise(held <= 2 * STREAM_AHEAD_BYTES);
	drive_promise(c->pair.size <= PAIR_ROOM);
	if (closed[0] && closed[1] && !c->is_datagram)
		drive_promise(!stream_missing(&c->streams[0]) && !stream_missing(&c->streams[1]));
}

/* The event's bytes live in a block of their own, and only until they are taken. */
static void put(struct conversation *c, struct input *input, uint8_t what, uint64_t ns,
		bool *closed)
{
	unsigned direction = what & 1;
	size_t len = take_byte(input);
	uint64_t position = c->streams[direction].end, moved;
	uint8_t *bytes;

	if (len > input->len)
		len = input->len;
	bytes = malloc(len + !len);
	if (!bytes)
		return;
	if (len)
		memcpy(bytes, input->at, len);
	input->at += len;
	input->len -= len;
	moved = len + (what & 2 ? take_byte(input) : 0);
	if (what & 4)
		position += take_byte(input);
	if (what & 8)
		position -= take_byte(input);
	conversation_put(c, direction, position, (struct span){bytes, len}, moved, ns);
	take_all(c, closed);
	free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct input input = {at, len};
	struct conversation c;
	bool closed[2] = {};
	uint8_t choices = take_byte(&input);

	conversation_init(&c, choices & 1, (enum side)(choices >> 1 & 3) % 3, choices & 8);
	for (unsigned i = 0; choices & 8 && i < 2; i++)
		conversation_begin(&c, i, 0);
	for (uint64_t ns = 1; input.len; ns++) {
		uint8_t what = take_byte(&input);

		if (what == 255)
			conversation_give_up(&c);
		else if (what == 254)
			conversation_until(&c, ns + take_byte(&input));
		else if (!closed[what & 1])
			put(&c, &input, what, ns, closed);
		else
			break;
		if (what >= 252 && what < 254) {
			closed[what & 1] = true;
			conversation_close(&c, what & 1, ns);
		}
		take_all(&c, closed);
	}
	for (unsigned i = 0; i < 2; i++) {
		conversation_close(&c, i, 1000000);
		closed[i] = true;
	}
	take_all(&c, closed);
	conversation_done(&c);
	return 0;
}
