// SPDX-License-Identifier: GPL-2.0-only
/*
 * sql - statement in, shape out, in one pass over its tokens.
 *
 * There is no grammar here. A token is written, turned into ? or left out by what it is and by the
 * token before it, and the spaces follow from these two as well. Only three things need to know where
 * in the statement they are, and one bit for every open parenthesis is enough for each:
 *
 *	lists	this is a list of values (behind IN, behind VALUES, inside ARRAY[): the comma behind a
 *		literal is held back until the next token is known. If it is a literal, both go.
 *	rows	VALUES was read at this depth: the comma behind a row is held back as well, and a
 *		parenthesis behind it makes the writer mute until it closes.
 *	queries	a statement begins in this parenthesis: FROM names a table here, while in
 *		EXTRACT(year FROM born) it does not.
 *
 * Where literals end is a matter of trust: whether \ escapes is a setting of the session. If strings
 * do not pair up, the other rule is tried; if that is no better, nothing behind the first quote is
 * shown. So is what would only look like a literal to a reader: a word that begins with a digit.
 *
 * A statement that is cut loses its last token, for a piece of a word would be another word.
 *
 * Lexical rules: PostgreSQL 15 manual 4.1, MySQL 8.0 manual 9.1, 9.2 and 9.7, MariaDB likewise.
 */
#include "protocol/sql.h"

#include "base/map.h"
#include "protocol/sql_lexer.h"

enum class {
	SPACE, /* and everything else that has no business outside of strings */
	LETTER,
	DIGIT,
	DOLLAR, /* these three: what words are made of */
	OPERATOR,
	QUOTE,
	DOUBLE,
	BACKTICK,
	OPENING,
	CLOSING,
	POINT,
	COMMA_SIGN,
	SEMICOLON,
	SIGN,
	SLASH,
	HASH,
	AT,
	COLON,
	QUESTION,
	BACKSLASH,
};

static const uint8_t class_of[256] = {
	['a' ... 'z'] = LETTER, ['A' ... 'Z'] = LETTER, ['_'] = LETTER,
	[128 ... 255] = LETTER, ['0' ... '9'] = DIGIT,  ['\''] = QUOTE,
	['"'] = DOUBLE,         ['`'] = BACKTICK,       ['$'] = DOLLAR,
	['('] = OPENING,        ['['] = OPENING,        [')'] = CLOSING,
	[']'] = CLOSING,        ['.'] = POINT,          [','] = COMMA_SIGN,
	[';'] = SEMICOLON,      ['+'] = SIGN,           ['-'] = SIGN,
	['/'] = SLASH,          ['#'] = HASH,           ['@'] = AT,
	[':'] = COLON,          ['?'] = QUESTION,       ['\\'] = BACKSLASH,
	['*'] = OPERATOR,       ['<'] = OPERATOR,       ['>'] = OPERATOR,
	['='] = OPERATOR,       ['!'] = OPERATOR,       ['~'] = OPERATOR,
	['|'] = OPERATOR,       ['&'] = OPERATOR,       ['^'] = OPERATOR,
	['%'] = OPERATOR,       ['{'] = OPERATOR,       ['}'] = OPERATOR,
};

static bool has_bit(uint64_t bits, unsigned depth)
{
	return depth < 64 && bits >> depth & 1;
}

static void set_bit(uint64_t *bits, unsigned depth, bool value)
{
	if (depth < 64)
		*bits = (*bits & ~(1ull << depth)) | (uint64_t)value << depth;
}

/* ---- strings, identifiers in quotes, comments ---- */

/* From behind the opening quote to behind the closing one. False: there is none. */
static bool skip_quoted(struct sql_lexer *lexer, uint8_t quote, bool escapes)
{
	while (lexer->at < lexer->end) {
		uint8_t c = *lexer->at++;

		if (c == '\\') {
			lexer->has_backslash |= quote == '\'' || lexer->is_mysql;
			if (escapes && lexer->at < lexer->end)
				lexer->at++;
		} else if (c == quote) {
			if (lexer->at == lexer->end || *lexer->at != quote)
				return true;
			lexer->at++;
		}
	}
	return false;
}

static bool is_word_byte(uint8_t c)
{
	return (uint8_t)(class_of[c] - LETTER) <= DOLLAR - LETTER;
}

