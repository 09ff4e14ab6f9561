// SPDX-License-Identifier: GPL-2.0-only
/*
 * runtimes - what languages do inside their processes: garbage collections, threads, objects, calls; and queries of PostgreSQL's
 * server as it sees them itself.
 *
 * By the probes that authors and distributions put into the programs (USDT): python3, php, ruby, OpenJDK's libjvm.so, postgres;
 * Go has none, its collector's functions are probed. The user half finds the programs, also in containers. Collections and
 * threads are cheap; calls cost each call some microseconds, so they are counted with `calls=true` only, and told one by one
 * with `flow=true`. What a language asks for itself: PHP has its probes with USE_ZEND_DTRACE=1 in its environment, Java those of
 * calls and objects with -XX:+ExtendedDTraceProbes. Needs Linux 5.15 (bpf_get_attach_cookie).
 */
#include "kernel/emit.bpf.h"
#include "kernel/filter.bpf.h"
#include "kernel/read.bpf.h"

#include <bpf/usdt.bpf.h>

#include "items/app/runtimes/flow.h"

ITEM("app", "off",
     "garbage collections, threads, objects and calls of Python, PHP, Ruby, Java and Go; queries "
     "in PostgreSQL");
PARAM(bool, calls, false, "count calls, by method");
PARAM(bool, flow, false, "a record for each call and return, with its depth (implies calls)");
PARAM(bool, objects, false, "count objects that are made, by class (Java, Ruby)");

enum { PYTHON = 1, PHP, RUBY, JAVA, GO };

#define LANGUAGES  "enum=1:python,2:php,3:ruby,4:java,5:go"
#define DIRECTIONS "enum=1:->,2:<-"

enum { PHASE_WHOLE, PHASE_MARK, PHASE_SWEEP };

struct collection_key {
	struct owner owner;
	__u32 language COL_OPT("enum", LANGUAGES);
	__u32 phase COL_OPT("enum", "enum=1:mark,2:sweep");
};
METRIC_HISTOGRAM(collections, struct collection_key, 4096,
		 "name=runtimes_gc;unit=seconds;scale=1e-9;buckets=log2:16us..16s;help=time of one "
		 "garbage collection");

struct language_key {
	struct owner owner;
	__u32 language COL_OPT("enum", LANGUAGES);
	__u32 pad;
};
METRIC_COUNTER(threads, struct language_key, 4096,
	       "name=runtimes_threads_started;help=threads that a runtime started");

struct method_key {
	struct owner owner;
	__u32 language COL_OPT("enum", LANGUAGES);
	__u32 pad;
	char class_name[FLOW_TEXT] COL_OPT("text", "help=class, or file where there is none");
	char method[FLOW_TEXT] COL("text");
};
METRIC_COUNTER(method_calls, struct method_key, 16384,
	       "name=runtimes_calls;help=calls of methods and functions");

struct class_key {
	struct owner owner;
	__u32 language COL_OPT("enum", LANGUAGES);
	__u32 pad;
	char class_name[FLOW_TEXT] COL("text");
};
METRIC_COUNTER(made, struct class_key, 16384, "name=runtimes_objects;help=objects that were made");

METRIC_HISTOGRAM(queries, struct owner, 4096,
		 "name=runtimes_query;unit=seconds;scale=1e-9;buckets=log2:16us..128s;help=time of "
		 "one query in PostgreSQL's server");

struct flow_event {
	struct event_head head;
	struct owner owner;
	__u32 tid COL("tid");
	__u32 cpu COL("count");
	__u32 language COL_OPT("enum", LANGUAGES);
	__u32 direction COL_OPT("enum", DIRECTIONS);
	__u32 depth COL("count");
	__u32 line COL("number");
	char class_name[FLOW_TEXT] COL_OPT("text", "help=class, or file where there is none");
	char method[FLOW_TEXT] COL("text");
	char call[] COL_OPT(
		"text",
		"help=arrow, indented by its depth, and what is called"); /* the user half's */
};
EVENT(1, "flow", struct flow_event);

_Static_assert(offsetof(struct flow_event, tid) == sizeof(struct event_head) + sizeof(struct owner),
	       "struct flow_facts");
_Static_assert(sizeof(struct flow_event) ==
		       sizeof(struct event_head) + sizeof(struct owner) + sizeof(struct flow_facts),
	       "struct flow_facts");

struct query_event {
	struct event_head head;
	struct owner owner;
	__u64 duration_ns COL("ns");
	char query[256] COL_OPT("command", "help=its text, cut after 255 bytes");
};
EVENTS(1024 * 1024);
EVENT(2, "query", struct query_event);

/* ---- collections ---- */

struct phase {
	__u32 tid; /* Go's: the process, its collector runs on any thread */
	__u32 phase;
};

