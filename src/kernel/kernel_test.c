// SPDX-License-Identifier: GPL-2.0-only
/*
 * The whole room on the running kernel: a worker without privileges loads an object through the
 * broker, counts its own system calls with it, and reads maps, rings and tables. Needs root.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cpus.h"
#include "kernel/client.h"
#include "kernel/internal.h"
#include "kernel/split.h"
#include "kernel/testing.h"

static struct kernel *kernel;
static uint32_t self; /* asked once: getpid is what the tests count */

static void *places;
static size_t places_size;

static void *file_bytes(const char *path, size_t *ret_size)
{
	FILE *file = fopen(path, "re");
	char *bytes;
	long size;

	assert_non_null(file);
	fseek(file, 0, SEEK_END);
	size = ftell(file);
	rewind(file);
	bytes = malloc((size_t)size);
	assert_int_equal(fread(bytes, 1, (size_t)size, file), size);
	fclose(file);
	*ret_size = (size_t)size;
	return bytes;
}

static int start(void **state)
{
	struct err why = {};

	self = (uint32_t)getpid();
	places = file_bytes(getenv("PLACES_BPF_O"), &places_size); /* while we may */
	kernel = testing_broker_start();
	if (split_drop(65534, 65534, &why))
		fail_msg("%s", why.text);
	return 0;
}

static int finish(void **state)
{
	return testing_broker_end(kernel);
}

static struct object *open_every(void)
{
	static void *bytes;
	static size_t size;
	struct object *object;
	struct err why = {};

	if (!bytes)
		bytes = file_bytes(getenv("EVERY_BPF_O"), &size);
	if (object_open(kernel, "every", bytes, size, &object, &why))
		fail_msg("%s", why.text);
	assert_int_equal(object_set(object, "only_pid", &self, 4), 0);
	return object;
}

static struct object *load_every(void)
{
	struct object *object = open_every();
	struct err why = {};

	if (object_load(object, NULL, &why))
		fail_msg("%s", why.text);
	return object;
}

static const struct hook_choice *choice_of(struct object *object, const char *hook)
{
	const struct hook_choice *choice;

	for (size_t i = 0; (choice = object_hook(object, i)); i++)
		if (!strcmp(choice->hook, hook))
			return choice;
	fail_msg("no hook %s", hook);
	return NULL;
}

static void takes_the_first_alternative_that_works(void **state)
{
	struct object *object = load_every();
	const struct hook_choice *enter = choice_of(object, "enter");
	const struct hook_choice *never = choice_of(object, "never");

	assert_string_equal(enter->section, "tp_btf/sys_enter");
	assert_non_null(strstr(enter->reason, "no such tracepoint"));
	assert_non_null(strstr(enter->reason, "not 'struct sock *'"));
	assert_non_null(strstr(enter->reason, "raw_tp/sys_enter: "));
	assert_null(never->section);
	assert_string_not_equal(never->reason, "");
	object_free(object);
}

static void a_forced_alternative_is_the_only_one_tried(void **state)
{
	struct object *object = open_every();
	struct err why = {};

	assert_int_equal(object_force(object, "enter", "enter_raw", &why), 0);
	assert_int_equal(object_load(object, NULL, &why), 0);
	assert_string_equal(choice_of(object, "enter")->section, "raw_tp/sys_enter");
	object_free(object);
	object = open_every();
	assert_int_equal(object_force(object, "enter", "enter_refused", &why), 0);
	assert_true(object_load(object, NULL, &why) < 0);
	assert_non_null(strstr(why.text, "hook 'enter'"));
	object_free(object);
	object = open_every();
	assert_int_equal(object_force(object, "enter", "kprobe/x", &why), -ENOENT);
	object_free(object);
}

struct tally {
	uint64_t calls, events, rows, percpu;
	bool saw_self;
};

static bool count_calls(void *ctx, const void *key, const void *value)
{
	uint32_t number;
	uint64_t count;

	memcpy(&number, key, sizeof(number));
	memcpy(&count, value, sizeof(count));
	if (number == SYS_getpid)
		((struct tally *)ctx)->calls = count;
	return true;
}

static bool count_rows(void *ctx, const void *row)
{
	struct tally *tally = ctx;
	uint32_t pid;

	memcpy(&pid, row, sizeof(pid));
	tally->rows++;
	tally->saw_self |= pid == self;
	return true;
}

static bool add_percpu(void *ctx, const void *key, const void *value)
{
	for (uint32_t cpu = 0; cpu < cpus_possible(); cpu++) {
		uint64_t part;

		memcpy(&part, (const uint8_t *)value + cpu * 24 + 16, sizeof(part));
		((struct tally *)ctx)->percpu += part;
	}
	return true;
}

