// SPDX-License-Identifier: GPL-2.0-only
/*
 * http1_head - the lines of HTTP/1 (RFC 9112 2 to 7).
 *
 * Lines end with LF, a CR before it is dropped (RFC 9112 2.2 lets a receiver do so, and nginx, Apache
 * and Go do). Everything else that one receiver reads so and another otherwise makes the head wrong:
 * a blank before the colon, a folded line, a lone CR, two lengths that differ, a length and a transfer
 * coding, a transfer coding in HTTP/1.0.
 */
#include "protocol/http1_head.h"

#include <strings.h>

enum {
	METHOD_MAX = 32, /* bytes; the longest registered one has 17 */
	FIRST_LINE_MAX = 16384, /* bytes; nginx takes 8 KiB unless told otherwise */
	HEADER_NAME_MAX = 256, /* bytes */
	TOKEN_CLASS = 1,
	CAPITAL_CLASS = 2,
};

/* tchar of RFC 9110 5.6.2 */
static const uint8_t class_of[256] = {
	['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1,         ['&'] = 1,         ['\''] = 1,
	['*'] = 1, ['+'] = 1, ['-'] = 3, ['.'] = 1,         ['^'] = 1,         ['_'] = 3,
	['`'] = 1, ['|'] = 1, ['~'] = 1, ['0' ... '9'] = 1, ['a' ... 'z'] = 1, ['A' ... 'Z'] = 3,
};

static size_t run_of(struct span in, uint8_t class)
{
	size_t n = 0;

	while (n < in.len && class_of[in.at[n]] & class)
		n++;
	return n;
}

static bool same_word(struct span a, const char *word)
{
	return a.len == strlen(word) && !strncasecmp((const char *)a.at, word, a.len);
}

/* The line at the start of `in`, without its end. *ret_length: with it, 0 if it is not whole. */
static struct span line_of(struct span in, size_t *ret_length)
{
	const uint8_t *end = in.len ? memchr(in.at, '\n', in.len) : NULL;
	size_t len = end ? (size_t)(end - in.at) : 0;

	*ret_length = end ? len + 1 : 0;
	if (len && in.at[len - 1] == '\r')
		len--;
	return (struct span){in.at, len};
}

/* Headers. */

static const char *read_length(struct http_head *head, struct span value)
{
	while (value.len || !head->has_length) {
		const uint8_t *comma = value.len ? memchr(value.at, ',', value.len) : NULL;
		struct span word =
			span_trim(span_first(value, comma ? (size_t)(comma - value.at) : value.len));
		uint64_t length = 0;

		if (!word.len || word.len > 18)
			return "Content-Length is not a number below 10^18";
		for (size_t i = 0; i < word.len; i++) {
			if (word.at[i] < '0' || word.at[i] > '9')
				return "Content-Length is not a number below 10^18";
			length = length * 10 + (word.at[i] - '0');
		}
		if (head->has_length && head->length != length)
			return "two Content-Lengths that differ";
		head->has_length = true;
		head->length = length;
		value = comma ? span_from(value, (size_t)(comma - value.at) + 1) : (struct span){};
	}
	return NULL;
}

/* A list of codings; chunked must be the last, and only that (RFC 9112 6.1). */
static const char *read_coding(struct http_head *head, struct span value)
{
	while (value.len) {
		const uint8_t *comma = memchr(value.at, ',', value.len);
		struct span word =
			span_trim(span_first(value, comma ? (size_t)(comma - value.at) : value.len));

		if (head->coding == CODING_CHUNKED)
			return "a transfer coding behind chunked";
		if (word.len)
			head->coding = same_word(word, "chunked") ? CODING_CHUNKED : CODING_OTHER;
		value = comma ? span_from(value, (size_t)(comma - value.at) + 1) : (struct span){};
	}
	return NULL;
}

static void choose(struct http_head *head, enum chosen which, struct span value)
{
	if (!head->message.chosen[which].len)
		head->message.chosen[which] = value;
}

