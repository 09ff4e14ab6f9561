/* SPDX-License-Identifier: GPL-2.0-only */
/* drive_test - conversations written down in a test, and what must come out of them. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "protocol/drive.h"

#define C(text)                                                                                    \
	{                                                                                          \
		SIDE_CLIENT, 'b', {(const uint8_t *)(text), sizeof(text) - 1}, 0                   \
	}
#define S(text)                                                                                    \
	{                                                                                          \
		SIDE_SERVER, 'b', {(const uint8_t *)(text), sizeof(text) - 1}, 0                   \
	}
#define C_GAP(n)                                                                                   \
	{                                                                                          \
		SIDE_CLIENT, '~', {}, n                                                            \
	}
#define S_GAP(n)                                                                                   \
	{                                                                                          \
		SIDE_SERVER, '~', {}, n                                                            \
	}
#define C_CLOSE                                                                                    \
	{                                                                                          \
		SIDE_CLIENT, '|', {}, 0                                                            \
	}
#define S_CLOSE                                                                                    \
	{                                                                                          \
		SIDE_SERVER, '|', {}, 0                                                            \
	}
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

struct drive_case {
	const char *what;
	struct drive_step steps[16];
	const char *out; /* lines of drive_write_down() */
};

static inline bool is_same(const char *what, const char *out, char *got, const char *how, size_t at)
{
	bool same = !strcmp(got, out);

	if (!same)
		print_error("%s, %s %zu:\n%s\ninstead of\n%s\n", what, how, at, got, out);
	free(got);
	return same;
}

/* Whole, cut in two at every place of every step, and in pieces of one to five bytes. */
static inline bool check_steps(const struct protocol *protocol, const char *what,
			       const struct drive_step *steps, size_t n, const char *out)
{
	bool same = is_same(what, out, drive_all(protocol, steps, n, SIZE_MAX, 0, 0, false),
			    "whole", 0);

	if (protocol->is_datagram)
		return same;
	for (size_t i = 0; i < n; i++)
		for (size_t at = 1; same && steps[i].what == 'b' && at < steps[i].bytes.len; at++)
			same = is_same(what, out, drive_all(protocol, steps, n, i, at, 0, false),
				       "cut at", at);
	for (size_t piece = 1; same && piece < 6; piece++)
		same = is_same(what, out, drive_all(protocol, steps, n, SIZE_MAX, 0, piece, false),
			       "pieces of", piece);
	return same;
}

static inline bool check_case(const struct protocol *protocol, const struct drive_case *c)
{
	size_t n = 0;

	while (n < COUNT(c->steps) && c->steps[n].what)
		n++;
	return check_steps(protocol, c->what, c->steps, n, c->out);
}

/* With SONDE_SEEDS=folder in the environment: the cases as input for the fuzz target, one file each, in
 * the form that drive_steps_of() reads. */
static inline void write_seeds(const char *name, const struct drive_case *cases, size_t n)
{
	const char *folder = getenv("SONDE_SEEDS");

	for (size_t i = 0; folder && i < n; i++) {
		char path[512];
		FILE *file;

		snprintf(path, sizeof(path), "%s/%s-%zu", folder, name, i);
		file = fopen(path, "wb");
		assert_non_null(file);
		fputc(0, file);
		for (const struct drive_step *step = cases[i].steps; step->what; step++) {
			size_t len = step->what == '~' ? step->gap - 1 : step->bytes.len;
			int what = step->what == '~' ? 2 : step->what == '|' ? 3 : 0;

			len = len < 8191 ? len : 8191;
			fputc((int)(len >> 8) << 3 | what << 1 | step->from, file);
			fputc(len & 255, file);
			if (step->bytes.len)
				fwrite(step->bytes.at, 1, len, file);
		}
		fclose(file);
	}
}

static inline void check_cases(const struct protocol *protocol, const struct drive_case *cases,
			       size_t n)
{
	size_t wrong = 0;

	write_seeds(protocol->name, cases, n);

	for (size_t i = 0; i < n; i++)
		wrong += !check_case(protocol, &cases[i]);
	assert_int_equal(wrong, 0);
}

/* Bytes that are wrong, and the reason given. */
static inline void check_wrong(const struct protocol *protocol, enum side from, const char *bytes,
			       size_t len, const char *why)
{
	struct drive drive;

	drive_init(&drive, protocol);
	drive.stops_at_bad = true;
	drive_bytes(&drive, from, (struct span){(const uint8_t *)bytes, len});
	if (!drive.bad || strcmp(drive.why, why))
		fail_msg("'%s': %s instead of %s", bytes, drive.why ? drive.why : "nothing wrong",
			 why);
	drive_done(&drive);
}
