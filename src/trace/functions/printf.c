// SPDX-License-Identifier: GPL-2.0-only
/*
 * printf - printf, errorf, warnf, system, cat: a format and its arguments, put together in user
 * space. The program sends the arguments as they are.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "trace/format.h"
#include "trace/functions/functions.h"
#include "trace/run.h"

/* What a conversion takes. */
static bool fits(const struct conversion *conversion, const struct type *type)
{
	bool is_number = type_is_scalar(type) && type->kind != TYPE_KSYM &&
			 type->kind != TYPE_USERNAME && !type_is_group(type);

	switch (conversion->letter) {
	case 's': return true;
	case 'r':
		return type->kind == TYPE_BUFFER ||
		       (type->kind == TYPE_ARRAY && type->of->size == 1);
	case 'p': return is_number || type->kind == TYPE_KSYM;
	case 'g': return is_number;
	default: return is_number;
	}
}

static struct span format_of(const struct expr *call)
{
	const struct expr *first = call->args;

	while (first->kind == EXPR_BLOCK && first->a)
		first = first->a;
	return first->text;
}

/* The arguments after the first one, as a tuple: what the event holds. */
static const struct type *layout_of(struct checker *checker, struct expr *args)
{
	struct field *fields;
	uint32_t count = 0, i = 0;

	for (struct expr *arg = args; arg; arg = arg->next)
		count++;
	fields = arena_new(&checker->script->arena, (count + 1) * sizeof(*fields));
	if (!fields)
		return &type_none;
	for (struct expr *arg = args; arg; arg = arg->next) {
		const struct type *type = arg->type;

		if (type->kind == TYPE_NONE)
			return &type_none;
		if (type->kind == TYPE_RECORD)
			type = arg->type = script_fill(checker->script, type);
		fields[i++].type = type;
	}
	return type_tuple(&checker->script->arena, fields, count);
}

static const struct type *check_printf(struct checker *checker, struct expr *call)
{
	struct expr *arg = call->args->next;
	struct span format;
	struct conversion conversion;
	uint32_t expected = 0, supplied = 0;

	if (call->args->type->kind != TYPE_STRING || !call->args->is_constant) {
		check_error(checker, call->place, "%s() expects a string literal (%s provided)",
			    call->name, check_short(checker, call->args->type));
		return &type_void;
	}
	format = format_of(call);
	for (size_t at = 0; format_next(format, &at, &conversion);)
		expected += conversion.letter != '%';
	for (struct expr *a = arg; a; a = a->next)
		supplied++;
	if (supplied != expected) {
		check_error(checker, call->place,
			    "%s arguments for format string (%u supplied, %u expected)",
			    supplied < expected ? "not enough" : "too many", supplied, expected);
		return &type_void;
	}
	for (size_t at = 0; format_next(format, &at, &conversion);) {
		if (conversion.letter == '%')
			continue;
		if (arg->type->kind != TYPE_NONE &&
		    (!fits(&conversion, arg->type) || type_is_aggregate(arg->type)) &&
		    !(conversion.letter == 's' && type_is_castable_aggregate(arg->type)))
			check_error(checker, call->place,
				    "unsupported format specifier for type '%s': %c",
				    check_text(checker, arg->type), conversion.letter);
		if (type_is_castable_aggregate(arg->type))
			arg->type = arg->type->kind == TYPE_COUNT ? &type_uint64 : &type_int64;
		arg = arg->next;
	}
	call->data = (void *)layout_of(checker, call->args->next);
	return &type_void;
}

static struct value lower_printf(struct lowering *l, struct expr *call)
{
	const struct type *layout = call->data;
	struct memory event = lower_event(l, call, layout);
	uint32_t i = 0;

	for (struct expr *arg = call->args->next; arg; arg = arg->next, i++)
		lower_into(l, arg, memory_at(event, EVENT_HEAD + layout->fields[i].offset),
			   layout->fields[i].type);
	lower_send(l, event, layout);
	return value_none();
}

