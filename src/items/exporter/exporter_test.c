// SPDX-License-Identifier: GPL-2.0-only
/* What a configuration says, what each decoder makes of bytes, and what becomes of a map's numbers. */
#include "items/exporter/series.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static bool symbol(void *ctx, uint64_t addr, bool nearest, struct span *ret_name)
{
	*ret_name = span_of("vfs_read");
	return addr == 0x1000 || (nearest && addr > 0x1000 && addr < 0x2000);
}

static bool cgroup(void *ctx, uint64_t id, struct span *ret_path)
{
	*ret_path = span_of("/sys/fs/cgroup/a.slice");
	return id == 7;
}

static bool device(void *ctx, uint32_t major, uint32_t minor, struct span *ret_name)
{
	*ret_name = span_of("sda1");
	return major == 8 && minor == 1;
}

static bool interface(void *ctx, uint32_t index, struct span *ret_name)
{
	*ret_name = span_of("eth0");
	return index == 2;
}

static bool has_pci(void *ctx)
{
	return true;
}

static bool pci(void *ctx, enum decoder_kind kind, uint32_t number, struct span *ret_name)
{
	*ret_name = span_of(kind == DECODE_PCI_VENDOR  ? "Intel"
			    : kind == DECODE_PCI_CLASS ? "Network"
						       : "thing");
	return (kind == DECODE_PCI_VENDOR && number == 0x8086) ||
	       (kind == DECODE_PCI_CLASS && number == 2);
}

static struct decode_facts facts = {
	.symbol = symbol,
	.cgroup = cgroup,
	.device = device,
	.interface = interface,
	.has_pci = has_pci,
	.pci = pci,
};

/* ---- decoders ---- */

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})
#define TEXT(text) (const uint8_t *)(text), sizeof(text) - 1

