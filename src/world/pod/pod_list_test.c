// SPDX-License-Identifier: GPL-2.0-only
/* Lists and events as an API server and a kubelet write them (shortened). */
#include "world/pod/pod_list.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define UID_A "3d5f8a0e-91b2-4c7d-8e6f-a1b2c3d4e5f6"
#define UID_B "11111111-2222-3333-4444-555555555555"
#define HASH  "2f4e6a8c0b1d3f5a7c9e0b2d4f6a8c1e"
#define ID    "4a7f2b9c1d3e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8"

static const char list[] =
	"{ \"kind\": \"PodList\", \"apiVersion\": \"v1\", \"metadata\": {\"resourceVersion\": "
	"\"1234\"},\n"
	" \"items\": [\n"
	"  {\"metadata\": {\"name\": \"shop-7d4b9c6f5-x2lqz\", \"namespace\": \"store\", \"uid\": "
	"\"" UID_A "\",\n"
	"    \"labels\": {\"app\": \"sh\\\"o[p\", \"pod-template-hash\": \"7d4b9c6f5\"},\n"
	"    \"ownerReferences\": [{\"kind\": \"ReplicaSet\", \"name\": \"shop-7d4b9c6f5\"}]},\n"
	"   \"spec\": {\"nodeName\": \"n1\", \"containers\": [{\"name\": \"web\"}]},\n"
	"   \"status\": {\"phase\": \"Running\", \"podIP\": \"10.1.0.5\", \"podIPs\": [{\"ip\": "
	"\"10.1.0.5\"}, {\"ip\": \"fd00::5\"}],\n"
	"    \"containerStatuses\": [{\"name\": \"web\", \"image\": \"nginx:1.25\", "
	"\"containerID\": \"containerd://" ID "\"},\n"
	"     {\"name\": \"waiting\", \"image\": \"x\"}]}},\n"
	"  {\"metadata\": {\"name\": \"etcd-n1\", \"namespace\": \"kube-system\", \"uid\": \"" UID_B
	"\",\n"
	"    \"annotations\": {\"kubernetes.io/config.mirror\": \"" HASH "\"},\n"
	"    \"ownerReferences\": [{\"kind\": \"Node\", \"name\": \"n1\"}]},\n"
	"   \"spec\": {\"hostNetwork\": true}, \"status\": {\"podIP\": \"192.0.2.1\"}},\n"
	"  {\"spec\": {}}\n"
	" ] }";

struct seen {
	struct pod_facts pod[8];
	int pods, containers;
	char last[600];
};

static void see_pod(void *ctx, const struct pod_facts *pod)
{
	struct seen *seen = ctx;

	if (seen->pods < 8)
		seen->pod[seen->pods] = *pod;
	seen->pods++;
}

static void see_container(void *ctx, const struct pod_facts *pod, struct span id, struct span name,
			  struct span image)
{
	struct seen *seen = ctx;

	seen->containers++;
	snprintf(seen->last, sizeof(seen->last), "%s %.*s %.*s %.*s", pod->name, (int)id.len,
		 (char *)id.at, (int)name.len, (char *)name.at, (int)image.len, (char *)image.at);
}

static struct pod_reader reader_of(struct seen *seen)
{
	return (struct pod_reader){seen, see_pod, see_pod, see_container};
}

static void a_list_is_read_pod_by_pod(void **state)
{
	struct seen seen = {};
	struct pod_reader reader = reader_of(&seen);
	char version[POD_VERSION_BYTES];

	assert_int_equal(pod_list_read(span_of(list), &reader, version, NULL), 2);
	assert_string_equal(version, "1234");
	assert_string_equal(seen.pod[0].uid, UID_A);
	assert_string_equal(seen.pod[0].name, "shop-7d4b9c6f5-x2lqz");
	assert_string_equal(seen.pod[0].namespace, "store");
	assert_string_equal(seen.pod[0].owner, "shop");
	assert_string_equal(seen.pod[0].labels, ",app=sh\"o[p,pod-template-hash=7d4b9c6f5,");
	assert_int_equal(seen.pod[0].addresses, 2);
	assert_false(seen.pod[0].on_host_network);
	assert_string_equal(seen.pod[1].uid, HASH);
	assert_string_equal(seen.pod[1].owner, "etcd");
	assert_string_equal(seen.pod[1].labels, ",");
	assert_true(seen.pod[1].on_host_network);
	assert_int_equal(seen.containers, 1);
	assert_string_equal(seen.last, "shop-7d4b9c6f5-x2lqz " ID " web nginx:1.25");
}

