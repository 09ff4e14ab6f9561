// SPDX-License-Identifier: GPL-2.0-only
/*
 * template_functions - what templates can call: Prometheus' functions and those of Go's templates.
 *
 * What numbers look like (humanize and its sisters) follows prometheus/template/template.go of 2.42 in what comes out; a
 * regular expression is PCRE2's, with a limit of steps.
 */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "alert/template_parts.h"
#include "base/clock.h"
#include "base/suggest.h"
#include "query/promql.h"

enum { MATCH_STEPS = 100000, LINK_BYTES = 4096 };

int template_refuse(struct running *running, const char *what)
{
	return err_set(running->why, -EINVAL, "template: %s", what);
}

int template_give_text(struct running *running, struct span text, struct worth *ret)
{
	*ret = worth_of_text(running, text);
	return ret->text.at ? 0 : err_set(running->why, -ENOMEM, "template: out of memory");
}

int template_give_str(struct running *running, const char *text, struct worth *ret)
{
	return template_give_text(running, span_of(text), ret);
}

static int give_buf(struct running *running, struct buf *text, struct worth *ret)
{
	int error = template_give_text(running, buf_as_span(text), ret);

	buf_done(text);
	return error;
}

static int give_truth(bool truth, struct worth *ret)
{
	*ret = (struct worth){.kind = IS_TRUTH, .truth = truth};
	return 0;
}

/* A number, or a text that says one. */
int template_number_of(struct running *running, const struct worth *worth, double *ret)
{
	char text[64] = "", *end;

	if (worth->kind == IS_WHOLE || worth->kind == IS_NUMBER) {
		*ret = worth->number;
		return 0;
	}
	if (worth->kind == IS_TEXT && worth->text.len && worth->text.len < sizeof(text)) {
		memcpy(text, worth->text.at, worth->text.len);
		*ret = strtod(text, &end);
		if (!*end)
			return 0;
	}
	return template_refuse(running, "a number was expected");
}

/* ---- texts ---- */

static int change_text(struct running *running, const struct worth *arg, struct worth *ret,
		       int (*first)(int), int (*others)(int))
{
	struct span text;
	bool begins = true;
	char *out;

	if (worth_text(running, &arg[0], &text))
		return -EINVAL;
	if (template_give_text(running, text, ret))
		return -ENOMEM;
	out = (char *)ret->text.at; /* ours: it was copied just now */
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)out[i];

		if (c < 0x80 && (begins ? first : others))
			out[i] = (char)(begins ? first : others)(c);
		begins = isspace(c);
	}
	return 0;
}

static int title(struct running *running, const struct worth *arg, size_t args, struct worth *ret)
{
	return change_text(running, arg, ret, toupper, NULL);
}

static int to_upper(struct running *running, const struct worth *arg, size_t args,
		    struct worth *ret)
{
	return change_text(running, arg, ret, toupper, toupper);
}

static int to_lower(struct running *running, const struct worth *arg, size_t args,
		    struct worth *ret)
{
	return change_text(running, arg, ret, tolower, tolower);
}

static int as_it_is(struct running *running, const struct worth *arg, size_t args,
		    struct worth *ret)
{
	ret->kind = IS_TEXT;
	return worth_text(running, &arg[0], &ret->text);
}

static int encode(struct running *running, const struct worth *arg, struct worth *ret,
		  void (*each)(struct buf *out, uint8_t c))
{
	struct span text;
	struct buf out;

	if (worth_text(running, &arg[0], &text))
		return -EINVAL;
	buf_init(&out, TEMPLATE_OUTPUT_MAX);
	for (size_t i = 0; i < text.len; i++)
		each(&out, text.at[i]);
	return give_buf(running, &out, ret);
}

static void html_byte(struct buf *out, uint8_t c)
{
	switch (c) {
	case '<': buf_str(out, "&lt;"); break;
	case '>': buf_str(out, "&gt;"); break;
	case '&': buf_str(out, "&amp;"); break;
	case '"': buf_str(out, "&#34;"); break;
	case '\'': buf_str(out, "&#39;"); break;
	default: buf_char(out, (char)c);
	}
}