static void count_event(void *ctx, const struct event_head *event, size_t size)
{
	uint64_t again[2];

	assert_int_equal(event->kind, 1);
	assert_true(size >= 40);
	memcpy(again, (const uint8_t *)event + 24, sizeof(again));
	assert_true(event->ktime_ns && again[0] == event->ktime_ns && again[1] == event->ktime_ns);
	((struct tally *)ctx)->events++;
}

static void counts_what_happened_exactly(void **state)
{
	struct object *object = load_every();
	struct tally tally = {};
	struct err why = {};
	struct ring *ring;
	uint64_t counts[7];

	assert_int_equal(ring_open(object, "events", count_event, &tally, &ring, &why), 0);
	for (int i = 0; i < 1000; i++)
		syscall(SYS_getpid);
	while (ring_drain(ring, 100))
		;
	assert_int_equal(tally.events, 1000);
	assert_int_equal(ring_read(ring), 1000);
	assert_true(object_read(object, "calls", count_calls, &tally) > 0);
	assert_int_equal(tally.calls, 1000);
	assert_int_equal(object_read(object, "percpu", add_percpu, &tally), 1);
	assert_true(tally.percpu >= 1000);
	assert_int_equal(object_read_counts(object, "counts", counts, 7), 0);
	assert_int_equal(counts[0], 1000); /* COUNT_EMITTED */
	assert_true(object_read_table(object, "tasks", 8, count_rows, &tally) > 0);
	assert_true(tally.saw_self);
	ring_close(ring);
	object_free(object);
}

/* The ring ends in the middle of an event, each time in another one. */
static void events_that_wrap_are_whole(void **state)
{
	struct object *object = load_every();
	struct tally tally = {};
	struct err why = {};
	struct ring *ring;

	assert_int_equal(ring_open(object, "events", count_event, &tally, &ring, &why), 0);
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 1000; i++)
			syscall(SYS_getpid);
		while (ring_drain(ring, 100))
			;
	}
	assert_int_equal(tally.events, 20000);
	assert_int_equal(ring_bad(ring), 0);
	ring_close(ring);
	object_free(object);
}

static void a_full_ring_counts_what_it_lost(void **state)
{
	struct object *object = load_every();
	struct tally tally = {};
	struct err why = {};
	struct ring *ring;
	uint64_t counts[7];

	assert_int_equal(ring_open(object, "events", count_event, &tally, &ring, &why), 0);
	for (int i = 0; i < 10000; i++)
		syscall(SYS_getpid);
	while (ring_drain(ring, 100))
		;
	assert_int_equal(object_read_counts(object, "counts", counts, 7), 0);
	assert_true(counts[2] > 0); /* COUNT_LOST_RING */
	assert_int_equal(counts[0] + counts[2], 10000);
	assert_int_equal(tally.events, counts[0]);
	ring_close(ring);
	object_free(object);
}

static void a_mapped_filter_acts_at_once(void **state)
{
	struct object *object = load_every();
	uint32_t *filter = object_mapped(object, "filter");
	struct tally tally = {};

	assert_non_null(filter);
	filter[1] = 1; /* pid 1 is not us */
	filter[0] = 1;
	for (int i = 0; i < 10; i++)
		syscall(SYS_getpid);
	filter[0] = 0;
	assert_true(object_read(object, "calls", count_calls, &tally) >= 0);
	assert_int_equal(tally.calls, 0);
	object_free(object);
}

static void deletes_and_shares(void **state)
{
	struct object *first = load_every(), *second;
	struct tally tally = {};
	struct err why = {};
	uint32_t key = SYS_getpid;

	for (int i = 0; i < 5; i++)
		syscall(SYS_getpid);
	second = open_every();
	assert_int_equal(object_share(second, "calls", first), 0);
	if (object_load(second, NULL, &why))
		fail_msg("%s", why.text);
	object_free(first);
	for (int i = 0; i < 5; i++)
		syscall(SYS_getpid);
	assert_true(object_read(second, "calls", count_calls, &tally) > 0);
	assert_int_equal(tally.calls, 10);
	assert_int_equal(object_delete(second, "calls", &key, 1), 1);
	tally.calls = 0;
	object_read(second, "calls", count_calls, &tally);
	assert_int_equal(tally.calls, 0);
	object_free(second);
}

enum { MANY_CALLS = 400000 };

