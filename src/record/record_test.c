// SPDX-License-Identifier: GPL-2.0-only
/* Raw bytes become named values: every column type, what is absent, whose it is, and every limit. */
#include "record/histogram.h"
#include "record/record.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

/* A struct with every column type, as an item would send it. */
struct everything {
	uint64_t cgroup, cookie, kernel_addr, user_addr, ktime, wait, hex;
	double share;
	struct {
		uint64_t slot[METRIC_SLOTS], sum;
	} slots;
	uint32_t pid, tid, ppid, uid, netns, syscall, signal, dev, ifindex, count, number, size;
	int32_t error, stack, other_pid;
	uint16_t local_port, remote_port;
	uint8_t local_addr[16], remote_addr[16], state, truth;
	char comm[16], path[32], args[64];
};

#define FIELD(type_, field, ...)                                                                   \
	{                                                                                          \
		.name = #field, .type = COLUMN_##type_,                                            \
		.offset = offsetof(struct everything, field),                                      \
		.size = sizeof(((struct everything *)0)->field), __VA_ARGS__                       \
	}

static const struct column columns[] = {
	FIELD(CGROUP_ID, cgroup),
	FIELD(PID, pid),
	FIELD(TID, tid),
	FIELD(PPID, ppid),
	FIELD(UID, uid),
	FIELD(COMM, comm),
	FIELD(SOCK_COOKIE, cookie),
	FIELD(IP, local_addr),
	FIELD(PORT, local_port),
	FIELD(IP, remote_addr),
	FIELD(PORT, remote_port),
	FIELD(NETNS, netns),
	FIELD(ERRNO, error, .is_signed = true),
	FIELD(SYSCALL, syscall),
	FIELD(SIGNAL, signal),
	FIELD(STACK_ID, stack, .is_signed = true),
	FIELD(KERNEL_ADDR, kernel_addr),
	FIELD(USER_ADDR, user_addr),
	FIELD(DEV, dev),
	FIELD(IFINDEX, ifindex),
	FIELD(INODE_PATH, path),
	FIELD(NS, wait),
	FIELD(KTIME, ktime),
	FIELD(BYTES, size),
	FIELD(COUNT, count),
	FIELD(NUMBER, number),
	FIELD(PERCENT, share, .is_real = true),
	FIELD(ARGV, args),
	FIELD(BOOL, truth),
	FIELD(ENUM, state, .labels = "1:established,2:syn_sent"),
	FIELD(HEX, hex),
	FIELD(HISTOGRAM, slots),
	FIELD(PID, other_pid),
};

static struct span text(const char *s)
{
	return span_of(s);
}

static bool resolve_pid(void *ctx, uint32_t pid, uint64_t ktime_ns, struct who *ret)
{
	if (pid != 42)
		return false;
	*ret = (struct who){
		.pid = pid,
		.uid = 1000,
		.has_uid = true,
		.process = text("main"),
		.exe = text("/usr/bin/app"),
		.container = text("of-the-pid"),
		.pod = text("pod-of-the-pid"),
		.cgroup = text("/x"),
	};
	return true;
}

static bool resolve_cgroup(void *ctx, uint64_t cgroup, struct who *ret)
{
	if (cgroup != 7)
		return false;
	*ret = (struct who){.container = text("web"),
			    .container_id = text("abc"),
			    .image = text("nginx"),
			    .namespace = text("shop"),
			    .service = text("front"),
			    .cgroup = text("/kube/web")};
	return true;
}

static struct span resolve_peer(void *ctx, const uint8_t addr[16], uint16_t port)
{
	return addr[15] == 9 && port == 443 ? text("db.shop") : text("");
}

static struct span resolve_device(void *ctx, uint32_t dev)
{
	return dev == (8u << 20 | 1) ? text("sda1") : text("");
}

static struct span resolve_interface(void *ctx, uint32_t index)
{
	return index == 2 ? text("eth0") : text("");
}

static struct span resolve_symbol(void *ctx, uint32_t pid, uint64_t addr)
{
	return addr != 0x1000 ? text("")
	       : pid == 42    ? text("main+0x10")
	       : pid          ? text("")
			      : text("vfs_read+0x5");
}

static const struct resolver world = {
	.pid = resolve_pid,
	.cgroup = resolve_cgroup,
	.peer = resolve_peer,
	.device = resolve_device,
	.interface = resolve_interface,
	.symbol = resolve_symbol,
};

