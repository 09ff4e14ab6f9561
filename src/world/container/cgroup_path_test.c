// SPDX-License-Identifier: GPL-2.0-only
/* One path of every form that runtimes, drivers and nestings are known to make, and what it must say. */
#include "world/container/cgroup_path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define ID    "4a7f2b9c1d3e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8"
#define OUTER "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define UID   "3d5f8a0e-91b2-4c7d-8e6f-a1b2c3d4e5f6"
#define UID_  "3d5f8a0e_91b2_4c7d_8e6f_a1b2c3d4e5f6"
#define HASH  "2f4e6a8c0b1d3f5a7c9e0b2d4f6a8c1e"

static const struct {
	const char *path;
	enum runtime runtime;
	const char *container, *pod;
	enum pod_class pod_class;
	const char *unit;
} examples[] = {
	/* docker, cgroupfs and systemd drivers */
	{"/docker/" ID, RUNTIME_DOCKER, ID, "", POD_NONE, ""},
	{"/docker/" ID "/init.scope", RUNTIME_DOCKER, ID, "", POD_NONE, ""},
	{"/system.slice/docker-" ID ".scope", RUNTIME_DOCKER, ID, "", POD_NONE, ""},
	{"/system.slice/docker-" ID ".scope/init", RUNTIME_DOCKER, ID, "", POD_NONE, ""},
	{"/system.slice/docker-" ID ".scope/system.slice/sshd.service", RUNTIME_DOCKER, ID, "",
	 POD_NONE, ""},
	/* a parent of the user's choice says nothing of the runtime */
	{"/actions_job/" ID, RUNTIME_NONE, ID, "", POD_NONE, ""},
	/* docker on Kubernetes */
	{"/kubepods/besteffort/pod" UID "/" ID, RUNTIME_NONE, ID, UID, POD_BESTEFFORT, ""},
	{"/kubepods/burstable/pod" UID "/" ID, RUNTIME_NONE, ID, UID, POD_BURSTABLE, ""},
	{"/kubepods/pod" UID "/" ID, RUNTIME_NONE, ID, UID, POD_GUARANTEED, ""},
	{"/kubepods/burstable/pod" UID "/" ID "/kube-proxy", RUNTIME_NONE, ID, UID, POD_BURSTABLE,
	 ""},
	{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_ ".slice/docker-" ID
	 ".scope",
	 RUNTIME_DOCKER, ID, UID, POD_BURSTABLE, ""},
	{"/kubepods.slice/kubepods-pod" UID_ ".slice/docker-" ID ".scope", RUNTIME_DOCKER, ID, UID,
	 POD_GUARANTEED, ""},
	/* containerd on Kubernetes */
	{"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" UID_
	 ".slice/cri-containerd-" ID ".scope",
	 RUNTIME_CONTAINERD, ID, UID, POD_BESTEFFORT, ""},
	{"/kubepods/burstable/pod" HASH "/" ID, RUNTIME_NONE, ID, HASH, POD_BURSTABLE, ""},
	{"/system.slice/containerd.service/kubepods-besteffort-pod" UID_
	 ".slice:cri-containerd:" ID,
	 RUNTIME_CONTAINERD, ID, UID, POD_BESTEFFORT, ""},
	/* containerd by itself: ctr, nerdctl */
	{"/k8s.io/" ID, RUNTIME_CONTAINERD, ID, "", POD_NONE, ""},
	{"/default/" ID, RUNTIME_CONTAINERD, ID, "", POD_NONE, ""},
	{"/system.slice/nerdctl-" ID ".scope", RUNTIME_CONTAINERD, ID, "", POD_NONE, ""},
	{"/system.slice_containerd.service_cpuset_" ID, RUNTIME_NONE, ID, "", POD_NONE, ""},
	/* CRI-O */
	{"/kubepods.slice/kubepods-pod" UID_ ".slice/crio-" ID ".scope", RUNTIME_CRIO, ID, UID,
	 POD_GUARANTEED, ""},
	{"/kubepods.slice/kubepods-pod" UID_ ".slice/crio-" ID ".scope/container", RUNTIME_CRIO, ID,
	 UID, POD_GUARANTEED, ""},
	{"/kubepods/pod" UID "/crio-" ID, RUNTIME_CRIO, ID, UID, POD_GUARANTEED, ""},
	{"/kubepods.slice/kubepods-pod" UID_ ".slice/crio-conmon-" ID ".scope", RUNTIME_NONE, "",
	 UID, POD_GUARANTEED, ""},
	/* podman */
	{"/machine.slice/libpod-" ID ".scope", RUNTIME_PODMAN, ID, "", POD_NONE, ""},
	{"/machine.slice/libpod-" ID ".scope/container", RUNTIME_PODMAN, ID, "", POD_NONE, ""},
	{"/libpod_parent/libpod-" ID, RUNTIME_PODMAN, ID, "", POD_NONE, ""},
	{"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID ".scope",
	 RUNTIME_PODMAN, ID, "", POD_NONE, ""},
	{"/machine.slice/libpod-conmon-" ID ".scope", RUNTIME_NONE, "", "", POD_NONE,
	 "libpod-conmon-" ID ".scope"},
	{"/libpod_parent/conmon", RUNTIME_NONE, "", "", POD_NONE, ""},
	/* kind: a node is a container, the innermost is meant */
	{"/docker/" OUTER "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/"
	 "kubelet-kubepods-burstable-pod" UID_ ".slice/cri-containerd-" ID ".scope",
	 RUNTIME_CONTAINERD, ID, UID, POD_BURSTABLE, ""},
	{"/docker/" OUTER "/kubelet.slice/kubelet.service", RUNTIME_DOCKER, OUTER, "", POD_NONE,
	 ""},
	{"/kubepods/pod" UID "/" OUTER "/docker/" ID, RUNTIME_DOCKER, ID, UID, POD_GUARANTEED, ""},
	/* seen from inside a namespace of control groups */
	{"/../../pod" HASH "/" ID, RUNTIME_NONE, ID, HASH, POD_GUARANTEED, ""},
	{"/../cri-containerd-" ID ".scope", RUNTIME_CONTAINERD, ID, "", POD_NONE, ""},
	/* Amazon ECS */
	{"/ecs/" HASH "/" HASH "-1734567890", RUNTIME_ECS, HASH "-1734567890", "", POD_NONE, ""},
	{"/ecs/" HASH "/" ID, RUNTIME_ECS, ID, "", POD_NONE, ""},
	/* LXC, libvirt */
	{"/lxc/web", RUNTIME_LXC, "web", "", POD_NONE, ""},
	{"/lxc/web/system.slice/ssh.service", RUNTIME_LXC, "web", "", POD_NONE, ""},
	{"/lxc.payload.web/init.scope", RUNTIME_LXC, "web", "", POD_NONE, ""},
	{"/lxc.payload/web", RUNTIME_LXC, "web", "", POD_NONE, ""},
	{"/lxc.monitor.web", RUNTIME_NONE, "", "", POD_NONE, ""},
	{"/lxc.payload.web/docker/" ID, RUNTIME_DOCKER, ID, "", POD_NONE, ""},
	{"/machine.slice/machine-qemu\\x2d3\\x2ddb1.scope", RUNTIME_LIBVIRT, "db1", "", POD_NONE,
	 ""},
	{"/machine.slice/machine-lxc\\x2d7\\x2dbox.scope/x", RUNTIME_LIBVIRT, "box", "", POD_NONE,
	 ""},
	/* systemd */
	{"/system.slice/nginx.service", RUNTIME_NONE, "", "", POD_NONE, "nginx.service"},
	{"/system.slice/system-postgresql.slice/postgresql@15-main.service", RUNTIME_NONE, "", "",
	 POD_NONE, "postgresql@15-main.service"},
	{"/system.slice/dev\\x2dwatch.service/worker", RUNTIME_NONE, "", "", POD_NONE,
	 "dev\\x2dwatch.service"},
	{"/runtime.slice/kubelet.service", RUNTIME_NONE, "", "", POD_NONE, "kubelet.service"},
	{"/azure.slice/walinuxagent.service", RUNTIME_NONE, "", "", POD_NONE,
	 "walinuxagent.service"},
	{"/user.slice/user-1000.slice/user@1000.service/app.slice/dbus.service", RUNTIME_NONE, "",
	 "", POD_NONE, "dbus.service"},
	{"/user.slice/user-0.slice/session-4.scope", RUNTIME_NONE, "", "", POD_NONE,
	 "session-4.scope"},
	{"/init.scope", RUNTIME_NONE, "", "", POD_NONE, "init.scope"},
	{"/system.slice", RUNTIME_NONE, "", "", POD_NONE, ""},
	{"/", RUNTIME_NONE, "", "", POD_NONE, ""},
	{"", RUNTIME_NONE, "", "", POD_NONE, ""},
	/* Talos */
	{"/system/apid", RUNTIME_NONE, "", "", POD_NONE, "apid"},
	{"/podruntime/kubelet", RUNTIME_NONE, "", "", POD_NONE, "kubelet"},
	{"/init", RUNTIME_NONE, "", "", POD_NONE, "init"},
	/* gVisor: the pod's group holds the sandbox, there is none of the container */
	{"/kubepods/besteffort/pod" UID, RUNTIME_NONE, "", UID, POD_BESTEFFORT, ""},
	/* what only looks like one */
	{"/system.slice/tripod" UID ".service", RUNTIME_NONE, "", "", POD_NONE,
	 "tripod" UID ".service"},
	{"/x" ID, RUNTIME_NONE, "", "", POD_NONE, ""},
	{"/" ID "0", RUNTIME_NONE, "", "", POD_NONE, ""},
	{"/kubepods/pod" UID "x/job", RUNTIME_NONE, "", "", POD_NONE, ""},
};

