// SPDX-License-Identifier: GPL-2.0-only
/* signs_test - parts of a second out of sums that the kernel keeps, from files of the test. */
#include "items/procfile.c"

#include "items/signs.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static const char *memory, *throttling;
static struct group_place place = {.folder = "/sys/fs/cgroup/cpu/docker/4c01", .is_unified = true};
static bool has_group;

/* The registry's part. */
const struct resolver *item_resolver(struct item *item)
{
	static const struct resolver nobody;

	return &nobody;
}

int item_open(struct item *item, const char *path)
{
	return -ENOENT;
}

void groups_each(struct item *item, const char *controller, group_each each, void *ctx)
{
	static const struct label label = {.name = "container"};
	struct label named = label;

	named.value = span_of("shop");
	place.labels = &named;
	place.label_count = 1;
	if (has_group)
		each(ctx, &place);
}

int group_read(struct item *item, const struct group_place *at, const char *file, struct buf *out)
{
	const char *text = !strcmp(file, "cpu.stat")          ? throttling
			   : !strcmp(file, "memory.pressure") ? memory
							      : NULL;

	buf_clear(out);
	return text ? buf_str(out, text) : -ENOENT;
}

static struct firing_alert firing;

void alerts_firing(const struct alerts *alerts, firing_each each, void *ctx)
{
	if (firing.name.len)
		each(ctx, &firing);
}

struct seen {
	unsigned count;
	double memory_pressure, memory_full, throttled;
	char container[32], alert[32];
};

static double number(const struct record *record, const char *name)
{
	const struct value *value = &record->value[layout_find(record->layout, span_of(name))];

	return value->kind == VALUE_DOUBLE ? value->real : -1;
}

static void text(const struct record *record, const char *name, char out[32])
{
	const struct value *value = &record->value[layout_find(record->layout, span_of(name))];

	snprintf(out, 32, "%.*s", value->kind == VALUE_TEXT ? (int)value->text.len : 0,
		 (const char *)value->text.at);
}

static bool see(void *ctx, const struct record *sign)
{
	struct seen *seen = ctx;

	seen->count++;
	seen->memory_pressure = number(sign, "memory_pressure");
	seen->memory_full = number(sign, "memory_full");
	seen->throttled = number(sign, "throttled");
	text(sign, "container", seen->container);
	text(sign, "alert", seen->alert);
	return true;
}

static struct seen look(struct signs *signs, unsigned sources, uint64_t ms)
{
	struct seen seen = {};

	signs_look(signs, NULL, sources, ms * 1000000, see, &seen);
	return seen;
}

static unsigned asked(const char *when)
{
	struct filter *filter;
	struct err why;
	unsigned sources;

	assert_int_equal(filter_parse(span_of(when), &filter, &why), 0);
	sources = signs_asked_by(filter);
	filter_free(filter);
	return sources;
}

static void only_what_is_asked_for_is_read(void **state)
{
	assert_int_equal(asked("memory_pressure > 20"), SIGN_PRESSURE);
	assert_int_equal(asked("memory_full > 2 and container = shop"),
			 SIGN_PRESSURE | SIGN_GROUP_PRESSURE);
	assert_int_equal(asked("not (throttled < 20)"), SIGN_GROUP_THROTTLING);
	assert_int_equal(asked("steal > 5 or cpu_pressure > 80"), SIGN_STEAL | SIGN_PRESSURE);
	assert_int_equal(asked("severity = page"), SIGN_ALERTS);
	assert_int_equal(asked("container = shop"), 0);
}

static void pressure_of_a_group_is_a_part_of_the_time(void **state)
{
	struct signs *signs = signs_new();
	struct seen seen;

	has_group = true;
	memory = "some avg10=0.00 avg60=0.00 avg300=0.00 total=1000\nfull avg10=0.00 avg60=0.00 "
		 "avg300=0.00 total=500\n";
	seen = look(signs, SIGN_GROUP_PRESSURE, 1000);
	assert_int_equal(seen.count, 0);
	memory = "some avg10=0.00 avg60=0.00 avg300=0.00 total=501000\nfull avg10=0.00 avg60=0.00 "
		 "avg300=0.00 total=100500\n";
	seen = look(signs, SIGN_GROUP_PRESSURE, 3000);
	assert_int_equal(seen.count, 1);
	assert_true(seen.memory_pressure == 25 && seen.memory_full == 5);
	assert_string_equal(seen.container, "shop");
	/* a group that was gone and is there again begins anew */
	has_group = false;
	assert_int_equal(look(signs, SIGN_GROUP_PRESSURE, 4000).count, 0);
	has_group = true;
	assert_int_equal(look(signs, SIGN_GROUP_PRESSURE, 5000).count, 0);
	signs_free(signs);
}

static void throttling_is_a_part_of_the_periods(void **state)
{
	struct signs *signs = signs_new();
	struct seen seen;

	has_group = true;
	throttling = "usage_usec 5\nnr_periods 100\nnr_throttled 10\nthrottled_usec 7\n";
	assert_int_equal(look(signs, SIGN_GROUP_THROTTLING, 1000).count, 0);
	throttling = "usage_usec 5\nnr_periods 108\nnr_throttled 12\nthrottled_usec 9\n";
	seen = look(signs, SIGN_GROUP_THROTTLING, 2000);
	assert_int_equal(seen.count, 1);
	assert_true(seen.throttled == 25);
	/* it did not want to run: nothing is known */
	assert_int_equal(look(signs, SIGN_GROUP_THROTTLING, 3000).count, 0);
	signs_free(signs);
}

static void an_alert_that_fires_is_a_sign(void **state)
{
	struct signs *signs = signs_new();

	firing = (struct firing_alert){.name = span_of("TooSlow")};
	assert_int_equal(look(signs, SIGN_ALERTS, 1000).count, 0); /* nobody watches for alerts */
	signs_set_alerts(signs, (const struct alerts *)"");
	assert_string_equal(look(signs, SIGN_ALERTS, 2000).alert, "TooSlow");
	firing = (struct firing_alert){};
	assert_int_equal(look(signs, SIGN_ALERTS, 3000).count, 0);
	signs_free(signs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_is_asked_for_is_read),
		cmocka_unit_test(pressure_of_a_group_is_a_part_of_the_time),
		cmocka_unit_test(throttling_is_a_part_of_the_periods),
		cmocka_unit_test(an_alert_that_fires_is_a_sign),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