/* A schema and its layout made of `columns`; the resolver knows a node. */
struct setting {
	struct schema schema;
	struct layout layout;
	struct resolver resolver;
	struct arena arena;
	struct record record;
	struct buf json;
};

static void set_up(struct setting *s, const struct column *column, size_t count)
{
	struct err why = {};

	memset(s, 0, sizeof(*s));
	for (size_t i = 0; i < count; i++)
		assert_int_equal(schema_add(&s->schema, &column[i], &why), 0);
	s->schema.size = sizeof(struct everything);
	memcpy(s->schema.item, "test", 5);
	memcpy(s->schema.kind, "sample", 7);
	if (layout_from_schema(&s->layout, &s->schema, &why))
		fail_msg("%s", why.text);
	s->resolver = world;
	s->resolver.node = text("host1");
	arena_init(&s->arena, 1 << 20);
	buf_init(&s->json, 1 << 16);
}

static void tear_down(struct setting *s)
{
	schema_done(&s->schema);
	arena_done(&s->arena);
	buf_done(&s->json);
}

/* The record as JSON, without its time. */
static const char *fill(struct setting *s, const void *raw, size_t size)
{
	struct json json = {.out = &s->json};
	int error = record_fill(&s->record, &s->layout, raw, size, 0, &s->resolver, &s->arena);

	if (error)
		fail_msg("record_fill: %d", error);
	assert_int_equal(s->record.value[LAYOUT_TIME].kind, VALUE_TIME);
	s->record.value[LAYOUT_TIME] = (struct value){};
	buf_clear(&s->json);
	record_json(&s->record, &json);
	return buf_text(&s->json);
}

static void every_type_has_its_value(void **state)
{
	struct everything raw = {
		.cgroup = 7,
		.pid = 42,
		.tid = 43,
		.ppid = 1,
		.uid = 5,
		.comm = "worker",
		.cookie = 0xffffffffffffffff,
		.local_addr = {[10] = 255, 255, 10, 0, 0, 1},
		.local_port = 8080,
		.remote_addr = {0x20, 1, 0xd, 0xb8, [15] = 9},
		.remote_port = 443,
		.netns = 4026531840,
		.error = -111,
		.syscall = 0,
		.signal = 9,
		.stack = 12,
		.kernel_addr = 0x1000,
		.user_addr = 0x1000,
		.dev = 8u << 20 | 1,
		.ifindex = 2,
		.path = "/etc/passwd",
		.wait = 1500,
		.size = 0,
		.count = 0,
		.number = 3,
		.share = 12.5,
		.args = "app\0--token=x",
		.truth = 1,
		.state = 2,
		.hex = 0xbeef,
		.slots = {.slot = {[0] = 1, [10] = 2, [35] = 1}, .sum = 5000},
		.other_pid = 77,
		.ktime = 0,
	};
	struct setting s;

	set_up(&s, columns, sizeof(columns) / sizeof(*columns));
	assert_string_equal(
		fill(&s, &raw, sizeof(raw)),
		"{\"item\":\"test\",\"kind\":\"sample\",\"node\":\"host1\",\"pid\":42,\"tid\":43,"
		"\"process\":\"worker\","
		"\"exe\":\"/usr/bin/"
		"app\",\"uid\":5,\"container\":\"web\",\"container_id\":\"abc\",\"image\":"
		"\"nginx\","
		"\"namespace\":\"shop\",\"service\":\"front\",\"cgroup\":\"/kube/web\",\"ppid\":1,"
		"\"connection\":\"18446744073709551615\",\"local_addr\":\"10.0.0.1\",\"local_"
		"port\":8080,"
		"\"remote_addr\":\"2001:db8::9\",\"remote_port\":443,\"netns\":4026531840,"
		"\"error\":\"ECONNREFUSED\","
		"\"syscall\":\"read\",\"signal\":\"SIGKILL\",\"stack\":12,\"kernel_addr\":\"vfs_"
		"read+0x5\","
		"\"user_addr\":\"main+0x10\",\"dev\":\"sda1\",\"ifindex\":\"eth0\",\"path\":\"/etc/"
		"passwd\","
		"\"wait_ns\":1500,\"size_bytes\":0,\"count\":0,\"number\":3,\"share\":12.5,"
		"\"args\":\"app "
		"--token=***\","
		"\"truth\":true,\"state\":\"syn_sent\",\"hex\":\"0xbeef\",\"slots\":{\"count\":4,"
		"\"sum\":5000,"
		"\"buckets\":[{\"le\":1,\"count\":1},{\"le\":1024,\"count\":2},{\"le\":null,"
		"\"count\":1}]},"
		"\"other_pid\":77,\"remote_name\":\"db.shop\"}");
	tear_down(&s);
}