static const struct {
	const char *decoders; /* YAML */
	const uint8_t *bytes;
	size_t size;
	const char *text; /* NULL: the sample is left out; "!": an error */
} decoded[] = {
	{"[{name: uint}]", BYTES(0xff), "255"},
	{"[{name: uint}]", BYTES(1, 1), "257"},
	{"[{name: uint}]", BYTES(0xff, 0xff, 0xff, 0xff), "4294967295"},
	{"[{name: uint}]", BYTES(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
	 "18446744073709551615"},
	{"[{name: uint}]", BYTES(1, 2, 3), "!"},
	{"[{name: string}]", TEXT("abc\0def"), "abc"},
	{"[{name: string}]", TEXT("abc"), "abc"},
	{"[{name: hex}]", BYTES(0, 0xab, 0x10), "00ab10"},
	{"[{name: uint}, {name: static_map, static_map: {1: read, 0x2: write}}]", BYTES(1), "read"},
	{"[{name: uint}, {name: static_map, static_map: {1: read, 0x2: write}}]", BYTES(2),
	 "unknown:2"},
	{"[{name: uint}, {name: static_map}]", BYTES(9), "empty mapping"},
	{"[{name: uint}, {name: static_map, static_map: {}}]", BYTES(9), "unknown:9"},
	{"[{name: uint}, {name: static_map, allow_unknown: true, static_map: {}}]", BYTES(9), "9"},
	{"[{name: uint}, {name: static_map, allow_unknown: true, static_map: {1: read}}]", BYTES(9),
	 "9"},
	{"[{name: uint}, {name: static_map, allow_unknown: yes, static_map: {1: true}}]", BYTES(1),
	 "true"},
	{"[{name: string}, {name: regexp, regexps: [^no$, ^a.c$]}]", TEXT("abc"), "abc"},
	{"[{name: string}, {name: regexp, regexps: [b]}]", TEXT("abc"), "b"},
	{"[{name: string}, {name: regexp, regexps: ['^a(.)']}]", TEXT("abc"), "b"},
	{"[{name: string}, {name: regexp, regexps: ['^(a)(.)']}]", TEXT("abc"), NULL},
	{"[{name: string}, {name: regexp, regexps: [^x]}]", TEXT("abc"), NULL},
	{"[{name: string}, {name: regexp, regexps: ['c$']}]", TEXT("abc\n"), NULL},
	{"[{name: string}, {name: regexp, regexps: ['(?P<group>c)']}]", TEXT("abc"), "c"},
	{"[{name: ksym}]", BYTES(0, 0x10, 0, 0, 0, 0, 0, 0), "vfs_read"},
	{"[{name: ksym}]", BYTES(1, 0x10, 0, 0, 0, 0, 0, 0), "unknown_addr:0x1001"},
	{"[{name: kstack}]",
	 BYTES(1, 0x10, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
	 "vfs_read\n??"},
	{"[{name: kstack}]", BYTES(0, 0, 0, 0, 0, 0, 0, 0), ""},
	{"[{name: uint}, {name: cgroup}]", BYTES(7, 0, 0, 0, 0, 0, 0, 0), "/sys/fs/cgroup/a.slice"},
	{"[{name: uint}, {name: cgroup}]", BYTES(8, 0, 0, 0, 0, 0, 0, 0), "unknown_cgroup_id:8"},
	{"[{name: majorminor}]", BYTES(1, 8, 0, 0), "sda1"},
	{"[{name: majorminor}]", BYTES(0xff, 0xff, 0xff, 0xff), "unknown:4095:1048575"},
	{"[{name: majorminor}]", BYTES(1, 8, 0, 0, 9, 9, 9, 9), "sda1"},
	{"[{name: ifname}]", BYTES(2, 0, 0, 0), "eth0"},
	{"[{name: ifname}]", BYTES(3, 0, 0, 0), "unknown:3"},
	{"[{name: inet_ip}]", BYTES(127, 0, 0, 1), "127.0.0.1"},
	{"[{name: inet_ip}]", BYTES(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4),
	 "1.2.3.4"},
	{"[{name: inet_ip}]", BYTES(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4), "::102:304"},
	{"[{name: inet_ip}]", BYTES(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1), "::1"},
	{"[{name: inet_ip}]", BYTES(1, 2), "?0102"},
	{"[{name: string}, {name: dname}]", TEXT("\3www\7example\3com\0"), "www.example.com"},
	{"[{name: string}, {name: dname}]", TEXT("\0\0"), "."},
	{"[{name: string}, {name: dname}]", TEXT("\77short"), "\77short"},
	{"[{name: uint}, {name: errno}]", BYTES(2), "ENOENT"},
	{"[{name: uint}, {name: errno}]", BYTES(0), "unknown:0"},
	{"[{name: uint}, {name: errno}]", BYTES(95), "ENOTSUP"},
	{"[{name: errno}]", TEXT("x"), "!"},
	{"[{name: uint}, {name: syscall}]", BYTES(0xff, 0xff), "unknown_syscall:65535"},
	{"[{name: uint}, {name: pci_vendor}]", BYTES(0x86, 0x80), "Intel"},
	{"[{name: uint}, {name: pci_vendor}]", BYTES(0x10, 0), "unknown pci vendor: 0x0010"},
	{"[{name: uint}, {name: pci_class}]", BYTES(2), "Network"},
	{"[{name: uint}, {name: pci_subclass}]", BYTES(1, 2),
	 "unknown pci subclass: 0x01 (class 0x02)"},
	{"[{name: uint}, {name: pci_subclass}]", BYTES(1, 3), "unknown pci class: 0x03"},
	{"[{name: uint}, {name: pci_device}]", BYTES(1, 0, 0x86, 0x80),
	 "unknown pci device: 0x80860001"},
};

static int read_config(const char *text, struct exporter_config *config, struct err *why)
{
	return config_read("x.yaml", span_of(text), config, why);
}

static void decoders_say_what_is_written(void **state)
{
	for (size_t i = 0; i < sizeof(decoded) / sizeof(*decoded); i++) {
		struct exporter_config config;
		struct decode decode;
		struct err why = {};
		char yaml[1024];
		int result;

		snprintf(yaml, sizeof(yaml),
			 "metrics: {counters: [{name: m, help: h, labels: [{name: l, size: %zu, "
			 "decoders: %s}]}]}",
			 decoded[i].size, decoded[i].decoders);
		if (read_config(yaml, &config, &why) ||
		    decode_prepare("x.yaml", config.metric[0].label, 1, &why))
			fail_msg("%s: %s", yaml, why.text);
		decode_init(&decode, &facts);
		result = decode_label(&decode, config.metric[0].label, decoded[i].bytes, &why);
		if (!decoded[i].text)
			assert_int_equal(result, DECODE_SKIP);
		else if (decoded[i].text[0] == '!')
			assert_int_equal(result, -EINVAL);
		else if (result || strcmp(buf_text(&decode.text), decoded[i].text) != 0)
			fail_msg("%s: wanted '%s', got '%s'", yaml, decoded[i].text,
				 buf_text(&decode.text));
		decode_done(&decode);
		decode_forget(config.metric[0].label, 1);
		config_done(&config);
	}
}

/* ---- configurations ---- */

static const struct {
	const char *yaml, *why;
} refused[] = {
	{"", "x.yaml:1: this is no configuration"},
	{"metrics: {}", "x.yaml:1: there is neither a counter"},
	{"metrics: {counters: [{help: h}]}", "x.yaml:1: a metric has no name"},
	{"metrics: {counters: [{name: n}]}", "x.yaml:1: metric 'n' has no help"},
	{"metrics:\n  counters:\n    - {name: a b, help: h}",
	 "x.yaml:3: 'a b' is no metric's name"},
	{"metrics: {counters: [{name: n, help: h, labels: [{name: l, decoders: [{name: uint}]}]}]}",
	 "x.yaml:1: label 'l' has no size"},
	{"metrics: {counters: [{name: n, help: h, labels: [{name: l, size: 4}]}]}",
	 "x.yaml:1: label 'l' has no decoders"},
	{"metrics: {counters: [{name: n, help: h, labels: [{name: l, size: 4, decoders: [{name: "
	 "nix}]}]}]}",
	 "x.yaml:1: there is no decoder 'nix'"},
	{"metrics: {counters: [{name: n, help: h, labels: [{name: l, size: -1, decoders: [{name: "
	 "uint}]}]}]}",
	 "x.yaml:1: 'size' is 0 to 4096"},
	{"metrics: {counters: [{name: n, help: h}, {name: n, help: h}]}",
	 "x.yaml:1: metric 'n' stands here again"},
	{"metrics: {counters: [{name: n, help: h, perf_event_array: maybe}]}",
	 "x.yaml:1: 'perf_event_array' is true or false"},
	{"metrics: {counters: [{name: n, help: h, flush_interval: soon}]}",
	 "x.yaml:1: 'flush_interval' is no duration"},
	{"metrics: {histograms: [{name: n, help: h, bucket_type: exp3}]}",
	 "x.yaml:1: histogram 'n' has no known bucket_type"},
	{"metrics: {histograms: [{name: n, help: h, bucket_type: exp2, labels: [{name: b, size: 4, "
	 "decoders: [{name: uint}]}]}]}",
	 "x.yaml:1: histogram 'n' has bucket_min 0 and bucket_max 0"},
	{"metrics: {histograms: [{name: n, help: h, bucket_type: fixed, bucket_keys: [2, 1], "
	 "labels: [{name: b, size: 4, decoders: [{name: uint}]}]}]}",
	 "x.yaml:1: 'bucket_keys' do not ascend"},
	{"tracing: {spans: [{name: n, labels: []}]}", "x.yaml:1: a span has no ring"},
	{"kaddrs: [[]]\nmetrics: {counters: [{name: n, help: h}]}", "x.yaml:1: a name in 'kaddrs'"},
	{"cgroup_id_map: {name: m, type: x, regexps: [a]}\nmetrics: {counters: [{name: n, help: "
	 "h}]}",
	 "x.yaml:1: 'cgroup_id_map' has the type 'x'"},
};

static void what_is_wrong_is_said_with_its_line(void **state)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		struct exporter_config config;
		struct err why = {};

		assert_int_equal(read_config(refused[i].yaml, &config, &why), -EINVAL);
		if (strncmp(why.text, refused[i].why, strlen(refused[i].why)) != 0)
			fail_msg("%s: wanted '%s', got '%s'", refused[i].yaml, refused[i].why,
				 why.text);
	}
}

