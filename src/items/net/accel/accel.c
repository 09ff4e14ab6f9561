// SPDX-License-Identifier: GPL-2.0-only
/*
 * accel, the user half - whom the rules choose, a heartbeat, and the way back to TCP.
 *
 * The programs look at numbers only: an identity (program and control group) has one, and a number has two sets of
 * bits, of rules that choose it and of rules that trust it. Once a second all processes are walked, whoever is new
 * gets a number, and all are judged anew: so a new container, another label or another configuration is in force
 * within a second, and at once where a stranger connects before that (EVENT_STRANGER).
 *
 * Maps are pinned while the item is on. An agent that is killed leaves its connections accelerated; the
 * next one finds the maps and goes on, and if none comes, the heartbeat in `settings` grows old and the programs send
 * everything by TCP. How it goes off is in leave.c.
 */
#include "items/net/accel/inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"

enum {
	ARENA_BYTES = 64 * 1024,
	WALK_SHARE = 100, /* walking processes takes at most one part in so many of the time */
};

/* Programs that were not seen for so long are forgotten; their numbers rest for so long. */
static const uint64_t forget_ns = 60ull * 1000000000, rest_ns = 300ull * 1000000000;

struct form accel_forms[2];
const struct form *accel_form;

/* ---- before loading ---- */

static void try_forms(struct kernel *kernel)
{
	for (int i = 0; i < 2; i++)
		form_try(kernel, i == 1, &accel_forms[i]);
	accel_form = NULL;
	for (int i = 0; i < 2; i++)
		if (form_is_right(&accel_forms[i]) &&
		    (!accel_form || (!accel_form->passed[FORM_REDIRECTED] &&
				     accel_forms[i].passed[FORM_REDIRECTED])))
			accel_form = &accel_forms[i];
}

/* Maps that the next agent needs, so that connections go on. */
static const char *const pinned[] = {"settings",  "socks", "held",   "sides",   "notes",
				     "listeners", "links", "banned", "numbers", "grants",
				     "ports",     "seen",  "lot",    "habits"};
enum { PINNED = sizeof(pinned) / sizeof(*pinned) };

/* May this version go on with maps that were left? 0, or -errno. */
static int check_left(struct kernel *kernel, const struct form *form)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int fd = kernel_pinned(kernel, "settings"), error = 0;
	const struct accel_settings *left;

	if (fd < 0)
		return fd;
	left = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (left == MAP_FAILED)
		return -errno;
	if (left->layout != (ACCEL_LAYOUT << 16 | sizeof(*left)) ||
	    left->has_verdict != form->has_verdict)
		error = -ESTALE;
	munmap((void *)left, page);
	return error;
}

static void unpin(struct kernel *kernel)
{
	for (size_t i = 0; i < PINNED; i++)
		kernel_unpin(kernel, pinned[i]);
}

/* Takes the maps over that an agent left which was killed. All of them or none. */
static int adopt(struct kernel *kernel, struct object *object)
{
	int fd[PINNED], got = 0, error = check_left(kernel, accel_form);

	while (!error && got < PINNED) {
		fd[got] = kernel_pinned(kernel, pinned[got]);
		if (fd[got] < 0)
			error = fd[got];
		else
			got++;
	}
	for (int i = 0; i < got; i++) {
		if (!error)
			error = object_share_fd(object, pinned[i], fd[i]);
		close(fd[i]);
	}
	if (error && error != -ENOENT && error != -EOPNOTSUPP)
		unpin(kernel); /* another version's: it returns to TCP by itself */
	return error;
}

