// SPDX-License-Identifier: GPL-2.0-only
/*
 * The whole room on the running kernel, through a broker of its own: processes, control groups and real
 * containers come and go, and the world must say who they were. Needs root.
 */
#include "world/testing.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define ID  "4a7f2b9c1d3e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8"
#define UID "3d5f8a0e_91b2_4c7d_8e6f_a1b2c3d4e5f6"

static void who_was_there_before_is_known(void **state)
{
	char exe[256] = {}, comm[32] = {};
	const struct process *process;
	struct who who;

	assert_true(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
	prctl(PR_GET_NAME, comm);
	who = who_is((uint32_t)getpid(), 0);
	assert_int_equal(who.pid, getpid());
	assert_int_equal(who.uid, 0);
	assert_true(who.has_uid);
	assert_span(who.process, comm);
	assert_span(who.exe, exe);
	process = world_process(world, (uint32_t)getpid(), 0);
	assert_int_equal(process->ppid, getppid());
	assert_true(process_args(process).len > 0);
	assert_non_null(world_process(world, 2, 0)); /* kthreadd */
	assert_int_equal(world_process(world, 2, 0)->program ? 1 : 0, 0);
}

static void an_exec_is_seen_with_path_and_arguments(void **state)
{
	char *argv[] = {"idle", "1000", NULL}, path[256] = {};
	pid_t pid = start_program("/bin/sleep", argv);
	const struct process *process = world_process(world, (uint32_t)pid, clock_monotonic_ns());

	assert_non_null(process);
	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	assert_span(process_comm(process), "sleep");
	assert_true(process_path(process).len > 0);
	assert_memory_equal(process_args(process).at, "idle\0001000", 10);
	assert_int_equal(process_args(process).len, 10);
	assert_int_equal(process->ppid, getpid());
	{
		char real[256] = {};

		assert_true(readlink(path, real, sizeof(real) - 1) > 0);
		assert_span(process_path(process), real);
	}
	end_child(pid);
}

static void the_dead_are_known_for_a_minute(void **state)
{
	char *argv[] = {"true", NULL};
	pid_t pid = start_program("/bin/true", argv);
	uint64_t now_ns;
	int status;

	waitpid(pid, &status, 0);
	now_ns = clock_monotonic_ns();
	assert_span(who_is((uint32_t)pid, now_ns).process, "true");
	assert_true(world_process(world, (uint32_t)pid, 0)->exit_ns > 0);
	assert_int_equal(world_process(world, (uint32_t)pid, 0)->exit_code, 0);
	world_tick(world, now_ns + 50 * second_ns);
	assert_non_null(world_process(world, (uint32_t)pid, 0));
	world_tick(world, now_ns + 61 * second_ns);
	assert_null(world_process(world, (uint32_t)pid, 0));
}

static void a_program_in_memory_is_named(void **state)
{
	char *argv[] = {"hidden", "1000", NULL};
	int fd = memfd_create("sonde-test", MFD_CLOEXEC),
	    from = open("/bin/sleep", O_RDONLY | O_CLOEXEC);
	char path[64];
	pid_t pid;

	assert_true(fd >= 0 && from >= 0);
	while (sendfile(fd, from, NULL, 1 << 20) > 0)
		;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	pid = start_program(path, argv);
	assert_span(who_is((uint32_t)pid, clock_monotonic_ns()).exe, "/memfd:sonde-test");
	end_child(pid);
	close(fd);
	close(from);
}

static void take_a_name(void)
{
	prctl(PR_SET_NAME, "renamed");
}

static void a_name_of_ones_own_is_seen(void **state)
{
	pid_t pid = start_child(take_a_name);

	assert_span(who_is((uint32_t)pid, clock_monotonic_ns()).process, "renamed");
	end_child(pid);
}

static void become_nobody(void)
{
	if (setuid(65534))
		_exit(1);
}

static void another_user_is_seen_with_the_next_tick(void **state)
{
	pid_t pid = start_child(become_nobody);

	/* the sweep may have to wait until it has earned its cost */
	for (int i = 0; i < 100 && who_is((uint32_t)pid, 0).uid == 0; i++)
		world_tick(world, clock_monotonic_ns() + (uint64_t)i * second_ns / 10);
	assert_int_equal(who_is((uint32_t)pid, 0).uid, 65534);
	end_child(pid);
}

/* A fork under a chosen pid, so that pids are used again at once. */
static pid_t fork_as(pid_t pid)
{
	struct clone_args args = {
		.exit_signal = SIGCHLD,
		.set_tid = (uintptr_t)&pid,
		.set_tid_size = 1,
	};

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

static void pids_used_again_never_mix(void **state)
{
	enum { LIVES = 1000, PIDS = 8 };
	static struct {
		pid_t pid;
		uint64_t during_ns;
	} life[LIVES];
	uint64_t unknown_ns = clock_monotonic_ns();
	FILE *limit = fopen("/proc/sys/kernel/pid_max", "re");
	int report[2], pid_max;

	assert_int_equal(pipe(report), 0);
	assert_non_null(limit);
	assert_int_equal(fscanf(limit, "%d", &pid_max), 1);
	fclose(limit);
	for (int i = 0; i < LIVES; i++) {
		pid_t want, got;
		int tries = 1000;

		do { /* somebody else's process may have it */
			want = pid_max - 1 - (pid_t)(random() % PIDS);
			got = fork_as(want);
		} while (got < 0 && errno == EEXIST && --tries);
		if (got == 0) {
			char name[16];
			uint64_t now_ns;

			snprintf(name, sizeof(name), "life%d", i);
			prctl(PR_SET_NAME, name);
			now_ns = clock_monotonic_ns();
			if (write(report[1], &now_ns, sizeof(now_ns)) != sizeof(now_ns))
				_exit(1);
			_exit(i % 100);
		}
		if (got < 0 && i == 0) {
			print_message("clone3 with set_tid: %s\n", strerror(errno));
			skip();
		}
		assert_int_equal(got, want);
		assert_int_equal(read(report[0], &life[i].during_ns, 8), 8);
		life[i].pid = got;
		if (random() % 2)
			waitpid(got, NULL, 0);
		else /* read while it may be dying */
			world_drain(world), waitpid(got, NULL, 0);
	}
	world_drain(world);
	for (int i = 0; i < LIVES; i++) {
		const struct process *process =
			world_process(world, (uint32_t)life[i].pid, life[i].during_ns);
		char name[16];

		snprintf(name, sizeof(name), "life%d", i);
		if (!process || strcmp(process->comm, name) != 0)
			fail_msg("life %d of pid %d is taken for '%s'", i, life[i].pid,
				 process ? process->comm : "nobody");
		assert_int_equal(process->exit_code >> 8, i % 100);
		assert_true(process->start_ns <= life[i].during_ns);
		assert_true(process->exit_ns >= life[i].during_ns);
	}
	assert_null(world_process(world, (uint32_t)life[0].pid, unknown_ns));
	close(report[0]);
	close(report[1]);
}

static char group_path[300];

static void make_group(const char *name)
{
	struct span mount = world_cgroup_mount(world, world_cgroup1(world) ? "pids" : "");

	snprintf(group_path, sizeof(group_path), "%.*s/%s", (int)mount.len, (const char *)mount.at,
		 name);
	if (mkdir(group_path, 0755) && errno != EEXIST) /* a run that was killed left it */
		fail_msg("%s: %s", group_path, strerror(errno));
}

static void enter_group(void)
{
	char path[320];
	FILE *procs;

	snprintf(path, sizeof(path), "%s/cgroup.procs", group_path);
	procs = fopen(path, "we");
	if (!procs || fprintf(procs, "%d\n", getpid()) < 0 || fclose(procs))
		_exit(1);
}

/* rmdir answers EBUSY until the last process is gone for good. */
static void remove_group(void)
{
	while (rmdir(group_path) && errno == EBUSY)
		usleep(1000);
}

static bool knows_group(struct world *of, const char *path)
{
	struct span known;
	uint64_t id;
	size_t at = 0;

	while (world_next_cgroup(of, &at, &id, &known))
		if (span_is(known, path))
			return true;
	return false;
}

/* More than the ring holds without a drain: what was lost must be put right by the sweep. */
static void a_loss_is_counted_and_put_right(void **state)
{
	struct world_config config = {.ring = 4096};
	struct world_counts before, after;
	struct world *small;
	struct err why = {};
	pid_t living = 0;

	if (world_new(kernel, &config, &small, &why))
		fail_msg("%s", why.text);
	make_group("sonde-test-lost");
	world_drain(small);
	world_counts(small, &before);
	for (int i = 0; i < 100; i++) {
		pid_t pid = fork();

		if (!pid) {
			if (i == 99)
				pause();
			_exit(0);
		}
		living = pid;
		if (i < 99)
			waitpid(pid, NULL, 0);
	}
	remove_group(); /* nobody hears of it */
	world_drain(small);
	assert_null(world_process(small, (uint32_t)living, 0));
	assert_true(knows_group(small, "/sonde-test-lost"));
	world_tick(small, clock_monotonic_ns());
	world_counts(small, &after);
	assert_true(after.lost > before.lost);
	assert_true(after.sweeps > before.sweeps);
	assert_non_null(world_process(small, (uint32_t)living, 0));
	assert_false(knows_group(small, "/sonde-test-lost"));
	end_child(living);
	assert_true(world_process(small, (uint32_t)living, 0)->exit_ns > 0);
	world_free(small);
}

static void groups_like_systemds_tell_container_pod_and_service(void **state)
{
	static const char *const above[] = {"sonde-test.slice",
					    "sonde-test.slice/kubepods-burstable-pod" UID ".slice"};
	uint64_t now_ns;
	struct who who;
	pid_t pid;

	for (size_t i = 0; i < 2; i++)
		make_group(above[i]);
	make_group("sonde-test.slice/kubepods-burstable-pod" UID ".slice/cri-containerd-" ID
		   ".scope");
	pid = start_child(enter_group);
	who = who_is((uint32_t)pid, clock_monotonic_ns());
	assert_span(who.container_id, ID);
	assert_span(who.cgroup, "/sonde-test.slice/kubepods-burstable-pod" UID
				".slice/cri-containerd-" ID ".scope");
	assert_int_equal(who.container.len, 0); /* nobody wrote its state */
	end_child(pid);
	remove_group();
	/* both are gone, and both are known */
	now_ns = clock_monotonic_ns();
	assert_span(who_is((uint32_t)pid, now_ns).container_id, ID);
	world_tick(world, now_ns + 61 * second_ns);
	assert_null(world_process(world, (uint32_t)pid, 0));

	make_group("sonde-test.slice/sonde\\x2dshop@1.service");
	pid = start_child(enter_group);
	who = who_is((uint32_t)pid, clock_monotonic_ns());
	assert_span(who.service, "sonde-shop@1");
	assert_int_equal(who.container_id.len, 0);
	end_child(pid);
	remove_group();
	for (size_t i = 2; i-- > 0;) {
		struct span mount = world_cgroup_mount(world, world_cgroup1(world) ? "pids" : "");

		snprintf(group_path, sizeof(group_path), "%.*s/%s", (int)mount.len,
			 (const char *)mount.at, above[i]);
		remove_group();
	}
}

/* A shell command of the test's own. */
static int run_quietly(const char *command)
{
	char line[600];

	snprintf(line, sizeof(line), "%s >/tmp/sonde-world-test.log 2>&1", command);
	return system(line);
}

/* The number that runc wrote, 0 when it wrote none. */
static uint32_t read_pid_file(const char *path)
{
	FILE *file = fopen(path, "re");
	unsigned pid = 0;

	if (file && fscanf(file, "%u", &pid) != 1)
		pid = 0;
	if (file)
		fclose(file);
	return pid;
}

static void write_bundle(const char *dir, const char *name)
{
	char path[300];
	FILE *config;

	snprintf(path, sizeof(path),
		 "mkdir -p %s/rootfs/bin %s/rootfs/proc && cp /bin/busybox %s/rootfs/bin/busybox",
		 dir, dir, dir);
	assert_int_equal(run_quietly(path), 0);
	snprintf(path, sizeof(path), "%s/config.json", dir);
	config = fopen(path, "we");
	assert_non_null(config);
	fprintf(config,
		"{\"ociVersion\":\"1.0.2\",\"process\":{\"terminal\":false,\"user\":{\"uid\":0,"
		"\"gid\":0},"
		"\"args\":[\"/bin/busybox\",\"sleep\",\"1000\"],\"env\":[\"PATH=/bin\"],\"cwd\":\"/"
		"\"},"
		"\"root\":{\"path\":\"rootfs\"},"
		"\"annotations\":{\"io.kubernetes.cri.image-name\":\"registry.test/box:1\"},"
		"\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"}],"
		"\"linux\":{\"cgroupsPath\":\"/sonde-test/"
		"%s\",\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"},"
		"{\"type\":\"network\"}]}}",
		name);
	fclose(config);
}

