// SPDX-License-Identifier: GPL-2.0-only
/*
 * ask - in the reader's thread: what the expressions of a group come to, with labels and texts.
 *
 * Rules are asked in their order, all for the same moment, and what one records the next can use. Nothing of the loop is
 * touched here but the rules, which do not change while a question is out, and the list of what a rule recorded.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "alert/inside.h"
#include "base/clock.h"

enum { RULE_BUDGET_S = 4, LABELS_MAX = 64 };

/* What the functions below need of a rule. */
struct asking {
	struct ask_job *job;
	struct store *store;
	const struct rule *rule;
	struct rule_state *state;
	struct answer *answer;
};

static int fail(struct asking *asking, const char *text)
{
	const char *copy = arena_str(&asking->job->arena, span_of(text));

	asking->answer->error = copy ? copy : "out of memory";
	return -EINVAL;
}

static int no_memory(struct asking *asking)
{
	fail(asking, "out of memory");
	return -ENOMEM;
}

/* ---- labels ---- */

static int by_name(const void *a, const void *b)
{
	const struct store_label *left = a, *right = b;
	size_t len = left->name.len < right->name.len ? left->name.len : right->name.len;
	int order = len ? memcmp(left->name.at, right->name.at, len) : 0;

	return order ? order
		     : (left->name.len > right->name.len) - (left->name.len < right->name.len);
}

uint64_t texts_hash(const struct store_label *labels, size_t count)
{
	uint64_t hash = 0;

	/* the same in every run: it is the alert's name in the store */
	for (size_t i = 0; i < count; i++) {
		hash = hash_bytes(labels[i].name.at, labels[i].name.len, hash + 1);
		hash = hash_bytes(labels[i].value.at, labels[i].value.len, hash + 1);
	}
	return hash;
}

/* An empty value takes the label away. */
static size_t set_label(struct store_label *label, size_t count, struct span name,
			struct span value)
{
	for (size_t i = 0; i < count; i++)
		if (span_same(label[i].name, name)) {
			label[i].value = value;
			if (!value.len)
				label[i] = label[--count];
			return count;
		}
	if (value.len && count < LABELS_MAX)
		label[count++] = (struct store_label){name, value};
	return count;
}

static struct store_label *keep_labels(struct asking *asking, const struct store_label *label,
				       size_t count)
{
	struct arena *arena = &asking->job->arena;
	struct store_label *kept = arena_new(arena, (count + 1) * sizeof(*kept));

	for (size_t i = 0; kept && i < count; i++) {
		const char *name = arena_str(arena, label[i].name),
			   *value = arena_str(arena, label[i].value);

		if (!name || !value)
			return NULL;
		kept[i] = (struct store_label){{(const uint8_t *)name, label[i].name.len},
					       {(const uint8_t *)value, label[i].value.len}};
	}
	if (kept)
		qsort(kept, count, sizeof(*kept), by_name);
	return kept;
}

/* ---- templates ---- */

static int query_for_template(void *ctx, struct span text, struct arena *arena,
			      struct template_sample **ret_samples, size_t *ret_count,
			      struct err *why)
{
	struct asking *asking = ctx;
	const struct promql_times times = {
		.start_ms = asking->job->time_ms, .step_ms = 1000, .count = 1};
	struct promql_source source = promql_of_store(
		asking->store, clock_monotonic_ns() + RULE_BUDGET_S * 1000000000ull);
	struct promql_result result;
	struct promql *query;
	int error = promql_parse(text, &query, why);

	if (error)
		return error;
	error = promql_run(query, &source, &times, &result, why);
	*ret_samples = error ? NULL
			     : arena_new(arena, (promql_series_count(&result) + 1) *
							sizeof(**ret_samples));
	if (!error && !*ret_samples)
		error = err_set(why, -ENOMEM, "out of memory");
	for (size_t i = 0; !error && i < promql_series_count(&result); i++) {
		struct promql_sample sample;
		struct store_label *label;

		if (!promql_sample_at(&result, i, &sample))
			continue;
		label = keep_labels(asking, sample.label, sample.labels);
		if (!label)
			error = err_set(why, -ENOMEM, "out of memory");
		(*ret_samples)[(*ret_count)++] =
			(struct template_sample){label, sample.labels, sample.value};
	}
	promql_result_done(&result);
	promql_free(query);
	return error;
}

/* A text of the rule for this sample; what goes wrong stands in the text, as in Prometheus. */
static struct span expand(struct asking *asking, const struct rule_pair *pair,
			  const struct promql_sample *sample)
{
	struct template_facts facts = {
		.label = sample->label,
		.labels = sample->labels,
		.value = sample->value,
		.external_url = asking->job->alerts->external_url,
		.query = query_for_template,
		.ctx = asking,
	};
	struct span result = {};
	const char *copy;
	struct err why = {};
	struct buf out;

	if (!pair->template)
		return pair->text;
	buf_init(&out, TEMPLATE_OUTPUT_MAX);
	if (template_run(pair->template, &facts, &asking->job->arena, &out, &why)) {
		buf_clear(&out);
		buf_f(&out, "<error expanding template: %s>", why.text);
	}
	copy = arena_str(&asking->job->arena, buf_as_span(&out));
	if (copy)
		result = (struct span){(const uint8_t *)copy, out.len};
	buf_done(&out);
	return result;
}

