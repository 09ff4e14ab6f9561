// SPDX-License-Identifier: GPL-2.0-only
/* relabel - label_replace, label_join, and what absent() calls that which is not there. */
#include <errno.h>
#include <stdlib.h>

#include "query/call.h"

enum { LABEL_BYTES = 8192 };

/* ---- absent ---- */

/* The labels that the selector demands, each said once only. */
static const struct label_set *demanded(struct evaluation *e, const struct expr *expr)
{
	static const struct label_set none;
	const struct label_set *labels = &none;

	if (expr->kind == EXPR_RANGE)
		expr = expr->arg[0];
	if (expr->kind != EXPR_SELECTOR)
		return labels;
	for (const struct matcher *m = expr->matcher; m && labels; m = m->next) {
		bool twice = false;

		for (const struct matcher *other = expr->matcher; other; other = other->next)
			twice |= other != m && span_same(other->name, m->name);
		if (m->op == MATCHER_EQUAL && !twice && !span_is(m->name, "__name__"))
			labels = labels_with(e, labels, m->name, m->value);
	}
	return labels;
}

static int one_where_absent(struct evaluation *e, const struct expr *of, const bool *there,
			    struct series_set **ret)
{
	struct series_set *set = set_new(e, 1);
	double *value = set ? set_add(e, set, demanded(e, of)) : NULL;

	if (!value)
		return no_memory(e);
	for (size_t k = 0; k < e->times.count; k++)
		if (!there[k])
			value[k] = 1;
	*ret = set;
	return 0;
}

int run_absent(struct evaluation *e, const struct expr *call, struct series_set **ret)
{
	bool *there = arena_new(e->arena, e->times.count * sizeof(*there));
	struct series_set *from;
	int error = there ? eval(e, call->arg[0], &from) : no_memory(e);

	if (error)
		return error;
	for (size_t i = 0; i < from->count; i++)
		for (size_t k = 0; k < e->times.count; k++)
			there[k] |= !is_absent(from->at[i].value[k]);
	return one_where_absent(e, call->arg[0], there, ret);
}

int run_absent_over(struct evaluation *e, const struct expr *call, struct series_set **ret)
{
	const struct expr *range = call->arg[0];
	const struct expr *timed = range->kind == EXPR_RANGE ? range->arg[0] : range;
	bool *there = arena_new(e->arena, e->times.count * sizeof(*there));
	struct points_list list = {};
	int error = there ? points_of(e, range, FIELD_VALUE, &list) : no_memory(e);

	for (size_t i = 0; i < list.count && !error; i++)
		for (size_t k = 0, at = 0; k < e->times.count; k++) {
			const struct points *points = &list.at[i];
			int64_t end = effective_time(e, timed, k);

			while (at < points->count && points->time_ms[at] < end - range->range_ms)
				at++;
			there[k] |= at < points->count && points->time_ms[at] <= end;
		}
	points_list_done(&list);
	return error ? error : one_where_absent(e, range, there, ret);
}

/* ---- label_replace, label_join ---- */

static bool is_label_name(struct span name)
{
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.at[i];

		if (!((c | 0x20) >= 'a' && (c | 0x20) <= 'z') && c != '_' &&
		    !(i && c >= '0' && c <= '9'))
			return false;
	}
	return name.len;
}

static int check_name(struct evaluation *e, struct span name, const char *where)
{
	return is_label_name(name)
		       ? 0
		       : err_set(e->why, -EINVAL, "invalid %s label name in %s: %.*s",
				 strstr(where, "src") ? "source" : "destination",
				 strstr(where, "join") ? "label_join()" : "label_replace()",
				 (int)(name.len < 60 ? name.len : 60), (const char *)name.at);
}

/* Every series with other labels; a new value comes from `value_of`, false = leave it. */
static int relabel(struct evaluation *e, const struct expr *call,
		   int (*value_of)(void *ctx, const struct label_set *labels, struct buf *ret),
		   void *ctx, struct series_set **ret)
{
	struct series_set *set;
	struct buf text;
	int error = eval(e, call->arg[0], &set);

	buf_init(&text, LABEL_BYTES);
	for (size_t i = 0; !error && i < set->count; i++) {
		int found;

		buf_clear(&text);
		found = value_of(ctx, set->at[i].labels, &text);
		if (found < 0)
			error = found;
		if (found > 0) {
			const char *copy = arena_str(e->arena, buf_as_span(&text));

			set->at[i].labels =
				copy ? labels_with(e, set->at[i].labels, call->arg[1]->text,
						   (struct span){(const uint8_t *)copy, text.len})
				     : NULL;
			error = set->at[i].labels ? 0 : no_memory(e);
		}
	}
	buf_done(&text);
	if (error)
		return error;
	*ret = set;
	return set_merge(e, set);
}

