// SPDX-License-Identifier: GPL-2.0-only
/* Lines, words and numbers of the kernel's files; of broken ones nothing is made up. */
#include "items/procfile.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

int item_open(struct item *item, const char *path)
{
	return -ENOENT;
}

static void lines_and_words_are_cut(void **state)
{
	struct span text = span_of("one  two\t3\n\n last"), line, word;

	assert_true(next_line(&text, &line));
	assert_true(next_word(&line, &word) && span_is(word, "one"));
	assert_true(next_word(&line, &word) && span_is(word, "two"));
	assert_int_equal(next_number(&line), 3);
	assert_false(next_word(&line, &word));
	assert_true(next_line(&text, &line) && line.len == 0);
	assert_true(next_line(&text, &line) && span_is(line, " last"));
	assert_false(next_line(&text, &line));
}

static void numbers_are_whole_or_none(void **state)
{
	static const char *const wrong[] = {
		"", "-1", "1x", "max", " 1", "18446744073709551616", "99999999999999999999"};
	uint64_t number = 7;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_false(number_of(span_of(wrong[i]), &number));
	assert_int_equal(number, 7);
	assert_true(number_of(span_of("18446744073709551615"), &number) && number == UINT64_MAX);
	assert_true(number_of(span_of("0"), &number) && number == 0);
}

static void fields_are_found_by_their_whole_name(void **state)
{
	struct span text =
		span_of("oom 1\noom_kill 2\nMemTotal:       16 kB\noom_kill_x 3\nempty\n");
	uint64_t value = 0;

	assert_true(field_of(text, "oom_kill", &value) && value == 2);
	assert_true(field_of(text, "MemTotal", &value) && value == 16);
	assert_true(field_of(text, "oom", &value) && value == 1);
	assert_false(field_of(text, "kill", &value));
	assert_false(field_of(text, "empty", &value));
}

static void pressure_is_read(void **state)
{
	struct pressure both = pressure_of(
				span_of("some avg10=1.53 avg60=1.00 avg300=0.00 total=123456789\n"
					"full avg10=0.00 avg60=0.00 avg300=0.00 total=77\n")),
			some = pressure_of(span_of("some avg10=0.00 total=5\n")),
			none = pressure_of(span_of("some avg10=0.00 total=x\nfull\n\n"));

	assert_true(both.has_some && both.some_us == 123456789);
	assert_true(both.has_full && both.full_us == 77);
	assert_true(some.has_some && !some.has_full && some.some_us == 5);
	assert_false(none.has_some || none.has_full);
}

static void files_are_read_whole(void **state)
{
	struct buf out;

	buf_init(&out, PROCFILE_BYTES);
	assert_int_equal(procfile_read(NULL, "/proc/self/stat", &out), 0);
	assert_int_equal(strtol(buf_text(&out), NULL, 10), getpid());
	assert_int_equal(procfile_read(NULL, "/proc/no-such-file", &out), -ENOENT);
	assert_int_equal(out.len, 0);
	assert_int_equal(procfile_read(NULL, "/proc", &out), -EISDIR);
	buf_done(&out);

	buf_init(&out, 10); /* what does not fit is left out */
	assert_int_equal(procfile_read(NULL, "/proc/self/status", &out), 0);
	assert_string_equal(buf_text(&out), "Name:\tproc");
	assert_int_equal(out.len, 10);
	buf_done(&out);
}

/* Any bytes: no read beyond them (the sanitizer looks), and every cut comes to an end. */
static void any_bytes_come_to_an_end(void **state)
{
	unsigned seed = (unsigned)time(NULL);

	print_message("seed %u\n", seed);
	srand(seed);
	for (int round = 0; round < 20000; round++) {
		size_t len = (size_t)rand() % 64;
		uint8_t *bytes = malloc(len ? len : 1);
		struct span text = {bytes, len}, line, word;
		uint64_t value;

		for (size_t i = 0; i < len; i++)
			bytes[i] = (uint8_t) " \n\t:0123totalsomefull=\xff"[rand() % 25];
		pressure_of(text);
		field_of(text, "total", &value);
		while (next_line(&text, &line))
			while (next_word(&line, &word))
				number_of(word, &value);
		free(bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_and_words_are_cut),
		cmocka_unit_test(numbers_are_whole_or_none),
		cmocka_unit_test(fields_are_found_by_their_whole_name),
		cmocka_unit_test(pressure_is_read),
		cmocka_unit_test(files_are_read_whole),
		cmocka_unit_test(any_bytes_come_to_an_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
