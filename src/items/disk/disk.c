// SPDX-License-Identifier: GPL-2.0-only
/*
 * disk, the user half - what block devices did, what waits there, and how full file systems are.
 *
 * From /proc/diskstats (whole devices; partitions would count twice) and /proc/pressure/io, and from
 * statvfs() of the file systems on devices of this machine. File systems of other machines (NFS, FUSE)
 * are not asked: one that hangs would hold the agent.
 */
#include "base/arena.h"
#include "base/map.h"
#include "items/procfile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum metric_index {
	BYTES,
	OPERATIONS,
	TIME,
	BUSY,
	IN_FLIGHT,
	PRESSURE,
	FILESYSTEM_SIZE,
	FILESYSTEM_FREE,
	FILESYSTEM_AVAILABLE,
	INODES,
	INODES_FREE,
	METRICS,
};

static const struct metric metrics[METRICS] = {
	[BYTES] = {.name = "sonde_disk_bytes_total",
		   .type = METRIC_COUNTER,
		   .unit = "bytes",
		   .help = (char *)"bytes moved by device and operation",
		   .scale = 512},
	[OPERATIONS] = {.name = "sonde_disk_operations_total",
			.type = METRIC_COUNTER,
			.help = (char *)"requests that were finished, after merging",
			.scale = 1},
	[TIME] = {.name = "sonde_disk_time_seconds_total",
		  .type = METRIC_COUNTER,
		  .unit = "seconds",
		  .help = (char *)"time of all requests together, in queue and in service",
		  .scale = 1e-3},
	[BUSY] = {.name = "sonde_disk_busy_seconds_total",
		  .type = METRIC_COUNTER,
		  .unit = "seconds",
		  .help = (char *)"time with at least one request under way",
		  .scale = 1e-3},
	[IN_FLIGHT] = {.name = "sonde_disk_in_flight",
		       .type = METRIC_GAUGE,
		       .help = (char *)"requests under way",
		       .scale = 1},
	[PRESSURE] = {.name = "sonde_disk_pressure_seconds_total",
		      .type = METRIC_COUNTER,
		      .unit = "seconds",
		      .help = (char *)"time that some (or all) threads waited for I/O",
		      .scale = 1e-6},
	[FILESYSTEM_SIZE] = {.name = "sonde_disk_filesystem_size_bytes",
			     .type = METRIC_GAUGE,
			     .unit = "bytes",
			     .help = (char *)"size of a file system",
			     .scale = 1},
	[FILESYSTEM_FREE] = {.name = "sonde_disk_filesystem_free_bytes",
			     .type = METRIC_GAUGE,
			     .unit = "bytes",
			     .help = (char *)"free bytes, those reserved for root included",
			     .scale = 1},
	[FILESYSTEM_AVAILABLE] = {.name = "sonde_disk_filesystem_available_bytes",
				  .type = METRIC_GAUGE,
				  .unit = "bytes",
				  .help = (char *)"free bytes for everybody",
				  .scale = 1},
	[INODES] = {.name = "sonde_disk_filesystem_inodes",
		    .type = METRIC_GAUGE,
		    .help = (char *)"inodes of a file system",
		    .scale = 1},
	[INODES_FREE] = {.name = "sonde_disk_filesystem_inodes_free",
			 .type = METRIC_GAUGE,
			 .help = (char *)"free inodes",
			 .scale = 1},
};

enum { DEVICES_MAX = 4096, FILESYSTEMS_MAX = 256, MOUNT_BYTES = 4096, RECORD_BYTES = 65536 };

struct disks {
	struct map partition; /* "8:1" -> is it a partition; forgotten when the table is full */
};

/* /sys/dev/block/8:1/partition is there for partitions only. */
static bool is_partition(struct disks *disks, struct span major, struct span minor)
{
	char number[24] = {}, path[64];
	uint8_t *known;

	snprintf(number, sizeof(number), "%.*s:%.*s", (int)span_first(major, 10).len,
		 (const char *)major.at, (int)span_first(minor, 10).len, (const char *)minor.at);
	known = map_get(&disks->partition, number);
	if (known)
		return *known;
	snprintf(path, sizeof(path), "/sys/dev/block/%s/partition", number);
	if (disks->partition.len == disks->partition.cap)
		map_clear(&disks->partition);
	known = map_put(&disks->partition, number, NULL);
	if (known)
		*known = !access(path, F_OK);
	return !access(path, F_OK);
}

/* Four numbers for each operation: finished, merged, sectors of 512 bytes, milliseconds. */
struct work {
	uint64_t finished, sectors, ms;
};

