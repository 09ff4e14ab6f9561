// SPDX-License-Identifier: GPL-2.0-only
/* State files as the runtimes write them (shortened): each must give name, image and pod, and none of another's. */
#include "world/container/runtime_state.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define ID    "4a7f2b9c1d3e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8"
#define OTHER "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define UID   "3d5f8a0e-91b2-4c7d-8e6f-a1b2c3d4e5f6"

static const struct {
	enum state_form form;
	const char *json, *cgroup;
	int found;
	struct container_facts want;
} files[] = {
	/* containerd for Kubernetes */
	{STATE_OCI,
	 "{\"ociVersion\":\"1.0.2\",\"process\":{\"args\":[\"nginx\"]},\"annotations\":{"
	 "\"io.kubernetes.cri.container-name\":\"web\",\"io.kubernetes.cri.container-type\":"
	 "\"container\","
	 "\"io.kubernetes.cri.image-name\":\"docker.io/library/nginx:1.25\","
	 "\"io.kubernetes.cri.sandbox-id\":\"" OTHER
	 "\",\"io.kubernetes.cri.sandbox-name\":\"shop-1\","
	 "\"io.kubernetes.cri.sandbox-namespace\":\"store\",\"io.kubernetes.cri.sandbox-uid\":"
	 "\"" UID "\"}}",
	 "/x",
	 1,
	 {"web", "docker.io/library/nginx:1.25", "shop-1", "store", UID}},
	/* its sandbox has a pod and no name */
	{STATE_OCI,
	 "{\"annotations\":{\"io.kubernetes.cri.container-type\":\"sandbox\","
	 "\"io.kubernetes.cri.sandbox-name\":\"shop-1\",\"io.kubernetes.cri.sandbox-namespace\":"
	 "\"store\"}}",
	 "/x",
	 1,
	 {"", "", "shop-1", "store", ""}},
	/* CRI-O */
	{STATE_OCI,
	 "{\"annotations\":{\"io.kubernetes.container.name\":\"db\",\"io.kubernetes.pod.name\":"
	 "\"pg-0\","
	 "\"io.kubernetes.pod.namespace\":\"data\",\"io.kubernetes.pod.uid\":\"" UID "\","
	 "\"io.kubernetes.cri-o.ImageName\":\"quay.io/pg:15\"}}",
	 "/x",
	 1,
	 {"db", "quay.io/pg:15", "pg-0", "data", UID}},
	{STATE_OCI,
	 "{\"annotations\":{\"io.kubernetes.container.name\":\"POD\",\"io.kubernetes.pod.name\":"
	 "\"pg-0\"}}",
	 "/x",
	 1,
	 {"", "", "pg-0", "", ""}},
	/* nerdctl; a bundle without annotations */
	{STATE_OCI, "{\"annotations\":{\"nerdctl/name\":\"box\"}}", "/x", 1, {"box"}},
	{STATE_OCI, "{\"annotations\":{}}", "/x", 0, {}},
	{STATE_OCI, "{}", "/x", 0, {}},
	{STATE_OCI, "[\"annotations\"]", "/x", 0, {}},
	/* docker alone, and under kubelet */
	{STATE_DOCKER,
	 "{\"ID\":\"" ID
	 "\",\"Name\":\"/quiet_fox\",\"Config\":{\"Image\":\"redis:7\",\"Labels\":{}}}",
	 "/x",
	 1,
	 {"quiet_fox", "redis:7"}},
	{STATE_DOCKER,
	 "{\"ID\":\"" ID
	 "\",\"Name\":\"/k8s_web_shop-1_store_uid_0\",\"Config\":{\"Image\":\"sha256:ab\","
	 "\"Labels\":{\"io.kubernetes.container.name\":\"web\",\"io.kubernetes.pod.name\":\"shop-"
	 "1\","
	 "\"io.kubernetes.pod.namespace\":\"store\",\"io.kubernetes.pod.uid\":\"" UID "\"}}}",
	 "/x",
	 1,
	 {"web", "sha256:ab", "shop-1", "store", UID}},
	{STATE_DOCKER, "{\"ID\":\"" OTHER "\",\"Name\":\"/other\"}", "/x", 0, {}},
	/* podman's list */
	{STATE_STORAGE,
	 "[{\"id\":\"" OTHER "\",\"names\":[\"other\"]},{\"id\":\"" ID "\",\"names\":[\"web\"],"
	 "\"metadata\":\"{\\\"image-name\\\":\\\"docker.io/library/"
	 "nginx:latest\\\",\\\"name\\\":\\\"web\\\"}\"}]",
	 "/x",
	 1,
	 {"web", "docker.io/library/nginx:latest"}},
	{STATE_STORAGE, "[{\"id\":\"" OTHER "\",\"names\":[\"other\"]}]", "/x", 0, {}},
	{STATE_STORAGE, "[{\"id\":\"" ID "\",\"names\":[7],\"metadata\":\"{\"}]", "/x", 0, {}},
	/* runc: only with the right group */
	{STATE_RUNC,
	 "{\"id\":\"r1\",\"init_process_pid\":7,\"config\":{\"labels\":[\"bundle=/tmp/b\","
	 "\"io.kubernetes.cri.sandbox-name=shop-1\"]},"
	 "\"cgroup_paths\":{\"\":\"/sys/fs/cgroup/unified/test/r1\",\"pids\":\"/sys/fs/cgroup/pids/"
	 "test/r1\"}}",
	 "/test/r1",
	 1,
	 {"r1", "", "shop-1"}},
	{STATE_RUNC,
	 "{\"id\":\"r1\",\"cgroup_paths\":{\"\":\"/sys/fs/cgroup/elsewhere/r1\"}}",
	 "/test/r1",
	 0,
	 {}},
	{STATE_RUNC, "{\"id\":\"r1\",\"cgroup_paths\":{\"\":\"/sys/fs/cgroup/r1\"}}", "/", 0, {}},
	{STATE_CRUN, "{\"pid\":7,\"cgroup-path\":\"/test/c1\"}", "/test/c1", 1, {ID}},
	{STATE_CRUN, "{\"pid\":7,\"cgroup-path\":\"/test/c2\"}", "/test/c1", 0, {}},
	/* not what it should be */
	{STATE_OCI, "{\"annotations\":", "/x", -EINVAL, {}},
	{STATE_DOCKER, "", "/x", -EINVAL, {}},
	{STATE_STORAGE, "{\"id\":\"" ID "\"}", "/x", 0, {}},
	{STATE_RUNC, "{\"cgroup_paths\":[\"/a\",7,null]}", "/b", 0, {}},
};

