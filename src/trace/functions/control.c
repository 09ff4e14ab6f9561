// SPDX-License-Identifier: GPL-2.0-only
/* control - exit, signal, time, strftime; names of numbers; parameters of the command line. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "trace/constants.h"
#include "trace/functions/functions.h"
#include "trace/lex.h"
#include "trace/run.h"

/* --- exit: the flag is for when the ring is full, the event for its place among the others --- */

static const struct type *check_exit(struct checker *checker, struct expr *call)
{
	if (call->args && call->args->type->kind != TYPE_NONE && !type_is_integer(call->args->type))
		check_error(checker, call->place,
			    "exit() only supports int arguments (%s provided)",
			    check_short(checker, call->args->type));
	return &type_void;
}

static struct value lower_exit(struct lowering *l, struct expr *call)
{
	struct memory event = lower_event(l, call, &type_int64), key = lower_slot(l, 8);
	int no_flag = ir_label(l->ir), flag;
	struct operand code = call->args ? lower_scalar(l, lower_expr(l, call->args)) : op_imm(0);

	ir_store(l->ir, event.base, event.offset + EVENT_HEAD, 8, code);
	ir_store(l->ir, key.base, key.offset, 4, op_imm(0));
	flag = ir_call(l->ir, 1 /* bpf_map_lookup_elem */, op_map(MAP_CONTROL),
		       lower_address(l, key), NO_OPERAND, NO_OPERAND, NO_OPERAND);
	ir_branch(l->ir, COND_EQ, op_reg(flag), op_imm(0), no_flag);
	ir_store(l->ir, op_reg(flag), 0, 8, op_imm(1));
	ir_put_label(l->ir, no_flag);
	lower_send(l, event, &type_int64);
	ir_jump(l->ir, l->exit_label);
	return value_none();
}

static void happen_exit(struct run *run, const struct expr *call, const uint8_t *data, size_t len)
{
	int64_t code;

	memcpy(&code, data, 8);
	run->exit_code = (int)(code & 0xff);
	run->is_ending = run->is_exit_called = true;
}

const struct function function_exit = {.name = "exit",
				       .max_args = 1,
				       .flags = FUNCTION_NO_VALUE,
				       .check = check_exit,
				       .lower = lower_exit,
				       .happen = happen_exit};

/* --- signal --- */

static bool may_signal(const struct probe_kind *kind)
{
	static const char *const kinds[] = {"kprobe", "kretprobe",    "uprobe",  "uretprobe",
					    "usdt",   "tracepoint",   "profile", "fentry",
					    "fexit",  "rawtracepoint"};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(kinds[i], kind->name))
			return true;
	return false;
}

static const struct type *check_signal(struct checker *checker, struct expr *call)
{
	const struct probe_kind *kind = checker->probe->kind;
	const struct expr *arg = call->args;

	call->number = 0;
	if (!may_signal(kind)) {
		check_error(checker, call->place, "%s() can not be used for this probetype %s",
			    call->name, kind->is_special ? "special" : kind->name);
	} else if (arg->is_constant && arg->type->kind == TYPE_STRING) {
		call->number = (uint64_t)signal_number((const char *)arg->text.at);
		if (!call->number)
			check_error(checker, call->place, "%.*s is not a valid signal",
				    (int)arg->text.len, arg->text.at);
	} else if (arg->type->kind != TYPE_NONE && !type_is_integer(arg->type)) {
		check_error(checker, call->place, "%s() accepts a string literal or an integer",
			    call->name);
	} else if (arg->is_constant && (arg->number < 1 || arg->number > 64)) {
		check_error(checker, call->place,
			    "%s() accepts a string literal or an integer between 1 and 64 "
			    "(inclusive)",
			    call->name);
	}
	return &type_void;
}

static struct value lower_signal(struct lowering *l, struct expr *call)
{
	int helper = strcmp(call->name, "signal") ? 117 : 109; /* bpf_send_signal(_thread) */
	struct operand number = call->number ? op_imm((int64_t)call->number)
					     : lower_scalar(l, lower_expr(l, call->args));

	ir_call(l->ir, helper, number, NO_OPERAND, NO_OPERAND, NO_OPERAND, NO_OPERAND);
	return value_none();
}

const struct function function_signal = {.name = "signal",
					 .min_args = 1,
					 .max_args = 1,
					 .flags = FUNCTION_NO_VALUE | FUNCTION_UNSAFE,
					 .check = check_signal,
					 .lower = lower_signal};