struct replacing {
	struct evaluation *e;
	struct span from, with;
	pcre2_code *code;
	struct span subject;
};

static bool is_word(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_';
}

/* What $1, ${1} or $name stands for: nothing when there is no such group. */
static void add_group(const struct replacing *r, struct span name, struct buf *out)
{
	PCRE2_SIZE *place = pcre2_get_ovector_pointer(r->e->found);
	uint32_t pairs = pcre2_get_ovector_count(r->e->found), group = 0;
	char text[64];
	bool is_number = name.len && name.len < 5;

	for (size_t i = 0; i < name.len && is_number; i++) {
		is_number = name.at[i] >= '0' && name.at[i] <= '9';
		group = group * 10 + (uint32_t)(name.at[i] - '0');
	}
	if (!is_number) {
		int number;

		if (name.len >= sizeof(text))
			return;
		memcpy(text, name.at, name.len);
		text[name.len] = 0;
		number = pcre2_substring_number_from_name(r->code, (PCRE2_SPTR8)text);
		if (number <= 0)
			return;
		group = (uint32_t)number;
	}
	if (group < pairs && place[2 * group] != PCRE2_UNSET)
		buf_add(out, r->subject.at + place[2 * group],
			place[2 * group + 1] - place[2 * group]);
}

/* As Go's regexp.Expand reads it. */
static void expand(const struct replacing *r, struct buf *out)
{
	struct span with = r->with;

	for (size_t i = 0; i < with.len;) {
		size_t begin, end;
		bool braced;

		if (with.at[i] != '$' || i + 1 == with.len) {
			buf_char(out, (char)with.at[i++]);
			continue;
		}
		if (with.at[i + 1] == '$') {
			buf_char(out, '$');
			i += 2;
			continue;
		}
		braced = with.at[i + 1] == '{';
		begin = end = i + 1 + braced;
		while (end < with.len && is_word(with.at[end]))
			end++;
		if (end == begin || (braced && (end == with.len || with.at[end] != '}'))) {
			buf_char(out, (char)with.at[i++]); /* no name: a plain $ */
			continue;
		}
		add_group(r, (struct span){with.at + begin, end - begin}, out);
		i = end + braced;
	}
}

static int replace(void *ctx, const struct label_set *labels, struct buf *ret)
{
	struct replacing *r = ctx;

	r->subject = labels_get(labels, r->from);
	if (!r->subject.at)
		r->subject = span_of("");
	if (!regex_matches(r->e, r->code, r->subject))
		return 0;
	expand(r, ret);
	return 1;
}

int run_label_replace(struct evaluation *e, const struct expr *call, struct series_set **ret)
{
	struct replacing r = {.e = e, .with = call->arg[2]->text, .from = call->arg[3]->text};
	struct span pattern = call->arg[4]->text;
	PCRE2_SIZE place;
	struct buf text;
	int error = check_name(e, call->arg[1]->text, "replace dst"), code;

	if (error)
		return error;
	buf_init(&text, LABEL_BYTES);
	buf_str(&text, "^(?:");
	buf_span(&text, pattern);
	buf_str(&text, ")$");
	if (!text.full)
		r.code = pcre2_compile((PCRE2_SPTR8)buf_text(&text), text.len,
				       PCRE2_DOLLAR_ENDONLY | PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C,
				       &code, &place, NULL);
	buf_done(&text);
	if (!r.code)
		return err_set(
			e->why, -EINVAL, "invalid regular expression in label_replace(): %.*s",
			(int)(pattern.len < 200 ? pattern.len : 200), (const char *)pattern.at);
	error = relabel(e, call, replace, &r, ret);
	pcre2_code_free(r.code);
	return error;
}

static int join(void *ctx, const struct label_set *labels, struct buf *ret)
{
	const struct expr *call = ctx;

	for (size_t i = 3; i < call->args; i++) {
		if (i > 3)
			buf_span(ret, call->arg[2]->text);
		buf_span(ret, labels_get(labels, call->arg[i]->text));
	}
	return 1;
}

int run_label_join(struct evaluation *e, const struct expr *call, struct series_set **ret)
{
	int error = check_name(e, call->arg[1]->text, "join dst");

	for (size_t i = 3; i < call->args && !error; i++)
		error = check_name(e, call->arg[i]->text, "join src");
	return error ? error : relabel(e, call, join, (void *)call, ret);
}
