// SPDX-License-Identifier: GPL-2.0-only
/* yaml_read - reads YAML into the same tree as JSON, each node with its line. */
#include "base/yaml_read.h"

#include <errno.h>
#include <yaml.h>

enum { ANCHORS = 256 };

struct reader {
	yaml_parser_t parser;
	const char *name;
	struct arena *arena;
	struct err *why;
	bool loose;
	struct {
		const char *name; /* in the arena */
		const struct json_node *node;
		bool is_whole; /* its end was seen */
	} anchor[ANCHORS];
	uint32_t anchors;
};

static int read_node(struct reader *reader, yaml_event_t *event, unsigned depth,
		     struct json_node *node);

static int bad(struct reader *reader, size_t line, const char *what)
{
	return err_set(reader->why, -EINVAL, "%s:%zu: %s", reader->name, line, what);
}

static int no_room(struct reader *reader)
{
	return err_set(reader->why, -ENOMEM, "%s: needs more than the %zu bytes it may take",
		       reader->name, reader->arena->cap);
}

/* libyaml counts lines from 0, and puts the context of a mistake before its problem. */
static int next_event(struct reader *reader, yaml_event_t *event)
{
	const yaml_parser_t *parser = &reader->parser;

	if (yaml_parser_parse(&reader->parser, event))
		return 0;
	if (parser->error == YAML_MEMORY_ERROR)
		return no_room(reader);
	if (parser->error == YAML_READER_ERROR)
		return err_set(reader->why, -EINVAL, "%s: byte %zu: %s", reader->name,
			       parser->problem_offset + 1, parser->problem);
	return err_set(reader->why, -EINVAL, "%s:%zu: not YAML: %s%s%s", reader->name,
		       parser->problem_mark.line + 1, parser->context ? parser->context : "",
		       parser->context ? ": " : "",
		       parser->problem ? parser->problem : "no reason known");
}

static size_t line_of(const yaml_event_t *event)
{
	return event->start_mark.line + 1;
}

static bool is_one_of(struct span text, const char *const *words)
{
	for (; *words; words++)
		if (span_is(text, *words))
			return true;
	return false;
}

static void give_meaning(struct json_node *node)
{
	static const char *const none[] = {"", "~", "null", "Null", "NULL", NULL};
	static const char *const yes[] = {"true", "True", "TRUE", NULL};
	static const char *const no[] = {"false", "False", "FALSE", NULL};

	if (is_one_of(node->text, none)) {
		node->type = JSON_NULL;
	} else if (is_one_of(node->text, yes) || is_one_of(node->text, no)) {
		node->type = JSON_BOOL;
		node->truth = is_one_of(node->text, yes);
	} else if (json_is_number(node->text)) {
		node->type = JSON_NUMBER;
	}
}

static int copy_scalar(struct reader *reader, const yaml_event_t *event, struct span *ret_text)
{
	struct span text = {event->data.scalar.value, event->data.scalar.length};
	const char *copy;

	if (text.len && memchr(text.at, 0, text.len))
		return bad(reader, line_of(event), "a text holds a 0 byte");
	copy = arena_str(reader->arena, text);
	if (!copy)
		return no_room(reader);
	*ret_text = (struct span){(const uint8_t *)copy, text.len};
	return 0;
}

static int refuse_tag(struct reader *reader, const yaml_event_t *event, const yaml_char_t *tag)
{
	const char *text = (const char *)tag;

	if (!text || reader->loose || !strcmp(text, YAML_STR_TAG) || !strcmp(text, "!"))
		return 0;
	return bad(reader, line_of(event), "tags are not used here; put a text in quotes");
}

static int read_scalar(struct reader *reader, const yaml_event_t *event, struct json_node *node)
{
	int error = refuse_tag(reader, event, event->data.scalar.tag);

	node->type = JSON_TEXT;
	if (!error)
		error = copy_scalar(reader, event, &node->text);
	if (!error && event->data.scalar.plain_implicit)
		give_meaning(node);
	return error;
}

static int read_name(struct reader *reader, const yaml_event_t *event, struct json_node *map,
		     struct json_node *member)
{
	unsigned count = 0;
	int error;

