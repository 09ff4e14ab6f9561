// SPDX-License-Identifier: GPL-2.0-only
/* Any bytes as head, as chunks in pieces of any size, as query and as form: never out of bounds, and what is taken is
 * taken the same way however it arrives. */
#include "serve/http.c"

#include <stdlib.h>

#include "serve/multipart.c"
#include "serve/query.c"

static void check_inside(struct span whole, struct span part)
{
	if (part.len && (part.at < whole.at || part.at + part.len > whole.at + whole.len))
		abort();
}

static void check_head(struct span in)
{
	struct http_request request;
	const char *why = NULL;
	size_t scanned = 0, end = http_head_end(in, &scanned), again = 0, at = 0, found = 0;

	while (!found && at < in.len)
		found = http_head_end(span_first(in, ++at), &again);
	if (found != end)
		abort();
	if (!end)
		return;
	in = span_first(in, end);
	if (http_parse(in, &request, &why)) {
		if (!why)
			abort();
		return;
	}
	check_inside(in, request.query);
	check_inside(in, request.host);
	for (unsigned i = 0; i < request.fields; i++) {
		check_inside(in, request.field[i].value);
		if (memchr(request.field[i].value.at, 0, request.field[i].value.len))
			abort();
	}
	http_wants_openmetrics(http_field(&request, "Accept"));
	if (http_wants(http_field(&request, "Accept-Encoding"), "gzip") > 1000)
		abort();
}

static uint64_t sum_chunks(struct span in, size_t piece, enum http_cut *ret_end)
{
	struct http_chunks chunks = {};
	size_t from = 0, to = 0;
	uint64_t sum = 0;

	*ret_end = HTTP_MORE;
	while (to < in.len) {
		to = piece && to + piece < in.len ? to + piece : in.len;
		for (;;) {
			struct span data, given = {in.at + from, to - from};
			const char *why;
			size_t used = 0;

			*ret_end = http_chunks_cut(&chunks, given, &used, &data, &why);
			if (*ret_end == HTTP_BAD || *ret_end == HTTP_END)
				return *ret_end == HTTP_END ? sum * 31 + from + used : sum;
			if (used > given.len)
				abort();
			from += used;
			if (*ret_end == HTTP_MORE)
				break;
			check_inside(given, data);
			for (size_t i = 0; i < data.len; i++)
				sum = sum * 31 + data.at[i];
		}
	}
	return sum;
}

static void check_chunks(struct span in, size_t piece)
{
	enum http_cut one, many;

	if (sum_chunks(in, 0, &one) != sum_chunks(in, piece, &many) || one != many)
		abort();
}

static void check_query(struct span in)
{
	struct query query;
	struct arena arena;
	const char *word;

	arena_init(&arena, 64 * 1024);
	if (!query_parse(in, &arena, &query))
		for (unsigned i = 0; i < query.count; i++)
			if (strlen(query.param[i].name) + strlen(query.param[i].value) > in.len)
				abort();
	path_word(in, &arena, &word);
	arena_done(&arena);
}

static void check_form(struct span in)
{
	struct multipart multipart;
	struct part part;
	size_t bytes = 0;

	if (!multipart_begin(&multipart, span_of("multipart/form-data; boundary=B"), in))
		return;
	while (multipart_next(&multipart, &part) > 0) {
		check_inside(in, part.name);
		check_inside(in, part.bytes);
		if (!part.name.len)
			abort();
		bytes += part.bytes.len;
	}
	if (bytes > in.len)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct span in = {at + 1, len - 1};

	if (!len)
		return 0;
	check_head(in);
	check_chunks(in, at[0] % 7 + 1);
	check_query(in);
	check_form(in);
	return 0;
}