static int configure(struct item *item, struct object *object, struct err *why)
{
	bool verdict, counts;
	int error = 0;

	if (!accel_form)
		try_forms(item_kernel(item));
	if (!accel_form)
		return err_set(why, -EOPNOTSUPP,
			       "'%s' cannot run on this kernel: its self-test found, without the "
			       "verdict program: %s; with it: %s",
			       item_name(item), accel_forms[0].reason, accel_forms[1].reason);
	verdict = accel_form->has_verdict;
	counts = accel_form->passed[FORM_REDIRECTED];
	if (object_set(object, "has_verdict", &verdict, sizeof(verdict)) ||
	    object_set(object, "counts_redirected", &counts, sizeof(counts)))
		return err_set(why, -ENOENT, "cannot set up '%s'", item_name(item));
	if (!verdict)
		error = object_skip(object, "verdict", "the self-test is better without it");
	if (!error && counts)
		error = object_skip(object, "count", "the kernel counts redirected bytes");
	if (!error && !item_object(item)) /* an upgrade has the maps already */
		adopt(item_kernel(item), object);
	return error;
}

/* ---- identities ---- */

/* A number that nobody has. Connections may outlive who made them, so one that was freed rests for a while. 0 = none. */
static uint32_t take_number(struct accel *accel)
{
	struct freed *freed = &accel->freed;
	uint32_t at = freed->first;

	if (freed->count && clock_monotonic_ns() - freed->ns[at] > rest_ns) {
		freed->first = (at + 1) % ACCEL_NUMBERS;
		freed->count--;
		return freed->number[at];
	}
	return accel->next_number < ACCEL_NUMBERS ? accel->next_number++ : 0;
}

static void free_number(struct accel *accel, uint32_t number)
{
	struct freed *freed = &accel->freed;
	uint32_t at = (freed->first + freed->count++) % ACCEL_NUMBERS;

	accel->grants[number] = (struct accel_grant){};
	freed->number[at] = number;
	freed->ns[at] = clock_monotonic_ns();
}

static bool is_forgotten(void *ctx, const void *identity, void *at)
{
	struct accel *accel = ctx;
	struct known *known = at;

	if (known->seen_ns + forget_ns > accel->walked_ns)
		return false;
	object_delete(accel->object, "numbers", identity, 1);
	free_number(accel, known->number);
	return true;
}

/* Programs that nobody runs any more. */
static void forget(struct accel *accel)
{
	if (map_remove(&accel->known, is_forgotten, accel))
		accel->settings->epoch++;
}

static struct known *know(struct accel *accel, const struct accel_identity *identity, uint32_t pid)
{
	bool is_new;
	struct known *known = map_put(&accel->known, identity, &is_new);

	if (!known) {
		item_count(accel->item, "lost", "identities", 1);
		return NULL;
	}
	if (is_new) {
		known->number = take_number(accel);
		if (!known->number) {
			map_del(&accel->known, identity);
			item_count(accel->item, "lost", "identities", 1);
			return NULL;
		}
		/* bits first: from now on the programs find them */
		accel->grants[known->number] = (struct accel_grant){};
		object_add(accel->object, "numbers", identity, &known->number);
	}
	known->pid = pid;
	known->seen_ns = clock_monotonic_ns();
	return known;
}

/* Of rules that trust whoever they choose, and all of them for an executable that is known to be safe. */
static uint64_t trusted_rules(const struct accel *accel, const struct accel_identity *identity)
{
	uint64_t trusting = 0;

	if (verdict_is_safe(accel, identity))
		return ~0ull;
	for (uint32_t i = 0; i < accel_policy.rules; i++)
		if (accel_policy.rule[i].trust)
			trusting |= 1ull << i;
	return trusting;
}

static bool judge_one(struct accel *accel, const struct accel_identity *identity,
		      struct known *known)
{
	struct world *world = item_world(accel->item);
	const struct process *process = world_process(world, known->pid, 0);
	struct accel_grant grant = {.trusted = trusted_rules(accel, identity)};
	struct who who = {};

