// SPDX-License-Identifier: GPL-2.0-only
/* mappings - the lines of /proc/PID/maps (Documentation/filesystems/proc.rst 1.1). */
#include "world/symbol/mappings.h"

/* Digits of base 10 or 16 up to `end`, which is passed; false when something else comes. */
static bool take_number(struct span *text, unsigned base, char end, uint64_t *ret_number)
{
	uint64_t number = 0;
	size_t i;

	for (i = 0; i < text->len && text->at[i] != end; i++) {
		uint8_t c = text->at[i];
		unsigned digit = 16;

		if (c >= '0' && c <= '9')
			digit = c - '0';
		else if (c >= 'a' && c <= 'f')
			digit = c - 'a' + 10u;
		if (digit >= base || i >= 20)
			return false;
		number = number * base + digit;
	}
	if (!i || i == text->len)
		return false;
	*text = span_from(*text, i + 1);
	*ret_number = number;
	return true;
}

static bool read_line(struct span line, struct mapping *ret)
{
	static const char deleted[] = " (deleted)";
	uint64_t major, minor;

	*ret = (struct mapping){};
	if (!take_number(&line, 16, '-', &ret->start) || !take_number(&line, 16, ' ', &ret->end) ||
	    line.len < 5 || line.at[4] != ' ')
		return false;
	ret->is_code = line.at[2] == 'x';
	line = span_from(line, 5);
	if (!take_number(&line, 16, ' ', &ret->offset) || !take_number(&line, 16, ':', &major) ||
	    !take_number(&line, 16, ' ', &minor) || !take_number(&line, 10, ' ', &ret->inode))
		return false;
	ret->device = major << 32 | minor;
	while (line.len && line.at[0] == ' ')
		line = span_from(line, 1);
	if (line.len >= sizeof(deleted) - 1 &&
	    !memcmp(line.at + line.len - (sizeof(deleted) - 1), deleted, sizeof(deleted) - 1))
		line.len -= sizeof(deleted) - 1;
	ret->path = line;
	return ret->start < ret->end;
}

bool mapping_next(struct span *text, struct mapping *ret_mapping)
{
	const uint8_t *end;

	while (text->len && (end = memchr(text->at, '\n', text->len))) {
		struct span line = {text->at, (size_t)(end - text->at)};

		*text = span_from(*text, line.len + 1);
		if (read_line(line, ret_mapping))
			return true;
	}
	return false;
}

struct span mapping_name(const struct mapping *mapping)
{
	size_t from = mapping->path.len;

	while (from && mapping->path.at[from - 1] != '/')
		from--;
	return span_from(mapping->path, from);
}
