/* SPDX-License-Identifier: GPL-2.0-only */
/* filter_parts - the tree of a filter, shared by the file that makes it and the one that asks it. */
#pragma once

#include "base/addr.h"
#include "base/units.h"
#include "record/filter.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum {
	FILTER_TEXT = 8192, /* bytes of a filter */
	FILTER_NODES = 512,
	FILTER_DEPTH = 40, /* parentheses and nots within each other */
	FILTER_REGEX = 1000, /* bytes of one regular expression */
	FILTER_ARENA = 256 * 1024,
	FILTER_NAMES = 3, /* columns one word may mean: port, local_port, remote_port */
};

enum filter_op {
	FILTER_AND,
	FILTER_OR,
	FILTER_NOT,
	FILTER_IS, /* there, and not false */
	FILTER_EQUALS, /* one of its literals */
	FILTER_LESS,
	FILTER_LESS_EQUAL,
	FILTER_GREATER,
	FILTER_GREATER_EQUAL,
	FILTER_REGEX_FOUND,
};

/* What stands behind an operator, in every form it may be compared in. */
struct literal {
	struct span text;
	const uint8_t *wild; /* for each byte of text: is it a wildcard? NULL = none is */
	bool is_number, is_time, is_network;
	struct quantity number;
	uint64_t time_ns;
	struct network network;
	struct literal *next;
};

struct filter_node {
	enum filter_op op;
	bool negated; /* !=, !~ */
	struct filter_node *left, *right; /* of and, or; not has only left */
	char column[COLUMN_NAME_BYTES];
	uint32_t at; /* where it stands in the text, from 1 */
	uint16_t hint[FILTER_NAMES]; /* where the column was last time */
	struct literal *literal; /* list */
	pcre2_code *regex; /* owned */
	struct filter_node *next; /* all nodes, for filter_free and filter_check */
};

struct filter {
	struct arena arena; /* owns nodes, literals, texts */
	struct filter_node *root, *all;
	uint32_t nodes;
	pcre2_match_data *found; /* owned; made with the first regular expression */
	pcre2_match_context *limits; /* owned */
	uint64_t *gave_up; /* in the arena, so that a const filter can count */
};

/* The columns that a word may mean. Ends with NULL. */
void filter_names(const char *column, const char *ret[FILTER_NAMES + 1]);