	if (process && !known->is_met) {
		known->is_met = true;
		recall_meet(accel, identity, process);
		process = world_process(world, known->pid, 0);
		grant.trusted = trusted_rules(accel, identity);
	}
	if (!process || process->exit_ns)
		grant.selected = known->grant.selected; /* as long as nobody else runs it */
	else if (world_who(world, process, &who))
		grant.selected = policy_select(&accel_policy, &who, &accel->arena);
	if (!memcmp(&grant, &known->grant, sizeof(grant)))
		return false;
	known->grant = grant;
	accel->grants[known->number] = grant;
	return true;
}

void accel_evaluate(struct accel *accel)
{
	const void *identity;
	void *known;
	size_t at = 0;
	bool changed = false;

	while (map_next(&accel->known, &at, &identity, &known))
		changed |= judge_one(accel, identity, known);
	if (changed)
		accel->settings->epoch++;
}

static bool meet_process(void *ctx, const void *row)
{
	const struct accel_process *process = row;

	struct known *known = know(ctx, &process->identity, process->pid);

	if (known)
		filters_meet(ctx, process, known->grant.selected);
	return true;
}

static void walk_processes(struct accel *accel, uint64_t now_ns)
{
	if (now_ns - accel->walked_ns < accel->walk_ns * WALK_SHARE)
		return;
	if (object_read_table(accel->object, "processes", sizeof(struct accel_process),
			      meet_process, accel) < 0)
		item_count(accel->item, "lost", "walk", 1);
	accel->walked_ns = now_ns;
	accel->walk_ns = clock_monotonic_ns() - now_ns;
	forget(accel);
}

/* ---- settings ---- */

static void push_ports(struct accel *accel)
{
	uint64_t any = 0;

	memset(accel->ports, 0, 65536 * sizeof(*accel->ports));
	for (uint32_t i = 0; i < accel_policy.rules; i++) {
		const struct rule *rule = &accel_policy.rule[i];

		for (uint32_t n = 0; n < rule->ports; n++)
			accel->ports[rule->port[n]] |= 1ull << i;
		if (!rule->ports)
			any |= 1ull << i;
	}
	accel->settings->any_port = any;
}

static void push_policy(struct accel *accel)
{
	if (accel->policy_version == accel_policy.version)
		return;
	accel->policy_version = accel_policy.version;
	push_ports(accel);
	accel->settings->rules = accel_policy.rules;
	accel->settings->epoch++;
}

/* Between namespaces only where all filters are watched. */
static void push_across(struct accel *accel, uint64_t now_ns)
{
	uint64_t across = 0;

	for (uint32_t i = 0; i < accel_policy.rules; i++)
		if (accel_policy.rule[i].across)
			across |= 1ull << i;
	filters_tick(accel, across, now_ns);
	across = cluster_tick(accel, across, now_ns);
	if (accel->filters.is_blind)
		across = 0;
	if (accel->settings->across == across)
		return;
	accel->settings->across = across;
	accel->settings->epoch++;
}

static void push_settings(struct accel *accel, uint64_t now_ns)
{
	struct accel_settings *is = accel->settings;

	is->limit = (uint64_t)item_param(accel->item, "limit");
	is->keep_alive_ns = (uint64_t)item_param(accel->item, "keep_alive_ms") * 1000000;
	is->patience_ns = (uint64_t)item_param(accel->item, "patience_ms") * 1000000;
	is->layout = ACCEL_LAYOUT << 16 | sizeof(*is);
	is->has_verdict = accel_form->has_verdict;
	is->beat_ns = now_ns;
	push_policy(accel);
	push_across(accel, now_ns);
}

static bool remember_number(void *ctx, const void *identity, const void *number)
{
	struct accel *accel = ctx;
	struct known *known = map_put(&accel->known, identity, NULL);

	if (!known)
		return true;
	memcpy(&known->number, number, sizeof(known->number));
	known->number %= ACCEL_NUMBERS;
	known->grant = accel->grants[known->number];
	known->seen_ns = clock_monotonic_ns();
	if (known->number >= accel->next_number)
		accel->next_number = known->number + 1;
	return true;
}

