// SPDX-License-Identifier: GPL-2.0-only
/*
 * sql_put - writes a shape, token by token: spaces, lists, rows, and which table it is about.
 *
 * What has no room in the text is still hashed: the text is a page, behind it come pages of 256 bytes
 * which are only hashed and written over.
 */
#include "protocol/sql_lexer.h"

#include "base/map.h"

enum {
	NO_SPACE_BEFORE = BIT(CLOSE) | BIT(ROW) | BIT(COMMA) | BIT(DOT) | BIT(CAST) | BIT(END),
	NO_SPACE_BEHIND = BIT(START) | BIT(OPEN) | BIT(DOT) | BIT(CAST),
	NO_SPACE_TO_OPEN = BIT(NAME) | BIT(CLOSE) | BIT(ROW) | BIT(LITERAL), /* count(, t(a, b) */
};

/* ---- writing ---- */

static void turn_page(struct sql_lexer *lexer)
{
	struct sql_shape *shape = lexer->shape;

	shape->hash = hash_bytes(lexer->out, lexer->out_len, shape->hash);
	if (!lexer->is_spilling) {
		shape->text_len = (uint16_t)lexer->out_len;
		shape->is_full = true;
		lexer->is_spilling = true;
		lexer->out = lexer->spill;
		lexer->out_room = sizeof(lexer->spill);
	}
	lexer->out_len = 0;
}

static void append(struct sql_lexer *lexer, bool with_space, const void *bytes, size_t len)
{
	if (lexer->out_len + len + 1 > lexer->out_room) {
		turn_page(lexer);
		if (len + 1 > lexer->out_room) {
			lexer->shape->hash = hash_bytes(bytes, len, lexer->shape->hash);
			return;
		}
	}
	if (with_space)
		lexer->out[lexer->out_len++] = ' ';
	memcpy(lexer->out + lexer->out_len, bytes, len);
	lexer->out_len += len;
}

static void release_held(struct sql_lexer *lexer)
{
	if (lexer->has_comma) {
		lexer->has_comma = false;
		append(lexer, false, ",", 1);
		lexer->last = COMMA;
	}
	if (lexer->has_end) {
		lexer->has_end = false;
		append(lexer, false, ";", 1);
		lexer->shape->statements++;
		lexer->last = END;
	}
}

void sql_put(struct sql_lexer *lexer, enum sql_kind kind, const void *bytes, size_t len)
{
	bool with_space;

	if (lexer->is_naming &&
	    (lexer->last == NAME ? kind != DOT : lexer->last == DOT && kind != NAME))
		sql_finish_name(lexer);
	if (lexer->muted) {
		lexer->has_comma = false;
		lexer->last = kind;
		return;
	}
	if (lexer->has_comma || lexer->has_end)
		release_held(lexer);
	with_space = !(NO_SPACE_BEFORE & BIT(kind)) && !(NO_SPACE_BEHIND & BIT(lexer->last));
	if (kind == OPEN && (NO_SPACE_TO_OPEN & BIT(lexer->last) || *(const char *)bytes == '['))
		with_space = false;
	append(lexer, with_space, bytes, len);
	lexer->last = kind;
}

void sql_put_literal(struct sql_lexer *lexer, bool is_string)
{
	lexer->wants_table = false;
	if (is_string && !lexer->has_string) {
		lexer->has_string = true;
		lexer->first_string = lexer->is_spilling ? lexer->shape->text_len : lexer->out_len;
	}
	if (lexer->has_comma && lexer->before_comma == LITERAL)
		lexer->has_comma = false; /* the next of a list */
	else if (lexer->last != LITERAL || lexer->has_comma || lexer->has_end)
		sql_put(lexer, LITERAL, "?", 1);
	lexer->last = LITERAL;
}

/* ---- tables ---- */

static void name_append(struct sql_lexer *lexer, const uint8_t *at, size_t len)
{
	size_t room = sizeof(lexer->name) - lexer->name_len;

	len = len < room ? len : room;
	memcpy(lexer->name + lexer->name_len, at, len);
	lexer->name_len += len;
}

void sql_note_name(struct sql_lexer *lexer, const uint8_t *at, size_t len)
{
	if (lexer->is_naming && lexer->last == DOT) {
		name_append(lexer, (const uint8_t *)".", 1);
		name_append(lexer, at, len);
		return;
	}
	if (lexer->wants_table) {
		if (lexer->is_naming)
			sql_finish_name(lexer);
		lexer->wants_table = false;
		lexer->is_naming = true;
		lexer->name_depth = lexer->depth;
		lexer->name_len = 0;
		name_append(lexer, at, len);
	} else if (lexer->is_after_with && !lexer->depth && lexer->ctes < CTES_MAX) {
		lexer->cte[lexer->ctes++] = (struct span){at, len};
	}
}

/* The first table counts, but one of the outermost statement more than one of a subquery. */
void sql_finish_name(struct sql_lexer *lexer)
{
	struct sql_shape *shape = lexer->shape;
	struct span name = {(const uint8_t *)lexer->name, lexer->name_len};

	lexer->is_naming = false;
	if (shape->table_len && (lexer->name_depth || !lexer->table_depth))
		return;
	for (unsigned i = 0; i < lexer->ctes; i++)
		if (span_same(lexer->cte[i], name))
			return;
	memcpy(shape->table, lexer->name, lexer->name_len);
	shape->table_len = (uint16_t)lexer->name_len;
	lexer->table_depth = lexer->name_depth;
}