/* Most names are told apart by their length alone. */
static const char *read_header(struct http_head *head, struct span name, struct span value)
{
	switch (name.len) {
	case 4:
		if (same_word(name, "host"))
			choose(head, CHOSEN_HOST, value);
		break;
	case 6:
		if (same_word(name, "expect"))
			head->expects_continue |= same_word(value, "100-continue");
		break;
	case 7:
		if (same_word(name, "upgrade"))
			head->upgrade = value;
		break;
	case 10:
		if (same_word(name, "user-agent"))
			choose(head, CHOSEN_USER_AGENT, value);
		break;
	case 11:
		if (same_word(name, "traceparent"))
			choose(head, CHOSEN_TRACEPARENT, value);
		break;
	case 12:
		if (same_word(name, "content-type"))
			choose(head, CHOSEN_CONTENT_TYPE, value);
		else if (same_word(name, "x-request-id"))
			choose(head, CHOSEN_REQUEST_ID, value);
		break;
	case 14:
		if (same_word(name, "content-length"))
			return read_length(head, value);
		break;
	case 17:
		if (same_word(name, "transfer-encoding"))
			return read_coding(head, value);
		break;
	}
	return NULL;
}

/* Splits "name: value". */
static const char *split_header(struct span line, struct span *ret_name, struct span *ret_value)
{
	size_t name = run_of(line, TOKEN_CLASS);

	if (!name)
		return line.len && (line.at[0] == ' ' || line.at[0] == '\t')
			       ? "folded header line"
			       : "header without a name";
	if (name == line.len || line.at[name] != ':')
		return "header name not followed by a colon";
	if (memchr(line.at + name, '\r', line.len - name) ||
	    memchr(line.at + name, 0, line.len - name))
		return "lone CR or NUL in a header";
	*ret_name = span_first(line, name);
	*ret_value = span_trim(span_from(line, name + 1));
	return NULL;
}

const char *http_check_header(struct span line)
{
	struct span name, value;

	if (line.len && line.at[line.len - 1] == '\r')
		line.len--;
	return split_header(line, &name, &value);
}

/* First lines. */

static bool is_version(struct span text)
{
	return text.len == 8 && !memcmp(text.at, "HTTP/1.", 7) &&
	       (text.at[7] == '0' || text.at[7] == '1');
}

/* Path of "/path?query" and of "scheme://host/path?query", whose host counts as Host (RFC 9112 3.2.2). */
static void split_target(struct http_head *head, struct span target)
{
	struct span path = target;
	const uint8_t *authority = memmem(target.at, target.len < 16 ? target.len : 16, "://", 3);

	if (target.at[0] != '/' && authority) {
		struct span rest = span_from(target, (size_t)(authority - target.at) + 3);
		size_t host = 0;

		while (host < rest.len && rest.at[host] != '/' && rest.at[host] != '?')
			host++;
		path = span_from(rest, host);
		rest = span_first(rest, host);
		for (size_t i = 0; i < rest.len; i++)
			if (rest.at[i] == '@')
				head->message.chosen[CHOSEN_HOST] = span_from(rest, i + 1);
		if (!head->message.chosen[CHOSEN_HOST].len)
			head->message.chosen[CHOSEN_HOST] = rest;
	}
	for (size_t i = 0; i < path.len; i++)
		if (path.at[i] == '?' || path.at[i] == '#' || path.at[i] == ';')
			path.len = i;
	head->message.resource = path.len ? path : span_of("/");
	head->message.target = target;
	head->message.target_mask = TARGET_URL;
}

static const char *read_request_line(struct http_head *head, struct span line)
{
	size_t method = run_of(line, TOKEN_CLASS);
	size_t target = 0;

	if (!method || method > METHOD_MAX || method == line.len || line.at[method] != ' ')
		return "request does not begin with a method";
	while (method + 1 + target < line.len && line.at[method + 1 + target] > ' ' &&
	       line.at[method + 1 + target] != 0x7f)
		target++;
	if (!target || method + 1 + target == line.len || line.at[method + 1 + target] != ' ')
		return "request without a target, or one with blanks in it";
	if (!is_version(span_from(line, method + target + 2)))
		return "not HTTP/1.0 or HTTP/1.1";

	head->minor = line.at[line.len - 1] - '0';
	head->message.kind = MESSAGE_REQUEST;
	head->message.operation = span_first(line, method);
	split_target(head, span_first(span_from(line, method + 1), target));
	return NULL;
}

