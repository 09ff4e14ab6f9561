// SPDX-License-Identifier: GPL-2.0-only
/*
 * watchpoint - memory that is written, read or run: watchpoint:ADDRESS:LENGTH:MODE.
 *
 * The processor's debug registers do it (perf_event_open(2), PERF_TYPE_BREAKPOINT); there are four on x86-64. With -p or -c
 * the address is the process's, without it is the kernel's, watched on every CPU.
 */
#include "trace/lex.h"
#include "trace/probes/probes.h"

extern const struct probe_kind probe_watchpoint;

/* linux/hw_breakpoint.h, whose other names are in our way */
enum { WATCH_READ = 1, WATCH_WRITE = 2, WATCH_BOTH = 3, WATCH_RUN = 4 };

static uint32_t access_of(const char *mode)
{
	uint32_t access = 0;

	for (; *mode; mode++)
		access |= *mode == 'r'   ? WATCH_READ
			  : *mode == 'w' ? WATCH_WRITE
			  : *mode == 'x' ? WATCH_RUN
					 : 1u << 31;
	return access;
}

/* x86 cannot watch reads alone; nothing can watch code together with data. */
static bool check_mode(struct script *script, const struct probe_spec *spec, const char *mode)
{
	uint32_t access = access_of(mode);

	if (!access || access >> 31)
		diag_error(&script->diag, spec->place,
			   "watchpoint mode must be combination of (r,w,x)");
	if (access == WATCH_RUN || access == WATCH_WRITE || access == WATCH_BOTH)
		return true;
	diag_error(&script->diag, spec->place, "invalid watchpoint mode: %s", mode);
	diag_hint(&script->diag, "supported modes: x,w,rw");
	return false;
}

static void expand_watchpoint(struct script *script, struct action *action,
			      const struct probe_spec *spec, const struct probe_parts *parts)
{
	uint64_t address, length;
	struct probe *probe;
	const char *why;
	char name[256];

	if (parts->count != 4) {
		diag_error(&script->diag, spec->place,
			   "watchpoint probe type requires 3 arguments, found %u",
			   parts->count - 1);
		return;
	}
	if (!lex_number(span_of(parts->part[1]), &address, &why)) {
		diag_error(&script->diag, spec->place,
			   "Invalid function/address argument: invalid integer: %s",
			   parts->part[1]);
		return;
	}
	if (!lex_number(span_of(parts->part[2]), &length, &why)) {
		diag_error(&script->diag, spec->place,
			   "Invalid length argument: invalid integer: %s", parts->part[2]);
		return;
	}
	if (length != 1 && length != 2 && length != 4 && length != 8) {
		diag_error(&script->diag, spec->place,
			   "watchpoint length must be one of (1,2,4,8)");
		return;
	}
	if (!check_mode(script, spec, parts->part[3]))
		return;
	snprintf(name, sizeof(name), "watchpoint:%s:%s:%s", parts->part[1], parts->part[2],
		 parts->part[3]);
	probe = probe_add(script, action, spec, &probe_watchpoint, name);
	if (!probe)
		return;
	probe->number = address;
	probe->unit = access_of(parts->part[3]);
	probe->semaphore = length;
}

static int open_watch(struct loader *loader, const struct probe *probe, int program, int pid,
		      int cpu, struct err *why)
{
	struct perf_spec spec = {.type = PERF_TYPE_BREAKPOINT,
				 .breakpoint = probe->unit,
				 .config1 = probe->number,
				 /* the processor wants code watched by its word */
				 .config2 =
					 probe->unit == WATCH_RUN ? sizeof(long) : probe->semaphore,
				 .period = 1,
				 .pid = pid,
				 .cpu = cpu};
	int fd = loader->attach_perf(loader, program, &spec, why);

	if (fd == -ENOSPC)
		return err_set(why, fd, "No more HW registers left");
	if (fd == -EOPNOTSUPP || fd == -ENOENT || fd == -ENODEV)
		return err_set(why, fd, "this machine's processor has no watchpoints for us: %s",
			       err_name(fd));
	return fd;
}

static int attach_watchpoint(struct loader *loader, struct probe *probe, int program,
			     struct err *why)
{
	uint32_t cpus[1024], count = loader_online(cpus, 1024);

	if (loader->pid) {
		int fd = open_watch(loader, probe, program, loader->pid, -1, why);

		return fd < 0 ? fd : 0;
	}
	for (uint32_t i = 0; i < count; i++) {
		int fd = open_watch(loader, probe, program, -1, (int)cpus[i], why);

		if (fd < 0)
			return fd;
	}
	return 0;
}

const struct probe_kind probe_watchpoint = {.name = "watchpoint",
					    .aliases = {"w"},
					    .program = PROGRAM_PERF_EVENT,
					    .has_regs = true,
					    .expand = expand_watchpoint,
					    .attach = attach_watchpoint};
