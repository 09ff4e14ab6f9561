/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * samples - the samples of many series as an immutable file (file.h), and its reader.
 *
 * Series stand in the order of their labels, in groups of 64; a group is two pieces: the labels, and the points. In
 * the points, times that several series share (those of the scrapes) stand once. The footer says
 * with which labels each group begins, so that a metric is found without reading the others.
 * Not for other rooms.
 */
#pragma once

#include "store/codec.h"
#include "store/file.h"
#include "store/labels.h"
#include "store/points.h"

enum {
	GROUP_SERIES = 64,
	FIELDS_MAX = 4,
};

/* The fields of a rolled gauge and of a rolled counter; a raw sample has one. */
enum { ROLLED_COUNT, ROLLED_SUM, ROLLED_MIN, ROLLED_MAX };
enum { ROLLED_LAST, ROLLED_DROP };

static inline unsigned fields_of(enum store_series_kind kind, bool rolled)
{
	return !rolled ? 1 : kind == SERIES_GAUGE ? 4 : 2;
}

/* The samples of one series: times rise. Owned by whoever fills it. */
struct run_of_points {
	uint32_t count, room;
	int64_t *time_ms;
	double *field[FIELDS_MAX];
};

int points_room(struct run_of_points *points, uint32_t room);
void points_done(struct run_of_points *points);

/* The first of a file's facts. Of raw files first and next number scrapes, of rolled ones they are times (ms). */
struct samples_facts {
	uint64_t number;
	int64_t written_ns;
	uint64_t first, next;
	bool rolled;
	char tier[STORE_NAME_BYTES];
	/* filled by the writer, read by the reader */
	uint64_t series, samples;
	int64_t time_min_ms, time_max_ms;
};

struct samples_writer {
	struct file_writer file;
	struct codec *codec;
	struct samples_facts facts;
	struct buf labels, points; /* of the group */
	struct buf first; /* labels of its first series */
	struct buf groups; /* the footer, as far as it is known */
	uint32_t in_group;
	uint32_t lists; /* of times in the group */
	uint32_t list_at[GROUP_SERIES]; /* where each begins in `times_seen` */
	uint32_t list_count[GROUP_SERIES];
	int64_t *times_seen; /* owned */
	uint32_t times_used, times_room;
	int64_t group_min, group_max;
	int64_t *scratch; /* owned: POINTS_MAX */
};

void samples_name(char name[FILE_NAME_BYTES], const char *tier, uint64_t number);

/* 0 or -errno; after an error samples_abandon. */
int samples_begin(struct samples_writer *writer, const struct disk *disk, int dir,
		  struct codec *codec, const struct samples_facts *facts);
/* Series must come in the order of their labels; without points nothing is written. */
int samples_add(struct samples_writer *writer, struct span labels, enum store_series_kind kind,
		const struct run_of_points *points);
/* -ENODATA when there was nothing to write; no file is left then. */
int samples_finish(struct samples_writer *writer, struct samples_facts *ret_facts,
		   uint64_t *ret_bytes);
void samples_abandon(struct samples_writer *writer);

struct samples_group {
	struct piece labels, points;
	struct span first; /* labels of its first series; in the reader's footer */
	uint32_t series;
	int64_t time_min_ms, time_max_ms;
};

struct samples_reader {
	struct file_reader file;
	struct codec *codec; /* borrowed */
	struct samples_facts facts;
	struct samples_group *group; /* owned */
	uint32_t groups;
	struct buf footer, raw;
	/* the group that is open */
	uint32_t open; /* its number + 1, 0: none */
	bool has_points;
	struct buf labels_bytes, points_bytes;
	struct span labels[GROUP_SERIES];
	enum store_series_kind kind[GROUP_SERIES];
	struct span times[GROUP_SERIES]; /* lists, without their count */
	uint32_t times_count[GROUP_SERIES];
	uint32_t lists;
	struct span points[GROUP_SERIES];
};

/* -EBADMSG, -EPROTO, -ENOMEM or what the disk gave. */
int samples_open(struct samples_reader *reader, const struct disk *disk, int dir, const char *name,
		 struct codec *codec, struct err *why);
void samples_close(struct samples_reader *reader);

/* Reads the labels of a group. 0 or -errno. */
int samples_group(struct samples_reader *reader, uint32_t group);
/* Reads the points of a series of the group that is open. 0 or -errno. */
int samples_points(struct samples_reader *reader, uint32_t series, struct run_of_points *points);

/* May the group hold series whose labels begin with these bytes? */
bool samples_may_hold(const struct samples_reader *reader, uint32_t group, struct span prefix);