static const char *read_status_line(struct http_head *head, struct span line)
{
	if (line.len < 12 || !is_version(span_first(line, 8)) || line.at[8] != ' ' ||
	    (line.len > 12 && line.at[12] != ' '))
		return "response does not begin with HTTP/1.x and a status";
	for (size_t i = 9; i < 12; i++) {
		if (line.at[i] < '0' || line.at[i] > '9')
			return "status is not three digits";
		head->status = head->status * 10 + (line.at[i] - '0');
	}
	if (head->status < 100)
		return "status below 100";
	head->minor = line.at[7] - '0';
	head->message.status = (struct span){line.at + 9, 3};
	head->message.is_error = head->status >= 400;
	if (head->message.is_error)
		head->message.reason = span_from(line, 13);
	return NULL;
}

/* Could these bytes, which hold no end of a line, still become a first line? */
static const char *check_beginning(enum side from, struct span in)
{
	static const char version[] = "HTTP/1.";
	size_t n = in.len < sizeof(version) - 1 ? in.len : sizeof(version) - 1;

	if (from == SIDE_SERVER)
		return memcmp(in.at, version, n) ? "response does not begin with HTTP/1.x" : NULL;
	n = run_of(in, TOKEN_CLASS);
	if (n > METHOD_MAX || (n < in.len && (!n || in.at[n] != ' ')))
		return "request does not begin with a method";
	return NULL;
}

/* Whole heads. */

static const char *check_framing(const struct http_head *head)
{
	if (head->coding == CODING_NONE)
		return NULL;
	if (head->has_length)
		return "both Content-Length and Transfer-Encoding";
	return head->minor ? NULL : "Transfer-Encoding in HTTP/1.0";
}

/* The first line. *ret_length: its bytes, 0 if it is not whole. */
static const char *read_first_line(enum side from, struct span in, struct http_head *head,
				   size_t *ret_length)
{
	struct span line = line_of(span_first(in, FIRST_LINE_MAX), ret_length);

	if (!*ret_length && in.len >= FIRST_LINE_MAX)
		return "first line above 16 KiB";
	if (!*ret_length)
		return in.len ? check_beginning(from, in) : NULL;
	return from == SIDE_CLIENT ? read_request_line(head, line) : read_status_line(head, line);
}

const char *http_check_first_line(enum side from, struct span in, bool *ret_whole)
{
	struct http_head head = {};
	size_t length;
	const char *why = read_first_line(from, in, &head, &length);

	*ret_whole = length;
	return why;
}

/* The lines behind the first. *ret_whole: the last of them was empty. */
static const char *read_headers(struct span in, struct http_head *head, size_t *ret_length,
				bool *ret_whole)
{
	const char *why = NULL;
	size_t used = 0;

	for (;;) {
		struct span name, value;
		size_t length;
		struct span line = line_of(span_from(in, used), &length);

		used += length;
		*ret_whole = length && !line.len;
		*ret_length = used;
		if (!length || !line.len)
			return why;
		if (!why)
			why = split_header(line, &name, &value);
		if (!why)
			why = read_header(head, name, value);
	}
}

const char *http_read_head(enum side from, struct span in, struct http_head *ret_head,
			   size_t *ret_length)
{
	size_t first, rest;
	bool is_whole;
	const char *why;

	*ret_head = (struct http_head){};
	*ret_length = 0;
	why = read_first_line(from, in, ret_head, &first);
	if (why || !first)
		return why;
	why = read_headers(span_from(in, first), ret_head, &rest, &is_whole);
	if (!is_whole)
		return NULL; /* what is wrong may wait until it is: the answer must not depend on the cut */
	*ret_length = first + rest;
	message_bound(&ret_head->message, HTTP_TEXT);
	return why ? why : check_framing(ret_head);
}

bool http_read_torso(enum side from, struct span in, struct http_head *ret_head)
{
	bool is_whole;
	size_t first, rest;

	*ret_head = (struct http_head){};
	if (read_first_line(from, in, ret_head, &first) || !first)
		return false;
	read_headers(span_from(in, first), ret_head, &rest, &is_whole);
	message_bound(&ret_head->message, HTTP_TEXT);
	return true;
}