void run_format(struct run *run, const struct expr *call, const uint8_t *data, struct buf *out)
{
	const struct type *layout = call->data;
	struct span format = format_of(call);
	struct conversion conversion;
	size_t at = 0, from = 0;
	uint32_t i = 0;

	while (format_next(format, &at, &conversion)) {
		buf_add(out, format.at + from, conversion.from - from);
		from = at;
		if (conversion.letter == '%') {
			buf_char(out, '%');
			continue;
		}
		if (i < layout->field_count)
			format_value(run->out, &conversion, layout->fields[i].type,
				     data + layout->fields[i].offset, out);
		i++;
	}
	buf_add(out, format.at + from, format.len - from);
}

static void happen_printf(struct run *run, const struct expr *call, const uint8_t *data, size_t len)
{
	struct buf text;

	buf_init(&text, 1 << 20);
	run_format(run, call, data, &text);
	run_say(run, "printf", buf_text(&text));
	buf_done(&text);
}

const struct function function_printf = {.name = "printf",
					 .min_args = 1,
					 .max_args = 128,
					 .flags = FUNCTION_NO_VALUE,
					 .check = check_printf,
					 .lower = lower_printf,
					 .happen = happen_printf};

/* "errorf" and its kin: a line that points at the script. */
static void say_with_place(struct run *run, const struct expr *call, const char *type,
			   enum severity severity, const char *text)
{
	struct buf out;

	buf_init(&out, 1 << 21);
	if (run->out->is_json) {
		struct json json = {.out = &out};
		uint32_t line, column;

		diag_where(&run->script->diag, call->place.from, &line, &column);
		buf_f(&out, "{\"type\": \"%s\", \"msg\": ", type);
		json_str(&json, text);
		buf_str(&out, ", \"filename\": ");
		json = (struct json){.out = &out};
		json_str(&json, run->script->diag.name);
		buf_f(&out, ", \"line\": %u, \"col\": %u}\n", line, column);
		output_raw(run->out, buf_as_span(&out));
	} else if (severity == SEVERITY_ERROR || run->options->has_warnings) {
		diag_locate(&run->script->diag, call->place, &out);
		buf_f(&out, ": %s: %s\n", severity == SEVERITY_ERROR ? "ERROR" : "WARNING", text);
		output_flush(run->out);
		fputs(buf_text(&out), stderr);
	}
	buf_done(&out);
}

static void say_formatted(struct run *run, const struct expr *call, const uint8_t *data,
			  const char *type, enum severity severity)
{
	struct buf text;

	buf_init(&text, 1 << 20);
	run_format(run, call, data, &text);
	say_with_place(run, call, type, severity, buf_text(&text));
	buf_done(&text);
}

static void happen_errorf(struct run *run, const struct expr *call, const uint8_t *data, size_t len)
{
	run->errors++;
	say_formatted(run, call, data, "errorf", SEVERITY_ERROR);
}

static void happen_warnf(struct run *run, const struct expr *call, const uint8_t *data, size_t len)
{
	say_formatted(run, call, data, "warnf", SEVERITY_WARNING);
}

const struct function function_errorf = {.name = "errorf",
					 .min_args = 1,
					 .max_args = 128,
					 .flags = FUNCTION_NO_VALUE,
					 .check = check_printf,
					 .lower = lower_printf,
					 .happen = happen_errorf};
const struct function function_warnf = {.name = "warnf",
					.min_args = 1,
					.max_args = 128,
					.flags = FUNCTION_NO_VALUE,
					.check = check_printf,
					.lower = lower_printf,
					.happen = happen_warnf};

/* assert(condition, "what is wrong"): says so and ends the script with code 1. */
static const struct type *check_assert(struct checker *checker, struct expr *call)
{
	check_condition(checker, call->args, call->place);
	check_expr(checker, call->args->next);
	if (!call->args->next->is_constant || call->args->next->type->kind != TYPE_STRING)
		check_error(checker, call->place, "assert() expects a string literal as message");
	return &type_void;
}

static struct value lower_assert(struct lowering *l, struct expr *call)
{
	int holds = ir_label(l->ir);

	lower_condition(l, call->args, true, holds);
	lower_send(l, lower_event(l, call, NULL), NULL);
	ir_jump(l->ir, l->exit_label);
	ir_put_label(l->ir, holds);
	return value_none();
}