static void what_others_wrote_is_read_as_they_meant_it(void **state)
{
	struct exporter_config config;
	struct err why = {};

	assert_int_equal(read_config("metrics:\n  counters:\n    - &c {name: a, help: h, "
				     "flush_interval: 1h30m, perf_event_array: yes, labels: &l "
				     "[{name: x, size: 0x4, decoders: [{name: uint}]}]}\n"
				     "    - <<: *c\n      name: b\n"
				     "  histograms: []\nunknown: 1\n---\nmore: 2\n",
				     &config, &why),
			 0);
	assert_int_equal(config.metrics, 2);
	assert_string_equal(config.metric[1].name, "b");
	assert_int_equal(config.metric[1].label[0].size, 4);
	assert_true(config.metric[1].is_perf_array);
	assert_int_equal(config.metric[0].flush_ns, 5400000000000ull);
	assert_int_equal(config.unknowns, 1);
	assert_string_equal(config.unknown[0].name, "unknown");
	config_done(&config);
}

/* ---- series ---- */

static void add_u32(struct series_table *table, uint32_t key, uint64_t value)
{
	series_add(table, (const uint8_t *)&key, value);
}

static void equal_text(struct series_table *table, const char *wanted)
{
	struct buf out;

	buf_init(&out, 1 << 20);
	families_write(&table->family, 1, false, &out);
	assert_string_equal(buf_text(&out), wanted);
	buf_done(&out);
}

