// SPDX-License-Identifier: GPL-2.0-only
/*
 * http2_bench - what a header block, a frame and an exchange of HTTP/2 cost.
 *
 *	blocks		ours (only what is wanted; everything) and nghttp2's inflater, on the same blocks of
 *			nghttp2's deflater
 *	exchanges	from two events to the pair: HTTP/2 with headers only, a call of gRPC, and the same request
 *			and response as HTTP/1
 *
 * Rounds alternate; the medians are printed.
 */
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "protocol/conversation.h"
#include "protocol/http2.h"

enum { ROUNDS = 9, BLOCKS = 2000, REPEATS = 20, EXCHANGES = 100000, KINDS = 3, WAYS = 3 };

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static uint64_t median(uint64_t *values)
{
	qsort(values, ROUNDS, sizeof(*values), compare);
	return values[ROUNDS / 2];
}

static void must(bool truth, const char *what)
{
	if (!truth) {
		fprintf(stderr, "http2_bench: %s\n", what);
		exit(1);
	}
}

/* ---- blocks ---- */

struct blocks {
	const char *what;
	uint8_t *bytes; /* owned */
	size_t at[BLOCKS + 1];
};

struct text {
	const char *name, *value;
};

static const struct text call[] = {{":method", "POST"},
				   {":scheme", "http"},
				   {":path", "/shop.Orders/GetOrder"},
				   {":authority", "orders.shop.svc:8080"},
				   {"content-type", "application/grpc"},
				   {"user-agent", "grpc-go/1.62.1"},
				   {"te", "trailers"},
				   {"traceparent", ""},
				   {NULL, NULL}};
