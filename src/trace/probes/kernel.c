// SPDX-License-Identifier: GPL-2.0-only
/*
 * kprobe, kretprobe, fentry, fexit - functions of the kernel.
 *
 * kprobes know registers only; fentry and fexit know the function's parameters from BTF, which are
 * read out of the context (8 bytes each, the result behind them).
 */
#include "base/arch.h"
#include "trace/btf.h"
#include "trace/lex.h"
#include "trace/lower.h"
#include "trace/probes/probes.h"

extern const struct probe_kind probe_kprobe, probe_kretprobe, probe_fentry, probe_fexit;

enum { ARGS_MAX = 12, KIND_FUNC = 12, FENTRY = 24, FEXIT = 25 };

struct place_of {
	struct script *script;
	struct action *action;
	const struct probe_spec *spec;
	const struct probe_kind *kind;
	const char *module;
	uint32_t count;
};

static struct probe *add_kernel(struct place_of *to, const char *function, uint64_t plus)
{
	struct arena *arena = &to->script->arena;
	struct probe *probe;
	char name[512];

	snprintf(name, sizeof(name), "%s:%s%s%s", to->kind->name, to->module ? to->module : "",
		 to->module ? ":" : "", function);
	to->count++;
	probe = probe_add(to->script, to->action, to->spec, to->kind, name);
	if (!probe)
		return NULL;
	probe->target = to->module;
	probe->function = arena_str(arena, span_of(function));
	probe->number = plus;
	return probe;
}

/* Where ftrace lists nothing (it is not compiled in, or locked): all functions of kallsyms. */
static void add_known(struct place_of *to, const char *pattern)
{
	FILE *file = fopen("/proc/kallsyms", "re");
	char line[512], type, symbol[256];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%*x %c %255s", &type, symbol) == 2 &&
		    (type == 't' || type == 'T') && probe_glob(pattern, symbol))
			add_kernel(to, symbol, 0);
	if (file)
		fclose(file);
}

/* Functions that may be probed, as ftrace lists them: "name" or "name [module]". */
static void add_matching(struct place_of *to, const char *pattern)
{
	bool is_empty = true;
	char path[256], line[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/available_filter_functions",
		 tracefs_path() ? tracefs_path() : "/sys/kernel/tracing");
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		is_empty = false;
		line[strcspn(line, " \t\n")] = 0;
		if (probe_glob(pattern, line))
			add_kernel(to, line, 0);
	}
	if (file)
		fclose(file);
	if (is_empty)
		add_known(to, pattern);
}

static bool is_kernel_function(const char *name)
{
	char line[512], type, symbol[256];
	FILE *file = fopen("/proc/kallsyms", "re");
	bool is_there = false;

	while (file && !is_there && fgets(line, sizeof(line), file))
		is_there = sscanf(line, "%*x %c %255s", &type, symbol) == 2 &&
			   (type == 't' || type == 'T' || type == 'w' || type == 'W') &&
			   !strcmp(symbol, name);
	if (file)
		fclose(file);
	return is_there;
}

static bool start(struct place_of *to, const struct probe_parts *parts)
{
	if (parts->count < 2 || parts->count > 3) {
		diag_error(&to->script->diag, to->spec->place,
			   "%s probe type requires 1 or 2 arguments, found %u", to->kind->name,
			   parts->count - 1);
		return false;
	}
	to->module = parts->count == 3 ? parts->part[1] : NULL;
	return true;
}

static void expand_kprobe(struct script *script, struct action *action,
			  const struct probe_spec *spec, const struct probe_parts *parts)
{
	const struct probe_kind *kind = probe_kind_find(parts->part[0]);
	struct place_of to = {.script = script, .action = action, .spec = spec, .kind = kind};
	const char *text = parts->part[parts->count - 1], *why;
	size_t len = strcspn(text, "+");
	char function[256];
	uint64_t plus = 0;

	if (!start(&to, parts))
		return;
	snprintf(function, sizeof(function), "%.*s", (int)len, text);
	if (text[len] == '+' && !lex_number(span_of(text + len + 1), &plus, &why)) {
		diag_error(&script->diag, spec->place, "Invalid offset: invalid integer: %s",
			   text + len + 1);
		return;
	}
	if (plus && kind == &probe_kretprobe) {
		diag_error(&script->diag, spec->place, "Offset not allowed");
		return;
	}
	if (probe_has_wildcard(function))
		add_matching(&to, function);
	else if (is_kernel_function(function))
		add_kernel(&to, function, plus);
	if (!to.count)
		probe_missing(script, spec, "No matches for %s %s.", kind->name, text);
}