enum { SECTOR = 512 };
enum { OP_READ, OP_WRITE, OP_DISCARD, OP_FLUSH, OPS };

struct device {
	struct span name;
	struct work op[OPS];
	uint64_t in_flight, busy_ms;
};

typedef bool (*device_each)(void *ctx, const struct device *device);

static struct work next_work(struct span *line)
{
	struct work work = {.finished = next_number(line)};

	next_number(line); /* merged */
	work.sectors = next_number(line);
	work.ms = next_number(line);
	return work;
}

/* Documentation/admin-guide/iostats.rst; discards since 4.18, flushes since 5.5. */
static struct device device_of(struct span name, struct span line)
{
	struct device device = {.name = name};

	device.op[OP_READ] = next_work(&line);
	device.op[OP_WRITE] = next_work(&line);
	device.in_flight = next_number(&line);
	device.busy_ms = next_number(&line);
	next_number(&line); /* the same time, weighted by requests */
	device.op[OP_DISCARD] = next_work(&line);
	device.op[OP_FLUSH].finished = next_number(&line);
	device.op[OP_FLUSH].ms = next_number(&line);
	return device;
}

/* Most machines have ram0 to ram15 and loop0 to loop7 that nobody uses. */
static bool is_used(const struct device *device)
{
	return device->op[OP_READ].finished || device->op[OP_WRITE].finished ||
	       device->op[OP_DISCARD].finished || device->in_flight;
}

/* Whole devices that were used. False when `each` wants no more. */
static bool each_device(struct disks *disks, struct span text, device_each each, void *ctx)
{
	struct span line, major, minor, name;
	struct device device;

	while (next_line(&text, &line)) {
		if (!next_word(&line, &major) || !next_word(&line, &minor) ||
		    !next_word(&line, &name))
			continue;
		device = device_of(name, line);
		if (is_used(&device) && !is_partition(disks, major, minor) && !each(ctx, &device))
			return false;
	}
	return true;
}

/* "\040" is a blank: fs/proc_namespace.c writes \t \n \\ # and blanks in octal. */
static size_t unescape(struct span text, char *out, size_t room)
{
	size_t len = 0;

	for (size_t i = 0; i < text.len && len + 1 < room; i++) {
		const uint8_t *at = text.at + i;

		if (at[0] == '\\' && i + 3 < text.len && at[1] <= '3' && at[2] <= '7' &&
		    at[3] <= '7') {
			out[len++] =
				(char)((at[1] - '0') << 6 | (at[2] - '0') << 3 | (at[3] - '0'));
			i += 3;
		} else {
			out[len++] = (char)at[0];
		}
	}
	out[len] = 0;
	return len;
}

struct filesystem {
	struct span device, type;
	const char *mount;
	struct statvfs stat;
};

typedef bool (*filesystem_each)(void *ctx, const struct filesystem *filesystem);

static bool is_local(struct span device, struct span type)
{
	return (span_starts(device, "/dev/") && !span_starts(type, "fuse.")) ||
	       span_is(type, "zfs");
}

/* A device may be mounted at many places (bind mounts, containers): the first one stands for it. */
static bool is_new(struct map *seen, struct span device)
{
	char name[128] = {};
	bool is_new = false;

	memcpy(name, device.at, span_first(device, sizeof(name)).len);
	return map_put(seen, name, &is_new) && is_new;
}

/* File systems of this machine's devices, each once. False when `each` wants no more. */
static bool each_filesystem(struct span text, filesystem_each each, void *ctx)
{
	struct filesystem filesystem;
	struct span line, mount;
	char path[MOUNT_BYTES];
	bool go_on = true;
	struct map seen;

	map_init(&seen, 128, 0, FILESYSTEMS_MAX);
	filesystem.mount = path;
	while (go_on && next_line(&text, &line)) {
		if (!next_word(&line, &filesystem.device) || !next_word(&line, &mount) ||
		    !next_word(&line, &filesystem.type) ||
		    !is_local(filesystem.device, filesystem.type) ||
		    !is_new(&seen, filesystem.device))
			continue;
		if (unescape(mount, path, sizeof(path)) && !statvfs(path, &filesystem.stat) &&
		    filesystem.stat.f_blocks)
			go_on = each(ctx, &filesystem);
	}
	map_done(&seen);
	return go_on;
}

/* ---- metrics ---- */

static const char *const op_name[OPS] = {"read", "write", "discard", "flush"};

