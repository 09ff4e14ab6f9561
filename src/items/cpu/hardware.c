// SPDX-License-Identifier: GPL-2.0-only
/*
 * hardware - what this machine is made of, how warm it is, and what its own checks found wrong.
 *
 * Parts (rows, `sonde hardware`): processors, memory, disks, network interfaces, sensors, from /proc/cpuinfo, /proc/meminfo and /sys.
 * Metrics: temperatures and fans (thermal zones, hwmon), CPU cores that were slowed because of heat, memory errors that were
 * corrected or not (EDAC), machine checks (/proc/interrupts). Where a machine has none of them (most virtual ones) there is no
 * series: nothing is ever 0 because nobody measured it. Everything is read when somebody asks.
 */
#include "base/arena.h"
#include "items/procfile.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum metric_index { TEMPERATURE, FAN, THROTTLES, MEMORY_ERRORS, MACHINE_CHECKS, CPUS, METRICS };

static const struct metric metrics[METRICS] = {
	[TEMPERATURE] = {.name = "sonde_hardware_temperature_celsius",
			 .type = METRIC_GAUGE,
			 .unit = "celsius",
			 .help = (char *)"what a sensor measures",
			 .scale = 1e-3},
	[FAN] = {.name = "sonde_hardware_fan_rpm",
		 .type = METRIC_GAUGE,
		 .unit = "rpm",
		 .help = (char *)"turns of a fan in a minute",
		 .scale = 1},
	[THROTTLES] = {.name = "sonde_hardware_throttles_total",
		       .type = METRIC_COUNTER,
		       .help = (char *)"times that a core, or the package it is in, was slowed "
				       "because of heat",
		       .scale = 1},
	[MEMORY_ERRORS] = {.name = "sonde_hardware_memory_errors_total",
			   .type = METRIC_COUNTER,
			   .help = (char *)"errors that the memory's controller found",
			   .scale = 1},
	[MACHINE_CHECKS] =
		{.name = "sonde_hardware_machine_checks_total",
		 .type = METRIC_COUNTER,
		 .help = (char *)"machine check exceptions: what the processor found wrong with "
				 "itself, its buses or memory",
		 .scale = 1},
	[CPUS] = {.name = "sonde_hardware_cpus",
		  .type = METRIC_GAUGE,
		  .help = (char *)"logical processors that are on",
		  .scale = 1},
};

enum { PATH_BYTES = 512, LINE_BYTES = 256, PARTS_MAX = 1024, CPUS_MAX = 8192 };

static const char *root = ""; /* another one in tests */

/* ---- small files ---- */

/* The first line of root/FOLDER/FILE without blanks around it; empty when there is none. Lives until the next call. */
static struct span line_of(const char *folder, const char *file)
{
	static struct buf text;
	char path[PATH_BYTES];
	struct span all, line = {};

	if (!text.cap)
		buf_init(&text, 64 * 1024);
	if ((size_t)snprintf(path, sizeof(path), "%s%s/%s", root, folder, file) >= sizeof(path) ||
	    procfile_read(NULL, path, &text))
		return line;
	all = buf_as_span(&text);
	next_line(&all, &line);
	while (line.len && line.at[line.len - 1] == ' ')
		line.len--;
	while (line.len && *line.at == ' ')
		line = span_from(line, 1);
	return line;
}

static bool number_in(const char *folder, const char *file, double *ret)
{
	struct span line = line_of(folder, file);
	bool is_negative = line.len && *line.at == '-';
	uint64_t number;

	if (is_negative)
		line = span_from(line, 1);
	if (!number_of(line, &number))
		return false;
	*ret = is_negative ? -(double)number : (double)number;
	return true;
}

typedef bool (*folder_each)(void *ctx, const char *path, const char *name);

/* Every entry of root/FOLDER whose name begins so. `path` is without the root. False: `each` wants no more. */
static bool each_entry(const char *folder, const char *begins, folder_each each, void *ctx)
{
	char path[PATH_BYTES];
	struct dirent *entry;
	bool goes_on = true;
	DIR *dir;

	snprintf(path, sizeof(path), "%s%s", root, folder);
	dir = opendir(path);
	while (dir && goes_on && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || strncmp(entry->d_name, begins, strlen(begins)) != 0)
			continue;
		if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name) <
		    sizeof(path))
			goes_on = each(ctx, path, entry->d_name);
	}
	if (dir)
		closedir(dir);
	return goes_on;
}

/* ---- metrics ---- */