/* ---- alerts ---- */

static bool is_there(const struct answer *answer, uint64_t hash)
{
	for (const struct found *found = answer->first; found; found = found->next)
		if (found->hash == hash)
			return true;
	return false;
}

static size_t rule_labels(struct asking *asking, const struct promql_sample *sample,
			  struct store_label *label)
{
	const struct rule *rule = asking->rule;
	size_t count = 0;

	for (size_t i = 0; i < sample->labels && count < LABELS_MAX; i++)
		if (!span_is(sample->label[i].name, "__name__"))
			label[count++] = sample->label[i];
	for (size_t i = 0; i < rule->labels; i++)
		count = set_label(label, count, rule->label[i].name,
				  expand(asking, &rule->label[i], sample));
	return set_label(label, count, span_of(rule->is_record ? "__name__" : "alertname"),
			 span_of(rule->name));
}

static int find_alert(struct asking *asking, const struct promql_sample *sample)
{
	const struct rule *rule = asking->rule;
	struct store_label label[LABELS_MAX], annotation[RULE_PAIRS];
	struct found *found = arena_new(&asking->job->arena, sizeof(*found));
	size_t count = rule_labels(asking, sample, label);

	if (!found)
		return no_memory(asking);
	found->label = keep_labels(asking, label, count);
	for (size_t i = 0; i < rule->annotations; i++)
		annotation[i] = (struct store_label){rule->annotation[i].name,
						     expand(asking, &rule->annotation[i], sample)};
	found->annotation = keep_labels(asking, annotation, rule->annotations);
	if (!found->label || !found->annotation)
		return no_memory(asking);
	found->labels = (uint32_t)count;
	found->annotations = (uint32_t)rule->annotations;
	found->value = sample->value;
	found->hash = texts_hash(found->label, found->labels);
	if (is_there(asking->answer, found->hash))
		return fail(asking,
			    "two series come to the same labels once those of the rule are set");
	found->next = asking->answer->first;
	asking->answer->first = found;
	return ++asking->answer->count > ALERTS_OF_RULE
		       ? fail(asking, "it comes to more than 1000 alerts")
		       : 0;
}

/* ---- what is recorded ---- */

static int record(struct asking *asking, const struct promql_result *result)
{
	size_t series = promql_series_count(result), count = 0;
	struct store_sample *samples =
		malloc((series + asking->state->recorded_count + 1) * sizeof(*samples));
	struct err why = {};
	int error = samples ? 0 : no_memory(asking);

	for (size_t i = 0; i < series && !error; i++) {
		struct store_label label[LABELS_MAX];
		struct promql_sample sample;
		size_t labels;

		if (!promql_sample_at(result, i, &sample))
			continue;
		labels = rule_labels(asking, &sample, label);
		samples[count].series =
			store_series(asking->store, label, labels, SERIES_GAUGE, &why);
		samples[count].value = sample.value;
		if (!samples[count++].series)
			error = fail(asking, why.text);
	}
	if (!error) {
		size_t all = mark_gone(samples, count, &asking->state->recorded,
				       &asking->state->recorded_count);

		for (size_t i = 1; i < count && !error; i++)
			if (samples[i].series == samples[i - 1].series)
				error = fail(asking, "two series come to the same labels once "
						     "those of the rule are set");
		if (!error && all &&
		    store_samples(asking->store, asking->job->time_ms, samples, all, &why) < 0)
			error = fail(asking, why.text);
		asking->answer->count = count;
	}
	free(samples);
	return error;
}

/* ---- a rule, a group ---- */

static void ask_rule(struct asking *asking)
{
	const struct promql_times times = {
		.start_ms = asking->job->time_ms, .step_ms = 1000, .count = 1};
	uint64_t began_ns = clock_monotonic_ns(), limit = asking->job->group->limit;
	struct promql_source source =
		promql_of_store(asking->store, began_ns + RULE_BUDGET_S * 1000000000ull);
	struct promql_result result;
	struct err why = {};
	int error = promql_run(asking->rule->query, &source, &times, &result, &why);

	if (error)
		fail(asking, why.text);
	else if (asking->rule->is_record)
		error = record(asking, &result);
	else
		for (size_t i = 0; !error && i < promql_series_count(&result); i++) {
			struct promql_sample sample;

			if (promql_sample_at(&result, i, &sample))
				error = find_alert(asking, &sample);
		}
	if (!error && limit && asking->answer->count > limit)
		fail(asking, "it comes to more series than the limit of its group");
	promql_result_done(&result);
	asking->answer->seconds = (double)(clock_monotonic_ns() - began_ns) * 1e-9;
}

void ask_group(struct question *question, struct store *store)
{
	struct ask_job *job = (struct ask_job *)question;

	for (size_t i = 0; i < job->group->rules; i++) {
		struct asking asking = {job, store, &job->group->rule[i], &job->state->rule[i],
					&job->answer[i]};

		ask_rule(&asking);
	}
}
