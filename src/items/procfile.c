// SPDX-License-Identifier: GPL-2.0-only
/* procfile - reads the kernel's text files: whole, by lines, by words, by numbers. */
#include "items/procfile.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { READ_BYTES = 16384 };

int procfile_read(struct item *item, const char *path, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), error = 0;

	buf_clear(out);
	if (fd < 0)
		fd = -errno;
	if ((fd == -EACCES || fd == -EPERM) && item)
		fd = item_open(item, path);
	if (fd < 0)
		return fd;
	for (;;) {
		size_t left = out->cap - out->len, room = left < READ_BYTES ? left : READ_BYTES;
		char *at = room ? buf_reserve(out, room) : NULL;
		ssize_t got = at ? read(fd, at, room) : 0;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			error = -errno; /* ENODEV: the control group has just gone */
		if (got <= 0)
			break;
		buf_commit(out, (size_t)got);
	}
	close(fd);
	return error;
}

bool next_line(struct span *text, struct span *ret_line)
{
	const uint8_t *end;

	if (!text->len)
		return false;
	end = memchr(text->at, '\n', text->len);
	*ret_line = span_first(*text, end ? (size_t)(end - text->at) : text->len);
	*text = span_from(*text, ret_line->len + 1);
	return true;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

bool next_word(struct span *line, struct span *ret_word)
{
	size_t from = 0, to;

	while (from < line->len && is_blank(line->at[from]))
		from++;
	for (to = from; to < line->len && !is_blank(line->at[to]);)
		to++;
	*ret_word = (struct span){line->at + from, to - from};
	*line = span_from(*line, to);
	return to > from;
}

bool number_of(struct span word, uint64_t *ret)
{
	uint64_t number = 0;

	if (!word.len)
		return false;
	for (size_t i = 0; i < word.len; i++) {
		uint64_t digit = (uint64_t)word.at[i] - '0';

		if (digit > 9 || __builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, digit, &number))
			return false;
	}
	*ret = number;
	return true;
}

uint64_t next_number(struct span *line)
{
	struct span word;
	uint64_t number;

	return next_word(line, &word) && number_of(word, &number) ? number : 0;
}

bool field_of(struct span text, const char *name, uint64_t *ret)
{
	struct span line, word;

	while (next_line(&text, &line)) {
		if (!next_word(&line, &word))
			continue;
		if (word.len && word.at[word.len - 1] == ':')
			word.len--;
		if (span_is(word, name))
			return next_word(&line, &word) && number_of(word, ret);
	}
	return false;
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=12345" */
struct pressure pressure_of(struct span text)
{
	struct pressure pressure = {};
	struct span line, kind, word;

	while (next_line(&text, &line)) {
		if (!next_word(&line, &kind))
			continue;
		while (next_word(&line, &word)) {
			if (!span_starts(word, "total="))
				continue;
			word = span_from(word, strlen("total="));
			if (span_is(kind, "some"))
				pressure.has_some = number_of(word, &pressure.some_us);
			else if (span_is(kind, "full"))
				pressure.has_full = number_of(word, &pressure.full_us);
		}
	}
	return pressure;
}
