// SPDX-License-Identifier: GPL-2.0-only
/*
 * memcached_binary - messages of the binary dialect (doc/protocol-binary.xml).
 *
 *	magic 0x80 or 0x81 | opcode | key length (2) | extras length | data type | status (2)
 *	body length (4) | opaque (4) | cas (8) | extras | key | value
 *
 * Quiet operations (a Q at the end of their name) are answered only if there is something to say. The
 * response repeats opcode and opaque; together they are the message's id. Many clients leave the opaque at
 * 0; so where the response brings the key, the key counts, too.
 */
#include "protocol/memcached_parts.h"

enum {
	HEAD = 24,
	MAGIC_REQUEST = 0x80,
	MAGIC_RESPONSE = 0x81,
	EXTRAS_MAX = 24,
	KEY_BYTES_MAX = 250,
	OPCODE_STAT = 0x10,
	OPCODE_GETKQ = 0x0d,
	OPCODE_GATKQ = 0x24,
	STATUS_NOT_FOUND = 1,
	STATUS_EXISTS = 2,
	STATUS_NOT_STORED = 5,
};

/* By opcode; names as in the text dialect, with a q for the quiet form. */
static const struct memcached_command commands[] = {
	[0x00] = {"get"},
	[0x01] = {"set"},
	[0x02] = {"add"},
	[0x03] = {"replace"},
	[0x04] = {"delete"},
	[0x05] = {"incr"},
	[0x06] = {"decr"},
	[0x07] = {"quit"},
	[0x08] = {"flush_all"},
	[0x09] = {"getq", .answer = ANSWER_MAYBE},
	[0x0a] = {"noop"},
	[0x0b] = {"version"},
	[0x0c] = {"getk"},
	[0x0d] = {"getkq", .answer = ANSWER_MAYBE},
	[0x0e] = {"append"},
	[0x0f] = {"prepend"},
	[0x10] = {"stats"},
	[0x11] = {"setq", .answer = ANSWER_MAYBE},
	[0x12] = {"addq", .answer = ANSWER_MAYBE},
	[0x13] = {"replaceq", .answer = ANSWER_MAYBE},
	[0x14] = {"deleteq", .answer = ANSWER_MAYBE},
	[0x15] = {"incrq", .answer = ANSWER_MAYBE},
	[0x16] = {"decrq", .answer = ANSWER_MAYBE},
	[0x17] = {"quitq", .answer = ANSWER_NONE},
	[0x18] = {"flush_allq", .answer = ANSWER_MAYBE},
	[0x19] = {"appendq", .answer = ANSWER_MAYBE},
	[0x1a] = {"prependq", .answer = ANSWER_MAYBE},
	[0x1b] = {"verbosity"},
	[0x1c] = {"touch"},
	[0x1d] = {"gat"},
	[0x1e] = {"gatq", .answer = ANSWER_MAYBE},
	[0x20] = {"sasl_list"},
	[0x21] = {"sasl_auth"},
	[0x22] = {"sasl_step"},
	[0x23] = {"gatk"},
	[0x24] = {"gatkq", .answer = ANSWER_MAYBE},
};

static const char *status_name(uint16_t status)
{
	switch (status) {
	case 0x00: return "OK";
	case 0x01: return "KEY_NOT_FOUND";
	case 0x02: return "KEY_EXISTS";
	case 0x03: return "VALUE_TOO_LARGE";
	case 0x04: return "INVALID_ARGUMENTS";
	case 0x05: return "NOT_STORED";
	case 0x06: return "NOT_A_NUMBER";
	case 0x07: return "WRONG_SERVER";
	case 0x20: return "AUTH_ERROR";
	case 0x21: return "AUTH_CONTINUE";
	case 0x81: return "UNKNOWN_COMMAND";
	case 0x82: return "OUT_OF_MEMORY";
	case 0x83: return "NOT_SUPPORTED";
	case 0x84: return "INTERNAL_ERROR";
	case 0x85: return "BUSY";
	case 0x86: return "TEMPORARY_FAILURE";
	default: return "ERROR";
	}
}

static uint16_t read16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t read32(const uint8_t *at)
{
	return (uint32_t)read16(at) << 16 | read16(at + 2);
}

static const struct memcached_command *command_of(uint8_t opcode)
{
	if (opcode >= sizeof(commands) / sizeof(*commands) || !commands[opcode].name)
		return NULL;
	return &commands[opcode];
}

