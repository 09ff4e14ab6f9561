// SPDX-License-Identifier: GPL-2.0-only
/* run - a configuration that is on: its maps read, its rings drained, its map of control groups kept. */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cpus.h"
#include "base/log.h"
#include "items/exporter/inside.h"
#include "items/exporter/mark.h"
#include "items/private.h"

enum { CGROUP_IDS = 65536, EVENTS_A_ROUND = 4096 };
#define FLUSH_NS     (3600 * 1000000000ull) /* of a perf_event_array that does not say */
#define CGROUP_NS    (1000000000ull) /* between two looks for new control groups, at least */
#define CGROUP_SHARE 50 /* and so many times what a look takes */

/* ebpf_exporter's own series, as far as they are about configurations. */
enum { OWN_ENABLED, OWN_PROGRAM, OWN_ATTACHED, OWN_SECONDS, OWN_RUNS, OWN_ERRORS };
const struct metric exporter_metrics[EXPORTER_METRICS] = {
	[OWN_ENABLED] = {.name = "ebpf_exporter_enabled_configs",
			 .type = METRIC_GAUGE,
			 .scale = 1,
			 .help = "Configurations that are on"},
	[OWN_PROGRAM] = {.name = "ebpf_exporter_ebpf_program_info",
			 .type = METRIC_GAUGE,
			 .scale = 1,
			 .help = "1 for each program of a configuration that is loaded"},
	[OWN_ATTACHED] = {.name = "ebpf_exporter_ebpf_program_attached",
			  .type = METRIC_GAUGE,
			  .scale = 1,
			  .help = "1 while a program is attached"},
	[OWN_SECONDS] = {.name = "ebpf_exporter_ebpf_program_run_time_seconds",
			 .type = METRIC_COUNTER,
			 .scale = 1e-9,
			 .help = "Time that a program ran, while kernel.bpf_stats_enabled is 1"},
	[OWN_RUNS] = {.name = "ebpf_exporter_ebpf_program_run_count_total",
		      .type = METRIC_COUNTER,
		      .scale = 1,
		      .help = "Times that a program ran, while kernel.bpf_stats_enabled is 1"},
	[OWN_ERRORS] = {.name = "ebpf_exporter_decoder_errors_total",
			.type = METRIC_COUNTER,
			.scale = 1,
			.help = "Keys and events that a decoder could not take"},
};

__attribute__((noinline, used, visibility("default"))) void post_attach_mark(void)
{
	__asm__ volatile(""); /* a call that nobody optimises away */
}

/* ---- before loading ---- */

int exporter_configure(struct item *item, struct object *object, struct err *why)
{
	struct exporter *exporter = item->form;
	const struct exporter_config *config = &exporter->config;

	facts_use(exporter->facts, item->registry->options.kernel);
	kernel_own_function("post_attach_mark", (const void *)post_attach_mark);
	object_all_optional(object);
	for (uint32_t i = 0; i < config->kaddrs; i++) {
		uint64_t addr = facts_address(exporter->facts, config->kaddr[i]);
		char name[160];
		int error;

		if (!addr)
			return err_set(why, -ENOENT,
				       "%s: kaddrs: this kernel has no symbol '%s', or does not "
				       "tell where it is; "
				       "see kernel.kptr_restrict",
				       config->file, config->kaddr[i]);
		snprintf(name, sizeof(name), "kaddr_%s", config->kaddr[i]);
		error = object_set(object, name, &addr, sizeof(addr));
		if (error)
			return err_set(why, error, "%s: kaddrs: cannot set '%s': %s", config->file,
				       name, err_name(error));
	}
	return 0;
}

/* ---- map of control groups ---- */

static void note_cgroup(void *ctx, uint64_t id, struct span path)
{
	struct exporter *exporter = ctx;
	const struct exporter_config *config = &exporter->config;
	uint64_t *round = map_get(&exporter->cgroups, &id), one = 1;
	int fd = object_map_fd(exporter->item->object, config->cgroup_map), folder;

	if (round) {
		*round = exporter->cgroup_round;
		return;
	}
	if (!decode_matches(&config->cgroup_regexps, path))
		return;
	if (config->cgroup_map_type == CGROUP_MAP_HASH) {
		if (bpf_map_update_elem(fd, &id, &one, BPF_ANY)) {
			exporter->unmapped++;
			return;
		}
	} else {
		folder = kernel_open_file(exporter->item->registry->options.kernel,
					  (const char *)path.at);
		if (folder < 0)
			return; /* gone already */
		if (bpf_map_update_elem(fd, &folder, &one, BPF_ANY))
			exporter->unmapped++;
		close(folder);
	}
	round = map_put(&exporter->cgroups, &id, NULL);
	if (round)
		*round = exporter->cgroup_round;
}

