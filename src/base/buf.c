// SPDX-License-Identifier: GPL-2.0-only
/* buf - bytes that grow up to a stated limit. */
#include "base/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *buf, size_t cap)
{
	*buf = (struct buf){.cap = cap};
}

void buf_done(struct buf *buf)
{
	free(buf->at);
	*buf = (struct buf){.cap = buf->cap};
}

void buf_clear(struct buf *buf)
{
	buf->len = 0;
	buf->full = false;
	if (buf->at)
		buf->at[0] = 0;
}

static int grow(struct buf *buf, size_t len)
{
	size_t need = buf->len + len + 1, room = buf->room ? buf->room : 64;
	char *at;

	if (buf->full)
		return -ENOSPC;
	if (len > buf->cap - buf->len) {
		buf->full = true;
		return -ENOSPC;
	}
	if (need <= buf->room)
		return 0;
	while (room < need)
		room *= 2;
	if (room > buf->cap + 1)
		room = buf->cap + 1;
	at = realloc(buf->at, room);
	if (!at) {
		buf->full = true;
		return -ENOMEM;
	}
	buf->at = at;
	buf->room = room;
	return 0;
}

char *buf_reserve(struct buf *buf, size_t len)
{
	return grow(buf, len) ? NULL : buf->at + buf->len;
}

void buf_commit(struct buf *buf, size_t len)
{
	buf->len += len;
	buf->at[buf->len] = 0;
}

int buf_add(struct buf *buf, const void *bytes, size_t len)
{
	int error = grow(buf, len);

	if (error)
		return error;
	if (len)
		memcpy(buf->at + buf->len, bytes, len);
	buf_commit(buf, len);
	return 0;
}

int buf_span(struct buf *buf, struct span span)
{
	return buf_add(buf, span.at, span.len);
}

int buf_str(struct buf *buf, const char *text)
{
	return buf_add(buf, text, strlen(text));
}

int buf_char(struct buf *buf, char c)
{
	return buf_add(buf, &c, 1);
}

int buf_fill(struct buf *buf, char c, size_t times)
{
	char *at = buf_reserve(buf, times);

	if (!at)
		return -ENOSPC;
	memset(at, c, times);
	buf_commit(buf, times);
	return 0;
}

int buf_vf(struct buf *buf, const char *format, va_list args)
{
	va_list again;
	int len, error;

	va_copy(again, args);
	len = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (len < 0)
		return -EINVAL;
	error = grow(buf, (size_t)len);
	if (error)
		return error;
	vsnprintf(buf->at + buf->len, (size_t)len + 1, format, args);
	buf->len += (size_t)len;
	return 0;
}

int buf_f(struct buf *buf, const char *format, ...)
{
	va_list args;
	int error;

	va_start(args, format);
	error = buf_vf(buf, format, args);
	va_end(args);
	return error;
}

int buf_u64(struct buf *buf, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + value % 10);
	while (value /= 10);
	return buf_add(buf, digits + at, sizeof(digits) - at);
}

void buf_drop(struct buf *buf, size_t len)
{
	if (!buf->at)
		return;
	if (len > buf->len)
		len = buf->len;
	buf->len -= len;
	memmove(buf->at, buf->at + len, buf->len + 1);
}

char *buf_take(struct buf *buf)
{
	char *at = buf->at ? buf->at : calloc(1, 1);

	*buf = (struct buf){.cap = buf->cap};
	return at;
}