static void every_runtimes_file_is_read(void **state)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		const struct container_facts *want = &files[i].want;
		struct container_facts got = {};
		struct cgroup_place cgroup = {span_of("/sys/fs/cgroup/pids"),
					      span_of(files[i].cgroup)};
		struct arena arena;
		int found;

		arena_init(&arena, 1 << 20);
		found = container_state_read(files[i].form, span_of(files[i].json), span_of(ID),
					     &cgroup, &arena, &got, NULL);
		if (found != files[i].found)
			fail_msg("%s: %d, not %d", files[i].json, found, files[i].found);
		assert_string_equal(got.name, want->name);
		assert_string_equal(got.image, want->image);
		assert_string_equal(got.pod, want->pod);
		assert_string_equal(got.namespace, want->namespace);
		assert_string_equal(got.pod_uid, want->pod_uid);
		arena_done(&arena);
	}
}

static void the_first_file_that_knows_a_word_counts(void **state)
{
	struct container_facts facts = {.name = "first"};
	struct arena arena;

	arena_init(&arena, 1 << 20);
	container_state_read(STATE_OCI,
			     span_of("{\"annotations\":{\"nerdctl/name\":\"second\","
				     "\"io.kubernetes.pod.name\":\"p\"}}"),
			     span_of(ID), &(struct cgroup_place){}, &arena, &facts, NULL);
	assert_string_equal(facts.name, "first");
	assert_string_equal(facts.pod, "p");
	arena_done(&arena);
}

static void places_follow_from_runtime_and_id(void **state)
{
	char path[STATE_PATH_BYTES];
	enum state_form form;
	size_t count = 0;

	assert_true(container_state_path(RUNTIME_DOCKER, span_of(ID), 0, path, &form));
	assert_string_equal(path, "/var/lib/docker/containers/" ID "/config.v2.json");
	assert_int_equal(form, STATE_DOCKER);
	assert_false(container_state_path(RUNTIME_DOCKER, span_of(ID), 1, path, &form));
	assert_true(container_state_path(RUNTIME_RUNC, span_of("r1"), 0, path, &form));
	assert_string_equal(path, "/run/runc/r1/state.json");
	while (container_state_path(RUNTIME_NONE, span_of(ID), count, path, &form))
		count++;
	assert_int_equal(count, 5);
	/* what a hostile name could try */
	assert_false(container_state_path(RUNTIME_RUNC, span_of("../../etc"), 0, path, &form));
	assert_false(container_state_path(RUNTIME_RUNC, span_of(".."), 0, path, &form));
	assert_false(container_state_path(RUNTIME_RUNC, span_of("a\nb"), 0, path, &form));
	assert_false(container_state_path(RUNTIME_RUNC, span_of(""), 0, path, &form));
	assert_false(container_state_path(RUNTIME_LXC, span_of("web"), 0, path, &form));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_runtimes_file_is_read),
		cmocka_unit_test(the_first_file_that_knows_a_word_counts),
		cmocka_unit_test(places_follow_from_runtime_and_id),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
