// SPDX-License-Identifier: GPL-2.0-only
/* timer - interval (on one CPU) and profile (on every CPU): clocks of the perf subsystem. */
#include "trace/lex.h"
#include "trace/probes/probes.h"

/* Everything but "hz" is a period in nanoseconds in `number`; hz is a frequency, and unit is 1. */
static bool read_time(struct script *script, const struct probe_spec *spec,
		      const struct probe_parts *parts, uint64_t *ret_number, uint32_t *ret_unit)
{
	static const struct {
		const char *name;
		uint64_t factor;
	} units[] = {{"s", 1000000000}, {"ms", 1000000}, {"us", 1000}, {"ns", 1}, {"hz", 0}};
	const char *why, *number = parts->part[parts->count - 1];
	uint64_t value;

	if (parts->count < 2 || parts->count > 3) {
		diag_error(&script->diag, spec->place,
			   "%s probe type requires 1 or 2 arguments, found %u", parts->part[0],
			   parts->count - 1);
		return false;
	}
	if (!lex_number(span_of(number), &value, &why)) {
		diag_error(&script->diag, spec->place,
			   "Invalid rate of %s probe: invalid integer: %s", parts->part[0], number);
		return false;
	}
	if (!value) {
		diag_error(&script->diag, spec->place, "%s frequency should be a positive integer",
			   parts->part[0]);
		return false;
	}
	*ret_unit = 0;
	*ret_number = value;
	if (parts->count == 2)
		return true;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (!strcmp(parts->part[1], units[i].name)) {
			*ret_unit = !units[i].factor;
			if (units[i].factor &&
			    __builtin_mul_overflow(value, units[i].factor, ret_number))
				*ret_number = INT64_MAX;
			return true;
		}
	diag_error(&script->diag, spec->place, "%s is not an accepted unit of time",
		   parts->part[1]);
	return false;
}

static void expand_timer(struct script *script, struct action *action,
			 const struct probe_spec *spec, const struct probe_parts *parts)
{
	const struct probe_kind *kind = probe_kind_find(parts->part[0]);
	struct probe *probe;
	uint64_t number;
	uint32_t unit;
	char name[256];

	if (!read_time(script, spec, parts, &number, &unit))
		return;
	snprintf(name, sizeof(name), "%s:%s%s%s", kind->name, parts->part[1],
		 parts->count == 3 ? ":" : "", parts->count == 3 ? parts->part[2] : "");
	probe = probe_add(script, action, spec, kind, name);
	if (probe) {
		probe->number = number;
		probe->unit = unit;
	}
}

static struct perf_spec clock_spec(const struct probe *probe, int cpu)
{
	return (struct perf_spec){.type = PERF_TYPE_SOFTWARE,
				  .config = PERF_COUNT_SW_CPU_CLOCK,
				  .period = probe->number,
				  .is_frequency = probe->unit,
				  .pid = -1,
				  .cpu = cpu};
}

static int attach_interval(struct loader *loader, struct probe *probe, int program, struct err *why)
{
	struct perf_spec spec = clock_spec(probe, 0);

	return loader->attach_perf(loader, program, &spec, why);
}

static int attach_profile(struct loader *loader, struct probe *probe, int program, struct err *why)
{
	uint32_t cpus[1024], count = loader_online(cpus, 1024);

	for (uint32_t i = 0; i < count; i++) {
		struct perf_spec spec = clock_spec(probe, (int)cpus[i]);
		int fd;

		if (loader->pid)
			spec.pid = loader->pid;
		fd = loader->attach_perf(loader, program, &spec, why);
		if (fd < 0)
			return fd;
	}
	return 0;
}

static void list_units(const char *kind, const char *pattern,
		       void (*found)(void *context, const char *name), void *context)
{
	static const char *const units[] = {"hz", "ms", "s", "us"};

	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		char name[64];

		snprintf(name, sizeof(name), "%s:%s:", kind, units[i]);
		if (probe_glob(pattern, name))
			found(context, name);
	}
}

static void list_interval(struct script *script, const char *pattern,
			  void (*found)(void *context, const char *name), void *context)
{
	list_units("interval", pattern, found, context);
}

static void list_profile(struct script *script, const char *pattern,
			 void (*found)(void *context, const char *name), void *context)
{
	list_units("profile", pattern, found, context);
}

const struct probe_kind probe_interval = {.name = "interval",
					  .aliases = {"i"},
					  .program = PROGRAM_PERF_EVENT,
					  .has_regs = true,
					  .expand = expand_timer,
					  .attach = attach_interval,
					  .list = list_interval};
const struct probe_kind probe_profile = {.name = "profile",
					 .aliases = {"p"},
					 .program = PROGRAM_PERF_EVENT,
					 .has_regs = true,
					 .expand = expand_timer,
					 .attach = attach_profile,
					 .list = list_profile};