static void assert_span(struct span span, const char *text, const char *path)
{
	if (!span_is(span, text))
		fail_msg("%s: got '%.*s', not '%s'", path, (int)span.len, (const char *)span.at,
			 text);
}

static void every_known_form_of_path_is_read(void **state)
{
	for (size_t i = 0; i < sizeof(examples) / sizeof(*examples); i++) {
		const char *path = examples[i].path;
		struct cgroup_identity got;

		cgroup_path_parse(span_of(path), &got);
		assert_span(got.container_id, examples[i].container, path);
		assert_span(span_of(got.pod_uid), examples[i].pod, path);
		assert_span(got.unit, examples[i].unit, path);
		if (got.runtime != examples[i].runtime || got.pod_class != examples[i].pod_class)
			fail_msg("%s: runtime %d, class %d", path, got.runtime, got.pod_class);
	}
}

static void units_lose_their_escapes_and_suffix(void **state)
{
	char name[64];

	assert_int_equal(
		systemd_unit_name(span_of("nginx.service"), ".service", name, sizeof(name)), 5);
	assert_string_equal(name, "nginx");
	systemd_unit_name(span_of("a\\x2db@c\\x5cd.service"), ".service", name, sizeof(name));
	assert_string_equal(name, "a-b@c\\d");
	systemd_unit_name(span_of("_cpu.service"), ".service", name, sizeof(name));
	assert_string_equal(name, "cpu");
	assert_int_equal(
		systemd_unit_name(span_of("session-4.scope"), ".service", name, sizeof(name)), 0);
	systemd_unit_name(span_of("web\\x2d1"), "", name, sizeof(name));
	assert_string_equal(name, "web-1");
	systemd_unit_name(span_of("cut\\x2"), "", name, sizeof(name));
	assert_string_equal(name, "cut\\x2");
	assert_int_equal(systemd_unit_name(span_of("longer.service"), ".service", name, 4), 3);
	assert_string_equal(name, "lon");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_known_form_of_path_is_read),
		cmocka_unit_test(units_lose_their_escapes_and_suffix),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
