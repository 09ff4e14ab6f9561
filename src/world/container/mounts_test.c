// SPDX-License-Identifier: GPL-2.0-only
/* Texts of hybrid, unified and legacy hosts. */
#include "world/container/mounts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static const char hybrid_cgroups[] =
	"#subsys_name\thierarchy\tnum_cgroups\tenabled\n"
	"cpuset\t3\t1\t1\ncpu\t1\t1\t1\nmemory\t4\t18\t1\nhugetlb\t0\t1\t1\n"
	"pids\t8\t1\t1\n";

static const char hybrid[] =
	"30 1 0:26 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
	"31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup "
	"rw,cpu,cpuacct\n"
	"32 30 0:28 / /sys/fs/cgroup/pids rw,relatime shared:10 master:1 - cgroup cgroup rw,pids\n"
	"33 30 0:29 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd\n"
	"34 30 0:30 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";

static const char unified[] =
	"28 24 0:25 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
	"29 24 0:25 / /other rw - cgroup2 cgroup2 rw\n";

static void controllers_say_their_hierarchy_and_place(void **state)
{
	struct controller pids, none;

	assert_true(controller_find(span_of(hybrid_cgroups), "pids", &pids));
	assert_int_equal(pids.hierarchy, 8);
	assert_int_equal(pids.index, 4);
	assert_true(controller_find(span_of(hybrid_cgroups), "hugetlb", &pids));
	assert_int_equal(pids.hierarchy, 0);
	assert_false(controller_find(span_of(hybrid_cgroups), "pid", &none));
	assert_false(controller_find(span_of("pids\tx\t1\t1\npids"), "pids", &none));
	assert_false(controller_find(span_of(""), "pids", &none));
}

static void mount_points_are_found_by_controller(void **state)
{
	assert_true(span_is(cgroup_mount_find(span_of(hybrid), "pids"), "/sys/fs/cgroup/pids"));
	assert_true(span_is(cgroup_mount_find(span_of(hybrid), "cpuacct"),
			    "/sys/fs/cgroup/cpu,cpuacct"));
	assert_true(span_is(cgroup_mount_find(span_of(hybrid), ""), "/sys/fs/cgroup/unified"));
	assert_true(span_is(cgroup_mount_find(span_of(hybrid), "name=systemd"),
			    "/sys/fs/cgroup/systemd"));
	assert_int_equal(cgroup_mount_find(span_of(hybrid), "memory").len, 0);
	assert_true(span_is(cgroup_mount_find(span_of(unified), ""), "/sys/fs/cgroup"));
	assert_int_equal(cgroup_mount_find(span_of(unified), "pids").len, 0);
	assert_int_equal(cgroup_mount_find(span_of("1 2 3 - cgroup2"), "").len, 0);
	assert_int_equal(cgroup_mount_find(span_of(" - \n - "), "").len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(controllers_say_their_hierarchy_and_place),
		cmocka_unit_test(mount_points_are_found_by_controller),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
