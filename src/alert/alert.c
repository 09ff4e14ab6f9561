// SPDX-License-Identifier: GPL-2.0-only
/*
 * alert - when groups are due, and their way to the reader and back.
 *
 *	load notes --> wait for the first group that is due --> ask it --> judge --> remember --> wait ...
 *
 * One question is out at a time, so nothing here needs a lock: the reader sees rules that do not change meanwhile, states
 * belong to the loop. Groups begin one after the other, so that not all rules are asked at once.
 */
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>

#include "alert/inside.h"
#include "base/clock.h"

enum {
	FIRST_S = 5 /* there should be samples by then */,
	JOB_ARENA = 16 << 20,
	FORGOTTEN_BYTES = 1 << 20
};
#define MS_NS 1000000ull

static const char *const state_names[ALERT_STATES] = {
	[ALERT_INACTIVE] = "inactive",
	[ALERT_PENDING] = "pending",
	[ALERT_FIRING] = "firing",
	[ALERT_RESOLVED] = "resolved",
};

const char *alert_state_name(enum alert_state state)
{
	return state_names[state];
}

static void wait_for_due(struct alerts *alerts);

/* ---- groups ---- */

static void rule_state_done(struct rule_state *state)
{
	while (state->first) {
		struct alert *next = state->first->next;

		alert_free(state->first);
		state->first = next;
	}
	free(state->error);
	free(state->recorded);
}

static void groups_free(const struct rules *rules, struct group_state *groups)
{
	for (size_t i = 0; groups && i < rules->groups; i++) {
		for (size_t k = 0; groups[i].rule && k < rules->group[i].rules; k++)
			rule_state_done(&groups[i].rule[k]);
		free(groups[i].rule);
		free(groups[i].recorded);
	}
	free(groups);
}

/* Groups begin at moments spread over their interval, the first soon. */
static struct group_state *groups_new(const struct rules *rules)
{
	struct group_state *groups = calloc(rules->groups + 1, sizeof(*groups));
	uint64_t now_ns = clock_monotonic_ns();

	for (size_t i = 0; groups && i < rules->groups; i++) {
		uint64_t interval_ns = (uint64_t)rules->group[i].interval_ms * MS_NS;
		uint64_t first_ns =
			interval_ns < FIRST_S * 1000 * MS_NS ? interval_ns : FIRST_S * 1000 * MS_NS;

		groups[i].due_ns = now_ns + first_ns + interval_ns * i / rules->groups / 2;
		groups[i].rule = calloc(rules->group[i].rules + 1, sizeof(*groups[i].rule));
		if (!groups[i].rule) {
			groups_free(rules, groups);
			return NULL;
		}
	}
	return groups;
}

/* ---- questions ---- */

static void job_free(struct ask_job *job)
{
	arena_done(&job->arena);
	free(job);
}

static void judged(struct question *question)
{
	struct ask_job *job = (struct ask_job *)question;
	struct alerts *alerts = job->alerts;
	bool is_remembering = false;

	if (!question->why.code && !alerts->is_stopped) {
		judge(job);
		notify_flush(alerts->notifier);
		is_remembering = remember(alerts, job->group, job->state, job->time_ms);
	}
	job_free(job);
	if (!is_remembering)
		alerts_go_on(alerts);
}

static bool ask(struct alerts *alerts, size_t number)
{
	struct ask_job *job = calloc(1, sizeof(*job));
	struct rule_group *group = &alerts->rules->group[number];

	if (!job)
		return false;
	job->question.work = ask_group;
	job->question.done = judged;
	job->alerts = alerts;
	job->group = group;
	job->state = &alerts->group[number];
	job->number = number;
	job->time_ms = (int64_t)(clock_wall_ns() / MS_NS);
	job->began_ns = clock_monotonic_ns();
	arena_init(&job->arena, JOB_ARENA);
	job->answer = arena_new(&job->arena, (group->rules + 1) * sizeof(*job->answer));
	if (job->answer && !history_ask(alerts->options.history, &job->question, NULL))
		return true;
	job_free(job);
	return false;
}

