// SPDX-License-Identifier: GPL-2.0-only
/*
 * special - probes that are run by hand: begin and end, before and after everything else; self, when the tracer gets a
 * signal; test and bench, in modes of their own (--test, --bench), and passed over else.
 *
 * They are raw tracepoint programs that are never attached: BPF_PROG_TEST_RUN runs them in the
 * tracer's own process (kernel 5.10). No probe on our own binary is needed.
 */
#include "trace/probes/probes.h"

extern const struct probe_kind probe_self, probe_test, probe_bench;

static bool has_arguments(struct script *script, const struct probe_spec *spec,
			  const struct probe_parts *parts, uint32_t count)
{
	if (parts->count == count + 1)
		return true;
	diag_error(&script->diag, spec->place, "%s probe type requires %u arguments, found %u",
		   parts->part[0], count, parts->count - 1);
	return false;
}

static void expand_special(struct script *script, struct action *action,
			   const struct probe_spec *spec, const struct probe_parts *parts)
{
	const struct probe_kind *kind = probe_kind_find(parts->part[0]);

	if (has_arguments(script, spec, parts, 0))
		probe_add(script, action, spec, kind, kind->name);
}

static void expand_self(struct script *script, struct action *action, const struct probe_spec *spec,
			const struct probe_parts *parts)
{
	if (!has_arguments(script, spec, parts, 2))
		return;
	if (strcmp(parts->part[1], "signal"))
		diag_error(&script->diag, spec->place, "%s is not a supported trigger",
			   parts->part[1]);
	else if (strcmp(parts->part[2], "SIGUSR1"))
		diag_error(&script->diag, spec->place, "%s is not a supported signal",
			   parts->part[2]);
	else
		probe_add(script, action, spec, &probe_self, "self:signal:SIGUSR1");
}

static void expand_mode(struct script *script, struct action *action, const struct probe_spec *spec,
			const struct probe_parts *parts)
{
	const struct probe_kind *kind = probe_kind_find(parts->part[0]);
	enum script_mode wanted = kind == &probe_test ? MODE_TEST : MODE_BENCH;
	struct probe *probe;
	char name[256];

	if (!has_arguments(script, spec, parts, 1))
		return;
	if (script->options->mode != wanted) {
		action->is_of_other_mode = true;
		script->passed_over = wanted;
		return;
	}
	snprintf(name, sizeof(name), "%s:%s", kind->name, parts->part[1]);
	probe = probe_add(script, action, spec, kind, name);
	if (probe)
		probe->function = parts->part[1];
}

static void list_special(struct script *script, const char *pattern,
			 void (*found)(void *context, const char *name), void *context)
{
}

static void list_self(struct script *script, const char *pattern,
		      void (*found)(void *context, const char *name), void *context)
{
	if (probe_glob(pattern, "self:signal:SIGUSR1"))
		found(context, "self:signal:SIGUSR1");
}

const struct probe_kind probe_begin = {.name = "begin",
				       .aliases = {"BEGIN"},
				       .program = PROGRAM_RAW_TRACEPOINT,
				       .is_special = true,
				       .expand = expand_special,
				       .list = list_special};
const struct probe_kind probe_end = {.name = "end",
				     .aliases = {"END"},
				     .program = PROGRAM_RAW_TRACEPOINT,
				     .is_special = true,
				     .expand = expand_special,
				     .list = list_special};
const struct probe_kind probe_self = {.name = "self",
				      .program = PROGRAM_RAW_TRACEPOINT,
				      .is_special = true,
				      .expand = expand_self,
				      .list = list_self};
const struct probe_kind probe_test = {.name = "test",
				      .program = PROGRAM_RAW_TRACEPOINT,
				      .is_special = true,
				      .has_result = true,
				      .expand = expand_mode,
				      .list = list_special};
const struct probe_kind probe_bench = {.name = "bench",
				       .program = PROGRAM_RAW_TRACEPOINT,
				       .is_special = true,
				       .expand = expand_mode,
				       .list = list_special};