static char runc_name[48], runc_dir[] = "/tmp/sonde-world-XXXXXX";

static int delete_container(void **state)
{
	char command[200];

	snprintf(command, sizeof(command), "runc delete -f %s; rm -rf %s", runc_name, runc_dir);
	run_quietly(command);
	return 0;
}

/* The pid of what runs in the container by `verb`, once it has become busybox (runc does not wait for that). */
static uint32_t run_in_container(const char *verb)
{
	uint64_t deadline_ns = clock_monotonic_ns() + 10 * second_ns;
	char command[600], path[300];
	uint32_t pid;

	snprintf(path, sizeof(path), "%s/pid", runc_dir);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(command, sizeof(command), verb, path, runc_name);
#pragma GCC diagnostic pop
	if (run_quietly(command))
		fail_msg("runc does not run: see /tmp/sonde-world-test.log");
	pid = read_pid_file(path);
	assert_true(pid > 0);
	while (!span_is(who_is(pid, clock_monotonic_ns()).exe, "/bin/busybox"))
		assert_true(clock_monotonic_ns() < deadline_ns);
	return pid;
}

static void a_container_of_runc_has_its_name(void **state)
{
	char command[200];
	struct who who;
	uint32_t pid, pid2;

	if (run_quietly("runc --version")) {
		print_message("runc is not here\n");
		skip();
	}
	assert_non_null(mkdtemp(runc_dir));
	snprintf(runc_name, sizeof(runc_name), "sonde-%u-%d", seed, getpid());
	write_bundle(runc_dir, runc_name);
	snprintf(command, sizeof(command), "runc run -d -b %s --pid-file %%s %%s </dev/null",
		 runc_dir);
	pid = run_in_container(command);
	who = who_is(pid, clock_monotonic_ns());
	for (int i = 1; i < 6 && !who.container.len;
	     i++) { /* runc writes its state when it likes */
		world_tick(world, clock_monotonic_ns() + (uint64_t)i * second_ns);
		who = who_is(pid, 0);
	}
	assert_span(who.container, runc_name);
	assert_span(who.container_id, runc_name);
	assert_span(who.service, runc_name);
	assert_span(who.image, "registry.test/box:1");
	assert_span(who.process, "busybox");
	assert_span(who.exe, "/bin/busybox");
	/* a second process enters */
	pid2 = run_in_container("runc exec -d --pid-file %s %s /bin/busybox sleep 999 </dev/null");
	who = who_is(pid2, clock_monotonic_ns());
	assert_span(who.container, runc_name);
	delete_container(NULL);
	assert_span(who_is(pid, clock_monotonic_ns()).container, runc_name);
	assert_span(who_is(pid2, 0).container, runc_name);
}

