// SPDX-License-Identifier: GPL-2.0-only
/* split - one program, two processes: a broker with the privileges and a worker without any. */
#include "kernel/split.h"

#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/wire.h"

int split_fork(struct split *ret_split, struct err *why)
{
	void *area = mmap(NULL, WIRE_AREA_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			  -1, 0);
	pid_t parent = getpid(), child;
	int pair[2];

	if (area == MAP_FAILED)
		return err_set(why, -errno, "cannot share memory with the broker: %s",
			       err_name(errno));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		int error = -errno;

		munmap(area, WIRE_AREA_BYTES);
		return err_set(why, error, "cannot make the broker's socket: %s", err_name(error));
	}
	child = fork();
	if (child < 0) {
		int error = -errno;

		close(pair[0]);
		close(pair[1]);
		munmap(area, WIRE_AREA_BYTES);
		return err_set(why, error, "cannot start the worker: %s", err_name(error));
	}
	close(pair[child ? 1 : 0]);
	*ret_split = (struct split){.sock = pair[child ? 0 : 1], .area = area, .child = child};
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
	}
	return (int)child;
}

void split_user(uint32_t *ret_uid, uint32_t *ret_gid)
{
	FILE *passwd = fopen("/etc/passwd", "re");
	char line[512];

	*ret_uid = *ret_gid = 65534;
	while (passwd && fgets(line, sizeof(line), passwd)) {
		unsigned uid, gid;

		if (!strncmp(line, "sonde:", 6) &&
		    sscanf(line, "sonde:%*[^:]:%u:%u:", &uid, &gid) == 2) {
			*ret_uid = uid;
			*ret_gid = gid;
		}
	}
	if (passwd)
		fclose(passwd);
}

static int set_capabilities(uint64_t effective, uint64_t permitted, struct err *why)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2] = {};

	for (int i = 0; i < 2; i++) {
		data[i].effective = (uint32_t)(effective >> (32 * i));
		data[i].permitted = (uint32_t)(permitted >> (32 * i));
	}
	if (syscall(SYS_capset, &head, data))
		return err_set(why, -errno, "cannot drop capabilities: %s", err_name(errno));
	return 0;
}

/* The bits of capabilities that stay. */
static int drop_user(uint32_t uid, uint32_t gid, uint64_t effective, uint64_t permitted,
		     struct err *why)
{
	int error;

	if (permitted && prctl(PR_SET_KEEPCAPS, 1))
		return err_set(why, -errno, "cannot keep capabilities: %s", err_name(errno));
	if (uid && (setgroups(0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid)))
		return err_set(why, -errno, "cannot become user %u: %s", uid, err_name(errno));
	error = set_capabilities(effective, permitted, why);
	if (error)
		return error;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return err_set(why, -errno, "cannot set no_new_privs: %s", err_name(errno));
	/* setresuid made us undumpable: /proc/self would belong to root, and fdinfo be closed to us */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return 0;
}

/*
 * System calls that the worker never needs and an attacker would: starting programs, entering namespaces,
 * mounting, tracing, loading code into the kernel, changing identity. They fail with EPERM. A list of
 * what is refused rather than of what is allowed: the libraries below (libevent, sqlite, libc)
 * change their calls with every release, and one that is refused by surprise would lose data.
 */
