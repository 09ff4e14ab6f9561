// SPDX-License-Identifier: GPL-2.0-only
/*
 * x86 - how long an instruction of x86-64 is (Intel's manual, volume 2, chapter 2 and appendix A).
 *
 * An instruction is prefixes, an opcode of one of four maps, perhaps a ModRM byte with what it asks for, and a constant. Of each
 * opcode only two things matter: whether it has a ModRM byte, and how long its constant is.
 */
#include "base/x86.h"

struct decoding {
	struct span rest;
	size_t used;
	bool is_short, is_wide; /* prefix 66, REX.W */
	bool is_cut;
};

static uint8_t take(struct decoding *d)
{
	if (!d->rest.len) {
		d->is_cut = true;
		return 0;
	}
	d->used++;
	d->rest = span_from(d->rest, 1);
	return d->rest.at[-1];
}

static void pass(struct decoding *d, size_t bytes)
{
	if (bytes > d->rest.len)
		d->is_cut = true;
	d->used += bytes;
	d->rest = span_from(d->rest, bytes);
}

/* The ModRM byte and what follows it; returns its middle field. */
static unsigned pass_modrm(struct decoding *d)
{
	uint8_t modrm = take(d), sib = 0;
	unsigned mode = modrm >> 6, base = modrm & 7;

	if (mode != 3 && base == 4) {
		sib = take(d);
		if (mode == 0 && (sib & 7) == 5)
			pass(d, 4);
	}
	if (mode == 0 && base == 5)
		pass(d, 4);
	if (mode == 1)
		pass(d, 1);
	if (mode == 2)
		pass(d, 4);
	return modrm >> 3 & 7;
}

/* Opcodes 0F xx. False: not known. */
static bool pass_second_map(struct decoding *d, uint8_t opcode)
{
	if (opcode >= 0x80 && opcode <= 0x8f) { /* jumps */
		pass(d, 4);
		return true;
	}
	if (opcode == 0x05 || opcode == 0x0b || opcode == 0x77 || opcode == 0x31 ||
	    opcode == 0xa2 || (opcode >= 0xc8 && opcode <= 0xcf))
		return true;
	if (opcode == 0x38 || opcode == 0x3a) {
		take(d);
		pass_modrm(d);
		pass(d, opcode == 0x3a);
		return true;
	}
	pass_modrm(d);
	pass(d, (opcode >= 0x70 && opcode <= 0x73) || opcode == 0xa4 || opcode == 0xac ||
			opcode == 0xba || opcode == 0xc2 || (opcode >= 0xc4 && opcode <= 0xc6));
	return true;
}

/* VEX and EVEX: the map is in the prefix. */
static bool pass_vector(struct decoding *d, unsigned map, uint8_t opcode)
{
	if (map < 1 || map > 3)
		return false;
	if (map == 1 && opcode == 0x77)
		return true;
	pass_modrm(d);
	pass(d, map == 3 || (map == 1 && ((opcode >= 0x70 && opcode <= 0x73) || opcode == 0xc2 ||
					  (opcode >= 0xc4 && opcode <= 0xc6))));
	return true;
}

static size_t constant_bytes(const struct decoding *d)
{
	return d->is_short ? 2 : 4;
}

/* Opcodes of one byte below 40 and from 60 on that have no ModRM byte: bytes of their constant; -1: not one of them. */
static int plain_constant(const struct decoding *d, uint8_t opcode)
{
	if (opcode < 0x40)
		return (opcode & 7) == 4 ? 1 : (opcode & 7) == 5 ? (int)constant_bytes(d) : -1;
	if ((opcode >= 0x50 && opcode <= 0x5f) || (opcode >= 0x90 && opcode <= 0x9f) ||
	    (opcode >= 0xa4 && opcode <= 0xa7) || (opcode >= 0xaa && opcode <= 0xaf))
		return opcode == 0x9a ? -1 : 0;
	if ((opcode >= 0x70 && opcode <= 0x7f) || (opcode >= 0xb0 && opcode <= 0xb7) ||
	    (opcode >= 0xe0 && opcode <= 0xe7))
		return 1;
	switch (opcode) {
	case 0x6a:
	case 0xa8:
	case 0xcd:
	case 0xeb: return 1;
	case 0x68:
	case 0xa9: return (int)constant_bytes(d);
	case 0xe8:
	case 0xe9: return 4;
	case 0xc2: return 2;
	case 0xc3:
	case 0xc9:
	case 0xcc:
	case 0xf4: return 0;
	}
	if (opcode >= 0xa0 && opcode <= 0xa3)
		return 8;
	if (opcode >= 0xb8 && opcode <= 0xbf)
		return d->is_wide ? 8 : (int)constant_bytes(d);
	return -1;
}

/* The others of one byte: a ModRM byte, and some a constant. False: not known. */
static bool pass_first_map(struct decoding *d, uint8_t opcode)
{
	int constant = plain_constant(d, opcode);
	unsigned middle;

	if (constant >= 0) {
		pass(d, (size_t)constant);
		return true;
	}
	if ((opcode < 0x40 && (opcode & 7) > 3) || (opcode >= 0x60 && opcode <= 0x62) ||
	    opcode == 0x82 || opcode == 0x9a || opcode == 0xea || opcode == 0xd6 || opcode == 0xce)
		return false;
	middle = pass_modrm(d);
	if (opcode == 0x69 || opcode == 0x81 || opcode == 0xc7 || (opcode == 0xf7 && middle < 2))
		pass(d, constant_bytes(d));
	else if (opcode == 0x6b || opcode == 0x80 || opcode == 0x83 || opcode == 0xc0 ||
		 opcode == 0xc1 || opcode == 0xc6 || (opcode == 0xf6 && middle < 2))
		pass(d, 1);
	return (opcode < 0x40) || opcode == 0x63 || opcode == 0x69 || opcode == 0x6b ||
	       (opcode >= 0x80 && opcode <= 0x8f) || opcode == 0xc0 || opcode == 0xc1 ||
	       opcode == 0xc6 || opcode == 0xc7 || (opcode >= 0xd0 && opcode <= 0xd3) ||
	       (opcode >= 0xd8 && opcode <= 0xdf) || opcode == 0xf6 || opcode == 0xf7 ||
	       opcode >= 0xfe;
}

static bool is_prefix(uint8_t byte)
{
	return byte == 0x66 || byte == 0x67 || byte == 0xf0 || byte == 0xf2 || byte == 0xf3 ||
	       byte == 0x2e || byte == 0x36 || byte == 0x3e || byte == 0x26 || byte == 0x64 ||
	       byte == 0x65;
}

size_t x86_length(struct span code)
{
	struct decoding d = {.rest = span_first(code, 15)}; /* longer ones fault */
	uint8_t byte = take(&d), payload;
	bool is_known;

	while (is_prefix(byte) && !d.is_cut) {
		d.is_short |= byte == 0x66;
		byte = take(&d);
	}
	if (byte >> 4 == 4) {
		d.is_wide = byte & 8;
		byte = take(&d);
	}
	if (byte == 0x0f) {
		is_known = pass_second_map(&d, take(&d));
	} else if (byte == 0xc5) {
		take(&d);
		is_known = pass_vector(&d, 1, take(&d));
	} else if (byte == 0xc4) {
		payload = take(&d);
		take(&d);
		is_known = pass_vector(&d, payload & 31, take(&d));
	} else if (byte == 0x62) {
		payload = take(&d);
		pass(&d, 2);
		is_known = pass_vector(&d, payload & 7, take(&d));
	} else {
		is_known = pass_first_map(&d, byte);
	}
	return is_known && !d.is_cut ? d.used : 0;
}
