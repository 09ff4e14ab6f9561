// SPDX-License-Identifier: GPL-2.0-only
/* Canaries in every place a secret may stand: none may come out; what is innocent stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "protocol/mask.h"

static const struct {
	const char *url, *masked;
} urls[] = {
	{"/", "/"},
	{"", ""},
	{"/users/7?page=2&sort=name", "/users/7?page=2&sort=name"},
	{"/login?user=bob&password=CANARY", "/login?user=bob&password=***"},
	{"/x?access_token=CANARY&b=1", "/x?access_token=***&b=1"},
	{"/x?API-KEY=CANARY;X-Amz-Signature=CANARY", "/x?API-KEY=***;X-Amz-Signature=***"},
	{"/x?to%6Ben=CANARY", "/x?to%6Ben=***"},
	{"/x?user%5Bpassword%5D=CANARY", "/x?user%5Bpassword%5D=***"},
	{"/cb?code=CANARY&state=1", "/cb?code=***&state=1"},
	{"/monkey?keyboard=us&author=bob&encode=utf8",
	 "/monkey?keyboard=us&author=bob&encode=utf8"},
	{"/x?next=https%3A%2F%2Fa.example%2F%3Ftoken%3DCANARY", "/x?next=***"},
	{"/x?next=https%253A%252F%252Fa%253Fpassword%253DCANARY", "/x?next=***"},
	{"/x?next=%2Fhome%3Fpage%3D2", "/x?next=%2Fhome%3Fpage%3D2"},
	{"http://bob:CANARY@shop.example:80/x?y=http://z",
	 "http://***@shop.example:80/x?y=http://z"},
	{"https://CANARY@shop.example", "https://***@shop.example"},
	{"ftp://a:CAN@RY@host/x", "ftp://***@host/x"},
	{"/x;jsessionid=CANARY/y", "/x;jsessionid=***/y"},
	{"/reset/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJDQU5BUlkifQ.sig/ok", "/reset/***/ok"},
	{"/reset/d41d8cd98f00b204e9800998ecf8427e", "/reset/***"},
	{"/orders/550e8400-e29b-41d4-a716-446655440000",
	 "/orders/550e8400-e29b-41d4-a716-446655440000"},
	{"/x?v=aB3dE5fG7hJ9kL1mN3pQ", "/x?v=***"},
	{"/x?aB3dE5fG7hJ9kL1mN3pQ", "/x?***"},
	{"/x?id=AKIAIOSFODNN7EXAMPLE", "/x?id=***"},
	{"/x?empty=&token=", "/x?empty=&token="},
	{"/x?&&", "/x?&&"},
	{"*", "*"},
	{"shop.example:443", "shop.example:443"},
};

static void masks_urls(void **state)
{
	for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
		char out[600];

		mask_url(span_of(urls[i].url), out, sizeof(out));
		assert_string_equal(out, urls[i].masked);
		assert_null(strstr(out, "CANARY"));
	}
}

static void masked_once_is_masked_for_good(void **state)
{
	for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
		char out[600];

		mask_url(span_of(urls[i].masked), out, sizeof(out));
		assert_string_equal(out, urls[i].masked);
	}
}

/* Cut to what is kept of it, a URL may end inside a token, too short to look like one. */
static void a_torn_end_is_held_to_a_stricter_measure(void **state)
{
	char url[513] = "/", out[600];

	memset(url + 1, 'a', sizeof(url) - 2);
	memcpy(url + 300, "?v=", 3);
	memcpy(url + 500, "&x=k7d2m9xq2", 12);
	url[512] = 0;
	mask_url(span_of(url), out, sizeof(out));
	assert_string_equal(out + strlen(out) - 6, "&x=***");
	url[511] = 0;
	mask_url(span_of(url), out, sizeof(out));
	assert_string_equal(out + strlen(out) - 11, "&x=k7d2m9xq");
}

static const struct {
	const char *name, *value, *masked;
} headers[] = {
	{"Authorization", "Bearer CANARY", "Bearer ***"},
	{"proxy-authorization", "Basic CANARY==", "Basic ***"},
	{"authorization", "CANARY", "***"},
	{"Cookie", "a=CANARY; b=2", "***"},
	{"Set-Cookie", "a=CANARY", "***"},
	{"X-Api-Key", "CANARY", "***"},
	{"X-Auth-Token", "CANARY", "***"},
	{"x-custom", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0", "***"},
	{"Referer", "https://a.example/?token=CANARY", "https://a.example/?token=***"},
	{"Content-Type", "text/html; charset=utf-8", "text/html; charset=utf-8"},
	{"User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
	 "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"},
	{"x-request-id", "550e8400-e29b-41d4-a716-446655440000",
	 "550e8400-e29b-41d4-a716-446655440000"},
	{"Host", "shop.example", "shop.example"},
};

static void masks_headers(void **state)
{
	for (size_t i = 0; i < sizeof(headers) / sizeof(*headers); i++) {
		char out[600];

		mask_header(span_of(headers[i].name), span_of(headers[i].value), out, sizeof(out));
		assert_string_equal(out, headers[i].masked);
	}
}

static const struct {
	const char *text, *masked;
} texts[] = {
	{"unknown command 'NOSUCH', with args beginning with: 'CANARY' 'x'",
	 "unknown command '***', with args beginning with: '***' '***'"},
	{"Duplicate entry 'bob@shop.example' for key 'users.email'",
	 "Duplicate entry '***' for key '***'"},
	{"relation \"CANARY\" does not exist", "relation \"***\" does not exist"},
	{"Operation against a key holding the wrong kind of value",
	 "Operation against a key holding the wrong kind of value"},
	{"can't find bob@shop.example, id 12345678, line 12", "can't find ***, id ***, line 12"},
	{"never ends 'CANARY", "never ends '***"},
	{"bad token eyJhbGciOiJIUzI1NiJ9xyz", "bad token ***"},
	{"", ""},
};

static void masks_words_of_errors(void **state)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		char out[600];

		mask_text(span_of(texts[i].text), out, sizeof(out));
		assert_string_equal(out, texts[i].masked);
		assert_null(strstr(out, "CANARY"));
	}
}

static void stays_within_its_room(void **state)
{
	for (size_t room = 1; room < 60; room++) {
		char *out = malloc(room);

		for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
			assert_true(mask_url(span_of(urls[i].url), out, room) < room);
			assert_null(strstr(out, "CANARY"));
			assert_true(mask_text(span_of(urls[i].url), out, room) < room);
			assert_true(mask_header(span_of("X"), span_of(urls[i].url), out, room) <
				    room);
		}
		free(out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(masks_urls),
		cmocka_unit_test(masked_once_is_masked_for_good),
		cmocka_unit_test(a_torn_end_is_held_to_a_stricter_measure),
		cmocka_unit_test(masks_headers),
		cmocka_unit_test(masks_words_of_errors),
		cmocka_unit_test(stays_within_its_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