static void *call_many_times(void *done)
{
	for (int i = 0; i < MANY_CALLS; i++)
		syscall(SYS_getpid);
	__atomic_store_n((bool *)done, true, __ATOMIC_RELEASE);
	return NULL;
}

/* Versions are exchanged while another thread makes system calls: not one is missed or counted twice. */
static void exchanges_lose_nothing(void **state)
{
	struct object *object = load_every(), *next;
	struct tally tally = {};
	struct err why = {};
	bool done = false;
	pthread_t thread;
	int exchanges = 0;

	pthread_create(&thread, NULL, call_many_times, &done);
	while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE)) {
		next = open_every();
		assert_int_equal(object_share(next, "calls", object), 0);
		if (object_load(next, object, &why))
			fail_msg("%s", why.text);
		object_free(object);
		object = next;
		exchanges++;
	}
	pthread_join(thread, NULL);
	assert_true(object_read(object, "calls", count_calls, &tally) > 0);
	print_message("%d exchanges\n", exchanges);
	assert_true(exchanges > 1);
	assert_int_equal(tally.calls, MANY_CALLS);
	object_free(object);
}

static void knows_its_cost(void **state)
{
	struct object *object = load_every();
	struct program_cost program;
	struct map_cost map;
	size_t programs = 0, maps = 0;

	while (object_program(object, programs, &program)) {
		assert_non_null(program.name);
		assert_true(program.id > 0);
		programs++;
	}
	while (object_map(object, maps, &map))
		maps++;
	assert_int_equal(programs, 3);
	assert_true(maps >= 5);
	object_free(object);
}

static int open_fds(void)
{
	int count = 0;

	for (int fd = 0; fd < 1024; fd++)
		count += lseek(fd, 0, SEEK_CUR) >= 0 || errno != EBADF;
	return count;
}

static void a_hundred_rounds_leave_no_descriptor(void **state)
{
	int before;

	object_free(load_every());
	before = open_fds();
	for (int i = 0; i < 100; i++)
		object_free(load_every());
	assert_int_equal(open_fds(), before);
}

static void refuses_what_is_no_object(void **state)
{
	struct object *object;
	struct err why = {};

	assert_true(object_open(kernel, "junk", "not an ELF file at all", 22, &object, &why) < 0);
	assert_non_null(strstr(why.text, "'junk'"));
}

static void the_broker_opens_only_its_list(void **state)
{
	char link[256], path[64];
	uint64_t inode;
	int fd = kernel_open_file(kernel, "/proc/1/status");

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(kernel_open_file(kernel, "/etc/shadow"), -EPERM);
	assert_int_equal(kernel_open_file(kernel, "/proc/../etc/shadow"), -EPERM);
	assert_int_equal(kernel_open_file(kernel, "/proc/1/mem"), -EPERM);
	assert_int_equal(kernel_open_file(kernel, "/proc/1/environ"), -EPERM);
	assert_int_equal(kernel_open_file(kernel, "/proc/1/root/etc/shadow"), -EPERM);
	assert_int_equal(kernel_open_file(kernel, "/proc/self/root/etc/shadow"), -EPERM);
	snprintf(path, sizeof(path), "/proc/%u/ns/net", self);
	assert_true(kernel_read_link(kernel, path, link, sizeof(link)) > 0);
	assert_int_equal(kernel_inode(kernel, "/proc/1/status", &inode), 0);
}

static void the_worker_may_nothing(void **state)
{
	assert_int_equal(getuid(), 65534);
	assert_int_equal(setuid(0), -1);
	assert_int_equal(execl("/bin/true", "true", NULL), -1);
	assert_int_equal(errno, EPERM);
}

static void names_features(void **state)
{
	assert_true(kernel_can(kernel, "ringbuf"));
	assert_true(kernel_can(kernel, "iter"));
	assert_false(kernel_can(kernel, "no such feature"));
}

static bool take_hit(void *ctx, const void *key, const void *value)
{
	uint64_t *hits = ctx;
	uint32_t place;

	memcpy(&place, key, sizeof(place));
	memcpy(&hits[place & 3], value, sizeof(*hits));
	return true;
}

__attribute__((noinline)) static long somewhere(long number)
{
	__asm__ volatile("" : "+r"(number));
	return number;
}

