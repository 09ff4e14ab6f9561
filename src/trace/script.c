// SPDX-License-Identifier: GPL-2.0-only
/* script - one script on its way from text to programs: what the passes share, and its settings. */
#include "trace/script.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace/btf.h"
#include "trace/dwarf.h"
#include "trace/lex.h"
#include "trace/parse.h"

enum { ARENA_MAX = 256 << 20, SOURCE_MAX = 4 << 20 };

struct script *script_new(struct span text, const struct script_options *options)
{
	struct script *script = calloc(1, sizeof(*script));
	uint8_t *copy;

	if (!script)
		return NULL;
	arena_init(&script->arena, ARENA_MAX);
	if (text.len > SOURCE_MAX)
		text.len = SOURCE_MAX;
	copy = arena_new(&script->arena, text.len + 1);
	if (!copy) {
		script_free(script);
		return NULL;
	}
	memcpy(copy, text.at, text.len);
	script->options = options;
	script->text = (struct span){copy, text.len};
	diag_init(&script->diag, &script->arena, options->name, text);
	config_default(&script->config);
	for (uint32_t i = options->header_count; i-- > 0;) {
		struct include *include = arena_new(&script->arena, sizeof(*include));

		if (!include)
			continue;
		*include = (struct include){.next = script->includes, .name = options->headers[i]};
		script->includes = include;
	}
	preprocess(script, copy, text.len);
	return script;
}

void script_free(struct script *script)
{
	if (!script)
		return;
	btf_free(script->btf);
	for (struct debug_file *file = script->debug_files; file; file = file->next)
		dwarf_free(file->dwarf);
	arena_done(&script->arena);
	free(script);
}

struct map_decl *script_map(struct script *script, const char *name, struct place place)
{
	struct map_decl **tail = &script->maps, *map;

	if (!name)
		return NULL;
	for (; *tail; tail = &(*tail)->next)
		if (!strcmp((*tail)->name, name))
			return *tail;
	map = arena_new(&script->arena, sizeof(*map));
	if (!map)
		return NULL;
	map->name = name;
	map->place = place;
	map->value = &type_none;
	*tail = map;
	script->map_count++;
	return map;
}

uint32_t script_text(struct script *script, struct span text)
{
	for (uint32_t i = 0; i < script->text_count; i++)
		if (span_is(text, script->texts[i]))
			return i;
	if (script->text_count == sizeof(script->texts) / sizeof(*script->texts))
		return 0;
	script->texts[script->text_count] = arena_str(&script->arena, text);
	return script->texts[script->text_count] ? script->text_count++ : 0;
}

struct btf *script_btf(struct script *script)
{
	if (!script->btf && !script->is_btf_missing) {
		script->btf = btf_open(&script->arena);
		script->is_btf_missing = !script->btf;
	}
	return script->btf;
}

struct dwarf *script_dwarf(struct script *script, const char *path)
{
	struct debug_file *file = script->debug_files;

	while (file && strcmp(file->path, path))
		file = file->next;
	if (file)
		return file->dwarf;
	file = arena_new(&script->arena, sizeof(*file));
	if (!file || !(file->path = arena_str(&script->arena, span_of(path))))
		return NULL;
	file->dwarf = dwarf_open(&script->arena, path);
	file->next = script->debug_files;
	script->debug_files = file;
	return file->dwarf;
}

void config_default(struct config *config)
{
	*config = (struct config){.max_map_keys = 4096,
				  .max_strlen = 1024,
				  .max_probes = 1024,
				  .max_cat_bytes = 10240,
				  .perf_rb_pages = 0,
				  .print_maps_on_exit = true,
				  .str_trunc_trailer = "..",
				  .license = "GPL"};
}

static bool read_number(const char *value, uint64_t *ret_number)
{
	const char *why;

	return lex_number(span_of(value), ret_number, &why);
}

static bool read_bool(const char *value, bool *ret_bool)
{
	bool is_true = !strcmp(value, "true") || !strcmp(value, "1");

	if (!is_true && strcmp(value, "false") && strcmp(value, "0"))
		return false;
	*ret_bool = is_true;
	return true;
}

static bool read_word(const char *value, const char *const *words, unsigned *ret_index)
{
	for (unsigned i = 0; words[i]; i++)
		if (!strcmp(value, words[i])) {
			*ret_index = i;
			return true;
		}
	return false;
}

static const struct {
	const char *name;
	size_t offset;
} numbers[] = {
	{"max_map_keys", offsetof(struct config, max_map_keys)},
	{"max_strlen", offsetof(struct config, max_strlen)},
	{"max_probes", offsetof(struct config, max_probes)},
	{"max_cat_bytes", offsetof(struct config, max_cat_bytes)},
	{"perf_rb_pages", offsetof(struct config, perf_rb_pages)},
};

/* Known to bpftrace; of no meaning here. */
static const char *const ignored[] = {"cache_user_symbols",
				      "cpp_demangle",
				      "lazy_symbolication",
				      "log_size",
				      "max_bpf_progs",
				      "on_stack_limit",
				      "show_debug_info",
				      "unstable_map_decl",
				      "unstable_addr",
				      "unstable_typeinfo",
				      "unstable_dw_ustack",
				      "unstable_import_statement",
				      "use_blazesym",
				      "max_ast_nodes",
				      "unstable_import",
				      "unstable_macro",
				      "debug_output",
				      "kernel_build",
				      "kernel_source",
				      "max_type_res_iterations",
				      NULL};