static void take_string(struct sql_lexer *lexer, uint8_t quote, bool escapes)
{
	bool had_backslash = lexer->has_backslash;
	bool has_backslash, is_closed;

	lexer->at++;
	lexer->has_backslash = false;
	is_closed = skip_quoted(lexer, quote, escapes);
	has_backslash = lexer->has_backslash;
	lexer->has_backslash |= had_backslash;
	sql_put_literal(lexer, true);
	if (!is_closed)
		lexer->is_suspect |= !lexer->is_cut;
	else if (has_backslash && lexer->at < lexer->end && is_word_byte(*lexer->at))
		lexer->is_suspect =
			true; /* 'it\'s': no client writes a word so close to a string */
}

/* False: the rest of a cut statement. */
static bool take_quoted_name(struct sql_lexer *lexer, uint8_t quote)
{
	const uint8_t *from = lexer->at++;
	bool is_closed = skip_quoted(lexer, quote, false);

	if (!is_closed || (lexer->at == lexer->end && lexer->is_cut)) {
		if (lexer->is_cut)
			return false;
		sql_put_literal(lexer, true);
		lexer->is_suspect = true;
		return true;
	}
	sql_note_name(lexer, from + 1, (size_t)(lexer->at - from) - 2);
	sql_put(lexer, NAME, from, (size_t)(lexer->at - from));
	return true;
}

/* $1, $$...$$, $tag$...$tag$. PostgreSQL only. */
static void take_dollar(struct sql_lexer *lexer)
{
	const uint8_t *from = lexer->at++, *tag_end, *close;
	size_t tag_len;

	if (lexer->at < lexer->end && class_of[*lexer->at] == DIGIT) {
		while (lexer->at < lexer->end && class_of[*lexer->at] == DIGIT)
			lexer->at++;
		sql_put_literal(lexer, false);
		return;
	}
	tag_end = lexer->at;
	while (tag_end < lexer->end &&
	       (class_of[*tag_end] == LETTER || class_of[*tag_end] == DIGIT))
		tag_end++;
	if (tag_end == lexer->end || *tag_end != '$') {
		lexer->is_suspect |= tag_end != lexer->end || !lexer->is_cut;
		return;
	}
	tag_len = (size_t)(tag_end + 1 - from);
	close = memmem(tag_end + 1, (size_t)(lexer->end - tag_end - 1), from, tag_len);
	lexer->at = close ? close + tag_len : lexer->end;
	lexer->is_suspect |= !close && !lexer->is_cut;
	sql_put_literal(lexer, true);
}

static void skip_line(struct sql_lexer *lexer)
{
	const uint8_t *end = memchr(lexer->at, '\n', (size_t)(lexer->end - lexer->at));

	lexer->at = end ? end : lexer->end;
}

/* sqlcommenter writes traceparent='00-32 hex-16 hex-01' */
static void note_trace(struct sql_lexer *lexer, struct span comment)
{
	static const char key[] = "traceparent='";
	const uint8_t *at = memmem(comment.at, comment.len, key, sizeof(key) - 1);
	size_t left;

	if (!at)
		return;
	at += sizeof(key) - 1;
	left = (size_t)(comment.at + comment.len - at);
	if (left > 55 && at[55] == '\'')
		lexer->shape->traceparent = (struct span){at, 55};
}

static void skip_comment(struct sql_lexer *lexer)
{
	const uint8_t *from = lexer->at += 2;
	unsigned nested = 1;

	if (lexer->is_mysql && lexer->at < lexer->end &&
	    (*lexer->at == '!' ||
	     (*lexer->at == 'M' && lexer->end - lexer->at > 1 && lexer->at[1] == '!'))) {
		lexer->at += *lexer->at == '!' ? 1 : 2;
		while (lexer->at < lexer->end && class_of[*lexer->at] == DIGIT)
			lexer->at++; /* the version it is meant for */
		lexer->in_executable = true;
		return;
	}
	while (nested && lexer->at < lexer->end) {
		uint8_t c = *lexer->at++, next = lexer->at < lexer->end ? *lexer->at : 0;

		if (c == '*' && next == '/') {
			lexer->at++;
			nested--;
		} else if (c == '/' && next == '*' && !lexer->is_mysql) {
			lexer->at++;
			nested++;
		}
	}
	note_trace(lexer, (struct span){from, (size_t)(lexer->at - from)});
}

