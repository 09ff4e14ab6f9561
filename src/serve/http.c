// SPDX-License-Identifier: GPL-2.0-only
/*
 * http - what a request says.
 *
 * libevent brings a server of its own (evhttp); sockets, buffers and timers here are libevent's, but not that. Tried on
 * 2.1.12: a field's value is cut silently at a 0 byte, a client that sends a byte now and then stays for ever (its
 * timeout starts anew with each byte), connections have no limit, and refusals are HTML that nobody can
 * replace by a reason. All four are what a page open to every process of a machine must not have.
 */
#include "serve/http.h"

#include "serve/text.h"

static const char *const methods[] = {
	[HTTP_GET] = "GET",         [HTTP_HEAD] = "HEAD",   [HTTP_POST] = "POST",
	[HTTP_PUT] = "PUT",         [HTTP_PATCH] = "PATCH", [HTTP_DELETE] = "DELETE",
	[HTTP_OPTIONS] = "OPTIONS",
};

const char *http_method_name(enum http_method method)
{
	return methods[method];
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* tchar of RFC 9110 5.6.2 */
static bool is_token(uint8_t c)
{
	return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool all_token(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!is_token(text.at[i]))
			return false;
	return text.len;
}

/* A bare LF ends a line here, so that such a head is refused at once and not waited for. */
size_t http_head_end(struct span in, size_t *scanned)
{
	for (size_t i = *scanned; i < in.len; i++) {
		struct span rest = span_from(in, i + 1);

		if (in.at[i] != '\n')
			continue;
		if (span_starts(rest, "\n") || span_starts(rest, "\r\n"))
			return i + 1 + (rest.at[0] == '\n' ? 1 : 2);
	}
	*scanned = in.len > 2 ? in.len - 2 : 0; /* an end may have begun in the last two bytes */
	return 0;
}

static int refuse(int status, const char *why, const char **ret_why)
{
	*ret_why = why;
	return status;
}

static int parse_method(struct span word, enum http_method *ret_method, const char **ret_why)
{
	for (size_t i = 0; i < HTTP_METHODS; i++)
		if (span_is(word, methods[i])) {
			*ret_method = (enum http_method)i;
			return 0;
		}
	if (!all_token(word))
		return refuse(400, "the request does not begin with a method", ret_why);
	return refuse(501, "this method is not known here", ret_why);
}

/* Absolute targets ("GET http://host/path") must be understood: RFC 9112 3.2.2. Their authority is then the host. */
static int parse_target(struct span target, struct http_request *request, const char **ret_why)
{
	static const char scheme[] = "http://";

	if (target.len > HTTP_TARGET_BYTES)
		return refuse(414, "the target is longer than 8 KiB", ret_why);
	for (size_t i = 0; i < target.len; i++)
		if (target.at[i] <= 0x20 || target.at[i] >= 0x7f)
			return refuse(400, "the target holds bytes that must be percent-encoded",
				      ret_why);
	if (starts_with_word(target, scheme)) {
		size_t len = strlen(scheme);

		while (len < target.len && target.at[len] != '/' && target.at[len] != '?')
			len++;
		request->host = span_from(span_first(target, len), strlen(scheme));
		target = span_from(target, len);
		if (!target.len)
			target = span_of("/");
	}
	if (span_is(target, "*") && request->method == HTTP_OPTIONS) {
		request->path = target;
		return 0;
	}
	if (!target.len || target.at[0] != '/')
		return refuse(400, "the target does not begin with '/'", ret_why);
	if (memchr(target.at, '#', target.len))
		return refuse(400, "the target holds a '#', which is never sent", ret_why);
	request->path = cut_at(&target, '?');
	request->query = target;
	return 0;
}

static int parse_version(struct span version, struct http_request *request, const char **ret_why)
{
	if (version.len != 8 || !span_starts(version, "HTTP/") || !is_digit(version.at[5]) ||
	    version.at[6] != '.' || !is_digit(version.at[7]))
		return refuse(400, "the request line does not end with HTTP/1.1", ret_why);
	if (version.at[5] != '1')
		return refuse(505, "this version of HTTP is not spoken here; use HTTP/1.1",
			      ret_why);
	request->minor = version.at[7] !=
			 '0'; /* RFC 9110 2.5: a higher minor version is understood like ours */
	return 0;
}

static int parse_request_line(struct span line, struct http_request *request, const char **ret_why)
{
	struct span method = cut_at(&line, ' '), target = cut_at(&line, ' ');
	int status;

	status = parse_version(line, request, ret_why);
	if (!status)
		status = parse_method(method, &request->method, ret_why);
	return status ? status : parse_target(target, request, ret_why);
}

static int parse_field(struct span line, struct http_request *request, const char **ret_why)
{
	struct http_field field;

	if (request->fields == HTTP_FIELDS)
		return refuse(431, "more than 64 fields", ret_why);
	if (line.at[0] == ' ' || line.at[0] == '\t')
		return refuse(400, "a field is folded over lines", ret_why);
	if (!memchr(line.at, ':', line.len))
		return refuse(400, "a field has no ':'", ret_why);
	field.name = cut_at(&line, ':');
	field.value = span_trim(line);
	if (!all_token(field.name))
		return refuse(400, "a field's name holds bytes that no name has", ret_why);
	for (size_t i = 0; i < field.value.len; i++)
		if ((field.value.at[i] < 0x20 && field.value.at[i] != '\t') ||
		    field.value.at[i] == 0x7f)
			return refuse(400, "a field holds control bytes", ret_why);
	request->field[request->fields++] = field;
	return 0;
}

static unsigned count_fields(const struct http_request *request, const char *name)
{
	unsigned count = 0;

	for (unsigned i = 0; i < request->fields; i++)
		count += same_word(request->field[i].name, name);
	return count;
}

static int parse_length(struct span text, uint64_t *ret_length, const char **ret_why)
{
	uint64_t length = 0;

	if (!text.len || text.len > 18) /* 18 digits always fit */
		return refuse(400, "Content-Length is no number", ret_why);
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return refuse(400, "Content-Length is no number", ret_why);
		length = length * 10 + (text.at[i] - '0');
	}
	*ret_length = length;
	return 0;
}

