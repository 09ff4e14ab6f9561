// SPDX-License-Identifier: GPL-2.0-only
/* Who may do what: every combination of address, token, host and origin. */
#include "serve/auth.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define TOKEN "0123456789abcdef0123"
#define RIGHT "Bearer " TOKEN

static const char *const hosts[] = {"sonde.example", NULL};

static const struct {
	enum listener_kind kind;
	const char *host, *origin, *authorization;
	bool changes;
	int status;
	bool may_change;
} cases[] = {
	{LISTENER_UNIX, "x", NULL, NULL, true, 0, true},
	{LISTENER_UNIX, "x", "http://evil", "Bearer wrong", true, 0, true},

	{LISTENER_LOOPBACK, "127.0.0.1:8470", NULL, NULL, false, 0, false},
	{LISTENER_LOOPBACK, "localhost", NULL, NULL, false, 0, false},
	{LISTENER_LOOPBACK, "LocalHost:9000", NULL, NULL, false, 0, false},
	{LISTENER_LOOPBACK, "127.8.9.1", NULL, NULL, false, 0, false},
	{LISTENER_LOOPBACK, "[::1]:8470", NULL, NULL, false, 0, false},
	{LISTENER_LOOPBACK, "sonde.example:80", NULL, NULL, false, 0, false},
	{LISTENER_LOOPBACK, "evil.example", NULL, NULL, false, 403, false},
	{LISTENER_LOOPBACK, "127.0.0.1.evil.example", NULL, NULL, false, 403, false},
	{LISTENER_LOOPBACK, "10.0.0.1", NULL, NULL, false, 403, false},
	{LISTENER_LOOPBACK, "[::2]", NULL, NULL, false, 403, false},
	{LISTENER_LOOPBACK, "", NULL, NULL, false, 403, false},
	{LISTENER_LOOPBACK, "localhost@evil", NULL, NULL, false, 403, false},
	{LISTENER_LOOPBACK, "localhost:1", "http://localhost:1", NULL, false, 0, false},
	{LISTENER_LOOPBACK, "localhost:1", "http://localhost:2", NULL, false, 403, false},
	{LISTENER_LOOPBACK, "localhost:1", "https://evil.example", NULL, false, 403, false},
	{LISTENER_LOOPBACK, "localhost:1", "null", NULL, false, 403, false},
	{LISTENER_LOOPBACK, "localhost:1", "", NULL, false, 403, false},
	{LISTENER_LOOPBACK, "localhost:1", NULL, NULL, true, 401, false},
	{LISTENER_LOOPBACK, "localhost:1", "http://localhost:1", NULL, true, 401, false},
	{LISTENER_LOOPBACK, "localhost:1", NULL, RIGHT, true, 0, true},
	{LISTENER_LOOPBACK, "evil.example", "http://x", RIGHT, true, 0, true},
	{LISTENER_LOOPBACK, "localhost:1", NULL, "bearer  " TOKEN, true, 0, true},
	{LISTENER_LOOPBACK, "localhost:1", NULL, "Bearer " TOKEN "x", false, 401, false},
	{LISTENER_LOOPBACK, "localhost:1", NULL, "Bearer 0123456789abcdef012", true, 401, false},
	{LISTENER_LOOPBACK, "localhost:1", NULL, "Bearer " TOKEN TOKEN, true, 401, false},
	{LISTENER_LOOPBACK, "localhost:1", NULL, "Basic " TOKEN, true, 401, false},
	{LISTENER_LOOPBACK, "localhost:1", NULL, "Bearer", true, 401, false},
	{LISTENER_LOOPBACK, "localhost:1", NULL, "", true, 401, false},

	{LISTENER_PUBLIC, "localhost", NULL, NULL, false, 401, false},
	{LISTENER_PUBLIC, "host.example", NULL, RIGHT, false, 0, true},
	{LISTENER_PUBLIC, "host.example", NULL, RIGHT, true, 0, true},
	{LISTENER_PUBLIC, "host.example", NULL, "Bearer nonono", false, 401, false},
};

static struct http_request request_of(const char *host, const char *origin,
				      const char *authorization)
{
	struct http_request request = {.host = span_of(host)};

	if (origin)
		request.field[request.fields++] =
			(struct http_field){span_of("Origin"), span_of(origin)};
	if (authorization)
		request.field[request.fields++] =
			(struct http_field){span_of("Authorization"), span_of(authorization)};
	return request;
}

static void rights_follow_from_address_and_token(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct http_request request =
			request_of(cases[i].host, cases[i].origin, cases[i].authorization);
		struct auth auth = {};
		struct verdict verdict;

		assert_int_equal(auth_set_token(&auth, span_of(TOKEN "\n"), NULL), 0);
		assert_int_equal(auth_set_hosts(&auth, hosts), 0);
		verdict = auth_judge(&auth, cases[i].kind, &request, cases[i].changes, 1);
		if (verdict.status != cases[i].status || verdict.may_change != cases[i].may_change)
			fail_msg("case %zu: %d", i, verdict.status);
		if (verdict.status) {
			assert_non_null(verdict.error);
			assert_non_null(verdict.hint);
		}
		auth_done(&auth);
	}
}

static void without_a_token_no_token_fits(void **state)
{
	static const char *const given[] = {"Bearer ", "Bearer x", "Bearer \t", ""};

	for (size_t i = 0; i < sizeof(given) / sizeof(*given); i++) {
		struct http_request request = request_of("localhost", NULL, given[i]);
		struct auth auth = {};

		assert_int_equal(auth_judge(&auth, LISTENER_LOOPBACK, &request, true, 1).status,
				 401);
		assert_int_equal(auth_judge(&auth, LISTENER_PUBLIC, &request, false, 1).status,
				 401);
	}
}

static void guessing_is_slowed_down_and_the_right_token_is_not(void **state)
{
	struct http_request wrong = request_of("localhost", NULL, "Bearer wrong");
	struct http_request right = request_of("localhost", NULL, RIGHT);
	uint64_t now = 5000000000;
	struct auth auth = {};
	int last = 0;

	auth_set_token(&auth, span_of(TOKEN), NULL);
	for (int i = 0; i < 20; i++)
		last = auth_judge(&auth, LISTENER_PUBLIC, &wrong, false, now).status;
	assert_int_equal(last, 429);
	assert_int_equal(auth_judge(&auth, LISTENER_PUBLIC, &right, false, now).status, 0);
	assert_int_equal(auth_judge(&auth, LISTENER_PUBLIC, &wrong, false, now + 1000000000).status,
			 401);
}

static void tokens_that_can_be_guessed_or_sent_wrong_are_refused(void **state)
{
	struct auth auth = {};
	struct err why = {};
	char big[TOKEN_MOST + 1];

	memset(big, 'a', sizeof(big));
	assert_int_equal(auth_set_token(&auth, span_of("short"), &why), -EINVAL);
	assert_int_equal(auth_set_token(&auth, span_of("with blanks in the middle"), &why),
			 -EINVAL);
	assert_int_equal(
		auth_set_token(&auth, (struct span){(const uint8_t *)big, sizeof(big)}, &why),
		-EINVAL);
	assert_int_equal(auth_set_token(&auth, span_of("  \n"), &why), 0);
	assert_int_equal(auth.token_len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rights_follow_from_address_and_token),
		cmocka_unit_test(without_a_token_no_token_fits),
		cmocka_unit_test(guessing_is_slowed_down_and_the_right_token_is_not),
		cmocka_unit_test(tokens_that_can_be_guessed_or_sent_wrong_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
