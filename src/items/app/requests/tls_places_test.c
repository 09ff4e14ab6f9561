// SPDX-License-Identifier: GPL-2.0-only
/* tls_places_test - which functions of this machine's own libraries are probed, and where in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "items/app/requests/tls_inner.c"
#include "items/app/requests/tls_places.c"

static bool find_in(const char *name, struct elf *ret_elf, struct tls_places *ret_places)
{
	static const char *const folders[] = {"/usr/lib/x86_64-linux-gnu",
					      "/usr/lib/aarch64-linux-gnu", "/usr/lib64"};
	char path[128];

	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		snprintf(path, sizeof(path), "%s/%s", folders[i], name);
		if (elf_open(ret_elf, path))
			continue;
		tls_places_find(ret_elf, ret_places);
		return true;
	}
	return false;
}

static const struct tls_place *place_of(const struct tls_places *places, enum tls_program program,
					uint64_t form)
{
	for (uint32_t i = 0; i < places->count; i++)
		if (places->place[i].program == program &&
		    (places->place[i].cookie & (0xff | TLS_SENDS)) == form)
			return &places->place[i];
	return NULL;
}

static bool is_entered_at(const struct tls_places *places, uint64_t offset)
{
	for (uint32_t i = 0; i < places->count; i++)
		if (places->place[i].program == TLS_ENTERED && places->place[i].offset == offset)
			return true;
	return false;
}

static uint64_t offset_of(const struct elf *elf, const char *name)
{
	struct elf_symbol symbol;
	uint64_t offset = 0;

	assert_true(elf_find(elf, name, &symbol));
	assert_true(elf_offset_of(elf, symbol.value, &offset));
	return offset;
}

/* Entry and return of one function are one trap, or two probes would cost two. */
static void each_return_is_probed_where_the_entry_is(void **state)
{
	static const char *const libraries[] = {"libssl.so.3", "libgnutls.so.30", "libnspr4.so"};
	struct tls_places places;
	struct elf elf;

	for (size_t i = 0; i < sizeof(libraries) / sizeof(*libraries); i++) {
		if (!find_in(libraries[i], &elf, &places))
			continue;
		assert_non_null(places.library);
		for (uint32_t j = 0; j < places.count; j++) {
			const struct tls_place *place = &places.place[j];

			if (place->program == TLS_RETURNED && (place->cookie & 0xff) != TLS_NEW)
				assert_true(is_entered_at(&places, place->offset));
		}
		elf_close(&elf);
	}
}

/* SSL_read and SSL_read_ex are two doors to one room, and the room is probed. */
static void openssl_is_probed_behind_its_wrappers(void **state)
{
#if defined(__x86_64__)
	const struct tls_place *read, *write;
	struct tls_places places;
	struct elf elf;

	if (!find_in("libssl.so.3", &elf, &places))
		skip();
	find_places(&elf, false, &places);
	assert_string_equal(places.library, "openssl");
	read = place_of(&places, TLS_ENTERED, TLS_C_EX);
	write = place_of(&places, TLS_ENTERED, TLS_C_EX | TLS_SENDS);
	assert_non_null(read);
	assert_non_null(write);
	if (place_of(&places, TLS_ENTERED, TLS_C)) { /* built otherwise than Debian's */
		elf_close(&elf);
		skip();
	}
	assert_int_not_equal(read->offset, offset_of(&elf, "SSL_read_ex"));
	assert_int_not_equal(write->offset, offset_of(&elf, "SSL_write_ex"));
	assert_int_not_equal(read->offset, write->offset);
	assert_int_equal(read->cookie >> TLS_STACK_SHIFT, 0);
	elf_close(&elf);
#endif
}

static void gnutls_sends_by_a_jump(void **state)
{
#if defined(__x86_64__)
	const struct tls_place *send;
	struct tls_places places;
	uint64_t begin;
	struct elf elf;

	if (!find_in("libgnutls.so.30", &elf, &places))
		skip();
	send = place_of(&places, TLS_ENTERED, TLS_C | TLS_SENDS);
	assert_non_null(send);
	begin = offset_of(&elf, "gnutls_record_send");
	assert_in_range(send->offset, begin, begin + 16);
	elf_close(&elf);
#endif
}

/* A wrapper that gives its callee other arguments proves nothing of it. */
static void a_callee_is_taken_only_with_the_same_arguments(void **state)
{
	/* sub $8,%rsp; call +11 */
	static const uint8_t same[] = {0x48, 0x83, 0xec, 8, 0xe8, 2, 0, 0, 0};
	/* mov %rcx,%r8; xor %ecx,%ecx; call */
	static const uint8_t flags[] = {0x49, 0x89, 0xc8, 0x31, 0xc9, 0xe8, 2, 0, 0, 0};
	/* xor %ecx,%ecx; call: where does it say how many? */
	static const uint8_t lost[] = {0x31, 0xc9, 0xe8, 2, 0, 0, 0};
	/* mov %rsi,%rdi; call */
	static const uint8_t other[] = {0x48, 0x89, 0xf7, 0xe8, 2, 0, 0, 0};
	/* test %edi,%edi; je; call */
	static const uint8_t branch[] = {0x85, 0xff, 0x74, 5, 0xe8, 2, 0, 0, 0};
	uint64_t cookie = TLS_C_EX;
	int64_t target;

#define CODE(bytes) ((struct span){bytes, sizeof(bytes)})
	assert_true(first_call(CODE(same), &cookie, &target));
	assert_int_equal(target, 11);
	assert_false(cookie & TLS_FIFTH);
	assert_false(first_call(CODE(lost), &cookie, &target));
	assert_false(first_call(CODE(other), &cookie, &target));
	assert_false(first_call(CODE(branch), &cookie, &target));
	cookie = TLS_C_EX;
	assert_true(first_call(CODE(flags), &cookie, &target));
	assert_true(cookie & TLS_FIFTH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_return_is_probed_where_the_entry_is),
		cmocka_unit_test(openssl_is_probed_behind_its_wrappers),
		cmocka_unit_test(gnutls_sends_by_a_jump),
		cmocka_unit_test(a_callee_is_taken_only_with_the_same_arguments),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