/* ---- numbers ---- */

static const uint8_t *skip_digits(const uint8_t *at, const uint8_t *end)
{
	while (at < end && class_of[*at] == DIGIT)
		at++;
	return at;
}

/*
 * A number, and everything that is glued to it, is one literal; only where the name of a table is due
 * may a name begin with a digit (MySQL: `FROM 2024_sales`).
 */
static bool take_number(struct sql_lexer *lexer)
{
	const uint8_t *at = lexer->at, *end = lexer->end, *from = at;

	if (lexer->is_mysql && (lexer->wants_table || lexer->last == DOT)) {
		while (at < end && is_word_byte(*at))
			at++;
		if (at == end && lexer->is_cut)
			return false;
		lexer->at = at;
		sql_note_name(lexer, from, (size_t)(at - from));
		sql_put(lexer, NAME, from, (size_t)(at - from));
		return true;
	}
	at = skip_digits(at, end);
	if (at < end && *at == '.')
		at = skip_digits(at + 1, end);
	if (end - at > 1 && (*at == 'e' || *at == 'E') && (at[1] == '+' || at[1] == '-'))
		at += 2;
	while (at < end && is_word_byte(*at))
		at++;
	lexer->at = at;
	sql_put_literal(lexer, false);
	return true;
}

/* ---- words ---- */

static void note_verb(struct sql_lexer *lexer, const struct sql_word *word)
{
	bool is_main = lexer->is_after_with && !lexer->depth && word->flags & SQL_MAIN;

	if (!lexer->is_first && !is_main)
		return;
	if (!lexer->shape->operation || is_main || (lexer->is_weak && !(word->flags & SQL_WEAK))) {
		lexer->shape->operation = word->text;
		lexer->is_weak = word->flags & SQL_WEAK;
	}
	lexer->is_first = false;
	lexer->is_after_with = word->what == SQL_WORD_WITH;
	lexer->wants_table = word->flags & SQL_NAMES;
}

/* Whether a NULL here is one literal of many, not a word of the grammar (IS NULL, NOT NULL). */
static bool is_value_due(const struct sql_lexer *lexer)
{
	return lexer->has_comma || BIT(lexer->last) & (BIT(OP) | BIT(OPEN) | BIT(COMMA));
}

static bool names_table_after_on(const struct sql_lexer *lexer)
{
	static const char *const verbs[] = {"CREATE", "DROP", "GRANT", "REVOKE"};
	const char *operation = lexer->shape->operation;

	for (size_t i = 0; operation && i < sizeof(verbs) / sizeof(*verbs); i++)
		if (!strcmp(operation, verbs[i]))
			return !lexer->shape->table_len;
	return false;
}

static void note_word(struct sql_lexer *lexer, const struct sql_word *word)
{
	bool is_distinct = lexer->last == WORD && lexer->last_word->what == SQL_WORD_DISTINCT;

	if (lexer->last == OPEN && word->flags & SQL_QUERY) {
		set_bit(&lexer->lists, lexer->depth, false);
		set_bit(&lexer->queries, lexer->depth, true);
	}
	set_bit(&lexer->rows, lexer->depth, word->what == SQL_WORD_VALUES);
	switch (word->what) {
	case SQL_WORD_FROM:
		lexer->wants_table = has_bit(lexer->queries, lexer->depth) && !is_distinct;
		break;
	case SQL_WORD_INTO:
	case SQL_WORD_TABLE: lexer->wants_table = true; break;
	case SQL_WORD_ON: lexer->wants_table = names_table_after_on(lexer); break;
	case SQL_WORD_SKIP: break;
	default: lexer->wants_table = false; break;
	}
	if (word->flags & SQL_VERB)
		note_verb(lexer, word);
}

static bool is_keyword_here(const struct sql_lexer *lexer, const struct sql_word *word)
{
	if (lexer->last == DOT)
		return false;
	if (word->flags & SQL_FIRST)
		return lexer->is_first;
	if (word->what == SQL_WORD_KEY)
		return lexer->last == WORD && lexer->last_word->what == SQL_WORD_BEFORE_KEY;
	return true;
}