static void devices_and_interfaces_have_names(void **state)
{
	struct resolver *resolver = world_resolver(world);
	char name[64] = {}, dev[64] = {};
	unsigned major, minor;
	FILE *disks = popen("cd /sys/class/block 2>/dev/null && for d in *; do echo $d $(cat "
			    "$d/dev); break; done",
			    "re");

	assert_span(resolver->interface(resolver->ctx, 1), "lo");
	assert_int_equal(resolver->interface(resolver->ctx, 999999).len, 0);
	assert_int_equal(resolver->device(resolver->ctx, 4095u << 20).len, 0);
	if (fscanf(disks, "%63s %63s", name, dev) == 2 && sscanf(dev, "%u:%u", &major, &minor) == 2)
		assert_span(resolver->device(resolver->ctx, major << 20 | minor), name);
	pclose(disks);
	gethostname(name, sizeof(name) - 1);
	assert_span(resolver->node, name);
}

static void tables_say_what_they_hold(void **state)
{
	struct world_table table;
	size_t i = 0;

	for (; world_table(world, i, &table); i++) {
		assert_true(table.entries <= table.limit);
		assert_int_equal(table.refused, 0);
		print_message("%-10s %6lu of %6lu, %8lu bytes\n", table.name, table.entries,
			      table.limit, table.bytes);
	}
	assert_true(i >= 4);
}

