// SPDX-License-Identifier: GPL-2.0-only
/* Quantities: what people write is read exactly, what they read has three digits, doubles come back. */
#include "base/units.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

static const struct { const char *text; enum quantity_kind kind; double value; bool is_whole; } good[] = {
	{"12", QUANTITY_PLAIN, 12, true},
	{"-12", QUANTITY_PLAIN, -12, true},
	{"+1.5", QUANTITY_PLAIN, 1.5, false},
	{".5", QUANTITY_PLAIN, 0.5, false},
	{"1e3", QUANTITY_PLAIN, 1000, false},
	{"2k", QUANTITY_PLAIN, 2000, true},
	{"100ms", QUANTITY_NS, 1e8, true},
	{"1.5s", QUANTITY_NS, 1.5e9, false},
	{"3us", QUANTITY_NS, 3000, true},
	{"3\xc2\xb5s", QUANTITY_NS, 3000, true},
	{"2h", QUANTITY_NS, 7.2e12, true},
	{"4KiB", QUANTITY_BYTES, 4096, true},
	{"1MB", QUANTITY_BYTES, 1e6, true},
	{"5%", QUANTITY_PERCENT, 5, true},
	{"18446744073709551615", QUANTITY_PLAIN, 18446744073709551615.0, true},
	{"18446744073709551616", QUANTITY_PLAIN, 18446744073709551616.0, false},
	{"9007199254740993", QUANTITY_PLAIN, 9007199254740992.0, true},
};

static const char *const bad[] = {"", "-", ".", "ms", "12 ms", "1x", "1e", "0x10", "1.2.3", "--1", "1msms", "e5",
				  "1e999", "nan", "inf", "99999999999999999999999999999999999999999999999999999"};

static void quantities_are_read(void **state)
{
	struct quantity quantity;

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_true(quantity_parse(span_of(good[i].text), &quantity));
		assert_int_equal(quantity.kind, good[i].kind);
		assert_true(quantity.value == good[i].value);
		assert_int_equal(quantity.is_whole, good[i].is_whole);
	}
	assert_true(quantity_parse(span_of("-9007199254740993"), &quantity));
	assert_true(quantity.is_negative);
	assert_int_equal(quantity.whole, 9007199254740993);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(quantity_parse(span_of(bad[i]), &quantity));
}

static const struct { double value; const char *duration, *bytes, *number; } printed[] = {
	{0, "0 ns", "0 B", "0"},
	{999, "999 ns", "999 B", "999"},
	{999.6, "1 us", "1000 B", "1000"},
	{1500, "1.5 us", "1.46 KiB", "1500"},
	{12345678, "12.3 ms", "11.8 MiB", "12345678"},
	{999499, "999 us", "976 KiB", "999499"},
	{999500, "1 ms", "976 KiB", "999500"},
	{-1500, "-1.5 us", "-1.46 KiB", "-1500"},
	{59.9e9, "59.9 s", "55.8 GiB", "59900000000"},
	{125e9, "2m05s", "116 GiB", "125000000000"},
	{3720e9, "1h02m", "3.38 TiB", "3720000000000"},
	{266400e9, "3d02h", "242 TiB", "266400000000000"},
	{0.5, "0.5 ns", "0.5 B", "0.5"},
	{0.0123, "0.012 ns", "0.012 B", "0.012"},
};

static void three_digits_and_the_unit_that_suits(void **state)
{
	for (size_t i = 0; i < sizeof(printed) / sizeof(*printed); i++) {
		struct buf buf;

		buf_init(&buf, 100);
		print_duration(&buf, printed[i].value);
		assert_string_equal(buf_text(&buf), printed[i].duration);
		buf_clear(&buf);
		print_bytes(&buf, printed[i].value);
		assert_string_equal(buf_text(&buf), printed[i].bytes);
		buf_clear(&buf);
		print_number(&buf, printed[i].value);
		assert_string_equal(buf_text(&buf), printed[i].number);
		buf_done(&buf);
	}
}

/* Spellings of the canonical numbers in the OpenMetrics specification. */
static const struct { double value; const char *text; } canonical[] = {
	{0, "0.0"}, {1, "1.0"}, {10, "10.0"}, {100000, "100000.0"}, {1e6, "1e+06"}, {1.5e6, "1.5e+06"},
	{1e10, "1e+10"}, {0.1, "0.1"}, {0.001, "0.001"}, {0.0001, "0.0001"}, {1e-5, "1e-05"},
	{1.024e-6, "1.024e-06"}, {2.5, "2.5"}, {123456.5, "123456.5"}, {-1, "-1.0"}, {1e100, "1e+100"},
	{INFINITY, "+Inf"}, {-INFINITY, "-Inf"}, {NAN, "NaN"},
};

static void doubles_have_one_spelling(void **state)
{
	char text[DOUBLE_TEXT];

	for (size_t i = 0; i < sizeof(canonical) / sizeof(*canonical); i++) {
		assert_int_equal(print_double(text, canonical[i].value), strlen(canonical[i].text));
		assert_string_equal(text, canonical[i].text);
	}
}

static void any_double_reads_back_the_same(void **state)
{
	unsigned seed = (unsigned)time(NULL);

	print_message("seed %u\n", seed);
	srandom(seed);
	for (int i = 0; i < 100000; i++) {
		uint64_t bits = (uint64_t)random() << 33 ^ (uint64_t)random() << 12 ^ (uint64_t)random();
		char text[DOUBLE_TEXT];
		double value;

		memcpy(&value, &bits, sizeof(value));
		if (!isfinite(value))
			continue;
		assert_in_range(print_double(text, value), 3, DOUBLE_TEXT - 1);
		assert_true(strtod(text, NULL) == value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantities_are_read),
		cmocka_unit_test(three_digits_and_the_unit_that_suits),
		cmocka_unit_test(doubles_have_one_spelling),
		cmocka_unit_test(any_double_reads_back_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
