// SPDX-License-Identifier: GPL-2.0-only
/* totals - what becomes of many exchanges. Places are never given back: a hash leads to each, an index stays valid. */
#include "items/app/requests/totals.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { TRACEPARENT_BYTES = 55 }; /* version-traceid-spanid-flags (W3C Trace Context 3.2) */

int totals_init(struct totals *totals, uint64_t now_ns)
{
	*totals = (struct totals){.turned_ns = {now_ns, now_ns}};
	map_init(&totals->who_places, 8, 4, TOTAL_WHO);
	map_init(&totals->group_places, 8, 4, TOTAL_GROUPS);
	map_init(&totals->operation_places, 8, 4, TOTAL_OPERATIONS + TOTAL_GROUPS);
	totals->who = calloc(TOTAL_WHO, sizeof(*totals->who));
	totals->group = calloc(TOTAL_GROUPS, sizeof(*totals->group));
	totals->operation = calloc(TOTAL_OPERATIONS + TOTAL_GROUPS, sizeof(*totals->operation));
	if (totals->who && totals->group && totals->operation)
		return 0;
	totals_done(totals);
	return -ENOMEM;
}

static void free_operation(struct total_operation *operation)
{
	free(operation->operation);
	free(operation->resource);
	free(operation->status);
	for (int i = 0; i < 2; i++)
		sketch_done(&operation->recent[i]);
}

static void free_who(struct total_who *who)
{
	free(who->process);
	free(who->container);
	free(who->pod);
	free(who->namespace);
	free(who->service);
}

void totals_done(struct totals *totals)
{
	for (uint32_t i = 0; i < totals->operations; i++)
		free_operation(&totals->operation[i]);
	for (uint32_t i = 0; i < totals->whos; i++)
		free_who(&totals->who[i]);
	free(totals->who);
	free(totals->group);
	free(totals->operation);
	map_done(&totals->who_places);
	map_done(&totals->group_places);
	map_done(&totals->operation_places);
	*totals = (struct totals){};
}

static uint64_t hash_span(struct span span, uint64_t seed)
{
	return hash_bytes(span.at, span.len, seed ^ span.len);
}

static char *text_of(struct span span)
{
	return span.len ? strndup((const char *)span.at, span.len) : NULL;
}

uint32_t totals_who(struct totals *totals, const struct who *who)
{
	uint64_t hash = hash_seed();
	bool is_new;
	uint32_t *place;

	hash = hash_span(who->process, hash);
	hash = hash_span(who->container, hash);
	hash = hash_span(who->pod, hash);
	hash = hash_span(who->namespace, hash);
	hash = hash_span(who->service, hash);
	place = map_put(&totals->who_places, &hash, &is_new);
	if (!place)
		return UINT32_MAX;
	if (is_new) {
		*place = totals->whos++;
		totals->who[*place] = (struct total_who){
			.process = text_of(who->process),
			.container = text_of(who->container),
			.pod = text_of(who->pod),
			.namespace = text_of(who->namespace),
			.service = text_of(who->service),
		};
	}
	totals->who[*place].pid = who->pid;
	return *place;
}

/* ---- places ---- */

static struct total_group *group_of(struct totals *totals, const struct total_entry *entry,
				    uint32_t *ret_place)
{
	uint64_t hash = hash_bytes(entry->protocol, strlen(entry->protocol),
				   hash_seed() ^ entry->who << 2 ^ entry->side);
	bool is_new;
	uint32_t *place = map_put(&totals->group_places, &hash, &is_new);

	if (!place)
		return NULL;
	if (is_new) {
		*place = totals->groups++;
		totals->group[*place] = (struct total_group){
			.who = entry->who,
			.side = entry->side,
			.protocol = entry->protocol,
		};
	}
	*ret_place = *place;
	return &totals->group[*place];
}

static struct total_operation *make_operation(struct totals *totals, uint32_t *place,
					      uint32_t group)
{
	struct total_operation *operation = &totals->operation[totals->operations];

	*place = totals->operations++;
	*operation = (struct total_operation){.group = group, .min_ns = UINT64_MAX};
	return operation;
}

/* One of each group takes what has no place of its own. */
static struct total_operation *overflow_of(struct totals *totals, uint32_t group)
{
	uint64_t hash = hash_bytes(&group, sizeof(group), ~hash_seed());
	struct total_operation *operation;
	bool is_new;
	uint32_t *place = map_put(&totals->operation_places, &hash, &is_new);

	if (!place)
		return NULL;
	if (!is_new)
		return &totals->operation[*place];
	operation = make_operation(totals, place, group);
	operation->is_overflow = true;
	return operation;
}

/* One that has become another may be met again: what was under way when its name became known. */
static struct total_operation *revive(struct total_operation *operation,
				      const struct total_entry *entry)
{
	if (!operation->is_gone)
		return operation;
	operation->is_gone = false;
	operation->min_ns = UINT64_MAX;
	operation->operation = text_of(entry->operation);
	operation->resource = text_of(entry->resource);
	return operation;
}

