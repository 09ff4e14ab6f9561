// SPDX-License-Identifier: GPL-2.0-only
/*
 * pmu, the user half - opens the counters, says why one can't be had, and judges containers by their ratios.
 *
 * Every ten seconds each container's cycles per instruction (CPI) and misses per thousand instructions (MPKI) of that window are
 * taken, from counters of one group each. A container is latency-critical, or batch: where its control group says so (Kubernetes'
 * besteffort) or the setting `batch` names it. Its CPI is compared with its own past (mean and deviation, slowly forgotten): a
 * latency-critical container whose CPI lies two deviations and a tenth above its mean, while a batch container runs, is said to be
 * interfered with, and the batch container with the most cache misses (or cycles, where misses can't be counted) is named.
 * Who schedules work reads that as JSON: `sonde pmu --json`, GET /v1/records/pmu, rows of kind "container".
 */
#include "items/cpu/pmu.h"

#include <errno.h>
#include <fnmatch.h>
#include <linux/perf_event.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/json_read.h"
#include "base/map.h"
#include "items/item.h"
#include "kernel/kernel.h"
#include "world/world.h"

/* ---- what perf_event_open says ---- */

/* Why a counter can't be had, for a person. perf_event_open(2), and what kernels answer. */
const char *pmu_sentence(int error)
{
	switch (-error) {
	case 0: return "it counts";
	case ENOENT:
		return "the processor, or the virtual machine's, has no such counter (a hypervisor "
		       "must pass its "
		       "counters on)";
	case EACCES:
		return "the kernel does not allow it: kernel.perf_event_paranoid is above 0 and "
		       "the agent has no "
		       "CAP_PERFMON";
	case EPERM:
		return "the kernel does not allow it: the agent has no CAP_PERFMON, or a security "
		       "module forbids "
		       "it";
	case EOPNOTSUPP: return "the processor has the counter, but can't count it for a whole CPU";
	case ENODEV: return "the processor has no counters that the kernel knows";
	case EBUSY:
		return "somebody else has the counters for himself alone (another profiler, or the "
		       "hypervisor)";
	case EINVAL:
		return "the counters of this group can't run together here, or not for a whole CPU";
	case ENOSPC: return "the group needs more counters than the processor has";
	case E2BIG: return "the kernel is older than the form in which it was asked";
	case ENOSYS: return "the kernel was built without performance events";
	case EMFILE: return "the agent has too many files open";
	case ENFILE: return "the machine has too many files open";
	case ENOMEM: return "the kernel has no memory for it";
	case ESRCH: return "what was to be counted has ended";
	case EINTR: return "tracing holds the counters just now; try again";
	case EOVERFLOW: return "the kernel keeps too many samples' stacks already";
	case EFAULT: return "the kernel could not read what it was asked";
	case EBADF: return "a counter's descriptor was closed meanwhile";
	default: return "the kernel refused, for no reason that is known";
	}
}

/* ---- groups ---- */

struct group {
	const char *name;
	struct counter counter[PMU_COUNTERS];
	uint32_t count;
};

static const struct group groups[PMU_GROUPS] = {
	[PMU_CYCLES] = {"cycles",
			{{"cycles_0", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES},
			 {"cycles_1", PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS}},
			2},
	[PMU_CACHES] = {"caches",
			{{"caches_0", PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS},
			 {"caches_1", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_REFERENCES},
			 {"caches_2", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES}},
			3},
	[PMU_BRANCHES] = {"branches",
			  {{"branches_0", PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS},
			   {"branches_1", PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_INSTRUCTIONS},
			   {"branches_2", PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_MISSES}},
			  3},
	[PMU_SOFTWARE] = {"software",
			  {{"software_0", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK},
			   {"software_1", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS},
			   {"software_2", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CONTEXT_SWITCHES}},
			  3},
};

/* ---- containers ---- */

