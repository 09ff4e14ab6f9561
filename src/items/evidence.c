// SPDX-License-Identifier: GPL-2.0-only
/*
 * evidence - what an armed item collected while it was awake, with the sign that woke it, as one record.
 *
 * The item's own records of that time are in the history under its own name, like those of any item; here are the first of them
 * and the rows of its maps as they stood at the end, so that one record says what happened. The item's maps were empty when it
 * woke: the rows are of this time and no other.
 */
#include "items/armed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "items/private.h"
#include "items/signs.h"
#include "store/table.h"

enum {
	CAUSE_BYTES = 2048,
	PART_BYTES =
		STORE_TEXT_BYTES_MAX, /* more the history cuts; all parts together fit a record of it (64 KiB) */
};

enum own_column {
	EVIDENCE,
	WATCHED,
	CONDITION,
	CAUSE,
	BEGAN,
	DURATION,
	ROW_COUNT,
	RECORD_COUNT,
	ROWS,
	GROUPS,
	RECORDS,
	COLUMNS,
};

static const struct {
	const char *name;
	enum unit unit;
	const char *help;
} columns[COLUMNS] = {
	[EVIDENCE] = {"evidence", UNIT_TEXT, "its name"},
	[WATCHED] = {"watched", UNIT_TEXT, "the item that was awake"},
	[CONDITION] = {"condition", UNIT_TEXT, "what it had waited for (`when`)"},
	[CAUSE] = {"cause", UNIT_TEXT, "the sign that woke it, whole"},
	[BEGAN] = {"began", UNIT_TIME, "when it woke"},
	[DURATION] = {"duration_ns", UNIT_NS, "for how long it was awake"},
	[ROW_COUNT] = {"row_count", UNIT_COUNT, "rows that its maps had at the end"},
	[RECORD_COUNT] = {"record_count", UNIT_COUNT, "records that it made"},
	[ROWS] = {"rows", UNIT_TEXT, "those rows, as many as fit"},
	[GROUPS] = {"groups", UNIT_TEXT, "the same by container, with those who ended meanwhile"},
	[RECORDS] = {"records", UNIT_TEXT,
		     "those records, the first ones that fit; all of them are the item's own"},
};

struct part {
	struct buf text;
	struct json json;
	uint64_t count, shown;
};

struct evidence {
	struct subscription *records; /* owned */
	char name[ITEM_NAME_BYTES + 24];
	struct who who;
	struct arena arena; /* owns the texts of who */
	char *condition; /* owned */
	struct buf cause;
	uint64_t began_ns; /* wall clock */
	uint64_t woke_ns; /* CLOCK_MONOTONIC */
	struct part rows, groups, events;
};

const struct layout *evidence_layout(void)
{
	static struct layout layout;

	if (layout.count)
		return &layout;
	layout_begin(&layout, WHO_OF_CGROUP);
	for (int i = 0; i < COLUMNS; i++)
		layout_add(&layout, columns[i].name, columns[i].unit, columns[i].help, NULL);
	layout_row_kind(&layout, "evidence", 0, 0);
	layout_show(&layout,
		    (const char *const[]){"time", "evidence", "condition", "container",
					  "duration_ns", "row_count", "record_count", NULL});
	return &layout;
}

static void part_begin(struct part *part)
{
	buf_init(&part->text, PART_BYTES);
	part->json = (struct json){.out = &part->text};
	json_array(&part->json);
}

/* What does not fit any more is counted, and left out whole. */
static void part_add(struct part *part, const struct record *record)
{
	struct buf one;
	struct json json = {.out = &one};

	part->count++;
	buf_init(&one, PART_BYTES);
	record_json(record, &json);
	if (!one.full && part->text.len + one.len + 2 <= PART_BYTES) {
		json_raw(&part->json, buf_as_span(&one));
		part->shown++;
	}
	buf_done(&one);
}

static void on_record(void *ctx, const struct record *record)
{
	part_add(&((struct evidence *)ctx)->events, record);
}

static struct span text_at(const struct record *sign, enum who_column column)
{
	uint16_t at = sign->layout->who[column];

	return at != NO_COLUMN && sign->value[at].kind == VALUE_TEXT ? sign->value[at].text
								     : (struct span){};
}

