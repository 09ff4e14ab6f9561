// SPDX-License-Identifier: GPL-2.0-only
/*
 * cpu, the user half - what the machine's CPUs did, how loaded they are, and whom limits slow down.
 *
 * From /proc/stat, /proc/loadavg and /proc/pressure/cpu, and from cpu.stat of the control groups of
 * containers and services. All are sums that the kernel keeps since boot.
 */
#include "items/groups.h"
#include "items/procfile.h"

#include <stdlib.h>
#include <unistd.h>

enum metric_index {
	HOST_TIME,
	LOAD,
	HOST_SWITCHES,
	INTERRUPTS,
	FORKS,
	RUNNABLE,
	BLOCKED,
	PRESSURE,
	PERIODS,
	THROTTLED_PERIODS,
	THROTTLED_TIME,
	LIMIT,
	METRICS,
};

static const struct metric metrics[METRICS] = {
	[HOST_TIME] = {.name = "sonde_cpu_host_seconds_total",
		       .type = METRIC_COUNTER,
		       .unit = "seconds",
		       .help = (char *)"time of each CPU by mode",
		       .scale = 1},
	[LOAD] = {.name = "sonde_cpu_load",
		  .type = METRIC_GAUGE,
		  .help = (char *)"threads that run, want to, or wait for a disk: average over the "
				  "window",
		  .scale = 1},
	[HOST_SWITCHES] = {.name = "sonde_cpu_host_context_switches_total",
			   .type = METRIC_COUNTER,
			   .help = (char *)"context switches of all CPUs",
			   .scale = 1},
	[INTERRUPTS] = {.name = "sonde_cpu_host_interrupts_total",
			.type = METRIC_COUNTER,
			.help = (char *)"interrupts served",
			.scale = 1},
	[FORKS] = {.name = "sonde_cpu_forks_total",
		   .type = METRIC_COUNTER,
		   .help = (char *)"processes and threads created",
		   .scale = 1},
	[RUNNABLE] = {.name = "sonde_cpu_runnable",
		      .type = METRIC_GAUGE,
		      .help = (char *)"threads that run or want to",
		      .scale = 1},
	[BLOCKED] = {.name = "sonde_cpu_blocked",
		     .type = METRIC_GAUGE,
		     .help = (char *)"threads that wait for a disk",
		     .scale = 1},
	[PRESSURE] = {.name = "sonde_cpu_pressure_seconds_total",
		      .type = METRIC_COUNTER,
		      .unit = "seconds",
		      .help = (char *)"time that some (or all) threads waited for a CPU",
		      .scale = 1e-6},
	[PERIODS] = {.name = "sonde_cpu_limit_periods_total",
		     .type = METRIC_COUNTER,
		     .help = (char *)"periods in which a limited control group wanted to run",
		     .scale = 1},
	[THROTTLED_PERIODS] = {.name = "sonde_cpu_throttled_periods_total",
			       .type = METRIC_COUNTER,
			       .help = (char *)"periods in which its limit stopped it",
			       .scale = 1},
	[THROTTLED_TIME] = {.name = "sonde_cpu_throttled_seconds_total",
			    .type = METRIC_COUNTER,
			    .unit = "seconds",
			    .help = (char *)"time for which its limit stopped it",
			    .scale = 1e-9},
	[LIMIT] = {.name = "sonde_cpu_limit",
		   .type = METRIC_GAUGE,
		   .help = (char *)"CPUs that a control group may use",
		   .scale = 1},
};

/* "cpu0 user nice system idle iowait irq softirq steal guest guest_nice", in ticks. Guests' time is part of
 * user and nice there; here each tick counts in one mode. */
static void collect_cpu(struct collector *out, struct span cpu, struct span line)
{
	static const char *const mode[] = {"user", "nice",    "system", "idle",  "iowait",
					   "irq",  "softirq", "steal",  "guest", "guest_nice"};
	enum { USER, NICE, GUEST = 8, GUEST_NICE, MODES };
	double second = (double)sysconf(_SC_CLK_TCK);
	uint64_t ticks[MODES] = {};

	for (int i = 0; i < MODES; i++)
		ticks[i] = next_number(&line);
	ticks[USER] -= ticks[GUEST] < ticks[USER] ? ticks[GUEST] : ticks[USER];
	ticks[NICE] -= ticks[GUEST_NICE] < ticks[NICE] ? ticks[GUEST_NICE] : ticks[NICE];
	for (int i = 0; i < MODES; i++) {
		struct label label[] = {{"cpu", cpu}, {"mode", span_of(mode[i])}};

		collector_add(out, HOST_TIME, label, 2, (double)ticks[i] / second);
	}
}

