// SPDX-License-Identifier: GPL-2.0-only
/*
 * site - where in a function a probe costs least (Intel's manual, volume 2: opcodes and ModRM).
 *
 * Only instructions that functions begin with are known; the first one that isn't, or that changes a register that is needed, ends the
 * search. Jumps end it as well, since each is a place that may be probed. (Nops with operands, and push with REX.W, are
 * left out: not all kernels emulate them.)
 */
#include "world/symbol/site.h"

#include "base/x86.h"

enum { SEARCHED_BYTES = 64 };

struct opcode {
	uint8_t byte, second; /* second: behind 0F */
	uint8_t rex;
	bool has_prefix; /* 66, F2, F3, or a segment */
	size_t at; /* of what follows the opcode */
};

static bool read_opcode(struct span code, struct opcode *ret)
{
	struct opcode opcode = {};
	size_t at = 0;

	while (at < code.len && (code.at[at] == 0x64 || code.at[at] == 0x66 ||
				 code.at[at] == 0xf2 || code.at[at] == 0xf3)) {
		opcode.has_prefix = true;
		at++;
	}
	if (at < code.len && code.at[at] >> 4 == 4)
		opcode.rex = code.at[at++];
	if (at >= code.len)
		return false;
	opcode.byte = code.at[at++];
	if (opcode.byte == 0x0f) {
		if (at >= code.len)
			return false;
		opcode.second = code.at[at++];
	}
	opcode.at = at;
	*ret = opcode;
	return true;
}

static int32_t number_at(struct span code, size_t at, size_t bytes)
{
	uint32_t number = 0;

	for (size_t i = 0; i < bytes && at + i < code.len; i++)
		number |= (uint32_t)code.at[at + i] << 8 * i;
	return bytes == 1 ? (int8_t)number : (int32_t)number;
}

/* ModRM's two registers, widened by REX. */
static unsigned middle_of(struct span code, const struct opcode *opcode)
{
	return (code.at[opcode->at] >> 3 & 7) | (opcode->rex & 4u) << 1;
}

static unsigned last_of(struct span code, const struct opcode *opcode)
{
	return (code.at[opcode->at] & 7) | (opcode->rex & 1u) << 3;
}

static bool is_of_registers(struct span code, const struct opcode *opcode)
{
	return code.at[opcode->at] >> 6 == 3;
}

/* Arithmetic with a constant (80, 81, 83): compares write nothing, and the stack pointer is lowered by `sub`. */
static bool read_constant(struct span code, const struct opcode *opcode, struct effect *effect)
{
	unsigned middle = code.at[opcode->at] >> 3 & 7, last = last_of(code, opcode);
	int32_t number = number_at(code, opcode->at + 1, opcode->byte == 0x81 ? 4 : 1);

	if (middle == 7 || !is_of_registers(code, opcode))
		return true;
	if (last == 4 && middle == 5 && opcode->rex & 8 && opcode->byte != 0x80 && number >= 0)
		effect->stack = (uint32_t)number;
	else
		effect->writes |= 1u << last;
	return true;
}

static bool read_second_map(struct span code, const struct opcode *opcode, struct effect *effect)
{
	if (opcode->second >= 0x80 && opcode->second <= 0x8f && !opcode->has_prefix) {
		effect->is_emulated = true;
		return true;
	}
	if (opcode->second == 0x1e || opcode->second == 0x1f) /* endbr64, nop */
		return true;
	if (opcode->second == 0xb6 || opcode->second == 0xb7 || opcode->second == 0xbe ||
	    opcode->second == 0xbf || (opcode->second >= 0x40 && opcode->second <= 0x4f)) {
		effect->writes |= 1u << middle_of(code, opcode); /* movzx, movsx, cmov */
		return true;
	}
	/* between vector registers, or from them to memory */
	return opcode->second == 0x11 || opcode->second == 0x29 || opcode->second == 0x7f ||
	       opcode->second == 0x57 || opcode->second == 0xef;
}

