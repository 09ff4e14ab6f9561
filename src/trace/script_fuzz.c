// SPDX-License-Identifier: GPL-2.0-only
/*
 * Any text: never out of bounds, never stuck; what the checker accepts is lowered and emitted, and
 * every jump of the result stays inside. Probes are not looked for: all actions hang on begin.
 */
#include <stdlib.h>

#include "trace/lower.h"

static bool jumps_stay_inside(const struct code *code)
{
	for (uint32_t i = 0; i < code->count; i++) {
		const struct bpf_insn *insn = &code->insns[i];
		int64_t to = (int64_t)i + 1 + insn->off;

		if (insn->code == (BPF_LD | BPF_DW | BPF_IMM)) {
			i++;
			continue;
		}
		if (BPF_CLASS(insn->code) == BPF_JMP && BPF_OP(insn->code) != BPF_CALL &&
		    BPF_OP(insn->code) != BPF_EXIT && (to < 0 || to >= code->count))
			return false;
	}
	return code->count && code->insns[code->count - 1].code == (BPF_JMP | BPF_EXIT);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	static const char *const params[] = {"5", "text"};
	struct script_options options = {.name = "stdin", .is_unsafe = true, .param_count = 2};
	struct target target = {.has_may_goto = len % 2,
				.has_exchange = true,
				.has_percpu_lookup = true,
				.cpus = 2};
	struct script *script;
	struct err why = {};

	if (len > 4096)
		return 0;
	options.params[0] = params[0];
	options.params[1] = params[1];
	script = script_new((struct span){at, len}, &options);
	if (!script)
		return 0;
	script->is_btf_missing = true;
	if (!script_parse(script)) {
		for (struct action *action = script->actions; action; action = action->next) {
			struct probe *probe = probe_add(script, action, action->specs,
							probe_kind_find("begin"), "begin");

			if (probe && !(probe->body = script_parse_body(script, action->body_from)))
				abort();
		}
		if (!script->diag.errors && !script_check(script) &&
		    !script_lower(script, &target, &why))
			for (struct program *p = script->compiled->programs; p; p = p->next)
				if (!jumps_stay_inside(&p->code))
					abort();
	}
	script_free(script);
	return 0;
}