static void collect_stat(struct collector *out, struct span text)
{
	static const struct {
		const char *name;
		enum metric_index metric;
	} single[] = {
		{"ctxt", HOST_SWITCHES},     {"intr", INTERRUPTS},       {"processes", FORKS},
		{"procs_running", RUNNABLE}, {"procs_blocked", BLOCKED},
	};
	struct span line, word;

	while (next_line(&text, &line)) {
		if (!next_word(&line, &word))
			continue;
		if (span_starts(word, "cpu") && word.len > 3)
			collect_cpu(out, span_from(word, 3), line);
		for (size_t i = 0; i < sizeof(single) / sizeof(*single); i++)
			if (span_is(word, single[i].name))
				collector_add(out, single[i].metric, NULL, 0,
					      (double)next_number(&line));
	}
}

static void collect_load(struct collector *out, struct span text)
{
	static const char *const window[] = {"1m", "5m", "15m"};
	struct span word;
	char number[32];

	for (size_t i = 0; i < 3 && next_word(&text, &word) && word.len < sizeof(number); i++) {
		struct label label = {"window", span_of(window[i])};

		memcpy(number, word.at, word.len);
		number[word.len] = 0;
		collector_add(out, LOAD, &label, 1, strtod(number, NULL));
	}
}

static void collect_pressure(struct collector *out, struct pressure pressure)
{
	struct label some = {"kind", span_of("some")}, full = {"kind", span_of("full")};

	if (pressure.has_some)
		collector_add(out, PRESSURE, &some, 1, (double)pressure.some_us);
	if (pressure.has_full)
		collector_add(out, PRESSURE, &full, 1, (double)pressure.full_us);
}

struct groups {
	struct item *item;
	struct collector *out;
	struct buf *text;
};

static double ratio_of(struct span quota, struct span period)
{
	uint64_t part, whole;

	/* "max" and -1 are no numbers: there is no limit */
	return number_of(quota, &part) && number_of(period, &whole) && whole
		       ? (double)part / (double)whole
		       : 0;
}

/* CPUs that the group may use; 0 = as many as there are. */
static double read_limit(struct groups *groups, const struct group_place *place)
{
	struct span text, line, quota = {}, period = {};
	char kept[32];

	if (place->is_unified) { /* "50000 100000": microseconds of CPU in each period */
		if (group_read(groups->item, place, "cpu.max", groups->text))
			return 0;
		text = buf_as_span(groups->text);
		if (next_line(&text, &line) && next_word(&line, &quota))
			next_word(&line, &period);
		return ratio_of(quota, period);
	}
	if (group_read(groups->item, place, "cpu.cfs_quota_us", groups->text))
		return 0;
	text = buf_as_span(groups->text);
	if (!next_line(&text, &quota) || quota.len > sizeof(kept))
		return 0;
	memcpy(kept, quota.at, quota.len);
	quota.at = (uint8_t *)kept;
	if (group_read(groups->item, place, "cpu.cfs_period_us", groups->text))
		return 0;
	text = buf_as_span(groups->text);
	next_line(&text, &period);
	return ratio_of(quota, period);
}

static void collect_group(void *ctx, const struct group_place *place)
{
	struct groups *groups = ctx;
	uint64_t periods = 0, throttled = 0, time = 0;
	double limit = read_limit(groups, place);
	struct span text;

	if (limit <= 0 || group_read(groups->item, place, "cpu.stat", groups->text))
		return;
	text = buf_as_span(groups->text);
	field_of(text, "nr_periods", &periods);
	field_of(text, "nr_throttled", &throttled);
	if (field_of(text, "throttled_usec", &time)) /* version 2 */
		time *= 1000;
	else
		field_of(text, "throttled_time", &time);
	collector_add(groups->out, LIMIT, place->labels, place->label_count, limit);
	collector_add(groups->out, PERIODS, place->labels, place->label_count, (double)periods);
	collector_add(groups->out, THROTTLED_PERIODS, place->labels, place->label_count,
		      (double)throttled);
	collector_add(groups->out, THROTTLED_TIME, place->labels, place->label_count, (double)time);
}

static void collect(struct item *item, void *state, struct collector *out)
{
	struct groups groups = {.item = item, .out = out};
	struct buf text;

	buf_init(&text, PROCFILE_BYTES);
	groups.text = &text;
	if (!procfile_read(item, "/proc/stat", &text))
		collect_stat(out, buf_as_span(&text));
	if (!procfile_read(item, "/proc/loadavg", &text))
		collect_load(out, buf_as_span(&text));
	if (!procfile_read(item, "/proc/pressure/cpu", &text))
		collect_pressure(out, pressure_of(buf_as_span(&text)));
	groups_each(item, "cpu", collect_group, &groups);
	buf_done(&text);
}

const struct item_ops cpu_item = {
	.metrics = metrics,
	.metric_count = METRICS,
	.sums_outlive_it = true,
	.collect = collect,
	.of_machine = true,
};
