// SPDX-License-Identifier: GPL-2.0-only
/*
 * capabilities - which of root's powers processes ask for, and whether they have them.
 *
 * What a service asks for in a week is what it needs: everything else can be taken from it. Checks are counted, not
 * uses: the kernel asks for some of them only to choose a way. The tracepoint came with 6.14
 * (d48da4d5ed7e); before, the function is watched on its way out.
 */
#include "kernel/filter.bpf.h"
#include "kernel/read.bpf.h"

ITEM("sec", "off", "capabilities that processes ask for, and are denied");

/* include/uapi/linux/capability.h */
#define CAPABILITIES                                                                               \
	"enum=0:chown,1:dac_override,2:dac_read_search,3:fowner,4:fsetid,5:kill,6:setgid,7:"       \
	"setuid,"                                                                                  \
	"8:setpcap,9:linux_immutable,10:net_bind_service,11:net_broadcast,12:net_admin,13:net_"    \
	"raw,"                                                                                     \
	"14:ipc_lock,15:ipc_owner,16:sys_module,17:sys_rawio,18:sys_chroot,19:sys_ptrace,"         \
	"20:sys_pacct,21:sys_admin,22:sys_boot,23:sys_nice,24:sys_resource,25:sys_time,"           \
	"26:sys_tty_config,27:mknod,28:lease,29:audit_write,30:audit_control,31:setfcap,"          \
	"32:mac_override,33:mac_admin,34:syslog,35:wake_alarm,36:block_suspend,37:audit_read,"     \
	"38:perfmon,39:bpf,40:checkpoint_restore"

struct check {
	struct owner owner;
	__u32 capability COL_OPT("enum", CAPABILITIES);
	__u32 result COL_OPT("enum", "enum=0:granted,1:denied");
};
METRIC_COUNTER(capabilities, struct check, 16384, "help=checks of a capability");

static __always_inline int on_check(int capability, int result)
{
	struct check check = {.capability = capability, .result = result != 0};

	if (!filter_current())
		return 0;
	check.owner = read_owner_of_current();
	counter_add(&capabilities, &check, 1);
	return 0;
}

ON_TRACEPOINT(cap_capable, "struct cred *,struct user_namespace *,struct user_namespace *,int,int",
	      void *cred, void *target, void *capable, int capability, int result)
{
	return on_check(capability, result);
}

HOOK("fexit/cap_capable", cap_capable, 3)
int BPF_PROG(cap_capable_function, void *cred, void *target, int capability, unsigned int options,
	     int result)
{
	return on_check(capability, result);
}