/* Of what an agent before us left: numbers below its last one that nobody has. */
static void find_free_numbers(struct accel *accel)
{
	bool taken[ACCEL_NUMBERS] = {};
	const void *identity;
	void *known;
	size_t at = 0;

	while (map_next(&accel->known, &at, &identity, &known))
		taken[((struct known *)known)->number] = true;
	for (uint32_t number = 1; number < accel->next_number; number++)
		if (!taken[number])
			free_number(accel, number);
}

/* At the start, and when another version of the programs runs. */
static int follow_object(struct accel *accel, struct err *why)
{
	accel->object = item_object(accel->item);
	accel->settings = object_mapped(accel->object, "settings");
	accel->grants = object_mapped(accel->object, "grants");
	accel->ports = object_mapped(accel->object, "ports");
	if (!accel->settings || !accel->grants || !accel->ports)
		return err_set(why, -ENOMEM, "cannot map what '%s' shares with its programs",
			       item_name(accel->item));
	accel->policy_version = 0;
	object_read(accel->object, "numbers", remember_number, accel);
	for (size_t i = 0; i < PINNED; i++)
		kernel_pin(item_kernel(accel->item), pinned[i],
			   object_map_fd(accel->object, pinned[i]));
	return object_read_table(accel->object, "listening", 1, pass_over, NULL) < 0
		       ? err_set(why, -EIO, "cannot walk the listening sockets")
		       : 0;
}

/* Its maps are mapped anew when another version of the programs runs. */
bool accel_is_mapped(struct accel *accel)
{
	struct err why;

	return accel->object == item_object(accel->item) || !follow_object(accel, &why);
}

/* ---- what the registry calls ---- */

static void stop(struct item *item, void *at)
{
	struct accel *accel = at;

	if (accel->settings && accel_is_mapped(accel)) {
		leave_all(accel);
		unpin(item_kernel(item));
	}
	recall_save(accel);
	free(accel->memory);
	filters_done(&accel->filters);
	map_done(&accel->known);
	map_done(&accel->verdicts);
	arena_done(&accel->arena);
	free(accel);
}

static int start(struct item *item, void **ret_state, struct err *why)
{
	struct accel *accel = calloc(1, sizeof(*accel));
	uint64_t now_ns = clock_monotonic_ns();
	int error;

	if (!accel)
		return err_set(why, -ENOMEM, "cannot start '%s': out of memory", item_name(item));
	accel->item = item;
	accel->next_number = 1;
	map_init(&accel->known, sizeof(struct accel_identity), sizeof(struct known),
		 ACCEL_NUMBERS - 1);
	map_init(&accel->verdicts, sizeof(struct accel_identity), sizeof(struct verdict),
		 ACCEL_NUMBERS);
	filters_init(&accel->filters);
	accel->cluster.policies_seen = -1;
	recall_load(accel);
	accel->saved_ns = now_ns;
	arena_init(&accel->arena, ARENA_BYTES);
	error = follow_object(accel, why);
	if (error) {
		accel->settings = NULL;
		stop(item, accel);
		return error;
	}
	find_free_numbers(accel);
	push_settings(accel, now_ns);
	walk_processes(accel, now_ns);
	verdicts_update(accel, now_ns);
	accel_evaluate(accel);
	accel->settings->on = 1;
	*ret_state = accel;
	return 0;
}

static void tick(struct item *item, void *at, uint64_t now_ns)
{
	struct accel *accel = at;

	if (!accel_is_mapped(accel))
		return;
	push_settings(accel, now_ns);
	walk_processes(accel, now_ns);
	verdicts_update(accel, now_ns);
	accel_evaluate(accel);
}

static void look(struct item *item, void *at)
{
	struct accel *accel = at;
	uint64_t changes = world_pod_changes(item_world(item));

	if (!accel_is_mapped(accel))
		return;
	cluster_look(accel);
	join_look(accel);
	if (accel->filters.places.len)
		filters_look(accel);
	if (changes == accel->pod_changes)
		return;
	accel->pod_changes = changes;
	accel_evaluate(accel); /* labels may be others now */
}

