// SPDX-License-Identifier: GPL-2.0-only
/*
 * disk, the user half - what block devices did, what waits there, and how full file systems are.
 *
 * From /proc/diskstats (whole devices; partitions would count twice) and /proc/pressure/io, and from
 * statvfs() of the file systems on devices of this machine. File systems of other machines (NFS, FUSE)
 * are not asked: one that hangs would hold the agent.
 */
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

enum { DEVICES_MAX = 4096, FILESYSTEMS_MAX = 256, MOUNT_BYTES = 4096 };

struct disks {
	struct map partition; /* "8:1" -> is it a partition; forgotten when the table is full */
};

static int start(struct item *item, void **ret_state, struct err *why)
{
	struct disks *disks = calloc(1, sizeof(*disks));

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

/* Four numbers for each: finished, merged, sectors of 512 bytes, milliseconds. */
struct work {
	uint64_t finished, sectors, ms;
};

static struct work next_work(struct span *line)
{
	struct work work = {.finished = next_number(line)};

	next_number(line); /* merged */
	work.sectors = next_number(line);
	work.ms = next_number(line);
	return work;
}

static void add_work(struct collector *out, struct span device, const char *op,
		     const struct work *work)
{
	struct label label[] = {{"device", device}, {"op", span_of(op)}};

	collector_add(out, BYTES, label, 2, (double)work->sectors);
	collector_add(out, OPERATIONS, label, 2, (double)work->finished);
	collector_add(out, TIME, label, 2, (double)work->ms);
}

/* Documentation/admin-guide/iostats.rst; discards since 4.18, flushes since 5.5. */
static void collect_device(struct collector *out, struct span device, struct span line)
{
	struct work read = next_work(&line), write = next_work(&line), discard, flush = {};
	uint64_t in_flight = next_number(&line), busy_ms = next_number(&line);
	struct label label = {"device", device};

	next_number(&line); /* the same time, weighted by requests */
	discard = next_work(&line);
	flush.finished = next_number(&line);
	flush.ms = next_number(&line);
	if (!read.finished && !write.finished && !discard.finished && !in_flight)
		return; /* ram0 to ram15, loop0 to loop7 ... */
	add_work(out, device, "read", &read);
	add_work(out, device, "write", &write);
	add_work(out, device, "discard", &discard);
	add_work(out, device, "flush", &flush);
	collector_add(out, BUSY, &label, 1, (double)busy_ms);
	collector_add(out, IN_FLIGHT, &label, 1, (double)in_flight);
}

static void collect_diskstats(struct disks *disks, struct collector *out, struct span text)
{
	struct span line, major, minor, device;

	while (next_line(&text, &line))
		if (next_word(&line, &major) && next_word(&line, &minor) &&
		    next_word(&line, &device) && !is_partition(disks, major, minor))
			collect_device(out, device, line);
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

static void collect_filesystem(struct collector *out, struct span device, const char *mount,
			       struct span type)
{
	struct label label[] = {{"mount", span_of(mount)}, {"device", device}, {"fstype", type}};
	struct statvfs stat;

	if (statvfs(mount, &stat) || !stat.f_blocks)
		return;
	collector_add(out, FILESYSTEM_SIZE, label, 3,
		      (double)stat.f_blocks * (double)stat.f_frsize);
	collector_add(out, FILESYSTEM_FREE, label, 3, (double)stat.f_bfree * (double)stat.f_frsize);
	collector_add(out, FILESYSTEM_AVAILABLE, label, 3,
		      (double)stat.f_bavail * (double)stat.f_frsize);
	if (!stat.f_files)
		return; /* btrfs has no fixed number */
	collector_add(out, INODES, label, 3, (double)stat.f_files);
	collector_add(out, INODES_FREE, label, 3, (double)stat.f_ffree);
}

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

static void collect_mounts(struct collector *out, struct span text)
{
	struct span line, device, mount, type;
	char path[MOUNT_BYTES];
	struct map seen;

	map_init(&seen, 128, 0, FILESYSTEMS_MAX);
	while (next_line(&text, &line)) {
		if (!next_word(&line, &device) || !next_word(&line, &mount) ||
		    !next_word(&line, &type) || !is_local(device, type) || !is_new(&seen, device))
			continue;
		if (unescape(mount, path, sizeof(path)))
			collect_filesystem(out, device, path, type);
	}
	map_done(&seen);
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
		collect_diskstats(state, out, buf_as_span(&text));
	if (!procfile_read(item, "/proc/pressure/io", &text))
		collect_pressure(out, pressure_of(buf_as_span(&text)));
	if (!procfile_read(item, "/proc/self/mounts", &text))
		collect_mounts(out, buf_as_span(&text));
	buf_done(&text);
}

const struct item_ops disk_item = {
	.metrics = metrics,
	.metric_count = METRICS,
	.sums_outlive_it = true,
	.start = start,
	.collect = collect,
	.stop = stop,
};
