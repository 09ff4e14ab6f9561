// SPDX-License-Identifier: GPL-2.0-only
/*
 * tls_inner - two places inside of OpenSSL (1.1 to 3.1) that no symbol names, found by what the code around them does.
 *
 * The object holds records that are received as {int version, int type, size_t length, size_t orig_len, size_t off, char *data, ...}
 * (ssl/record/record.h, SSL3_RECORD). A read ends with memcpy(to, data + off, n): data and off of one record are added up
 * in the register of the second argument, and memcpy is called; another register holds the record then, or the object. Before the
 * records lie 32 buffers of records to be sent, each {char *buf, size_t default_len, len, offset, left, int}.
 *
 * A write ends where what is to be written is remembered, for the case that the socket takes only a part (wpend_tot, wpend_type,
 * wpend_ret, wpend_buf: four neighbours), and a function is called that tries to. It is called elsewhere as well, to try again,
 * but there nothing is remembered: so each record comes by once.
 *
 * Where the buffers are, writes say; and so where the records are. Whatever does not fit leaves the library to the probes of its entries. And
 * what is found is tried at each call: data + off must be the second argument, the type one of TLS, and in front of the buffers
 * the object's address stands in itself (RECORD_LAYER begins with it).
 */
#include "items/app/requests/tls_inner.h"

#include <elf.h>
#include <string.h>

#include "base/x86.h"

#if defined(__x86_64__)

enum {
	STUB_BYTES = 16,
	CALL_BYTES = 5,
	AROUND = 1 << 20, /* bytes of code before and behind SSL_read */
	ACCESSES = 16, /* that are remembered */
	NEAR = 96, /* bytes before a call */
	SENDERS = 16,
	READS = 16,
	RSI = 6,
	/* SSL3_RECORD */
	RECORD_OFF = 24,
	/* SSL3_BUFFER, and how many (SSL_MAX_PIPELINES) */
	RECORD_BYTES = 72, /* at least */
	BUFFER_BYTES = 48,
	BUFFERS = 32,
	BUFFER_OFFSET = 24,
	BUFFER_LEFT = 32,
};

/* An instruction between a register (or a constant) and what lies at a distance from another register. */
struct access {
	uint64_t at; /* in the code */
	uint8_t opcode, value, base; /* value: the register that is loaded or stored */
	bool is_wide;
	int32_t distance;
};

/* A call behind what looks like the four neighbours. */
struct sender {
	uint64_t at; /* in the code */
	int64_t target;
	int32_t pending; /* where the type is remembered */
	int32_t buffer; /* where the code next to it says that the buffer is; 0 = it doesn't */
};

struct sweep {
	struct span code;
	uint64_t stub; /* of memcpy, in the code */
	struct access access[ACCESSES];
	uint32_t count; /* of all */
	struct tls_inner_read read[READS];
	uint32_t reads;
	struct tls_inner inner;
	struct sender sender[SENDERS];
	uint32_t senders;
};

/* ---- where memcpy is called ---- */

static const void *section_bytes(const struct elf *elf, const char *name,
				 struct elf_section *ret_section)
{
	return elf_section_find(elf, name, ret_section)
		       ? elf_part(elf, ret_section->offset, ret_section->size)
		       : NULL;
}

/* Where the loader writes the address of that function; 0 = nowhere. */
static uint64_t slot_of(const struct elf *elf, const char *name)
{
	struct elf_section relocations, symbols, strings;
	const uint8_t *relocation = section_bytes(elf, ".rela.plt", &relocations);
	const uint8_t *symbol = section_bytes(elf, ".dynsym", &symbols);
	const char *string = section_bytes(elf, ".dynstr", &strings);
	size_t len = strlen(name) + 1;

	if (!relocation || !symbol || !string)
		return 0;
	for (size_t i = 0; i < relocations.size / sizeof(Elf64_Rela); i++) {
		Elf64_Rela found;
		Elf64_Sym of;

		memcpy(&found, relocation + i * sizeof(found), sizeof(found));
		if (ELF64_R_SYM(found.r_info) >= symbols.size / sizeof(of))
			continue;
		memcpy(&of, symbol + ELF64_R_SYM(found.r_info) * sizeof(of), sizeof(of));
		if (of.st_name + len <= strings.size && !memcmp(string + of.st_name, name, len))
			return found.r_offset;
	}
	return 0;
}

static int32_t distance_at(const uint8_t *at)
{
	int32_t distance;

	memcpy(&distance, at, sizeof(distance));
	return distance;
}

