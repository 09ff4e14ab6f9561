// SPDX-License-Identifier: GPL-2.0-only
/* yaml_read - reads YAML into the same tree as JSON, each node with its line. */
#include "base/yaml_read.h"

#include <errno.h>
#include <yaml.h>

struct reader {
	yaml_parser_t parser;
	const char *name;
	struct arena *arena;
	struct err *why;
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

	if (!text || !strcmp(text, YAML_STR_TAG) || !strcmp(text, "!"))
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
	for (const struct json_node *child = map->child; child; child = child->next) {
		if (span_same(child->key, member->key))
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
	int error;

	if (depth == JSON_DEPTH && event->type != YAML_SCALAR_EVENT)
		return bad(reader, line_of(event), "nested too deeply");
	switch (event->type) {
	case YAML_SCALAR_EVENT: return read_scalar(reader, event, node);
	case YAML_SEQUENCE_START_EVENT:
		node->type = JSON_ARRAY;
		error = refuse_tag(reader, event, event->data.sequence_start.tag);
		return error ? error : read_members(reader, YAML_SEQUENCE_END_EVENT, depth, node);
	case YAML_MAPPING_START_EVENT:
		node->type = JSON_OBJECT;
		error = refuse_tag(reader, event, event->data.mapping_start.tag);
		return error ? error : read_members(reader, YAML_MAPPING_END_EVENT, depth, node);
	case YAML_ALIAS_EVENT:
		return bad(reader, line_of(event),
			   "aliases (*name) are not used here; write the value again");
	default: return bad(reader, line_of(event), "no value begins here");
	}
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

int yaml_read(struct span text, const char *name, struct arena *arena,
	      const struct json_node **ret_root, struct err *why)
{
	struct reader reader = {.name = name, .arena = arena, .why = why};
	struct json_node *root = arena_new(arena, sizeof(*root));
	int error;

	if (!root)
		return no_room(&reader);
	if (!yaml_parser_initialize(&reader.parser))
		return err_set(why, -ENOMEM, "%s: no memory to read it", name);
	yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&reader.parser, text.len ? text.at : (const uint8_t *)"",
				     text.len);
	error = read_document(&reader, root);
	yaml_parser_delete(&reader.parser);
	if (!error)
		*ret_root = root;
	return error;
}