static void publish(struct accel *accel, const struct event_head *event, size_t size)
{
	const struct item_desc *desc = item_description(accel->item);
	struct record record;

	arena_clear(&accel->arena);
	if (record_fill(&record, &desc->event[0].layout, event, size, event->ktime_ns,
			item_resolver(accel->item), &accel->arena))
		item_count(accel->item, "dropped", "memory", 1);
	else
		item_publish(accel->item, &record);
}

enum { EVENT_CLOSED = 1, EVENT_STRANGER = 2, EVENT_JOIN = 3 };

struct stranger_event {
	struct event_head head;
	struct accel_identity identity;
	uint32_t pid, pad;
};

struct join_event {
	struct event_head head;
	uint32_t pid[2], netns[2];
};

static void wish(struct accel *accel, const struct join_event *event)
{
	for (int i = 0; i < 2; i++)
		join_want(accel, event->netns[i], event->pid[i]);
	join_look(accel);
}

static void event(struct item *item, void *at, const struct event_head *head, size_t size)
{
	const struct stranger_event *stranger = (const void *)head;
	struct accel *accel = at;
	struct known *known;

	if (!accel)
		return;
	if (head->kind == EVENT_CLOSED) {
		publish(accel, head, size);
		return;
	}
	if (head->kind == EVENT_JOIN && size >= sizeof(struct join_event) &&
	    accel_is_mapped(accel)) {
		wish(accel, (const void *)head);
		return;
	}
	if (head->kind != EVENT_STRANGER || size < sizeof(*stranger) || !accel_is_mapped(accel))
		return;
	known = know(accel, &stranger->identity, stranger->pid);
	if (known && judge_one(accel, &stranger->identity, known))
		accel->settings->epoch++;
}

static const char *const settings[] = {"policy", NULL};

static int set(const char *key, const struct json_node *value, bool try, struct err *why)
{
	struct policy tried = {};
	int error;

	if (!try)
		return policy_read(value, &accel_policy, why);
	error = policy_read(value, &tried, why);
	policy_done(&tried);
	return error;
}

/* ---- what is told ---- */

enum metric_index { SELF_TEST, BETWEEN_PODS, METRICS };

static const struct metric metrics[METRICS] = {
	[SELF_TEST] = {.name = "sonde_accel_self_test",
		       .type = METRIC_GAUGE,
		       .help = (char *)"what the kernel does rightly with redirected sockets (1) "
				       "or not (0), by form",
		       .scale = 1},
	[BETWEEN_PODS] = {.name = "sonde_accel_between_pods",
			  .type = METRIC_GAUGE,
			  .help = (char *)"connections between network namespaces may be "
					  "redirected now (1), or not (0: sonde accel state)",
			  .scale = 1},
};

static void collect(struct item *item, void *at, struct collector *out)
{
	struct accel *accel = at;

	for (int form = 0; form < 2; form++)
		for (int check = 0; check < FORM_CHECKS; check++) {
			const struct label label[] = {
				{"check", span_of(form_check_name[check])},
				{"form", span_of(form ? "verdict" : "plain")},
				{"used",
				 span_of(accel_form == &accel_forms[form] ? "true" : "false")},
			};

			collector_add(out, SELF_TEST, label, 3, accel_forms[form].passed[check]);
		}
	if (accel_is_mapped(accel))
		collector_add(out, BETWEEN_PODS, NULL, 0, accel->settings->across != 0);
}

struct telling {
	struct buf *out;
	bool as_json;
};

