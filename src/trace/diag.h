/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * diag - what the compiler has to say about a script, in the shape that bpftrace's users know:
 *
 *	stdin:1:9-12: ERROR: Unknown function: 'foo'
 *	BEGIN { foo(); }
 *	        ~~~~~
 *	HINT: what to do about it
 *
 * Messages are collected and shown at the end of a pass: errors first, then warnings. Columns are
 * bytes from 1, the second one is where the text ends (exclusive).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"

/* Where something stands in the source: bytes [from, to). */
struct place {
	uint32_t from, to;
};

static inline struct place place_join(struct place a, struct place b)
{
	return (struct place){a.from, b.to > a.from ? b.to : a.to};
}

enum severity { SEVERITY_ERROR, SEVERITY_WARNING };

struct message {
	struct message *next;
	enum severity severity;
	struct place place;
	const char *text; /* in the arena */
	const char *hint; /* in the arena, or NULL */
};

enum { SOURCE_PARTS = 64 };

/* From that byte on the source is another file's. */
struct source_part {
	uint32_t from;
	const char *name; /* in the arena */
};

struct diag {
	struct arena *arena; /* borrowed: texts live there */
	const char *name; /* of the source: "stdin", a file */
	struct span source; /* borrowed */
	struct source_part parts[SOURCE_PARTS]; /* imported files, behind the script itself */
	uint32_t part_count;
	struct message *first, *last;
	uint32_t errors, warnings;
	bool is_muted; /* trials: a pass that will run again keeps its complaints for itself */
};

void diag_add_part(struct diag *diag, uint32_t from, const char *name);
/* The name of the file that this byte is of. */
const char *diag_file_of(const struct diag *diag, uint32_t at);

void diag_init(struct diag *diag, struct arena *arena, const char *name, struct span source);

void diag_error(struct diag *diag, struct place place, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void diag_warn(struct diag *diag, struct place place, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Belongs to the message before it. */
void diag_hint(struct diag *diag, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Line and column (from 1) of a byte of the source. */
void diag_where(const struct diag *diag, uint32_t at, uint32_t *ret_line, uint32_t *ret_column);

/* "stdin:1:9-12" */
void diag_locate(const struct diag *diag, struct place place, struct buf *out);

/* One message with its source line and marker, as if it were said now (runtime warnings use it). */
void diag_show(const struct diag *diag, enum severity severity, struct place place,
	       const char *text, const char *hint, struct buf *out);

/* All messages, errors first. */
void diag_write(const struct diag *diag, bool with_warnings, struct buf *out);
