// SPDX-License-Identifier: GPL-2.0-only
/* Groups in any order give paths; containers get their names when the runtime has written them, and go in time. */
#include "world/container/cgroup.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#define ID  "4a7f2b9c1d3e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8"
#define UID "3d5f8a0e-91b2-4c7d-8e6f-a1b2c3d4e5f6"

static const uint64_t second_ns = 1000000000;

/* The files of this machine, as far as the test knows them. */
static struct {
	const char *path, *text;
} file[4];
static int opens;

static int open_fake(void *ctx, const char *path)
{
	opens++;
	for (size_t i = 0; i < sizeof(file) / sizeof(*file); i++) {
		int fd;

		if (!file[i].path || strcmp(file[i].path, path) != 0)
			continue;
		fd = memfd_create("state", MFD_CLOEXEC);
		assert_int_equal(write(fd, file[i].text, strlen(file[i].text)),
				 strlen(file[i].text));
		lseek(fd, 0, SEEK_SET);
		return fd;
	}
	return -ENOENT;
}

static struct tables {
	struct pods pods;
	struct containers containers;
	struct cgroups groups;
} t;

static int start(void **state)
{
	memset(file, 0, sizeof(file));
	opens = 0;
	pods_init(&t.pods, 10, 60 * second_ns);
	containers_init(&t.containers, 10, &t.pods, &(struct state_files){NULL, open_fake},
			span_of("/sys/fs/cgroup/pids"));
	cgroups_init(&t.groups, 10, 60 * second_ns, &t.containers);
	return 0;
}

static int finish(void **state)
{
	cgroups_done(&t.groups);
	assert_int_equal(t.groups.text_bytes, 0);
	assert_int_equal(t.containers.by_id.len, 0); /* each went with its last group */
	assert_int_equal(t.containers.text_bytes, 0);
	containers_done(&t.containers);
	pods_done(&t.pods);
	return 0;
}

static void note(uint64_t id, uint64_t parent, const char *name, uint64_t now_ns)
{
	struct cgroup_facts facts = {.id = id, .parent = parent};

	snprintf(facts.name, sizeof(facts.name), "%s", name);
	cgroups_note(&t.groups, &facts, now_ns);
}

static const char *path_of(uint64_t id)
{
	const struct cgroup *group = cgroups_find(&t.groups, id, 0);

	return group && group->path ? group->path : "";
}

static void paths_come_together_in_any_order(void **state)
{
	note(3, 2, "nginx.service", 1);
	note(2, 1, "system.slice", 1);
	assert_string_equal(path_of(3), "");
	note(1, 0, "", 1);
	assert_string_equal(path_of(3), "/system.slice/nginx.service");
	assert_string_equal(path_of(2), "/system.slice");
	assert_string_equal(path_of(1), "/");
	assert_string_equal(cgroups_find(&t.groups, 3, 1)->service, "nginx");
	assert_null(cgroups_find(&t.groups, 9, 1));
	/* a renamed one takes those below along */
	note(2, 1, "other.slice", 2);
	assert_string_equal(path_of(3), "/other.slice/nginx.service");
	/* its own parent: the kernel makes no such thing, an endless walk must not follow */
	note(5, 5, "loop", 3);
	assert_string_equal(path_of(5), "");
}

static void a_container_is_named_once_its_state_is_there(void **state)
{
	const struct container *container;

	note(1, 0, "", 1);
	note(2, 1, "docker", 1);
	note(3, 2, ID, second_ns);
	container = cgroups_find(&t.groups, 3, second_ns)->container;
	assert_string_equal(container->id, ID);
	assert_null(container->name);
	file[0].path = "/var/lib/docker/containers/" ID "/config.v2.json";
	file[0].text = "{\"ID\":\"" ID "\",\"Name\":\"/fox\",\"Config\":{\"Image\":\"redis:7\"}}";
	cgroups_tick(&t.groups, second_ns + 1); /* too soon for another look */
	assert_null(container->name);
	cgroups_tick(&t.groups, 3 * second_ns);
	assert_string_equal(container->name, "fox");
	assert_string_equal(container->image, "redis:7");
	/* what is known is not looked for again */
	for (uint64_t s = 4; s < 20; s++) /* "/docker" itself might have been one of runc's */
		cgroups_tick(&t.groups, s * second_ns);
	opens = 0;
	for (uint64_t s = 20; s < 200; s++)
		cgroups_tick(&t.groups, s * second_ns);
	assert_int_equal(opens, 0);
	/* groups inside belong to it */
	note(4, 3, "init", 5);
	assert_ptr_equal(cgroup_container(&t.groups, cgroups_find(&t.groups, 4, 5)), container);
}

static void a_search_without_success_ends(void **state)
{
	note(1, 0, "", 1);
	note(2, 1, "docker-" ID ".scope", 1);
	note(3, 1, "whatever", 1);
	for (uint64_t s = 1; s < 1000; s++)
		cgroups_tick(&t.groups, s * second_ns);
	assert_true(opens > 0 && opens < 20);
}

