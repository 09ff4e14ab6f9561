// SPDX-License-Identifier: GPL-2.0-only
/* labels - a set of labels as one piece of bytes. */
#include "store/labels.h"

#include <errno.h>
#include <stdlib.h>

static bool is_name(struct span name)
{
	return span_is(name, "__name__");
}

static int compare(struct span a, struct span b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len ? memcmp(a.at, b.at, len) : 0;

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int by_name(const void *a, const void *b)
{
	const struct store_label *left = a, *right = b;

	if (is_name(left->name) || is_name(right->name))
		return is_name(right->name) - is_name(left->name);
	return compare(left->name, right->name);
}

int labels_write(const struct store_label *labels, size_t count, struct buf *out)
{
	struct store_label sorted[LABELS_MAX];
	size_t kept = 0, from = out->len;

	for (size_t i = 0; i < count; i++) {
		if (!labels[i].value.len)
			continue;
		if (kept == LABELS_MAX)
			return -E2BIG;
		sorted[kept++] = labels[i];
	}
	qsort(sorted, kept, sizeof(*sorted), by_name);
	for (size_t i = 0; i < kept; i++) {
		if (!sorted[i].name.len || (i && !compare(sorted[i].name, sorted[i - 1].name)))
			return -EINVAL;
		buf_text_span(out, sorted[i].name);
		buf_text_span(out, sorted[i].value);
	}
	return out->full || out->len - from > LABELS_BYTES_MAX ? -E2BIG : 0;
}

bool labels_next(struct reader *reader, struct store_label *ret_label)
{
	if (reader->bad || !reader_left(reader))
		return false;
	ret_label->name = get_text(reader);
	ret_label->value = get_text(reader);
	return !reader->bad;
}

bool labels_valid(struct span set)
{
	struct reader reader = reader_of(set);
	struct store_label label, last = {};
	unsigned count = 0;

	while (labels_next(&reader, &label)) {
		if (!label.name.len || !label.value.len || ++count > LABELS_MAX ||
		    (last.name.len && by_name(&last, &label) >= 0))
			return false;
		last = label;
	}
	return !reader.bad && set.len <= LABELS_BYTES_MAX;
}

struct span labels_value(struct span set, struct span name)
{
	struct reader reader = reader_of(set);
	struct store_label label;

	while (labels_next(&reader, &label))
		if (span_same(label.name, name))
			return label.value;
	return (struct span){};
}

int labels_of_name(struct span name, struct buf *out)
{
	buf_text_span(out, span_of("__name__"));
	buf_text_span(out, name);
	return out->full ? -ENOSPC : 0;
}

int labels_order(struct span a, struct span b)
{
	return compare(a, b);
}

static bool holds(const struct store_matcher *matcher, struct span value)
{
	switch (matcher->op) {
	case MATCHER_EQUAL: return span_same(value, matcher->value);
	case MATCHER_UNEQUAL: return !span_same(value, matcher->value);
	case MATCHER_MATCHES: return matcher->matches(matcher->ctx, value);
	default: return !matcher->matches(matcher->ctx, value);
	}
}

bool labels_match(struct span set, const struct store_matcher *matchers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!holds(&matchers[i], labels_value(set, matchers[i].name)))
			return false;
	return true;
}
