/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * buf - bytes that grow up to a stated limit.
 *
 * Every buffer is born with its cap. What does not fit is not written and makes the buffer `full`,
 * once and for all until buf_clear: a writer may go on writing and look at the end only. The bytes
 * are always followed by a 0 that is not counted, so `at` is a C string (but NULL before the first write:
 * use buf_text).
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

struct buf {
	char *at;    /* owned */
	size_t len;  /* bytes written */
	size_t room; /* bytes allocated */
	size_t cap;  /* bytes at most, the ending 0 not counted */
	bool full;   /* something did not fit (the cap, or out of memory): the contents are cut */
};

void buf_init(struct buf *buf, size_t cap);
void buf_done(struct buf *buf);
void buf_clear(struct buf *buf);

/* All return 0, or -ENOSPC / -ENOMEM when the buffer is (now) full. */
int buf_add(struct buf *buf, const void *bytes, size_t len);
int buf_span(struct buf *buf, struct span span);
int buf_str(struct buf *buf, const char *text);
int buf_char(struct buf *buf, char c);
int buf_fill(struct buf *buf, char c, size_t times);
int buf_f(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
int buf_vf(struct buf *buf, const char *format, va_list args);
int buf_u64(struct buf *buf, uint64_t value);

/* Room for `len` more bytes at the end: returns where to write, NULL if that is above the cap.
 * buf_commit then says how many were really written. */
char *buf_reserve(struct buf *buf, size_t len);
void buf_commit(struct buf *buf, size_t len);

/* Takes the first `len` bytes away. */
void buf_drop(struct buf *buf, size_t len);

/* The bytes, handed over: the caller frees. The buffer is empty afterwards. */
char *buf_take(struct buf *buf);

static inline const char *buf_text(const struct buf *buf)
{
	return buf->at ? buf->at : "";
}

static inline struct span buf_as_span(const struct buf *buf)
{
	return (struct span){(const uint8_t *)buf->at, buf->len};
}