static struct span keep(struct evidence *evidence, struct span text)
{
	const char *copy = text.len ? arena_str(&evidence->arena, text) : NULL;

	return copy ? span_of(copy) : (struct span){};
}

static void take_whose(struct evidence *evidence, const struct record *sign)
{
	evidence->who = (struct who){
		.container = keep(evidence, text_at(sign, WHO_CONTAINER)),
		.pod = keep(evidence, text_at(sign, WHO_POD)),
		.namespace = keep(evidence, text_at(sign, WHO_NAMESPACE)),
		.service = keep(evidence, text_at(sign, WHO_SERVICE)),
		.cgroup = keep(evidence, text_at(sign, WHO_CGROUP)),
	};
}

struct evidence *evidence_new(struct item *item, const struct record *sign)
{
	struct evidence *evidence = calloc(1, sizeof(*evidence));
	struct json json;

	if (!evidence)
		return NULL;
	evidence->began_ns = clock_wall_ns();
	evidence->woke_ns = clock_monotonic_ns();
	evidence->condition = strdup(item->arming.when_text);
	snprintf(evidence->name, sizeof(evidence->name), "%s-%llx", item->name,
		 (unsigned long long)(evidence->began_ns / 1000000));
	arena_init(&evidence->arena, CAUSE_BYTES);
	take_whose(evidence, sign);
	buf_init(&evidence->cause, CAUSE_BYTES);
	json = (struct json){.out = &evidence->cause};
	record_json(sign, &json);
	part_begin(&evidence->rows);
	part_begin(&evidence->groups);
	part_begin(&evidence->events);
	evidence->records =
		stream_subscribe(item_stream(item), item->name, NULL, on_record, evidence);
	return evidence;
}

void evidence_free(struct evidence *evidence)
{
	if (!evidence)
		return;
	if (evidence->records)
		stream_unsubscribe(evidence->records);
	free(evidence->condition);
	arena_done(&evidence->arena);
	buf_done(&evidence->cause);
	buf_done(&evidence->rows.text);
	buf_done(&evidence->groups.text);
	buf_done(&evidence->events.text);
	free(evidence);
}

static bool add_row(void *ctx, const struct record *row)
{
	part_add(ctx, row);
	return true;
}

static struct value json_value(const struct buf *text)
{
	return text->full ? (struct value){}
			  : (struct value){.kind = VALUE_JSON, .text = buf_as_span(text)};
}

static void publish(const struct evidence *evidence, struct item *item)
{
	const struct layout *layout = evidence_layout();
	struct arena arena;
	struct record record;
	struct value *value = &record.value[layout->count - COLUMNS];

	arena_init(&arena, 2 * CAUSE_BYTES);
	record_begin(&record, layout, EVIDENCE_ITEM, "evidence", 0, item_resolver(item));
	record_set_who(&record, &evidence->who, WHO_OF_CGROUP, &arena); /* as far as it fits */
	value[EVIDENCE] = value_str(evidence->name);
	value[WATCHED] = value_str(item->name);
	value[CONDITION] = value_str(evidence->condition ? evidence->condition : "");
	value[CAUSE] = json_value(&evidence->cause);
	value[BEGAN] = (struct value){.kind = VALUE_TIME, .u64 = evidence->began_ns};
	value[DURATION] = value_u64(clock_monotonic_ns() - evidence->woke_ns);
	value[ROW_COUNT] = value_u64(evidence->rows.count);
	value[RECORD_COUNT] = value_u64(evidence->events.count);
	value[ROWS] = json_value(&evidence->rows.text);
	value[GROUPS] = json_value(&evidence->groups.text);
	value[RECORDS] = json_value(&evidence->events.text);
	stream_publish(item_stream(item), &record);
	arena_done(&arena);
}

void evidence_tell(struct evidence *evidence, struct item *item)
{
	struct err why;

	if (item_rows(item, ROWS_PROCESS, add_row, &evidence->rows, &why) ||
	    item_rows(item, ROWS_CONTAINER, add_row, &evidence->groups, &why))
		item_count(item, "dropped", "unread", 1);
	json_array_end(&evidence->rows.json);
	json_array_end(&evidence->groups.json);
	json_array_end(&evidence->events.json);
	publish(evidence, item);
	evidence_free(evidence);
}