/* thread and phase -> since when (ktime, ns). Deleted at its end. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct phase);
	__type(value, __u64);
} collecting SEC(".maps");

static __always_inline __u32 collector_of(__u32 language)
{
	__u64 id = bpf_get_current_pid_tgid();

	return language == GO ? id >> 32 : (__u32)id;
}

static __always_inline int collection_begins(__u32 language, __u32 phase)
{
	struct phase key = {.tid = collector_of(language), .phase = phase};
	__u64 now = bpf_ktime_get_ns();

	if (filter_current())
		map_set(&collecting, &key, &now, BPF_ANY);
	return 0;
}

static __always_inline int collection_ends(__u32 language, __u32 phase)
{
	struct phase key = {.tid = collector_of(language), .phase = phase};
	__u64 *since = bpf_map_lookup_elem(&collecting, &key), took_ns;
	struct collection_key collection = {.language = language, .phase = phase};

	if (!since)
		return 0;
	took_ns = bpf_ktime_get_ns() - *since;
	bpf_map_delete_elem(&collecting, &key);
	collection.owner = read_owner_of_current();
	histogram_add(&collections, &collection, took_ns);
	return 0;
}

#define COLLECTION(name, section, language, phase)                                                 \
	HOOK(section, name##_begins, 1) int name##_begins(struct pt_regs *ctx)                     \
	{                                                                                          \
		return collection_begins(language, phase);                                         \
	}                                                                                          \
	HOOK(section, name##_ends, 1) int name##_ends(struct pt_regs *ctx)                         \
	{                                                                                          \
		return collection_ends(language, phase);                                           \
	}

COLLECTION(python_gc, "usdt", PYTHON, PHASE_WHOLE)
COLLECTION(java_gc, "usdt", JAVA, PHASE_WHOLE)
COLLECTION(ruby_mark, "usdt", RUBY, PHASE_MARK)
COLLECTION(ruby_sweep, "usdt", RUBY, PHASE_SWEEP)
COLLECTION(go_gc, "uprobe", GO, PHASE_WHOLE)

/* ---- threads ---- */

HOOK("usdt", java_thread, 1)
int java_thread_starts(struct pt_regs *ctx)
{
	struct language_key key = {.language = JAVA};

	if (!filter_current())
		return 0;
	key.owner = read_owner_of_current();
	counter_add(&threads, &key, 1);
	return 0;
}

/* ---- what is read out of arguments ---- */

static __always_inline __u64 argument(struct pt_regs *ctx, __u64 number)
{
	long value = 0;

	bpf_usdt_arg(ctx, number, &value);
	return value;
}

/* A C string; the last part of a path. */
static __always_inline void read_text(char out[FLOW_TEXT], __u64 at)
{
	if (at && bpf_probe_read_user_str(out, FLOW_TEXT, (void *)at) < 0)
		count_add(COUNT_LOST_READ);
}

/* Java's are not ended by a 0. */
static __always_inline void read_bytes(char out[FLOW_TEXT], __u64 at, __u64 bytes)
{
	__u32 room = bytes < FLOW_TEXT ? bytes : FLOW_TEXT - 1;

	if (at && bpf_probe_read_user(out, room & (FLOW_TEXT - 1), (void *)at) < 0)
		count_add(COUNT_LOST_READ);
}

/* ---- calls ---- */

/* tid -> in how many calls it is. Threads of the dead are deleted by the registry. */
PER_THREAD(depths, __u64, 16384);

/* Built here: the stack has no room for two texts. Written by one thread, which may be put off: so by CPU and thread. */
struct call {
	struct method_key key;
	__u32 busy;
	__u32 line;
};
PER_CPU(scratch, struct call, 1);

static __always_inline struct call *call_new(__u32 language)
{
	struct call *call;
	__u32 zero = 0;

	if (!filter_current())
		return 0;
	call = bpf_map_lookup_elem(&scratch, &zero);
	if (!call)
		return 0;
	if (call->busy) { /* another thread of this CPU was put off in the middle of it */
		count_add(COUNT_LOST_STATE);
		return 0;
	}
	call->busy = 1;
	__builtin_memset(&call->key, 0, sizeof(call->key));
	call->key.owner = read_owner_of_current();
	call->key.language = language;
	call->line = 0;
	return call;
}

static __always_inline void tell(const struct call *call, __u32 direction, __u64 depth)
{
	struct flow_event *event = emit_reserve(FLOW_EVENT, sizeof(*event));

	if (!event)
		return;
	event->owner = full_owner_of_current();
	event->tid = (__u32)bpf_get_current_pid_tgid();
	event->cpu = bpf_get_smp_processor_id();
	event->language = call->key.language;
	event->direction = direction;
	event->depth = depth;
	event->line = call->line;
	__builtin_memcpy(event->class_name, call->key.class_name, FLOW_TEXT);
	__builtin_memcpy(event->method, call->key.method, FLOW_TEXT);
	emit_submit(event);
}

static __always_inline int call_done(struct call *call, __u32 direction)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	__u64 zero = 0, *depth;

	if (direction == FLOW_ENTERS)
		counter_add(&method_calls, &call->key, 1);
	if (flow) {
		depth = map_get_or_add(&depths, &tid, &zero);
		if (depth && direction == FLOW_RETURNS && *depth)
			(*depth)--; /* (what was under way when the item went on returns at depth 0) */
		tell(call, direction, depth ? *depth : 0);
		if (depth && direction == FLOW_ENTERS)
			(*depth)++;
	}
	call->busy = 0;
	return 0;
}

