// SPDX-License-Identifier: GPL-2.0-only
/* Pods come by annotations and lists, keep their addresses apart, and stay their minute after they left. */
#include "world/pod/pod.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static const struct {
	const char *pod, *owner;
} names[] = {
	{"shop-7d4b9c6f5-x2lqz", "shop"},
	{"shop-front-5c689d88bb-8v2qk", "shop-front"},
	{"pg-0", "pg"},
	{"kafka-broker-12", "kafka-broker"},
	{"kube-proxy-k9x2m", "kube-proxy"},
	{"backup-28391040-zk4fd", "backup"},
	{"one-shot-zk4fd", "one-shot"},
	{"etcd-control-plane", "etcd-control-plane"}, /* static pod: the node's name */
	{"web", "web"},
	{"web-", "web-"},
	{"-0", "-0"},
	{"node-exporter-v2-k9x2m", "node-exporter-v2"},
	{"a-hello-k9x2m", "a-hello"}, /* a word is no hash */
	{"release-20240101", "release-20240101"},
	{"", ""},
};

static void owners_follow_from_the_names_that_controllers_make(void **state)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct span owner = pod_owner(span_of(names[i].pod));

		if (!span_is(owner, names[i].owner))
			fail_msg("%s: '%.*s'", names[i].pod, (int)owner.len, (char *)owner.at);
	}
}

static struct pod_facts pod_of(const char *uid, const char *name, const char *address)
{
	struct pod_facts facts = {.namespace = "default"};

	snprintf(facts.uid, sizeof(facts.uid), "%s", uid);
	snprintf(facts.name, sizeof(facts.name), "%s", name);
	if (address)
		assert_true(addr_parse(span_of(address), facts.address[facts.addresses++]));
	return facts;
}

static const struct pod *at_address(const struct pods *pods, const char *text)
{
	uint8_t addr[ADDR_BYTES];

	assert_true(addr_parse(span_of(text), addr));
	return pods_by_addr(pods, addr);
}

static void the_address_of_a_pod_that_ended_is_free(void **state)
{
	struct pod_facts job = pod_of("1", "backup-28391040-zk4fd", "10.1.0.5"), web = pod_of("2", "web-0", "10.1.0.5");
	struct pods pods;

	pods_init(&pods, 100, 1000);
	pods_note(&pods, &job);
	assert_string_equal(at_address(&pods, "10.1.0.5")->name, "backup-28391040-zk4fd");
	job.has_ended = true; /* the list still says its address */
	pods_note(&pods, &job);
	assert_null(at_address(&pods, "10.1.0.5"));
	pods_note(&pods, &web);
	pods_note(&pods, &job);
	assert_string_equal(at_address(&pods, "10.1.0.5")->name, "web-0");
	assert_non_null(pods_find(&pods, "1"));
	pods_done(&pods);
}

static void pods_that_leave_the_list_stay_a_while(void **state)
{
	struct pod_facts a = pod_of("a", "web-0", "10.0.0.1"), b = pod_of("b", "web-1", "10.0.0.2");
	struct pods pods;

	pods_init(&pods, 10, 60);
	pods_list_begin(&pods);
	pods_list_note(&pods, &a);
	pods_list_note(&pods, &b);
	pods_list_end(&pods, 100);
	assert_string_equal(pods_find(&pods, "a")->owner, "web");
	assert_string_equal(at_address(&pods, "10.0.0.2")->name, "web-1");
	pods_list_begin(&pods);
	pods_list_note(&pods, &b);
	pods_list_end(&pods, 200);
	pods_expire(&pods, 259);
	assert_non_null(pods_find(&pods, "a"));
	assert_non_null(at_address(&pods, "10.0.0.1"));
	pods_expire(&pods, 260);
	assert_null(pods_find(&pods, "a"));
	assert_null(at_address(&pods, "10.0.0.1"));
	assert_non_null(pods_find(&pods, "b"));
	pods_done(&pods);
}

static void an_address_goes_to_its_newest_pod(void **state)
{
	struct pod_facts a = pod_of("a", "web-0", "10.0.0.1"), b = pod_of("b", "db-0", "10.0.0.1");
	struct pods pods;

	pods_init(&pods, 10, 60);
	pods_list_note(&pods, &a);
	pods_list_note(&pods, &b);
	pods_gone(&pods, "a", 1);
	pods_expire(&pods, 100);
	assert_null(pods_find(&pods, "a"));
	assert_string_equal(at_address(&pods, "10.0.0.1")->name, "db-0");
	/* a pod on the node's own network has the node's address */
	a = pod_of("c", "agent-x2lqz", "10.0.0.9");
	a.on_host_network = true;
	pods_list_note(&pods, &a);
	assert_null(at_address(&pods, "10.0.0.9"));
	pods_done(&pods);
}

static void a_pod_without_list_lives_as_long_as_its_containers(void **state)
{
	struct pod_facts a = pod_of("a", "web-0", NULL);
	struct pods pods;
	struct pod *pod;

	pods_init(&pods, 10, 60);
	pod = pods_note(&pods, &a);
	pods_hold(pod);
	pods_hold(pod);
	pods_release(pod, 100);
	pods_list_begin(&pods);
	pods_list_end(&pods, 200); /* an empty list knows nothing of it */
	pods_expire(&pods, 1000);
	assert_non_null(pods_find(&pods, "a"));
	pods_release(pod, 2000);
	pods_expire(&pods, 2059);
	assert_non_null(pods_find(&pods, "a"));
	pods_expire(&pods, 2060);
	assert_null(pods_find(&pods, "a"));
	pods_done(&pods);
}

static void a_full_table_refuses(void **state)
{
	struct pod_facts a = pod_of("a", "a", NULL), b = pod_of("b", "b", NULL),
			 none = pod_of("", "c", NULL);
	struct pods pods;

	pods_init(&pods, 1, 60);
	assert_non_null(pods_note(&pods, &a));
	assert_null(pods_note(&pods, &b));
	assert_null(pods_note(&pods, &none));
	assert_int_equal(pods.refused, 1);
	pods_done(&pods);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(owners_follow_from_the_names_that_controllers_make),
		cmocka_unit_test(the_address_of_a_pod_that_ended_is_free),
		cmocka_unit_test(pods_that_leave_the_list_stay_a_while),
		cmocka_unit_test(an_address_goes_to_its_newest_pod),
		cmocka_unit_test(a_pod_without_list_lives_as_long_as_its_containers),
		cmocka_unit_test(a_full_table_refuses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
