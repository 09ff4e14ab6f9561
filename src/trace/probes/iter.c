// SPDX-License-Identifier: GPL-2.0-only
/* iter - walks over objects of the kernel (tasks, files, memory areas) once, then ends. */
#include "trace/btf.h"
#include "trace/probes/probes.h"

extern const struct probe_kind probe_iter;

enum { KIND_FUNC = 12, TRACE_ITER = 28 };

static void expand_iter(struct script *script, struct action *action, const struct probe_spec *spec,
			const struct probe_parts *parts)
{
	struct btf *btf = script_btf(script);
	struct probe *probe;
	char name[256];
	uint32_t id;

	if (parts->count < 2 || parts->count > 3) {
		diag_error(&script->diag, spec->place,
			   "iter probe type takes 2 arguments (1 optional)");
		return;
	}
	snprintf(name, sizeof(name), "bpf_iter_%s", parts->part[1]);
	id = btf ? btf_find(btf, name, KIND_FUNC) : 0;
	if (!id) {
		probe_missing(script, spec, "iter %s not available for your kernel version.",
			      parts->part[1]);
		return;
	}
	snprintf(name, sizeof(name), "iter:%s", parts->part[1]);
	probe = probe_add(script, action, spec, &probe_iter, name);
	if (!probe)
		return;
	probe->function = parts->part[1];
	/* "name", below /sys/fs/bpf, or a whole path */
	if (parts->count == 3 && *parts->part[2]) {
		snprintf(name, sizeof(name), "%s%s", *parts->part[2] == '/' ? "" : "/sys/fs/bpf/",
			 parts->part[2]);
		probe->target = arena_str(&script->arena, span_of(name));
	}
	probe->btf_id = id;
}

static const struct type *iter_args(struct script *script, struct probe *probe)
{
	const struct type *record;
	char name[256];

	snprintf(name, sizeof(name), "bpf_iter__%s", probe->function);
	record = script->btf ? btf_record(script->btf, name, false) : NULL;
	/* see fentry_args: pointers come out as plain numbers */
	return record ? type_in_space(&script->arena, btf_fill(script->btf, record), SPACE_KERNEL)
		      : NULL;
}

static int attach_iter(struct loader *loader, struct probe *probe, int program, struct err *why)
{
	return loader->attach_iter(loader, program, probe->target, why);
}

const struct probe_kind probe_iter = {.name = "iter",
				      .aliases = {"it"},
				      .program = PROGRAM_TRACING,
				      .attach_type = TRACE_ITER,
				      .space = SPACE_KERNEL,
				      .expand = expand_iter,
				      .args = iter_args,
				      .attach = attach_iter};