static void add_sensor(struct collector *out, enum metric_index metric, const char *chip,
		       const char *sensor, double value)
{
	struct label label[] = {{"chip", span_of(chip)}, {"sensor", span_of(sensor)}};

	collector_add(out, metric, label, 2, value);
}

static void text_of(const char *folder, const char *file, const char *otherwise,
		    char text[LINE_BYTES])
{
	struct span line = line_of(folder, file);

	snprintf(text, LINE_BYTES, "%.*s", (int)line.len, (const char *)line.at);
	if (!*text)
		snprintf(text, LINE_BYTES, "%s", otherwise);
}

static bool collect_zone(void *ctx, const char *path, const char *name)
{
	char type[LINE_BYTES];
	double value;

	if (!number_in(path, "temp", &value))
		return true; /* a zone that is off */
	text_of(path, "type", "thermal", type);
	add_sensor(ctx, TEMPERATURE, type, name, value);
	return true;
}

struct chip {
	struct collector *out;
	const char *path;
	char name[LINE_BYTES];
};

/* "temp1_input", "fan2_input": what it measures may have a name of its own in "temp1_label". */
static bool collect_input(void *ctx, const char *path, const char *file)
{
	const struct chip *chip = ctx;
	const char *ending = strrchr(file, '_');
	char label[LINE_BYTES], name[LINE_BYTES];
	double value;

	if (!ending || strcmp(ending, "_input") != 0 || !number_in(chip->path, file, &value))
		return true;
	snprintf(name, sizeof(name), "%.*s", (int)(ending - file), file);
	snprintf(label, sizeof(label), "%.200s_label", name);
	text_of(chip->path, label, name, label);
	add_sensor(chip->out, file[0] == 't' ? TEMPERATURE : FAN, chip->name, label, value);
	return true;
}

static bool collect_chip(void *ctx, const char *path, const char *name)
{
	struct chip chip = {.out = ctx, .path = path};

	text_of(path, "name", name, chip.name);
	each_entry(path, "temp", collect_input, &chip);
	each_entry(path, "fan", collect_input, &chip);
	return true;
}

static void add_throttles(struct collector *out, const char *cpu, const char *folder,
			  const char *file, const char *level)
{
	struct label label[] = {{"cpu", span_of(cpu + 3)}, {"level", span_of(level)}};
	double value;

	if (number_in(folder, file, &value))
		collector_add(out, THROTTLES, label, 2, value);
}

static bool collect_cpu(void *ctx, const char *path, const char *name)
{
	char folder[PATH_BYTES];

	if (name[3] < '0' || name[3] > '9')
		return true; /* cpufreq, cpuidle */
	snprintf(folder, sizeof(folder), "%.400s/thermal_throttle", path);
	add_throttles(ctx, name, folder, "core_throttle_count", "core");
	add_throttles(ctx, name, folder, "package_throttle_count", "package");
	return true;
}

static bool collect_controller(void *ctx, const char *path, const char *name)
{
	static const char *const kind[][2] = {
		{"ce_count", "corrected"},
		{"ue_count", "uncorrected"},
	};
	double value;

	for (size_t i = 0; i < sizeof(kind) / sizeof(*kind); i++) {
		struct label label[] = {{"controller", span_of(name)},
					{"kind", span_of(kind[i][1])}};

		if (number_in(path, kind[i][0], &value))
			collector_add(ctx, MEMORY_ERRORS, label, 2, value);
	}
	return true;
}

/* "MCE:   0   0   Machine check exceptions": a number for each CPU. */
static void collect_interrupts(struct collector *out, struct span text)
{
	struct span line, word;
	uint64_t number, sum = 0;

	while (next_line(&text, &line)) {
		if (!next_word(&line, &word) || !span_is(word, "MCE:"))
			continue;
		while (next_word(&line, &word) && number_of(word, &number))
			sum += number;
		collector_add(out, MACHINE_CHECKS, NULL, 0, (double)sum);
		return;
	}
}

/* ---- processors ---- */

struct processors {
	char model[LINE_BYTES];
	uint32_t cpus; /* logical, that are on */
	uint32_t sockets, cores;
	uint64_t cache_bytes;
};

static bool value_of(struct span line, const char *name, struct span *ret_value)
{
	const uint8_t *colon = line.len ? memchr(line.at, ':', line.len) : NULL;
	struct span left;

	if (!colon)
		return false;
	left = span_first(line, (size_t)(colon - line.at));
	while (left.len && (left.at[left.len - 1] == '\t' || left.at[left.len - 1] == ' '))
		left.len--;
	*ret_value = span_from(line, (size_t)(colon - line.at) + 1);
	while (ret_value->len && *ret_value->at == ' ')
		*ret_value = span_from(*ret_value, 1);
	return span_is(left, name);
}