static void url_byte(struct buf *out, uint8_t c)
{
	if (isalnum(c) || strchr("-_.~", c))
		buf_char(out, (char)c);
	else if (c == ' ')
		buf_char(out, '+');
	else
		buf_f(out, "%%%02X", c);
}

static int html(struct running *running, const struct worth *arg, size_t args, struct worth *ret)
{
	return encode(running, arg, ret, html_byte);
}

static int urlquery(struct running *running, const struct worth *arg, size_t args,
		    struct worth *ret)
{
	return encode(running, arg, ret, url_byte);
}

/* host:port without the port, also [::1]:80 */
static int strip_port(struct running *running, const struct worth *arg, size_t args,
		      struct worth *ret)
{
	struct span text;
	const uint8_t *colon;

	if (worth_text(running, &arg[0], &text))
		return -EINVAL;
	if (text.len && text.at[0] == '[' && (colon = memchr(text.at, ']', text.len)))
		return template_give_text(
			running, (struct span){text.at + 1, (size_t)(colon - text.at) - 1}, ret);
	colon = text.len ? memchr(text.at, ':', text.len) : NULL;
	if (colon && !memchr(colon + 1, ':', text.len - (size_t)(colon + 1 - text.at)))
		text.len = (size_t)(colon - text.at);
	return template_give_text(running, text, ret);
}

/* The host without its domain; the port stays. An address has none. */
static int strip_domain(struct running *running, const struct worth *arg, size_t args,
			struct worth *ret)
{
	struct worth host;
	struct span text;
	const uint8_t *dot, *colon;
	bool is_address = true;
	struct buf out;

	if (worth_text(running, &arg[0], &text) || strip_port(running, arg, args, &host))
		return -EINVAL;
	for (size_t i = 0; i < host.text.len; i++)
		is_address &= isdigit(host.text.at[i]) || strchr(".:abcdefABCDEF", host.text.at[i]);
	dot = host.text.len && !is_address ? memchr(host.text.at, '.', host.text.len) : NULL;
	if (!dot)
		return template_give_text(running, text, ret);
	buf_init(&out, TEMPLATE_OUTPUT_MAX);
	buf_add(&out, host.text.at, (size_t)(dot - host.text.at));
	colon = memchr(text.at, ':', text.len);
	if (colon)
		buf_add(&out, colon, text.len - (size_t)(colon - text.at));
	return give_buf(running, &out, ret);
}

static pcre2_code *compile(struct running *running, struct span pattern)
{
	PCRE2_SIZE at;
	int error;
	pcre2_code *code = pcre2_compile(pattern.at ? pattern.at : (PCRE2_SPTR) "", pattern.len,
					 PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C, &error, &at, NULL);

	if (!code)
		template_refuse(running, "a regular expression is wrong");
	return code;
}

static int match(struct running *running, const struct worth *arg, size_t args, struct worth *ret)
{
	pcre2_match_context *limits = pcre2_match_context_create(NULL);
	struct span pattern, text;
	pcre2_match_data *found;
	pcre2_code *code = NULL;
	int result = 0;

	if (worth_text(running, &arg[0], &pattern) || worth_text(running, &arg[1], &text) ||
	    !limits || !(code = compile(running, pattern))) {
		pcre2_match_context_free(limits);
		return -EINVAL;
	}
	pcre2_set_match_limit(limits, MATCH_STEPS);
	found = pcre2_match_data_create_from_pattern(code, NULL);
	result = found ? pcre2_match(code, text.at ? text.at : (PCRE2_SPTR) "", text.len, 0, 0,
				     found, limits)
		       : -1;
	pcre2_match_data_free(found);
	pcre2_code_free(code);
	pcre2_match_context_free(limits);
	return give_truth(result >= 0, ret);
}

