// SPDX-License-Identifier: GPL-2.0-only
/*
 * tls_places - which functions of a program or library move plaintext.
 *
 * As few as possible, since every hit costs its process two traps: those that read and write, and of OpenSSL two that are
 * called once in a connection's life. All must be the file's own (defined there); a program that only uses a
 * library has none of them. BoringSSL and what links OpenSSL statically keep the names.
 */
#include "items/app/requests/tls_places.h"
#include "world/symbol/go.h"

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

static void add(struct tls_places *places, enum tls_program program, uint64_t offset,
		uint64_t cookie)
{
	if (places->count < TLS_PLACES)
		places->place[places->count++] =
			(struct tls_place){.program = program, .offset = offset, .cookie = cookie};
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

/* Go has no return probes: its stacks move. Each RET instruction is probed. */
static void add_go(struct tls_places *places, const struct go_function *function, uint64_t cookie)
{
	add(places, TLS_ENTERED, function->offset, cookie);
	for (uint32_t i = 0; i < function->return_count; i++)
		add(places, TLS_GO_RETURNED, function->returns[i], cookie);
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
	add_go(places, &read, TLS_GO);
	add_go(places, &write, TLS_GO | TLS_SENDS);
	for (int i = 0; i < 2; i++)
		if (go_find(elf, &table, handshakes[i], &handshake))
			add(places, TLS_ENTERED, handshake.offset, TLS_GO_HANDSHAKE);
}

void tls_places_find(const struct elf *elf, struct tls_places *ret_places)
{
	uint64_t offset[WANTED];
	struct elf_symbol symbol;
	struct elf_walk walk = {};
	uint32_t found = 0;
	int number;

	*ret_places = (struct tls_places){};
	while (elf_next_symbol(elf, &walk, &symbol)) {
		if (!symbol.is_function || !symbol.value || (number = number_of(symbol.name)) < 0)
			continue;
		if (!(found & 1u << number) && elf_offset_of(elf, symbol.value, &offset[number]))
			found |= 1u << number;
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
		if ((wanted[i].cookie & 0xff) != TLS_NEW)
			add(ret_places, TLS_ENTERED, offset[i], wanted[i].cookie);
		if ((wanted[i].cookie & 0xff) != TLS_FREE)
			add(ret_places, TLS_RETURNED, offset[i], wanted[i].cookie);
	}
}
