// SPDX-License-Identifier: GPL-2.0-only
/*
 * judge - what was found changes states. In the loop.
 *
 * How long an alert has been found is counted from answer to answer with the steady clock, so a step of the wall clock neither makes
 * an alert fire nor keeps it from it. A rule that could not be asked says nothing: its alerts stay as they are.
 */
#include <stdlib.h>

#include "alert/inside.h"
#include "base/clock.h"

struct texts *texts_copy(const struct store_label *labels, size_t count)
{
	size_t bytes = sizeof(struct texts) + count * sizeof(*labels);
	struct texts *texts;
	uint8_t *at;

	for (size_t i = 0; i < count; i++)
		bytes += labels[i].name.len + labels[i].value.len + 2;
	texts = calloc(1, bytes);
	if (!texts)
		return NULL;
	at = (uint8_t *)&texts->at[count];
	for (size_t i = 0; i < count; i++) {
		const struct span *from[] = {&labels[i].name, &labels[i].value};
		struct span *to[] = {&texts->at[i].name, &texts->at[i].value};

		for (int k = 0; k < 2; k++) {
			*to[k] = (struct span){at, from[k]->len};
			if (from[k]->len)
				memcpy(at, from[k]->at, from[k]->len);
			at += from[k]->len + 1;
		}
	}
	texts->count = (uint32_t)count;
	return texts;
}

void alert_free(struct alert *alert)
{
	if (!alert)
		return;
	free(alert->labels);
	free(alert->annotations);
	free(alert);
}

/* What the functions below need. */
struct judging {
	struct alerts *alerts;
	const struct rule_group *group;
	const struct rule *rule;
	struct rule_state *state;
	uint64_t now_ns; /* wall clock: the moment that was asked about */
	int64_t passed_ms; /* since the last answer */
	uint64_t holds_ns; /* until when Alertmanagers shall believe what they are told */
};

static void tell_receivers(struct judging *judging, const struct alert *alert, bool is_change)
{
	const struct notice notice = {
		.label = alert->labels->at,
		.labels = alert->labels->count,
		.annotation = alert->annotations->at,
		.annotations = alert->annotations->count,
		.hash = alert->hash,
		.starts_ns = alert->fired_ns,
		.ends_ns = alert->resolved_ns,
		.holds_until_ns = judging->holds_ns,
		.is_change = is_change,
	};

	if (notifier_has_receivers(judging->alerts->notifier))
		notify(judging->alerts->notifier, &notice);
}

static void tell_again(struct judging *judging, struct alert *alert)
{
	uint64_t now_ns = clock_monotonic_ns();

	if (now_ns - alert->told_ns < NOTIFY_AGAIN_S * 1000000000ull)
		return;
	alert->told_ns = now_ns;
	tell_receivers(judging, alert, false);
}

static void enter(struct judging *judging, struct alert *alert, enum alert_state state)
{
	alert->state = state;
	if (state == ALERT_FIRING)
		alert->fired_ns = judging->now_ns;
	if (state == ALERT_RESOLVED)
		alert->resolved_ns = judging->now_ns;
	alert->is_changed = true;
	tell_change(judging->alerts, judging->group, judging->rule, alert, state);
	if (state != ALERT_FIRING && state != ALERT_RESOLVED)
		return;
	alert->told_ns = clock_monotonic_ns();
	tell_receivers(judging, alert, true);
}

static bool set_texts(struct alert *alert, const struct found *found)
{
	struct texts *annotations = texts_copy(found->annotation, found->annotations);

	if (!alert->labels)
		alert->labels = texts_copy(found->label, found->labels);
	if (!annotations || !alert->labels) {
		free(annotations);
		return false;
	}
	free(alert->annotations);
	alert->annotations = annotations;
	return true;
}

static void begin_anew(struct judging *judging, struct alert *alert)
{
	alert->active_ns = judging->now_ns;
	alert->fired_ns = alert->resolved_ns = 0;
	alert->held_ms = 0;
	alert->state = ALERT_PENDING;
	alert->is_changed = true;
	if (judging->rule->for_ms)
		enter(judging, alert, ALERT_PENDING);
}

/* New, or known from before the restart. NULL: there is no room. */
static struct alert *begin(struct judging *judging, const struct found *found)
{
	struct alerts *alerts = judging->alerts;
	struct alert *alert = memory_take(alerts, judging->group, judging->rule, found->hash);
	bool is_new = !alert;

	if (alerts->count >= ALERTS_OF_ALL || (is_new && !(alert = calloc(1, sizeof(*alert))))) {
		alert_free(alert);
		return NULL;
	}
	alert->hash = found->hash;
	alert->value = found->value;
	if (!set_texts(alert, found)) {
		alert_free(alert);
		return NULL;
	}
	alert->next = judging->state->first;
	judging->state->first = alert;
	judging->state->alerts++;
	alerts->count++;
	if (is_new)
		begin_anew(judging, alert);
	return alert;
}

static struct alert *find(const struct rule_state *state, uint64_t hash)
{
	for (struct alert *alert = state->first; alert; alert = alert->next)
		if (alert->hash == hash)
			return alert;
	return NULL;
}