static const uint32_t refused[] = {
#if defined(__x86_64__) /* calls that newer architectures never had */
	SYS_fork,
	SYS_vfork,
	SYS_iopl,
	SYS_ioperm,
	SYS_uselib,
	SYS_mknod,
#endif
	SYS_execve,
	SYS_execveat,
	SYS_ptrace,
	SYS_process_vm_readv,
	SYS_process_vm_writev,
	SYS_bpf,
	SYS_perf_event_open,
	SYS_mount,
	SYS_umount2,
	SYS_pivot_root,
	SYS_chroot,
	SYS_setns,
	SYS_unshare,
	SYS_init_module,
	SYS_finit_module,
	SYS_delete_module,
	SYS_kexec_load,
	SYS_kexec_file_load,
	SYS_reboot,
	SYS_swapon,
	SYS_swapoff,
	SYS_setuid,
	SYS_setgid,
	SYS_setreuid,
	SYS_setregid,
	SYS_setresuid,
	SYS_setresgid,
	SYS_setgroups,
	SYS_capset,
	SYS_add_key,
	SYS_request_key,
	SYS_keyctl,
	SYS_open_by_handle_at,
	SYS_name_to_handle_at,
	SYS_acct,
	SYS_quotactl,
	SYS_settimeofday,
	SYS_clock_settime,
	SYS_adjtimex,
	SYS_clock_adjtime,
	SYS_sethostname,
	SYS_setdomainname,
	SYS_userfaultfd,
	SYS_io_uring_setup,
	SYS_io_uring_enter,
	SYS_io_uring_register,
	SYS_pidfd_getfd,
	SYS_fsopen,
	SYS_fsmount,
	SYS_move_mount,
	SYS_open_tree,
	SYS_personality,
	SYS_vhangup,
	SYS_syslog,
	SYS_mknodat,
};

#if defined(__x86_64__)
#define OWN_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OWN_ARCH AUDIT_ARCH_AARCH64
#endif

static bool is_for_tracing(uint32_t number)
{
	return number == SYS_bpf || number == SYS_perf_event_open;
}

/* `may_trace`: bpf(2) and perf_event_open(2) are not refused. */
static int filter_system_calls(bool may_trace, struct err *why)
{
	enum { COUNT = sizeof(refused) / sizeof(*refused) };
	struct sock_filter code[COUNT + 7];
	struct sock_fprog program = {.filter = code};
	unsigned n = 0;

	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						 offsetof(struct seccomp_data, arch));
	code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OWN_ARCH, 1, 0);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						 offsetof(struct seccomp_data, nr));
	for (unsigned i = 0; i < COUNT; i++) {
		bool passes = may_trace && is_for_tracing(refused[i]);

		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, refused[i],
							 (uint8_t)(COUNT - i - passes), 0);
	}
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
	program.len = (unsigned short)n;
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		return err_set(why, -errno, "cannot filter the worker's system calls: %s",
			       err_name(errno));
	return 0;
}

int split_drop(uint32_t uid, uint32_t gid, struct err *why)
{
	int error = drop_user(uid, gid, 0, 0, why);

	if (error)
		return error;
	/* the signal of the broker's death is cleared by a change of identity: ask again */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	return filter_system_calls(false, why);
}

/*
 * Some kernels let CAP_PERFMON open any perf event but those of uprobes, kprobes and tracepoints, others at level 3 of
 * kernel.perf_event_paranoid none. Tried, not guessed: a uprobe that is never switched on.
 */
static bool probes_want_admin(void)
{
	struct perf_event_attr attr = {.size = sizeof(attr), .disabled = 1};
	FILE *file = fopen("/sys/bus/event_source/devices/uprobe/type", "re");
	bool known = file && fscanf(file, "%u", &attr.type) == 1;
	int fd;

	if (file)
		fclose(file);
	if (!known)
		return false;
	attr.uprobe_path = (uintptr_t) "/proc/self/exe";
	fd = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return errno == EACCES || errno == EPERM;
	close(fd);
	return false;
}

int split_confine(uint32_t uid, uint32_t gid, struct err *why)
{
	static const int needed[] = {CAP_BPF, CAP_PERFMON, CAP_SYSLOG, CAP_DAC_READ_SEARCH,
				     CAP_SYS_PTRACE};
	const uint64_t admin = 1ull << CAP_SYS_ADMIN;
	uint64_t keep = 0;
	int error;

	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++)
		keep |= 1ull << needed[i];
	error = drop_user(uid, gid, keep, keep | admin, why);
	if (!error && probes_want_admin())
		keep |= admin;
	if (!error)
		error = set_capabilities(keep, keep, why);
	if (error)
		return error;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	return filter_system_calls(true, why);
}