/* As far as it is there: what is wrong with a head must show at the same byte wherever it is cut. */
static const char *check_head(enum side from, struct span in)
{
	if (in.at[0] != (from == SIDE_CLIENT ? MAGIC_REQUEST : MAGIC_RESPONSE))
		return "not the magic byte of that side";
	if (in.len > 1 && !command_of(in.at[1]))
		return "unknown opcode";
	if (in.len > 3 && read16(in.at + 2) > KEY_BYTES_MAX)
		return "key above 250 bytes";
	if (in.len > 4 && in.at[4] > EXTRAS_MAX)
		return "extras above 24 bytes";
	if (in.len > 5 && in.at[5])
		return "unknown data type";
	if (in.len > 11 &&
	    (read32(in.at + 8) > VALUE_MAX || read32(in.at + 8) < read16(in.at + 2) + in.at[4]))
		return "body shorter than its parts, or above 1 GiB";
	return NULL;
}

static bool is_quiet_with_key(const struct memcached_half *half)
{
	return half->command == &commands[OPCODE_GETKQ] || half->command == &commands[OPCODE_GATKQ];
}

void memcached_binary_finish(struct memcached_half *half)
{
	if (!is_quiet_with_key(half) || half->is_error)
		return;
	for (size_t i = 0; i < half->key_len; i++) /* FNV-1a */
		half->id = (half->id ^ half->key[i]) * 0x100000001b3;
	if (half->is_torn)
		half->id = 0;
}

static void take_head(struct memcached_half *half, enum side from, const uint8_t *at)
{
	uint16_t status = read16(at + 6);

	half->command = command_of(at[1]);
	half->answer = half->command->answer;
	half->bytes = HEAD;
	half->due = read32(at + 8);
	half->extra_due = at[4];
	half->key_due = read16(at + 2);
	half->args = (half->key_due > 0) + (half->due > half->key_due + half->extra_due);
	half->id = 1ULL << 63 | (uint64_t)at[1] << 32 | read32(at + 12);
	if (from == SIDE_SERVER) {
		half->status = status_name(status);
		half->is_error = status && status != STATUS_NOT_FOUND && status != STATUS_EXISTS &&
				 status != STATUS_NOT_STORED;
		half->is_interim = at[1] == OPCODE_STAT && half->key_due;
		half->items = !status && half->due > half->extra_due + half->key_due;
		if (half->is_error) { /* the body says why, in words */
			half->extra_due = 0;
			half->key_due = (uint32_t)half->due;
		} else if (!is_quiet_with_key(half)) {
			half->extra_due = half->key_due = 0;
		}
	}
	half->phase = PHASE_BODY;
}

static size_t least(size_t a, uint64_t b)
{
	return a < b ? a : (size_t)b;
}

static enum step pass_body(struct memcached_half *half, struct span in, size_t *ret_used)
{
	size_t step = least(in.len, half->due);
	size_t extras = least(step, half->extra_due);
	size_t key = least(step - extras, half->key_due);

	memcached_note_key(half, (struct span){in.at + extras, key});
	half->extra_due -= (uint32_t)extras;
	half->key_due -= (uint32_t)key;
	half->due -= step;
	half->bytes += step;
	*ret_used = step;
	return half->due ? STEP_MORE : STEP_MESSAGE;
}

enum step memcached_binary_step(struct memcached_state *state, enum side from, struct span in,
				size_t *ret_used, const char **ret_why)
{
	struct memcached_half *half = &state->half[from];

	if (half->phase == PHASE_BODY)
		return pass_body(half, in, ret_used);
	*ret_why = check_head(from, in);
	if (*ret_why)
		return STEP_BAD;
	if (in.len < HEAD)
		return STEP_MORE;
	take_head(half, from, in.at);
	*ret_used = HEAD;
	return half->due ? STEP_ON : STEP_MESSAGE;
}

struct guess memcached_binary_guess(struct span in)
{
	enum side from = in.at[0] == MAGIC_REQUEST ? SIDE_CLIENT : SIDE_SERVER;
	struct span next;

	if (check_head(from, in))
		return (struct guess){VERDICT_NO, SIDE_UNKNOWN};
	if (in.len < HEAD)
		return (struct guess){VERDICT_MAYBE, from};
	next = span_from(in, HEAD + (size_t)read32(in.at + 8));
	if (next.len && check_head(from, next))
		return (struct guess){VERDICT_NO, SIDE_UNKNOWN};
	return (struct guess){VERDICT_YES, from};
}