/* How the body is framed: RFC 9112 6.3. What could be read in two ways is refused. */
static int judge_body(struct http_request *request, const char **ret_why)
{
	unsigned lengths = count_fields(request, "Content-Length");
	unsigned codings = count_fields(request, "Transfer-Encoding");

	if (lengths + codings > 1)
		return refuse(400, "the length of the body is said more than once", ret_why);
	if (lengths)
		return parse_length(http_field(request, "Content-Length"), &request->length,
				    ret_why);
	if (!codings)
		return 0;
	if (!request->minor)
		return refuse(400, "HTTP/1.0 has no transfer codings", ret_why);
	if (!same_word(http_field(request, "Transfer-Encoding"), "chunked"))
		return refuse(501, "this transfer coding is not known here; use chunked", ret_why);
	request->is_chunked = true;
	return 0;
}

static bool list_has(struct span list, const char *word)
{
	while (list.len)
		if (same_word(span_trim(cut_at(&list, ',')), word))
			return true;
	return false;
}

static int judge_fields(struct http_request *request, const char **ret_why)
{
	struct span connection = http_field(request, "Connection");
	unsigned hosts = count_fields(request, "Host");

	if (hosts > 1 || (!hosts && request->minor))
		return refuse(400, "the field Host must stand there once", ret_why);
	if (!request->host.at)
		request->host = http_field(request, "Host");
	request->keep_alive = request->minor ? !list_has(connection, "close")
					     : list_has(connection, "keep-alive");
	request->expects_continue =
		request->minor && same_word(http_field(request, "Expect"), "100-continue");
	if (count_fields(request, "Authorization") > 1)
		return refuse(400, "the field Authorization stands there more than once", ret_why);
	return judge_body(request, ret_why);
}

int http_parse(struct span head, struct http_request *ret_request, const char **ret_why)
{
	struct http_request *request = ret_request;
	bool is_first = true;

	*request = (struct http_request){};
	while (head.len) {
		struct span line = cut_at(&head, '\n');
		int status;

		if (!line.len || line.at[line.len - 1] != '\r')
			return refuse(400, "a line does not end with CR LF", ret_why);
		line.len--;
		if (!line.len)
			break;
		status = is_first ? parse_request_line(line, request, ret_why)
				  : parse_field(line, request, ret_why);
		if (status)
			return status;
		is_first = false;
	}
	if (is_first)
		return refuse(400, "there is no request line", ret_why);
	return judge_fields(request, ret_why);
}

struct span http_field(const struct http_request *request, const char *name)
{
	for (unsigned i = 0; i < request->fields; i++)
		if (same_word(request->field[i].name, name))
			return request->field[i].value;
	return (struct span){};
}

/* "0.5" -> 500; what is no q counts as 1 */
static unsigned parse_q(struct span text)
{
	unsigned q = 0, scale = 1000;

	if (!text.len || (text.at[0] != '0' && text.at[0] != '1'))
		return 1000;
	for (size_t i = 0; i < text.len && i < 5; i++) {
		if (i == 1)
			continue;
		if (text.at[i] < '0' || text.at[i] > '9')
			return 1000;
		q += (text.at[i] - '0') * scale;
		scale /= 10;
	}
	return q > 1000 ? 1000 : q;
}

/* The q among the parameters of one choice: "text/plain;version=0.0.4;q=0.3" */
static unsigned q_of(struct span params)
{
	while (params.len) {
		struct span param = span_trim(cut_at(&params, ';'));

		if (param.len > 2 && same_word(span_first(param, 2), "q="))
			return parse_q(span_from(param, 2));
	}
	return 1000;
}

unsigned http_wants(struct span list, const char *what)
{
	unsigned any = 0;

	while (list.len) {
		struct span choice = cut_at(&list, ',');
		struct span name = span_trim(cut_at(&choice, ';'));

		if (same_word(name, what))
			return q_of(choice);
		if (span_is(name, "*"))
			any = q_of(choice);
	}
	return any;
}

