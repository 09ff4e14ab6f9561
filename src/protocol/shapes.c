// SPDX-License-Identifier: GPL-2.0-only
/* shapes - which statement a hash stands for. */
#include "protocol/shapes.h"

#include <stdio.h>
#include <stdlib.h>

#include "protocol/sql.h"

struct shape {
	uint64_t hash;
	const char *operation; /* static */
	char *text; /* owned: resource, then target */
	uint16_t resource_len, target_len;
	bool was_used; /* since the hand went by */
};

bool shapes_init(struct shapes *shapes, uint32_t cap)
{
	*shapes = (struct shapes){.cap = cap, .at = calloc(cap, sizeof(struct shape))};
	map_init(&shapes->places, sizeof(uint64_t), sizeof(uint32_t), cap);
	return shapes->at;
}

void shapes_done(struct shapes *shapes)
{
	for (uint32_t i = 0; i < shapes->len; i++)
		free(shapes->at[i].text);
	free(shapes->at);
	map_done(&shapes->places);
	*shapes = (struct shapes){};
}

/* A place for one more; the shape that had it is forgotten. */
static struct shape *make_room(struct shapes *shapes)
{
	struct shape *shape;

	if (shapes->len < shapes->cap)
		return &shapes->at[shapes->len++];
	for (;;) {
		shape = &shapes->at[shapes->hand];
		shapes->hand = (shapes->hand + 1) % shapes->cap;
		if (!shape->was_used)
			break;
		shape->was_used = false;
	}
	map_del(&shapes->places, &shape->hash);
	free(shape->text);
	*shape = (struct shape){};
	shapes->forgotten++;
	return shape;
}

/* What the statement does, also where the message only prepared it. */
static const char *verb_of(struct span text)
{
	struct sql_shape shape;

	sql_shape(text, (struct sql_how){.dialect = SQL_POSTGRES}, &shape);
	return shape.operation ? shape.operation : "QUERY";
}

static void remember(struct shapes *shapes, const struct message *message)
{
	size_t len = message->resource.len + message->target.len;
	char *text = malloc(len);
	struct shape *shape;
	uint32_t *place;

	if (!text)
		return;
	shape = make_room(shapes);
	place = map_put(&shapes->places, &message->shape, NULL);
	if (message->resource.len)
		memcpy(text, message->resource.at, message->resource.len);
	memcpy(text + message->resource.len, message->target.at, message->target.len);
	*shape = (struct shape){
		.hash = message->shape,
		.operation = verb_of(message->target),
		.text = text,
		.resource_len = (uint16_t)message->resource.len,
		.target_len = (uint16_t)message->target.len,
	};
	if (place)
		*place = (uint32_t)(shape - shapes->at);
}

bool shapes_resolve(struct shapes *shapes, struct message *message)
{
	const uint32_t *place;
	struct shape *shape;
	const uint8_t *text;

	if (!message->shape)
		return true;
	place = map_get(&shapes->places, &message->shape);
	if (message->target.len) {
		if (place)
			shapes->at[*place].was_used = true;
		else
			remember(shapes, message);
		return true;
	}
	if (!place) {
		shapes->unknown++;
		snprintf(shapes->name, sizeof(shapes->name), "stmt:%016llx",
			 (unsigned long long)message->shape);
		message->target = span_of(shapes->name);
		if (!message->operation.len)
			message->operation = span_of("EXECUTE");
		return false;
	}
	shape = &shapes->at[*place];
	shape->was_used = true;
	text = (const uint8_t *)shape->text;
	message->resource = (struct span){text, shape->resource_len};
	message->target = (struct span){text + shape->resource_len, shape->target_len};
	if (!message->operation.len)
		message->operation = span_of(shape->operation);
	return true;
}

size_t shapes_bytes(const struct shapes *shapes)
{
	size_t bytes = map_bytes(&shapes->places) + shapes->cap * sizeof(struct shape);

	for (uint32_t i = 0; i < shapes->len; i++)
		bytes += (size_t)shapes->at[i].resource_len + shapes->at[i].target_len;
	return bytes;
}
