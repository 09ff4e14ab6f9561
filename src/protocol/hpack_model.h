/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hpack_model - headers as they come, and what a decoder that joined late may say of them. For tests.
 *
 * model_request() makes up the header list of a request or response: a few routes, some headers that
 * never change, some that always do. Whoever encodes it, model_check() gives the block to a decoder and
 * compares: what it names must be right, and what it calls by the same ordinal must be the same.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#include "base/map.h"
#include "protocol/hpack.h"

enum { MODEL_FIELDS = 48, MODEL_TEXT = 16384 };

struct model_field {
	struct span name, value;
};

struct model_list {
	struct model_field fields[MODEL_FIELDS];
	size_t n;
	uint8_t text[MODEL_TEXT];
	size_t text_len;
};

struct random {
	uint64_t state;
};

static inline uint64_t random_next(struct random *random)
{
	uint64_t x = random->state += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static inline uint64_t random_below(struct random *random, uint64_t limit)
{
	return random_next(random) % limit;
}

/* SEED of the environment, or one of the time; printed. */
static inline struct random random_seeded(void)
{
	const char *seed = getenv("SEED");
	struct random random = {seed ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL)};

	print_message("SEED=%llu\n", (unsigned long long)random.state);
	return random;
}

static inline struct span model_keep(struct model_list *list, const void *at, size_t len)
{
	uint8_t *to = list->text + list->text_len;

	if (list->text_len + len > MODEL_TEXT)
		fail_msg("headers above %d bytes", MODEL_TEXT);
	if (len)
		memcpy(to, at, len);
	list->text_len += len;
	return (struct span){to, len};
}

static inline void model_add(struct model_list *list, const char *name, const char *value)
{
	assert_true(list->n < MODEL_FIELDS);
	list->fields[list->n++] = (struct model_field){model_keep(list, name, strlen(name)),
						       model_keep(list, value, strlen(value))};
}

static inline void model_add_random(struct model_list *list, const char *name, size_t bytes,
				    struct random *random)
{
	char value[4200];

	for (size_t i = 0; i < bytes; i++)
		value[i] = (char)(' ' + random_below(random, 94));
	value[bytes] = '\0';
	model_add(list, name, value);
}

/* How varied what is sent is. */
struct model_traffic {
	unsigned routes; /* paths in use */
	unsigned unique; /* headers that are different each time: 0 to 3 */
	bool is_rough; /* also long values, any bytes, names never seen before */
};

static inline void model_add_unique(struct model_list *list, unsigned unique, struct random *random)
{
	char text[80];

	if (unique > 0) {
		snprintf(text, sizeof(text), "00-%016llx%016llx-%016llx-01",
			 (unsigned long long)random_next(random),
			 (unsigned long long)random_next(random),
			 (unsigned long long)random_next(random));
		model_add(list, "traceparent", text);
	}
	if (unique > 1) {
		snprintf(text, sizeof(text), "%lluu",
			 (unsigned long long)random_below(random, 1000000));
		model_add(list, "grpc-timeout", text);
	}
	if (unique > 2) {
		snprintf(text, sizeof(text), "%016llx", (unsigned long long)random_next(random));
		model_add(list, "x-request-id", text);
	}
}

static inline void model_add_rough(struct model_list *list, struct random *random)
{
	char name[32];

	if (!random_below(random, 4)) {
		snprintf(name, sizeof(name), "x-%llu",
			 (unsigned long long)random_below(random, 5000));
		model_add_random(list, name, random_below(random, 60), random);
	}
	if (!random_below(random, 40))
		model_add_random(list, "x-long", 3000 + random_below(random, 1100), random);
	if (!random_below(random, 20))
		model_add(list, "", "");
	if (!random_below(random, 10))
		model_add_random(list, "cookie", random_below(random, 300), random);
}

static inline void model_request(struct model_list *list, const struct model_traffic *traffic,
				 struct random *random)
{
	static const char *const methods[] = {"POST", "GET", "PATCH", "DELETE"};
	char text[64];

	list->n = list->text_len = 0;
	model_add(list, ":method", methods[traffic->is_rough ? random_below(random, 4) : 0]);
	model_add(list, ":scheme", "http");
	snprintf(text, sizeof(text), "/shop.Orders/Method%llu",
		 (unsigned long long)random_below(random, traffic->routes));
	model_add(list, ":path", text);
	model_add(list, ":authority", "orders.shop.svc:8080");
	model_add(list, "content-type", "application/grpc");
	model_add(list, "user-agent", "grpc-go/1.62.1");
	model_add(list, "te", "trailers");
	if (random_below(random, 2))
		model_add(list, "authorization", "Bearer eyJhbGciOiJIUzI1NiJ9.e30.abcdefgh");
	model_add_unique(list, traffic->unique, random);
	if (traffic->is_rough)
		model_add_rough(list, random);
}

