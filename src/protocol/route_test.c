// SPDX-License-Identifier: GPL-2.0-only
/* Paths of real services: what is an id goes, what is a name stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#include "protocol/route.h"

static const struct {
	const char *path, *route;
} paths[] = {
	{"/", "/"},
	{"", ""},
	{"*", "*"},
	{"/users/123/orders/550e8400-e29b-41d4-a716-446655440000", "/users/:id/orders/:uuid"},
	{"/users/7?token=secret&x=1", "/users/:id"},
	{"/users/7;jsessionid=ABC123/edit#top", "/users/:id/edit"},
	{"/api/v1/pods", "/api/v1/pods"},
	{"/api/v2beta1/namespaces/default/pods/web-7d4b9c6f5d-x2x9z",
	 "/api/v2beta1/namespaces/default/pods/web-:hash-x2x9z"},
	{"/static/app.3f2a1b9c.js", "/static/app.:hash.js"},
	{"/static/jquery-3.6.0.min.js", "/static/jquery-:id.6.0.min.js"},
	{"/commit/9fceb02d0ae598e95dc970b74767f19372d61af8", "/commit/:hash"},
	{"/blobs/sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	 "/blobs/sha256::hash"},
	{"/objects/d41d8cd98f00b204e9800998ecf8427e", "/objects/:hash"},
	{"/reports/2024-05-01", "/reports/:date"},
	{"/reports/2024-05-01T10:00:00Z", "/reports/:date"},
	{"/hosts/10.0.0.7/ports", "/hosts/:ip/ports"},
	{"/hosts/fd00::7", "/hosts/:ip"},
	{"/invite/bob@shop.example", "/invite/:email"},
	{"/invite/bob%40shop.example", "/invite/:email"},
	{"/tickets/INC0012345", "/tickets/INC:id"},
	{"/invoice-20311.pdf", "/invoice-:id.pdf"},
	{"/reset/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3jVmNHl0w5N", "/reset/:token"},
	{"/s/k7d2m9xq", "/s/:token"},
	{"/s/dQw4w9WgXcQ", "/s/:token"},
	{"/files/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/files/:token"},
	{"/wiki/%E4%BD%A0%E5%A5%BD", "/wiki/:text"},
	{"/sha256sum/base64url/utf8mb4/mp3", "/sha256sum/base64url/utf8mb4/mp3"},
	{"/getUserProfileSettingsV2/decade/facade", "/getUserProfileSettingsV2/decade/facade"},
	{"/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Check"},
	{"/a b\x01", "/a_b_"},
	{"/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17",
	 "/:id/:id/:id/:id/:id/:id/:id/:id/:id/:id/:id/:id/:id/:id/:id/..."},
};

static void ids_go_and_names_stay(void **state)
{
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		char out[ROUTE_MAX];
		size_t len = route_of_path(span_of(paths[i].path), out, sizeof(out));

		assert_string_equal(out, paths[i].route);
		assert_int_equal(len, strlen(out));
	}
}

/* A route made of a route is the same: they are compared, and stored, and made again. */
static void is_its_own_route(void **state)
{
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		char out[ROUTE_MAX];

		route_of_path(span_of(paths[i].route), out, sizeof(out));
		assert_string_equal(out, paths[i].route);
	}
}

static void stays_within_its_room(void **state)
{
	char path[600] = "/";

	memset(path + 1, 'a', sizeof(path) - 2);
	for (size_t room = 1; room < 40; room++) {
		char *out = malloc(room);

		for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
			assert_true(route_of_path(span_of(paths[i].path), out, room) < room);
		assert_true(route_of_path(span_of(path), out, room) < room);
		assert_true(route_of_name(span_of("a.b.example.com"), out, room) < room);
		free(out);
	}
}

static void names_of_dns_likewise(void **state)
{
	char out[ROUTE_MAX];

	route_of_name(span_of("7.0.0.10.in-addr.arpa"), out, sizeof(out));
	assert_string_equal(out, "*.in-addr.arpa");
	route_of_name(span_of("www.shop.example"), out, sizeof(out));
	assert_string_equal(out, "www.shop.example");
	route_of_name(span_of("d41d8cd98f00b204e9800998ecf8427e.cdn.example"), out, sizeof(out));
	assert_string_equal(out, ":hash.cdn.example");
}

/* The short way for simple segments says what the rules say. */
static void simple_segments_follow_the_rules(void **state)
{
	unsigned seed = getenv("SEED") ? (unsigned)atoi(getenv("SEED")) : (unsigned)time(NULL);

	print_message("SEED=%u\n", seed);
	srand(seed);
	for (int n = 0; n < 200000; n++) {
		char word[24] = "", route[64];
		size_t len = 1 + (size_t)rand() % 20, tail = 0;
		int digits = rand() % 3; /* none, some, many */

		for (size_t i = 0; i < len; i++) {
			bool is_digit = rand() % 4 < digits;

			word[i] = is_digit ? (char)('0' + rand() % 10) : (char)('a' + rand() % 26);
			tail = is_digit ? tail + 1 : 0;
		}
		route_of_path(span_of(word), route, sizeof(route));
		if (word_kind(span_of(word)) != WORD_NAME)
			assert_int_equal(route[0], ':');
		else if (tail >= 4)
			assert_string_equal(route + len - tail, ":id");
		else
			assert_string_equal(route, word);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_go_and_names_stay),
		cmocka_unit_test(is_its_own_route),
		cmocka_unit_test(stays_within_its_room),
		cmocka_unit_test(simple_segments_follow_the_rules),
		cmocka_unit_test(names_of_dns_likewise),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