static void judge_found(struct judging *judging, const struct found *found)
{
	struct alert *alert = find(judging->state, found->hash);
	bool was_there = alert && alert->state != ALERT_RESOLVED;

	if (!alert)
		alert = begin(judging, found);
	if (!alert)
		return;
	if (alert->state == ALERT_RESOLVED)
		begin_anew(judging, alert);
	alert->is_found = true;
	alert->lacked_ms = -1;
	alert->value = found->value;
	set_texts(alert, found);
	if (was_there)
		alert->held_ms += judging->passed_ms;
	if (alert->state == ALERT_PENDING && alert->held_ms >= judging->rule->for_ms)
		enter(judging, alert, ALERT_FIRING);
	else if (alert->state == ALERT_FIRING)
		tell_again(judging, alert);
	else
		alert->is_changed = true; /* for how long it has been there */
}

/* True: it is forgotten. */
static bool judge_lacking(struct judging *judging, struct alert *alert)
{
	switch (alert->state) {
	case ALERT_PENDING:
		tell_change(judging->alerts, judging->group, judging->rule, alert, ALERT_INACTIVE);
		return true;
	case ALERT_FIRING:
		alert->lacked_ms = alert->lacked_ms < 0 ? 0 : alert->lacked_ms + judging->passed_ms;
		if (alert->lacked_ms < judging->rule->keep_firing_ms) {
			tell_again(judging, alert);
			return false;
		}
		alert->held_ms = 0;
		enter(judging, alert, ALERT_RESOLVED);
		return false;
	case ALERT_RESOLVED:
		if (judging->now_ns < alert->resolved_ns ||
		    judging->now_ns - alert->resolved_ns > ALERTS_KEPT_S * 1000000000ull)
			return true;
		tell_again(judging, alert);
		return false;
	default: return true;
	}
}

static void judge_others(struct judging *judging)
{
	struct alert **at = &judging->state->first;

	while (*at) {
		struct alert *alert = *at;

		if (alert->is_found || !judge_lacking(judging, alert)) {
			alert->is_found = false;
			at = &alert->next;
			continue;
		}
		*at = alert->next;
		forget_note(judging->alerts, judging->group, judging->rule, alert);
		alert_free(alert);
		judging->state->alerts--;
		judging->alerts->count--;
	}
}

/* What the last run knew of this rule and is not found any more. */
static void take_memories(struct judging *judging)
{
	struct alert *alert;

	while ((alert = memory_take_any(judging->alerts, judging->group, judging->rule))) {
		if (alert->state == ALERT_PENDING || judging->alerts->count >= ALERTS_OF_ALL) {
			forget_note(judging->alerts, judging->group, judging->rule, alert);
			alert_free(alert);
			continue;
		}
		alert->next = judging->state->first;
		judging->state->first = alert;
		judging->state->alerts++;
		judging->alerts->count++;
	}
}

static void note_error(struct rule_state *state, const char *error)
{
	free(state->error);
	state->error = error ? strdup(error) : NULL;
}

void judge(struct ask_job *job)
{
	struct group_state *group = job->state;
	uint64_t now_ns = clock_monotonic_ns();
	/* passed: between the moments that were asked about */
	uint64_t passed_ns = group->judged_ns ? job->began_ns - group->judged_ns : 0;
	int64_t lease_ms = job->group->interval_ms > NOTIFY_AGAIN_S * 1000 ? job->group->interval_ms
									   : NOTIFY_AGAIN_S * 1000;

	for (size_t i = 0; i < job->group->rules; i++) {
		struct rule_state *state = &group->rule[i];
		struct judging judging = {
			.alerts = job->alerts,
			.group = job->group,
			.rule = &job->group->rule[i],
			.state = state,
			.now_ns = (uint64_t)job->time_ms * 1000000,
			.passed_ms = (int64_t)(passed_ns / 1000000),
			.holds_ns = (uint64_t)(job->time_ms + 4 * lease_ms) * 1000000,
		};

		job->alerts->asked++;
		job->alerts->failed += job->answer[i].error != NULL;
		state->seconds = job->answer[i].seconds;
		state->asked_ns = judging.now_ns;
		note_error(state, job->answer[i].error);
		if (judging.rule->is_record || job->answer[i].error)
			continue;
		for (const struct found *found = job->answer[i].first; found; found = found->next)
			judge_found(&judging, found);
		take_memories(&judging);
		judge_others(&judging);
	}
	group->judged_ns = job->began_ns;
	group->asked_ns = (uint64_t)job->time_ms * 1000000;
	group->seconds = (double)(now_ns - job->began_ns) * 1e-9;
	job->alerts->seconds += group->seconds;
}

void resolve_all(struct alerts *alerts, const struct rule_group *group, const struct rule *rule,
		 struct rule_state *state)
{
	struct judging judging = {.alerts = alerts,
				  .group = group,
				  .rule = rule,
				  .state = state,
				  .now_ns = clock_wall_ns()};

	while (state->first) {
		struct alert *alert = state->first;

		if (alert->state == ALERT_FIRING)
			enter(&judging, alert, ALERT_RESOLVED);
		forget_note(alerts, group, rule, alert);
		state->first = alert->next;
		state->alerts--;
		alerts->count--;
		alert_free(alert);
	}
}