static void what_is_not_known_is_left_out(void **state)
{
	struct everything raw = {.uid = UINT32_MAX, .stack = -14, .syscall = (uint32_t)-1};
	struct setting s;

	set_up(&s, columns, sizeof(columns) / sizeof(*columns));
	s.resolver.node = (struct span){};
	assert_string_equal(
		fill(&s, &raw, sizeof(raw)),
		"{\"item\":\"test\",\"kind\":\"sample\",\"size_bytes\":0,\"count\":0,\"share\":0,"
		"\"hex\":\"0x0\",\"slots\":{\"count\":0,\"sum\":0,\"buckets\":[]}}");
	tear_down(&s);
}

/* A process that is gone, a cgroup nobody knows, numbers without a name. */
static void without_an_answer_the_number_stays(void **state)
{
	struct everything raw = {.cgroup = 99,
				 .pid = 4711,
				 .error = 9999,
				 .signal = 70,
				 .kernel_addr = 0x2000,
				 .dev = 9u << 20 | 3,
				 .ifindex = 5,
				 .state = 9,
				 .comm = "gone"};
	struct setting s;

	set_up(&s, columns, sizeof(columns) / sizeof(*columns));
	raw.local_addr[0] = 0xfe;
	assert_string_equal(
		fill(&s, &raw, sizeof(raw)),
		"{\"item\":\"test\",\"kind\":\"sample\",\"node\":\"host1\",\"pid\":"
		"4711,\"process\":\"gone\",\"uid\":0,"
		"\"local_addr\":\"fe00::\",\"error\":\"9999\",\"syscall\":\"read\","
		"\"signal\":\"70\",\"stack\":0,"
		"\"kernel_addr\":\"0x2000\",\"dev\":\"9:3\",\"ifindex\":\"5\",\"size_bytes\":"
		"0,\"count\":0,\"share\":0,"
		"\"hex\":\"0x0\",\"slots\":{\"count\":0,\"sum\":0,\"buckets\":[]}}");
	memset(&s.resolver, 0, sizeof(s.resolver));
	fill(&s, &raw, sizeof(raw)); /* a resolver that knows nothing at all */
	tear_down(&s);
}

static void the_process_tells_its_container_when_the_event_does_not(void **state)
{
	static const struct column who[] = {FIELD(PID, pid)};
	struct everything raw = {.pid = 42};
	struct setting s;

	set_up(&s, who, 1);
	assert_string_equal(
		fill(&s, &raw, sizeof(raw)),
		"{\"item\":\"test\",\"kind\":\"sample\",\"node\":\"host1\",\"pid\":42,\"process\":"
		"\"main\","
		"\"exe\":\"/usr/bin/"
		"app\",\"uid\":1000,\"container\":\"of-the-pid\",\"pod\":\"pod-of-the-pid\","
		"\"cgroup\":\"/x\"}");
	assert_int_equal(layout_find(&s.layout, span_of("tid")), -1);
	assert_int_equal(layout_find(&s.layout, span_of("pid")), LAYOUT_FIRST);
	tear_down(&s);
}

static void a_cgroup_alone_brings_no_process_columns(void **state)
{
	static const struct column cgroup[] = {FIELD(CGROUP_ID, cgroup)};
	struct setting s;

	set_up(&s, cgroup, 1);
	assert_int_equal(layout_find(&s.layout, span_of("process")), -1);
	assert_int_equal(layout_find(&s.layout, span_of("container")), LAYOUT_FIRST);
	tear_down(&s);
}

static void a_text_at_the_end_may_be_cut(void **state)
{
	static const struct column tail[] = {
		{.name = "pid", .type = COLUMN_PID, .offset = 0, .size = 4},
		{.name = "args", .type = COLUMN_ARGV, .offset = 4, .size = 0},
	};
	static const uint8_t raw[] = {42, 0, 0, 0, 'l', 's', 0, '-', 'l'};
	struct setting s;

	set_up(&s, tail, 2);
	for (size_t size = 0; size < 4; size++)
		assert_int_equal(record_fill(&s.record, &s.layout, raw, size, 0, NULL, &s.arena),
				 -EINVAL);
	assert_non_null(strstr(fill(&s, raw, 9), "\"args\":\"ls -l\""));
	assert_non_null(strstr(fill(&s, raw, 6), "\"args\":\"ls\""));
	assert_null(strstr(fill(&s, raw, 4), "args"));
	tear_down(&s);
}

