/* SPDX-License-Identifier: GPL-2.0-only */
/* collected - stands in for the registry in the tests of user halves: keeps what they collect, and finds it again. */
#pragma once

#include "items/item.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static struct {
	size_t metric;
	char labels[256]; /* "cpu=0,mode=user" */
	double value;
} sample[4096];
static size_t samples;

void collector_add(struct collector *out, size_t metric, const struct label *labels, size_t count,
		   double value)
{
	size_t len = 0;

	assert_true(samples < sizeof(sample) / sizeof(*sample));
	sample[samples].metric = metric;
	sample[samples].value = value;
	sample[samples].labels[0] = 0;
	for (size_t i = 0; i < count; i++)
		if (labels[i].value.len)
			len += (size_t)snprintf(sample[samples].labels + len, 256 - len,
						"%s%s=%.*s", len ? "," : "", labels[i].name,
						(int)labels[i].value.len,
						(const char *)labels[i].value.at);
	samples++;
}

static bool was_collected(size_t metric, const char *labels, double *ret_value)
{
	for (size_t i = 0; i < samples; i++)
		if (sample[i].metric == metric && !strcmp(sample[i].labels, labels)) {
			*ret_value = sample[i].value;
			return true;
		}
	return false;
}

/* The value of that series; the test fails when there is none. */
static inline double collected(size_t metric, const char *labels)
{
	double value = 0;

	if (!was_collected(metric, labels, &value))
		fail_msg("metric %zu{%s} was not collected", metric, labels);
	return value;
}

static inline bool not_collected(size_t metric, const char *labels)
{
	double value;

	return !was_collected(metric, labels, &value);
}

int item_open(struct item *item, const char *path)
{
	return -ENOENT;
}