/* A label that finds no room, or that would look like two, is left out and counted; the others are there. */
static void labels_have_a_limit(void **state)
{
	static char text[2 * POD_LABELS_BYTES];
	char version[POD_VERSION_BYTES], wide[POD_LABELS_BYTES];
	struct seen seen = {};
	struct pod_reader reader = reader_of(&seen);

	memset(wide, 'w', sizeof(wide) - 1);
	wide[sizeof(wide) - 1] = 0;
	snprintf(text, sizeof(text),
		 "{\"items\": [{\"metadata\": {\"uid\": \"u\", \"name\": \"n\", \"labels\": "
		 "{\"a\": \"1\", \"wide\": \"%s\", \"two\": \"x,app=web\", \"b\": \"2\"}}}]}",
		 wide);
	assert_int_equal(pod_list_read(span_of(text), &reader, version, NULL), 1);
	assert_string_equal(seen.pod[0].labels, ",a=1,b=2,");
	assert_int_equal(seen.pod[0].labels_cut, 2);
}

static const struct {
	const char *kind, *name, *owner;
} owners[] = {
	{"ReplicaSet", "shop-7d4b9c6f5",
	 "shop-7d4b9c6f5"}, /* without the label it is a ReplicaSet of its own */
	{"StatefulSet", "pg", "pg"},
	{"DaemonSet", "kube-proxy", "kube-proxy"},
	{"Job", "backup-28391040", "backup"},
	{"Job", "one-shot", "one-shot"},
};

static void owners_are_named_as_people_know_them(void **state)
{
	for (size_t i = 0; i < sizeof(owners) / sizeof(*owners); i++) {
		struct seen seen = {};
		struct pod_reader reader = reader_of(&seen);
		char json[600], version[POD_VERSION_BYTES];

		snprintf(json, sizeof(json),
			 "{\"items\":[{\"metadata\":{\"name\":\"p\",\"uid\":\"u\","
			 "\"ownerReferences\":"
			 "[{\"kind\":\"%s\",\"name\":\"%s\"}]}}]}",
			 owners[i].kind, owners[i].name);
		assert_int_equal(pod_list_read(span_of(json), &reader, version, NULL), 1);
		assert_string_equal(seen.pod[0].owner, owners[i].owner);
	}
}

static void a_cut_list_is_an_error_wherever_it_is_cut(void **state)
{
	for (size_t len = 0; len < strlen(list) - 1; len++) {
		struct seen seen = {};
		struct pod_reader reader = reader_of(&seen);
		char version[POD_VERSION_BYTES];
		struct err why = {};

		assert_int_equal(
			pod_list_read(span_first(span_of(list), len), &reader, version, &why),
			-EINVAL);
		assert_true(why.text[0]);
	}
}

static void lists_without_pods_are_empty(void **state)
{
	static const char *const empty[] = {"{}", "{\"items\":[]}", "{\"items\":null}",
					    "{\"items\":[ ] , \"x\":1}"};
	char version[POD_VERSION_BYTES];

	for (size_t i = 0; i < sizeof(empty) / sizeof(*empty); i++) {
		struct seen seen = {};
		struct pod_reader reader = reader_of(&seen);

		assert_int_equal(pod_list_read(span_of(empty[i]), &reader, version, NULL), 0);
	}
}

static const struct {
	const char *json;
	int result;
	enum pod_change change;
	const char *version;
	int pods;
} events[] = {
	{"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"a\",\"uid\":\"u\","
	 "\"resourceVersion\":\"7\"}}}",
	 0, POD_CHANGED, "7", 1},
	{"{\"type\":\"MODIFIED\",\"object\":{\"metadata\":{\"name\":\"a\",\"uid\":\"u\","
	 "\"resourceVersion\":\"8\"}}}",
	 0, POD_CHANGED, "8", 1},
	{"{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"name\":\"a\",\"uid\":\"u\","
	 "\"resourceVersion\":\"9\"}}}",
	 0, POD_DELETED, "9", 1},
	{"{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Pod\",\"metadata\":{\"resourceVersion\":"
	 "\"10\"}}}",
	 0, POD_BOOKMARK, "10", 0},
	{"{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410}}", 0, POD_EXPIRED, "",
	 0},
	{"{\"type\":\"ADDED\",\"object\":{}}", -EINVAL, 0, "", 0},
	{"{\"type\":7}", -EINVAL, 0, "", 0},
	{"nonsense", -EINVAL, 0, "", 0},
};

static void events_of_a_watch_are_told_apart(void **state)
{
	for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++) {
		struct seen seen = {};
		struct pod_reader reader = reader_of(&seen);
		char version[POD_VERSION_BYTES] = "";
		enum pod_change change;

		assert_int_equal(
			pod_event_read(span_of(events[i].json), &reader, &change, version, NULL),
			events[i].result);
		assert_int_equal(seen.pods, events[i].pods);
		if (events[i].result)
			continue;
		assert_int_equal(change, events[i].change);
		assert_string_equal(version, events[i].version);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_is_read_pod_by_pod),
		cmocka_unit_test(labels_have_a_limit),
		cmocka_unit_test(owners_are_named_as_people_know_them),
		cmocka_unit_test(a_cut_list_is_an_error_wherever_it_is_cut),
		cmocka_unit_test(lists_without_pods_are_empty),
		cmocka_unit_test(events_of_a_watch_are_told_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
