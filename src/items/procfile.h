/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * procfile - reads the kernel's text files: whole, by lines, by words, by numbers.
 *
 * Files of /proc, /sys and control groups are small texts that are new at every reading. The parsers take any bytes
 * and never fail: what they don't know they pass over, so that a field of a newer kernel costs nothing.
 */
#pragma once

#include "base/buf.h"
#include "items/item.h"

enum { PROCFILE_BYTES = 1 << 20 }; /* at most, of one file: 1,000 CPUs in /proc/stat are 150 KB */

/* Reads a file whole; what does not fit `out` is left out. Opened here where anybody may, else by the broker
 * (`item` NULL: never). 0 or -errno. */
int procfile_read(struct item *item, const char *path, struct buf *out);

/* Cuts the next line (without its end) or word (between blanks) off the front; false when there is none. */
bool next_line(struct span *text, struct span *ret_line);
bool next_word(struct span *line, struct span *ret_word);

/* A decimal number and nothing else. */
bool number_of(struct span word, uint64_t *ret);
/* The next word as a number; 0 when it is none. */
uint64_t next_number(struct span *line);

/* "name value" lines (memory.stat, cpu.stat, vmstat), "name: value kB" (meminfo): the value of `name`. */
bool field_of(struct span text, const char *name, uint64_t *ret);

/* /proc/pressure/X: time that some tasks, or all of them, stood still for want of the resource. */
struct pressure {
	uint64_t some_us, full_us; /* since boot */
	bool has_some, has_full;
};

struct pressure pressure_of(struct span text);