static bool tell_end(void *ctx, const void *row)
{
	const struct accel_end *end = row;
	const struct telling *telling = ctx;
	struct json json = {.out = telling->out};
	char cookie[24];

	if (!telling->as_json) {
		buf_f(telling->out, "%-12llu %-12llu %8u %5u %5u %14llu %12llu %10llu  %s\n",
		      (unsigned long long)end->cookie, (unsigned long long)end->peer_cookie,
		      end->pid, end->local_port, end->remote_port,
		      (unsigned long long)end->redirected_bytes, (unsigned long long)end->tcp_bytes,
		      (unsigned long long)end->unread_bytes,
		      end->is_redirecting ? "redirect" : "tcp");
		return true;
	}
	snprintf(cookie, sizeof(cookie), "%llu", (unsigned long long)end->cookie);
	json_object(&json);
	json_key_str(&json, "connection", cookie);
	snprintf(cookie, sizeof(cookie), "%llu", (unsigned long long)end->peer_cookie);
	json_key_str(&json, "peer_connection", cookie);
	json_key_u64(&json, "pid", end->pid);
	json_key_u64(&json, "local_port", end->local_port);
	json_key_u64(&json, "remote_port", end->remote_port);
	json_key_u64(&json, "redirected_bytes", end->redirected_bytes);
	json_key_u64(&json, "tcp_bytes", end->tcp_bytes);
	json_key_u64(&json, "unread_bytes", end->unread_bytes);
	json_key_bool(&json, "redirecting", end->is_redirecting);
	json_object_end(&json);
	buf_str(telling->out, "\n");
	return true;
}

static int tell_ends(struct item *item, void *at, int argc, char **argv, struct buf *out,
		     struct err *why)
{
	struct telling telling = {.out = out};
	struct accel *accel = at;

	for (int i = 1; i < argc; i++)
		telling.as_json |= !strcmp(argv[i], "--json");
	if (!accel || !accel_is_mapped(accel))
		return err_set(why, -EAGAIN, "item '%s' is off", item_name(item));
	if (!telling.as_json)
		buf_f(out, "%-12s %-12s %8s %5s %5s %14s %12s %10s  %s\n", "CONNECTION", "PEER",
		      "PID", "LOCAL", "PEER", "REDIRECTED", "BY TCP", "UNREAD", "NOW");
	if (object_read_table(accel->object, "ends", sizeof(struct accel_end), tell_end, &telling) <
	    0)
		return err_set(why, -EIO, "cannot read the connections of '%s'", item_name(item));
	return 0;
}

/* The self-test, and what holds now. */
static int tell_state(struct item *item, void *at, int argc, char **argv, struct buf *out,
		      struct err *why)
{
	struct accel *accel = at;

	for (int form = 0; form < 2; form++) {
		buf_f(out, "%s the verdict program%s:", form ? "with" : "without",
		      accel_form == &accel_forms[form] ? " (used)" : "");
		for (int check = 0; check < FORM_CHECKS; check++)
			buf_f(out, " %s=%s", form_check_name[check],
			      accel_forms[form].passed[check] ? "ok" : "no");
		buf_f(out, "%s%s\n", accel_forms[form].reason[0] ? ": " : "",
		      accel_forms[form].reason);
	}
	if (!accel || !accel_is_mapped(accel))
		return buf_str(out, "off\n"), 0;
	buf_f(out, "rules: %u, programs known: %zu\n", accel_policy.rules, accel->known.len);
	buf_f(out, "between pods: %s\n", cluster_state(accel));
	return 0;
}

static const struct item_verb verbs[] = {
	{"state", "state", "what this kernel can do, and whether pods are joined", tell_state},
	{"connections", "connections [--json]",
	 "each end of an accelerated connection that is open", tell_ends},
	{"preflight", "preflight [-d DURATION] [--json]",
	 "which executables are safe to accelerate, and why others are not", verdicts_tell},
	{},
};

const struct item_ops accel_item = {
	.metrics = metrics,
	.metric_count = METRICS,
	.verbs = verbs,
	.settings = settings,
	.set = set,
	.configure = configure,
	.start = start,
	.event = event,
	.tick = tick,
	.drain = look,
	.rows_first = true,
	.collect = collect,
	.stop = stop,
};
