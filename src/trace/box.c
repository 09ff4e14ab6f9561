// SPDX-License-Identifier: GPL-2.0-only
/* box - a script that runs for an agent, in a process of its own. */
#include "trace/box.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json_read.h"
#include "trace/run.h"
#include "trace/trace_command.h"

enum { JOB_BYTES = 8 << 20, LINE_BYTES = 64 << 10 };

struct box {
	FILE *out; /* to the agent */
	struct buf line; /* of what is meant for people, until its end comes */
};

/* Whatever the room says on stdout or stderr becomes messages, line by line. */
static ssize_t take_text(void *ctx, const char *text, size_t len)
{
	struct box *box = ctx;

	for (size_t i = 0; i < len; i++) {
		struct json json;
		struct buf message;

		if (text[i] != '\n') {
			buf_char(&box->line, text[i]);
			continue;
		}
		buf_init(&message, 4 * LINE_BYTES);
		json = (struct json){.out = &message};
		json_span(&json, buf_as_span(&box->line));
		fprintf(box->out, "{\"type\": \"message\", \"data\": %s}\n", buf_text(&message));
		buf_done(&message);
		buf_clear(&box->line);
	}
	fflush(box->out);
	return (ssize_t)len;
}

static FILE *text_stream(struct box *box)
{
	FILE *stream = fopencookie(box, "w", (cookie_io_functions_t){.write = take_text});

	if (stream)
		setvbuf(stream, NULL, _IOLBF, 0);
	return stream;
}

static void read_params(const struct json_node *job, struct script_options *options)
{
	const struct json_node *params = json_get(job, "params"), *named = json_get(job, "named");

	for (const struct json_node *at = params ? params->child : NULL; at; at = at->next)
		if (at->type == JSON_TEXT && options->param_count < PARAMS_MAX)
			options->params[options->param_count++] = (const char *)at->text.at;
	for (const struct json_node *at = named ? named->child : NULL; at; at = at->next)
		if (at->type == JSON_TEXT && options->named_count < PARAMS_MAX)
			options->named[options->named_count++] = (struct named_param){
				(const char *)at->key.at, (const char *)at->text.at};
}

static int run_job(struct box *box, int sock, struct span text)
{
	struct script_options options = {};
	const struct json_node *job = NULL, *check;
	const char *program;
	struct arena arena;
	struct err why = {};
	int code = 1;

	arena_init(&arena, JOB_BYTES);
	if (json_read(text, &arena, &job, &why) || !(program = json_get_text(job, "program"))) {
		fprintf(stderr, "ERROR: the job has no program%s%s\n", *why.text ? ": " : "",
			why.text);
	} else {
		options.name = json_get_text(job, "name");
		if (!options.name)
			options.name = "stdin";
		read_params(job, &options);
		check = json_get(job, "check");
		code = trace_for_agent(&options, span_of(program), check && check->truth, box->out,
				       sock);
	}
	arena_done(&arena);
	return code;
}

int box_run(int sock, struct span job)
{
	struct box box = {.out = fdopen(sock, "w")};
	FILE *text;
	int code;

	if (!box.out)
		return 1;
	buf_init(&box.line, LINE_BYTES);
	text = text_stream(&box);
	if (!text)
		return 1;
	stdout = stderr = text;
	code = run_job(&box, sock, job);
	fflush(text);
	fprintf(box.out, "{\"type\": \"end\", \"data\": {\"code\": %d}}\n", code);
	fflush(box.out);
	return code;
}
