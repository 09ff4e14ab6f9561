/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * template - the texts of alert rules: `{{ $labels.device }} is {{ $value | humanizePercentage }} full`.
 *
 * The language is that of Go's text/template as Prometheus uses it: $labels, $value, .Labels, .Value, pipelines, if, with,
 * range, variables, and Prometheus' functions (template_functions.c lists them). A text is read once, when the rules are,
 * so that a mistake is found then, and run for each alert.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "store/series.h"

struct template;

enum {
	TEMPLATE_BYTES_MAX = 16 * 1024, /* of a text */
	TEMPLATE_OUTPUT_MAX = 8 * 1024, /* of what it comes to; cut beyond */
	TEMPLATE_DEPTH = 24, /* of parentheses and blocks */
	TEMPLATE_STEPS = 20000, /* of one run */
};

/* Everything is in the arena. -EINVAL: `why` says what is wrong at which byte; -ENOMEM. */
int template_read(struct span text, struct arena *arena, const struct template **ret_template,
		  struct err *why);

/* One number with its labels: what an expression came to. */
struct template_sample {
	const struct store_label *label;
	size_t labels;
	double value;
};

struct template_facts {
	const struct store_label *label;
	size_t labels;
	double value;
	const char *external_url; /* "" if not set */
	/* Answers `query "..."`; NULL = there is nobody to ask. Samples live in the arena. */
	int (*query)(void *ctx, struct span text, struct arena *arena,
		     struct template_sample **ret_samples, size_t *ret_count, struct err *why);
	void *ctx;
};

/* Appends to `out`. -EINVAL: something cannot be done with what is there; -ENOMEM; -E2BIG: it does not end. */
int template_run(const struct template *template, const struct template_facts *facts,
		 struct arena *arena, struct buf *out, struct err *why);