	if (event->type != YAML_SCALAR_EVENT)
		return bad(reader, line_of(event), "a name must be a word or a text");
	error = copy_scalar(reader, event, &member->key);
	if (error)
		return error;
	member->line = (uint32_t)line_of(event);
	for (struct json_node *child = map->child; child; child = child->next) {
		if (span_same(child->key, member->key) && reader->loose)
			child->key.len = 0; /* the last one counts; this one has no name any more */
		else if (span_same(child->key, member->key))
			return err_set(reader->why, -EINVAL,
				       "%s:%zu: '%s' stands here again, first in line %u",
				       reader->name, line_of(event), (const char *)member->key.at,
				       child->line);
		if (++count == YAML_MEMBERS)
			return bad(reader, line_of(event), "too many names in one map");
	}
	return 0;
}

/* One element of a list, or name and value of a map. `event` is its first. */
static int read_member(struct reader *reader, yaml_event_t *event, unsigned depth,
		       struct json_node *parent, struct json_node *member)
{
	yaml_event_t value;
	int error;

	if (parent->type == JSON_ARRAY) {
		member->line = (uint32_t)line_of(event);
		return read_node(reader, event, depth + 1, member);
	}
	error = read_name(reader, event, parent, member);
	if (error)
		return error;
	error = next_event(reader, &value);
	if (error)
		return error;
	error = read_node(reader, &value, depth + 1, member);
	yaml_event_delete(&value);
	return error;
}

/* ---- loose: anchors, aliases, and maps that take in others ("<<: *name") ---- */

static int set_anchor(struct reader *reader, const yaml_event_t *event, const yaml_char_t *name,
		      const struct json_node *node, uint32_t *ret_index)
{
	*ret_index = ANCHORS;
	if (!name || !reader->loose)
		return 0;
	if (reader->anchors == ANCHORS)
		return bad(reader, line_of(event), "too many anchors (&name)");
	*ret_index = reader->anchors++;
	reader->anchor[*ret_index].name = arena_str(reader->arena, span_of((const char *)name));
	reader->anchor[*ret_index].node = node;
	return reader->anchor[*ret_index].name ? 0 : no_room(reader);
}

/* What was read is not copied: nobody changes it any more. */
static int read_alias(struct reader *reader, const yaml_event_t *event, struct json_node *node)
{
	const char *name = (const char *)event->data.alias.anchor;

	if (!reader->loose)
		return bad(reader, line_of(event),
			   "aliases (*name) are not used here; write the value again");
	for (uint32_t i = reader->anchors; i--;)
		if (!strcmp(reader->anchor[i].name, name) && reader->anchor[i].is_whole) {
			const struct json_node *value = reader->anchor[i].node;

			node->type = value->type;
			node->truth = value->truth;
			node->text = value->text;
			node->child = value->child;
			return 0;
		}
	return bad(reader, line_of(event), "an alias (*name) has no anchor (&name) above it");
}

static bool has_member(const struct json_node *map, struct span key)
{
	for (const struct json_node *child = map->child; child; child = child->next)
		if (span_same(child->key, key))
			return true;
	return false;
}

/* Members of `from` that `map` does not have itself come behind its own. */
static int take_in(struct reader *reader, struct json_node *map, const struct json_node *from)
{
	struct json_node **link = &map->child;
	unsigned count = 0;

	for (; *link; link = &(*link)->next)
		count++;
	for (const struct json_node *child = from->child; child; child = child->next) {
		struct json_node *copy;

		if (!child->key.len || has_member(map, child->key))
			continue;
		if (++count > YAML_MEMBERS)
			return bad(reader, map->line, "too many names in one map");
		copy = arena_new(reader->arena, sizeof(*copy));
		if (!copy)
			return no_room(reader);
		*copy = *child;
		copy->next = NULL;
		*link = copy;
		link = &copy->next;
	}
	return 0;
}

static int merge_members(struct reader *reader, struct json_node *map)
{
	const struct json_node *merged = reader->loose ? json_get(map, "<<") : NULL;
	int error = 0;

	if (!merged)
		return 0;
	if (merged->type == JSON_OBJECT)
		error = take_in(reader, map, merged);
	for (const struct json_node *each = merged->type == JSON_ARRAY ? merged->child : NULL; !error && each;
	     each = each->next)
		error = take_in(reader, map, each);
	((struct json_node *)merged)->key.len = 0;
	return error;
}

static int read_members(struct reader *reader, yaml_event_type_t end, unsigned depth,
			struct json_node *node)
{
	struct json_node **link = &node->child;

