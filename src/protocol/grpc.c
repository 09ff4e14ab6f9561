// SPDX-License-Identifier: GPL-2.0-only
/* grpc - calls inside HTTP: "gRPC over HTTP2" and "gRPC-Web" of the gRPC project's documents. */
#include "protocol/grpc.h"

#include <strings.h>

enum {
	FLAG_COMPRESSED = 0x01,
	FLAG_TRAILERS = 0x80, /* gRPC-Web: what follows is no message */
};

/* Behind the name stands the end, "+proto" or the like, or ";". */
static bool is_type(struct span type, const char *name)
{
	size_t len = strlen(name);

	return type.len >= len && !strncasecmp((const char *)type.at, name, len) &&
	       (type.len == len || type.at[len] == '+' || type.at[len] == ';' ||
		type.at[len] == ' ');
}

enum grpc_kind grpc_kind_of(struct span content_type)
{
	if (is_type(content_type, "application/grpc"))
		return GRPC_PLAIN;
	if (is_type(content_type, "application/grpc-web"))
		return GRPC_WEB;
	return is_type(content_type, "application/grpc-web-text") ? GRPC_WEB_TEXT : GRPC_NONE;
}

const char *grpc_dialect(enum grpc_kind kind)
{
	if (kind == GRPC_PLAIN)
		return "grpc";
	return kind == GRPC_NONE ? NULL : "grpc-web";
}

bool grpc_split_path(struct span path, struct span *ret_service, struct span *ret_method)
{
	const uint8_t *slash;

	if (path.len < 4 || path.at[0] != '/')
		return false;
	slash = memrchr(path.at, '/', path.len);
	if (slash == path.at || slash + 1 == path.at + path.len)
		return false;
	*ret_service = (struct span){path.at + 1, (size_t)(slash - path.at) - 1};
	*ret_method = span_from(path, (size_t)(slash - path.at) + 1);
	return ret_service->len > 0;
}

/* grpc-status among the trailers of gRPC-Web, which are lines "name:value" in small letters. */
static void read_trailers(struct grpc_count *count, struct span text)
{
	static const char name[] = "grpc-status:";
	const size_t all = sizeof(name) - 1;

	for (size_t i = 0; i < text.len && count->matched <= all; i++) {
		uint8_t c = text.at[i];

		if (count->matched < all)
			count->matched = c == (uint8_t)name[count->matched] ? count->matched + 1
									    : c == (uint8_t)name[0];
		else if (c >= '0' && c <= '9' && count->status_len < sizeof(count->status))
			count->status[count->status_len++] = (char)c;
		else if (c != ' ')
			count->matched = all + 1;
	}
}

static void begin_message(struct grpc_count *count)
{
	uint8_t flag = count->head[0];

	count->head_len = 0;
	count->due = (uint64_t)count->head[1] << 24 | count->head[2] << 16 | count->head[3] << 8 |
		     count->head[4];
	count->has_trailers = flag & FLAG_TRAILERS;
	if (count->has_trailers)
		return;
	if (flag & ~FLAG_COMPRESSED) {
		count->is_wrong = true;
		return;
	}
	count->messages++;
	count->bytes += count->due;
	count->compressed += flag & FLAG_COMPRESSED;
}

void grpc_count(struct grpc_count *count, struct span body)
{
	while (body.len && !count->is_lost && !count->is_wrong) {
		size_t step;

		if (count->due) {
			step = body.len < count->due ? body.len : (size_t)count->due;
			if (count->has_trailers)
				read_trailers(count, span_first(body, step));
			count->due -= step;
			body = span_from(body, step);
			continue;
		}
		step = (size_t)(GRPC_HEAD - count->head_len);
		step = body.len < step ? body.len : step;
		memcpy(count->head + count->head_len, body.at, step);
		count->head_len += step;
		body = span_from(body, step);
		if (count->head_len == GRPC_HEAD)
			begin_message(count);
	}
}

void grpc_count_gap(struct grpc_count *count, uint64_t bytes)
{
	if (bytes > count->due)
		count->is_lost = true;
	count->due -= bytes < count->due ? bytes : count->due;
}

uint64_t grpc_passes(const struct grpc_count *count)
{
	if (count->is_lost || count->is_wrong)
		return UINT64_MAX;
	return count->has_trailers ? 0 : count->due;
}

bool grpc_is_even(const struct grpc_count *count)
{
	return !count->is_lost && !count->is_wrong && !count->due && !count->head_len;
}

static int digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t grpc_decode_message(struct span text, char *out, size_t room)
{
	size_t len = 0;

	for (size_t i = 0; i < text.len && len < room; i++) {
		bool is_coded = text.at[i] == '%' && i + 2 < text.len &&
				digit(text.at[i + 1]) >= 0 && digit(text.at[i + 2]) >= 0;

		if (is_coded) {
			out[len++] = (char)(digit(text.at[i + 1]) << 4 | digit(text.at[i + 2]));
			i += 2;
		} else {
			out[len++] = (char)text.at[i];
		}
	}
	return len;
}
