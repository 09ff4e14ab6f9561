// SPDX-License-Identifier: GPL-2.0-only
/*
 * helper_error - what the kernel refused a program while it ran: an update that a map had no room for (always told), reads of
 * memory that is not there and look-ups of keys that are not (told with -k). No functions of the language: events that the
 * compiler puts in, which carry the result of the helper.
 */
#include <errno.h>
#include <string.h>

#include "trace/functions/functions.h"
#include "trace/run.h"

enum { REFUSALS_SHOWN = 100 };

/* `said` is the text; `short_text` the one of JSON. */
static void say(struct run *run, const struct expr *call, const char *said, const char *short_text,
		const char *helper, int64_t code)
{
	uint32_t line, column;
	struct buf out, full;

	buf_init(&out, 1 << 21);
	if (run->out->is_json) {
		struct json json = {.out = &out};

		diag_where(&run->script->diag, call->place.from, &line, &column);
		buf_str(&out, "{\"type\": \"helper_error\", \"msg\": ");
		json_str(&json, short_text);
		buf_f(&out, ", \"helper\": \"%s\", \"retcode\": %lld, \"filename\": ", helper,
		      (long long)code);
		json = (struct json){.out = &out};
		json_str(&json, diag_file_of(&run->script->diag, call->place.from));
		buf_f(&out, ", \"line\": %u, \"col\": %u}\n", line, column);
		output_raw(run->out, buf_as_span(&out));
	} else if (run->options->has_warnings) {
		buf_init(&full, 4096);
		buf_f(&full, "%s\nAdditional Info - helper: %s, retcode: %lld", said, helper,
		      (long long)code);
		diag_show(&run->script->diag, SEVERITY_WARNING, call->place, buf_text(&full), NULL,
			  &out);
		output_flush(run->out);
		fputs(buf_text(&out), stderr);
		buf_done(&full);
	}
	buf_done(&out);
}

/* An update that a map refused. */
static void happen_map_full(struct run *run, const struct expr *call, const uint8_t *data,
			    size_t len)
{
	int64_t code;

	memcpy(&code, data, 8);
	if (run->refusals_said++ >= REFUSALS_SHOWN)
		return; /* they are counted all the same */
	say(run, call,
	    "Map full; can't update element. Try increasing max_map_keys config or manually "
	    "setting the max entries in a map declaration e.g. `let @a = hash(5000)`",
	    strerrordesc_np((int)-code), "map_update_elem", code);
}

const struct function function_map_full = {.name = "update", .happen = happen_map_full};

/* A read that failed; the helper is the event's name. */
static void happen_bad_read(struct run *run, const struct expr *call, const uint8_t *data,
			    size_t len)
{
	const char *text;
	int64_t code;

	memcpy(&code, data, 8);
	text = strerrordesc_np((int)-code);
	say(run, call, text ? text : "unknown", text ? text : "unknown", call->name, code);
}

static const struct function function_bad_read = {.name = "read", .happen = happen_bad_read};

static void happen_no_key(struct run *run, const struct expr *call, const uint8_t *data, size_t len)
{
	static const char text[] = "Can't lookup map element because it does not exist.";

	say(run, call, text, text, "map_lookup_elem", 0);
}

static const struct function function_no_key = {.name = "lookup", .happen = happen_no_key};

static void send(struct lowering *l, const struct function *function, const char *name,
		 struct operand code)
{
	struct expr *call = arena_new(&l->script->arena, sizeof(*call));
	struct memory event;

	if (!call)
		return;
	*call = (struct expr){
		.kind = EXPR_CALL, .place = l->ir->place, .function = function, .name = name};
	event = lower_event(l, call, &type_int64);
	ir_store(l->ir, event.base, event.offset + EVENT_HEAD, 8, code);
	lower_send(l, event, &type_int64);
}

void lower_say_refused(struct lowering *l, int code)
{
	lower_lost(l, LOST_MAP_FULL);
	send(l, &function_map_full, "update", op_reg(code));
}

void lower_check_read(struct lowering *l, int code, const char *helper)
{
	int fine = ir_label(l->ir);

	if (!l->script->options->is_checked)
		return;
	ir_branch(l->ir, COND_SGE, op_reg(code), op_imm(0), fine);
	send(l, &function_bad_read, helper, op_reg(code));
	ir_put_label(l->ir, fine);
}

void lower_say_no_key(struct lowering *l)
{
	if (l->script->options->is_checked)
		send(l, &function_no_key, "lookup", op_imm(0));
}
