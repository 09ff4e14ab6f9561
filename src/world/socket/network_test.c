// SPDX-License-Identifier: GPL-2.0-only
/* Addresses lead to namespaces, ports to listeners, names to what was learnt; this host's own files are read. */
#include "world/socket/network.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static const uint8_t *addr_of(const char *text)
{
	static uint8_t addr[4][ADDR_BYTES];
	static int turn;
	uint8_t *ret = addr[turn++ % 4];

	assert_true(addr_parse(span_of(text), ret));
	return ret;
}

static struct holder holder_of(uint32_t pid)
{
	return (struct holder){.pid = pid, .start_ns = pid};
}

static void listen_on(struct networks *networks, uint32_t netns, const char *addr, uint16_t port,
		      uint32_t pid)
{
	struct socket_row row = {.netns = netns,
				 .local_port = port,
				 .transport = 6,
				 .state = 10,
				 .pid = pid,
				 .start_ns = pid};

	memcpy(row.local_addr, addr_of(addr), ADDR_BYTES);
	networks_listener(networks, &row);
}

static uint32_t listening(const struct networks *networks, uint32_t netns, const char *addr,
			  uint16_t port)
{
	const struct holder *holder = networks_listening(networks, netns, addr_of(addr), port);

	return holder ? holder->pid : 0;
}

static void listeners_are_found_by_address_and_by_any(void **state)
{
	struct networks networks;

	networks_init(&networks, 10, 100, 10);
	listen_on(&networks, 1, "0.0.0.0", 80, 7);
	listen_on(&networks, 1, "0.0.0.0", 80, 5); /* the master, older than its worker */
	listen_on(&networks, 1, "::", 443, 8);
	listen_on(&networks, 1, "10.0.0.1", 9000, 9);
	listen_on(&networks, 2, "10.0.0.2", 80, 10);
	assert_int_equal(listening(&networks, 1, "127.0.0.1", 80), 5);
	assert_int_equal(listening(&networks, 1, "10.0.0.1", 443), 8);
	assert_int_equal(listening(&networks, 1, "10.0.0.1", 9000), 9);
	assert_int_equal(listening(&networks, 1, "127.0.0.1", 9000), 0);
	assert_int_equal(listening(&networks, 2, "10.0.0.2", 80), 10);
	assert_int_equal(listening(&networks, 2, "10.0.0.3", 80), 0);
	networks_clear_listeners(&networks);
	assert_int_equal(listening(&networks, 1, "127.0.0.1", 80), 0);
	networks_done(&networks);
}

static void addresses_lead_to_their_namespace(void **state)
{
	struct holder a = holder_of(20), b = holder_of(10);
	struct networks networks;
	struct space *stale;

	networks_init(&networks, 10, 100, 10);
	networks_begin(&networks);
	networks_space(&networks, 1, &a);
	networks_space(&networks, 1, &b);
	networks_space(&networks, 2, &a);
	networks_space(&networks, 0, &a);
	networks_end(&networks);
	assert_int_equal(networks.spaces.len, 2);
	assert_int_equal(networks_find(&networks, 1)->holder.pid, 10);
	assert_true(networks_stale(&networks, 1, &stale) > 0);
	networks_address(&networks, 1, addr_of("10.0.0.1"), 100);
	networks_address(&networks, 2, addr_of("10.0.0.2"), 100);
	networks_address(&networks, 1, addr_of("172.17.0.1"), 100);
	networks_address(&networks, 2, addr_of("172.17.0.1"), 100);
	networks_address(&networks, 1, addr_of("127.0.0.1"), 100);
	networks_address(&networks, 1, addr_of("::1"), 100);
	networks_address(&networks, 1, addr_of("fe80::1"), 100);
	networks_address(&networks, 1, addr_of("2001:db8::1"), 100);
	assert_int_equal(networks_of(&networks, addr_of("10.0.0.1")), 1);
	assert_int_equal(networks_of(&networks, addr_of("10.0.0.2")), 2);
	assert_int_equal(networks_of(&networks, addr_of("2001:db8::1")), 1);
	assert_int_equal(networks_of(&networks, addr_of("172.17.0.1")), 0); /* two have it */
	networks_address(&networks, 1, addr_of("172.17.0.1"), 101);
	assert_int_equal(networks_of(&networks, addr_of("172.17.0.1")), 0);
	assert_int_equal(networks.addresses.len, 4);
	/* a pod went and another got its address */
	networks_begin(&networks);
	networks_space(&networks, 1, &b);
	networks_space(&networks, 3, &a);
	networks_end(&networks);
	assert_null(networks_find(&networks, 2));
	networks_address(&networks, 3, addr_of("10.0.0.2"), 200);
	assert_int_equal(networks_of(&networks, addr_of("10.0.0.2")), 3);
	networks_forget_addresses(&networks, 150);
	assert_int_equal(networks.addresses.len, 1);
	networks_done(&networks);
}

static void names_are_good_for_their_time(void **state)
{
	struct networks networks;

	networks_init(&networks, 10, 100, 2);
	networks_name(&networks, addr_of("192.0.2.1"), span_of("db.example"), 100);
	networks_name(&networks, addr_of("192.0.2.1"), span_of("db2.example"), 200);
	networks_name(&networks, addr_of("192.0.2.2"), span_of("www.example"), 100);
	networks_name(&networks, addr_of("192.0.2.3"), span_of("full.example"), 100);
	assert_true(span_is(networks_named(&networks, addr_of("192.0.2.1")), "db2.example"));
	assert_int_equal(networks_named(&networks, addr_of("192.0.2.3")).len, 0);
	networks_forget_names(&networks, 150);
	assert_int_equal(networks_named(&networks, addr_of("192.0.2.2")).len, 0);
	assert_true(span_is(networks_named(&networks, addr_of("192.0.2.1")), "db2.example"));
	networks_done(&networks);
	assert_int_equal(networks.name_bytes, 0);
}

static void count_and_note(void *ctx, const uint8_t addr[ADDR_BYTES])
{
	networks_address(ctx, 1, addr, 1);
}

static const char fib[] =
	"Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n"
	"     +-- 192.0.2.0/24 2 0 2\n        |-- 192.0.2.2\n           /32 host LOCAL\n"
	"        |-- 192.0.2.255\n           /32 link BROADCAST\nLocal:\n"
	"        |-- 192.0.2.2\n           /32 host LOCAL\n        |-- x\n           /32 host "
	"LOCAL\n";

static void own_addresses_are_read_from_proc(void **state)
{
	struct networks networks;

	networks_init(&networks, 10, 100, 10);
	fib_trie_read(span_of(fib), count_and_note, &networks);
	assert_int_equal(networks.addresses.len, 1);
	assert_int_equal(networks_of(&networks, addr_of("192.0.2.2")), 1);
	if_inet6_read(span_of("fd000000000000000000000000000002 04 40 00 82     eth0\n"
			      "fe8000000000000000fc00fffe000001 04 40 20 80     eth0\nfd00\nxx"),
		      count_and_note, &networks);
	assert_int_equal(networks.addresses.len, 2);
	assert_int_equal(networks_of(&networks, addr_of("fd00::2")), 1);
	networks_done(&networks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listeners_are_found_by_address_and_by_any),
		cmocka_unit_test(addresses_lead_to_their_namespace),
		cmocka_unit_test(names_are_good_for_their_time),
		cmocka_unit_test(own_addresses_are_read_from_proc),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
