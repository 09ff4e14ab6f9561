// SPDX-License-Identifier: GPL-2.0-only
/*
 * metric_bench - what a scrape of 100,000 series costs: polling all sources, then writing the text.
 *
 * Five families of 20,000 series, six labels each, as containers of a large node would have them: two counters
 * of bytes, one of seconds (kept in ns), two gauges. Baseline of the same run: memcpy of the same text. CPU
 * seconds of this process; rounds alternate; medians are printed.
 */
#include "record/metric.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { FAMILIES = 5, SERIES = 20000, ROUNDS = 11, LABELS = 6 };
#define LIMIT_S 0.15 /* the promise for polling and writing together */

static const struct metric metrics[FAMILIES] = {
	{.name = "sonde_sent_bytes_total",
	 .type = METRIC_COUNTER,
	 .unit = "bytes",
	 .scale = 1,
	 .help = (char *)"sent"},
	{.name = "sonde_read_bytes_total",
	 .type = METRIC_COUNTER,
	 .unit = "bytes",
	 .scale = 1,
	 .help = (char *)"read"},
	{.name = "sonde_busy_seconds_total",
	 .type = METRIC_COUNTER,
	 .unit = "seconds",
	 .scale = 1e-9,
	 .help = (char *)"busy"},
	{.name = "sonde_open_files", .type = METRIC_GAUGE, .scale = 1, .help = (char *)"open"},
	{.name = "sonde_connections", .type = METRIC_GAUGE, .scale = 1, .help = (char *)"there"},
};

static struct family *family[FAMILIES];
static char (*texts)[LABELS][32];

static void make_texts(void)
{
	texts = calloc(SERIES, sizeof(*texts));
	for (unsigned i = 0; texts && i < SERIES; i++) {
		snprintf(texts[i][0], 32, "container-%u", i % 977);
		snprintf(texts[i][1], 32, "shop-%u", i % 31);
		snprintf(texts[i][2], 32, "frontend-%08x-%05x", i * 2654435761u, i);
		snprintf(texts[i][3], 32, "process-%u", i % 101);
		snprintf(texts[i][4], 32, "frontend-%u", i % 211);
		snprintf(texts[i][5], 32, "established");
	}
}

static double cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static double poll_all(uint64_t round)
{
	static const char *const names[LABELS] = {"container", "namespace", "pod",
						  "process",   "service",   "state"};
	double start = cpu_seconds();
	struct label label[LABELS];

	for (int f = 0; f < FAMILIES; f++) {
		family_begin(family[f]);
		for (unsigned i = 0; i < SERIES; i++) {
			for (int l = 0; l < LABELS; l++)
				label[l] = (struct label){names[l], span_of(texts[i][l])};
			family_add(family[f], label, LABELS, (double)(round * 1000003 + i * 7919));
		}
		family_end(family[f], round * 1000000000);
	}
	return cpu_seconds() - start;
}

static double write_all(struct buf *out)
{
	double start = cpu_seconds();

	buf_clear(out);
	families_write(family, FAMILIES, false, out);
	return cpu_seconds() - start;
}

static double copy_all(const struct buf *text, char *to)
{
	double start = cpu_seconds();

	memcpy(to, text->at, text->len);
	__asm__ volatile("" : : "r"(to) : "memory");
	return cpu_seconds() - start;
}

static int compare(const void *a, const void *b)
{
	const double *one = a, *other = b;

	return (*one > *other) - (*one < *other);
}

static double median(double *seconds)
{
	qsort(seconds, ROUNDS, sizeof(*seconds), compare);
	return seconds[ROUNDS / 2];
}

int main(void)
{
	double polled[ROUNDS], written[ROUNDS], copied[ROUNDS], poll_s, write_s, copy_s;
	struct buf out;
	char *copy;

	make_texts();
	buf_init(&out, 256 << 20);
	for (int f = 0; f < FAMILIES; f++)
		family[f] = family_new(&metrics[f], SERIES);
	poll_all(1); /* makes the series */
	write_all(&out);
	copy = malloc(2 * out.len + 1); /* numbers grow from round to round */
	if (!texts || !copy || out.full)
		return 1;
	copy_all(&out, copy);
	for (int round = 0; round < ROUNDS; round++) {
		polled[round] = poll_all((uint64_t)round + 2);
		written[round] = write_all(&out);
		copied[round] = copy_all(&out, copy);
	}
	poll_s = median(polled);
	write_s = median(written);
	copy_s = median(copied);
	printf("%d series, %.1f MB of text\n", FAMILIES * SERIES, (double)out.len / 1e6);
	printf("poll  %.4f s  (%.0f ns a series)\n", poll_s, poll_s * 1e9 / (FAMILIES * SERIES));
	printf("write %.4f s  (%.0f ns a series), %.1f times memcpy of the same text (%.4f s)\n",
	       write_s, write_s * 1e9 / (FAMILIES * SERIES), write_s / copy_s, copy_s);
	printf("together %.4f s of CPU; limit %.2f s: %s\n", poll_s + write_s, LIMIT_S,
	       poll_s + write_s < LIMIT_S ? "kept" : "BROKEN");
	for (int f = 0; f < FAMILIES; f++)
		family_free(family[f]);
	buf_done(&out);
	free(copy);
	free(texts);
	return poll_s + write_s < LIMIT_S ? 0 : 1;
}