static const struct text browser[] = {
	{":method", "GET"},
	{":scheme", "https"},
	{":path", "/static/app/page.js?v=20240102"},
	{":authority", "www.shop.example"},
	{"user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0"},
	{"accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
	{"accept-language", "en-US,en;q=0.5"},
	{"accept-encoding", "gzip, deflate, br"},
	{"cookie", "session=5f1d7a84db8d4f0e9d1c6a0f; theme=dark; cart=12"},
	{"referer", "https://www.shop.example/"},
	{NULL, NULL}};
static const struct text response[] = {{":status", "200"},
				       {"server", "nginx/1.22.1"},
				       {"date", "Sat, 21 Nov 2026 15:00:00 GMT"},
				       {"content-type", "text/html; charset=utf-8"},
				       {"content-length", ""},
				       {"last-modified", "Fri, 20 Nov 2026 10:00:00 GMT"},
				       {"etag", ""},
				       {NULL, NULL}};

/* What is empty above differs from block to block. */
static void make_blocks(struct blocks *blocks, const char *what, const struct text *texts)
{
	nghttp2_hd_deflater *deflater;
	char changing[3][64];
	size_t len = 0;

	*blocks = (struct blocks){.what = what, .bytes = malloc(BLOCKS * 1024)};
	must(!nghttp2_hd_deflate_new(&deflater, 4096), "no deflater");
	for (size_t i = 0; i < BLOCKS; i++) {
		nghttp2_nv fields[16];
		size_t n = 0, changes = 0;

		for (const struct text *text = texts; text->name; text++, n++) {
			const char *value = text->value;

			if (!*value) {
				snprintf(changing[changes], 64, "00-%032zx-%016zx-01", i * 7919, i);
				value = changing[changes++];
			}
			fields[n] = (nghttp2_nv){(uint8_t *)text->name, (uint8_t *)value,
						 strlen(text->name), strlen(value), 0};
		}
		blocks->at[i] = len;
		len += (size_t)nghttp2_hd_deflate_hd(deflater, blocks->bytes + len, 1024, fields,
						     n);
	}
	blocks->at[BLOCKS] = len;
	nghttp2_hd_deflate_del(deflater);
}

static struct span block_at(const struct blocks *blocks, size_t i)
{
	return (struct span){blocks->bytes + blocks->at[i], blocks->at[i + 1] - blocks->at[i]};
}

static uint64_t read_ours(const struct blocks *blocks, bool keeps_all)
{
	static struct hpack_reader reader;
	struct hpack_field field;
	const char *why;
	uint64_t began = now_ns(), fields = 0;

	for (int repeat = 0; repeat < REPEATS; repeat++) {
		struct hpack hpack = {.keeps_all = keeps_all};

		hpack_start(&hpack);
		for (size_t i = 0; i < BLOCKS; i++) {
			hpack_begin(&hpack, block_at(blocks, i), &reader);
			while (hpack_next(&reader, &field, &why) == HPACK_FIELD)
				fields++;
		}
		must(!hpack.counts.bad && !hpack.counts.opaque, "a block was not read");
		hpack_done(&hpack);
	}
	return (now_ns() - began) / (BLOCKS * REPEATS) + !fields;
}

static uint64_t read_nghttp2(const struct blocks *blocks)
{
	uint64_t began = now_ns();

	for (int repeat = 0; repeat < REPEATS; repeat++) {
		nghttp2_hd_inflater *inflater;

		must(!nghttp2_hd_inflate_new(&inflater), "no inflater");
		for (size_t i = 0; i < BLOCKS; i++) {
			struct span block = block_at(blocks, i);

			for (;;) {
				nghttp2_nv field;
				int flags = 0;
				ssize_t used = nghttp2_hd_inflate_hd2(inflater, &field, &flags,
								      block.at, block.len, 1);

				must(used >= 0, "nghttp2 did not read a block");
				block = span_from(block, (size_t)used);
				if (flags & NGHTTP2_HD_INFLATE_FINAL) {
					nghttp2_hd_inflate_end_headers(inflater);
					break;
				}
				if (!(flags & NGHTTP2_HD_INFLATE_EMIT) && !block.len)
					break;
			}
		}
		nghttp2_hd_inflate_del(inflater);
	}
	return (now_ns() - began) / (BLOCKS * REPEATS);
}

static void bench_blocks(const struct blocks *blocks)
{
	uint64_t lean[ROUNDS], all[ROUNDS], theirs[ROUNDS];
	double bytes = (double)blocks->at[BLOCKS] / BLOCKS;

	for (int round = 0; round < ROUNDS; round++) {
		theirs[round] = read_nghttp2(blocks);
		lean[round] = read_ours(blocks, false);
		all[round] = read_ours(blocks, true);
	}
	printf("%s, %.0f bytes: %llu ns a block, %llu ns with everything kept; nghttp2 %llu ns; "
	       "ratio %.2f\n",
	       blocks->what, bytes, (unsigned long long)median(lean),
	       (unsigned long long)median(all), (unsigned long long)median(theirs),
	       (double)median(lean) / (double)median(theirs));
}

/* ---- exchanges ---- */

/* Two writes that can be sent again and again; of HTTP/2 the stream's number is set each time. The first two
 * are others: they fill the tables. */
struct traffic {
	const char *what;
	unsigned frames; /* of one exchange */
	struct traffic *first; /* NULL: there is nothing to fill */
	uint8_t bytes[2][1024];
	size_t len[2];
	size_t ids[2][4]; /* where numbers of streams stand; 0: no more */
};

static void add_bytes(struct traffic *traffic, int side, const void *bytes, size_t len)
{
	memcpy(traffic->bytes[side] + traffic->len[side], bytes, len);
	traffic->len[side] += len;
}

static void add_frame(struct traffic *traffic, int side, uint8_t type, uint8_t flags,
		      struct span payload)
{
	uint8_t head[9] = {0, (uint8_t)(payload.len >> 8), (uint8_t)payload.len, type, flags};
	size_t n = 0;

	while (traffic->ids[side][n])
		n++;
	traffic->ids[side][n] = traffic->len[side] + 5;
	add_bytes(traffic, side, head, 9);
	add_bytes(traffic, side, payload.at, payload.len);
	traffic->frames++;
}

static void set_stream(struct traffic *traffic, uint32_t stream)
{
	for (int side = 0; side < 2; side++)
		for (size_t i = 0; i < 4 && traffic->ids[side][i]; i++) {
			uint8_t *at = traffic->bytes[side] + traffic->ids[side][i];

			at[0] = (uint8_t)(stream >> 24);
			at[1] = (uint8_t)(stream >> 16);
			at[2] = (uint8_t)(stream >> 8);
			at[3] = (uint8_t)stream;
		}
}

static const char http1_asked[] =
	"GET /users/7/profile HTTP/1.1\r\nHost: www.shop.example\r\nUser-Agent: curl/7.88.1\r\n"
	"Accept: */*\r\ntraceparent: "
	"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n";
static const char http1_answered[] =
	"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sat, 21 Nov 2026 15:00:00 GMT\r\n"
	"Content-Type: text/html\r\nContent-Length: 12\r\nConnection: keep-alive\r\n\r\nhello "
	"world\n";

static const struct text http2_asked[] = {
	{":method", "GET"},
	{":scheme", "http"},
	{":path", "/users/7/profile"},
	{":authority", "www.shop.example"},
	{"user-agent", "curl/7.88.1"},
	{"accept", "*/*"},
	{"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
	{NULL, NULL}};
static const struct text http2_answered[] = {{":status", "200"},
					     {"server", "nginx/1.22.1"},
					     {"date", "Sat, 21 Nov 2026 15:00:00 GMT"},
					     {"content-type", "text/html"},
					     {"content-length", "12"},
					     {NULL, NULL}};
static const struct text call_answered[] = {
	{":status", "200"}, {"content-type", "application/grpc"}, {NULL, NULL}};
static const struct text call_trailers[] = {
	{"grpc-status", "0"}, {"grpc-message", ""}, {NULL, NULL}};

/* What an encoder writes that knows it all from before (nghttp2 enters no path): so it can be repeated. */
static struct span known_block(nghttp2_hd_deflater *deflater, const struct text *texts)
{
	static uint8_t block[1024];
	nghttp2_nv fields[16];
	size_t n = 0;
	ssize_t len;

	for (const struct text *text = texts; text->name; text++, n++)
		fields[n] = (nghttp2_nv){(uint8_t *)text->name, (uint8_t *)text->value,
					 strlen(text->name), strlen(text->value), 0};
	len = nghttp2_hd_deflate_hd(deflater, block, sizeof(block), fields, n);
	must(len > 0, "no block");
	return (struct span){block, (size_t)len};
}

static void put(struct conversation *c, int direction, uint64_t *position, struct span bytes,
		uint64_t ns, size_t *exchanges)
{
	struct exchange exchange;

	must(!conversation_put(c, (unsigned)direction, *position, bytes, bytes.len, ns), "not put");
	*position += bytes.len;
	while (conversation_take(c, &exchange))
		*exchanges += exchange.has_response;
}

static uint64_t exchange_all(struct traffic *traffic)
{
	static const char hello[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
	struct conversation c;
	uint64_t position[2] = {}, began, spent;
	size_t exchanges = 0;

	conversation_init(&c, false, SIDE_CLIENT, true);
	if (traffic->frames) {
		put(&c, 0, &position[0], (struct span){(const uint8_t *)hello, sizeof(hello)}, 1,
		    &exchanges);
		put(&c, 1, &position[1], (struct span){(const uint8_t *)hello + 24, 9}, 2,
		    &exchanges);
	}
	began = now_ns();
	for (uint32_t i = 0; i < EXCHANGES; i++) {
		struct traffic *now = !i && traffic->first ? traffic->first : traffic;

		set_stream(now, 2 * i + 1);
		for (int side = 0; side < 2; side++)
			put(&c, side, &position[side],
			    (struct span){now->bytes[side], now->len[side]}, 2 * i + 3, &exchanges);
	}
	spent = now_ns() - began;
	must(exchanges == EXCHANGES, "exchanges are missing");
	conversation_done(&c);
	return spent / EXCHANGES;
}

static void make_http2(struct traffic *traffic, nghttp2_hd_deflater **deflaters)
{
	struct span body = {(const uint8_t *)"hello world\n", 12};

	traffic->what = "HTTP/2";
	add_frame(traffic, 0, 1, 5, known_block(deflaters[0], http2_asked));
	add_frame(traffic, 1, 1, 4, known_block(deflaters[1], http2_answered));
	add_frame(traffic, 1, 0, 1, body);
}

static void make_grpc(struct traffic *traffic, nghttp2_hd_deflater **deflaters)
{
	static const uint8_t message[45] = {0, 0, 0, 0, 40};

	traffic->what = "gRPC";
	add_frame(traffic, 0, 1, 4, known_block(deflaters[0], call));
	add_frame(traffic, 0, 0, 1, (struct span){message, sizeof(message)});
	add_frame(traffic, 1, 1, 4, known_block(deflaters[1], call_answered));
	add_frame(traffic, 1, 0, 0, (struct span){message, sizeof(message)});
	add_frame(traffic, 1, 1, 5, known_block(deflaters[1], call_trailers));
}

static void make_traffic(struct traffic *traffic)
{
	static struct traffic first[KINDS];
	void (*const make[KINDS])(struct traffic *, nghttp2_hd_deflater **) = {NULL, make_http2,
									       make_grpc};

	traffic[0] = (struct traffic){.what = "HTTP/1.1"};
	add_bytes(&traffic[0], 0, http1_asked, sizeof(http1_asked) - 1);
	add_bytes(&traffic[0], 1, http1_answered, sizeof(http1_answered) - 1);
	for (int i = 1; i < KINDS; i++) {
		nghttp2_hd_deflater *deflaters[2];

		for (int side = 0; side < 2; side++)
			must(!nghttp2_hd_deflate_new(&deflaters[side], 4096), "no deflater");
		traffic[i] = (struct traffic){.first = &first[i]};
		make[i](&first[i], deflaters);
		make[i](&traffic[i], deflaters);
		for (int side = 0; side < 2; side++)
			nghttp2_hd_deflate_del(deflaters[side]);
	}
}

static void bench_exchanges(void)
{
	struct traffic traffic[KINDS];
	uint64_t ns[KINDS][ROUNDS], http1;

	make_traffic(traffic);
	for (int round = 0; round < ROUNDS; round++)
		for (int i = 0; i < KINDS; i++)
			ns[i][round] = exchange_all(&traffic[i]);
	http1 = median(ns[0]);
	for (int i = 0; i < KINDS; i++) {
		uint64_t each = median(ns[i]);

		printf("an exchange of %s, %zu bytes: %llu ns, %.2f times that of HTTP/1.1",
		       traffic[i].what, traffic[i].len[0] + traffic[i].len[1],
		       (unsigned long long)each, (double)each / (double)http1);
		if (traffic[i].frames)
			printf("; %llu ns a frame", (unsigned long long)(each / traffic[i].frames));
		printf("\n");
	}
}

int main(void)
{
	struct blocks blocks[KINDS];

	make_blocks(&blocks[0], "headers of a call", call);
	make_blocks(&blocks[1], "headers of a browser", browser);
	make_blocks(&blocks[2], "headers of an answer", response);
	for (int i = 0; i < KINDS; i++) {
		bench_blocks(&blocks[i]);
		free(blocks[i].bytes);
	}
	bench_exchanges();
	return 0;
}