/* False: the rest of a cut statement. */
static bool take_word(struct sql_lexer *lexer)
{
	const uint8_t *from = lexer->at, *at = from + 1;
	const struct sql_word *word;
	size_t len;

	while (at < lexer->end && is_word_byte(*at))
		at++;
	len = (size_t)(at - from);
	lexer->at = at;
	if (at == lexer->end) {
		if (lexer->is_cut)
			return false;
	} else if (len == 1 && *at == '\'' && strchr("eEbBxXnN", *from)) {
		take_string(lexer, '\'', (*from | 0x20) == 'e' || lexer->escapes);
		return true;
	} else if (len == 1 && (*from | 0x20) == 'u' && *at == '&' && !lexer->is_mysql) {
		uint8_t quote = lexer->end - at > 1 ? at[1] : 0; /* U&"..." and U&'...' */

		if (!quote && lexer->is_cut)
			return false;
		lexer->at += quote == '"' || quote == '\'';
		if (quote == '"')
			return take_quoted_name(lexer, quote);
		if (quote == '\'') {
			take_string(lexer, quote, lexer->escapes);
			return true;
		}
	}

	word = sql_word_find(from, len, lexer->end);
	if (!word || !is_keyword_here(lexer, word)) {
		lexer->is_first = false;
		sql_note_name(lexer, from, len);
		sql_put(lexer, NAME, from, len);
		return true;
	}
	if (word->what == SQL_WORD_VALUE && is_value_due(lexer)) {
		sql_put_literal(lexer, false);
		return true;
	}
	note_word(lexer, word);
	sql_put(lexer, WORD, word->text, len);
	lexer->last_word = word;
	return true;
}

/* ---- marks ---- */

static bool is_list_opening(const struct sql_lexer *lexer, uint8_t mark)
{
	bool is_behind_comma = lexer->has_comma || lexer->last == COMMA;

	if (mark == '[' || (lexer->last == WORD && (lexer->last_word->what == SQL_WORD_IN ||
						    lexer->last_word->what == SQL_WORD_VALUES)))
		return true;
	if (has_bit(lexer->rows, lexer->depth) && is_behind_comma)
		return true;
	return has_bit(lexer->lists, lexer->depth) && (is_behind_comma || lexer->last == OPEN);
}

static void take_opening(struct sql_lexer *lexer)
{
	const uint8_t *mark = lexer->at++;
	bool is_list = is_list_opening(lexer, *mark);

	if (lexer->has_comma && lexer->before_comma == ROW && is_list && !lexer->muted) {
		lexer->muted = lexer->depth + 1; /* one more row like the first */
		lexer->has_comma = false;
		lexer->last = OPEN;
	} else {
		sql_put(lexer, OPEN, mark, 1);
	}
	lexer->depth++;
	set_bit(&lexer->lists, lexer->depth, is_list);
	set_bit(&lexer->rows, lexer->depth, false);
	set_bit(&lexer->queries, lexer->depth, false);
}

static void take_closing(struct sql_lexer *lexer)
{
	const uint8_t *mark = lexer->at++;
	bool is_list = has_bit(lexer->lists, lexer->depth);

	lexer->has_comma = false;
	lexer->wants_table = false;
	if (lexer->depth)
		lexer->depth--;
	if (lexer->muted && lexer->depth < lexer->muted) {
		lexer->muted = 0;
		lexer->last = ROW;
		return;
	}
	sql_put(lexer, is_list ? ROW : CLOSE, mark, 1);
}

static void take_comma(struct sql_lexer *lexer)
{
	bool is_list = has_bit(lexer->lists, lexer->depth);
	bool is_rows = has_bit(lexer->rows, lexer->depth);

	lexer->wants_table = false;
	if (!lexer->has_comma && ((is_list && (lexer->last == LITERAL || lexer->last == ROW)) ||
				  (is_rows && lexer->last == ROW))) {
		lexer->has_comma = true;
		lexer->before_comma = lexer->last;
	} else {
		sql_put(lexer, COMMA, lexer->at, 1);
	}
	lexer->at++;
}

static void take_semicolon(struct sql_lexer *lexer)
{
	lexer->at++;
	lexer->depth = lexer->muted = 0;
	lexer->lists = lexer->rows = 0;
	lexer->queries = 1;
	lexer->has_comma = false;
	lexer->wants_table = false;
	lexer->is_after_with = false;
	lexer->is_first = true;
	lexer->has_end = lexer->last != START;
}

