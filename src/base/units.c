// SPDX-License-Identifier: GPL-2.0-only
/* units - quantities as people write and read them. */
#include "base/units.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { NUMBER_TEXT = 48 }; /* bytes of the longest number that is looked at */

static const struct unit_word {
	const char *word;
	enum quantity_kind kind;
	uint64_t times;
} units[] = {
	{"", QUANTITY_PLAIN, 1},
	{"k", QUANTITY_PLAIN, 1000},
	{"%", QUANTITY_PERCENT, 1},
	{"ns", QUANTITY_NS, 1},
	{"us", QUANTITY_NS, 1000},
	{"\xc2\xb5s", QUANTITY_NS, 1000}, /* micro sign */
	{"\xce\xbcs", QUANTITY_NS, 1000}, /* Greek mu */
	{"ms", QUANTITY_NS, 1000000},
	{"s", QUANTITY_NS, 1000000000},
	{"m", QUANTITY_NS, 60 * 1000000000ull},
	{"h", QUANTITY_NS, 3600 * 1000000000ull},
	{"d", QUANTITY_NS, 86400 * 1000000000ull},
	{"w", QUANTITY_NS, 7 * 86400 * 1000000000ull},
	{"B", QUANTITY_BYTES, 1},
	{"kB", QUANTITY_BYTES, 1000},
	{"KB", QUANTITY_BYTES, 1000},
	{"MB", QUANTITY_BYTES, 1000000},
	{"GB", QUANTITY_BYTES, 1000000000},
	{"TB", QUANTITY_BYTES, 1000000000000},
	{"KiB", QUANTITY_BYTES, 1ull << 10},
	{"MiB", QUANTITY_BYTES, 1ull << 20},
	{"GiB", QUANTITY_BYTES, 1ull << 30},
	{"TiB", QUANTITY_BYTES, 1ull << 40},
};

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static size_t digits_at(struct span text, size_t at)
{
	size_t from = at;

	while (at < text.len && is_digit(text.at[at]))
		at++;
	return at - from;
}

/* Bytes of the number that `text` begins with: -12, 1.5, 2e-3; 0 if it begins with none. */
static size_t number_length(struct span text)
{
	size_t at = text.len && (text.at[0] == '-' || text.at[0] == '+');
	size_t whole = digits_at(text, at), part = 0;

	at += whole;
	if (at < text.len && text.at[at] == '.') {
		part = digits_at(text, at + 1);
		at += 1 + part;
	}
	if (!whole && !part)
		return 0;
	if (at < text.len && (text.at[at] == 'e' || text.at[at] == 'E')) {
		size_t sign =
			at + 1 < text.len && (text.at[at + 1] == '-' || text.at[at + 1] == '+');
		size_t exponent = digits_at(text, at + 1 + sign);

		if (exponent)
			at += 1 + sign + exponent;
	}
	return at;
}

static const struct unit_word *find_unit(struct span word)
{
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (span_is(word, units[i].word))
			return &units[i];
	return NULL;
}

/* Reads digits only; what is above 64 bits, also after the unit, is not whole. */
static bool read_whole(struct span digits, uint64_t times, uint64_t *ret)
{
	uint64_t whole = 0;

	for (size_t i = 0; i < digits.len; i++)
		if (!is_digit(digits.at[i]) || __builtin_mul_overflow(whole, 10, &whole) ||
		    __builtin_add_overflow(whole, digits.at[i] - '0', &whole))
			return false;
	return !__builtin_mul_overflow(whole, times, ret);
}

bool quantity_parse(struct span text, struct quantity *ret)
{
	size_t len = number_length(text);
	const struct unit_word *unit = len ? find_unit(span_from(text, len)) : NULL;
	struct quantity quantity = {};
	char number[NUMBER_TEXT] = "";
	bool has_sign;

	if (!unit || len >= sizeof(number))
		return false;
	memcpy(number, text.at, len);
	has_sign = number[0] == '-' || number[0] == '+';
	quantity.kind = unit->kind;
	quantity.is_negative = number[0] == '-';
	quantity.value = strtod(number, NULL) * (double)unit->times;
	if (!isfinite(quantity.value))
		return false;
	quantity.is_whole = read_whole(span_from(span_first(text, len), has_sign), unit->times,
				       &quantity.whole);
	*ret = quantity;
	return true;
}

