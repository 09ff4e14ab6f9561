// SPDX-License-Identifier: GPL-2.0-only
/* Addresses read and print alike; networks hold what they should and nothing else. */
#include "base/addr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const struct { const char *in, *out; } addresses[] = {
	{"10.0.0.1", "10.0.0.1"},
	{"::ffff:10.0.0.1", "10.0.0.1"},
	{"0.0.0.0", "0.0.0.0"},
	{"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
	{"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
	{"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
	{"::1", "::1"},
	{"fe80::", "fe80::"},
};

static const char *const no_address[] = {"", "10.0.0", "10.0.0.256", "1.2.3.4.5", "g::1", "1::2::3",
					 "10.0.0.1 ", "::ffff:1.2.3.4:1111:2222:3333:4444:5555"};

static void addresses_print_as_they_are_written(void **state)
{
	for (size_t i = 0; i < sizeof(addresses) / sizeof(*addresses); i++) {
		uint8_t addr[ADDR_BYTES];
		char text[ADDR_TEXT];

		assert_true(addr_parse(span_of(addresses[i].in), addr));
		assert_int_equal(addr_print(addr, text), strlen(addresses[i].out));
		assert_string_equal(text, addresses[i].out);
	}
}

static void what_is_no_address_is_refused(void **state)
{
	uint8_t addr[ADDR_BYTES];

	for (size_t i = 0; i < sizeof(no_address) / sizeof(*no_address); i++)
		assert_false(addr_parse(span_of(no_address[i]), addr));
	assert_false(addr_parse((struct span){(const uint8_t *)"1.2.3.4\0x", 9}, addr));
}

static const struct { const char *network, *addr; bool has; } networks[] = {
	{"10.0.0.0/8", "10.255.0.1", true},
	{"10.0.0.0/8", "11.0.0.1", false},
	{"10.0.0.0/8", "a00::", false},
	{"10.128.0.0/9", "10.127.255.255", false},
	{"10.128.0.0/9", "10.128.0.0", true},
	{"192.168.1.4/30", "192.168.1.7", true},
	{"192.168.1.4/30", "192.168.1.8", false},
	{"0.0.0.0/0", "1.2.3.4", true},
	{"0.0.0.0/0", "2001:db8::1", false},
	{"::/0", "1.2.3.4", true},
	{"2001:db8::/33", "2001:db8:7fff::1", true},
	{"2001:db8::/33", "2001:db8:8000::1", false},
	{"10.0.0.1", "10.0.0.1", true},
	{"10.0.0.1", "10.0.0.2", false},
};

static void networks_have_their_addresses(void **state)
{
	for (size_t i = 0; i < sizeof(networks) / sizeof(*networks); i++) {
		struct network network;
		uint8_t addr[ADDR_BYTES];

		assert_true(network_parse(span_of(networks[i].network), &network));
		assert_true(addr_parse(span_of(networks[i].addr), addr));
		assert_int_equal(network_has(&network, addr), networks[i].has);
	}
}

static void what_is_no_network_is_refused(void **state)
{
	static const char *const bad[] = {"10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/8x", "/8", "10/8"};
	struct network network;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(network_parse(span_of(bad[i]), &network));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_print_as_they_are_written),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(networks_have_their_addresses),
		cmocka_unit_test(what_is_no_network_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