static bool read_first_map(struct span code, const struct opcode *opcode, struct effect *effect)
{
	uint8_t byte = opcode->byte;

	if (byte >= 0x50 && byte <= 0x57) { /* push */
		effect->stack = 8;
		effect->is_emulated = !opcode->has_prefix && !(opcode->rex & 8);
		return !opcode->has_prefix;
	}
	if ((byte >= 0x70 && byte <= 0x7f) || byte == 0xeb || byte == 0xe9 || byte == 0xe8) {
		effect->is_emulated = !opcode->has_prefix && !opcode->rex;
		effect->is_call = byte == 0xe8;
		effect->target = (int64_t)effect->length +
				 number_at(code, opcode->at, byte == 0xe8 || byte == 0xe9 ? 4 : 1);
		return effect->is_emulated;
	}
	if (byte >= 0xb8 && byte <= 0xbf) { /* mov constant, register */
		effect->writes |= 1u << ((byte & 7) | (opcode->rex & 1) << 3);
		return true;
	}
	switch (byte) {
	case 0x90: return true;
	case 0x80:
	case 0x81:
	case 0x83: return read_constant(code, opcode, effect);
	case 0xf6:
	case 0xf7: return (code.at[opcode->at] >> 3 & 7) < 2; /* test */
	case 0x38:
	case 0x39:
	case 0x3a:
	case 0x3b:
	case 0x84:
	case 0x85: return true; /* cmp, test */
	case 0x03:
	case 0x0b:
	case 0x23:
	case 0x2b:
	case 0x33:
	case 0x63:
	case 0x8b:
	case 0x8d: /* add, or, and, sub, xor, movslq, mov, lea into the first register */
		effect->writes |= 1u << middle_of(code, opcode);
		return true;
	case 0x01:
	case 0x09:
	case 0x21:
	case 0x29:
	case 0x31:
	case 0x88:
	case 0x89:
	case 0xc6:
	case 0xc7: /* the same, and mov of a constant, into the second, or into memory */
		if (is_of_registers(code, opcode))
			effect->writes |= 1u << last_of(code, opcode);
		return true;
	}
	return false;
}

bool effect_of(struct span code, struct effect *ret_effect)
{
	struct effect effect = {.length = x86_length(code)};
	struct opcode opcode;

	if (!effect.length || !read_opcode(span_first(code, effect.length), &opcode))
		return false;
	code = span_first(code, effect.length);
	/* all that are known but push, mov of a constant and nop have something behind the opcode */
	if (opcode.at >= code.len && !(opcode.byte >= 0x50 && opcode.byte <= 0x57) &&
	    opcode.byte != 0x90)
		return false;
	if (!(opcode.byte == 0x0f ? read_second_map(code, &opcode, &effect)
				  : read_first_map(code, &opcode, &effect)))
		return false;
	*ret_effect = effect;
	return true;
}

struct site site_find(struct span code, uint32_t kept, bool is_return_probed)
{
	struct site site = {};
#if defined(__x86_64__)
	struct effect effect;

	code = span_first(code, SEARCHED_BYTES);
	while (effect_of(code, &effect)) {
		if (effect.is_emulated && !(is_return_probed && site.stack)) {
			site.is_cheap = true;
			return site;
		}
		if (effect.is_emulated || effect.writes & (kept | SITE_RSP))
			break;
		site.at += effect.length;
		site.stack += effect.stack;
		code = span_from(code, effect.length);
	}
#else
	(void)code, (void)kept, (void)is_return_probed;
#endif
	return (struct site){};
}

bool site_next_call(struct span code, size_t *at, int64_t *ret_target)
{
	enum { CALL = 0xe8, CALL_BYTES = 5 };

	while (*at < code.len) {
		size_t begin = *at, length = x86_length(span_from(code, begin));

		if (!length)
			return false;
		*at += length;
		if (code.at[begin] != CALL || length != CALL_BYTES)
			continue;
		*ret_target = (int64_t)*at + number_at(code, begin + 1, 4);
		return true;
	}
	return false;
}
