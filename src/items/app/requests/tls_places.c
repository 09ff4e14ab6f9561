// SPDX-License-Identifier: GPL-2.0-only
/*
 * tls_places - which functions of a program or library move plaintext.
 *
 * As few as possible, since every hit costs its process a trap, and a return another one: of OpenSSL, where it is built in a way that is
 * known, two places inside of it (tls_inner.h); else the functions that read and write; and two that are
 * called once in a connection's life. All must be the file's own (defined there); a program that only uses a
 * library has none of them. BoringSSL and what links OpenSSL statically keep the names.
 */
#include "items/app/requests/tls_places.h"
#include "items/app/requests/tls_inner.h"
#include "world/symbol/go.h"
#include "world/symbol/site.h"

static const struct wanted {
	const char *library, *name;
	uint64_t cookie; /* of all but TLS_FREE the return is probed too */
} wanted[] = {
	{"openssl", "SSL_read", TLS_C},
	{"openssl", "SSL_write", TLS_C | TLS_SENDS},
	{"openssl", "SSL_read_ex", TLS_C_EX},
	{"openssl", "SSL_write_ex", TLS_C_EX | TLS_SENDS},
	{"openssl", "SSL_do_handshake", TLS_HANDSHAKE},
	{"openssl", "SSL_free", TLS_FREE},
	{"openssl", "SSL_new", TLS_NEW},
	{"gnutls", "gnutls_record_recv", TLS_C},
	{"gnutls", "gnutls_record_send", TLS_C | TLS_SENDS},
	{"gnutls", "gnutls_handshake", TLS_HANDSHAKE},
	{"gnutls", "gnutls_deinit", TLS_FREE},
	{"nss", "PR_Read", TLS_NSPR},
	{"nss", "PR_Recv", TLS_NSPR},
	{"nss", "PR_Write", TLS_NSPR | TLS_SENDS},
	{"nss", "PR_Send", TLS_NSPR | TLS_SENDS},
	{"nss", "SSL_ResetHandshake",
	 TLS_HANDSHAKE}, /* in a library of its own, before the first handshake */
	{"openssl", "SSL_peek", TLS_PEEK},
	{"openssl", "SSL_peek_ex", TLS_PEEK},
};

/* Places in that list. */
enum {
	SSL_READ,
	SSL_WRITE,
	SSL_READ_EX,
	SSL_WRITE_EX,
	SSL_DO_HANDSHAKE,
	SSL_PEEK = 16,
	SSL_PEEK_EX
};

enum { WANTED = sizeof(wanted) / sizeof(*wanted) };

_Static_assert(2 * 5 + 1 <= TLS_PLACES && WANTED <= 32,
	       "room for the longest list; a bit for each");

bool tls_is_library(struct span name)
{
	static const char *const begins[] = {"libssl", "libgnutls.so", "libnspr4.so",
					     "libnetty_tcnative"};

	for (size_t i = 0; i < sizeof(begins) / sizeof(*begins); i++)
		if (span_starts(name, begins[i]))
			return true;
	return false;
}

/* A function of the file. */
struct function {
	uint64_t offset, size; /* size: 0 = not known */
};

static void add(struct tls_places *places, enum tls_program program, uint64_t offset,
		uint64_t cookie)
{
	if (places->count < TLS_PLACES)
		places->place[places->count++] =
			(struct tls_place){.program = program, .offset = offset, .cookie = cookie};
}

static struct span code_of(const struct elf *elf, const struct function *function, size_t most)
{
	size_t len = function->size && function->size < most ? (size_t)function->size : most;
	const uint8_t *at = elf_part(elf, function->offset, len);

	return at ? (struct span){at, len} : (struct span){};
}

