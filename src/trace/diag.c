// SPDX-License-Identifier: GPL-2.0-only
/* diag - what the compiler has to say about a script, in the shape that bpftrace's users know. */
#include "trace/diag.h"

#include <stdio.h>
#include <string.h>

enum { MESSAGES_MAX = 200 }; /* beyond that nobody reads on */

void diag_init(struct diag *diag, struct arena *arena, const char *name, struct span source)
{
	*diag = (struct diag){.arena = arena, .name = name, .source = source};
}

static const char *keep_text(struct diag *diag, const char *format, va_list args)
{
	char text[1024];

	vsnprintf(text, sizeof(text), format, args);
	return arena_str(diag->arena, span_of(text));
}

static bool is_said_already(const struct diag *diag, struct place place, const char *text)
{
	for (const struct message *m = diag->first; m; m = m->next)
		if (m->place.from == place.from && m->place.to == place.to &&
		    !strcmp(m->text, text))
			return true;
	return false;
}

static void say(struct diag *diag, enum severity severity, struct place place, const char *text)
{
	struct message *message;

	if (!text || diag->is_muted)
		return;
	if (severity == SEVERITY_ERROR)
		diag->errors++;
	else
		diag->warnings++;
	if (diag->errors + diag->warnings > MESSAGES_MAX || is_said_already(diag, place, text))
		return;
	message = arena_new(diag->arena, sizeof(*message));
	if (!message)
		return;
	*message = (struct message){.severity = severity, .place = place, .text = text};
	if (diag->last)
		diag->last->next = message;
	else
		diag->first = message;
	diag->last = message;
}

void diag_error(struct diag *diag, struct place place, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(diag, SEVERITY_ERROR, place, keep_text(diag, format, args));
	va_end(args);
}

void diag_warn(struct diag *diag, struct place place, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(diag, SEVERITY_WARNING, place, keep_text(diag, format, args));
	va_end(args);
}

void diag_hint(struct diag *diag, const char *format, ...)
{
	va_list args;

	if (!diag->last || diag->is_muted)
		return;
	va_start(args, format);
	diag->last->hint = keep_text(diag, format, args);
	va_end(args);
}

void diag_add_part(struct diag *diag, uint32_t from, const char *name)
{
	if (name && diag->part_count < SOURCE_PARTS)
		diag->parts[diag->part_count++] = (struct source_part){from, name};
}

static struct source_part part_of(const struct diag *diag, uint32_t at)
{
	struct source_part part = {0, diag->name};

	for (uint32_t i = 0; i < diag->part_count && diag->parts[i].from <= at; i++)
		part = diag->parts[i];
	return part;
}

const char *diag_file_of(const struct diag *diag, uint32_t at)
{
	return part_of(diag, at).name;
}

static const uint8_t *start_of_line(const struct diag *diag, uint32_t at)
{
	const uint8_t *from = diag->source.at;
	const uint8_t *p = from + (at < diag->source.len ? at : diag->source.len);

	while (p > from && p[-1] != '\n')
		p--;
	return p;
}

void diag_where(const struct diag *diag, uint32_t at, uint32_t *ret_line, uint32_t *ret_column)
{
	const uint8_t *line = start_of_line(diag, at);
	uint32_t lines = 1;

	for (const uint8_t *p = diag->source.at + part_of(diag, at).from; p < line; p++)
		lines += *p == '\n';
	*ret_line = lines;
	*ret_column = (uint32_t)(diag->source.at + at - line) + 1;
}

void diag_locate(const struct diag *diag, struct place place, struct buf *out)
{
	uint32_t line, column, last_line, last_column;

	diag_where(diag, place.from, &line, &column);
	diag_where(diag, place.to, &last_line, &last_column);
	if (line == last_line)
		buf_f(out, "%s:%u:%u-%u", diag_file_of(diag, place.from), line, column,
		      last_column);
	else
		buf_f(out, "%s:%u-%u", diag_file_of(diag, place.from), line, last_line);
}

/* The source line and, below it, ~ under the place. Places over several lines show none. */
static void show_line(const struct diag *diag, struct place place, struct buf *out)
{
	const uint8_t *line = start_of_line(diag, place.from);
	const uint8_t *end = diag->source.at + diag->source.len;
	const uint8_t *stop;
	uint32_t from_line, to_line, from, to;

	diag_where(diag, place.from, &from_line, &from);
	diag_where(diag, place.to, &to_line, &to);
	if (from_line != to_line) { /* all of them, and no marker */
		end = diag->source.at + place.to;
		stop = memchr(end, '\n', (size_t)(diag->source.at + diag->source.len - end));
		buf_add(out, line,
			(size_t)((stop ? stop : diag->source.at + diag->source.len) - line));
		buf_char(out, '\n');
		return;
	}
	stop = memchr(line, '\n', (size_t)(end - line));
	buf_add(out, line, (size_t)((stop ? stop : end) - line));
	buf_char(out, '\n');
	for (uint32_t i = 1; i < from; i++)
		buf_char(out, line[i - 1] == '\t' ? '\t' : ' ');
	buf_fill(out, '~', to > from ? to - from : 0);
	buf_char(out, '\n');
}

void diag_show(const struct diag *diag, enum severity severity, struct place place,
	       const char *text, const char *hint, struct buf *out)
{
	diag_locate(diag, place, out);
	buf_f(out, ": %s: %s\n", severity == SEVERITY_ERROR ? "ERROR" : "WARNING", text);
	show_line(diag, place, out);
	if (hint)
		buf_f(out, "HINT: %s\n", hint);
}

void diag_write(const struct diag *diag, bool with_warnings, struct buf *out)
{
	for (int severity = SEVERITY_ERROR; severity <= SEVERITY_WARNING; severity++) {
		if (severity == SEVERITY_WARNING && !with_warnings)
			break;
		for (const struct message *m = diag->first; m; m = m->next)
			if ((int)m->severity == severity)
				diag_show(diag, m->severity, m->place, m->text, m->hint, out);
	}
}