static int attach_kprobe(struct loader *loader, struct probe *probe, int program, struct err *why)
{
	FILE *file = fopen("/sys/bus/event_source/devices/kprobe/type", "re");
	struct perf_spec spec = {.config = probe->kind == &probe_kretprobe,
				 .config2 = probe->number,
				 .path = probe->function,
				 .pid = -1,
				 .cpu = 0};
	int is_read;

	if (!file)
		return err_set(why, -EOPNOTSUPP, "this kernel has no kprobes");
	is_read = fscanf(file, "%u", &spec.type);
	fclose(file);
	if (is_read != 1)
		return err_set(why, -EIO, "cannot read the number of the kprobe events");
	return loader->attach_perf(loader, program, &spec, why);
}

static int kprobe_arg(struct script *script, const struct probe *probe, uint32_t n)
{
	return arch_arg_offset(n);
}

static int kprobe_retval(struct script *script, const struct probe *probe)
{
	return ARCH_RETVAL;
}

/* --- many functions with one program: kprobe_multi --- */

/* All that share the program, at once; `data` remembers what became of it. */
struct multi {
	struct loader *loader;
	const char **names; /* those refused become NULL */
	int program;
	uint32_t attempts;
	bool at_return;
};

/* One name that the kernel does not take refuses them all: halves are tried until it stands alone. */
static int attach_names(struct multi *multi, uint32_t first, uint32_t count, struct err *why)
{
	enum { ATTEMPTS = 400 };
	int err = -E2BIG;

	if (multi->attempts++ < ATTEMPTS)
		err = multi->loader->attach_multi(multi->loader, multi->program, multi->at_return,
						  multi->names + first, count, why);
	if (err >= 0)
		return 0;
	if (count == 1 || multi->attempts >= ATTEMPTS ||
	    (err != -ESRCH && err != -EINVAL && err != -ENOENT)) {
		memset(multi->names + first, 0, count * sizeof(*multi->names));
		return err;
	}
	attach_names(multi, first, count / 2, why);
	return attach_names(multi, first + count / 2, count - count / 2, why);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int attach_multi(struct loader *loader, struct probe *probe, int program, struct err *why)
{
	static const char done[] = "attached", failed[] = "refused";
	struct multi multi = {
		.loader = loader, .program = program, .at_return = probe->kind->retval_offset};
	uint32_t count = 0, unique = 0, kept = 0;

	if (probe->data)
		return probe->data == done ? 0 : err_set(why, -ENOENT, "refused with the others");
	for (struct probe *p = probe; p; p = p->next)
		count += p->kind == probe->kind && p->program == probe->program;
	multi.names = calloc(count, sizeof(*multi.names));
	if (!multi.names)
		return -ENOMEM;
	count = 0;
	for (struct probe *p = probe; p; p = p->next)
		if (p->kind == probe->kind && p->program == probe->program)
			multi.names[count++] = p->function;
	/* static functions of one name stand in the list more than once: the kernel wants each once */
	qsort(multi.names, count, sizeof(*multi.names), by_text);
	for (uint32_t i = 0; i < count; i++)
		if (!i || strcmp(multi.names[i], multi.names[i - 1]))
			multi.names[unique++] = multi.names[i];
	attach_names(&multi, 0, unique, why);
	for (uint32_t i = 0; i < unique; i++)
		if (multi.names[i])
			multi.names[kept++] = multi.names[i];
	for (struct probe *p = probe; p; p = p->next)
		if (p->kind == probe->kind && p->program == probe->program)
			p->data = bsearch(&p->function, multi.names, kept, sizeof(*multi.names),
					  by_text)
					  ? done
					  : failed;
	free(multi.names);
	return probe->data == done
		       ? 0
		       : err_set(why, -ENOENT, "the kernel does not take it with the others");
}

static const struct probe_kind kprobe_multi = {.name = "kprobe",
					       .program = PROGRAM_KPROBE,
					       .attach_type = ATTACH_KPROBE_MULTI,
					       .space = SPACE_KERNEL,
					       .has_regs = true,
					       .arg_offset = kprobe_arg,
					       .attach = attach_multi,
					       .fallback = &probe_kprobe};
static const struct probe_kind kretprobe_multi = {.name = "kretprobe",
						  .program = PROGRAM_KPROBE,
						  .attach_type = ATTACH_KPROBE_MULTI,
						  .space = SPACE_KERNEL,
						  .has_regs = true,
						  .retval_offset = kprobe_retval,
						  .attach = attach_multi,
						  .fallback = &probe_kretprobe};

static const struct probe_kind *choose_multi(struct script *script, const struct probe *probe)
{
	/* neighbours of one wildcard are what it pays for */
	for (const struct probe_spec *spec = probe->action->specs; spec; spec = spec->next)
		if (script->compiled->target.has_kprobe_multi && !probe->number && !probe->target &&
		    probe_has_wildcard(spec->text))
			return probe->kind == &probe_kprobe ? &kprobe_multi : &kretprobe_multi;
	return NULL;
}

const struct probe_kind probe_kprobe = {.name = "kprobe",
					.aliases = {"k"},
					.program = PROGRAM_KPROBE,
					.space = SPACE_KERNEL,
					.has_regs = true,
					.expand = expand_kprobe,
					.arg_offset = kprobe_arg,
					.choose = choose_multi,
					.attach = attach_kprobe};
const struct probe_kind probe_kretprobe = {.name = "kretprobe",
					   .aliases = {"kr"},
					   .program = PROGRAM_KPROBE,
					   .space = SPACE_KERNEL,
					   .has_regs = true,
					   .expand = expand_kprobe,
					   .retval_offset = kprobe_retval,
					   .choose = choose_multi,
					   .attach = attach_kprobe};

/* --- fentry, fexit --- */

static void expand_fentry(struct script *script, struct action *action,
			  const struct probe_spec *spec, const struct probe_parts *parts)
{
	const struct probe_kind *kind = probe_kind_find(parts->part[0]);
	struct place_of to = {.script = script, .action = action, .spec = spec, .kind = kind};
	const char *function = parts->part[parts->count - 1], *name;
	struct btf *btf = script_btf(script);
	struct probe *probe;
	uint32_t id = 0;

	if (!start(&to, parts))
		return;
	if (!btf) {
		diag_error(&script->diag, spec->place, "%s needs the kernel's BTF", kind->name);
		return;
	}
	if (!to.module)
		to.module = "vmlinux";
	if (probe_has_wildcard(function)) {
		while (btf_next(btf, KIND_FUNC, &id, &name))
			if (probe_glob(function, name) && (probe = add_kernel(&to, name, 0)))
				probe->btf_id = id;
	} else if ((id = btf_find(btf, function, KIND_FUNC))) {
		probe = add_kernel(&to, function, 0);
		if (probe)
			probe->btf_id = id;
	}
	if (!to.count)
		probe_missing(script, spec, "No matches for %s %s.", kind->name, function);
}

static const struct type *fentry_args(struct script *script, struct probe *probe)
{
	struct field *fields = arena_new(&script->arena, ARGS_MAX * sizeof(*fields));
	struct type *type = arena_new(&script->arena, sizeof(*type));
	int count;

	if (!fields || !type || !script->btf)
		return NULL;
	count = btf_params(script->btf, probe->btf_id, fields, ARGS_MAX, NULL);
	if (count < 0)
		return NULL;
	/* read like any kernel memory: what comes out is a plain number to the verifier, free to be
	 * added to, compared and stored */
	*type = (struct type){.kind = TYPE_RECORD,
			      .name = probe->name,
			      .fields = fields,
			      .field_count = (uint32_t)count,
			      .size = 8,
			      .align = 8,
			      .space = SPACE_KERNEL};
	return type;
}

static int fexit_retval(struct script *script, const struct probe *probe)
{
	struct field fields[ARGS_MAX];
	int count =
		script->btf ? btf_params(script->btf, probe->btf_id, fields, ARGS_MAX, NULL) : -1;

	return count < 0 ? -1 : count * 8;
}

static const struct type *fexit_retval_type(struct script *script, const struct probe *probe)
{
	struct field fields[ARGS_MAX];
	const struct type *type = &type_uint64;

	btf_params(script->btf, probe->btf_id, fields, ARGS_MAX, &type);
	return type;
}

static int attach_fentry(struct loader *loader, struct probe *probe, int program, struct err *why)
{
	return loader->attach_tracing(loader, program, why);
}

const struct probe_kind probe_fentry = {.name = "fentry",
					.aliases = {"f", "kfunc"},
					.program = PROGRAM_TRACING,
					.attach_type = FENTRY,
					.space = SPACE_KERNEL,
					.expand = expand_fentry,
					.args = fentry_args,
					.attach = attach_fentry};
const struct probe_kind probe_fexit = {.name = "fexit",
				       .aliases = {"fr", "kretfunc"},
				       .program = PROGRAM_TRACING,
				       .attach_type = FEXIT,
				       .space = SPACE_KERNEL,
				       .expand = expand_fentry,
				       .args = fentry_args,
				       .retval_offset = fexit_retval,
				       .retval_type = fexit_retval_type,
				       .attach = attach_fentry};