enum { WINDOW_TICKS = 10, WINDOWS_TO_KNOW = 6, BATCH_NAMES = 32, BATCH_BYTES = 128 };

/* What a container does in one window, and what it usually does. */
struct judged {
	struct pmu_container sums, window;
	double mean, variance; /* of its CPI */
	uint32_t windows; /* that were judged */
	bool is_there, is_batch, is_interfered;
	uint64_t suspect; /* control group of the batch container that is named; 0 = none */
};

struct pmu {
	struct item *item;
	struct object *object; /* whose counters are open; borrowed, only compared */
	int error[PMU_GROUPS]; /* 0 = it counts, else why not; 1 = nobody asked */
	struct map containers; /* control group -> struct judged */
	uint32_t ticks;
};

static char batch[BATCH_NAMES][BATCH_BYTES]; /* a setting: it stays when the item is off */
static size_t batches;

/* Per mille of `part` in `whole`, as a ratio; NAN when there is none. */
static double ratio(uint64_t part, uint64_t whole)
{
	return whole ? (double)part / (double)whole : NAN;
}

static double cpi_of(const struct pmu_container *sums)
{
	const struct pmu_reading *cycles = &sums->group[PMU_CYCLES];

	return ratio(cycles->value[0], cycles->value[1]);
}

/* Misses in a thousand instructions, of a group whose first counter is instructions and whose last one is misses. */
static double mpki_of(const struct pmu_container *sums, int group)
{
	return ratio(sums->group[group].value[2], sums->group[group].value[0]) * 1000;
}

static bool is_multiplexed(const struct pmu_container *sums)
{
	for (int i = 0; i < PMU_GROUPS; i++)
		if (sums->group[i].counted_ns < sums->group[i].wanted_ns)
			return true;
	return false;
}

static bool matches(struct span text)
{
	char name[BATCH_BYTES * 4];

	if (!text.len || text.len >= sizeof(name))
		return false;
	memcpy(name, text.at, text.len);
	name[text.len] = 0;
	for (size_t i = 0; i < batches; i++)
		if (!fnmatch(batch[i], name, 0))
			return true;
	return false;
}

static bool is_batch(const struct who *who)
{
	return memmem(who->cgroup.at, who->cgroup.len, "besteffort", 10) ||
	       matches(who->container) || matches(who->service) || matches(who->pod) ||
	       matches(who->cgroup);
}

static bool who_is(struct pmu *pmu, uint64_t cgroup, struct who *ret)
{
	const struct resolver *resolver = item_resolver(pmu->item);

	*ret = (struct who){};
	return resolver->cgroup && resolver->cgroup(resolver->ctx, cgroup, ret);
}

static void subtract(struct pmu_container *ret, const struct pmu_container *now,
		     const struct pmu_container *before)
{
	const uint64_t *a = (const uint64_t *)now, *b = (const uint64_t *)before;
	uint64_t *out = (uint64_t *)ret;

	for (size_t i = 0; i < sizeof(*now) / sizeof(*a); i++)
		out[i] = a[i] >= b[i] ? a[i] - b[i] : a[i];
}

static bool take_container(void *ctx, const void *key, const void *value)
{
	struct pmu *pmu = ctx;
	struct pmu_container now;
	struct judged *judged;
	bool is_new;

	judged = map_put(&pmu->containers, key, &is_new);
	if (!judged)
		return true; /* counted as refused */
	memcpy(&now, value, sizeof(now));
	judged->is_there = true;
	subtract(&judged->window, &now, &judged->sums);
	judged->sums = now;
	return true;
}

/* Its past moves slowly, and not at all while it is said to be interfered with. */
static void learn(struct judged *judged, double cpi)
{
	double step = cpi - judged->mean,
	       weight = judged->windows < WINDOWS_TO_KNOW ? 1.0 / (judged->windows + 1) : 0.1;

	judged->mean += weight * step;
	judged->variance = (1 - weight) * (judged->variance + weight * step * step);
	judged->windows++;
}