static struct total_operation *operation_of(struct totals *totals, uint32_t group_place,
					    const struct total_entry *entry)
{
	struct total_group *group = &totals->group[group_place];
	uint64_t hash = hash_bytes(&group_place, sizeof(group_place), hash_seed());
	struct total_operation *operation;
	uint32_t *place;

	hash = hash_span(entry->resource, hash_span(entry->operation, hash));
	place = map_get(&totals->operation_places, &hash);
	if (place)
		return revive(&totals->operation[*place], entry);
	if (group->operations < TOTAL_OF_GROUP && totals->operations < TOTAL_OPERATIONS)
		place = map_put(&totals->operation_places, &hash, NULL);
	if (!place) {
		totals->overflowed++;
		return overflow_of(totals, group_place);
	}
	group->operations++;
	operation = make_operation(totals, place, group_place);
	operation->operation = text_of(entry->operation);
	operation->resource = text_of(entry->resource);
	return operation;
}

static struct total_status *status_of(struct total_operation *operation, struct span text)
{
	struct total_status *status, *more;

	text = span_first(text, TOTAL_STATUS_BYTES - 1);
	for (uint32_t i = 0; i < operation->statuses; i++)
		if (span_is(text, operation->status[i].text))
			return &operation->status[i];
	if (operation->statuses == TOTAL_STATUSES)
		return &operation->status[TOTAL_STATUSES - 1];
	more = realloc(operation->status, (operation->statuses + 1) * sizeof(*more));
	if (!more)
		return NULL;
	operation->status = more;
	status = &more[operation->statuses++];
	*status = (struct total_status){};
	if (text.len && operation->statuses < TOTAL_STATUSES)
		memcpy(status->text, text.at, text.len);
	return status;
}

/* ---- counting ---- */

static void slots_add(struct slots *slots, uint64_t ns)
{
	unsigned slot = ns <= 1 ? 0 : 64 - (unsigned)__builtin_clzll(ns - 1);

	slots->slot[slot < METRIC_SLOTS ? slot : METRIC_SLOTS - 1]++;
	slots->sum += ns;
}

static void add_times(struct total_group *group, struct total_operation *operation,
		      const struct outcome *outcome)
{
	for (int i = 0; i < PHASES; i++) {
		if (!(outcome->phases >> i & 1))
			continue;
		operation->phase_ns[i] += outcome->phase_ns[i];
		slots_add(&group->phase[i], outcome->phase_ns[i]);
	}
	if (!outcome->exchange->has_response)
		return;
	operation->sum_ns += outcome->duration_ns;
	if (outcome->duration_ns < operation->min_ns)
		operation->min_ns = outcome->duration_ns;
	if (outcome->duration_ns > operation->max_ns)
		operation->max_ns = outcome->duration_ns;
	sketch_add(&operation->recent[0], (double)outcome->duration_ns);
}

/* The slowest since metrics were read last stands for the others. */
static void note_example(struct total_status *status, const struct total_entry *entry)
{
	const struct outcome *outcome = entry->outcome;
	struct span trace = outcome->exchange->request.chosen[CHOSEN_TRACEPARENT];
	struct total_example *example = &status->example;

	if (example->id[0] && outcome->duration_ns <= example->ns)
		return;
	example->ns = outcome->duration_ns;
	example->ktime_ns = outcome->began_ns;
	example->is_trace = trace.len >= TRACEPARENT_BYTES;
	if (example->is_trace)
		snprintf(example->id, sizeof(example->id), "%.32s", (const char *)trace.at + 3);
	else
		snprintf(example->id, sizeof(example->id), "%llu",
			 (unsigned long long)entry->connection);
}

bool totals_knows(const struct totals *totals, const struct total_place *place)
{
	return place->operation && !totals->operation[place->operation - 1].is_gone;
}

void totals_add_at(struct totals *totals, const struct total_entry *entry,
		   const struct total_place *place)
{
	struct total_operation *operation = &totals->operation[place->operation - 1];
	struct total_group *group = &totals->group[operation->group];
	struct total_status *status = &operation->status[place->status - 1];

	status->count++;
	status->errors += entry->is_error;
	operation->count++;
	operation->errors += entry->is_error;
	operation->request_bytes += entry->request_bytes;
	operation->response_bytes += entry->response_bytes;
	group->request_bytes += entry->request_bytes;
	group->response_bytes += entry->response_bytes;
	if (entry->outcome->exchange->has_response) {
		slots_add(&status->duration, entry->outcome->duration_ns);
		note_example(status, entry);
	}
	add_times(group, operation, entry->outcome);
}

void totals_add(struct totals *totals, const struct total_entry *entry,
		struct total_place *ret_place)
{
	uint32_t place;
	struct total_group *group = group_of(totals, entry, &place);
	struct total_operation *operation = group ? operation_of(totals, place, entry) : NULL;
	struct total_status *status = operation ? status_of(operation, entry->status) : NULL;