static bool is_operator_byte(const struct sql_lexer *lexer, const uint8_t *at)
{
	switch (class_of[*at]) {
	case OPERATOR: return *at != '{' && *at != '}';
	case AT:
	case HASH:
	case QUESTION:
	case BACKTICK: return !lexer->is_mysql;
	case SIGN: return *at == '-' && lexer->end - at > 1 && at[1] == '>';
	default: return false;
	}
}

static bool take_operator(struct sql_lexer *lexer)
{
	const uint8_t *from = lexer->at, *at = from + 1;

	lexer->wants_table = false;
	if (lexer->in_executable && *from == '*' && at < lexer->end && *at == '/') {
		lexer->in_executable = false;
		lexer->at += 2;
		return true;
	}
	while (at < lexer->end && *from != '{' && *from != '}' && is_operator_byte(lexer, at))
		at++;
	lexer->at = at;
	if (at == lexer->end && lexer->is_cut)
		return false;
	sql_put(lexer, OP, from, (size_t)(at - from));
	return true;
}

static bool is_number_ahead(const struct sql_lexer *lexer, uint8_t c)
{
	return class_of[c] == DIGIT || c == '.' || c == (lexer->is_mysql ? '?' : '$');
}

/* A comment, the sign of a number (which goes with it), or an operator. */
static bool take_sign(struct sql_lexer *lexer)
{
	const uint8_t *at = lexer->at, *end = lexer->end, *next = at + 1;
	bool is_behind_value =
		BIT(lexer->last) & (BIT(NAME) | BIT(LITERAL) | BIT(CLOSE) | BIT(ROW)) &&
		!lexer->has_comma && !lexer->has_end;

	if (*at == '-' && next < end && *next == '-' &&
	    (!lexer->is_mysql || end - at == 2 || at[2] <= ' ')) {
		skip_line(lexer);
		return true;
	}
	while (next < end && *next == ' ')
		next++;
	if (!is_behind_value && next < end && is_number_ahead(lexer, *next)) {
		lexer->at = next;
		return true;
	}
	if (*at == '-' && end - at > 1 && at[1] == '>')
		return take_operator(lexer);
	lexer->at++;
	if (lexer->at == end && lexer->is_cut)
		return false;
	sql_put(lexer, OP, at, 1);
	return true;
}

static bool take_slash(struct sql_lexer *lexer)
{
	if (lexer->end - lexer->at > 1 && lexer->at[1] == '*') {
		skip_comment(lexer);
		return true;
	}
	if (lexer->end - lexer->at == 1 && lexer->is_cut)
		return false;
	sql_put(lexer, OP, lexer->at++, 1);
	return true;
}

/* @variable and @@variable of MySQL */
static bool take_at(struct sql_lexer *lexer)
{
	const uint8_t *from = lexer->at, *at = from + 1;

	if (!lexer->is_mysql)
		return take_operator(lexer);
	while (at < lexer->end && (*at == '@' || is_word_byte(*at)))
		at++;
	lexer->at = at;
	if (at == lexer->end && lexer->is_cut)
		return false;
	lexer->wants_table = false;
	sql_put(lexer, NAME, from, (size_t)(at - from));
	return true;
}

static bool take_colon(struct sql_lexer *lexer)
{
	const uint8_t *from = lexer->at;
	size_t len = lexer->end - from > 1 && (from[1] == ':' || from[1] == '=') ? 2 : 1;

	lexer->at += len;
	if (lexer->at == lexer->end && lexer->is_cut)
		return false;
	sql_put(lexer, len == 2 && from[1] == ':' ? CAST : OP, from, len);
	return true;
}

static bool take_point(struct sql_lexer *lexer)
{
	bool is_number = lexer->end - lexer->at > 1 && class_of[lexer->at[1]] == DIGIT;

	if (is_number && (lexer->last != NAME || lexer->has_comma))
		return take_number(lexer);
	if (lexer->end - lexer->at == 1 && lexer->is_cut)
		return false;
	sql_put(lexer, DOT, lexer->at++, 1);
	return true;
}