static bool stands_out(const struct judged *judged, double cpi)
{
	return judged->windows >= WINDOWS_TO_KNOW &&
	       cpi > judged->mean + 2 * sqrt(judged->variance) && cpi > judged->mean * 1.1;
}

/* The batch container that misses most in the cache; by cycles where misses are not counted. 0 = none ran. */
static uint64_t find_suspect(struct pmu *pmu)
{
	bool by_misses = !pmu->error[PMU_CACHES];
	struct judged *judged;
	uint64_t most = 0, found = 0, id;
	const void *key;
	size_t at = 0;

	while (map_next(&pmu->containers, &at, &key, (void **)&judged)) {
		uint64_t weight = by_misses ? judged->window.group[PMU_CACHES].value[2]
					    : judged->window.group[PMU_CYCLES].value[0];

		memcpy(&id, key, sizeof(id));
		if (judged->is_batch && weight > most) {
			most = weight;
			found = id;
		}
	}
	return found;
}

static void judge_all(struct pmu *pmu)
{
	struct judged *judged;
	const void *key;
	uint64_t suspect, id;
	size_t at = 0;
	struct who who;

	while (map_next(&pmu->containers, &at, &key, (void **)&judged)) {
		memcpy(&id, key, sizeof(id));
		who_is(pmu, id, &who);
		judged->is_batch = is_batch(&who);
	}
	suspect = find_suspect(pmu);
	at = 0;
	while (map_next(&pmu->containers, &at, &key, (void **)&judged)) {
		double cpi = cpi_of(&judged->window);

		if (isnan(cpi))
			continue;
		judged->is_interfered = !judged->is_batch && suspect && stands_out(judged, cpi);
		judged->suspect = judged->is_interfered ? suspect : 0;
		if (!judged->is_interfered)
			learn(judged, cpi);
	}
}

/* Control groups that are gone leave the map of the programs, too. */
static void forget_gone(struct pmu *pmu)
{
	uint64_t gone[64];
	struct judged *judged;
	size_t count = 0, at = 0;
	const void *key;
	struct who who;

	while (count < 64 && map_next(&pmu->containers, &at, &key, (void **)&judged)) {
		memcpy(&gone[count], key, sizeof(*gone));
		if (!world_cgroup_path(item_world(pmu->item), gone[count]).len &&
		    !who_is(pmu, gone[count], &who))
			count++;
	}
	for (size_t i = 0; i < count; i++)
		map_del(&pmu->containers, &gone[i]);
	if (count)
		object_delete(pmu->object, "containers", gone, count);
}

static void look(struct pmu *pmu)
{
	if (object_read(pmu->object, "containers", take_container, pmu) < 0)
		item_count(pmu->item, "lost", "walk", 1);
	judge_all(pmu);
	forget_gone(pmu);
}

/* ---- rows ---- */

static const struct {
	const char *name, *help;
	enum unit unit;
} columns[] = {
	{"class", "latency: somebody waits for it; batch: it has time", UNIT_TEXT},
	{"cpi", "cycles for each instruction, in the last ten seconds", UNIT_NONE},
	{"cpi_usual", "what is usual for it", UNIT_NONE},
	{"llc_mpki", "accesses that missed the last cache, in a thousand instructions", UNIT_NONE},
	{"llc_miss_percent", "of the accesses to the last cache", UNIT_PERCENT},
	{"branch_mpki", "branches guessed wrongly, in a thousand instructions", UNIT_NONE},
	{"interference", "its CPI stands out while a batch container runs", UNIT_NONE},
	{"suspect", "the batch container that weighs most", UNIT_TEXT},
	{"multiplexed", "its counters ran a part of the time only", UNIT_NONE},
	{"cpu_ns", "time on a CPU in that window (with software=true)", UNIT_NS},
	{"group", "counters that run together", UNIT_TEXT},
	{"state", "counted, or not", UNIT_TEXT},
	{"reason", "why it can't be counted", UNIT_TEXT},
};