#include "items/app/runtimes/python.bpf.h"

/* python: file, function, line. Where entries are silent a call counts when it returns. */
static __always_inline int on_python(struct pt_regs *ctx, __u32 direction)
{
	static const struct python_stack none;
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	struct call *call = call_new(PYTHON);
	struct python_stack *stack;

	if (!call)
		return 0;
	read_text(call->key.class_name, argument(ctx, 0));
	read_text(call->key.method, argument(ctx, 1));
	call->line = argument(ctx, 2);
	stack = map_get_or_add(&python_stacks, &tid, &none);
	if (stack && direction == FLOW_ENTERS)
		stack->has_entries = 1;
	if (!stack || stack->has_entries)
		return call_done(call, direction);
	counter_add(&method_calls, &call->key, 1);
	if (flow)
		python_tell(call, python_frame(ctx, argument(ctx, 1)));
	call->busy = 0;
	return 0;
}

/* php: function, file, line, class, "::" or "->" */
static __always_inline int on_php(struct pt_regs *ctx, __u32 direction)
{
	struct call *call = call_new(PHP);

	if (!call)
		return 0;
	read_text(call->key.method, argument(ctx, 0));
	read_text(call->key.class_name, argument(ctx, 3));
	if (!call->key.class_name[0])
		read_text(call->key.class_name, argument(ctx, 1));
	call->line = argument(ctx, 2);
	return call_done(call, direction);
}

/* ruby: class, method, file, line */
static __always_inline int on_ruby(struct pt_regs *ctx, __u32 direction)
{
	struct call *call = call_new(RUBY);

	if (!call)
		return 0;
	read_text(call->key.class_name, argument(ctx, 0));
	read_text(call->key.method, argument(ctx, 1));
	call->line = argument(ctx, 3);
	return call_done(call, direction);
}

/* hotspot: thread, class, its length, method, its length, signature, its length */
static __always_inline int on_java(struct pt_regs *ctx, __u32 direction)
{
	struct call *call = call_new(JAVA);

	if (!call)
		return 0;
	read_bytes(call->key.class_name, argument(ctx, 1), argument(ctx, 2));
	read_bytes(call->key.method, argument(ctx, 3), argument(ctx, 4));
	return call_done(call, direction);
}

#define CALLS(language)                                                                            \
	HOOK("usdt", language##_call, 1) int language##_enters(struct pt_regs *ctx)                \
	{                                                                                          \
		return on_##language(ctx, FLOW_ENTERS);                                            \
	}                                                                                          \
	HOOK("usdt", language##_return, 1) int language##_returns(struct pt_regs *ctx)             \
	{                                                                                          \
		return on_##language(ctx, FLOW_RETURNS);                                           \
	}

CALLS(python)
CALLS(php)
CALLS(ruby)
CALLS(java)

/* ---- objects ---- */

HOOK("usdt", java_object, 1)
int java_makes(struct pt_regs *ctx)
{
	struct class_key key = {.language = JAVA};

	if (!filter_current())
		return 0;
	key.owner = read_owner_of_current();
	read_bytes(key.class_name, argument(ctx, 1), argument(ctx, 2));
	counter_add(&made, &key, 1);
	return 0;
}

HOOK("usdt", ruby_object, 1)
int ruby_makes(struct pt_regs *ctx)
{
	struct class_key key = {.language = RUBY};

	if (!filter_current())
		return 0;
	key.owner = read_owner_of_current();
	read_text(key.class_name, argument(ctx, 0));
	counter_add(&made, &key, 1);
	return 0;
}

/* ---- queries ---- */

/* tid -> since when its query runs (ktime, ns). Deleted at its end. */
PER_THREAD(querying, __u64, 4096);

HOOK("usdt", query_start, 1)
int query_starts(struct pt_regs *ctx)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	__u64 now = bpf_ktime_get_ns();

	if (filter_current())
		map_set(&querying, &tid, &now, BPF_ANY);
	return 0;
}

HOOK("usdt", query_done, 1)
int query_ends(struct pt_regs *ctx)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	__u64 *since = bpf_map_lookup_elem(&querying, &tid), took_ns;
	struct query_event *event;
	struct owner owner;

	if (!since)
		return 0;
	took_ns = bpf_ktime_get_ns() - *since;
	bpf_map_delete_elem(&querying, &tid);
	owner = read_owner_of_current();
	histogram_add(&queries, &owner, took_ns);
	event = emit_reserve(QUERY_EVENT, sizeof(*event));
	if (!event)
		return 0;
	event->owner = full_owner_of_current();
	event->duration_ns = took_ns;
	event->query[0] = 0;
	if (bpf_probe_read_user_str(event->query, sizeof(event->query), (void *)argument(ctx, 0)) <
	    0)
		count_add(COUNT_LOST_READ);
	emit_submit(event);
	return 0;
}
