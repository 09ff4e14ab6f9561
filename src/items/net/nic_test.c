// SPDX-License-Identifier: GPL-2.0-only
/* What nic makes of /proc/net/dev: given ones, and this machine's, compared with /sys. */
#include "nic.c"

#include "items/testdata/collected.h"

struct world *item_world(struct item *item)
{
	return NULL;
}

void item_count(struct item *item, const char *stage, const char *reason, uint64_t amount)
{
	fail_msg("%s %s: %lu", stage, reason, (unsigned long)amount);
}

#define HEADINGS                                                                                   \
	"Inter-|   Receive                                                |  Transmit\n"           \
	" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets "      \
	"errs\n"

const char *item_name(const struct item *item)
{
	return "nic";
}

const struct resolver *item_resolver(struct item *item)
{
	static const struct resolver none;

	return &none;
}

static void interfaces_have_two_directions(void **state)
{
	struct nic nic = {.who = {.pod = span_of("web-1")}};

	samples = 0;
	assert_true(each_of_file(
		&nic,
		span_of(HEADINGS
			"  eth0: 100 2 3 4 5 6 7 8 200 9 10 11 0 0 0 0\n"
			"veth12345678901:18446744073709551615 1 0 0 0 0 0 0 2 3 0 0 0 0 0 0\n"
			" cut: 1\n"),
		collect_nic, NULL));
	assert_int_equal(collected(BYTES, "pod=web-1,interface=eth0,direction=inbound"), 100);
	assert_int_equal(collected(PACKETS, "pod=web-1,interface=eth0,direction=inbound"), 2);
	assert_int_equal(collected(ERRORS, "pod=web-1,interface=eth0,direction=inbound"), 3);
	assert_int_equal(collected(DROPS, "pod=web-1,interface=eth0,direction=inbound"), 4);
	assert_int_equal(collected(BYTES, "pod=web-1,interface=eth0,direction=outbound"), 200);
	assert_int_equal(collected(DROPS, "pod=web-1,interface=eth0,direction=outbound"), 11);
	assert_int_equal(
		collected(PACKETS, "pod=web-1,interface=veth12345678901,direction=outbound"), 3);
	assert_int_equal(collected(BYTES, "pod=web-1,interface=cut,direction=outbound"), 0);
	assert_int_equal(samples, 3 * 2 * METRICS);
}

static bool keep_loopback(void *ctx, const struct record *row)
{
	uint64_t *bytes = ctx;
	int name = layout_find(row->layout, span_of("interface"));

	if (span_is(row->value[name].text, "lo"))
		*bytes = row->value[layout_find(row->layout, span_of("received_bytes"))].u64;
	return true;
}

static double from_sys(const char *interface, const char *what)
{
	char path[128];
	struct buf text;
	uint64_t value;
	struct span line, rest;

	buf_init(&text, 64);
	snprintf(path, sizeof(path), "/sys/class/net/%s/statistics/%s", interface, what);
	assert_int_equal(procfile_read(NULL, path, &text), 0);
	rest = buf_as_span(&text);
	assert_true(next_line(&rest, &line) && number_of(line, &value));
	buf_done(&text);
	return (double)value;
}

static void this_machine_says_the_same_in_sys(void **state)
{
	double before = from_sys("lo", "rx_bytes"), seen;
	uint64_t row = 0;

	samples = 0;
	collect(NULL, NULL, NULL);
	seen = collected(BYTES, "interface=lo,direction=inbound");
	assert_true(seen >= before && seen <= from_sys("lo", "rx_bytes"));

	assert_int_equal(start(NULL, NULL, NULL), 0);
	assert_int_equal(show(NULL, NULL, keep_loopback, &row, NULL), 0);
	assert_true((double)row >= seen && (double)row <= from_sys("lo", "rx_bytes"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(interfaces_have_two_directions),
		cmocka_unit_test(this_machine_says_the_same_in_sys),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