static bool collect_device(void *ctx, const struct device *device)
{
	struct label label[] = {{"device", device->name}, {"op", {}}};

	for (int op = 0; op < OPS; op++) {
		label[1].value = span_of(op_name[op]);
		collector_add(ctx, BYTES, label, 2, (double)device->op[op].sectors);
		collector_add(ctx, OPERATIONS, label, 2, (double)device->op[op].finished);
		collector_add(ctx, TIME, label, 2, (double)device->op[op].ms);
	}
	collector_add(ctx, BUSY, label, 1, (double)device->busy_ms);
	collector_add(ctx, IN_FLIGHT, label, 1, (double)device->in_flight);
	return true;
}

static bool collect_filesystem(void *ctx, const struct filesystem *filesystem)
{
	const struct statvfs *stat = &filesystem->stat;
	struct label label[] = {{"mount", span_of(filesystem->mount)},
				{"device", filesystem->device},
				{"fstype", filesystem->type}};
	double unit = (double)stat->f_frsize;

	collector_add(ctx, FILESYSTEM_SIZE, label, 3, (double)stat->f_blocks * unit);
	collector_add(ctx, FILESYSTEM_FREE, label, 3, (double)stat->f_bfree * unit);
	collector_add(ctx, FILESYSTEM_AVAILABLE, label, 3, (double)stat->f_bavail * unit);
	if (!stat->f_files)
		return true; /* btrfs has no fixed number */
	collector_add(ctx, INODES, label, 3, (double)stat->f_files);
	collector_add(ctx, INODES_FREE, label, 3, (double)stat->f_ffree);
	return true;
}

static void collect_pressure(struct collector *out, struct pressure pressure)
{
	struct label some = {"kind", span_of("some")}, full = {"kind", span_of("full")};

	if (pressure.has_some)
		collector_add(out, PRESSURE, &some, 1, (double)pressure.some_us);
	if (pressure.has_full)
		collector_add(out, PRESSURE, &full, 1, (double)pressure.full_us);
}

static void collect(struct item *item, void *state, struct collector *out)
{
	struct buf text;

	buf_init(&text, PROCFILE_BYTES);
	if (!procfile_read(item, "/proc/diskstats", &text))
		each_device(state, buf_as_span(&text), collect_device, out);
	if (!procfile_read(item, "/proc/pressure/io", &text))
		collect_pressure(out, pressure_of(buf_as_span(&text)));
	if (!procfile_read(item, "/proc/self/mounts", &text))
		each_filesystem(buf_as_span(&text), collect_filesystem, out);
	buf_done(&text);
}

/* ---- rows ---- */

struct row_column {
	const char *name, *help;
	enum unit unit;
};

static const struct row_column device_columns[] = {
	{"device", "name of the block device", UNIT_TEXT},
	{"read_bytes", "bytes read", UNIT_BYTES},
	{"write_bytes", "bytes written", UNIT_BYTES},
	{"discard_bytes", "bytes discarded", UNIT_BYTES},
	{"reads", "reads finished, after merging", UNIT_COUNT},
	{"writes", "writes finished, after merging", UNIT_COUNT},
	{"discards", "discards finished", UNIT_COUNT},
	{"flushes", "flushes finished", UNIT_COUNT},
	{"read_ns", "time of all reads together, in queue and in service", UNIT_NS},
	{"write_ns", "time of all writes together", UNIT_NS},
	{"busy_ns", "time with at least one request under way", UNIT_NS},
	{"in_flight", "requests under way", UNIT_COUNT},
};

static const struct row_column filesystem_columns[] = {
	{"mount", "where it is mounted", UNIT_TEXT},
	{"device", "what is mounted", UNIT_TEXT},
	{"fstype", "kind of file system", UNIT_TEXT},
	{"size_bytes", "its size", UNIT_BYTES},
	{"free_bytes", "free bytes, those reserved for root included", UNIT_BYTES},
	{"available_bytes", "free bytes for everybody", UNIT_BYTES},
	{"inodes", "its inodes; absent where they have no fixed number", UNIT_COUNT},
	{"inodes_free", "free inodes", UNIT_COUNT},
};

enum {
	DEVICE_COLUMNS = sizeof(device_columns) / sizeof(*device_columns),
	FILESYSTEM_COLUMNS = sizeof(filesystem_columns) / sizeof(*filesystem_columns),
};

static struct layout device_layout, filesystem_layout; /* made once, by start */
static const struct layout *const layouts[] = {&device_layout, &filesystem_layout, NULL};

static int make_layout(struct layout *layout, const struct row_column *column, size_t count,
		       struct err *why)
{
	layout_begin(layout, 0);
	for (size_t i = 0; i < count; i++) {
		int error = layout_add(layout, column[i].name, column[i].unit, column[i].help, why);

		if (error < 0)
			return error;
	}
	return 0;
}