/* The same on x86 and arm64, where the last has neither model nor places: those are absent then. */
static void read_processors(struct span text, struct processors *ret)
{
	uint64_t number, socket = 0, last_socket = 0, cores = 0;
	struct span line, value;

	*ret = (struct processors){};
	while (next_line(&text, &line)) {
		if (value_of(line, "processor", &value))
			ret->cpus++;
		else if (value_of(line, "model name", &value))
			snprintf(ret->model, sizeof(ret->model), "%.*s", (int)value.len,
				 (const char *)value.at);
		else if (value_of(line, "physical id", &value) && number_of(value, &number))
			socket = number + 1;
		else if (value_of(line, "cpu cores", &value) && number_of(value, &number))
			cores = number;
		else if (value_of(line, "cache size", &value))
			ret->cache_bytes = next_number(&value) * 1024;
		if (socket > last_socket)
			last_socket = socket;
	}
	ret->sockets = (uint32_t)last_socket;
	ret->cores = (uint32_t)(cores * last_socket);
}

static void collect(struct item *item, void *state, struct collector *out)
{
	struct processors processors;
	struct buf text;
	char path[PATH_BYTES];

	buf_init(&text, 16 << 20); /* 8,192 CPUs */
	snprintf(path, sizeof(path), "%s/proc/interrupts", root);
	if (!procfile_read(item, path, &text))
		collect_interrupts(out, buf_as_span(&text));
	snprintf(path, sizeof(path), "%s/proc/cpuinfo", root);
	if (!procfile_read(item, path, &text)) {
		read_processors(buf_as_span(&text), &processors);
		collector_add(out, CPUS, NULL, 0, processors.cpus);
	}
	buf_done(&text);
	each_entry("/sys/class/thermal", "thermal_zone", collect_zone, out);
	each_entry("/sys/class/hwmon", "hwmon", collect_chip, out);
	each_entry("/sys/devices/system/cpu", "cpu", collect_cpu, out);
	each_entry("/sys/devices/system/edac/mc", "mc", collect_controller, out);
}

/* ---- parts ---- */

static const struct {
	const char *name, *help;
	enum unit unit;
} columns[] = {
	{"part", "what it is: machine, cpu, memory, disk, interface, sensor", UNIT_TEXT},
	{"name", "how the kernel calls it", UNIT_TEXT},
	{"model", "what its maker calls it", UNIT_TEXT},
	{"count", "how many: logical processors", UNIT_COUNT},
	{"size_bytes", "memory, cache or disk space", UNIT_BYTES},
	{"detail", "what else is worth knowing", UNIT_TEXT},
};

enum { PART, NAME, MODEL, COUNT, SIZE, DETAIL, COLUMNS };

static struct layout layout; /* made once, by start */
static const struct layout *const layouts[] = {&layout, NULL};

struct part {
	const char *part, *name;
	char model[LINE_BYTES], detail[LINE_BYTES];
	uint64_t count, size;
};

struct rows {
	struct item *item;
	struct arena *arena;
	bool (*each)(void *ctx, const struct record *row);
	void *ctx;
	uint32_t shown;
};

static bool show_part(struct rows *rows, const struct part *part)
{
	uint32_t first = layout.count - COLUMNS;
	struct record record;

	if (rows->shown++ == PARTS_MAX)
		return false;
	arena_clear(rows->arena);
	record_begin(&record, &layout, item_name(rows->item), "part", 0, item_resolver(rows->item));
	if (record_set_text(&record, first + PART, span_of(part->part), rows->arena) ||
	    record_set_text(&record, first + NAME, span_of(part->name), rows->arena) ||
	    record_set_text(&record, first + MODEL, span_of(part->model), rows->arena) ||
	    record_set_text(&record, first + DETAIL, span_of(part->detail), rows->arena))
		return true; /* out of memory: the row is left out */
	if (part->count)
		record.value[first + COUNT] = value_u64(part->count);
	if (part->size)
		record.value[first + SIZE] = value_u64(part->size);
	return rows->each(rows->ctx, &record);
}

static bool show_machine(struct rows *rows)
{
	struct part part = {.part = "machine", .name = "machine"};
	char vendor[LINE_BYTES];

	text_of("/sys/class/dmi/id", "product_name", "", part.model);
	text_of("/sys/class/dmi/id", "sys_vendor", "", vendor);
	snprintf(part.detail, sizeof(part.detail), "%s", vendor);
	return !*part.model || show_part(rows, &part);
}