bool http_head_ends(struct span in, size_t scanned)
{
	size_t at = scanned > 2 ? scanned - 2
				: 0; /* the LF before "CR LF" or "LF" may be known already */

	while (at < in.len) {
		const uint8_t *end = memchr(in.at + at, '\n', in.len - at);
		struct span rest;

		if (!end)
			return false;
		at = (size_t)(end - in.at) + 1;
		rest = span_from(in, at);
		if (span_starts(rest, "\n") || span_starts(rest, "\r\n"))
			return true;
	}
	return false;
}

/* Is what is behind a first line a header or an empty line? */
static enum verdict header_follows(struct span in)
{
	size_t name = run_of(span_first(in, HEADER_NAME_MAX), TOKEN_CLASS);

	if (name)
		return name == in.len       ? VERDICT_MAYBE
		       : in.at[name] == ':' ? VERDICT_YES
					    : VERDICT_NO;
	if (!in.len || (in.len == 1 && in.at[0] == '\r'))
		return VERDICT_MAYBE;
	return span_starts(in, "\n") || span_starts(in, "\r\n") ? VERDICT_YES : VERDICT_NO;
}

static enum verdict request_starts(struct span in)
{
	size_t method = run_of(in, CAPITAL_CLASS);
	struct span target = span_from(in, method + 1);
	struct http_head head = {};
	size_t length;
	struct span line;

	if (!method || method > METHOD_MAX)
		return VERDICT_NO;
	if (method == in.len)
		return VERDICT_MAYBE;
	if (in.at[method] != ' ' || method < 3)
		return VERDICT_NO;
	if (target.len && !strchr("/*hH", target.at[0]) && !span_starts(in, "CONNECT"))
		return VERDICT_NO;
	line = line_of(span_first(in, FIRST_LINE_MAX), &length);
	if (!length)
		return in.len < FIRST_LINE_MAX ? VERDICT_MAYBE : VERDICT_NO;
	return read_request_line(&head, line) ? VERDICT_NO : header_follows(span_from(in, length));
}

static enum verdict response_starts(struct span in)
{
	struct http_head head = {};
	size_t length;
	struct span line = line_of(span_first(in, FIRST_LINE_MAX), &length);

	if (check_beginning(SIDE_SERVER, in))
		return VERDICT_NO;
	if (!length)
		return in.len < FIRST_LINE_MAX ? VERDICT_MAYBE : VERDICT_NO;
	return read_status_line(&head, line) ? VERDICT_NO : header_follows(span_from(in, length));
}

enum verdict http_head_starts(enum side from, struct span in)
{
	if (!in.len)
		return VERDICT_MAYBE;
	return from == SIDE_CLIENT ? request_starts(in) : response_starts(in);
}

/* Other lines. */

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

const char *http_chunk_line(struct span in, size_t *ret_length, uint64_t *ret_bytes)
{
	const uint8_t *end;
	uint64_t bytes = 0;
	size_t n = 0;

	*ret_length = 0;
	while (n < in.len && hex_digit(in.at[n]) >= 0) {
		bytes = bytes * 16 + (unsigned)hex_digit(in.at[n]);
		if (++n > 15)
			return "chunk length is not below 2^60";
	}
	if (n == in.len)
		return NULL;
	if (!n || !strchr("; \t\r\n", in.at[n]))
		return "chunk does not begin with its length";
	end = memchr(in.at, '\n', in.len);
	if (!end)
		return NULL;
	/* A bare LF here is the end of a line to some and part of an extension to others. */
	if (end[-1] != '\r' || memchr(in.at, '\r', in.len) != end - 1)
		return "chunk line does not end with CR LF";
	*ret_length = (size_t)(end - in.at) + 1;
	*ret_bytes = bytes;
	return NULL;
}

const char *http_upgrade_name(struct span upgrade)
{
	if (same_word(upgrade, "websocket"))
		return "websocket";
	if (same_word(upgrade, "h2c"))
		return "h2c";
	if (upgrade.len >= 4 && !strncasecmp((const char *)upgrade.at, "tls/", 4))
		return "tls";
	return "unknown";
}