/* 0, -ENOENT: there is no such setting, -EINVAL: not with that value. */
static int apply(struct config *config, const char *name, const char *value)
{
	static const char *const missing[] = {"error", "warn", "ignore", NULL};
	static const char *const unstable[] = {"warn", "error", "enable", NULL};
	static const char *const modes[] = {"bpftrace", "perf", "raw", "build_id", NULL};
	uint64_t number;
	unsigned index;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		uint32_t *to = (uint32_t *)((char *)config + numbers[i].offset);

		if (strcmp(name, numbers[i].name))
			continue;
		if (!read_number(value, &number) || number > UINT32_MAX)
			return -EINVAL;
		*to = (uint32_t)number;
		return 0;
	}
	if (!strcmp(name, "print_maps_on_exit"))
		return read_bool(value, &config->print_maps_on_exit) ? 0 : -EINVAL;
	if (!strcmp(name, "str_trunc_trailer")) {
		config->str_trunc_trailer = value;
		return 0;
	}
	if (!strcmp(name, "license")) {
		/* those that the kernel takes as compatible: include/linux/license.h */
		static const char *const licenses[] = {"GPL",
						       "GPL v2",
						       "GPL and additional rights",
						       "Dual BSD/GPL",
						       "Dual MIT/GPL",
						       "Dual MPL/GPL",
						       NULL};

		if (!read_word(value, licenses, &index))
			return -EINVAL;
		config->license = value;
		return 0;
	}
	if (!strcmp(name, "missing_probes")) {
		if (!read_word(value, missing, &index))
			return -EINVAL;
		config->missing_probes = index;
		return 0;
	}
	if (!strcmp(name, "unstable_tseries")) {
		if (!read_word(value, unstable, &index))
			return -EINVAL;
		config->unstable_tseries = index;
		return 0;
	}
	if (!strcmp(name, "stack_mode")) {
		if (!read_word(value, modes, &index))
			return -EINVAL;
		config->stack_mode = (enum stack_mode)index;
		return 0;
	}
	return read_word(name, ignored, &index) ? 0 : -ENOENT;
}

/* BPFTRACE_MAX_MAP_KEYS, MAX_MAP_KEYS and max_map_keys are one name. */
static void plain_name(const char *name, char *out, size_t size)
{
	size_t len = 0;

	if (!strncasecmp(name, "BPFTRACE_", 9))
		name += 9;
	while (name[len] && len + 1 < size) {
		out[len] = (char)tolower((unsigned char)name[len]);
		len++;
	}
	out[len] = 0;
}

static const char *of_environment(const char *name)
{
	char upper[64] = "BPFTRACE_";

	for (size_t c = 0; name[c] && c + 10 < sizeof(upper); c++)
		upper[9 + c] = (char)toupper((unsigned char)name[c]);
	return getenv(upper);
}

const char *script_setting(const struct script *script, const char *name)
{
	const char *text = of_environment(name);

	for (const struct setting *setting = script->settings; !text && setting;
	     setting = setting->next) {
		char plain[64];

		plain_name(setting->name, plain, sizeof(plain));
		if (!strcmp(plain, name))
			text = setting->value;
	}
	return text;
}

static void apply_environment(struct script *script)
{
	static const char *const names[] = {
		"max_map_keys",      "max_strlen", "max_probes",         "max_cat_bytes",
		"perf_rb_pages",     "stack_mode", "print_maps_on_exit", "missing_probes",
		"str_trunc_trailer", "license",    "unstable_tseries"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char *value = of_environment(names[i]);

		if (value && apply(&script->config, names[i], value))
			diag_error(&script->diag, (struct place){},
				   "BPFTRACE_%s: invalid value '%s'", names[i], value);
	}
}

static void say_bad_value(struct script *script, const struct setting *setting, const char *name)
{
	struct diag *diag = &script->diag;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		if (!strcmp(name, numbers[i].name)) {
			diag_error(diag, setting->place, "%s: expecting a number, got %s",
				   setting->name, setting->value);
			return;
		}
	if (!strcmp(name, "missing_probes"))
		diag_error(diag, setting->place,
			   "missing_probes: Invalid value for missing_probes: valid values are "
			   "ignore, warn, and error.");
	else if (!strcmp(name, "stack_mode"))
		diag_error(diag, setting->place,
			   "stack_mode: Invalid value for stack_mode: valid values are bpftrace, "
			   "raw, perf, and build_id.");
	else if (!strcmp(name, "license"))
		diag_error(diag, setting->place,
			   "Invalid value for license. Found: %s. Valid values: Dual MIT/GPL, Dual "
			   "BSD/GPL, Dual MPL/GPL, GPL and additional rights, GPL v2, GPL. Read "
			   "more about BPF programs and licensing: "
			   "https://docs.kernel.org/bpf/"
			   "bpf_licensing.html#using-bpf-programs-in-the-linux-kernel",
			   setting->value);
	else
		diag_error(diag, setting->place, "Invalid value for %s: '%s'", setting->name,
			   setting->value);
}

void config_apply(struct script *script)
{
	for (const struct setting *setting = script->settings; setting; setting = setting->next) {
		char name[64];
		int code;

		plain_name(setting->name, name, sizeof(name));
		code = apply(&script->config, name, setting->value);
		if (!code && (!strcmp(name, "unstable_map_decl") || !strcmp(name, "unstable_addr")))
			diag_warn(&script->diag, setting->place,
				  "%s is deprecated and has no effect", setting->name);
		if (code == -ENOENT)
			diag_error(&script->diag, setting->place,
				   "%s: not a known configuration option", setting->name);
		else if (code)
			say_bad_value(script, setting, name);
	}
	apply_environment(script);
}
