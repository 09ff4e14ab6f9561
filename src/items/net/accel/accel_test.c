// SPDX-License-Identifier: GPL-2.0-only
/* What the configuration says of accel: rules that are right, rules that are not, whom they choose. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/json_read.h"
#include "items/net/accel/policy.c"

static struct arena arena;

static const struct json_node *json_of(const char *text)
{
	const struct json_node *node = NULL;
	struct err why = {};

	arena_clear(&arena);
	if (json_read(span_of(text), &arena, &node, &why))
		fail_msg("%s: %s", text, why.text);
	return node;
}

static void rules_are_read(void **state)
{
	struct policy policy = {};
	struct err why = {};

	assert_int_equal(
		policy_read(
			json_of("[{\"select\": \"namespace = shop\", \"pod_to_pod\": true},"
				" {\"port\": [80, 15001], \"trust\": true},"
				" {\"select\": \"exe ~ envoy and port = 15006\", \"port\": 1}]"),
			&policy, &why),
		0);
	assert_int_equal(policy.rules, 3);
	assert_true(policy.rule[0].across && !policy.rule[0].trust && !policy.rule[0].ports);
	assert_true(!policy.rule[1].across && policy.rule[1].trust);
	assert_null(policy.rule[1].select);
	assert_int_equal(policy.rule[1].ports, 2);
	assert_int_equal(policy.rule[1].port[1], 15001);
	assert_int_equal(policy.rule[2].ports, 2);
	assert_int_equal(policy.rule[2].port[0], 15006);
	assert_int_equal(policy.version, 1);
	/* none is a policy too: nobody */
	assert_int_equal(policy_read(NULL, &policy, &why), 0);
	assert_int_equal(policy.rules, 0);
	assert_int_equal(policy.version, 2);
}

static void mistakes_are_named_and_change_nothing(void **state)
{
	static const struct {
		const char *text, *why;
	} wrong[] = {
		{"{}", "a policy is a list of rules: [{select: \"namespace = shop\"}]"},
		{"[1]",
		 "a rule is {select: ..., labels: ..., port: ..., trust: ..., pod_to_pod: ...}"},
		{"[{\"selct\": \"x\"}]",
		 "a rule has no 'selct'; it has select, labels, port, trust, pod_to_pod"},
		{"[{\"pod_to_pod\": \"yes\"}]", "'pod_to_pod' is true, false or forced"},
		{"[{\"labels\": [\"app\"]}]", "'labels' names labels of pods: {app: web}"},
		{"[{\"labels\": {\"app\": 1}}]", "'labels': the value of 'app' is a text, or a "
						 "list of texts; put \"...\" around it"},
		{"[{\"labels\": {\"app\": []}}]", "'labels': 'app' has no values"},
		{"[{\"select\": 7}]", "'select' is a filter: \"namespace = shop\""},
		{"[{\"trust\": 1}]", "'trust' is true or false"},
		{"[{\"port\": 65536}]", "a port is 1 to 65535, not 65536"},
		{"[{\"port\": 0}]", "a port is 1 to 65535, not 0"},
		{"[{\"port\": \"http\"}]", "'port' is a number or a list of numbers"},
		{"[{\"port\": [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]}]",
		 "a rule names at most 16 ports"},
	};
	struct policy policy = {.version = 7};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct err why = {};

		assert_true(policy_read(json_of(wrong[i].text), &policy, &why) < 0);
		assert_string_equal(why.text, wrong[i].why);
		assert_int_equal(policy.version, 7);
	}
}

static void selects_are_checked(void **state)
{
	struct policy policy = {};
	struct err why = {};

	assert_true(policy_read(json_of("[{\"select\": \"namespce = shop\"}]"), &policy, &why) < 0);
	assert_true(policy_read(json_of("[{\"select\": \"namespace = = shop\"}]"), &policy, &why) <
		    0);
}

static void too_many_rules_are_refused(void **state)
{
	struct policy policy = {};
	struct err why = {};
	char text[1024] = "[{}";

	for (int i = 1; i < ACCEL_RULES; i++)
		strncat(text, ",{}", sizeof(text) - strlen(text) - 1);
	strncat(text, "]", sizeof(text) - strlen(text) - 1);
	assert_int_equal(policy_read(json_of(text), &policy, &why), 0);
	text[strlen(text) - 1] = 0;
	strncat(text, ",{}]", sizeof(text) - strlen(text) - 1);
	assert_int_equal(policy_read(json_of(text), &policy, &why), -E2BIG);
	policy_done(&policy);
}

static void rules_choose_by_who_it_is(void **state)
{
	const struct who shop = {.pid = 7,
				 .process = span_of("nginx"),
				 .exe = span_of("/usr/sbin/nginx"),
				 .namespace = span_of("shop"),
				 .pod = span_of("web-1")},
			 nobody = {.pid = 8,
				   .process = span_of("sshd"),
				   .exe = span_of("/usr/sbin/sshd")};
	struct policy policy = {};
	struct arena own;
	struct err why = {};

	arena_init(&own, 64 * 1024);
	assert_int_equal(policy_read(json_of("[{\"select\": \"namespace = shop\"}, {\"select\": "
					     "\"exe ~ \\\"nginx$\\\" and port = 80\"},"
					     " {\"select\": \"process = sshd\"}, {}]"),
				     &policy, &why),
			 0);
	assert_int_equal(policy_select(&policy, &shop, &own), 0xb);
	assert_int_equal(policy_select(&policy, &nobody, &own), 0xc);
	policy_done(&policy);
	arena_done(&own);
}

static void rules_choose_by_labels(void **state)
{
	static const struct {
		const char *labels;
		uint64_t selected;
	} pods[] = {
		{"", 0},
		{",", 0},
		{",app=web,", 1},
		{",app=web,tier=front,", 3},
		{",tier=back,x=y,app=web,", 3},
		{",app=webs,tier=front,", 0},
		{",tier=front,", 0},
		{",my/app=web,tier=front,", 0},
		{",app=web,tier=fronts,", 1},
		{",example.com/app=web,", 4},
	};
	struct policy policy = {};
	struct arena own;
	struct err why = {};

	arena_init(&own, 64 * 1024);
	assert_int_equal(
		policy_read(json_of("[{\"labels\": {\"app\": \"web\"}}, {\"labels\": {\"app\": "
				    "\"web\", \"tier\": [\"front\", \"back\"]}},"
				    " {\"labels\": {\"example.com/app\": \"web\"}, "
				    "\"pod_to_pod\": \"forced\"}]"),
			    &policy, &why),
		0);
	assert_true(policy.rule[2].across && policy.rule[2].forced && !policy.rule[1].across);
	for (size_t i = 0; i < sizeof(pods) / sizeof(*pods); i++) {
		struct who who = {.pid = 1, .labels = span_of(pods[i].labels)};

		assert_int_equal(policy_select(&policy, &who, &own), pods[i].selected);
	}
	policy_done(&policy);
	arena_done(&own);
}

static int start(void **state)
{
	arena_init(&arena, 1 << 20);
	return 0;
}

static int finish(void **state)
{
	arena_done(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_are_read),
		cmocka_unit_test(mistakes_are_named_and_change_nothing),
		cmocka_unit_test(selects_are_checked),
		cmocka_unit_test(too_many_rules_are_refused),
		cmocka_unit_test(rules_choose_by_who_it_is),
		cmocka_unit_test(rules_choose_by_labels),
	};

	return cmocka_run_group_tests(tests, start, finish);
}