static bool is_gone(void *ctx, const void *key, void *value)
{
	struct exporter *exporter = ctx;
	uint64_t round;

	memcpy(&round, value, sizeof(round));
	if (round == exporter->cgroup_round)
		return false;
	/* a storage goes with its group */
	if (exporter->config.cgroup_map_type == CGROUP_MAP_HASH)
		object_delete(exporter->item->object, exporter->config.cgroup_map, key, 1);
	return true;
}

static void follow_cgroups(struct exporter *exporter, uint64_t now_ns)
{
	uint64_t took_ns;

	if (exporter->config.cgroup_map_type == CGROUP_MAP_NONE || now_ns < exporter->cgroup_due_ns)
		return;
	exporter->cgroup_round++;
	facts_each_cgroup(exporter->facts, note_cgroup, exporter);
	map_remove(&exporter->cgroups, is_gone, exporter);
	took_ns = clock_monotonic_ns() - now_ns;
	exporter->cgroup_due_ns =
		now_ns + (took_ns * CGROUP_SHARE > CGROUP_NS ? took_ns * CGROUP_SHARE : CGROUP_NS);
}

/* ---- perf buffers and rings ---- */

static void on_perf_event(void *ctx, const void *bytes, size_t size)
{
	struct exporter_metric *metric = ctx;

	if (size < metric->table.key_bytes)
		metric->table.undecoded++;
	else
		series_add(&metric->table, bytes, 1);
}

static void on_perf_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct exporter_metric *metric = ctx;

	perf_rings_drain(metric->rings);
}

static void on_ring_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct exporter_span *span = ctx;

	ring_drain(span->ring, EVENTS_A_ROUND);
}

static struct event *watch(struct item *item, int fd, event_callback_fn call, void *ctx)
{
	struct event *event =
		event_new(item->registry->options.loop, fd, EV_READ | EV_PERSIST, call, ctx);

	if (event && !event_priority_set(event, 0) && !event_add(event, NULL))
		return event;
	if (event)
		event_free(event);
	return NULL; /* then it is read ten times a second */
}

static int open_rings(struct item *item, struct exporter *exporter, struct err *why)
{
	int error = 0;

	for (uint32_t i = 0; !error && i < exporter->config.metrics; i++) {
		struct exporter_metric *metric = &exporter->metric[i];
		size_t watched = sizeof(metric->ring_event) / sizeof(*metric->ring_event);

		if (!metric->config->is_perf_array)
			continue;
		error = perf_rings_open(item->object, metric->config->name, on_perf_event, metric,
					&metric->rings, why);
		for (size_t n = 0; !error && n < watched && perf_rings_fd(metric->rings, n) >= 0;
		     n++)
			metric->ring_event[n] = watch(item, perf_rings_fd(metric->rings, n),
						      on_perf_readable, metric);
		if (!metric->flushed_ns)
			metric->flushed_ns = clock_monotonic_ns();
	}
	for (uint32_t i = 0; !error && i < exporter->config.spans; i++) {
		struct exporter_span *span = &exporter->span[i];

		error = ring_open_bytes(item->object, span->config->ring, exporter_on_span, span,
					&span->ring, why);
		if (!error)
			span->ring_event = watch(item, ring_fd(span->ring), on_ring_readable, span);
	}
	return error;
}

static void close_rings(struct exporter *exporter)
{
	for (uint32_t i = 0; i < exporter->config.metrics; i++) {
		struct exporter_metric *metric = &exporter->metric[i];

		for (size_t n = 0; n < sizeof(metric->ring_event) / sizeof(*metric->ring_event);
		     n++) {
			if (metric->ring_event[n])
				event_free(metric->ring_event[n]);
			metric->ring_event[n] = NULL;
		}
		if (metric->rings)
			item_count(exporter->item, "lost", "perf_buffer_full",
				   perf_rings_lost(metric->rings));
		perf_rings_close(metric->rings);
		metric->rings = NULL;
	}
	for (uint32_t i = 0; i < exporter->config.spans; i++) {
		if (exporter->span[i].ring_event)
			event_free(exporter->span[i].ring_event);
		exporter->span[i].ring_event = NULL;
		ring_close(exporter->span[i].ring);
		exporter->span[i].ring = NULL;
	}
}