/* The stub that jumps through the slot: its address, 0 = there is none in that section. */
static uint64_t stub_in(const struct elf *elf, const char *name, uint64_t slot)
{
	struct elf_section section;
	const uint8_t *at = section_bytes(elf, name, &section);

	for (uint64_t i = 0; at && i + 6 <= section.size; i++)
		if (at[i] == 0xff && at[i + 1] == 0x25 &&
		    section.address + i + 6 + (uint64_t)(int64_t)distance_at(at + i + 2) == slot)
			return section.address + i / STUB_BYTES * STUB_BYTES;
	return 0;
}

/* ---- the code ---- */

/* mov and add with a distance of 8 or 32 bits; a base of rsp or r12 needs one more byte. */
static bool read_access(struct span code, struct access *ret)
{
	struct access access = {};
	uint8_t rex = 0, modrm;
	size_t at = 0;

	if (code.len && code.at[0] >> 4 == 4)
		rex = code.at[at++];
	if (at + 3 > code.len)
		return false;
	access.opcode = code.at[at++];
	modrm = code.at[at++];
	if ((access.opcode != 0x8b && access.opcode != 0x89 && access.opcode != 0x03 &&
	     access.opcode != 0xc7) ||
	    (modrm >> 6 != 2 && modrm >> 6 != 1))
		return false;
	if ((modrm & 7) == 4 && (code.at[at++] & 0x3f) != 0x24)
		return false;
	if (at + (modrm >> 6 == 2 ? 4 : 1) > code.len)
		return false;
	access.value = (uint8_t)((modrm >> 3 & 7) | (rex & 4) << 1);
	access.base = (uint8_t)((modrm & 7) | (rex & 1) << 3);
	access.is_wide = rex & 8;
	access.distance = modrm >> 6 == 2 ? distance_at(code.at + at) : (int8_t)code.at[at];
	*ret = access;
	return true;
}

/* The i-th before this one, from 0 on; NULL: none is near. */
static const struct access *access_before(const struct sweep *sweep, uint64_t at, uint32_t i)
{
	const struct access *access;

	if (i >= ACCESSES || i >= sweep->count)
		return NULL;
	access = &sweep->access[(sweep->count - 1 - i) % ACCESSES];
	return at - access->at <= NEAR ? access : NULL;
}

static const struct access *store_near(const struct sweep *sweep, uint64_t at, uint8_t base,
				       int32_t distance, bool is_wide)
{
	const struct access *access;

	for (uint32_t i = 0; (access = access_before(sweep, at, i)); i++)
		if ((access->opcode == 0x89 || access->opcode == 0xc7) && access->base == base &&
		    access->distance == distance && access->is_wide == is_wide)
			return access;
	return NULL;
}

/* The kernel's name of a register that functions keep for their callers; -1: it is none. */
static int kept_register(uint8_t number)
{
	static const uint8_t kept[TLS_KEPT] = {3, 5, 12, 13, 14, 15};

	for (int i = 0; i < TLS_KEPT; i++)
		if (kept[i] == number)
			return i;
	return -1;
}

/* memcpy is called: with data + off of a record? */
static void look_at_copy(struct sweep *sweep, uint64_t at)
{
	const struct access *add = NULL, *load = NULL, *access;
	int32_t off;

	for (uint32_t i = 0; (access = access_before(sweep, at, i)) && !load; i++) {
		if (access->value != RSI || !access->is_wide)
			continue;
		if (!add && access->opcode == 0x03)
			add = access;
		else if (add && access->opcode == 0x8b)
			load = access;
		else
			return;
	}
	if (!load || load->base != add->base || kept_register(add->base) < 0)
		return;
	off = load->distance < add->distance ? load->distance : add->distance;
	if (off + 8 != (load->distance < add->distance ? add->distance : load->distance) ||
	    off < RECORD_OFF || off > 0xffff || sweep->reads == READS)
		return;
	sweep->read[sweep->reads++] = (struct tls_inner_read){
		.at = at,
		.kept = (uint32_t)kept_register(add->base),
		.distance = (uint32_t)(off - RECORD_OFF),
	};
}

/* A function is called: behind total (8 bytes), type (4), what to return (8), plaintext (8), remembered side by side? */
static void look_at_call(struct sweep *sweep, uint64_t at, int64_t target)
{
	const struct access *type, *access;
	struct sender *sender;

	for (uint32_t i = 0; (type = access_before(sweep, at, i)); i++)
		if ((type->opcode == 0x89 || type->opcode == 0xc7) && !type->is_wide &&
		    store_near(sweep, at, type->base, type->distance - 8, true) &&
		    store_near(sweep, at, type->base, type->distance + 8, true) &&
		    store_near(sweep, at, type->base, type->distance + 16, true))
			break;
	if (!type)
		return;
	if (sweep->senders == SENDERS || type->distance < BUFFERS * (BUFFER_BYTES + RECORD_BYTES))
		return;
	sender = &sweep->sender[sweep->senders++];
	*sender = (struct sender){at, target, type->distance, 0};
	/* some of them set the buffer's place and rest right there */
	for (uint32_t i = 0; (access = access_before(sweep, at, i)); i++)
		if (access->base == type->base && access->is_wide &&
		    access->distance < type->distance - 8 &&
		    store_near(sweep, at, type->base,
			       access->distance + BUFFER_LEFT - BUFFER_OFFSET, true))
			sender->buffer = access->distance - BUFFER_OFFSET;
}