/* Registers whose content a probe at the entry needs. */
static uint32_t kept_by(uint64_t cookie)
{
	switch (cookie & 0xff) {
	case TLS_NEW:
	case TLS_PEEK: return 0;
	case TLS_FREE:
	case TLS_HANDSHAKE: return SITE_RDI;
	case TLS_C_EX: return SITE_RDI | SITE_RSI | (cookie & TLS_FIFTH ? SITE_R8 : SITE_RCX);
	case TLS_GO: return SITE_RAX | SITE_RBX | SITE_RCX | SITE_R14;
	case TLS_GO_HANDSHAKE: return SITE_RAX;
	}
	return SITE_RDI | SITE_RSI;
}

/* Entry and return are one place, since a second one would be a second trap. */
static void add_function(const struct elf *elf, struct tls_places *places,
			 const struct function *function, uint64_t cookie)
{
	bool enters = (cookie & 0xff) != TLS_NEW, returns = (cookie & 0xff) != TLS_FREE;
	struct site site = site_find(code_of(elf, function, 64), kept_by(cookie), returns);

	if (enters)
		add(places, TLS_ENTERED, function->offset + site.at,
		    cookie | (uint64_t)site.stack << TLS_STACK_SHIFT);
	if (returns)
		add(places, TLS_RETURNED, function->offset + site.at, cookie);
}

/* Reading or writing alone is no library: a program may have a function of that name of its own. */
static bool has_both(uint32_t found)
{
	return (found & 3) == 3 || (found & 3 << 7) == 3 << 7 || (found & 5 << 11) == 5 << 11 ||
	       found == 1 << 15;
}

static int number_of(const char *name)
{
	for (int i = 0; i < WANTED; i++)
		if (!strcmp(name, wanted[i].name))
			return i;
	return -1;
}

/* ---- OpenSSL ---- */

/* A jump to where another library's function is. */
static bool is_linkage(struct span code)
{
	static const uint8_t branch_target[] = {0xf3, 0x0f, 0x1e, 0xfa};

	if (code.len >= sizeof(branch_target) && !memcmp(code.at, branch_target, 4))
		code = span_from(code, 4);
	if (code.len && code.at[0] == 0xf2)
		code = span_from(code, 1);
	return code.len < 2 || (code.at[0] == 0xff && code.at[1] == 0x25);
}

/* The function that is called first and with the arguments as they came; false: none is. */
static bool first_call(struct span code, uint64_t *cookie, int64_t *ret_target)
{
	struct effect effect;
	uint32_t writes = 0;
	int64_t at = 0;

	while (effect_of(code, &effect)) {
		if (effect.is_call) {
			/* 3.3 put flags before where it says how many */
			if (writes & SITE_RCX)
				*cookie |= TLS_FIFTH;
			*ret_target = at + effect.target;
			return !(writes & (SITE_RDI | SITE_RSI | SITE_RDX)) &&
			       (!(writes & SITE_RCX) || writes & SITE_R8);
		}
		if (effect.is_emulated && !effect.stack) /* a jump */
			return false;
		writes |= effect.writes;
		at += (int64_t)effect.length;
		code = span_from(code, effect.length);
	}
	return false;
}

static bool calls(struct span code, int64_t wanted_target)
{
	int64_t target;
	size_t at = 0;

	while (site_next_call(code, &at, &target))
		if (target == wanted_target)
			return true;
	return false;
}

/*
 * SSL_read and SSL_read_ex (and likewise the writes) are wrappers around one function of the library's own, which begins with a push
 * where they begin with `sub`. It is known by being what both call, and the second with its own arguments.
 */
static bool add_inner(const struct elf *elf, struct tls_places *places,
		      const struct function *plain, const struct function *ex, uint64_t cookie)
{
	struct function inner = {};
	int64_t target;

	if (!first_call(code_of(elf, ex, 128), &cookie, &target) ||
	    !calls(code_of(elf, plain, 512), target + (int64_t)ex->offset - (int64_t)plain->offset))
		return false;
	inner.offset = (uint64_t)((int64_t)ex->offset + target);
	if (is_linkage(code_of(elf, &inner, 16)) ||
	    !site_find(code_of(elf, &inner, 64), kept_by(cookie), true).is_cheap)
		return false;
	add_function(elf, places, &inner, cookie);
	return true;
}