static bool show_processors(struct rows *rows, struct buf *text)
{
	struct part part = {.part = "cpu", .name = "cpu"};
	struct processors processors;
	char path[PATH_BYTES];

	snprintf(path, sizeof(path), "%s/proc/cpuinfo", root);
	if (procfile_read(rows->item, path, text))
		return true;
	read_processors(buf_as_span(text), &processors);
	memcpy(part.model, processors.model, sizeof(part.model));
	part.count = processors.cpus;
	part.size = processors.cache_bytes;
	if (processors.sockets)
		snprintf(part.detail, sizeof(part.detail),
			 "%u sockets, %u cores, last cache %llu KiB", processors.sockets,
			 processors.cores, (unsigned long long)processors.cache_bytes / 1024);
	return show_part(rows, &part);
}

static bool show_memory(struct rows *rows, struct buf *text)
{
	struct part part = {.part = "memory", .name = "memory"};
	char path[PATH_BYTES];
	uint64_t kib;

	snprintf(path, sizeof(path), "%s/proc/meminfo", root);
	if (procfile_read(rows->item, path, text) || !field_of(buf_as_span(text), "MemTotal", &kib))
		return true;
	part.size = kib * 1024;
	return show_part(rows, &part);
}

static bool show_disk(void *ctx, const char *path, const char *name)
{
	struct part part = {.part = "disk", .name = name};
	char folder[PATH_BYTES];
	double sectors, turns;

	if (!number_in(path, "size", &sectors) || !sectors)
		return true; /* loop devices and others that hold nothing */
	snprintf(folder, sizeof(folder), "%.400s/device", path);
	text_of(folder, "model", "", part.model);
	snprintf(folder, sizeof(folder), "%.400s/queue", path);
	if (number_in(folder, "rotational", &turns))
		snprintf(part.detail, sizeof(part.detail), "%s",
			 turns ? "rotating" : "solid state");
	part.size = (uint64_t)sectors * 512;
	return show_part(ctx, &part);
}

static bool show_interface(void *ctx, const char *path, const char *name)
{
	struct part part = {.part = "interface", .name = name};
	char state[LINE_BYTES];
	double mbit;

	text_of(path, "operstate", "", state);
	if (number_in(path, "speed", &mbit) && mbit > 0)
		snprintf(part.detail, sizeof(part.detail), "%.32s, %.0f Mbit/s", state, mbit);
	else
		snprintf(part.detail, sizeof(part.detail), "%s", state);
	return show_part(ctx, &part);
}

static bool show_sensor(void *ctx, const char *path, const char *name)
{
	struct part part = {.part = "sensor", .name = name};
	double value;

	text_of(path, "type", "", part.model);
	if (!*part.model)
		text_of(path, "name", "", part.model);
	if (number_in(path, "temp", &value) || number_in(path, "temp1_input", &value))
		snprintf(part.detail, sizeof(part.detail), "%.1f degrees Celsius", value / 1000);
	return show_part(ctx, &part);
}

static int show(struct item *item, void *state, bool (*each)(void *ctx, const struct record *row),
		void *ctx, struct err *why)
{
	struct arena arena;
	struct rows rows = {.item = item, .arena = &arena, .each = each, .ctx = ctx};
	struct buf text;

	buf_init(&text, 16 << 20);
	arena_init(&arena, 16384);
	if (show_machine(&rows) && show_processors(&rows, &text) && show_memory(&rows, &text) &&
	    each_entry("/sys/block", "", show_disk, &rows) &&
	    each_entry("/sys/class/net", "", show_interface, &rows) &&
	    each_entry("/sys/class/thermal", "thermal_zone", show_sensor, &rows))
		each_entry("/sys/class/hwmon", "hwmon", show_sensor, &rows);
	arena_done(&arena);
	buf_done(&text);
	return 0;
}

static int start(struct item *item, void **ret_state, struct err *why)
{
	int error = 0;

	layout_begin(&layout, 0);
	for (int i = 0; error >= 0 && i < COLUMNS; i++)
		error = layout_add(&layout, columns[i].name, columns[i].unit, columns[i].help, why);
	layout_row_kind(&layout, "part", 0, 0);
	return error < 0 ? error : 0;
}

const struct item_ops hardware_item = {
	.wing = "cpu",
	.help = "what the machine is made of; temperatures, memory errors, machine checks",
	.metrics = metrics,
	.metric_count = METRICS,
	.sums_outlive_it = true,
	.start = start,
	.layouts = layouts,
	.rows = show,
	.collect = collect,
};