static bool version_is_ours(struct span params)
{
	while (params.len) {
		struct span param = span_trim(cut_at(&params, ';'));

		if (param.len > 8 && same_word(span_first(param, 8), "version="))
			return span_is(span_from(param, 8), "1.0.0") ||
			       span_is(span_from(param, 8), "0.0.1");
	}
	return true;
}

bool http_wants_openmetrics(struct span accept)
{
	unsigned open = 0, plain = 0;

	while (accept.len) {
		struct span choice = cut_at(&accept, ',');
		struct span name = span_trim(cut_at(&choice, ';'));
		unsigned q = q_of(choice);

		if (same_word(name, "application/openmetrics-text") && version_is_ours(choice))
			open = q > open ? q : open;
		else if (same_word(name, "text/plain") || same_word(name, "text/*"))
			plain = q > plain ? q : plain;
	}
	return open && open >= plain;
}

const char *http_reason(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
		{200, "OK"},
		{201, "Created"},
		{204, "No Content"},
		{400, "Bad Request"},
		{401, "Unauthorized"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{406, "Not Acceptable"},
		{408, "Request Timeout"},
		{409, "Conflict"},
		{411, "Length Required"},
		{413, "Content Too Large"},
		{414, "URI Too Long"},
		{415, "Unsupported Media Type"},
		{422, "Unprocessable Content"},
		{429, "Too Many Requests"},
		{431, "Request Header Fields Too Large"},
		{500, "Internal Server Error"},
		{501, "Not Implemented"},
		{503, "Service Unavailable"},
		{505, "HTTP Version Not Supported"},
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Unknown";
}

/* ---- bodies in chunks: RFC 9112 7.1 ---- */

enum chunk_state {
	SIZE,
	EXTENSION,
	SIZE_END,
	DATA,
	DATA_CR,
	DATA_LF,
	TRAILER,
	TRAILER_LINE,
	TRAILER_END,
	LAST_LF
};
enum { LINE_BYTES = 256, TRAILER_BYTES = 4096 };

/* One byte of framing. Returns NULL, or what is wrong with it. */
static const char *take_framing(struct http_chunks *chunks, uint8_t c)
{
	switch ((enum chunk_state)chunks->state) {
	case SIZE:
		if (hex_digit(c) >= 0) {
			if (++chunks->digits > 15)
				return "a chunk's size is too long";
			chunks->left = chunks->left << 4 | (unsigned)hex_digit(c);
			return NULL;
		}
		if (!chunks->digits)
			return "a chunk has no size";
		chunks->state = c == '\r' ? SIZE_END : EXTENSION;
		chunks->line = 0;
		return c == '\r' || c == ';' || c == ' ' || c == '\t'
			       ? NULL
			       : "a chunk's size is no number";
	case EXTENSION:
		if (c == '\r')
			chunks->state = SIZE_END;
		return c == '\n' || ++chunks->line > LINE_BYTES
			       ? "a chunk's extension is bad or too long"
			       : NULL;
	case SIZE_END:
		chunks->state = chunks->left ? DATA : TRAILER;
		chunks->digits = 0;
		return c == '\n' ? NULL : "a chunk's size does not end with CR LF";
	case DATA_CR:
		chunks->state = DATA_LF;
		return c == '\r' ? NULL : "a chunk is longer than its size";
	case DATA_LF:
		chunks->state = SIZE;
		return c == '\n' ? NULL : "a chunk is longer than its size";
	case TRAILER:
		chunks->state = c == '\r' ? LAST_LF : TRAILER_LINE;
		return c == '\n' ? "a trailer does not end with CR LF" : NULL;
	case TRAILER_LINE:
		if (c == '\r')
			chunks->state = TRAILER_END;
		return c == '\n' || ++chunks->trailer > TRAILER_BYTES
			       ? "a trailer is bad or too long"
			       : NULL;
	case TRAILER_END:
		chunks->state = TRAILER;
		return c == '\n' ? NULL : "a trailer does not end with CR LF";
	case LAST_LF: return c == '\n' ? NULL : "the last chunk does not end with CR LF";
	case DATA: break;
	}
	return "a chunk is out of order";
}

enum http_cut http_chunks_cut(struct http_chunks *chunks, struct span in, size_t *ret_used,
			      struct span *ret_piece, const char **ret_why)
{
	for (size_t used = 0; used < in.len; used++) {
		bool is_last = chunks->state == LAST_LF;

		if (chunks->state == DATA) {
			*ret_piece = span_first(span_from(in, used), chunks->left);
			chunks->left -= ret_piece->len;
			if (!chunks->left)
				chunks->state = DATA_CR;
			*ret_used = used + ret_piece->len;
			return HTTP_PIECE;
		}
		*ret_why = take_framing(chunks, in.at[used]);
		if (*ret_why)
			return HTTP_BAD;
		if (is_last) {
			*ret_used = used + 1;
			return HTTP_END;
		}
	}
	*ret_used = in.len;
	return HTTP_MORE;
}