/* One trap for each piece of plaintext in place of two for each call; handshakes are seen there, too. */
static bool add_inside(const struct elf *elf, struct tls_places *places, uint32_t found,
		       const struct function *functions)
{
	struct tls_inner inner;

	if (!tls_inner_find(elf, functions[SSL_READ].offset, &inner))
		return false;
	for (uint32_t i = 0; i < inner.reads; i++)
		add(places, TLS_ENTERED, inner.read[i].at,
		    TLS_INNER_READ | (uint64_t)inner.record << TLS_STACK_SHIFT |
			    (uint64_t)inner.read[i].kept << TLS_REGISTER_SHIFT |
			    (uint64_t)inner.read[i].distance << TLS_DISTANCE_SHIFT);
	for (uint32_t i = 0; i < inner.writes; i++)
		add(places, TLS_ENTERED, inner.write_at[i],
		    TLS_INNER_WRITE | TLS_SENDS | (uint64_t)inner.record << TLS_STACK_SHIFT);
	for (int i = SSL_PEEK; i <= SSL_PEEK_EX; i++)
		if (found & 1u << i)
			add_function(elf, places, &functions[i], wanted[i].cookie);
	return true;
}

static void add_openssl(const struct elf *elf, struct tls_places *places, uint32_t found,
			const struct function *functions)
{
	for (int i = SSL_READ; i <= SSL_WRITE; i++) {
		int ex = i + SSL_READ_EX;

		if (found & 1u << ex && found & 1u << i &&
		    add_inner(elf, places, &functions[i], &functions[ex], wanted[ex].cookie))
			continue;
		add_function(elf, places, &functions[i], wanted[i].cookie);
		if (found & 1u << ex)
			add_function(elf, places, &functions[ex], wanted[ex].cookie);
	}
}

/* ---- Go ---- */

/* Where the first argument is put on the stack, from the stack pointer; false: not before anything is called. */
static bool find_slot(struct span code, uint32_t *ret_slot)
{
	struct effect effect;
	int32_t wide;

	while (effect_of(code, &effect) && !effect.is_call && !(effect.writes & SITE_RAX)) {
		if (effect.length == 5 && !memcmp(code.at, "\x48\x89\x44\x24", 4)) {
			*ret_slot = code.at[4];
			return code.at[4] < 0x80;
		}
		if (effect.length == 8 && !memcmp(code.at, "\x48\x89\x84\x24", 4)) {
			memcpy(&wide, code.at + 4, sizeof(wide));
			*ret_slot = (uint32_t)wide;
			return wide >= 0 && wide < 1 << 16;
		}
		code = span_from(code, effect.length);
	}
	return false;
}

/*
 * Read copies what was decrypted to who reads with one call of memmove: there everything lies in registers, and
 * neither its entry nor its returns need a probe.
 */
static bool add_go_copy(const struct elf *elf, const struct go_table *table,
			struct tls_places *places, const struct go_function *read)
{
	const struct function whole = {read->offset, read->size};
	struct span code = code_of(elf, &whole, (size_t)read->size);
	uint64_t copy, found = 0;
	int64_t target;
	uint32_t slot;
	size_t at = 0;

	if (!go_find_begin(elf, table, "runtime.memmove", &copy) || !find_slot(code, &slot))
		return false;
	while (site_next_call(code, &at, &target)) {
		if (read->offset + (uint64_t)target != copy)
			continue;
		if (found)
			return false;
		found = read->offset + at - 5; /* bytes of a call */
	}
	if (!found)
		return false;
	add(places, TLS_ENTERED, found, TLS_GO_COPY | (uint64_t)slot << TLS_STACK_SHIFT);
	return true;
}