	for (;;) {
		struct json_node *member;
		yaml_event_t event;
		int error = next_event(reader, &event);

		if (error)
			return error;
		if (event.type == end) {
			yaml_event_delete(&event);
			return 0;
		}
		member = arena_new(reader->arena, sizeof(*member));
		error = member ? read_member(reader, &event, depth, node, member) : no_room(reader);
		yaml_event_delete(&event);
		if (error)
			return error;
		*link = member;
		link = &member->next;
	}
}

static int read_node(struct reader *reader, yaml_event_t *event, unsigned depth,
		     struct json_node *node)
{
	const yaml_char_t *anchor = NULL;
	uint32_t index;
	int error;

	if (depth == JSON_DEPTH && event->type != YAML_SCALAR_EVENT)
		return bad(reader, line_of(event), "nested too deeply");
	if (event->type == YAML_SCALAR_EVENT)
		anchor = event->data.scalar.anchor;
	else if (event->type == YAML_SEQUENCE_START_EVENT)
		anchor = event->data.sequence_start.anchor;
	else if (event->type == YAML_MAPPING_START_EVENT)
		anchor = event->data.mapping_start.anchor;
	error = set_anchor(reader, event, anchor, node, &index);
	if (error)
		return error;
	switch (event->type) {
	case YAML_SCALAR_EVENT: error = read_scalar(reader, event, node); break;
	case YAML_SEQUENCE_START_EVENT:
		node->type = JSON_ARRAY;
		error = refuse_tag(reader, event, event->data.sequence_start.tag);
		if (!error)
			error = read_members(reader, YAML_SEQUENCE_END_EVENT, depth, node);
		break;
	case YAML_MAPPING_START_EVENT:
		node->type = JSON_OBJECT;
		error = refuse_tag(reader, event, event->data.mapping_start.tag);
		if (!error)
			error = read_members(reader, YAML_MAPPING_END_EVENT, depth, node);
		if (!error)
			error = merge_members(reader, node);
		break;
	case YAML_ALIAS_EVENT: return read_alias(reader, event, node);
	default: return bad(reader, line_of(event), "no value begins here");
	}
	if (!error && index < ANCHORS)
		reader->anchor[index].is_whole = true;
	return error;
}

static int read_document(struct reader *reader, struct json_node *root)
{
	bool have_one = false;

	for (;;) {
		yaml_event_type_t type;
		yaml_event_t event;
		int error = next_event(reader, &event);

		if (error)
			return error;
		type = event.type;
		if (type == YAML_DOCUMENT_START_EVENT && have_one && reader->loose) {
			yaml_event_delete(&event);
			return 0; /* the first one counts */
		}
		if (type == YAML_DOCUMENT_START_EVENT && have_one)
			error = bad(reader, line_of(&event),
				    "a second document begins; there may be one only");
		have_one |= type == YAML_DOCUMENT_START_EVENT;
		if (type != YAML_STREAM_START_EVENT && type != YAML_STREAM_END_EVENT &&
		    type != YAML_DOCUMENT_START_EVENT && type != YAML_DOCUMENT_END_EVENT) {
			root->line = (uint32_t)line_of(&event);
			error = read_node(reader, &event, 0, root);
		}
		yaml_event_delete(&event);
		if (error || type == YAML_STREAM_END_EVENT)
			return error;
	}
}

static int read_text(struct span text, const char *name, bool loose, struct arena *arena,
		     const struct json_node **ret_root, struct err *why)
{
	struct reader *reader = arena_new(arena, sizeof(*reader));
	struct json_node *root = arena_new(arena, sizeof(*root));
	int error;

	if (!reader || !root)
		return err_set(why, -ENOMEM, "%s: needs more than the %zu bytes it may take", name,
			       arena->cap);
	reader->name = name;
	reader->arena = arena;
	reader->why = why;
	reader->loose = loose;
	if (!yaml_parser_initialize(&reader->parser))
		return err_set(why, -ENOMEM, "%s: no memory to read it", name);
	yaml_parser_set_encoding(&reader->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&reader->parser, text.len ? text.at : (const uint8_t *)"",
				     text.len);
	error = read_document(reader, root);
	yaml_parser_delete(&reader->parser);
	if (!error)
		*ret_root = root;
	return error;
}

int yaml_read(struct span text, const char *name, struct arena *arena,
	      const struct json_node **ret_root, struct err *why)
{
	return read_text(text, name, false, arena, ret_root, why);
}

int yaml_read_loose(struct span text, const char *name, struct arena *arena,
		    const struct json_node **ret_root, struct err *why)
{
	return read_text(text, name, true, arena, ret_root, why);
}
