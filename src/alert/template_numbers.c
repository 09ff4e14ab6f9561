// SPDX-License-Identifier: GPL-2.0-only
/*
 * template_numbers - how templates write numbers for people.
 *
 * What humanize and its sisters print follows prometheus/template/template.go of 2.42 in what comes out.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "alert/template_parts.h"
#include "base/clock.h"
#include "query/promql.h"

static void plain(double value, const char *behind, char ret[64])
{
	if (isnan(value) || isinf(value))
		snprintf(ret, 64, "%s%s",
			 isnan(value) ? "NaN"
			 : value > 0  ? "+Inf"
				      : "-Inf",
			 behind);
	else
		snprintf(ret, 64, "%.4g%s", value, behind);
}

static void with_prefix(double value, double step, const char *const *prefixes, size_t count,
			const char *unit, char ret[64])
{
	const char *prefix = "";
	char behind[8];

	for (size_t i = 0; i < count && fabs(value) >= step; i++) {
		prefix = prefixes[i];
		value /= step;
	}
	snprintf(behind, sizeof(behind), "%s%s", prefix, unit);
	plain(value, behind, ret);
}

static void small(double value, const char *unit, char ret[64])
{
	static const char *const prefixes[] = {"m", "u", "n", "p", "f", "a", "z", "y"};
	const char *prefix = "";
	char behind[8];

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes) && fabs(value) < 1; i++) {
		prefix = prefixes[i];
		value *= 1000;
	}
	snprintf(behind, sizeof(behind), "%s%s", prefix, unit);
	plain(value, behind, ret);
}

int template_humanize(struct running *running, const struct worth *arg, size_t args,
		      struct worth *ret)
{
	static const char *const prefixes[] = {"k", "M", "G", "T", "P", "E", "Z", "Y"};
	char text[64];
	double value;

	if (template_number_of(running, &arg[0], &value))
		return -EINVAL;
	if (!value || isnan(value) || isinf(value))
		plain(value, "", text);
	else if (fabs(value) >= 1)
		with_prefix(value, 1000, prefixes, 8, "", text);
	else
		small(value, "", text);
	return template_give_str(running, text, ret);
}

int template_humanize_1024(struct running *running, const struct worth *arg, size_t args,
			   struct worth *ret)
{
	static const char *const prefixes[] = {"ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"};
	char text[64];
	double value;

	if (template_number_of(running, &arg[0], &value))
		return -EINVAL;
	if (fabs(value) <= 1 || isnan(value) || isinf(value))
		plain(value, "", text);
	else
		with_prefix(value, 1024, prefixes, 8, "", text);
	return template_give_str(running, text, ret);
}

int template_humanize_duration(struct running *running, const struct worth *arg, size_t args,
			       struct worth *ret)
{
	const char *sign = "";
	char text[64], tail[64];
	double value;
	long long whole;

	if (template_number_of(running, &arg[0], &value))
		return -EINVAL;
	if (isnan(value) || isinf(value)) {
		plain(value, "", text);
		return template_give_str(running, text, ret);
	}
	if (!value || fabs(value) < 1) {
		if (value)
			small(value, "s", text);
		else
			plain(value, "s", text);
		return template_give_str(running, text, ret);
	}
	if (value < 0) {
		sign = "-";
		value = -value;
	}
	whole = value < 9e18 ? (long long)value : INT64_MAX;
	plain(value, "s", tail);
	if (whole >= 86400)
		snprintf(text, sizeof(text), "%s%lldd %lldh %lldm %llds", sign, whole / 86400,
			 whole / 3600 % 24, whole / 60 % 60, whole % 60);
	else if (whole >= 3600)
		snprintf(text, sizeof(text), "%s%lldh %lldm %llds", sign, whole / 3600,
			 whole / 60 % 60, whole % 60);
	else if (whole >= 60)
		snprintf(text, sizeof(text), "%s%lldm %llds", sign, whole / 60, whole % 60);
	else
		snprintf(text, sizeof(text), "%s%.62s", sign, tail);
	return template_give_str(running, text, ret);
}

int template_humanize_percentage(struct running *running, const struct worth *arg, size_t args,
				 struct worth *ret)
{
	char text[64];
	double value;

	if (template_number_of(running, &arg[0], &value))
		return -EINVAL;
	plain(value * 100, "%", text);
	return template_give_str(running, text, ret);
}

/* As Go prints a time: 2015-07-01 15:04:31.781 +0000 UTC */
int template_humanize_timestamp(struct running *running, const struct worth *arg, size_t args,
				struct worth *ret)
{
	char text[64], time[TIME_TEXT];
	size_t len;
	double value;

	if (template_number_of(running, &arg[0], &value))
		return -EINVAL;
	if (isnan(value) || isinf(value) || value < 0 || value > 9e9) {
		plain(value, "", text);
		return template_give_str(running, text, ret);
	}
	len = time_print((uint64_t)(value * 1000 + 0.5) * 1000000, 3, time) - 1; /* without the Z */
	while (time[len - 1] == '0' && strchr(time, '.') < time + len)
		len--;
	if (time[len - 1] == '.')
		len--;
	time[10] = ' ';
	snprintf(text, sizeof(text), "%.*s +0000 UTC", (int)len, time);
	return template_give_str(running, text, ret);
}

int template_parse_duration(struct running *running, const struct worth *arg, size_t args,
			    struct worth *ret)
{
	int64_t ms;

	if (arg[0].kind != IS_TEXT || !promql_duration(arg[0].text, &ms))
		return template_refuse(running, "a duration like 5m was expected");
	*ret = (struct worth){.kind = IS_NUMBER, .number = (double)ms / 1000};
	return 0;
}