/* Behind Go's check of its stack, or at that: how to know that the function is entered only once. */
static uint64_t go_entry_bits(const struct elf *elf, const struct function *function,
			      const struct site *site)
{
	struct span code = span_from(code_of(elf, function, 64), site->at);
	bool is_check =
		code.len > 1 && (code.at[0] == 0x76 || (code.at[0] == 0x0f && code.at[1] == 0x86));

	if (!site->is_cheap)
		return 0;
	return is_check ? TLS_ONCE | TLS_STACK_CHECK : TLS_ONCE;
}

/* Go has no return probes: its stacks move. Where returns matter each RET instruction is probed. */
static void add_go(const struct elf *elf, struct tls_places *places, const struct go_function *go,
		   uint64_t cookie)
{
	const struct function function = {go->offset, go->size};
	struct site site = site_find(code_of(elf, &function, 64), kept_by(cookie), false);

	if ((cookie & 0xff) == TLS_GO_HANDSHAKE || cookie & TLS_SENDS)
		cookie |= go_entry_bits(elf, &function, &site);
	add(places, TLS_ENTERED, go->offset + site.at, cookie);
	if ((cookie & 0xff) == TLS_GO_HANDSHAKE || cookie & TLS_ONCE)
		return;
	for (uint32_t i = 0; i < go->return_count; i++)
		add(places, TLS_GO_RETURNED, go->returns[i], cookie);
}

static void find_go(const struct elf *elf, struct tls_places *places)
{
	static const char *const handshakes[] = {"crypto/tls.(*Conn).clientHandshake",
						 "crypto/tls.(*Conn).serverHandshake"};
	struct go_function read, write, handshake;
	struct go_table table;

	if (!go_open(elf, &table) || !go_find(elf, &table, "crypto/tls.(*Conn).Read", &read) ||
	    !go_find(elf, &table, "crypto/tls.(*Conn).Write", &write))
		return;
	places->library = "go";
	if (!add_go_copy(elf, &table, places, &read))
		add_go(elf, places, &read, TLS_GO);
	add_go(elf, places, &write, TLS_GO | TLS_SENDS);
	for (int i = 0; i < 2; i++)
		if (go_find(elf, &table, handshakes[i], &handshake))
			add_go(elf, places, &handshake, TLS_GO_HANDSHAKE);
}

static void find_places(const struct elf *elf, bool tries_inside, struct tls_places *ret_places)
{
	struct function functions[WANTED];
	struct elf_symbol symbol;
	struct elf_walk walk = {};
	uint32_t found = 0;
	int number;

	*ret_places = (struct tls_places){};
	while (elf_next_symbol(elf, &walk, &symbol)) {
		if (!symbol.is_function || !symbol.value || (number = number_of(symbol.name)) < 0)
			continue;
		if (!(found & 1u << number) &&
		    elf_offset_of(elf, symbol.value, &functions[number].offset)) {
			found |= 1u << number;
			functions[number].size = symbol.size;
		}
	}
	if (!has_both(found)) {
		find_go(elf, ret_places);
		return;
	}
	for (int i = 0; i < WANTED; i++) {
		if (!(found & 1u << i))
			continue;
		if (!ret_places->library)
			ret_places->library = wanted[i].library;
		if (ret_places->library != wanted[i].library)
			continue;
		if (i == SSL_READ)
			ret_places->is_inner =
				tries_inside && add_inside(elf, ret_places, found, functions);
		if (i == SSL_READ && !ret_places->is_inner)
			add_openssl(elf, ret_places, found, functions);
		else if (i > SSL_WRITE_EX && i < SSL_PEEK &&
			 !(i == SSL_DO_HANDSHAKE && ret_places->is_inner))
			add_function(elf, ret_places, &functions[i], wanted[i].cookie);
	}
}

void tls_places_find(const struct elf *elf, struct tls_places *ret_places)
{
	find_places(elf, true, ret_places);
}
