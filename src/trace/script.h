/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * script - one script on its way from text to programs: everything the passes share.
 *
 *	script_parse	text -> preamble, macros, actions (bodies still as text)
 *	script_expand	attach points -> probes that exist, each with a body
 *	script_check	types of everything, to a fixpoint over all bodies
 *	script_lower	bodies -> IR -> instructions; maps and events numbered
 *
 * The arena owns it all; script_free lets go of it at once.
 */
#pragma once

#include "trace/ast.h"

struct btf;
struct dwarf;
struct tracefs;

enum { PARAMS_MAX = 64 };

/* A parameter after "--": --name=value; value NULL: --name. */
struct named_param {
	const char *name, *value;
};

enum script_mode { MODE_TRACE, MODE_TEST, MODE_BENCH };

struct script_options {
	enum script_mode mode;
	const char *name; /* "stdin" for -e, else the file */
	const char *params[PARAMS_MAX];
	uint32_t param_count;
	struct named_param named[PARAMS_MAX];
	uint32_t named_count;
	const char *folders[PARAMS_MAX]; /* where headers are looked for: -I */
	uint32_t folder_count;
	const char *headers[PARAMS_MAX]; /* --include */
	uint32_t header_count;
	bool is_checked; /* -k: failing reads and look-ups are told */
	bool may_read_files; /* import, #include: scripts of strangers may not */
	bool is_unsafe;
	bool has_child; /* -c or -p */
	int pid; /* of that, 0 = none */
};

struct config {
	uint32_t max_map_keys, max_strlen, max_probes, max_cat_bytes, perf_rb_pages;
	enum stack_mode stack_mode;
	bool print_maps_on_exit;
	enum { UNSTABLE_WARN, UNSTABLE_ERROR, UNSTABLE_ENABLE } unstable_tseries;
	enum { MISSING_ERROR, MISSING_WARN, MISSING_IGNORE } missing_probes;
	const char *str_trunc_trailer, *license;
};

/* One that getopt() of the script asks for. */
struct declared_option {
	struct declared_option *next;
	const char *name, *shown; /* its description, NULL: none */
	const char *fallback; /* printed */
};

/* Debug information of a program, once asked for. */
struct debug_file {
	struct debug_file *next;
	const char *path;
	struct dwarf *dwarf; /* owned; NULL: it has none */
};

struct script {
	struct arena arena;
	struct declared_option *declared_options; /* the last one first */
	struct diag diag;
	struct span text; /* with preprocessor lines blanked */
	const struct script_options *options;
	struct config config;
	struct define *defines;
	struct include *includes;
	struct c_record *records;
	struct c_enumerator *enumerators;
	struct c_typedef *typedefs;
	struct macro *macros;
	struct setting *settings;
	struct action *actions, *last_action;
	struct map_decl *maps;
	struct probe *probes, *last_probe; /* expanded, in the order of the script */
	uint32_t probe_count, map_count, macro_serial;
	enum script_mode passed_over; /* there are probes of that mode, which is not this one */
	struct btf *btf; /* opened when first needed; owned */
	bool is_btf_missing;
	struct debug_file *debug_files;
	bool is_tseries_said, is_typeinfo_said; /* the warning that it is unstable */
	const char *texts[256]; /* formats and filters that values refer to by number */
	uint32_t text_count;
	struct compiled *compiled;
};

/* `text` must live as long as the script. NULL: out of memory. */
struct script *script_new(struct span text, const struct script_options *options);
void script_free(struct script *script);

/* All return 0, or -EINVAL when diag has errors. */
int script_parse(struct script *script);
int script_expand(struct script *script);
int script_check(struct script *script);

/* Parses predicate and action at body_from. NULL: diag has errors, or out of memory. */
struct body *script_parse_body(struct script *script, uint32_t body_from);

/* The map of that name (with its @), made when it is new. */
struct map_decl *script_map(struct script *script, const char *name, struct place place);

/* The number of that text in `texts`, made when it is new; 0 when there is no more room. */
uint32_t script_text(struct script *script, struct span text);

/* What the debug information of that program says, NULL when it has none. */
struct dwarf *script_dwarf(struct script *script, const char *path);

/* The kernel's types, NULL when there are none. */
struct btf *script_btf(struct script *script);

void config_default(struct config *config);
/* Applies the config block and BPFTRACE_* of the environment (which wins). */
void config_apply(struct script *script);
/* What was set for that name (in small letters), NULL: nothing. */
const char *script_setting(const struct script *script, const char *name);