static void a_file_that_makes_no_sense_is_counted(void **state)
{
	file[0].path = "/var/lib/docker/containers/" ID "/config.v2.json";
	file[0].text = "{\"ID\":";
	note(1, 0, "", 1);
	note(2, 1, "docker-" ID ".scope", 1);
	assert_int_equal(t.containers.unreadable, 1);
	assert_null(cgroups_find(&t.groups, 2, 1)->container->name);
}

static void a_pod_is_known_by_its_containers(void **state)
{
	const struct container *container;

	file[0].path = "/run/containerd/io.containerd.runtime.v2.task/k8s.io/" ID "/config.json";
	file[0].text = "{\"annotations\":{\"io.kubernetes.cri.container-name\":\"web\","
		       "\"io.kubernetes.cri.sandbox-name\":\"shop-7d4b9c6f5-x2lqz\","
		       "\"io.kubernetes.cri.sandbox-namespace\":\"store\"}}";
	note(1, 0, "", 1);
	note(2, 1, "kubepods", 1);
	note(3, 2, "pod" UID, 1);
	note(4, 3, ID, 1);
	container = cgroups_find(&t.groups, 4, 1)->container;
	assert_string_equal(container->name, "web");
	/* older containerd does not write the uid: the path does */
	assert_string_equal(container->pod->uid, UID);
	assert_string_equal(container->pod->name, "shop-7d4b9c6f5-x2lqz");
	assert_string_equal(container->pod->owner, "shop");
	assert_string_equal(cgroups_find(&t.groups, 3, 1)->pod_uid, UID);
	/* container and pod outlive the group by its minute, the pod by one more */
	cgroups_removed(&t.groups, 4, 10 * second_ns);
	cgroups_expire(&t.groups, 69 * second_ns);
	assert_non_null(containers_find(&t.containers, span_of(ID)));
	cgroups_expire(&t.groups, 71 * second_ns);
	assert_null(containers_find(&t.containers, span_of(ID)));
	pods_expire(&t.pods, 72 * second_ns);
	assert_non_null(pods_find(&t.pods, UID));
	pods_expire(&t.pods, 200 * second_ns);
	assert_null(pods_find(&t.pods, UID));
}

static void plain_runc_is_known_by_its_state(void **state)
{
	file[0].path = "/run/runc/r1/state.json";
	file[0].text =
		"{\"id\":\"r1\",\"cgroup_paths\":{\"pids\":\"/sys/fs/cgroup/pids/test/r1\"}}";
	file[1].path = "/run/runc/r2/state.json";
	file[1].text =
		"{\"id\":\"r2\",\"cgroup_paths\":{\"pids\":\"/sys/fs/cgroup/pids/runc-r2.scope\"}}";
	note(1, 0, "", 1);
	note(2, 1, "test", 1);
	note(3, 2, "r1", 1);
	assert_string_equal(cgroups_find(&t.groups, 3, 1)->container->name, "r1");
	assert_null(cgroup_container(&t.groups, cgroups_find(&t.groups, 2, 1)));
	note(4, 1, "runc-r2.scope", 1);
	assert_string_equal(cgroups_find(&t.groups, 4, 1)->container->name, "r2");
	note(5, 1, "r1", 1); /* the same name elsewhere is not that container */
	assert_null(cgroups_find(&t.groups, 5, 1)->container);
}

static void a_full_table_forgets_what_is_gone_and_then_refuses(void **state)
{
	char name[16];

	note(1, 0, "", 1);
	for (uint64_t id = 2; id <= 10; id++) {
		snprintf(name, sizeof(name), "%lu.slice", id);
		note(id, 1, name, 1);
	}
	cgroups_removed(&t.groups, 5, 2);
	note(11, 1, "11.slice", 3);
	assert_null(cgroups_find(&t.groups, 5, 3));
	assert_string_equal(path_of(11), "/11.slice");
	assert_int_equal(t.groups.evicted, 1);
	note(12, 1, "12.slice", 3);
	assert_null(cgroups_find(&t.groups, 12, 3));
	assert_int_equal(t.groups.refused, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(paths_come_together_in_any_order, start, finish),
		cmocka_unit_test_setup_teardown(a_container_is_named_once_its_state_is_there, start,
						finish),
		cmocka_unit_test_setup_teardown(a_search_without_success_ends, start, finish),
		cmocka_unit_test_setup_teardown(a_file_that_makes_no_sense_is_counted, start,
						finish),
		cmocka_unit_test_setup_teardown(a_pod_is_known_by_its_containers, start, finish),
		cmocka_unit_test_setup_teardown(plain_runc_is_known_by_its_state, start, finish),
		cmocka_unit_test_setup_teardown(a_full_table_forgets_what_is_gone_and_then_refuses,
						start, finish),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