	*ret_place = (struct total_place){};
	if (!status) {
		totals->refused++;
		return;
	}
	ret_place->operation = (uint32_t)(operation - totals->operation) + 1;
	ret_place->status = (uint32_t)(status - operation->status) + 1;
	totals_add_at(totals, entry, ret_place);
}

/* ---- what goes on ---- */

void totals_open(struct totals *totals, const struct total_entry *entry)
{
	uint32_t place;
	struct total_group *group = group_of(totals, entry, &place);
	struct total_operation *operation = group ? operation_of(totals, place, entry) : NULL;

	if (operation)
		operation->open++;
}

void totals_close_all(struct totals *totals)
{
	for (uint32_t i = 0; i < totals->operations; i++)
		totals->operation[i].open = 0;
}

/* ---- names that become known ---- */

static void merge_status(struct total_operation *to, const struct total_status *from)
{
	struct total_status *status = status_of(to, span_of(from->text));

	if (!status)
		return;
	status->count += from->count;
	status->errors += from->errors;
	for (int i = 0; i < METRIC_SLOTS; i++)
		status->duration.slot[i] += from->duration.slot[i];
	status->duration.sum += from->duration.sum;
	if (from->example.ns >= status->example.ns)
		status->example = from->example;
}

static void merge_operation(struct total_operation *to, struct total_operation *from)
{
	for (uint32_t i = 0; i < from->statuses; i++)
		merge_status(to, &from->status[i]);
	for (int i = 0; i < 2; i++)
		sketch_merge(&to->recent[i], &from->recent[i]);
	for (int i = 0; i < PHASES; i++)
		to->phase_ns[i] += from->phase_ns[i];
	to->count += from->count;
	to->errors += from->errors;
	to->sum_ns += from->sum_ns;
	to->min_ns = from->min_ns < to->min_ns ? from->min_ns : to->min_ns;
	to->max_ns = from->max_ns > to->max_ns ? from->max_ns : to->max_ns;
	to->request_bytes += from->request_bytes;
	to->response_bytes += from->response_bytes;
}

uint32_t totals_rename(struct totals *totals, const char *protocol, struct span old,
		       struct span operation, struct span resource, totals_moves each, void *ctx)
{
	uint32_t moved = 0, operations = totals->operations;

	for (uint32_t i = 0; i < operations; i++) {
		struct total_operation *from = &totals->operation[i], *to;
		struct total_entry entry = {.resource = resource};

		if (from->is_gone || !from->resource || !span_is(old, from->resource) ||
		    strcmp(totals->group[from->group].protocol, protocol) != 0)
			continue;
		entry.operation =
			operation.len || !from->operation ? operation : span_of(from->operation);
		to = operation_of(totals, from->group, &entry);
		if (!to)
			continue;
		each(ctx, from);
		merge_operation(to, from);
		free_operation(from);
		*from = (struct total_operation){.group = from->group, .is_gone = true};
		moved++;
	}
	return moved;
}

static struct total_mark mark_of(const struct total_operation *operation)
{
	struct total_mark mark = {.count = operation->count};

	memcpy(mark.phase_ns, operation->phase_ns, sizeof(mark.phase_ns));
	return mark;
}

double totals_rate(const struct totals *totals, const struct total_operation *operation,
		   uint64_t now_ns)
{
	uint64_t since_ns = totals->turned_ns[1];

	return now_ns > since_ns ? (double)(operation->count - operation->mark[1].count) * 1e9 /
					   (double)(now_ns - since_ns)
				 : 0;
}

uint64_t totals_mean(const struct total_operation *operation, enum phase phase)
{
	uint64_t count = operation->count - operation->mark[1].count;

	return count ? (operation->phase_ns[phase] - operation->mark[1].phase_ns[phase]) / count
		     : 0;
}

void totals_turn(struct totals *totals, uint64_t now_ns)
{
	totals->turned_ns[1] = totals->turned_ns[0];
	totals->turned_ns[0] = now_ns;
	for (uint32_t i = 0; i < totals->operations; i++) {
		struct total_operation *operation = &totals->operation[i];

		sketch_done(&operation->recent[1]);
		operation->recent[1] = operation->recent[0];
		operation->recent[0] = (struct sketch){};
		operation->mark[1] = operation->mark[0];
		operation->mark[0] = mark_of(operation);
	}
}

size_t totals_bytes(const struct totals *totals)
{
	size_t bytes = TOTAL_WHO * sizeof(*totals->who) + TOTAL_GROUPS * sizeof(*totals->group) +
		       (TOTAL_OPERATIONS + TOTAL_GROUPS) * sizeof(*totals->operation);

	for (uint32_t i = 0; i < totals->operations; i++) {
		const struct total_operation *operation = &totals->operation[i];

		bytes += operation->statuses * sizeof(*operation->status) +
			 sketch_bytes(&operation->recent[0]) + sketch_bytes(&operation->recent[1]);
	}
	return bytes + map_bytes(&totals->operation_places);
}
