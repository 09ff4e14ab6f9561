// SPDX-License-Identifier: GPL-2.0-only
/*
 * special - begin and end: run once by hand, before and after everything else.
 *
 * They are raw tracepoint programs that are never attached: BPF_PROG_TEST_RUN runs them in the
 * tracer's own process (kernel 5.10). No probe on our own binary is needed.
 */
#include "trace/probes/probes.h"

static void expand_special(struct script *script, struct action *action,
			   const struct probe_spec *spec, const struct probe_parts *parts)
{
	const struct probe_kind *kind = probe_kind_find(parts->part[0]);

	if (parts->count > 1) {
		diag_error(&script->diag, spec->place,
			   "%s probe type requires 0 arguments, found %u", parts->part[0],
			   parts->count - 1);
		return;
	}
	probe_add(script, action, spec, kind, kind->name);
}

static void list_special(struct script *script, const char *pattern,
			 void (*found)(void *context, const char *name), void *context)
{
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
