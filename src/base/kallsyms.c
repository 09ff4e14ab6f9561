// SPDX-License-Identifier: GPL-2.0-only
/* kallsyms - the kernel's symbols by address and by name. */
#include "base/kallsyms.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"

enum { SYMBOLS = 1 << 20, NAME_BYTES = 48 << 20, READ_BYTES = 64 * 1024 };

struct symbol {
	uint64_t addr;
	uint32_t name; /* place in names */
	uint32_t
		order; /* in the file: of several at one address the last counts, as in ebpf_exporter */
};

struct kallsyms {
	struct symbol *symbol; /* owned, by address */
	size_t count, room;
	struct buf names; /* each ends with 0 */
};

static bool add(struct kallsyms *kallsyms, uint64_t addr, const char *name, size_t len)
{
	if (kallsyms->count == kallsyms->room) {
		size_t room = kallsyms->room ? kallsyms->room * 2 : 16384;
		struct symbol *symbol =
			room <= SYMBOLS ? realloc(kallsyms->symbol, room * sizeof(*symbol)) : NULL;

		if (!symbol)
			return false;
		kallsyms->symbol = symbol;
		kallsyms->room = room;
	}
	kallsyms->symbol[kallsyms->count] =
		(struct symbol){addr, (uint32_t)kallsyms->names.len, (uint32_t)kallsyms->count};
	if (buf_add(&kallsyms->names, name, len) || buf_char(&kallsyms->names, 0))
		return false;
	kallsyms->count++;
	return true;
}

/* "ffffffff81000000 T _text", perhaps with "\t[module]" */
static bool read_line(struct kallsyms *kallsyms, const char *line)
{
	char *behind;
	uint64_t addr = strtoull(line, &behind, 16);
	size_t len;

	if (behind == line || behind[0] != ' ' || !behind[1] || behind[2] != ' ')
		return true;
	behind += 3;
	len = strcspn(behind, " \t");
	return !addr || !len || add(kallsyms, addr, behind, len);
}

static int by_address(const void *a, const void *b)
{
	const struct symbol *left = a, *right = b;

	if (left->addr != right->addr)
		return left->addr < right->addr ? -1 : 1;
	return left->order < right->order ? -1 : 1;
}

struct kallsyms *kallsyms_read(int fd)
{
	struct kallsyms *kallsyms = calloc(1, sizeof(*kallsyms));
	char *bytes = malloc(READ_BYTES + 1);
	size_t held = 0;
	bool goes_on = kallsyms && bytes;

	if (kallsyms)
		buf_init(&kallsyms->names, NAME_BYTES);
	while (goes_on) {
		ssize_t got = read(fd, bytes + held, READ_BYTES - held);
		char *line = bytes, *end;

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		held += (size_t)got;
		bytes[held] = 0;
		while (goes_on && (end = memchr(line, '\n', held - (size_t)(line - bytes)))) {
			*end = 0;
			goes_on = read_line(kallsyms, line);
			line = end + 1;
		}
		held -= (size_t)(line - bytes);
		memmove(bytes, line, held);
		goes_on = goes_on && held < READ_BYTES;
	}
	free(bytes);
	if (!kallsyms || !kallsyms->count) {
		kallsyms_free(kallsyms);
		return NULL;
	}
	qsort(kallsyms->symbol, kallsyms->count, sizeof(*kallsyms->symbol), by_address);
	return kallsyms;
}

void kallsyms_free(struct kallsyms *kallsyms)
{
	if (!kallsyms)
		return;
	free(kallsyms->symbol);
	buf_done(&kallsyms->names);
	free(kallsyms);
}

/* How many begin at or below. */
static size_t up_to(const struct kallsyms *kallsyms, uint64_t addr)
{
	size_t low = 0, high = kallsyms ? kallsyms->count : 0;

	while (low < high) { /* the first one above */
		size_t middle = low + (high - low) / 2;

		if (kallsyms->symbol[middle].addr <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint64_t kallsyms_begin(const struct kallsyms *kallsyms, uint64_t addr)
{
	size_t low = up_to(kallsyms, addr);

	return low ? kallsyms->symbol[low - 1].addr : 0;
}

bool kallsyms_find(const struct kallsyms *kallsyms, uint64_t addr, bool nearest,
		   struct span *ret_name)
{
	size_t low = up_to(kallsyms, addr);

	if (!low || (!nearest && kallsyms->symbol[low - 1].addr != addr))
		return false;
	*ret_name = span_of(kallsyms->names.at + kallsyms->symbol[low - 1].name);
	return true;
}

uint64_t kallsyms_address(const struct kallsyms *kallsyms, const char *name)
{
	uint64_t found = 0;
	uint32_t order = 0;

	for (size_t i = 0; kallsyms && i < kallsyms->count; i++) {
		const struct symbol *symbol = &kallsyms->symbol[i];

		if (strcmp(kallsyms->names.at + symbol->name, name) != 0 ||
		    (found && symbol->order < order))
			continue;
		found = symbol->addr;
		order = symbol->order;
	}
	return found;
}
