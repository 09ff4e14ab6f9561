// SPDX-License-Identifier: GPL-2.0-only
/*
 * remember - alerts in the store: as notes, so that a restart does not forget them, and as series, so that they can be drawn.
 *
 * A note is written when a state changes, and at every answer for what is pending: for how long it has been so. Its key is
 * made of group and name of the rule and the labels of the alert. The loop packs what is to be written, the reader writes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "alert/inside.h"
#include "base/clock.h"
#include "base/json_read.h"

enum { NOTE_BYTES = 64 * 1024, SAVE_ARENA = 32 << 20, NOTE_ARENA = 512 * 1024, LABELS_MAX = 64 };
#define NOTE_KIND "alert"
#define GONE_BITS 0x7ff0000000000002u /* value.StaleNaN of Prometheus */

struct memory {
	struct memory *next;
	char key[NOTE_KEY];
	struct alert *alert; /* owned */
};

static uint64_t rule_hash(const struct rule_group *group, const struct rule *rule)
{
	uint64_t hash = hash_bytes(group->name, strlen(group->name), 7);

	return hash_bytes(rule->name, strlen(rule->name), hash);
}

static void key_of(const struct rule_group *group, const struct rule *rule, uint64_t hash,
		   char ret[NOTE_KEY + 1])
{
	snprintf(ret, NOTE_KEY + 1, "%016llx-%016llx", (unsigned long long)rule_hash(group, rule),
		 (unsigned long long)hash);
}

void forget_note(struct alerts *alerts, const struct rule_group *group, const struct rule *rule,
		 const struct alert *alert)
{
	char key[NOTE_KEY + 1];

	key_of(group, rule, alert->hash, key);
	buf_add(&alerts->forgotten, key, NOTE_KEY);
}

/* ---- what the last run knew ---- */

static struct alert *take_memory(struct memory **at)
{
	struct memory *memory = *at;
	struct alert *alert = memory->alert;

	*at = memory->next;
	free(memory);
	return alert;
}

struct alert *memory_take(struct alerts *alerts, const struct rule_group *group,
			  const struct rule *rule, uint64_t hash)
{
	char key[NOTE_KEY + 1];

	if (!alerts->memory)
		return NULL;
	key_of(group, rule, hash, key);
	for (struct memory **at = &alerts->memory; *at; at = &(*at)->next)
		if (!memcmp((*at)->key, key, NOTE_KEY))
			return take_memory(at);
	return NULL;
}

struct alert *memory_take_any(struct alerts *alerts, const struct rule_group *group,
			      const struct rule *rule)
{
	char key[NOTE_KEY + 1];

	if (!alerts->memory)
		return NULL;
	key_of(group, rule, 0, key);
	for (struct memory **at = &alerts->memory; *at; at = &(*at)->next)
		if (!memcmp((*at)->key, key, 17))
			return take_memory(at);
	return NULL;
}

void memory_free(struct alerts *alerts)
{
	while (alerts->memory)
		alert_free(take_memory(&alerts->memory));
}

struct load_job {
	struct question question; /* first: a job is found by it */
	struct alerts *alerts;
	struct memory *memory; /* owned: what was read */
	size_t count;
};

static struct texts *read_texts(const struct json_node *node)
{
	struct store_label label[LABELS_MAX];
	size_t count = 0;

	for (const struct json_node *member = node ? node->child : NULL;
	     member && count < LABELS_MAX; member = member->next)
		label[count++] = (struct store_label){member->key, member->text};
	return texts_copy(label, count);
}

static uint64_t read_u64(const struct json_node *node, const char *name)
{
	uint64_t value = 0;

	json_node_u64(json_get(node, name), &value);
	return value;
}

static struct alert *read_note(const struct json_node *node)
{
	struct alert *alert = calloc(1, sizeof(*alert));
	const char *state = json_get_text(node, "state");

	if (!alert || !state) {
		free(alert);
		return NULL;
	}
	alert->state = !strcmp(state, "firing")     ? ALERT_FIRING
		       : !strcmp(state, "resolved") ? ALERT_RESOLVED
						    : ALERT_PENDING;
	alert->active_ns = read_u64(node, "active_ns");
	alert->fired_ns = read_u64(node, "fired_ns");
	alert->resolved_ns = read_u64(node, "resolved_ns");
	alert->held_ms = (int64_t)read_u64(node, "held_ms");
	alert->lacked_ms = -1;
	json_node_double(json_get(node, "value"), &alert->value);
	alert->labels = read_texts(json_get(node, "labels"));
	alert->annotations = read_texts(json_get(node, "annotations"));
	if (alert->labels && alert->annotations) {
		alert->hash = texts_hash(alert->labels->at, alert->labels->count);
		return alert;
	}
	alert_free(alert);
	return NULL;
}