static size_t first_due(const struct alerts *alerts)
{
	size_t first = 0;

	for (size_t i = 1; i < alerts->rules->groups; i++)
		if (alerts->group[i].due_ns < alerts->group[first].due_ns)
			first = i;
	return first;
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct alerts *alerts = ctx;
	size_t number = first_due(alerts);
	struct group_state *state = &alerts->group[number];
	uint64_t interval_ns, now_ns = clock_monotonic_ns();

	if (alerts->is_stopped || alerts->is_asking)
		return;
	if (!alerts->has_loaded) {
		alerts->is_asking = remember_load(alerts);
	} else if (alerts->rules->groups && state->due_ns <= now_ns) {
		interval_ns = (uint64_t)alerts->rules->group[number].interval_ms * MS_NS;
		state->due_ns += interval_ns;
		if (state->due_ns < now_ns) /* what was missed is not made up for */
			state->due_ns = now_ns + interval_ns;
		alerts->is_asking = ask(alerts, number);
	}
	if (!alerts->is_asking)
		wait_for_due(alerts);
}

static void wait_for_due(struct alerts *alerts)
{
	uint64_t now_ns = clock_monotonic_ns(), due_ns, wait_ns = 1000 * MS_NS;
	struct timeval wait;

	if (alerts->is_stopped || (alerts->has_loaded && !alerts->rules->groups))
		return;
	if (alerts->has_loaded) {
		due_ns = alerts->group[first_due(alerts)].due_ns;
		wait_ns = due_ns > now_ns ? due_ns - now_ns : 0;
	}
	wait = (struct timeval){(time_t)(wait_ns / 1000000000),
				(suseconds_t)(wait_ns % 1000000000 / 1000)};
	event_add(alerts->timer, &wait);
}

/* ---- new rules ---- */

/* The same alert in the new rules; NULL = there is none. */
static struct rule_state *find_rule(const struct rules *rules, struct group_state *groups,
				    const char *group, const char *name)
{
	for (size_t i = 0; i < rules->groups; i++)
		for (size_t k = 0; k < rules->group[i].rules; k++)
			if (!strcmp(rules->group[i].name, group) &&
			    !rules->group[i].rule[k].is_record &&
			    !strcmp(rules->group[i].rule[k].name, name) && !groups[i].rule[k].first)
				return &groups[i].rule[k];
	return NULL;
}

static void carry_over(struct alerts *alerts, const struct rules *rules, struct group_state *groups)
{
	for (size_t i = 0; i < alerts->rules->groups; i++)
		for (size_t k = 0; k < alerts->rules->group[i].rules; k++) {
			struct rule_state *from = &alerts->group[i].rule[k], *to;
			const struct rule_group *group = &alerts->rules->group[i];

			if (!from->first)
				continue;
			to = find_rule(rules, groups, group->name, group->rule[k].name);
			if (!to) {
				resolve_all(alerts, group, &group->rule[k], from);
				continue;
			}
			to->first = from->first;
			to->alerts = from->alerts;
			from->first = NULL;
		}
	notify_flush(alerts->notifier);
}

static void take_rules(struct alerts *alerts, struct rules *rules)
{
	struct group_state *groups = groups_new(rules);

	if (!groups) { /* the old ones serve on */
		rules_free(rules);
		return;
	}
	carry_over(alerts, rules, groups);
	groups_free(alerts->rules, alerts->group);
	rules_free(alerts->rules);
	alerts->rules = rules;
	alerts->group = groups;
}

void alerts_go_on(struct alerts *alerts)
{
	struct rules *rules = alerts->next_rules;

	alerts->is_asking = false;
	alerts->next_rules = NULL;
	if (rules)
		take_rules(alerts, rules);
	wait_for_due(alerts);
}

void alerts_reload(struct alerts *alerts, struct rules *rules)
{
	rules_free(alerts->next_rules);
	alerts->next_rules = rules;
	if (!alerts->is_asking)
		alerts_go_on(alerts);
}

