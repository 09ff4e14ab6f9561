// SPDX-License-Identifier: GPL-2.0-only
/* multipart - the files of a multipart/form-data body. */
#include "serve/multipart.h"

#include <errno.h>
#include <stdio.h>

#include "serve/text.h"

enum { BOUNDARY_BYTES = 70 /* RFC 2046 5.1.1 */ };

/* The value of `key` among "; key=value; key="quoted value"". */
static bool find_value(struct span params, const char *key, struct span *ret_value)
{
	while (params.len) {
		size_t at = 0, from;
		bool quoted;
		struct span name;

		while (at < params.len &&
		       (params.at[at] == ';' || params.at[at] == ' ' || params.at[at] == '\t'))
			at++;
		from = at;
		while (at < params.len && params.at[at] != '=' && params.at[at] != ';')
			at++;
		name = (struct span){params.at + from, at - from};
		params = span_from(params, at);
		if (!params.len || params.at[0] != '=')
			continue;
		quoted = params.len > 1 && params.at[1] == '"';
		params = span_from(params, 1 + quoted);
		at = 0;
		while (at < params.len && params.at[at] != (quoted ? '"' : ';'))
			at++;
		if (same_word(name, key)) {
			*ret_value = span_first(params, at);
			return true;
		}
		params = span_from(params, at + quoted);
	}
	return false;
}

bool multipart_begin(struct multipart *multipart, struct span type, struct span body)
{
	static const char kind[] = "multipart/form-data;";
	struct span boundary;

	if (!starts_with_word(type, kind) ||
	    !find_value(span_from(type, strlen(kind)), "boundary", &boundary) || !boundary.len ||
	    boundary.len > BOUNDARY_BYTES)
		return false;
	snprintf(multipart->delimiter, sizeof(multipart->delimiter), "\r\n--%.*s",
		 (int)boundary.len, (const char *)boundary.at);
	multipart->rest = body;
	/* the first delimiter has no line end before it when nothing stands there */
	if (span_starts(body, multipart->delimiter + 2))
		multipart->rest = span_from(body, strlen(multipart->delimiter) - 2);
	else
		multipart->rest.at = NULL;
	return true;
}

static bool find(struct span in, const char *what, size_t *ret_at)
{
	const uint8_t *at = in.len ? memmem(in.at, in.len, what, strlen(what)) : NULL;

	if (at)
		*ret_at = (size_t)(at - in.at);
	return at;
}

static bool name_of(struct span head, struct span *ret_name)
{
	static const char field[] = "Content-Disposition:";
	size_t end;

	while (head.len) {
		struct span line = head;

		if (find(head, "\r\n", &end))
			line = span_first(head, end);
		head = span_from(head, line.len + 2);
		if (!starts_with_word(line, field))
			continue;
		line = span_from(line, strlen(field));
		if (!find(line, ";", &end))
			return false;
		line = span_from(line, end);
		return (find_value(line, "filename", ret_name) && ret_name->len) ||
		       (find_value(line, "name", ret_name) && ret_name->len);
	}
	return false;
}

/* rest stands behind a delimiter: "--" ends the body, else a line end and the part's head follow. */
int multipart_next(struct multipart *multipart, struct part *ret_part)
{
	struct span rest = multipart->rest;
	size_t head, end;

	if (!rest.at)
		return -EINVAL;
	if (span_starts(rest, "--"))
		return 0;
	if (!span_starts(rest, "\r\n") || !find(rest, "\r\n\r\n", &head))
		return -EINVAL;
	if (!name_of(span_first(span_from(rest, 2), head > 2 ? head - 2 : 0), &ret_part->name))
		return -EINVAL;
	rest = span_from(
		rest,
		head + 2); /* the delimiter of an empty part begins with the head's last line end */
	if (!find(rest, multipart->delimiter, &end))
		return -EINVAL;
	ret_part->bytes =
		end >= 2 ? (struct span){rest.at + 2, end - 2} : (struct span){rest.at, 0};
	multipart->rest = span_from(rest, end + strlen(multipart->delimiter));
	return 1;
}