/* At every cap of the arena the answer is a whole record or -ENOMEM. */
static void a_full_arena_drops_the_record(void **state)
{
	struct everything raw = {.pid = 42, .cgroup = 7, .comm = "worker", .path = "/etc"};
	int dropped = 0, made = 0;
	struct setting s;

	set_up(&s, columns, sizeof(columns) / sizeof(*columns));
	for (size_t cap = 0; cap < 600; cap += 8) {
		int error;

		arena_done(&s.arena);
		arena_init(&s.arena, cap);
		error = record_fill(&s.record, &s.layout, &raw, sizeof(raw), 0, &s.resolver,
				    &s.arena);
		assert_true(!error || error == -ENOMEM);
		dropped += error != 0;
		made += !error;
	}
	assert_true(dropped && made);
	tear_down(&s);
}

static void raw_bytes_of_any_kind_are_survived(void **state)
{
	unsigned seed = (unsigned)time(NULL);
	struct setting s;

	print_message("seed %u\n", seed);
	srandom(seed);
	set_up(&s, columns, sizeof(columns) / sizeof(*columns));
	for (int i = 0; i < 2000; i++) {
		size_t size = sizeof(struct everything) - (size_t)random() % 64;
		uint8_t *raw = malloc(size);

		for (size_t at = 0; at < size; at++)
			raw[at] = (uint8_t)random();
		arena_done(&s.arena);
		record_fill(&s.record, &s.layout, raw, size, (uint64_t)random(), &s.resolver,
			    &s.arena);
		free(raw);
	}
	tear_down(&s);
}

static void a_name_cannot_be_taken_twice(void **state)
{
	static const char *const taken[] = {"time", "kind", "process", "container"};
	struct err why = {};

	for (size_t i = 0; i < sizeof(taken) / sizeof(*taken); i++) {
		struct schema schema = {.size = 16};
		struct layout layout;
		struct column pid = {.name = "pid", .type = COLUMN_PID, .size = 4};
		struct column own = {.type = COLUMN_COUNT, .offset = 4, .size = 4};

		memcpy(own.name, taken[i], strlen(taken[i]) + 1);
		assert_int_equal(schema_add(&schema, &pid, &why), 0);
		assert_int_equal(schema_add(&schema, &own, &why), 0);
		assert_int_equal(layout_from_schema(&layout, &schema, &why), -EEXIST);
		assert_non_null(strstr(why.text, taken[i]));
		schema_done(&schema);
	}
}

static void records_can_be_made_in_c(void **state)
{
	struct layout layout;
	struct record record;
	struct arena arena;
	struct buf buf;
	struct json json = {.out = &buf};
	struct who who = {.pid = 1, .process = text("init"), .pod = text("p")};
	struct err why = {};
	int at;

	layout_begin(&layout, 1 << WHO_PROCESS | 1 << WHO_POD);
	at = layout_add(&layout, "duration_ns", UNIT_NS, "how long", &why);
	assert_int_equal(at, LAYOUT_FIRST + 2);
	assert_int_equal(layout_add(&layout, "pod", UNIT_TEXT, NULL, &why), -EEXIST);
	arena_init(&arena, 1000);
	buf_init(&buf, 1000);
	record_begin(&record, &layout, "requests", "request", 0, NULL);
	record.value[LAYOUT_TIME].u64 = 1700000000000000001;
	assert_int_equal(record_set_who(&record, &who, WHO_OF_PID, &arena), 0);
	record.value[at] = value_u64(5);
	record_json(&record, &json);
	assert_string_equal(
		buf_text(&buf),
		"{\"time\":\"2023-11-14T22:13:20.000000001Z\",\"item\":\"requests\","
		"\"kind\":\"request\",\"process\":\"init\",\"pod\":\"p\",\"duration_ns\":5}");
	buf_clear(&buf);
	json.need_comma = false;
	layout_json(&layout, &json);
	assert_non_null(strstr(buf_text(&buf),
			       "{\"name\":\"duration_ns\",\"unit\":\"ns\",\"help\":\"how long\"}"));
	buf_done(&buf);
	arena_done(&arena);
}