static void open_table(struct series_table *table, struct exporter_config *config,
		       const char *metric, uint32_t key_bytes)
{
	struct err why = {};
	char yaml[1024];

	snprintf(yaml, sizeof(yaml), "metrics: {%s}", metric);
	if (read_config(yaml, config, &why) ||
	    decode_prepare("x.yaml", config->metric[0].label, config->metric[0].labels, &why) ||
	    series_init(table, &config->metric[0], &facts, key_bytes, &why))
		fail_msg("%s", why.text);
}

static void close_table(struct series_table *table, struct exporter_config *config)
{
	series_done(table);
	decode_forget(config->metric[0].label, config->metric[0].labels);
	config_done(config);
}

#define HEAD "# HELP ebpf_exporter_m h\n# TYPE ebpf_exporter_m counter\n"
#define DISKS                                                                                      \
	"counters: [{name: m, help: h, labels: [{name: disk, size: 4, decoders: [{name: uint}, "   \
	"{name: static_map, static_map: {1: a, 2: a, 3: c}}]}]}]"

static void equal_labels_are_one_series_and_deleted_keys_go(void **state)
{
	struct exporter_config config;
	struct series_table table;

	open_table(&table, &config, DISKS, 4);
	series_begin(&table, 1);
	add_u32(&table, 1, 5);
	add_u32(&table, 2, 6);
	add_u32(&table, 3, 7);
	series_end(&table);
	equal_text(&table, HEAD "ebpf_exporter_m{disk=\"a\"} 11\nebpf_exporter_m{disk=\"c\"} 7\n");
	series_begin(&table, 2);
	add_u32(&table, 2, 8);
	series_end(&table);
	equal_text(&table, HEAD "ebpf_exporter_m{disk=\"a\"} 8\n");
	assert_int_equal(family_series(table.family), 1);
	close_table(&table, &config);
}

static void what_a_map_had_stays_when_it_goes(void **state)
{
	struct exporter_config config, other;
	struct series_table table, next;

	open_table(&table, &config, DISKS, 4);
	series_begin(&table, 1);
	add_u32(&table, 1, 5);
	series_end(&table);
	series_fold(&table);
	series_begin(&table, 2);
	add_u32(&table, 3, 1);
	series_end(&table);
	equal_text(&table, HEAD "ebpf_exporter_m{disk=\"a\"} 5\nebpf_exporter_m{disk=\"c\"} 1\n");
	series_fold(&table);
	open_table(&next, &other, DISKS, 4);
	series_inherit(&next, &table);
	series_begin(&next, 3);
	add_u32(&next, 1, 2);
	series_end(&next);
	equal_text(&next, HEAD "ebpf_exporter_m{disk=\"a\"} 7\nebpf_exporter_m{disk=\"c\"} 1\n");
	close_table(&table, &config);
	close_table(&next, &other);
}