static int take_note(void *ctx, struct span key, struct span value, int64_t changed_ns)
{
	struct load_job *job = ctx;
	const struct json_node *node;
	struct memory *memory = NULL;
	struct alert *alert = NULL;
	struct arena arena;

	if (key.len != NOTE_KEY || job->count >= ALERTS_OF_ALL)
		return 0;
	arena_init(&arena, NOTE_ARENA);
	if (!json_read(value, &arena, &node, NULL))
		alert = read_note(node);
	arena_done(&arena);
	if (alert)
		memory = calloc(1, sizeof(*memory));
	if (!memory) {
		alert_free(alert);
		return 0;
	}
	memcpy(memory->key, key.at, NOTE_KEY);
	memory->alert = alert;
	memory->next = job->memory;
	job->memory = memory;
	job->count++;
	return 0;
}

static void load_notes(struct question *question, struct store *store)
{
	store_notes(store, NOTE_KIND, take_note, question);
}

static void loaded(struct question *question)
{
	struct load_job *job = (struct load_job *)question;
	struct alerts *alerts = job->alerts;

	alerts->memory = job->memory;
	alerts->has_loaded = true;
	free(job);
	alerts_go_on(alerts);
}

bool remember_load(struct alerts *alerts)
{
	struct load_job *job = calloc(1, sizeof(*job));

	if (!job)
		return false;
	job->question.work = load_notes;
	job->question.done = loaded;
	job->alerts = alerts;
	if (!history_ask(alerts->options.history, &job->question, NULL))
		return true;
	free(job);
	return false;
}

/* ---- what this run knows ---- */

struct note {
	struct note *next;
	const char *key;
	struct span value; /* .at NULL = it goes */
};

struct series_value {
	struct store_label *label;
	size_t labels;
	double value;
};

struct save_job {
	struct question question; /* first: a job is found by it */
	struct alerts *alerts;
	struct group_state *state;
	int64_t time_ms;
	struct arena arena;
	struct note *note;
	struct series_value *series;
	size_t count;
};

void texts_json(const struct store_label *labels, size_t count, struct json *json)
{
	char name[256];

	json_object(json);
	for (size_t i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%.*s", (int)labels[i].name.len,
			 (const char *)labels[i].name.at);
		json_key(json, name);
		json_span(json, labels[i].value);
	}
	json_object_end(json);
}

static void write_note(const struct alert *alert, struct buf *out)
{
	struct json json = {.out = out};

	json_object(&json);
	json_key_str(&json, "state", alert_state_name(alert->state));
	json_key_u64(&json, "active_ns", alert->active_ns);
	json_key_u64(&json, "fired_ns", alert->fired_ns);
	json_key_u64(&json, "resolved_ns", alert->resolved_ns);
	json_key_u64(&json, "held_ms", (uint64_t)alert->held_ms);
	json_key_double(&json, "value", alert->value);
	json_key(&json, "labels");
	texts_json(alert->labels->at, alert->labels->count, &json);
	json_key(&json, "annotations");
	texts_json(alert->annotations->at, alert->annotations->count, &json);
	json_object_end(&json);
}

static void add_note(struct save_job *job, struct span key, struct span value)
{
	struct note *note = arena_new(&job->arena, sizeof(*note));
	const char *copy = value.len ? arena_str(&job->arena, value) : NULL;

	if (!note || !(note->key = arena_str(&job->arena, key)) || (value.len && !copy))
		return;
	note->value = (struct span){(const uint8_t *)copy, value.len};
	note->next = job->note;
	job->note = note;
}

static void save_alert(struct save_job *job, const struct rule_group *group,
		       const struct rule *rule, struct alert *alert)
{
	char key[NOTE_KEY + 1];
	struct buf text;

	key_of(group, rule, alert->hash, key);
	buf_init(&text, NOTE_BYTES);
	write_note(alert, &text);
	if (!text.full)
		add_note(job, span_of(key), buf_as_span(&text));
	buf_done(&text);
	alert->is_changed = false;
}

/* name{labels} value, with one label more where `state` says so */
static void add_series(struct save_job *job, const char *name, const char *state,
		       const struct texts *labels, double value)
{
	struct series_value *series = &job->series[job->count];
	struct store_label *label = arena_new(&job->arena, (labels->count + 2) * sizeof(*label));

	if (!label)
		return;
	label[series->labels++] = (struct store_label){span_of("__name__"), span_of(name)};
	if (state)
		label[series->labels++] =
			(struct store_label){span_of("alertstate"), span_of(state)};
	for (uint32_t i = 0; i < labels->count; i++) {
		const char *to[] = {arena_str(&job->arena, labels->at[i].name),
				    arena_str(&job->arena, labels->at[i].value)};

		if (!to[0] || !to[1])
			return;
		label[series->labels++] = (struct store_label){span_of(to[0]), span_of(to[1])};
	}
	series->label = label;
	series->value = value;
	job->count++;
}