static void values_print_as_people_read_them(void **state)
{
	static const struct {
		struct value value;
		enum unit unit;
		const char *text;
	} cells[] = {
		{{.kind = VALUE_U64, .u64 = 12345678}, UNIT_NS, "12.3 ms"},
		{{.kind = VALUE_U64, .u64 = 4299161}, UNIT_BYTES, "4.1 MiB"},
		{{.kind = VALUE_U64, .u64 = 17}, UNIT_COUNT, "17"},
		{{.kind = VALUE_I64, .i64 = -5}, UNIT_NONE, "-5"},
		{{.kind = VALUE_DOUBLE, .real = 12.345}, UNIT_PERCENT, "12.3 %"},
		{{.kind = VALUE_BOOL, .truth = true}, UNIT_NONE, "true"},
		{{.kind = VALUE_TIME, .u64 = 1700000000123456789},
		 UNIT_TIME,
		 "2023-11-14T22:13:20.123Z"},
		{{}, UNIT_NS, ""},
		{{.kind = VALUE_TEXT,
		  .text = {(const uint8_t *)"a\x1b[31m\n\xff\xc2\x9bz\xe2\x80\xae", 14}},
		 UNIT_TEXT,
		 "a\\x1b[31m\\n\xef\xbf\xbd\\xc2\\x9bz\\xe2\\x80\\xae"},
		{{.kind = VALUE_TEXT, .text = {(const uint8_t *)"gr\xc3\xbc\xc3\x9f", 6}},
		 UNIT_TEXT,
		 "gr\xc3\xbc\xc3\x9f"},
	};

	for (size_t i = 0; i < sizeof(cells) / sizeof(*cells); i++) {
		struct buf buf;

		buf_init(&buf, 200);
		value_print(&cells[i].value, cells[i].unit, &buf);
		assert_string_equal(buf_text(&buf), cells[i].text);
		buf_done(&buf);
	}
}

static void buckets_lie_where_the_kernel_puts_values(void **state)
{
	struct metric log2 = {.scale = 1e-9, .buckets = BUCKETS_LOG2, .low = 1e3, .high = 16e9};
	struct metric linear = {.scale = 1, .buckets = BUCKETS_LINEAR, .step = 10};
	struct metric explicit = {
		.scale = 1, .buckets = BUCKETS_EXPLICIT, .bound = {1, 5, 20}, .bounds = 3};
	struct histogram_bound bound[METRIC_SLOTS];

	assert_int_equal(histogram_bounds(&log2, bound), 25); /* 2^10 .. 2^34 ns */
	assert_int_equal(bound[0].last_slot, 10);
	assert_true(bound[0].le == 1.024e-06);
	assert_true(bound[24].le == 17.179869184);
	/* the same rule as log2_slot of item.bpf.h: (2^(i-1), 2^i] */
	assert_int_equal(histogram_slot(&log2, 0), 0);
	assert_int_equal(histogram_slot(&log2, 1), 0);
	assert_int_equal(histogram_slot(&log2, 2), 1);
	assert_int_equal(histogram_slot(&log2, 1024), 10);
	assert_int_equal(histogram_slot(&log2, 1025), 11);
	assert_int_equal(histogram_slot(&log2, 1e300), METRIC_SLOTS - 1);
	assert_int_equal(histogram_bounds(&linear, bound), METRIC_SLOTS - 1);
	assert_int_equal(histogram_slot(&linear, 10), 0);
	assert_int_equal(histogram_slot(&linear, 11), 1);
	assert_int_equal(histogram_bounds(&explicit, bound), 3);
	assert_int_equal(histogram_slot(&explicit, 5), 1);
	assert_int_equal(histogram_slot(&explicit, 21), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_has_its_value),
		cmocka_unit_test(what_is_not_known_is_left_out),
		cmocka_unit_test(without_an_answer_the_number_stays),
		cmocka_unit_test(the_process_tells_its_container_when_the_event_does_not),
		cmocka_unit_test(a_cgroup_alone_brings_no_process_columns),
		cmocka_unit_test(a_text_at_the_end_may_be_cut),
		cmocka_unit_test(a_full_arena_drops_the_record),
		cmocka_unit_test(raw_bytes_of_any_kind_are_survived),
		cmocka_unit_test(a_name_cannot_be_taken_twice),
		cmocka_unit_test(records_can_be_made_in_c),
		cmocka_unit_test(values_print_as_people_read_them),
		cmocka_unit_test(buckets_lie_where_the_kernel_puts_values),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
