/* SPDX-License-Identifier: GPL-2.0-only */
/* inside - what the files of a script share. */
#pragma once

#include "base/buf.h"
#include "base/json.h"
#include "base/json_read.h"
#include "items/scripted/scripted.h"

enum {
	SCRIPT_BYTES = 1 << 20,
	SCRIPT_JOB_BYTES = 3 << 20, /* the same as JSON */
	SCRIPT_LINE_BYTES = 64 << 10,
	SCRIPT_LINE_ARENA = 64 << 20,
	SCRIPT_MAPS = 32,
	SCRIPT_KEYS = 8, /* parts of a key that become labels */
	SCRIPT_OPTIONS = 32,
};

enum script_kind { SCRIPT_NUMBER, SCRIPT_AVERAGE, SCRIPT_STATS, SCRIPT_HIST, SCRIPT_LHIST };

struct script_map {
	char name[64]; /* without @ */
	enum script_kind kind;
	uint32_t keys;
	int64_t min, max, step; /* SCRIPT_LHIST */
	char label[SCRIPT_KEYS][32];
	char help[128];
	size_t metric; /* its first one */
};

struct script_option {
	char name[64], value[128];
};

struct scripted {
	char name[64];
	char help[256];
	struct buf text;
	struct kernel *kernel; /* borrowed */
	struct event_base *loop; /* borrowed */
	struct script_map map[SCRIPT_MAPS];
	uint32_t maps;
	struct script_option option[SCRIPT_OPTIONS];
	uint32_t options;
	struct metric metric[3 * SCRIPT_MAPS];
	struct item_ops ops;
};

/* What its process is told (trace/box.h). */
void scripted_job(const struct scripted *script, bool check, struct buf *out);

/* run.c: the functions of an item that is a script; its metrics and help are each script's own. */
extern const struct item_ops scripted_runs;
