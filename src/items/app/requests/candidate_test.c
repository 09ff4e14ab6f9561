// SPDX-License-Identifier: GPL-2.0-only
/* candidate: never no to a capture of a protocol that we read, mostly no to random bytes. */
#include "items/app/requests/candidate.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

#include "protocol/capture.h"
#include "protocol/infer.h"

static bool is_ours(const char *name)
{
	static const char *const of_others[] = {"other", "http2", "dns.udp", "late"};

	for (size_t i = 0; i < sizeof(of_others) / sizeof(*of_others); i++)
		if (!strncmp(name, of_others[i], strlen(of_others[i])))
			return false;
	return true;
}

static int ask(struct span bytes)
{
	uint8_t first[CANDIDATE_BYTES] = {};

	memcpy(first, bytes.at, bytes.len < sizeof(first) ? bytes.len : sizeof(first));
	return candidate_of_stream(first, (unsigned)bytes.len);
}

/* The kernel half drops calls until it meets the first candidate; that must be the first message of a capture. */
static void takes_the_first_bytes_of_every_capture(void **state)
{
	char names[128][64];
	size_t n = capture_names(TESTDATA, names, 128), seen = 0;

	for (size_t i = 0; i < n; i++) {
		struct capture capture;

		if (!is_ours(names[i]) || !capture_load(&capture, TESTDATA, names[i]))
			continue;
		if (!ask(capture.steps[0].bytes))
			fail_msg("%s: the first bytes are no candidate", names[i]);
		seen++;
		capture_done(&capture);
	}
	assert_true(seen > 20);
}

static void takes_datagrams_of_dns(void **state)
{
	struct capture capture;

	assert_true(capture_load(&capture, TESTDATA, "dns.udp"));
	for (size_t i = 0; i < capture.n; i++)
		assert_true(candidate_is_dns(capture.steps[i].bytes.at));
	capture_done(&capture);
}

static void takes_few_random_bytes(void **state)
{
	uint64_t seed = 42, taken = 0;
	uint8_t bytes[CANDIDATE_BYTES];

	print_message("seed %llu\n", (unsigned long long)seed);
	for (int i = 0; i < 100000; i++) {
		for (size_t n = 0; n < sizeof(bytes); n++) {
			seed = seed * 6364136223846793005ull + 1442695040888963407ull;
			bytes[n] = (uint8_t)(seed >> 56);
		}
		taken += candidate_of_stream(bytes, 1000) != 0;
	}
	print_message("%llu of 100000\n", (unsigned long long)taken);
	assert_true(taken < 15000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_the_first_bytes_of_every_capture),
		cmocka_unit_test(takes_datagrams_of_dns),
		cmocka_unit_test(takes_few_random_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