void alerts_stop(struct alerts *alerts)
{
	if (!alerts)
		return;
	alerts->is_stopped = true;
	event_del(alerts->timer);
}

/* ---- begin and end ---- */

static const struct metric own_metrics[ALERTS_METRICS] = {
	[ALERTS_NUMBER] = {.name = "sonde_alerts",
			   .type = METRIC_GAUGE,
			   .scale = 1,
			   .help = "Alerts by state"},
	[ALERTS_RULES] =
		{.name = "sonde_alert_rules",
		 .type = METRIC_GAUGE,
		 .scale = 1,
		 .help = "Rules that are asked, and those left out because they are wrong"},
	[ALERTS_ASKED] = {.name = "sonde_alert_evaluations_total",
			  .type = METRIC_COUNTER,
			  .scale = 1,
			  .help = "Rules that were asked"},
	[ALERTS_FAILED] = {.name = "sonde_alert_evaluation_failures_total",
			   .type = METRIC_COUNTER,
			   .scale = 1,
			   .help = "Rules that could not be asked"},
	[ALERTS_SECONDS] = {.name = "sonde_alert_evaluation_seconds_total",
			    .type = METRIC_COUNTER,
			    .scale = 1,
			    .unit = "seconds",
			    .help = "Time that asking took"},
	[ALERTS_SENT] =
		{.name = "sonde_alert_notices_total",
		 .type = METRIC_COUNTER,
		 .scale = 1,
		 .help = "Notices to webhooks and Alertmanagers: offered = accepted + refused, "
			 "accepted = delivered + queued + expired"},
	[ALERTS_QUEUED] = {.name = "sonde_alert_notices_queued",
			   .type = METRIC_GAUGE,
			   .scale = 1,
			   .help = "Notices that wait to be sent"},
};

static int begin(struct alerts *alerts, struct err *why)
{
	const struct alerts_options *options = &alerts->options;
	int error;

	alerts->external_url = strdup(options->external_url ? options->external_url : "");
	buf_init(&alerts->forgotten, FORGOTTEN_BYTES);
	alerts->group = groups_new(alerts->rules);
	alerts->timer = evtimer_new(options->loop, on_timer, alerts);
	for (int i = 0; i < ALERTS_METRICS; i++)
		if (!(alerts->family[i] = family_new(&own_metrics[i], 128)))
			return err_set(why, -ENOMEM, "cannot watch for alerts: out of memory");
	if (!alerts->external_url || !alerts->group || !alerts->timer)
		return err_set(why, -ENOMEM, "cannot watch for alerts: out of memory");
	error = notifier_new(options->loop, alerts->external_url, options->webhooks,
			     options->alertmanagers, &alerts->notifier, why);
	if (!error)
		wait_for_due(alerts);
	return error;
}

int alerts_new(const struct alerts_options *options, struct rules *rules,
	       struct alerts **ret_alerts, struct err *why)
{
	struct alerts *alerts = calloc(1, sizeof(*alerts));
	int error;

	if (!alerts) {
		rules_free(rules);
		return err_set(why, -ENOMEM, "cannot watch for alerts: out of memory");
	}
	alerts->options = *options;
	alerts->rules = rules;
	error = begin(alerts, why);
	if (error) {
		alerts_free(alerts);
		return error;
	}
	*ret_alerts = alerts;
	return 0;
}

void alerts_free(struct alerts *alerts)
{
	if (!alerts)
		return;
	if (alerts->timer)
		event_free(alerts->timer);
	notifier_free(alerts->notifier);
	memory_free(alerts);
	groups_free(alerts->rules, alerts->group);
	rules_free(alerts->rules);
	rules_free(alerts->next_rules);
	buf_done(&alerts->forgotten);
	for (int i = 0; i < ALERTS_METRICS; i++)
		family_free(alerts->family[i]);
	free(alerts->external_url);
	free(alerts);
}