/* The groups have names that tell what they are: one run at a time has them. */
static void wait_for_other_runs(void)
{
	int lock = open("/tmp/sonde-world-test.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (lock >= 0)
		flock(lock, LOCK_EX); /* until this process ends */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_was_there_before_is_known),
		cmocka_unit_test(an_exec_is_seen_with_path_and_arguments),
		cmocka_unit_test(a_program_in_memory_is_named),
		cmocka_unit_test(the_dead_are_known_for_a_minute),
		cmocka_unit_test(a_name_of_ones_own_is_seen),
		cmocka_unit_test(another_user_is_seen_with_the_next_tick),
		cmocka_unit_test(pids_used_again_never_mix),
		cmocka_unit_test(a_loss_is_counted_and_put_right),
		cmocka_unit_test(groups_like_systemds_tell_container_pod_and_service),
		cmocka_unit_test_teardown(a_container_of_runc_has_its_name, delete_container),
		cmocka_unit_test(devices_and_interfaces_have_names),
		cmocka_unit_test(tables_say_what_they_hold),
	};

	if (geteuid()) {
		print_message("needs root\n");
		return 77;
	}
	cmocka_set_test_filter(getenv("TEST")); /* "*runc*" */
	wait_for_other_runs();
	return cmocka_run_group_tests(tests, start, finish);
}
