// SPDX-License-Identifier: GPL-2.0-only
/* files, the user half - open files of the whole machine and their limit, from /proc/sys/fs/file-nr. */
#include "items/procfile.h"

enum metric_index { OPEN, LIMIT, METRICS };

static const struct metric metrics[METRICS] = {
	[OPEN] = {.name = "sonde_files_host_open",
		  .type = METRIC_GAUGE,
		  .help = (char *)"open files of the machine; one that several descriptors share "
				  "counts once",
		  .scale = 1},
	[LIMIT] = {.name = "sonde_files_host_limit",
		   .type = METRIC_GAUGE,
		   .help = (char *)"files that the machine may have open",
		   .scale = 1},
};

/* "1504  0  9223372036854775807": allocated, unused (always 0), limit. */
static void collect_file_nr(struct collector *out, struct span text)
{
	struct span line;

	if (!next_line(&text, &line))
		return;
	collector_add(out, OPEN, NULL, 0, (double)next_number(&line));
	next_number(&line);
	collector_add(out, LIMIT, NULL, 0, (double)next_number(&line));
}

static void collect(struct item *item, void *state, struct collector *out)
{
	struct buf text;

	buf_init(&text, 4096);
	if (!procfile_read(item, "/proc/sys/fs/file-nr", &text))
		collect_file_nr(out, buf_as_span(&text));
	buf_done(&text);
}

const struct item_ops files_item = {
	.metrics = metrics,
	.metric_count = METRICS,
	.collect = collect,
	.of_machine = true,
};