static void flush(struct exporter *exporter, uint64_t now_ns)
{
	for (uint32_t i = 0; i < exporter->config.metrics; i++) {
		struct exporter_metric *metric = &exporter->metric[i];
		uint64_t every_ns = metric->config->flush_ns ? metric->config->flush_ns : FLUSH_NS;

		if (!metric->config->is_perf_array || now_ns - metric->flushed_ns < every_ns)
			continue;
		metric->flushed_ns = now_ns;
		series_clear(&metric->table);
	}
}

void exporter_drain(struct item *item, void *state)
{
	struct exporter *exporter = state;

	for (uint32_t i = 0; i < exporter->config.metrics; i++)
		if (exporter->metric[i].rings)
			item->tally.read += perf_rings_drain(exporter->metric[i].rings);
	for (uint32_t i = 0; i < exporter->config.spans; i++)
		if (exporter->span[i].ring)
			ring_drain(exporter->span[i].ring, EVENTS_A_ROUND);
}

/* ---- reading maps ---- */

struct reading {
	struct exporter_metric *metric;
	uint32_t cpus;
	uint8_t key[CONFIG_KEY_BYTES + 16];
};

static uint64_t number_at(const void *value, uint32_t part)
{
	uint64_t number;

	memcpy(&number, (const uint8_t *)value + part * sizeof(number), sizeof(number));
	return number;
}

/* The CPU's number goes where its label stands: behind what is before it, in front of the rest (a bucket). */
static void add_by_cpu(struct reading *reading, const uint8_t *key, const void *value)
{
	struct exporter_metric *metric = reading->metric;
	uint32_t rest = metric->map_key_bytes - metric->cpu_at;

	if (!metric->is_lone) {
		memcpy(reading->key, key, metric->cpu_at);
		memcpy(reading->key + metric->cpu_at + metric->cpu_bytes, key + metric->cpu_at,
		       rest);
	}
	for (uint32_t cpu = 0; cpu < reading->cpus; cpu++) {
		uint16_t number = (uint16_t)cpu;

		memcpy(reading->key + metric->cpu_at, &number, sizeof(number));
		series_add(&metric->table, reading->key, number_at(value, cpu));
	}
}

static bool add_entry(void *ctx, const void *key, const void *value)
{
	static const uint8_t zero[4];
	struct reading *reading = ctx;
	struct exporter_metric *metric = reading->metric;
	uint64_t sum = 0;

	if ((!metric->config->labels || metric->is_lone) && memcmp(key, zero, sizeof(zero)) != 0)
		return true;
	if (metric->reading == READ_BY_CPU) {
		add_by_cpu(reading, key, value);
		return true;
	}
	for (uint32_t cpu = 0; cpu < (metric->reading == READ_SUMMED ? reading->cpus : 1); cpu++)
		sum += number_at(value, cpu);
	series_add(&metric->table, key, sum);
	return true;
}

static void read_metric(struct item *item, struct exporter_metric *metric, struct object *object,
			uint64_t now_ns)
{
	struct reading reading = {.metric = metric, .cpus = cpus_possible()};

	series_begin(&metric->table, now_ns);
	if (!metric->config->is_perf_array &&
	    object_read(object, metric->config->name, add_entry, &reading) < 0)
		item->tally.unread++;
	series_end(&metric->table);
}

/* ---- its own series ---- */

static bool has_run_statistics(void)
{
	int fd = open("/proc/sys/kernel/bpf_stats_enabled", O_RDONLY | O_CLOEXEC);
	char text = '0';
	bool is_on = fd >= 0 && read(fd, &text, 1) == 1 && text == '1';

	if (fd >= 0)
		close(fd);
	return is_on;
}

static void collect_programs(struct item *item, const struct exporter *exporter,
			     struct collector *out)
{
	bool has_statistics = has_run_statistics();
	struct program_cost program;

	for (size_t i = 0; item->object && object_program(item->object, i, &program); i++) {
		struct label label[4] = {{"config", span_of(exporter->name)},
					 {"program", span_of(program.name)},
					 {"tag", span_of(program.tag)}};
		char id[16];

		snprintf(id, sizeof(id), "%u", program.id);
		label[3] = (struct label){"id", span_of(id)};
		collector_add(out, OWN_PROGRAM, label, 4, 1);
		collector_add(out, OWN_ATTACHED, &label[3], 1, 1);
		if (!has_statistics)
			continue;
		collector_add(out, OWN_SECONDS, &label[3], 1, (double)program.run_ns);
		collector_add(out, OWN_RUNS, &label[3], 1, (double)program.runs);
	}
}