enum {
	CLASS,
	CPI,
	CPI_USUAL,
	LLC_MPKI,
	LLC_PERCENT,
	BRANCH_MPKI,
	INTERFERENCE,
	SUSPECT,
	MULTIPLEXED,
	CPU_NS,
	CONTAINER_COLUMNS,
	GROUP = CONTAINER_COLUMNS,
	STATE,
	REASON,
	COLUMNS,
};

static struct layout container_layout, group_layout; /* made once */
static const struct layout *const layouts[] = {&container_layout, &group_layout, NULL};

static int prepare(struct err *why)
{
	int error = 0;

	layout_begin(&container_layout, WHO_OF_CGROUP);
	for (int i = CLASS; error >= 0 && i < CONTAINER_COLUMNS; i++)
		error = layout_add(&container_layout, columns[i].name, columns[i].unit,
				   columns[i].help, why);
	layout_row_kind(&container_layout, "container", 0, 0);
	layout_begin(&group_layout, 0);
	for (int i = GROUP; error >= 0 && i < COLUMNS; i++)
		error = layout_add(&group_layout, columns[i].name, columns[i].unit, columns[i].help,
				   why);
	layout_row_kind(&group_layout, "group", 0, 0);
	return error < 0 ? error : 0;
}

static void set_ratio(struct record *record, uint32_t column, double number)
{
	if (!isnan(number))
		record->value[column] = ((struct value){.kind = VALUE_DOUBLE, .real = number});
}

static int fill_container(struct pmu *pmu, uint64_t id, const struct judged *judged,
			  struct record *record, struct arena *arena)
{
	uint32_t first = container_layout.count - CONTAINER_COLUMNS;
	const struct pmu_reading *caches = &judged->window.group[PMU_CACHES];
	struct who who, suspect;
	int error;

	who_is(pmu, id, &who);
	record_begin(record, &container_layout, item_name(pmu->item), "container", 0,
		     item_resolver(pmu->item));
	error = record_set_who(record, &who, WHO_OF_CGROUP, arena);
	if (!error && judged->suspect && who_is(pmu, judged->suspect, &suspect))
		error = record_set_text(record, first + SUSPECT,
					suspect.container.len ? suspect.container
					: suspect.service.len ? suspect.service
							      : suspect.cgroup,
					arena);
	record->value[first + CLASS] = value_str(judged->is_batch ? "batch" : "latency");
	set_ratio(record, first + CPI, cpi_of(&judged->window));
	if (judged->windows)
		set_ratio(record, first + CPI_USUAL, judged->mean);
	set_ratio(record, first + LLC_MPKI, mpki_of(&judged->window, PMU_CACHES));
	set_ratio(record, first + LLC_PERCENT, ratio(caches->value[2], caches->value[1]) * 100);
	set_ratio(record, first + BRANCH_MPKI, mpki_of(&judged->window, PMU_BRANCHES));
	record->value[first + INTERFERENCE] = value_bool(judged->is_interfered);
	record->value[first + MULTIPLEXED] = value_bool(is_multiplexed(&judged->window));
	if (!pmu->error[PMU_SOFTWARE])
		record->value[first + CPU_NS] =
			value_u64(judged->window.group[PMU_SOFTWARE].value[0]);
	return error;
}

static void fill_group(struct pmu *pmu, int group, struct record *record)
{
	uint32_t first = group_layout.count - (COLUMNS - GROUP);

	record_begin(record, &group_layout, item_name(pmu->item), "group", 0,
		     item_resolver(pmu->item));
	record->value[first] = value_str(groups[group].name);
	record->value[first + 1] = value_str(pmu->error[group] ? "not counted" : "counted");
	if (pmu->error[group])
		record->value[first + 2] = value_str(pmu_sentence(pmu->error[group]));
}

