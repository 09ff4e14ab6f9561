// SPDX-License-Identifier: GPL-2.0-only
/*
 * filter - text becomes a tree.
 *
 * Recursive descent, one function for each line of the grammar:
 *
 *	either     = both { "or" both }
 *	both       = one { "and" one }
 *	one        = "not" one | "(" either ")" | comparison
 *	comparison = column [ operator value | ["not"] "in" "(" value { "," value } ")" ]
 *
 * A word is a column where a column may stand and a value where a value may stand, so values need no
 * quotes (path = /v1/items). Text, nodes and depth are limited: filters come from the network. Regular
 * expressions run with limits of PCRE2, so that no pattern can hold the agent up; one that gives up counts
 * as not found.
 */
#include "record/filter_parts.h"

#include "base/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum {
	MATCH_STEPS = 20000, /* of one search: about a millisecond */
	MATCH_DEPTH = 1000,
	MATCH_HEAP_KIB = 1024,
	NESTED_PARENTHESES = 50, /* in a regular expression */
};

struct parser {
	struct filter *filter;
	struct span text;
	size_t at;
	int depth;
	uint64_t now_ns;
	int error;
	struct err *why;
};

static struct filter_node *fail(struct parser *p, size_t at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Returns NULL, so that a parsing function can say `return fail(...)`. The first mistake counts. */
static struct filter_node *fail(struct parser *p, size_t at, const char *format, ...)
{
	char what[300];
	va_list args;

	if (p->error)
		return NULL;
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	p->error = err_set(p->why, -EINVAL, "filter, column %zu: %s", at + 1, what);
	return NULL;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_name_byte(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_';
}

static void skip_blanks(struct parser *p)
{
	while (p->at < p->text.len && is_blank(p->text.at[p->at]))
		p->at++;
}

static struct span rest(struct parser *p)
{
	skip_blanks(p);
	return span_from(p->text, p->at);
}

static bool take(struct parser *p, const char *sign)
{
	if (!span_starts(rest(p), sign))
		return false;
	p->at += strlen(sign);
	return true;
}

/* A word on its own, in any case: and, or, not, in. */
static bool take_word(struct parser *p, const char *word)
{
	struct span left = rest(p);
	size_t len = strlen(word);

	if (left.len < len || strncasecmp((const char *)left.at, word, len) != 0 ||
	    (left.len > len && is_name_byte(left.at[len])))
		return false;
	p->at += len;
	return true;
}

static struct filter_node *new_node(struct parser *p, enum filter_op op, size_t at)
{
	struct filter_node *node;

	if (p->error)
		return NULL;
	if (p->filter->nodes == FILTER_NODES)
		return fail(p, at, "more than %d comparisons", FILTER_NODES);
	node = arena_new(&p->filter->arena, sizeof(*node));
	if (!node)
		return fail(p, at, "too long");
	node->op = op;
	node->at = (uint32_t)at + 1;
	node->next = p->filter->all;
	p->filter->all = node;
	p->filter->nodes++;
	return node;
}

/* Takes a value as it stands: behind it the cursor, in `ret` its bytes without quotes. */
static bool take_value(struct parser *p, struct span *ret, uint8_t *ret_quote)
{
	struct span left = rest(p);
	size_t len = 0, start = p->at;

	*ret_quote = left.len && (left.at[0] == '"' || left.at[0] == '\'') ? left.at[0] : 0;
	if (*ret_quote) {
		for (len = 1; len < left.len && left.at[len] != *ret_quote; len++)
			len += left.at[len] == '\\' && len + 1 < left.len;
		if (len >= left.len)
			return fail(p, start, "the quote does not end");
		*ret = (struct span){left.at + 1, len - 1};
		p->at += len + 1;
		return true;
	}
	while (len < left.len && !is_blank(left.at[len]) && !memchr("(),\"'", left.at[len], 5))
		len++;
	if (!len || memchr("=<>!~", left.at[0], 5))
		return fail(p, start,
			    len ? "a value that begins so needs quotes" : "a value is missing");
	*ret = span_first(left, len);
	p->at += len;
	return true;
}

/* In quotes a backslash takes the meaning from the byte behind it; \n and \t are what they are in C. */
static uint8_t unescape(uint8_t c)
{
	return c == 'n' ? '\n' : c == 't' ? '\t' : c;
}

static bool spell_out(struct parser *p, struct span raw, bool quoted, struct literal *literal)
{
	uint8_t *text = arena_new(&p->filter->arena, raw.len + 1);
	uint8_t *wild = arena_new(&p->filter->arena, raw.len + 1);
	bool any = false;
	size_t len = 0;

	if (!text || !wild)
		return fail(p, p->at, "too long");
	for (size_t i = 0; i < raw.len; i++) {
		bool escaped = quoted && raw.at[i] == '\\' && i + 1 < raw.len;

		i += escaped;
		text[len] = escaped ? unescape(raw.at[i]) : raw.at[i];
		wild[len] = !escaped && (raw.at[i] == '*' || raw.at[i] == '?');
		any |= wild[len++];
	}
	literal->text = (struct span){text, len};
	literal->wild = any ? wild : NULL;
	return true;
}

static struct literal *take_literal(struct parser *p)
{
	struct literal *literal;
	struct span raw;
	uint8_t quote;

	if (!take_value(p, &raw, &quote))
		return NULL;
	literal = arena_new(&p->filter->arena, sizeof(*literal));
	if (!literal) {
		fail(p, p->at, "too long");
		return NULL;
	}
	if (!spell_out(p, raw, quote, literal))
		return NULL;
	literal->is_number = quantity_parse(literal->text, &literal->number);
	literal->is_time = time_parse(literal->text, p->now_ns, &literal->time_ns);
	literal->is_network = network_parse(literal->text, &literal->network);
	return literal;
}

static bool make_limits(struct filter *filter)
{
	if (filter->limits)
		return true;
	filter->found = pcre2_match_data_create(1, NULL);
	filter->limits = pcre2_match_context_create(NULL);
	if (!filter->found || !filter->limits)
		return false;
	pcre2_set_match_limit(filter->limits, MATCH_STEPS);
	pcre2_set_depth_limit(filter->limits, MATCH_DEPTH);
	pcre2_set_heap_limit(filter->limits, MATCH_HEAP_KIB);
	return true;
}

/* In a quoted pattern only its own quote needs a backslash; all others are the pattern's. */
static struct span pattern_of(struct parser *p, struct span raw, uint8_t quote)
{
	uint8_t *text = arena_new(&p->filter->arena, raw.len + 1);
	size_t len = 0;

	if (!text)
		return (struct span){};
	for (size_t i = 0; i < raw.len; i++) {
		if (quote && raw.at[i] == '\\' && i + 1 < raw.len && raw.at[i + 1] == quote)
			i++;
		text[len++] = raw.at[i];
	}
	return (struct span){text, len};
}

static bool compile(struct parser *p, struct filter_node *node, struct span pattern, size_t at)
{
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	uint32_t options = PCRE2_NEVER_BACKSLASH_C;
	PCRE2_SIZE offset;
	uint8_t text[200];
	int error;

	for (size_t i = 0; i < pattern.len; i++)
		if (pattern.at[i] >= 0x80) /* letters beyond ASCII are letters only so */
			options |= PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF;
	if (!context || !make_limits(p->filter)) {
		pcre2_compile_context_free(context);
		return fail(p, at, "no memory for a regular expression");
	}
	pcre2_set_parens_nest_limit(context, NESTED_PARENTHESES);
	node->regex = pcre2_compile(pattern.at, pattern.len, options, &error, &offset, context);
	pcre2_compile_context_free(context);
	if (node->regex)
		return true;
	if (pcre2_get_error_message(error, text, sizeof(text)) < 0)
		text[0] = 0;
	return fail(p, at, "the regular expression is wrong at its byte %zu: %s",
		    (size_t)offset + 1, text);
}

static struct filter_node *take_regex(struct parser *p, struct filter_node *node)
{
	size_t at = (rest(p), p->at);
	struct span raw, pattern;
	uint8_t quote;

	if (!take_value(p, &raw, &quote))
		return NULL;
	if (raw.len > FILTER_REGEX)
		return fail(p, at, "a regular expression above %d bytes", FILTER_REGEX);
	pattern = pattern_of(p, raw, quote);
	if (!pattern.at)
		return fail(p, at, "too long");
	return compile(p, node, pattern, at) ? node : NULL;
}

static struct filter_node *take_list(struct parser *p, struct filter_node *node)
{
	struct literal **end = &node->literal;

	if (!take(p, "("))
		return fail(p, p->at, "'in' needs a list: (22, 80)");
	do {
		*end = take_literal(p);
		if (!*end)
			return NULL;
		end = &(*end)->next;
	} while (take(p, ","));
	return take(p, ")") ? node : fail(p, p->at, "the list does not end with ')'");
}

/* The operator behind a column. Longer signs first. */
static bool take_operator(struct parser *p, struct filter_node *node)
{
	static const struct {
		const char *sign;
		enum filter_op op;
		bool negated;
	} operators[] = {
		{"!=", FILTER_EQUALS, true},      {"!~", FILTER_REGEX_FOUND, true},
		{"<=", FILTER_LESS_EQUAL, false}, {">=", FILTER_GREATER_EQUAL, false},
		{"==", FILTER_EQUALS, false},     {"=", FILTER_EQUALS, false},
		{"<", FILTER_LESS, false},        {">", FILTER_GREATER, false},
		{"~", FILTER_REGEX_FOUND, false},
	};

	for (size_t i = 0; i < sizeof(operators) / sizeof(*operators); i++)
		if (take(p, operators[i].sign)) {
			node->op = operators[i].op;
			node->negated = operators[i].negated;
			return true;
		}
	return false;
}

static struct filter_node *take_in(struct parser *p, struct filter_node *node)
{
	size_t before = p->at;
	bool negated = take_word(p, "not");

	if (!take_word(p, "in")) {
		p->at = before;
		return NULL;
	}
	node->op = FILTER_EQUALS;
	node->negated = negated;
	return take_list(p, node);
}

static bool at_end_of_comparison(struct parser *p)
{
	struct span left = rest(p);
	size_t before = p->at;
	bool end = !left.len || left.at[0] == ')' || take_word(p, "and") || take_word(p, "or");

	p->at = before;
	return end;
}

static struct filter_node *comparison(struct parser *p)
{
	struct span left = rest(p);
	size_t len = 0, at = p->at;
	struct filter_node *node;

	while (len < left.len && is_name_byte(left.at[len]))
		len++;
	if (!is_name(span_first(left, len), COLUMN_NAME_BYTES))
		return fail(p, at,
			    left.len ? "a column is expected here"
				     : "something is missing at the end");
	node = new_node(p, FILTER_IS, at);
	if (!node)
		return NULL;
	memcpy(node->column, left.at, len);
	p->at += len;
	if (take_operator(p, node)) {
		if (node->op == FILTER_REGEX_FOUND)
			return take_regex(p, node);
		node->literal = take_literal(p);
		return node->literal ? node : NULL;
	}
	if (at_end_of_comparison(p))
		return node;
	if (take_in(p, node))
		return node;
	return fail(p, p->at, "'%s' needs an operator: = != < <= > >= ~ !~ in", node->column);
}

static struct filter_node *either(struct parser *p);

static struct filter_node *one(struct parser *p)
{
	struct filter_node *node;
	size_t at = (rest(p), p->at);

	if (p->depth == FILTER_DEPTH)
		return fail(p, at, "nested deeper than %d", FILTER_DEPTH);
	p->depth++;
	if (take_word(p, "not")) {
		node = new_node(p, FILTER_NOT, at);
		if (node)
			node->left = one(p);
		node = node && node->left ? node : NULL;
	} else if (take(p, "(")) {
		node = either(p);
		if (node && !take(p, ")"))
			node = fail(p, (rest(p), p->at), "')' is expected here");
	} else {
		node = comparison(p);
	}
	p->depth--;
	return node;
}

/* left { word right }, as a chain that leans to the left */
static struct filter_node *chain(struct parser *p, const char *word, enum filter_op op,
				 struct filter_node *(*part)(struct parser *p))
{
	struct filter_node *left = part(p), *both;

	while (left) {
		size_t at = (rest(p), p->at);

		if (!take_word(p, word))
			break;
		both = new_node(p, op, at);
		if (!both)
			return NULL;
		both->left = left;
		both->right = part(p);
		left = both->right ? both : NULL;
	}
	return left;
}

static struct filter_node *both(struct parser *p)
{
	return chain(p, "and", FILTER_AND, one);
}

static struct filter_node *either(struct parser *p)
{
	return chain(p, "or", FILTER_OR, both);
}

int filter_parse(struct span text, struct filter **ret_filter, struct err *why)
{
	struct parser p = {.text = text, .now_ns = clock_wall_ns(), .why = why};

	if (!rest(&p).len) {
		*ret_filter = NULL;
		return 0;
	}
	if (text.len > FILTER_TEXT)
		return err_set(why, -E2BIG, "filter has %zu bytes, %d are allowed", text.len,
			       FILTER_TEXT);
	p.filter = calloc(1, sizeof(*p.filter));
	if (!p.filter)
		return err_set(why, -ENOMEM, "no memory for a filter");
	arena_init(&p.filter->arena, FILTER_ARENA);
	p.filter->gave_up = arena_new(&p.filter->arena, sizeof(*p.filter->gave_up));
	if (!p.filter->gave_up)
		fail(&p, 0, "no memory");
	p.filter->root = either(&p);
	if (p.filter->root && rest(&p).len)
		fail(&p, p.at, "'and' or 'or' is expected here");
	if (p.error) {
		filter_free(p.filter);
		return p.error;
	}
	*ret_filter = p.filter;
	return 0;
}

void filter_free(struct filter *filter)
{
	if (!filter)
		return;
	for (struct filter_node *node = filter->all; node; node = node->next)
		pcre2_code_free(node->regex);
	pcre2_match_data_free(filter->found);
	pcre2_match_context_free(filter->limits);
	arena_done(&filter->arena);
	free(filter);
}

bool filter_mentions(const struct filter *filter, const char *column)
{
	for (const struct filter_node *node = filter ? filter->all : NULL; node; node = node->next)
		if (!strcmp(node->column, column))
			return true;
	return false;
}

bool parse_quantity(struct span text, double *ret_value)
{
	struct quantity quantity;

	if (!quantity_parse(text, &quantity))
		return false;
	*ret_value = quantity.value;
	return true;
}