static int start(struct item *item, void **ret_state, struct err *why)
{
	struct disks *disks;
	int error = make_layout(&device_layout, device_columns, DEVICE_COLUMNS, why);

	if (!error)
		error = make_layout(&filesystem_layout, filesystem_columns, FILESYSTEM_COLUMNS,
				    why);
	if (error)
		return error;
	layout_row_kind(&device_layout, "device", DEVICE_COLUMNS - 2, 1);
	layout_row_kind(&filesystem_layout, "filesystem", 0, FILESYSTEM_COLUMNS - 3);
	disks = calloc(1, sizeof(*disks));
	if (!disks)
		return err_set(why, -ENOMEM, "cannot start '%s': out of memory", item_name(item));
	map_init(&disks->partition, 24, 1, DEVICES_MAX);
	*ret_state = disks;
	return 0;
}

static void stop(struct item *item, void *state)
{
	struct disks *disks = state;

	map_done(&disks->partition);
	free(disks);
}

struct rows {
	struct item *item;
	struct arena *arena;
	bool (*each)(void *ctx, const struct record *row);
	void *ctx;
};

static bool show_device(void *ctx, const struct device *device)
{
	const struct work *op = device->op;
	const uint64_t number[] = {
		op[OP_READ].sectors * SECTOR,
		op[OP_WRITE].sectors * SECTOR,
		op[OP_DISCARD].sectors * SECTOR,
		op[OP_READ].finished,
		op[OP_WRITE].finished,
		op[OP_DISCARD].finished,
		op[OP_FLUSH].finished,
		op[OP_READ].ms * 1000000,
		op[OP_WRITE].ms * 1000000,
		device->busy_ms * 1000000,
		device->in_flight,
	};
	uint32_t first = device_layout.count - DEVICE_COLUMNS;
	struct rows *rows = ctx;
	struct record record;

	_Static_assert(sizeof(number) / sizeof(*number) == DEVICE_COLUMNS - 1,
		       "one for each column");
	arena_clear(rows->arena);
	record_begin(&record, &device_layout, item_name(rows->item), "device", 0,
		     item_resolver(rows->item));
	if (record_set_text(&record, first, device->name, rows->arena))
		return true; /* out of memory: the row is left out */
	for (uint32_t i = 0; i < DEVICE_COLUMNS - 1; i++)
		record.value[first + 1 + i] = value_u64(number[i]);
	return rows->each(rows->ctx, &record);
}

static bool show_filesystem(void *ctx, const struct filesystem *filesystem)
{
	const struct statvfs *stat = &filesystem->stat;
	const uint64_t number[] = {stat->f_blocks * stat->f_frsize, stat->f_bfree * stat->f_frsize,
				   stat->f_bavail * stat->f_frsize, stat->f_files, stat->f_ffree};
	uint32_t first = filesystem_layout.count - FILESYSTEM_COLUMNS;
	struct rows *rows = ctx;
	struct record record;

	_Static_assert(sizeof(number) / sizeof(*number) == FILESYSTEM_COLUMNS - 3,
		       "one for each column");
	arena_clear(rows->arena);
	record_begin(&record, &filesystem_layout, item_name(rows->item), "filesystem", 0,
		     item_resolver(rows->item));
	if (record_set_text(&record, first, span_of(filesystem->mount), rows->arena) ||
	    record_set_text(&record, first + 1, filesystem->device, rows->arena) ||
	    record_set_text(&record, first + 2, filesystem->type, rows->arena))
		return true;
	for (uint32_t i = 0; i < FILESYSTEM_COLUMNS - 3 && (stat->f_files || i < 3); i++)
		record.value[first + 3 + i] = value_u64(number[i]);
	return rows->each(rows->ctx, &record);
}

static int show(struct item *item, void *state, bool (*each)(void *ctx, const struct record *row),
		void *ctx, struct err *why)
{
	struct arena arena;
	struct rows rows = {.item = item, .arena = &arena, .each = each, .ctx = ctx};
	struct buf text;

	arena_init(&arena, RECORD_BYTES);
	buf_init(&text, PROCFILE_BYTES);
	if (procfile_read(item, "/proc/diskstats", &text) ||
	    each_device(state, buf_as_span(&text), show_device, &rows))
		if (!procfile_read(item, "/proc/self/mounts", &text))
			each_filesystem(buf_as_span(&text), show_filesystem, &rows);
	buf_done(&text);
	arena_done(&arena);
	return 0;
}

const struct item_ops disk_item = {
	.metrics = metrics,
	.metric_count = METRICS,
	.sums_outlive_it = true,
	.start = start,
	.layouts = layouts,
	.rows = show,
	.collect = collect,
	.of_machine = true,
	.stop = stop,
};