/* Keys come and go: what is kept stays in proportion to what is there, and every number is right. */
static void caches_are_bounded(void **state)
{
	struct exporter_config config;
	struct series_table table;

	open_table(&table, &config,
		   "counters: [{name: m, help: h, labels: [{name: k, size: 4, decoders: [{name: "
		   "uint}]}]}]",
		   4);
	for (uint32_t round = 0; round < 200; round++) {
		series_begin(&table, round);
		for (uint32_t i = 0; i < 100; i++)
			add_u32(&table, round * 100 + i, round);
		series_end(&table);
		assert_int_equal(family_series(table.family), 100);
		assert_true(table.count < 3000 && table.keys.len < 3000);
	}
	close_table(&table, &config);
}

static void too_many_series_are_one(void **state)
{
	struct exporter_config config;
	struct series_table table;
	struct span labels;
	uint64_t number, sum = 0;

	open_table(&table, &config,
		   "counters: [{name: m, help: h, labels: [{name: k, size: 4, decoders: [{name: "
		   "uint}]}]}]",
		   4);
	table.cap = 10;
	series_begin(&table, 1);
	for (uint32_t i = 0; i < 100; i++)
		add_u32(&table, i, 2);
	series_end(&table);
	assert_int_equal(family_series(table.family), 11);
	for (uint32_t i = 0; series_at(&table, i, &labels, &number); i++)
		sum += number;
	assert_int_equal(sum, 200);
	close_table(&table, &config);
}

static void a_name_that_comes_later_is_taken(void **state)
{
	struct exporter_config config;
	struct series_table table;
	uint64_t key = 7;

	open_table(&table, &config,
		   "counters: [{name: m, help: h, labels: [{name: g, size: 8, decoders: [{name: "
		   "uint}, {name: cgroup}]}]}]",
		   8);
	facts.cgroup = NULL;
	facts.cgroup = cgroup;
	key = 8;
	series_begin(&table, 1);
	series_add(&table, (const uint8_t *)&key, 1);
	series_end(&table);
	equal_text(&table, HEAD "ebpf_exporter_m{g=\"unknown_cgroup_id:8\"} 1\n");
	close_table(&table, &config);
}

static void exact_output_has_empty_labels_and_numbers_as_go_writes_them(void **state)
{
	struct exporter_config config;
	struct series_table table;
	uint8_t key[4] = {};

	open_table(&table, &config,
		   "counters: [{name: m, help: h, labels: [{name: e, size: 4, decoders: [{name: "
		   "string}]}]}]",
		   4);
	facts.is_exact = true;
	series_begin(&table, 1);
	series_add(&table, key, 1234567);
	series_end(&table);
	equal_text(&table, HEAD "ebpf_exporter_m{e=\"\"} 1.234567e+06\n");
	facts.is_exact = false;
	series_forget(&table);
	series_begin(&table, 2);
	series_add(&table, key, 1234567);
	series_end(&table);
	equal_text(&table, HEAD "ebpf_exporter_m 1234567\n");
	close_table(&table, &config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decoders_say_what_is_written),
		cmocka_unit_test(what_is_wrong_is_said_with_its_line),
		cmocka_unit_test(what_others_wrote_is_read_as_they_meant_it),
		cmocka_unit_test(equal_labels_are_one_series_and_deleted_keys_go),
		cmocka_unit_test(what_a_map_had_stays_when_it_goes),
		cmocka_unit_test(caches_are_bounded),
		cmocka_unit_test(too_many_series_are_one),
		cmocka_unit_test(a_name_that_comes_later_is_taken),
		cmocka_unit_test(exact_output_has_empty_labels_and_numbers_as_go_writes_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