/* A decoder under test, and what it has said so far. */
struct model {
	struct hpack hpack;
	struct map pairs, names; /* epoch and ordinal -> hash of what it stood for */
	uint64_t blocks, fields, named, paths, paths_named, wrong;
	uint64_t forgotten; /* fields that could have been named with more memory */
};

struct model_key {
	uint64_t epoch;
	int64_t ordinal;
};

static inline void model_init(struct model *model)
{
	*model = (struct model){};
	map_init(&model->pairs, sizeof(struct model_key), sizeof(uint64_t), 1 << 20);
	map_init(&model->names, sizeof(struct model_key), sizeof(uint64_t), 1 << 20);
	model->hpack.keeps_all = true;
}

static inline void model_done(struct model *model)
{
	hpack_done(&model->hpack);
	map_done(&model->pairs);
	map_done(&model->names);
}

/* The same decoder again, joining another connection. */
static inline void model_again(struct model *model)
{
	bool keeps_all = model->hpack.keeps_all;

	model->forgotten += model->hpack.counts.forgotten;
	hpack_done(&model->hpack);
	model->hpack.keeps_all = keeps_all;
	map_clear(&model->pairs);
	map_clear(&model->names);
}

static inline void model_wrong(struct model *model, const char *what, struct span is,
			       struct span should)
{
	model->wrong++;
	fail_msg("%s: '%.*s' instead of '%.*s'", what, (int)is.len,
		 is.at ? (const char *)is.at : "", (int)should.len,
		 should.at ? (const char *)should.at : "");
}

/* The same ordinal always stands for the same. */
static inline void model_group(struct model *model, struct map *map, int64_t ordinal, uint64_t hash,
			       const char *what)
{
	struct model_key key = {model->hpack.epoch, ordinal};
	bool is_new;
	uint64_t *known = map_put(map, &key, &is_new);

	assert_non_null(known);
	if (is_new)
		*known = hash;
	if (*known != hash)
		model_wrong(model, what, (struct span){}, (struct span){});
}

static inline void model_check_field(struct model *model, const struct hpack_field *field,
				     const struct model_field *truth)
{
	bool keeps_all = model->hpack.keeps_all;
	bool is_path = span_is(truth->name, ":path");
	uint64_t name = hash_bytes(truth->name.at, truth->name.len, 1);

	model->fields++;
	model->paths += is_path;
	switch (field->known) {
	case HPACK_KNOWN:
		if (!span_same(field->value, truth->value))
			model_wrong(model, "value", field->value, truth->value);
		/* fall through */
	case HPACK_PASSED:
		if (field->id != hpack_name_of(truth->name))
			model_wrong(model, "name", field->name, truth->name);
		if (keeps_all && !span_same(field->name, truth->name))
			model_wrong(model, "name", field->name, truth->name);
		if (keeps_all && field->known == HPACK_PASSED &&
		    truth->value.len <= HPACK_VALUE_KEPT)
			model_wrong(model, "passed", field->name, truth->name);
		if (!keeps_all && field->id == HPACK_OTHER && field->value.len)
			model_wrong(model, "kept what nobody wants", field->value, truth->value);
		model->named++;
		model->paths_named += is_path && field->known == HPACK_KNOWN;
		break;
	case HPACK_NAMELESS:
		if (!span_same(field->value, truth->value))
			model_wrong(model, "value", field->value, truth->value);
		model_group(model, &model->names, field->ordinal, name, "names of one ordinal");
		break;
	case HPACK_OPAQUE:
		model_group(model, &model->pairs, field->ordinal,
			    hash_bytes(truth->value.at, truth->value.len, name),
			    "fields of one ordinal");
		break;
	}
}

/* Gives a block to the decoder that should say `truth`. */
static inline void model_check(struct model *model, struct span block,
			       const struct model_field *truth, size_t n)
{
	static struct hpack_reader reader;
	struct hpack_field field;
	const char *why = NULL;
	size_t i = 0;
	enum hpack_step step;
	uint8_t *exact = malloc(block.len + !block.len); /* so that reading too far is seen */

	memcpy(exact, block.at, block.len);
	hpack_begin(&model->hpack, (struct span){exact, block.len}, &reader);
	while ((step = hpack_next(&reader, &field, &why)) == HPACK_FIELD) {
		assert_true(i < n);
		model_check_field(model, &field, &truth[i++]);
	}
	if (step == HPACK_BAD)
		fail_msg("a right block was called wrong: %s", why);
	assert_int_equal(i, n);
	model->blocks++;
	free(exact);
}

static inline double model_share(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0;
}

/* HPACK_BLOCKS of the environment: how many blocks a test decodes. */
static inline uint64_t model_blocks(uint64_t usual)
{
	const char *blocks = getenv("HPACK_BLOCKS");

	return blocks ? strtoull(blocks, NULL, 10) : usual;
}
