// SPDX-License-Identifier: GPL-2.0-only
/* http_reply - cuts one HTTP/1.1 reply out of bytes that come in pieces (RFC 9112). */
#include "world/pod/http_reply.h"

#include <errno.h>

static const uint64_t length_max = 1ull << 40;

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

static bool same_word(struct span text, const char *word)
{
	if (text.len != strlen(word))
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (lower(text.at[i]) != (uint8_t)word[i])
			return false;
	return true;
}

static unsigned digit_of(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10u : 99;
}

static bool read_number(struct span text, unsigned base, uint64_t *ret_number)
{
	uint64_t number = 0;

	for (size_t i = 0; i < text.len; i++) {
		unsigned digit = digit_of(lower(text.at[i]));

		if (digit >= base)
			return false;
		number = number * base + digit;
		if (number > length_max)
			return false;
	}
	*ret_number = number;
	return text.len > 0;
}

/* "HTTP/1.1 200 OK" */
static int take_status(struct http_reply *reply, struct span line)
{
	uint64_t status;

	if (line.len < 12 || !span_starts(line, "HTTP/1.") || line.at[8] != ' ' ||
	    !read_number(span_first(span_from(line, 9), 3), 10, &status))
		return -EPROTO;
	reply->status = (int)status;
	reply->stage = REPLY_HEADERS;
	return 0;
}

static int take_header(struct http_reply *reply, struct span line)
{
	const uint8_t *colon = line.len ? memchr(line.at, ':', line.len) : NULL;
	struct span name, value;

	if (!colon)
		return -EPROTO;
	name = span_first(line, (size_t)(colon - line.at));
	value = span_trim(span_from(line, name.len + 1));
	if (same_word(name, "content-length")) {
		if (!read_number(value, 10, &reply->left))
			return -EPROTO;
		reply->has_length = true;
	} else if (same_word(name, "transfer-encoding")) {
		if (!same_word(value, "chunked"))
			return -EPROTO;
		reply->chunked = true;
	}
	return 0;
}

/* RFC 9112 6.3: chunked wins over a length; replies 1xx, 204 and 304 have no body. */
static void end_headers(struct http_reply *reply)
{
	if (reply->status / 100 == 1) { /* an interim reply: the real one follows */
		*reply = (struct http_reply){};
		return;
	}
	if (reply->status == 204 || reply->status == 304 ||
	    (!reply->chunked && reply->has_length && !reply->left))
		reply->stage = REPLY_DONE;
	else
		reply->stage = reply->chunked ? REPLY_CHUNK_SIZE : REPLY_BODY;
}

static int take_chunk_size(struct http_reply *reply, struct span line)
{
	const uint8_t *extension = line.len ? memchr(line.at, ';', line.len) : NULL;

	if (extension)
		line = span_first(line, (size_t)(extension - line.at));
	if (!read_number(span_trim(line), 16, &reply->left))
		return -EPROTO;
	reply->stage = reply->left ? REPLY_CHUNK : REPLY_TRAILERS;
	reply->lines = 0;
	return 0;
}

static int take_line(struct http_reply *reply, struct span line)
{
	if (line.len && line.at[line.len - 1] == '\r')
		line.len--;
	if (reply->lines++ == REPLY_LINES)
		return -EPROTO;
	switch (reply->stage) {
	case REPLY_STATUS: return take_status(reply, line);
	case REPLY_HEADERS:
		if (line.len)
			return take_header(reply, line);
		end_headers(reply);
		return 0;
	case REPLY_CHUNK_SIZE: return take_chunk_size(reply, line);
	case REPLY_CHUNK_END: reply->stage = REPLY_CHUNK_SIZE; return line.len ? -EPROTO : 0;
	case REPLY_TRAILERS:
		if (!line.len)
			reply->stage = REPLY_DONE;
		return 0;
	default: return -EPROTO;
	}
}

/* Completes the line that began in earlier pieces. Returns the bytes taken, -EPROTO. */
static long feed_line(struct http_reply *reply, struct span bytes)
{
	const uint8_t *end = memchr(bytes.at, '\n', bytes.len);
	size_t len = end ? (size_t)(end - bytes.at) : bytes.len;
	int error;

	if (len > sizeof(reply->line) - reply->line_bytes)
		return -EPROTO;
	memcpy(reply->line + reply->line_bytes, bytes.at, len);
	reply->line_bytes += len;
	if (!end)
		return (long)len;
	len = reply->line_bytes;
	reply->line_bytes = 0;
	error = take_line(reply, (struct span){(uint8_t *)reply->line, len});
	return error ? error : end - bytes.at + 1;
}

static size_t feed_body(struct http_reply *reply, struct span bytes, reply_piece each, void *ctx)
{
	bool counted = reply->chunked || reply->has_length;
	struct span piece =
		counted && reply->left < bytes.len ? span_first(bytes, reply->left) : bytes;

	each(ctx, piece);
	if (!counted)
		return piece.len;
	reply->left -= piece.len;
	if (!reply->left)
		reply->stage = reply->chunked ? REPLY_CHUNK_END : REPLY_DONE;
	return piece.len;
}

int http_reply_feed(struct http_reply *reply, struct span bytes, reply_piece each, void *ctx)
{
	while (bytes.len && reply->stage != REPLY_DONE) {
		long taken = reply->stage == REPLY_BODY || reply->stage == REPLY_CHUNK
				     ? (long)feed_body(reply, bytes, each, ctx)
				     : feed_line(reply, bytes);

		if (taken < 0)
			return (int)taken;
		bytes = span_from(bytes, (size_t)taken);
	}
	return reply->stage == REPLY_DONE;
}

bool http_reply_may_end(const struct http_reply *reply)
{
	return reply->stage == REPLY_DONE || (reply->stage == REPLY_BODY && !reply->has_length);
}