/* False: the rest of a cut statement, to be left out. */
static bool take_token(struct sql_lexer *lexer)
{
	switch ((enum class)class_of[*lexer->at]) {
	case SPACE: lexer->at++; return true;
	case LETTER: return take_word(lexer);
	case DIGIT: return take_number(lexer);
	case OPERATOR: return take_operator(lexer);
	case QUOTE: take_string(lexer, '\'', lexer->escapes); return true;
	case DOUBLE:
		if (!lexer->is_mysql)
			return take_quoted_name(lexer, '"');
		take_string(lexer, '"', lexer->escapes);
		return true;
	case BACKTICK: return lexer->is_mysql ? take_quoted_name(lexer, '`') : take_operator(lexer);
	case DOLLAR:
		if (lexer->is_mysql)
			return take_word(lexer);
		take_dollar(lexer);
		return true;
	case OPENING: take_opening(lexer); return true;
	case CLOSING: take_closing(lexer); return true;
	case POINT: return take_point(lexer);
	case COMMA_SIGN: take_comma(lexer); return true;
	case SEMICOLON: take_semicolon(lexer); return true;
	case SIGN: return take_sign(lexer);
	case SLASH: return take_slash(lexer);
	case HASH:
		if (!lexer->is_mysql)
			return take_operator(lexer);
		skip_line(lexer);
		return true;
	case AT: return take_at(lexer);
	case COLON: return take_colon(lexer);
	case QUESTION:
		if (!lexer->is_mysql)
			return take_operator(lexer);
		lexer->at++;
		sql_put_literal(lexer, false);
		return true;
	case BACKSLASH:
		lexer->at++;
		lexer->is_suspect = true; /* nothing of SQL: we are inside of a string */
		return true;
	}
	return true;
}

/* ---- the whole ---- */

static void finish(struct sql_lexer *lexer)
{
	struct sql_shape *shape = lexer->shape;

	if (lexer->is_naming && !(lexer->is_cut && lexer->last == DOT))
		sql_finish_name(lexer);
	if (lexer->is_suspect) {
		size_t written = lexer->is_spilling ? shape->text_len : lexer->out_len;

		shape->is_broken = true;
		shape->text_len = (uint16_t)(lexer->has_string ? lexer->first_string : written);
		shape->table_len = 0;
		shape->hash = hash_bytes(shape->text, shape->text_len, 0);
	} else {
		if (!lexer->is_spilling)
			shape->text_len = (uint16_t)lexer->out_len;
		shape->hash = hash_bytes(lexer->out, lexer->out_len, shape->hash);
	}
	if (shape->is_cut || shape->is_broken)
		shape->hash = hash_bytes(" ...", MARK_LEN, shape->hash);
	if (shape->is_cut || shape->is_broken || shape->is_full) {
		memcpy(shape->text + shape->text_len, " ...", MARK_LEN);
		shape->text_len += MARK_LEN;
	}
	shape->text[shape->text_len] = '\0';
}

/* False: strings do not pair up by this rule, and by another they might. */
static bool try_shape(struct span statement, struct sql_how how, bool escapes, bool is_last,
		      struct sql_shape *shape)
{
	struct sql_lexer lexer;

	memset(shape, 0, offsetof(struct sql_shape, table));
	memset(&lexer, 0, offsetof(struct sql_lexer, cte));
	lexer.at = statement.at;
	lexer.end = statement.at + statement.len;
	lexer.shape = shape;
	lexer.is_mysql = how.dialect == SQL_MYSQL;
	lexer.is_cut = shape->is_cut = how.is_cut;
	lexer.escapes = escapes;
	lexer.out = shape->text;
	lexer.out_room = SQL_TEXT_MAX - MARK_LEN - 1;
	lexer.is_first = true;
	lexer.queries = 1;

	while (lexer.at < lexer.end && take_token(&lexer))
		;
	if (lexer.is_suspect && lexer.has_backslash && !is_last)
		return false;
	if (lexer.last != START)
		shape->statements++;
	finish(&lexer);
	return true;
}

void sql_shape(struct span statement, struct sql_how how, struct sql_shape *ret_shape)
{
	bool escapes = how.backslash == SQL_BACKSLASH_DEFAULT
			       ? how.dialect == SQL_MYSQL
			       : how.backslash == SQL_BACKSLASH_ESCAPES;

	if (!statement
		     .len) /* an empty span may have no bytes at all, and NULL + 0 is undefined in C */
		statement.at = (const uint8_t *)"";
	if (try_shape(statement, how, escapes, false, ret_shape))
		return;
	try_shape(statement, how, !escapes, true, ret_shape);
}