static void happen_assert(struct run *run, const struct expr *call, const uint8_t *data, size_t len)
{
	struct buf text;

	buf_init(&text, 4096);
	buf_str(&text, "assert failed: ");
	buf_span(&text, call->args->next->text);
	say_with_place(run, call, "errorf", SEVERITY_ERROR, buf_text(&text));
	buf_done(&text);
	run->exit_code = 1;
	run->is_ending = run->is_exit_called = true;
}

const struct function function_assert = {.name = "assert",
					 .min_args = 2,
					 .max_args = 2,
					 .flags = FUNCTION_NO_VALUE | FUNCTION_RAW_ARGS,
					 .check = check_assert,
					 .lower = lower_assert,
					 .happen = happen_assert};

/* No function of the language: what a division by 0 calls. */
static void happen_division(struct run *run, const struct expr *call, const uint8_t *data,
			    size_t len)
{
	say_with_place(run, call, "runtime_error", SEVERITY_WARNING,
		       "Divide or modulo by 0 detected. This can lead to unexpected results. 1 is "
		       "being used as the result.");
}

const struct function function_division = {.name = "/", .happen = happen_division};

/* --- cat: the file's beginning --- */

static void happen_cat(struct run *run, const struct expr *call, const uint8_t *data, size_t len)
{
	uint32_t max = run->script->config.max_cat_bytes;
	struct buf name, text;
	int fd;

	buf_init(&name, 4096);
	buf_init(&text, max);
	run_format(run, call, data, &name);
	fd = open(buf_text(&name), O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		fprintf(stderr, "ERROR: failed to open file '%s' (%s)\n", buf_text(&name),
			err_name(errno));
	} else {
		char chunk[4096];
		ssize_t n;

		while (text.len < max &&
		       (n = read(fd, chunk,
				 sizeof(chunk) < max - text.len ? sizeof(chunk) : max - text.len)) >
			       0)
			buf_add(&text, chunk, (size_t)n);
		close(fd);
		run_say(run, "cat", buf_text(&text));
	}
	buf_done(&name);
	buf_done(&text);
}

const struct function function_cat = {.name = "cat",
				      .min_args = 1,
				      .max_args = 128,
				      .flags = FUNCTION_NO_VALUE,
				      .check = check_printf,
				      .lower = lower_printf,
				      .happen = happen_cat};

/* --- system: the command through the shell, its output shown --- */

static int run_command(const char *command, struct buf *out, int *ret_status)
{
	int pipes[2];
	char chunk[4096];
	ssize_t n;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (!pid) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		dup2(pipes[1], STDOUT_FILENO);
		loader_child();
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	close(pipes[1]);
	while (pid > 0 && (n = read(pipes[0], chunk, sizeof(chunk))) > 0)
		buf_add(out, chunk, (size_t)n);
	close(pipes[0]);
	if (pid > 0)
		waitpid(pid, ret_status, 0);
	return pid > 0 ? 0 : -errno;
}

static void happen_system(struct run *run, const struct expr *call, const uint8_t *data, size_t len)
{
	struct buf command, text;
	int status = 0;

	buf_init(&command, 65536);
	buf_init(&text, 1 << 20);
	run_format(run, call, data, &command);
	output_flush(run->out);
	if (run_command(buf_text(&command), &text, &status))
		status = 127 << 8;
	if (!run->out->is_json && text.len)
		buf_char(&text, '\n');
	if (text.len || (run->out->is_json && !status))
		run_say(run, "syscall", buf_text(&text));
	if (WIFEXITED(status) && WEXITSTATUS(status))
		fprintf(stderr, "ERROR: command exited with code %d (Operation not supported)\n",
			WEXITSTATUS(status));
	buf_done(&command);
	buf_done(&text);
}

const struct function function_system = {.name = "system",
					 .min_args = 1,
					 .max_args = 128,
					 .flags = FUNCTION_NO_VALUE | FUNCTION_UNSAFE,
					 .check = check_printf,
					 .lower = lower_printf,
					 .happen = happen_system};