/* Those that remember for the same function what the one does that says where the buffer is. False: none says so, or they
 * contradict each other. */
static bool choose_writes(struct sweep *sweep)
{
	const struct sender *known = NULL, *sender;
	struct tls_inner *inner = &sweep->inner;

	for (uint32_t i = 0; i < sweep->senders; i++) {
		sender = &sweep->sender[i];
		if (sender->buffer <= 0)
			continue;
		if (known && (known->target != sender->target ||
			      known->pending != sender->pending || known->buffer != sender->buffer))
			return false;
		known = sender;
	}
	for (uint32_t i = 0; known && i < sweep->senders; i++) {
		sender = &sweep->sender[i];
		if (sender->target != known->target || sender->pending != known->pending)
			continue;
		if (inner->writes == TLS_INNER_WRITES)
			return false;
		inner->write_at[inner->writes++] = sender->at;
	}
	inner->record = known ? (uint32_t)known->buffer + BUFFERS * BUFFER_BYTES : 0;
	return inner->writes && inner->record <= 0xffff;
}

/* Where the register holds a record, or the object that these records lie in. */
static bool choose_reads(struct sweep *sweep)
{
	struct tls_inner *inner = &sweep->inner;

	for (uint32_t i = 0; i < sweep->reads; i++) {
		if (sweep->read[i].distance && sweep->read[i].distance != inner->record)
			continue;
		if (inner->reads == TLS_INNER_READS)
			return false;
		inner->read[inner->reads++] = sweep->read[i];
	}
	return inner->reads;
}

static void sweep_code(struct sweep *sweep)
{
	uint64_t at = 0;

	while (at < sweep->code.len) {
		struct span rest = span_from(sweep->code, (size_t)at);
		size_t length = x86_length(rest);
		struct access access;
		int64_t target;

		if (length == CALL_BYTES && rest.at[0] == 0xe8) {
			target = (int64_t)at + CALL_BYTES + distance_at(rest.at + 1);
			if (target == (int64_t)sweep->stub)
				look_at_copy(sweep, at);
			else
				look_at_call(sweep, at, target);
			sweep->count = 0; /* a call changes registers */
		} else if (length && read_access(span_first(rest, length), &access)) {
			access.at = at;
			sweep->access[sweep->count++ % ACCESSES] = access;
		}
		at += length ? length : 1;
	}
}

/* The code around that place of the file: all of a library, and of a large program the part where the library is. */
static bool find_code(const struct elf *elf, uint64_t offset, struct sweep *sweep,
		      uint64_t *ret_offset)
{
	uint64_t slot = slot_of(elf, "memcpy"), stub, begin, end;
	struct elf_section text;

	if (!slot || !elf_section_find(elf, ".text", &text) || offset < text.offset ||
	    offset - text.offset >= text.size)
		return false;
	stub = stub_in(elf, ".plt.sec", slot);
	if (!stub)
		stub = stub_in(elf, ".plt", slot);
	begin = offset - text.offset > AROUND ? offset - AROUND : text.offset;
	end = text.offset + text.size;
	if (end - offset > AROUND)
		end = offset + AROUND;
	sweep->code.at = elf_part(elf, begin, end - begin);
	sweep->code.len = (size_t)(end - begin);
	sweep->stub = stub - (text.address + begin - text.offset);
	*ret_offset = begin;
	return stub && sweep->code.at;
}

bool tls_inner_find(const struct elf *elf, uint64_t around, struct tls_inner *ret_inner)
{
	struct sweep sweep = {};
	uint64_t offset;

	if (!find_code(elf, around, &sweep, &offset))
		return false;
	sweep_code(&sweep);
	if (!choose_writes(&sweep) || !choose_reads(&sweep))
		return false;
	for (uint32_t i = 0; i < sweep.inner.reads; i++)
		sweep.inner.read[i].at += offset;
	for (uint32_t i = 0; i < sweep.inner.writes; i++)
		sweep.inner.write_at[i] += offset;
	*ret_inner = sweep.inner;
	return true;
}

#else

bool tls_inner_find(const struct elf *elf, uint64_t around, struct tls_inner *ret_inner)
{
	return false;
}

#endif
