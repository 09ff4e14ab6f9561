// SPDX-License-Identifier: GPL-2.0-only
/* Sums by container, pod, service and host: exact, and counters that do not fall when a process is forgotten. */
#include "record/metric_coarse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define HOUR 3600000000000ull

static const struct metric opened = {.name = "sonde_opened_total",
				     .type = METRIC_COUNTER,
				     .scale = 1,
				     .labels = (char *)"way=in"};
static const struct metric latency = {.name = "sonde_latency_seconds",
				      .type = METRIC_HISTOGRAM,
				      .unit = "seconds",
				      .scale = 1e-9,
				      .low = 1000,
				      .high = 2000};

static void add(struct family *family, const char *process, const char *container,
		const char *service, double number)
{
	const struct label label[] = {{"process", span_of(process)},
				      {"container", span_of(container)},
				      {"service", span_of(service)}};
	uint64_t slot[METRIC_SLOTS] = {[11] = (uint64_t)number};

	if (family_metric(family)->type == METRIC_HISTOGRAM)
		family_add_histogram(family, label, 3, slot, (uint64_t)number * 1500);
	else
		family_add(family, label, 3, number);
}

static void fill(struct family *family, bool with_b, uint64_t now_ns)
{
	family_begin(family);
	add(family, "a", "web", "shop", 3);
	if (with_b)
		add(family, "b", "web", "shop", 4);
	add(family, "c", "", "ssh", 5);
	add(family, "d", "", "", 6);
	family_end(family, now_ns);
}

static void assert_text(struct coarse *coarse, struct family *const *families, size_t count,
			const char *wanted, uint64_t now_ns)
{
	struct family *sums[4];
	struct buf out;

	count = coarse_families(coarse, families, count, sums, now_ns);
	buf_init(&out, 1 << 20);
	families_write(sums, count, false, &out);
	if (!strstr(buf_text(&out), wanted))
		fail_msg("no '%s' in:\n%s", wanted, buf_text(&out));
	if (strstr(buf_text(&out), "process="))
		fail_msg("processes in:\n%s", buf_text(&out));
	buf_done(&out);
}

static void each_level_sums_what_it_leaves_out(void **state)
{
	static const char *const wanted[] = {
		[COARSE_CONTAINER] = "{container=\"web\",service=\"shop\",way=\"in\"} 7\n",
		[COARSE_POD] = "{service=\"shop\",way=\"in\"} 7\n",
		[COARSE_SERVICE] = "{way=\"in\"} 6\n",
		[COARSE_HOST] = "sonde_opened_total{way=\"in\"} 18\n",
	};
	struct family *family = family_new(&opened, 100);

	fill(family, true, 1);
	for (int level = COARSE_CONTAINER; level <= COARSE_HOST; level++) {
		struct coarse *coarse = coarse_new((enum coarseness)level);

		assert_text(coarse, &family, 1, wanted[level], 1);
		coarse_free(coarse);
	}
	family_free(family);
}

static void a_sum_does_not_fall_when_a_series_is_forgotten(void **state)
{
	struct coarse *coarse = coarse_new(COARSE_HOST);
	struct family *family = family_new(&opened, 100);

	fill(family, true, 1);
	assert_text(coarse, &family, 1, "sonde_opened_total{way=\"in\"} 18\n", 1);
	fill(family, false, 2);
	fill(family, false, 2 + 2 * HOUR); /* b's series goes after an hour without change */
	assert_text(coarse, &family, 1, "sonde_opened_total{way=\"in\"} 18\n", 2 + 2 * HOUR);
	coarse_free(coarse);
	family_free(family);
}

static void histograms_are_summed_too(void **state)
{
	struct coarse *coarse = coarse_new(COARSE_CONTAINER);
	struct family *family = family_new(&latency, 100);

	fill(family, true, 1);
	assert_text(coarse, &family, 1,
		    "sonde_latency_seconds_count{container=\"web\",service=\"shop\"} 7\n", 1);
	assert_text(coarse, &family, 1, "sonde_latency_seconds_sum{service=\"ssh\"} 0.0000075\n",
		    1);
	coarse_free(coarse);
	family_free(family);
}

static void words_are_those_of_the_configuration(void **state)
{
	assert_int_equal(coarseness_of("host"), COARSE_HOST);
	assert_int_equal(coarseness_of("process"), COARSE_PROCESS);
	assert_int_equal(coarseness_of("frob"), COARSE_PROCESS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_level_sums_what_it_leaves_out),
		cmocka_unit_test(a_sum_does_not_fall_when_a_series_is_forgotten),
		cmocka_unit_test(histograms_are_summed_too),
		cmocka_unit_test(words_are_those_of_the_configuration),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