/* reReplaceAll PATTERN REPLACEMENT TEXT: $1 and ${name} in the replacement are groups. */
static int replace_all(struct running *running, const struct worth *arg, size_t args,
		       struct worth *ret)
{
	pcre2_match_context *limits = pcre2_match_context_create(NULL);
	PCRE2_SIZE len = TEMPLATE_OUTPUT_MAX;
	uint8_t *out = arena_new(running->arena, TEMPLATE_OUTPUT_MAX + 1);
	struct span pattern, by, text;
	pcre2_code *code = NULL;
	int result;

	if (!out || !limits || worth_text(running, &arg[0], &pattern) ||
	    worth_text(running, &arg[1], &by) || worth_text(running, &arg[2], &text) ||
	    !(code = compile(running, pattern))) {
		pcre2_match_context_free(limits);
		return -EINVAL;
	}
	pcre2_set_match_limit(limits, MATCH_STEPS);
	result = pcre2_substitute(code, text.at ? text.at : (PCRE2_SPTR) "", text.len, 0,
				  PCRE2_SUBSTITUTE_GLOBAL | PCRE2_SUBSTITUTE_UNKNOWN_UNSET |
					  PCRE2_SUBSTITUTE_UNSET_EMPTY,
				  NULL, limits, by.at ? by.at : (PCRE2_SPTR) "", by.len, out, &len);
	pcre2_code_free(code);
	pcre2_match_context_free(limits);
	if (result < 0)
		return template_refuse(running, "reReplaceAll cannot be done");
	*ret = (struct worth){.kind = IS_TEXT, .text = {out, len}};
	return 0;
}

/* ---- what an expression comes to ---- */

static int query(struct running *running, const struct worth *arg, size_t args, struct worth *ret)
{
	const struct template_facts *facts = running->facts;
	struct template_sample *samples = NULL;
	size_t count = 0;
	int error;

	if (arg[0].kind != IS_TEXT || !facts->query)
		return template_refuse(running, "query cannot be asked here");
	error = facts->query(facts->ctx, arg[0].text, running->arena, &samples, &count,
			     running->why);
	if (!error)
		*ret = (struct worth){.kind = IS_LIST, .sample = samples, .count = count};
	return error;
}

static int first(struct running *running, const struct worth *arg, size_t args, struct worth *ret)
{
	if (arg[0].kind != IS_LIST || !arg[0].count)
		return template_refuse(running, "first() called on vector with no elements");
	*ret = (struct worth){.kind = IS_SAMPLE, .sample = arg[0].sample, .count = 1};
	return 0;
}

static int label(struct running *running, const struct worth *arg, size_t args, struct worth *ret)
{
	if (arg[0].kind != IS_TEXT || arg[1].kind != IS_SAMPLE)
		return template_refuse(running, "label takes a name and a sample");
	ret->kind = IS_TEXT;
	ret->text = worth_label(arg[1].sample->label, arg[1].sample->labels, arg[0].text);
	return 0;
}

static int value(struct running *running, const struct worth *arg, size_t args, struct worth *ret)
{
	if (arg[0].kind != IS_SAMPLE)
		return template_refuse(running, "value takes a sample");
	*ret = (struct worth){.kind = IS_NUMBER, .number = arg[0].sample->value};
	return 0;
}

static int string_value(struct running *running, const struct worth *arg, size_t args,
			struct worth *ret)
{
	if (arg[0].kind != IS_SAMPLE)
		return template_refuse(running, "strvalue takes a sample");
	ret->kind = IS_TEXT;
	ret->text = worth_label(arg[0].sample->label, arg[0].sample->labels, span_of("__value__"));
	return 0;
}

