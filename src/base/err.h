/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * err - the reason why something failed, in words for the person who will read it.
 *
 * Functions return >= 0 or -errno. Where a person will read the reason, the last parameter is
 * `struct err *why`: filled once, where the fact is known; callers above may prefix it. Wording:
 * lower case, what failed first, the subject in single quotes, the cause, what to do about it.
 */
#pragma once

#include <stdarg.h>

struct err {
	int code;	/* negative errno, 0 = nothing went wrong */
	char text[480]; /* one sentence without a full stop, always 0-ended */
};

/* Fills `why` (may be NULL) and returns `code`, so that `return err_set(why, -ENOENT, ...)` works. */
int err_set(struct err *why, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "prefix: " in front of the reason that is already there. Returns why->code. */
int err_prefix(struct err *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* errno -> "no such file or directory": lower case, thread-safe, static. */
const char *err_name(int code);
