// SPDX-License-Identifier: GPL-2.0-only
/* runtimes, the user half - finds the programs, puts probes into them, and draws the arrows of calls. */
#include "items/app/runtimes/flow.h"
#include "items/probed.h"
#include "world/symbol/go.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"

enum { RECORD_BYTES = 16384, CALL_BYTES = FLOW_DEPTH_MAX * 2 + 2 * FLOW_TEXT + 8 };

/* php8.2, php-fpm8.2, ruby3.1, libruby-3.1.so.3.1, python3.11, libpython3.11.so.1.0; any program may be Go's */
static bool wants(struct span name, bool is_program)
{
	return is_program || span_starts(name, "libpython3") || span_starts(name, "libruby") ||
	       span_starts(name, "libphp") || span_is(name, "libjvm.so");
}

enum which { ALWAYS, OF_CALLS, OF_OBJECTS };

static const struct {
	const char *provider, *name, *program;
	enum which which;
} probes[] = {
	{"python", "gc__start", "python_gc_begins", ALWAYS},
	{"python", "gc__done", "python_gc_ends", ALWAYS},
	{"python", "function__entry", "python_enters", OF_CALLS},
	{"python", "function__return", "python_returns", OF_CALLS},
	{"php", "function__entry", "php_enters", OF_CALLS},
	{"php", "function__return", "php_returns", OF_CALLS},
	{"ruby", "gc__mark__begin", "ruby_mark_begins", ALWAYS},
	{"ruby", "gc__mark__end", "ruby_mark_ends", ALWAYS},
	{"ruby", "gc__sweep__begin", "ruby_sweep_begins", ALWAYS},
	{"ruby", "gc__sweep__end", "ruby_sweep_ends", ALWAYS},
	{"ruby", "method__entry", "ruby_enters", OF_CALLS},
	{"ruby", "method__return", "ruby_returns", OF_CALLS},
	{"ruby", "cmethod__entry", "ruby_enters", OF_CALLS},
	{"ruby", "cmethod__return", "ruby_returns", OF_CALLS},
	{"ruby", "object__create", "ruby_makes", OF_OBJECTS},
	{"hotspot", "gc__begin", "java_gc_begins", ALWAYS},
	{"hotspot", "gc__end", "java_gc_ends", ALWAYS},
	{"hotspot", "thread__start", "java_thread_starts", ALWAYS},
	{"hotspot", "method__entry", "java_enters", OF_CALLS},
	{"hotspot", "method__return", "java_returns", OF_CALLS},
	{"hotspot", "object__alloc", "java_makes", OF_OBJECTS},
	{"postgresql", "query__start", "query_starts", ALWAYS},
	{"postgresql", "query__done", "query_ends", ALWAYS},
};

static bool is_wanted(struct item *item, enum which which)
{
	if (which == OF_CALLS)
		return item_param(item, "calls") || item_param(item, "flow");
	return which == ALWAYS || item_param(item, "objects");
}

/* A cycle of Go's collector: from startCycle to the end of marking, each once a cycle (runtime/mgc.go). */
static void probe_go(struct probed_file *file, const struct elf *elf)
{
	static const char *const places[][2] = {
		{"runtime.gcMarkTermination", "go_gc_ends"},
		{"runtime.(*gcControllerState).startCycle", "go_gc_begins"},
	};
	struct go_function function;
	struct go_table table;

	if (!go_open(elf, &table))
		return;
	for (size_t i = 0; i < 2; i++)
		if (!go_find(elf, &table, places[i][0], &function) ||
		    !probed_offset(file, function.offset, places[i][1]))
			return;
}

/* Python 3.11 tells few of its entries (python.bpf.h): they would be taken for all. */
static bool is_silent(const struct probed_file *file, const char *program)
{
	return !strcmp(program, "python_enters") && strstr(probed_name(file), "3.11");
}

static void probe(struct probed_file *file, const struct elf *elf)
{
	for (size_t i = 0; i < sizeof(probes) / sizeof(*probes); i++)
		if (is_wanted(probed_item(file), probes[i].which) &&
		    !is_silent(file, probes[i].program))
			probed_usdt(file, elf, probes[i].provider, probes[i].name,
				    probes[i].program);
	probe_go(file, elf);
}

static const char *const usual[] = {
	"/usr/bin/python3.11",
	"/usr/bin/php8.2",
	"/usr/lib/x86_64-linux-gnu/libruby-3.1.so.3.1",
	"/usr/lib/aarch64-linux-gnu/libruby-3.1.so.3.1",
	"/usr/lib/jvm/java-17-openjdk-amd64/lib/server/libjvm.so",
	"/usr/lib/jvm/java-17-openjdk-arm64/lib/server/libjvm.so",
	"/usr/lib/postgresql/15/bin/postgres",
	NULL,
};

static const struct probed_ops programs = {.wants = wants, .probe = probe, .usual = usual};

/* ---- events ---- */

/* "    -> class.method" */
static void draw(const struct flow_facts *facts, char call[CALL_BYTES])
{
	unsigned depth = facts->depth < FLOW_DEPTH_MAX ? facts->depth : FLOW_DEPTH_MAX;

	snprintf(call, CALL_BYTES, "%*s%s %.*s%s%.*s", (int)depth * 2, "",
		 facts->direction == FLOW_ENTERS ? "->" : "<-",
		 (int)strnlen(facts->class_name, FLOW_TEXT), facts->class_name,
		 facts->class_name[0] ? "." : "", (int)strnlen(facts->method, FLOW_TEXT),
		 facts->method);
}

static const struct layout *layout_of(struct item *item, uint16_t kind)
{
	const struct item_desc *desc = item_description(item);

	for (uint32_t i = 0; i < desc->events; i++)
		if (desc->event[i].number == kind)
			return &desc->event[i].layout;
	return NULL;
}

static void event(struct item *item, void *state, const struct event_head *event, size_t size)
{
	enum { FACTS_AT = sizeof(struct event_head) + 16 /* struct owner */ };
	uint8_t whole[FACTS_AT + sizeof(struct flow_facts) + CALL_BYTES];
	const struct layout *layout = layout_of(item, event->kind);
	const void *bytes = event;
	struct flow_facts facts;
	struct record record;
	struct arena arena;
	char call[CALL_BYTES];

	if (event->kind == FLOW_EVENT && size >= FACTS_AT + sizeof(facts)) {
		size = FACTS_AT + sizeof(facts);
		memcpy(whole, event, size);
		memcpy(&facts, whole + FACTS_AT, sizeof(facts));
		draw(&facts, call);
		memcpy(whole + size, call, strlen(call));
		size += strlen(call);
		bytes = whole;
	}
	arena_init(&arena, RECORD_BYTES);
	if (layout && !record_fill(&record, layout, bytes, size, event->ktime_ns,
				   item_resolver(item), &arena))
		item_publish(item, &record);
	else
		item_count(item, "dropped", "no_record", 1);
	arena_done(&arena);
}

/* ---- what the registry calls ---- */

static int start(struct item *item, void **ret_state, struct err *why)
{
	return probed_start(item, &programs, ret_state, why);
}

const struct item_ops runtimes_item = {
	.start = start,
	.event = event,
	.replaced = probed_replaced,
	.tick = probed_tick,
	.stop = probed_stop,
};