static void pack_alert(struct save_job *job, const struct rule_group *group,
		       const struct rule *rule, struct alert *alert)
{
	if (alert->is_changed)
		save_alert(job, group, rule, alert);
	if (alert->state != ALERT_PENDING && alert->state != ALERT_FIRING)
		return;
	add_series(job, "ALERTS", alert_state_name(alert->state), alert->labels, 1);
	add_series(job, "ALERTS_FOR_STATE", NULL, alert->labels,
		   (double)(alert->active_ns / 1000000000));
}

static void pack_group(struct save_job *job, const struct rule_group *group,
		       struct group_state *state)
{
	struct span keys = buf_as_span(&job->alerts->forgotten);

	for (; keys.len; keys = span_from(keys, NOTE_KEY))
		add_note(job, span_first(keys, NOTE_KEY), (struct span){});
	buf_clear(&job->alerts->forgotten);
	for (size_t i = 0; i < group->rules; i++)
		for (struct alert *alert = state->rule[i].first; alert; alert = alert->next)
			pack_alert(job, group, &group->rule[i], alert);
}

static int by_handle(const void *a, const void *b)
{
	const struct store_sample *left = a, *right = b;

	return (left->series > right->series) - (left->series < right->series);
}

size_t mark_gone(struct store_sample *samples, size_t count, store_series_handle **recorded,
		 size_t *recorded_count)
{
	store_series_handle *now = malloc((count + 1) * sizeof(*now));
	const uint64_t bits = GONE_BITS;
	size_t used = count;

	qsort(samples, count, sizeof(*samples), by_handle);
	for (size_t i = 0; i < *recorded_count; i++) {
		const struct store_sample wanted = {.series = (*recorded)[i]};

		if (bsearch(&wanted, samples, count, sizeof(*samples), by_handle))
			continue;
		samples[used].series = wanted.series;
		memcpy(&samples[used++].value, &bits, sizeof(bits));
	}
	for (size_t i = 0; now && i < count; i++)
		now[i] = samples[i].series;
	free(*recorded);
	*recorded = now;
	*recorded_count = now ? count : 0;
	return used;
}

static void save_series(struct save_job *job, struct store *store)
{
	struct group_state *state = job->state;
	struct store_sample *samples =
		malloc((job->count + state->recorded_count + 1) * sizeof(*samples));
	size_t count = 0;

	for (size_t i = 0; samples && i < job->count; i++) {
		const struct series_value *series = &job->series[i];

		samples[count].series =
			store_series(store, series->label, series->labels, SERIES_GAUGE, NULL);
		samples[count].value = series->value;
		count += samples[count].series != 0;
	}
	if (samples) {
		count = mark_gone(samples, count, &state->recorded, &state->recorded_count);
		if (count)
			store_samples(store, job->time_ms, samples, count, NULL);
	}
	free(samples);
}

static void save(struct question *question, struct store *store)
{
	struct save_job *job = (struct save_job *)question;

	for (const struct note *note = job->note; note; note = note->next)
		if (note->value.at)
			store_put_note(store, NOTE_KIND, span_of(note->key), note->value);
		else
			store_drop_note(store, NOTE_KIND, span_of(note->key));
	save_series(job, store);
}

static void save_free(struct save_job *job)
{
	arena_done(&job->arena);
	free(job->series);
	free(job);
}

static void saved(struct question *question)
{
	struct save_job *job = (struct save_job *)question;
	struct alerts *alerts = job->alerts;

	save_free(job);
	alerts_go_on(alerts);
}

bool remember(struct alerts *alerts, const struct rule_group *group, struct group_state *state,
	      int64_t time_ms)
{
	struct save_job *job = calloc(1, sizeof(*job));
	size_t count = 0;

	for (size_t i = 0; i < group->rules; i++)
		count += state->rule[i].alerts;
	if (job)
		job->series = calloc(2 * count + 1, sizeof(*job->series));
	if (!job || !job->series) {
		free(job);
		return false;
	}
	job->question.work = save;
	job->question.done = saved;
	job->alerts = alerts;
	job->state = state;
	job->time_ms = time_ms;
	arena_init(&job->arena, SAVE_ARENA);
	pack_group(job, group, state);
	if ((job->note || job->count || state->recorded_count) &&
	    !history_ask(alerts->options.history, &job->question, NULL))
		return true;
	save_free(job);
	return false;
}