void exporter_collect(struct item *item, void *state, struct collector *out)
{
	struct exporter *exporter = state;
	struct label config = {"config", span_of(exporter->name)},
		     name = {"name", span_of(exporter->name)};
	uint64_t now_ns = clock_monotonic_ns(), undecoded = exporter->undecoded;

	exporter_drain(item, state);
	flush(exporter, now_ns);
	for (uint32_t i = 0; i < exporter->config.metrics; i++) {
		read_metric(item, &exporter->metric[i], item->object, now_ns);
		undecoded += exporter->metric[i].table.undecoded;
	}
	collector_add(out, OWN_ENABLED, &name, 1, 1);
	collector_add(out, OWN_ERRORS, &config, 1, (double)undecoded);
	collect_programs(item, exporter, out);
}

/* ---- life ---- */

/* None of its programs could be attached: then it would be on and say nothing. */
static int check_served(struct item *item, const struct exporter *exporter, struct err *why)
{
	const struct hook_choice *hook, *first = NULL;

	for (size_t i = 0; (hook = object_hook(item->object, i)); i++) {
		if (hook->section)
			return 0;
		first = first ? first : hook;
	}
	return err_set(
		why, -EOPNOTSUPP, "none of the programs of '%s' can be attached here: '%s': %s",
		exporter->name, first ? first->hook : "", first ? first->reason : "it has none");
}

static int begin(struct item *item, void **ret_state, struct err *why)
{
	struct exporter *exporter = item->form;
	struct decode_facts *facts = facts_for_decoders(exporter->facts);
	bool is_exact = item_param(item, "exact") != 0;
	int error;

	exporter->item = item;
	facts_use(exporter->facts, item->registry->options.kernel);
	for (uint32_t i = 0; facts->is_exact != is_exact && i < exporter->config.metrics; i++)
		series_forget(&exporter->metric[i].table);
	facts->is_exact = is_exact;
	map_init(&exporter->cgroups, sizeof(uint64_t), sizeof(uint64_t), CGROUP_IDS);
	exporter->cgroup_due_ns = 0;
	error = check_served(item, exporter, why);
	if (!error)
		error = open_rings(item, exporter, why);
	if (error) {
		close_rings(exporter);
		map_done(&exporter->cgroups);
		return error;
	}
	follow_cgroups(exporter, clock_monotonic_ns());
	*ret_state = exporter;
	return 0;
}

/* Its program runs once, for this item: the next one that starts calls the same function. */
static void mark_once(struct item *item)
{
	post_attach_mark();
	object_detach(item->object, ":post_attach_mark");
}

int exporter_start(struct item *item, void **ret_state, struct err *why)
{
	int error = begin(item, ret_state, why);

	if (!error)
		mark_once(item);
	return error;
}

/* First values that were put in once are in the maps that were taken over. */
static bool has_taken_over(struct item *item, struct object *old)
{
	struct map_cost map;

	for (size_t i = 0; object_map(old, i, &map); i++)
		if (object_same_map(old, item->object, map.name))
			return true;
	return false;
}

void exporter_tick(struct item *item, void *state, uint64_t now_ns)
{
	struct exporter *exporter = state;

	follow_cgroups(exporter, clock_monotonic_ns());
	flush(exporter, now_ns);
}

void exporter_stop(struct item *item, void *state)
{
	struct exporter *exporter = state;

	for (uint32_t i = 0; i < exporter->config.metrics; i++)
		series_fold(&exporter->metric[i].table);
	close_rings(exporter);
	map_done(&exporter->cgroups);
}

/*
 * Another version serves, the old one is silent. What its maps hold that the new one has not taken over stays as a base.
 * The version may have another YAML: then the series go over to its tables by their names.
 */
int exporter_replaced(struct item *item, void **state, struct object *old, struct err *why)
{
	struct exporter *from = *state, *to = item->form;
	uint64_t now_ns = clock_monotonic_ns();
	int error;

	exporter_drain(item, from);
	for (uint32_t i = 0; i < from->config.metrics; i++) {
		struct exporter_metric *metric = &from->metric[i];

		if (metric->config->is_perf_array ||
		    object_same_map(old, item->object, metric->config->name))
			continue;
		read_metric(item, metric, old, now_ns);
		series_fold(&metric->table);
	}
	close_rings(from);
	map_done(&from->cgroups);
	if (from != to)
		exporter_inherit(to, from);
	error = begin(item, state, why);
	if (!error && !has_taken_over(item, old))
		mark_once(item);
	else
		object_detach(item->object, ":post_attach_mark");
	return error;
}