const struct function function_signal_thread = {.name = "signal_thread",
						.min_args = 1,
						.max_args = 1,
						.flags = FUNCTION_NO_VALUE | FUNCTION_UNSAFE,
						.check = check_signal,
						.lower = lower_signal};

/* --- time of user space --- */

static const struct type *check_time(struct checker *checker, struct expr *call)
{
	if (call->args && (!call->args->is_constant || call->args->type->kind != TYPE_STRING))
		check_error(checker, call->place, "time() expects a string literal (%s provided)",
			    check_short(checker, call->args->type));
	return &type_void;
}

static struct value lower_time(struct lowering *l, struct expr *call)
{
	lower_send(l, lower_event(l, call, NULL), NULL);
	return value_none();
}

static void happen_time(struct run *run, const struct expr *call, const uint8_t *data, size_t len)
{
	struct timespec now;
	struct buf text;

	clock_gettime(CLOCK_REALTIME, &now);
	buf_init(&text, 4096);
	output_time(call->args ? (const char *)call->args->text.at : "%H:%M:%S\n",
		    (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec, &text);
	run_say(run, "time", buf_text(&text));
	buf_done(&text);
}

const struct function function_time = {.name = "time",
				       .max_args = 1,
				       .flags = FUNCTION_NO_VALUE,
				       .check = check_time,
				       .lower = lower_time,
				       .happen = happen_time};

static const struct type *check_strftime(struct checker *checker, struct expr *call)
{
	const struct expr *when = call->args->next;

	if (!call->args->is_constant || call->args->type->kind != TYPE_STRING)
		check_error(checker, call->place,
			    "strftime() expects a string literal (%s provided)",
			    check_short(checker, call->args->type));
	else if (when->type->kind != TYPE_NONE && !type_is_integer(when->type))
		check_error(checker, call->place,
			    "strftime() only supports int arguments (%s provided)",
			    check_short(checker, when->type));
	else
		call->number = script_text(checker->script, call->args->text);
	return &type_timestamp;
}

static void strftime_into(struct lowering *l, struct expr *call, struct memory to,
			  const struct type *as)
{
	struct expr *when = call->args->next;
	/* which clock: boot time, unless it is nsecs(tai) */
	bool is_tai = when->kind == EXPR_CALL && when->args && !strcmp(when->name, "nsecs") &&
		      !strcmp(when->args->name, "tai");

	ir_store(l->ir, to.base, to.offset, 8, lower_scalar(l, lower_expr(l, when)));
	ir_store(l->ir, to.base, to.offset + 8, 4, op_imm(is_tai));
	ir_store(l->ir, to.base, to.offset + 12, 4, op_imm((int64_t)call->number));
}

const struct function function_strftime = {.name = "strftime",
					   .min_args = 2,
					   .max_args = 2,
					   .check = check_strftime,
					   .lower_into = strftime_into};

/* --- control groups --- */

static void number_wanted(struct checker *checker, struct expr *call)
{
	if (call->args->type->kind != TYPE_NONE && !type_is_integer(call->args->type))
		check_error(checker, call->place, "%s() expects an integer", call->name);
}

static const struct type *check_cgroup_path(struct checker *checker, struct expr *call)
{
	const struct expr *filter = call->args->next;

	number_wanted(checker, call);
	if (filter && !filter->is_constant)
		check_error(checker, call->place, "cgroup_path() expects a string literal");
	call->number = filter ? script_text(checker->script, filter->text) + 1 : 0;
	return &type_cgroup_path;
}

static void cgroup_path_into(struct lowering *l, struct expr *call, struct memory to,
			     const struct type *as)
{
	ir_store(l->ir, to.base, to.offset, 8, lower_scalar(l, lower_expr(l, call->args)));
	ir_store(l->ir, to.base, to.offset + 8, 8, op_imm((int64_t)call->number));
}

const struct function function_cgroup_path = {.name = "cgroup_path",
					      .min_args = 1,
					      .max_args = 2,
					      .check = check_cgroup_path,
					      .lower_into = cgroup_path_into};

static const struct type *check_cgroupid(struct checker *checker, struct expr *call)
{
	struct stat st;

	if (!call->args->is_constant || call->args->type->kind != TYPE_STRING)
		check_error(checker, call->place, "cgroupid() expects a string literal");
	else if (stat((const char *)call->args->text.at, &st))
		check_error(checker, call->place, "cgroupid(): %s: %s",
			    (const char *)call->args->text.at, err_name(errno));
	else
		call->number = st.st_ino; /* the id of a cgroup is its directory's inode */
	call->is_constant = true;
	return &type_uint64;
}

const struct function function_cgroupid = {
	.name = "cgroupid", .min_args = 1, .max_args = 1, .check = check_cgroupid};

/* --- getopt: parameters after "--" --- */

static const struct named_param *find_param(const struct script_options *options, struct span name)
{
	for (uint32_t i = 0; i < options->named_count; i++)
		if (span_is(name, options->named[i].name))
			return &options->named[i];
	return NULL;
}

/* The command line is to blame, so no place of the script is shown. */
static void option_error(struct checker *checker, const struct named_param *param, const char *what)
{
	if (!checker->is_final)
		return;
	fprintf(stderr, "ERROR: program command line option --%s %s (value: %s)\n", param->name,
		what, param->value ? param->value : "true");
	checker->script->diag.errors++;
}

static const char *print_fallback(struct arena *arena, const struct expr *fallback)
{
	char text[32];

	if (!fallback)
		return "false";
	if (fallback->type->kind == TYPE_STRING)
		return arena_str(arena, fallback->text);
	if (fallback->type->kind == TYPE_BOOL)
		return fallback->number ? "true" : "false";
	snprintf(text, sizeof(text), fallback->is_negative ? "%" PRId64 : "%" PRIu64,
		 fallback->number);
	return arena_str(arena, span_of(text));
}

static void declare_option(struct checker *checker, const struct expr *call)
{
	struct script *script = checker->script;
	const struct expr *description = function_nth(call, 2);
	const char *fallback = print_fallback(&script->arena, call->args->next);
	struct declared_option *option;

	for (option = script->declared_options; option; option = option->next) {
		if (!span_is(call->args->text, option->name))
			continue;
		if (fallback && option->fallback && strcmp(fallback, option->fallback))
			check_error(checker, call->place,
				    "Command line option '%s' needs to have the same default value "
				    "in all "
				    "places it is used. Previous default value: %s",
				    option->name, option->fallback);
		return;
	}
	option = arena_new(&script->arena, sizeof(*option));
	if (!option)
		return;
	option->name = arena_str(&script->arena, call->args->text);
	option->shown = description && description->type->kind == TYPE_STRING
				? arena_str(&script->arena, description->text)
				: NULL;
	option->fallback = fallback;
	option->next = script->declared_options;
	if (option->name)
		script->declared_options = option;
}

static const struct type *option_number(struct checker *checker, struct expr *call,
					const struct named_param *param,
					const struct expr *fallback)
{
	const char *why, *text = param && param->value ? param->value : "";
	bool is_negative = *text == '-';
	uint64_t number = fallback->number;

	call->is_negative = fallback->is_negative;
	if (param && !param->value)
		option_error(checker, param, "expects an integer");
	else if (param && !lex_number(span_of(text + is_negative), &number, &why))
		option_error(checker, param, "invalid integer");
	if (param)
		call->is_negative = is_negative;
	call->number = param && is_negative ? -number : number;
	return &type_int64;
}

static const struct type *check_getopt(struct checker *checker, struct expr *call)
{
	const struct expr *fallback = call->args->next;
	const struct named_param *param;

	if (!call->args->is_constant || call->args->type->kind != TYPE_STRING) {
		check_error(checker, call->args->place,
			    "First argument to 'getopt' must be a string literal.");
		return &type_none;
	}
	if (fallback && !fallback->is_constant) {
		check_error(checker, fallback->place,
			    "Second argument to 'getopt' must be a string literal, integer "
			    "literal, or a boolean literal.");
		return &type_none;
	}
	call->is_constant = true;
	declare_option(checker, call);
	param = find_param(checker->script->options, call->args->text);
	if (fallback && fallback->type->kind == TYPE_STRING) {
		if (param && !param->value)
			option_error(checker, param, "expects a string");
		call->text = param && param->value ? span_of(param->value) : fallback->text;
		return type_string(&checker->script->arena, (uint32_t)call->text.len + 1);
	}
	if (fallback && fallback->type->kind == TYPE_INT)
		return option_number(checker, call, param, fallback);
	call->number = fallback ? fallback->number : 0;
	if (!param)
		return &type_bool;
	call->number = !param->value || !strcmp(param->value, "true") || !strcmp(param->value, "1");
	if (!call->number && strcmp(param->value, "false") && strcmp(param->value, "0"))
		option_error(checker, param, "expects a boolean (e.g. 'true')");
	return &type_bool;
}

const struct function function_getopt = {
	.name = "getopt", .min_args = 1, .max_args = 3, .check = check_getopt};
