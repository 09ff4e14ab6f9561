// SPDX-License-Identifier: GPL-2.0-only
/* log - what the edge of the program says to people, on stderr, one line each. */
#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* One write a line, so that the lines of two processes don't mix. Control bytes of names become '?'. */
static void say(const char *level, const char *format, va_list args)
{
	char line[1024];
	int at = snprintf(line, sizeof(line), "sonde: %s", level), len;

	len = vsnprintf(line + at, sizeof(line) - (size_t)at - 1, format, args);
	if (len < 0)
		return;
	at += len;
	if (at > (int)sizeof(line) - 2)
		at = (int)sizeof(line) - 2;
	for (int i = 0; i < at; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	line[at++] = '\n';
	if (write(STDERR_FILENO, line, (size_t)at) < 0)
		return; /* nobody to tell */
}

#define SAY(level)                                                                                 \
	do {                                                                                       \
		va_list args;                                                                      \
		va_start(args, format);                                                            \
		say(level, format, args);                                                          \
		va_end(args);                                                                      \
	} while (0)

void log_error(const char *format, ...)
{
	SAY("error: ");
}

void log_warn(const char *format, ...)
{
	SAY("warning: ");
}

void log_info(const char *format, ...)
{
	SAY("");
}

void log_debug(const char *format, ...)
{
	if (getenv("SONDE_DEBUG"))
		SAY("debug: ");
}