/* As <sys/sdt.h> makes them: a nop, and a note that says where it is and where its arguments are. */
#if defined(__x86_64__)
#define PROBED "-4@%0 8@%1 -4@$7"
#else
#define PROBED "-4@%w0 8@%1 -4@7"
#endif
#define PROBE(number, in_memory)                                                                   \
	__asm__ volatile("990: nop\n"                                                              \
			 ".pushsection .note.stapsdt,\"\",\"note\"\n"                              \
			 ".balign 4\n.4byte 992f-991f, 994f-993f, 3\n"                             \
			 "991: .asciz \"stapsdt\"\n992: .balign 4\n"                               \
			 "993: .8byte 990b, 0, 0\n.asciz \"test\", \"probed\", \"" PROBED "\"\n"   \
			 "994: .balign 4\n.popsection" ::"r"(number),                              \
			 "m"(in_memory))

__attribute__((noinline)) static void probed(int number)
{
	volatile int64_t in_memory = number;

	PROBE(number, in_memory);
	PROBE(number, in_memory);
}

static void functions_of_libraries_and_of_programs_are_hooks(void **state)
{
	struct object *object;
	char exe[512] = "", text[640];
	struct user_place place;
	uint64_t hits[4] = {};
	struct err why = {};
	int link;

	if (object_open(kernel, "places", places, places_size, &object, &why) ||
	    object_set(object, "only_pid", &self, 4) || object_load(object, NULL, &why))
		fail_msg("%s", why.text);
	assert_non_null(
		strstr(choice_of(object, "nowhere")->reason, "no function 'no_such_function'"));
	if (kernel_can_probe_returns(kernel))
		assert_string_equal(choice_of(object, "libc_return")->section,
				    "uretprobe/libc.so.6:a64l");
	assert_true(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
	snprintf(text, sizeof(text), "%s:somewhere", exe);
	if (place_find(kernel, (int)self, text, &place, &why))
		fail_msg("%s", why.text);
	place.cookie = 1000;
	link = object_attach_place(object, "placed", &place, &why);
	if (link < 0)
		fail_msg("%s", why.text);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(somewhere(i), i);
		assert_non_null(l64a(i + 1));
		assert_int_equal(a64l("1"), 3);
	}
	kernel_ready(
		kernel); /* the broker's own copy of the link is closed when it answers again */
	close(link);
	somewhere(1);
	assert_string_equal(choice_of(object, "usdt")->reason, "");
	probed(-3);
	assert_true(object_read(object, "hits", take_hit, hits) >= 0);
	assert_int_equal(hits[0], 3);
	assert_int_equal(hits[1], kernel_can_probe_returns(kernel) ? 9 : 0);
	assert_int_equal(hits[2], 3000);
	assert_int_equal((int64_t)hits[3], 2 * (-3 * 100 - 3 * 10 + 7));
	place.offset = 1ull << 40;
	assert_int_equal(object_attach_place(object, "placed", &place, &why), -ERANGE);
	close(place.file);
	object_free(object);
}

static void only_programs_are_opened_and_only_inside_the_root(void **state)
{
	int fd = kernel_open_code(kernel, (int)self, "/bin/sh");

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(kernel_open_code(kernel, (int)self, "/etc/passwd"), -ENOEXEC);
	assert_int_equal(kernel_open_code(kernel, (int)self, "/etc/shadow"), -ENOEXEC);
	assert_true(kernel_open_code(kernel, (int)self, "/proc/self/exe") < 0); /* a magic link */
	assert_true(kernel_open_code(kernel, 0x3ffffff0, "/bin/sh") < 0);
	fd = kernel_open_mapped(kernel, (int)self, 0, 0);
	assert_true(fd >= 0);
	close(fd);
	assert_true(kernel_open_mapped(kernel, (int)self, 0, 4096) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_the_first_alternative_that_works),
		cmocka_unit_test(functions_of_libraries_and_of_programs_are_hooks),
		cmocka_unit_test(only_programs_are_opened_and_only_inside_the_root),
		cmocka_unit_test(a_forced_alternative_is_the_only_one_tried),
		cmocka_unit_test(counts_what_happened_exactly),
		cmocka_unit_test(events_that_wrap_are_whole),
		cmocka_unit_test(a_full_ring_counts_what_it_lost),
		cmocka_unit_test(a_mapped_filter_acts_at_once),
		cmocka_unit_test(deletes_and_shares),
		cmocka_unit_test(exchanges_lose_nothing),
		cmocka_unit_test(knows_its_cost),
		cmocka_unit_test(a_hundred_rounds_leave_no_descriptor),
		cmocka_unit_test(refuses_what_is_no_object),
		cmocka_unit_test(the_broker_opens_only_its_list),
		cmocka_unit_test(the_worker_may_nothing),
		cmocka_unit_test(names_features),
	};

	if (getuid()) {
		print_message("needs root\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, start, finish);
}
