/* SPDX-License-Identifier: GPL-2.0-only */
/* log - what the edge of the program says to people, on stderr, one line each. Library rooms don't. */
#pragma once

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Only with SONDE_DEBUG set. */
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));
