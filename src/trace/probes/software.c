// SPDX-License-Identifier: GPL-2.0-only
/* software, hardware - events counted by the kernel or the processor: every count-th fires. */
#include "trace/lex.h"
#include "trace/probes/probes.h"

extern const struct probe_kind probe_software, probe_hardware;

struct event_name {
	const char *name, *alias;
	uint32_t type;
	uint64_t config, count;
};

static const struct event_name events[] = {
	{"alignment-faults", NULL, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_ALIGNMENT_FAULTS, 1},
	{"bpf-output", NULL, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_BPF_OUTPUT, 1},
	{"context-switches", "cs", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CONTEXT_SWITCHES, 1000},
	{"cpu-clock", "cpu", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK, 1000000},
	{"cpu-migrations", NULL, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_MIGRATIONS, 1},
	{"dummy", NULL, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_DUMMY, 1},
	{"emulation-faults", NULL, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_EMULATION_FAULTS, 1},
	{"major-faults", NULL, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS_MAJ, 1},
	{"minor-faults", NULL, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS_MIN, 100},
	{"page-faults", "faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS, 100},
	{"task-clock", NULL, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK, 1},
	{"backend-stalls", NULL, PERF_TYPE_HARDWARE, PERF_COUNT_HW_STALLED_CYCLES_BACKEND, 1000000},
	{"branch-instructions", "branches", PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_INSTRUCTIONS,
	 100000},
	{"branch-misses", NULL, PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_MISSES, 100000},
	{"bus-cycles", NULL, PERF_TYPE_HARDWARE, PERF_COUNT_HW_BUS_CYCLES, 100000},
	{"cache-misses", NULL, PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES, 1000000},
	{"cache-references", NULL, PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_REFERENCES, 1000000},
	{"cpu-cycles", "cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES, 1000000},
	{"frontend-stalls", NULL, PERF_TYPE_HARDWARE, PERF_COUNT_HW_STALLED_CYCLES_FRONTEND,
	 1000000},
	{"instructions", NULL, PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS, 1000000},
	{"ref-cycles", NULL, PERF_TYPE_HARDWARE, PERF_COUNT_HW_REF_CPU_CYCLES, 1000000},
};

enum { EVENTS = sizeof(events) / sizeof(*events) };

static uint32_t type_of(const struct probe_kind *kind)
{
	return !strcmp(kind->name, "software") ? PERF_TYPE_SOFTWARE : PERF_TYPE_HARDWARE;
}

static const struct event_name *find_event(const struct probe_kind *kind, const char *name)
{
	for (size_t i = 0; i < EVENTS; i++)
		if (events[i].type == type_of(kind) &&
		    (!strcmp(events[i].name, name) ||
		     (events[i].alias && !strcmp(events[i].alias, name))))
			return &events[i];
	return NULL;
}

static void expand_event(struct script *script, struct action *action,
			 const struct probe_spec *spec, const struct probe_parts *parts)
{
	const struct probe_kind *kind = probe_kind_find(parts->part[0]);
	const struct event_name *event;
	struct probe *probe;
	const char *why;
	char name[256];
	uint64_t count = 0;

	if (parts->count < 2 || parts->count > 3) {
		diag_error(&script->diag, spec->place,
			   "%s probe type requires 1 or 2 arguments, found %u", kind->name,
			   parts->count - 1);
		return;
	}
	event = find_event(kind, parts->part[1]);
	if (!event) {
		diag_error(&script->diag, spec->place, "%s is not a %s probe", parts->part[1],
			   kind->name);
		return;
	}
	if (parts->count == 3 && !lex_number(span_of(parts->part[2]), &count, &why)) {
		diag_error(&script->diag, spec->place,
			   "Invalid count for %s probe: invalid integer: %s", kind->name,
			   parts->part[2]);
		return;
	}
	if (parts->count == 3)
		snprintf(name, sizeof(name), "%s:%s:%llu", kind->name, parts->part[1],
			 (unsigned long long)count);
	else
		snprintf(name, sizeof(name), "%s:%s:", kind->name, parts->part[1]);
	probe = probe_add(script, action, spec, kind, name);
	if (!probe)
		return;
	probe->target = event->name;
	probe->number = count ? count : event->count;
}

static int attach_event(struct loader *loader, struct probe *probe, int program, struct err *why)
{
	const struct event_name *event = find_event(probe->kind, probe->target);
	uint32_t cpus[1024], count = loader_online(cpus, 1024);

	for (uint32_t i = 0; i < count; i++) {
		struct perf_spec spec = {.type = event->type,
					 .config = event->config,
					 .period = probe->number,
					 .pid = loader->pid ? loader->pid : -1,
					 .cpu = (int)cpus[i]};
		int fd = loader->attach_perf(loader, program, &spec, why);

		if (fd == -ENOENT || fd == -EOPNOTSUPP)
			return err_set(why, fd, "this machine does not count %s:%s",
				       probe->kind->name, event->name);
		if (fd < 0)
			return fd;
	}
	return 0;
}

static void list_events(const struct probe_kind *kind, const char *pattern,
			void (*found)(void *context, const char *name), void *context)
{
	for (size_t i = 0; i < EVENTS; i++) {
		char name[128];

		if (events[i].type != type_of(kind))
			continue;
		snprintf(name, sizeof(name), "%s:%s:", kind->name, events[i].name);
		if (probe_glob(pattern, name))
			found(context, name);
		snprintf(name, sizeof(name), "%s:%s:", kind->name,
			 events[i].alias ? events[i].alias : "");
		if (events[i].alias && probe_glob(pattern, name))
			found(context, name);
	}
}

static void list_software(struct script *script, const char *pattern,
			  void (*found)(void *context, const char *name), void *context)
{
	list_events(&probe_software, pattern, found, context);
}

static void list_hardware(struct script *script, const char *pattern,
			  void (*found)(void *context, const char *name), void *context)
{
	list_events(&probe_hardware, pattern, found, context);
}

const struct probe_kind probe_software = {.name = "software",
					  .aliases = {"s"},
					  .program = PROGRAM_PERF_EVENT,
					  .has_regs = true,
					  .expand = expand_event,
					  .attach = attach_event,
					  .list = list_software};
const struct probe_kind probe_hardware = {.name = "hardware",
					  .aliases = {"h"},
					  .program = PROGRAM_PERF_EVENT,
					  .has_regs = true,
					  .expand = expand_event,
					  .attach = attach_event,
					  .list = list_hardware};