static int span_order(struct span a, struct span b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len ? memcmp(a.at, b.at, len) : 0;

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* As many as there are is few: by insertion. */
static int sort_by_label(struct running *running, const struct worth *arg, size_t args,
			 struct worth *ret)
{
	struct template_sample *sorted;

	if (arg[0].kind != IS_TEXT || arg[1].kind != IS_LIST)
		return template_refuse(running, "sortByLabel takes a name and samples");
	sorted = arena_new(running->arena, (arg[1].count + 1) * sizeof(*sorted));
	if (!sorted)
		return err_set(running->why, -ENOMEM, "template: out of memory");
	for (size_t i = 0; i < arg[1].count; i++) {
		struct span key =
			worth_label(arg[1].sample[i].label, arg[1].sample[i].labels, arg[0].text);
		size_t at = i;

		while (at && span_order(worth_label(sorted[at - 1].label, sorted[at - 1].labels,
						    arg[0].text),
					key) > 0) {
			sorted[at] = sorted[at - 1];
			at--;
		}
		sorted[at] = arg[1].sample[i];
	}
	*ret = (struct worth){.kind = IS_LIST, .sample = sorted, .count = arg[1].count};
	return 0;
}

static int link_to(struct running *running, const struct worth *arg, struct worth *ret, int tab)
{
	struct worth encoded;
	struct buf out;

	if (urlquery(running, arg, 1, &encoded))
		return -EINVAL;
	buf_init(&out, LINK_BYTES);
	buf_str(&out, "/graph?g0.expr=");
	buf_span(&out, encoded.text);
	buf_f(&out, "&g0.tab=%d", tab);
	return give_buf(running, &out, ret);
}

static int graph_link(struct running *running, const struct worth *arg, size_t args,
		      struct worth *ret)
{
	return link_to(running, arg, ret, 0);
}

static int table_link(struct running *running, const struct worth *arg, size_t args,
		      struct worth *ret)
{
	return link_to(running, arg, ret, 1);
}

static int external_url(struct running *running, const struct worth *arg, size_t args,
			struct worth *ret)
{
	return template_give_str(running, running->facts->external_url, ret);
}

static int path_prefix(struct running *running, const struct worth *arg, size_t args,
		       struct worth *ret)
{
	const char *host = strstr(running->facts->external_url, "://"),
		   *path = host ? strchr(host + 3, '/') : NULL;

	return template_give_str(running, path ? path : "", ret);
}

/* ---- Go's own ---- */

static int and_all(struct running *running, const struct worth *arg, size_t args, struct worth *ret)
{
	for (size_t i = 0; i < args; i++) {
		*ret = arg[i];
		if (!worth_is_true(ret))
			break;
	}
	return 0;
}

static int or_any(struct running *running, const struct worth *arg, size_t args, struct worth *ret)
{
	for (size_t i = 0; i < args; i++) {
		*ret = arg[i];
		if (worth_is_true(ret))
			break;
	}
	return 0;
}

static int not_true(struct running *running, const struct worth *arg, size_t args,
		    struct worth *ret)
{
	return give_truth(!worth_is_true(&arg[0]), ret);
}

static int length(struct running *running, const struct worth *arg, size_t args, struct worth *ret)
{
	bool is_text = arg[0].kind == IS_TEXT;

	if (!is_text && arg[0].kind != IS_LIST && arg[0].kind != IS_LABELS)
		return template_refuse(running, "len takes a text, labels or samples");
	*ret = (struct worth){.kind = IS_WHOLE,
			      .number = (double)(is_text ? arg[0].text.len : arg[0].count)};
	return 0;
}

static int item_at(struct running *running, const struct worth *arg, size_t args, struct worth *ret)
{
	if (arg[0].kind == IS_LABELS && arg[1].kind == IS_TEXT) {
		ret->kind = IS_TEXT;
		ret->text = worth_label(arg[0].label, arg[0].count, arg[1].text);
		return 0;
	}
	if (arg[0].kind != IS_LIST || arg[1].kind != IS_WHOLE || arg[1].number < 0 ||
	    arg[1].number >= (double)arg[0].count)
		return template_refuse(running, "index: there is nothing there");
	*ret = (struct worth){
		.kind = IS_SAMPLE, .sample = &arg[0].sample[(size_t)arg[1].number], .count = 1};
	return 0;
}

static bool is_number(const struct worth *worth)
{
	return worth->kind == IS_WHOLE || worth->kind == IS_NUMBER;
}

/* -2: they cannot be compared. */
static int compare(const struct worth *a, const struct worth *b)
{
	int order;

	if (is_number(a) && is_number(b))
		return (a->number > b->number) - (a->number < b->number);
	if (a->kind == IS_TEXT && b->kind == IS_TEXT) {
		order = span_order(a->text, b->text);
		return (order > 0) - (order < 0);
	}
	if (a->kind == IS_TRUTH && b->kind == IS_TRUTH)
		return a->truth - b->truth;
	return -2;
}

static int compare_as(struct running *running, const struct worth *arg, struct worth *ret,
		      int wanted, bool negate)
{
	int order = compare(&arg[0], &arg[1]);

	if (order == -2)
		return template_refuse(running, "two values cannot be compared");
	return give_truth((order == wanted) != negate, ret);
}

static int equal(struct running *running, const struct worth *arg, size_t args, struct worth *ret)
{
	int error = compare_as(running, arg, ret, 0, false);

	for (size_t i = 2; i < args && !error && !ret->truth; i++)
		ret->truth = compare(&arg[0], &arg[i]) == 0;
	return error;
}

static int unequal(struct running *running, const struct worth *arg, size_t args, struct worth *ret)
{
	return compare_as(running, arg, ret, 0, true);
}

static int less(struct running *running, const struct worth *arg, size_t args, struct worth *ret)
{
	return compare_as(running, arg, ret, -1, false);
}

static int at_least(struct running *running, const struct worth *arg, size_t args,
		    struct worth *ret)
{
	return compare_as(running, arg, ret, -1, true);
}

static int greater(struct running *running, const struct worth *arg, size_t args, struct worth *ret)
{
	return compare_as(running, arg, ret, 1, false);
}

static int at_most(struct running *running, const struct worth *arg, size_t args, struct worth *ret)
{
	return compare_as(running, arg, ret, 1, true);
}

static int print_all(struct running *running, const struct worth *arg, size_t args,
		     struct worth *ret, bool lines)
{
	struct buf out;

	buf_init(&out, TEMPLATE_OUTPUT_MAX);
	for (size_t i = 0; i < args; i++) {
		struct span text;

		if (worth_text(running, &arg[i], &text)) {
			buf_done(&out);
			return -ENOMEM;
		}
		/* print puts blanks between operands when neither is a text, println always */
		if (i && (lines || (arg[i].kind != IS_TEXT && arg[i - 1].kind != IS_TEXT)))
			buf_char(&out, ' ');
		buf_span(&out, text);
	}
	if (lines)
		buf_char(&out, '\n');
	return give_buf(running, &out, ret);
}

static int print(struct running *running, const struct worth *arg, size_t args, struct worth *ret)
{
	return print_all(running, arg, args, ret, false);
}

static int print_line(struct running *running, const struct worth *arg, size_t args,
		      struct worth *ret)
{
	return print_all(running, arg, args, ret, true);
}

/* One %...: flags, width, precision of `format` and then the verb. */
static int print_verb(struct running *running, struct span spec, char verb,
		      const struct worth *worth, struct buf *out)
{
	char format[32];
	struct span text;
	double number;

	if (spec.len + 4 > sizeof(format))
		return template_refuse(running, "printf: a width is too long");
	memcpy(format, spec.at, spec.len);
	if (strchr("eEfFgGd", verb) && is_number(worth)) {
		number = worth->number;
		if (verb == 'd' && !memchr(spec.at, '.', spec.len))
			memcpy(format + spec.len, ".0f", 4);
		else
			memcpy(format + spec.len, (char[]){verb == 'd' ? 'f' : verb, 0}, 2);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		/* checked below: one conversion of a double, small width and precision */
		buf_f(out, format, number);
#pragma GCC diagnostic pop
		return 0;
	}
	if (worth_text(running, worth, &text))
		return -ENOMEM;
	if (verb == 'q')
		buf_char(out, '"');
	buf_span(out, text);
	if (verb == 'q')
		buf_char(out, '"');
	return 0;
}

/* "%-8.3f": the length of what stands before the verb; 0 = that is none of ours. */
static size_t spec_length(struct span format)
{
	size_t at = 1, digits = 0;

	while (at < format.len && strchr("+-# 0", format.at[at]))
		at++;
	while (at < format.len && isdigit(format.at[at]) && digits++ < 3)
		at++;
	if (at < format.len && format.at[at] == '.')
		for (at++, digits = 0; at < format.len && isdigit(format.at[at]) && digits++ < 2;)
			at++;
	return at < format.len && at < 16 ? at : 0;
}

static int print_format(struct running *running, const struct worth *arg, size_t args,
			struct worth *ret)
{
	struct span format = arg[0].text;
	size_t used = 1;
	struct buf out;
	int error = arg[0].kind == IS_TEXT
			    ? 0
			    : template_refuse(running, "printf takes a format first");

	buf_init(&out, TEMPLATE_OUTPUT_MAX);
	while (format.len && !error) {
		size_t len = format.at[0] == '%' ? spec_length(format) : 0;

		if (!len) {
			buf_char(&out, (char)format.at[0]);
			format = span_from(format, 1);
			continue;
		}
		if (format.at[len] == '%')
			buf_char(&out, '%');
		else if (used < args)
			error = print_verb(running, span_first(format, len), (char)format.at[len],
					   &arg[used++], &out);
		else
			error = template_refuse(
				running, "printf: there are fewer values than % in the format");
		format = span_from(format, len + 1);
	}
	if (!error)
		return give_buf(running, &out, ret);
	buf_done(&out);
	return error;
}

/* clang-format off */
static const struct template_function functions[] = {
	{"query", 1, 1, query}, {"first", 1, 1, first}, {"label", 2, 2, label}, {"value", 1, 1, value},
	{"strvalue", 1, 1, string_value}, {"sortByLabel", 2, 2, sort_by_label},
	{"humanize", 1, 1, template_humanize}, {"humanize1024", 1, 1, template_humanize_1024},
	{"humanizeDuration", 1, 1, template_humanize_duration}, {"humanizePercentage", 1, 1, template_humanize_percentage},
	{"humanizeTimestamp", 1, 1, template_humanize_timestamp}, {"parseDuration", 1, 1, template_parse_duration},
	{"title", 1, 1, title}, {"toUpper", 1, 1, to_upper}, {"toLower", 1, 1, to_lower},
	{"stripPort", 1, 1, strip_port}, {"stripDomain", 1, 1, strip_domain},
	{"match", 2, 2, match}, {"reReplaceAll", 3, 3, replace_all},
	{"safeHtml", 1, 1, as_it_is}, {"graphLink", 1, 1, graph_link}, {"tableLink", 1, 1, table_link},
	{"externalURL", 0, 0, external_url}, {"pathPrefix", 0, 0, path_prefix},
	{"and", 1, -1, and_all}, {"or", 1, -1, or_any}, {"not", 1, 1, not_true}, {"len", 1, 1, length},
	{"index", 2, 2, item_at}, {"eq", 2, -1, equal}, {"ne", 2, 2, unequal}, {"lt", 2, 2, less},
	{"le", 2, 2, at_most}, {"gt", 2, 2, greater}, {"ge", 2, 2, at_least}, {"print", 0, -1, print},
	{"println", 0, -1, print_line}, {"printf", 1, -1, print_format}, {"html", 1, 1, html},
	{"urlquery", 1, 1, urlquery},
};
/* clang-format on */

const struct template_function *template_function(struct span name)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++)
		if (span_is(name, functions[i].name))
			return &functions[i];
	return NULL;
}

const char *template_function_near(struct span name, char ret_name[64])
{
	struct suggestion near = {};

	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++)
		suggest(&near, name, span_of(functions[i].name));
	memcpy(ret_name, near.best, sizeof(near.best));
	return near.best[0] ? ret_name : NULL;
}