static int show(struct item *item, void *state, bool (*each)(void *ctx, const struct record *row),
		void *ctx, struct err *why)
{
	struct pmu *pmu = state;
	struct record record;
	struct judged *judged;
	struct arena arena;
	bool goes_on = true;
	const void *key;
	size_t at = 0;
	uint64_t id;

	arena_init(&arena, 16384);
	while (goes_on && map_next(&pmu->containers, &at, &key, (void **)&judged)) {
		memcpy(&id, key, sizeof(id));
		arena_clear(&arena);
		if (!fill_container(pmu, id, judged, &record, &arena))
			goes_on = each(ctx, &record);
	}
	for (int i = 0; goes_on && i < PMU_GROUPS; i++)
		if (pmu->error[i] <= 0) {
			fill_group(pmu, i, &record);
			goes_on = each(ctx, &record);
		}
	arena_done(&arena);
	return 0;
}

/* ---- what the registry calls ---- */

/* How many groups count. */
static int open_groups(struct pmu *pmu)
{
	bool software = item_param(pmu->item, "software");
	int open = 0;

	pmu->object = item_object(pmu->item);
	for (int i = 0; i < PMU_GROUPS; i++) {
		pmu->error[i] =
			i == PMU_SOFTWARE && !software
				? 1
				: object_count(pmu->object, groups[i].counter, groups[i].count);
		open += !pmu->error[i];
	}
	return open;
}

static void stop(struct item *item, void *state)
{
	struct pmu *pmu = state;

	map_done(&pmu->containers);
	free(pmu);
}

static int start(struct item *item, void **ret_state, struct err *why)
{
	struct pmu *pmu = calloc(1, sizeof(*pmu));
	int error;

	if (!pmu)
		return err_set(why, -ENOMEM, "cannot start '%s': out of memory", item_name(item));
	pmu->item = item;
	map_init(&pmu->containers, sizeof(uint64_t), sizeof(struct judged), PMU_CONTAINERS);
	if (open_groups(pmu)) {
		*ret_state = pmu;
		return 0;
	}
	error = pmu->error[PMU_CYCLES];
	stop(item, pmu);
	return err_set(
		why, error,
		"'%s' can't count here: %s; software=true counts what the kernel counts itself",
		item_name(item), pmu_sentence(error));
}

static int replaced(struct item *item, void **state, struct object *old, struct err *why)
{
	open_groups(*state);
	return 0;
}

static void tick(struct item *item, void *state, uint64_t now_ns)
{
	struct pmu *pmu = state;

	if (pmu->ticks++ % WINDOW_TICKS == 0)
		look(pmu);
}

/* batch: [NAME, ...]: containers, services, pods or control groups, `*` and `?` as in a shell. */
static int set(const char *key, const struct json_node *value, bool try, struct err *why)
{
	size_t count = 0;

	if (value && value->type != JSON_ARRAY)
		return err_set(why, -EINVAL, "'batch' is a list of names");
	for (const struct json_node *name = value ? value->child : NULL; name;
	     name = name->next, count++) {
		struct span text = name->type == JSON_TEXT ? name->text : (struct span){};

		if (count == BATCH_NAMES || !text.len || text.len >= BATCH_BYTES)
			return err_set(
				why, -EINVAL,
				"'batch' is a list of at most %d names of containers, services, "
				"pods or control groups",
				BATCH_NAMES);
		if (try)
			continue;
		memcpy(batch[count], text.at, text.len);
		batch[count][text.len] = 0;
	}
	if (!try)
		batches = count;
	return 0;
}

static const char *const settings[] = {"batch", NULL};

const struct item_ops pmu_item = {
	.layouts = layouts,
	.prepare = prepare,
	.settings = settings,
	.set = set,
	.start = start,
	.replaced = replaced,
	.tick = tick,
	.rows = show,
	.stop = stop,
};
