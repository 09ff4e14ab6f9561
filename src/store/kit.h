/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kit - what the store's tests share: a folder of their own, a disk that can be told to fail, rows
 * that follow from their number.
 */
#pragma once

#include "store/store.h"

/* A new empty folder under /tmp; kit_remove unlinks what is in it (no folders in it). */
void kit_folder(char path[64]);
void kit_remove(const char *path);
void kit_clear(const char *path);
void kit_each_file(const char *path, void (*act)(const char *path, const char *name, void *ctx),
		   void *ctx);
/* Copies all files of a folder into another, empty one. */
void kit_copy(const char *from, const char *to);
/* Files whose name contains that text. */
int kit_count(const char *path, const char *text);
/* Name of the n-th of them, in the order of names. */
bool kit_find(const char *path, const char *text, int n, char name[256]);

/*
 * A disk over the kernel's: with its own clocks, with limited room, with errors at chosen places,
 * and with a record of what was not synced, from which the state after a power cut can be made.
 */
struct kit_disk {
	struct disk disk; /* give this to the store */
	int64_t wall_ns, mono_ns;
	int64_t room; /* bytes that may still be written; -1: any number */
	int fail_in; /* the call after so many changing calls fails with `fail_with`; 0: none */
	int fail_with; /* errno */
	bool fail_on; /* and all later ones too */
	bool read_only; /* every changing call fails with EROFS */
	uint64_t calls; /* changing calls so far */
	unsigned short seed[3];
	bool records;
	struct kit_record *record; /* owned, private */
};

void kit_disk_init(struct kit_disk *disk);
void kit_disk_done(struct kit_disk *disk);
/* Begins to record a folder; what it holds is durable. */
void kit_disk_record(struct kit_disk *disk, const char *path);
/* Makes, in an empty folder, what a power cut now would leave: all that was synced, and of the
 * rest what chance will. */
void kit_power_cut(struct kit_disk *disk, const char *to);
/* The name of a layer for SQLite that is under the same regime. One disk at a time. */
const char *kit_sqlite(struct kit_disk *disk);

uint64_t kit_random(unsigned short seed[3]);
uint64_t kit_below(unsigned short seed[3], uint64_t limit);

/* The table of the tests. */
enum kit_column {
	TIME,
	SERVICE,
	PATH,
	STATUS,
	LATENCY,
	SHARE,
	GOOD,
	TRACE,
	SPAN,
	REMARK,
	KIT_COLUMNS
};

extern const struct store_column kit_columns[KIT_COLUMNS];

struct kit_row {
	int64_t time, latency;
	char service[16], path[32], remark[64];
	uint64_t status, span;
	double share;
	bool good, has_status, has_share, has_remark, has_trace;
	uint8_t trace[16];
};

/* Always the same for the same number. */
struct kit_row kit_row(uint64_t number);
void kit_fill(struct store_rows *rows, const struct kit_row *row);