/* %.3g without an exponent and without zeros at the end. */
void print_number(struct buf *out, double number)
{
	double size = fabs(number);
	int decimals = size >= 99.95 || size == 0 ? 0 : size >= 9.995 ? 1 : size >= 0.9995 ? 2 : 3;
	char text[NUMBER_TEXT];
	int len;

	if (!isfinite(number)) {
		buf_str(out, isnan(number) ? "NaN" : number < 0 ? "-Inf" : "+Inf");
		return;
	}
	if (size >= 1e15) {
		buf_f(out, "%.3g", number);
		return;
	}
	len = snprintf(text, sizeof(text), "%.*f", decimals, number);
	if (decimals) {
		while (text[len - 1] == '0')
			len--;
		if (text[len - 1] == '.')
			len--;
	}
	buf_add(out, text, (size_t)len);
}

/* 59.95 s and above would print as 60 s: from there on it is minutes. */
static void print_long_duration(struct buf *out, uint64_t seconds)
{
	unsigned days = (unsigned)(seconds / 86400), hours = seconds / 3600 % 24,
		 minutes = seconds / 60 % 60;

	if (days)
		buf_f(out, "%ud%02uh", days, hours);
	else if (hours)
		buf_f(out, "%uh%02um", hours, minutes);
	else
		buf_f(out, "%um%02us", minutes, (unsigned)(seconds % 60));
}

void print_duration(struct buf *out, double ns)
{
	static const char *const unit[] = {" ns", " us", " ms", " s"};
	size_t at = 0;

	if (ns < 0) {
		buf_char(out, '-');
		ns = -ns;
	}
	if (ns >= 59.95e9 && ns < 1e19) {
		print_long_duration(out, (uint64_t)(ns / 1e9 + 0.5));
		return;
	}
	while (at < 3 && ns >= 999.5) {
		ns /= 1000;
		at++;
	}
	print_number(out, ns);
	buf_str(out, unit[at]);
}

void print_bytes(struct buf *out, double bytes)
{
	static const char *const unit[] = {" B", " KiB", " MiB", " GiB", " TiB", " PiB"};
	size_t at = 0;

	if (bytes < 0) {
		buf_char(out, '-');
		bytes = -bytes;
	}
	while (at < 5 && bytes >= 1023.5) {
		bytes /= 1024;
		at++;
	}
	print_number(out, bytes);
	buf_str(out, unit[at]);
}

/* The digits of `value` (0 < value < inf) without a point, and the power of ten of the first one. */
static int shortest_digits(double value, char digits[20], int *ret_exponent)
{
	char text[DOUBLE_TEXT];
	int count = 0, precision;

	for (precision = 0; precision < 17; precision++) {
		snprintf(text, sizeof(text), "%.*e", precision, value);
		if (strtod(text, NULL) == value)
			break;
	}
	for (const char *at = text; *at != 'e'; at++)
		if (*at != '.')
			digits[count++] = *at;
	*ret_exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10);
	while (count > 1 && digits[count - 1] == '0')
		count--;
	digits[count] = 0;
	return count;
}

size_t print_double(char *ret, double value)
{
	const char *sign = signbit(value) ? "-" : "";
	char digits[20];
	int count, exponent;

	if (isnan(value))
		return (size_t)snprintf(ret, DOUBLE_TEXT, "NaN");
	if (isinf(value))
		return (size_t)snprintf(ret, DOUBLE_TEXT, "%sInf", *sign ? sign : "+");
	if (value == 0)
		return (size_t)snprintf(ret, DOUBLE_TEXT, "%s0.0", sign);
	count = shortest_digits(fabs(value), digits, &exponent);
	if (exponent < -4 || exponent >= 6) /* where Go's %g turns to exponents */
		return (size_t)snprintf(ret, DOUBLE_TEXT, "%s%c%s%se%c%02d", sign, digits[0],
					count > 1 ? "." : "", digits + 1, exponent < 0 ? '-' : '+',
					abs(exponent));
	if (exponent < 0)
		return (size_t)snprintf(ret, DOUBLE_TEXT, "%s0.%.*s%s", sign, -exponent - 1, "0000",
					digits);
	if (count <= exponent + 1)
		return (size_t)snprintf(ret, DOUBLE_TEXT, "%s%s%.*s.0", sign, digits,
					exponent + 1 - count, "000000");
	return (size_t)snprintf(ret, DOUBLE_TEXT, "%s%.*s.%s", sign, exponent + 1, digits,
				digits + exponent + 1);
}
