// SPDX-License-Identifier: GPL-2.0-only
/* function - the table of all functions and builtins. */
#include "trace/function.h"

#include <string.h>

/* One line a function; what it does is in functions/. */
/* clang-format off */
#define ALL_FUNCTIONS(X) \
	X(arg) \
	X(args) \
	X(assert) \
	X(avg) \
	X(bswap) \
	X(buf) \
	X(cat) \
	X(cgroup) \
	X(cgroup_path) \
	X(cgroupid) \
	X(clear) \
	X(comm) \
	X(config) \
	X(container) \
	X(count) \
	X(cpid) \
	X(cpu) \
	X(ctx) \
	X(curtask) \
	X(default_str_length) \
	X(delete) \
	X(elapsed) \
	X(errorf) \
	X(exit) \
	X(fail) \
	X(find) \
	X(func) \
	X(getopt) \
	X(gid) \
	X(has_cpid) \
	X(has_key) \
	X(hist) \
	X(is_array) \
	X(is_err) \
	X(is_integer) \
	X(is_literal) \
	X(is_ptr) \
	X(is_str) \
	X(is_unsigned_integer) \
	X(jiffies) \
	X(join) \
	X(kaddr) \
	X(kfunc_allowed) \
	X(kfunc_exist) \
	X(kptr) \
	X(kstack) \
	X(ksym) \
	X(leader_comm) \
	X(leader_tid) \
	X(len) \
	X(lhist) \
	X(macaddr) \
	X(max) \
	X(memcmp) \
	X(min) \
	X(ncpus) \
	X(nsecs) \
	X(ntop) \
	X(numaid) \
	X(override) \
	X(path) \
	X(pcomm) \
	X(percpu_kaddr) \
	X(pid) \
	X(pod) \
	X(ppid) \
	X(print) \
	X(printf) \
	X(probe) \
	X(probetype) \
	X(pton) \
	X(rand) \
	X(reg) \
	X(retval) \
	X(signal) \
	X(signal_name) \
	X(signal_thread) \
	X(skboutput) \
	X(socket_cookie) \
	X(static_assert) \
	X(stats) \
	X(str) \
	X(str_concat) \
	X(strcap) \
	X(strcontains) \
	X(strerror) \
	X(strftime) \
	X(strlen) \
	X(strncmp) \
	X(strstr) \
	X(sum) \
	X(syscall_name) \
	X(system) \
	X(tid) \
	X(time) \
	X(tseries) \
	X(typeinfo) \
	X(uaddr) \
	X(uid) \
	X(unwatch) \
	X(uptr) \
	X(usermode) \
	X(username) \
	X(ustack) \
	X(usym) \
	X(warnf) \
	X(write_user) \
	X(zero)
/* clang-format on */

#define DECLARE(name) extern const struct function function_##name;
ALL_FUNCTIONS(DECLARE)

#define LIST(name) &function_##name,
static const struct function *const functions[] = {ALL_FUNCTIONS(LIST)};

enum { FUNCTIONS = sizeof(functions) / sizeof(*functions) };

const struct function *function_by_index(size_t index)
{
	return index < FUNCTIONS ? functions[index] : NULL;
}

const struct function *function_by_name(const char *name)
{
	/* what bpftrace's own library calls them */
	if (!strncmp(name, "__builtin_", 10))
		name += 10;
	/* arg0, arg1 ... are one */
	if (!strncmp(name, "arg", 3) && name[3] >= '0' && name[3] <= '9')
		name = "arg";
	else if (!strcmp(name, "arg"))
		return NULL;
	for (size_t i = 0; i < FUNCTIONS; i++)
		if (!strcmp(functions[i]->name, name))
			return functions[i];
	return NULL;
}
