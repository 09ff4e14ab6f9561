// SPDX-License-Identifier: GPL-2.0-only
/* err - the reason why something failed, in words for the person who will read it. */
#include "base/err.h"

#include <stdio.h>
#include <string.h>

int err_set(struct err *why, int code, const char *format, ...)
{
	va_list args;

	if (!why)
		return code;
	why->code = code;
	va_start(args, format);
	vsnprintf(why->text, sizeof(why->text), format, args);
	va_end(args);
	return code;
}

int err_prefix(struct err *why, const char *format, ...)
{
	char prefix[sizeof(why->text)];
	struct err old;
	va_list args;

	if (!why)
		return 0;
	old = *why;
	va_start(args, format);
	vsnprintf(prefix, sizeof(prefix), format, args);
	va_end(args);
	if (snprintf(why->text, sizeof(why->text), "%.200s: %s", prefix, old.text) < 0)
		*why = old;
	return why->code;
}

const char *err_name(int code)
{
	const char *text = strerrordesc_np(code < 0 ? -code : code);

	return text ? text : "unknown error";
}
