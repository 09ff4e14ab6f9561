/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rules - files of alerting and recording rules, in the format of Prometheus 2.42.
 *
 *	groups:
 *	  - name: requests
 *	    interval: 30s
 *	    rules:
 *	      - alert: ErrorsUp
 *	        expr: rate(sonde_request_errors_total[5m]) > 1
 *	        for: 5m
 *	        labels: {severity: warning}
 *	        annotations: {summary: "{{ $labels.service }} fails {{ $value | humanize }} times a second"}
 *
 * A rule that is wrong is left out, with a sentence that names file, line, and what was probably meant; all others stay.
 */
#pragma once

#include "alert/template.h"
#include "query/promql.h"

enum {
	RULES_BYTES_MAX = 1 << 20, /* of one file */
	RULES_MAX = 2000, /* of all files together */
	RULE_GROUPS_MAX = 200,
	RULE_PAIRS = 24, /* labels, and annotations, of one rule */
};

/* A label or annotation of a rule. */
struct rule_pair {
	struct span name;
	struct span text; /* as it stands in the file */
	const struct template *template;
};

struct rule {
	bool is_record;
	const char *name; /* of the alert; of the metric that is recorded */
	struct span expr; /* as it stands in the file */
	struct promql *query; /* owned */
	int64_t for_ms, keep_firing_ms;
	struct rule_pair *label, *annotation;
	size_t labels, annotations;
	uint32_t line;
};

struct rule_group {
	const char *name, *file;
	int64_t interval_ms;
	uint64_t limit; /* series of a rule at most; 0 = no limit */
	struct rule *rule;
	size_t rules;
};

struct rules {
	struct arena arena; /* all but the queries */
	struct rule_group group[RULE_GROUPS_MAX];
	size_t groups, count; /* count: of rules */
	size_t left_out;
};

struct rules *rules_new(void); /* NULL on no memory */
void rules_free(struct rules *rules);

/* Adds what a file says; `name` is how messages call it. `interval_ms` is that of groups that name none. What is wrong goes into
 * `problems`, one line each: "rules.yml:12: ...". Returns how many were wrong. */
size_t rules_read(struct rules *rules, const char *name, struct span text, int64_t interval_ms,
		  struct buf *problems);
/* A file, or all *.yml and *.yaml of a folder, in the order of their names. A folder that is not there is none; anything else
 * that cannot be read is a problem. */
size_t rules_load(struct rules *rules, const char *path, int64_t interval_ms, struct buf *problems);
