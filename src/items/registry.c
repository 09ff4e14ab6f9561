// SPDX-License-Identifier: GPL-2.0-only
/* registry - all items of this agent: found, described, found again, ticked, told about. */
#include "items/private.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "items/procfile.h"
#include "items/exporter/exporter.h"
#include "items/scripted/scripted.h"
#include "items/signs.h"
#include "kernel/client.h"

/* Names of the dead are known for a minute: whoever scrapes less often must not make us forget whose numbers were. */
static const uint64_t poll_at_least_ns = 30ull * 1000000000;
/* Sweeps look at every bucket of a map: half of what an idle agent costs. A map that fills up is swept at every tick. */
static const uint64_t sweep_ns = 5ull * 1000000000, resweep_ns = 2ull * 1000000000,
		      sweep_anyway_ns = 60ull * 1000000000;

bool registry_reserved(struct span name)
{
	return item_name_is_taken(name);
}

static void let_go(struct item *item)
{
	item->holds = 0;
	item_switch(item, false, NULL);
}

static void free_item(struct item *item)
{
	if (!item)
		return;
	let_go(item);
	item_drop_families(item);
	item_desc_free(item->desc);
	armed_done(item);
	filter_free(item->where);
	free(item->where_text);
	free(item->elf);
	map_done(&item->counted);
	arena_done(&item->arena);
	if (item->form)
		item->form_free(item->form);
	scripted_free(item->script);
	free(item);
}

static int take_defaults(struct item *item, struct err *why)
{
	static const char *const arming[] = {"awake", "cooldown", "when"};
	int error = 0;

	item->now.by = LEVEL_PROCESS;
	for (uint32_t i = 0; item->desc && i < item->desc->params; i++)
		item->now.value[i] = item->desc->param[i].value;
	item->good = item->now;
	for (size_t i = 0; !error && i < sizeof(arming) / sizeof(*arming); i++)
		error = armed_set_default(item, span_of(arming[i]), why);
	return error;
}

int item_learn(struct item *item, struct err *why)
{
	const struct span *object = &item->object_bytes;
	int error = 0;

	if (item->is_learned)
		return 0;
	if (object->len && !item->desc)
		error = item_describe(item->name, object->at, object->len, &item->desc, why);
	if (!error && item->ops && item->ops->prepare)
		error = item->ops->prepare(why);
	if (!error)
		error = item_make_families(item, NULL, why);
	if (!error)
		error = take_defaults(item, why);
	if (error)
		return error;
	item->is_learned = true;
	return 0;
}

static int new_item(struct registry *registry, const struct builtin *builtin, const char *name, struct span object,
		    struct item_desc *desc, const struct item_ops *ops, struct item **ret_item, struct err *why)
{
	struct item *item = calloc(1, sizeof(*item));
	int error = 0;

	if (!item) {
		item_desc_free(desc);
		return err_set(why, -ENOMEM, "cannot take item '%s': out of memory", name);
	}
	item->desc = desc;
	item->registry = registry;
	item->ops = ops;
	item->object_bytes = object;
	snprintf(item->name, sizeof(item->name), "%s", name);
	arena_init(&item->arena, ITEM_ARENA_BYTES);
	map_init(&item->counted, 64, 8, 64);
	item->builtin = builtin;
	if (!builtin || !object.len)
		error = item_learn(item, why);
	if (error) {
		free_item(item);
		return error;
	}
	*ret_item = item;
	return 0;
}

/* What configurations of ebpf_exporter say of themselves all of them say under the same names. */
static bool is_of_ops(const struct item *item, uint32_t family)
{
	return item->form && family < item->families - item->kept;
}

/* Has `other` a metric of this name, said by an object? (Of a built-in item that nobody asked for yet, the table knows.) */
static bool has_metric(const struct item *other, const struct item *item, uint32_t family)
{
	const char *own = family_metric(item->family[family])->name;

	for (uint32_t n = 0; n < other->families; n++)
		if (!(is_of_ops(item, family) && is_of_ops(other, n)) &&
		    !strcmp(own, family_metric(other->family[n])->name))
			return true;
	for (uint32_t n = 0; !other->is_learned && other->builtin->metrics[n]; n++)
		if (!strcmp(own, other->builtin->metrics[n]))
			return true;
	for (size_t n = 0; !other->is_learned && other->ops && n < other->ops->metric_count; n++)
		if (!strcmp(own, other->ops->metrics[n].name))
			return true;
	return false;
}

/* Two items may not have a metric of one name and different meaning. */
static int check_metric_names(struct registry *registry, const struct item *item, struct err *why)
{
	for (uint32_t i = 0; i < registry->items; i++)
		for (uint32_t m = 0; m < item->families; m++)
			if (has_metric(registry->item[i], item, m))
				return err_set(why, -EEXIST, "item '%s' has a metric '%s', which item '%s' has already; rename it",
					       item->name, family_metric(item->family[m])->name, registry->item[i]->name);
	return 0;
}

static int insert(struct registry *registry, struct item *item, struct err *why)
{
	uint32_t at = registry->items;

	if (registry->items == REGISTRY_ITEMS)
		return err_set(why, -ENOSPC, "an agent has at most %d items", REGISTRY_ITEMS);
	while (at && strcmp(registry->item[at - 1]->name, item->name) > 0) {
		registry->item[at] = registry->item[at - 1];
		at--;
	}
	registry->item[at] = item;
	registry->items++;
	return 0;
}

static int add_builtin(struct registry *registry, const struct builtin *builtin, struct err *why)
{
	struct span object = {builtin->from,
			      builtin->from ? (size_t)(builtin->to - builtin->from) : 0};
	struct item *item;
	int error = new_item(registry, builtin, builtin->name, object, NULL, builtin->ops, &item, why);

	if (error)
		return error;
	error = insert(registry, item, why);
	if (error)
		free_item(item);
	return error;
}

/* The agent's own metrics about items. */
static const struct metric self_metrics[] = {
	{.name = "sonde_item_events_total",
	 .type = METRIC_COUNTER,
	 .scale = 1,
	 .help = "Events of an item by stage: what was seen, sent, lost, read, made into records"},
	{.name = "sonde_item_on",
	 .type = METRIC_GAUGE,
	 .scale = 1,
	 .help = "1 while the item runs, 0 when it is off or skipped"},
	{.name = "sonde_item_program_seconds_total",
	 .type = METRIC_COUNTER,
	 .scale = 1e-9,
	 .unit = "seconds",
	 .help = "Time spent in an item's programs, while bpf run statistics were on"},
	{.name = "sonde_item_wakes_total",
	 .type = METRIC_COUNTER,
	 .scale = 1,
	 .help = "Times that an armed item woke"},
	{.name = "sonde_item_series",
	 .type = METRIC_GAUGE,
	 .scale = 1,
	 .help = "Series that an item's metrics have now"},
};

enum { SELF_EVENTS, SELF_ON, SELF_SECONDS, SELF_WAKES, SELF_SERIES, SELF_METRICS };

int registry_new(const struct registry_options *options, struct registry **ret_registry,
		 struct err *why)
{
	struct registry *registry = calloc(1, sizeof(*registry));
	int error = 0;

	if (!registry)
		return err_set(why, -ENOMEM, "cannot start: out of memory");
	registry->options = *options;
	for (int i = 0; i < SELF_METRICS; i++)
		registry->self[i] = family_new(&self_metrics[i], METRIC_SERIES);
	registry->signs = signs_new();
	if (!registry->signs)
		error = err_set(why, -ENOMEM, "cannot start: out of memory");
	for (const struct builtin *builtin = builtin_items; !error && builtin->name; builtin++)
		error = add_builtin(registry, builtin, why);
	if (error) {
		registry_free(registry);
		return error;
	}
	*ret_registry = registry;
	return 0;
}

void registry_free(struct registry *registry)
{
	if (!registry)
		return;
	registry->ends = true;
	/* all end before the first one is freed: one may ask for another (item_state_of) */
	for (uint32_t i = 0; i < registry->items; i++)
		let_go(registry->item[i]);
	for (uint32_t i = 0; i < registry->items; i++)
		free_item(registry->item[i]);
	for (int i = 0; i < SELF_METRICS; i++)
		family_free(registry->self[i]);
	signs_free(registry->signs);
	free(registry);
}

void registry_set_alerts(struct registry *registry, const struct alerts *alerts)
{
	signs_set_alerts(registry->signs, alerts);
}

void registry_end_evidence(struct registry *registry)
{
	for (uint32_t i = 0; i < registry->items; i++)
		armed_end(registry->item[i]);
}

struct item *registry_at(struct registry *registry, size_t i)
{
	return i < registry->items ? registry->item[i] : NULL;
}

static struct item *find(struct registry *registry, const char *name)
{
	for (uint32_t i = 0; i < registry->items; i++)
		if (!strcmp(registry->item[i]->name, name) ||
		    (registry->item[i]->form && !strcmp(item_config_name(registry->item[i]), name)))
			return registry->item[i];
	return NULL;
}

/* Who is asked for by name is learned. It has been described when the program was built: only memory can fail now. */
struct item *registry_find(struct registry *registry, const char *name)
{
	struct item *item = find(registry, name);

	return item && !item_learn(item, NULL) ? item : NULL;
}

static int check_name(struct registry *registry, const char *name, struct err *why)
{
	if (registry_reserved(span_of(name)))
		return err_set(why, -EINVAL,
			       "an item cannot be called '%s': that is a command; rename it", name);
	if (find(registry, name))
		return err_set(why, -EEXIST,
			       "there is an item '%s' already; upgrade it with 'sonde items "
			       "upgrade %s FILE'",
			       name, name);
	return 0;
}

/* Puts a new item into the list; on failure it is freed. */
static int take_in(struct registry *registry, struct item *item, struct item **ret_item, struct err *why)
{
	int error = check_metric_names(registry, item, why);

	if (!error)
		error = insert(registry, item, why);
	if (error) {
		free_item(item);
		return error;
	}
	*ret_item = item;
	return 0;
}

int registry_add(struct registry *registry, const char *name, struct span elf,
		 struct item **ret_item, struct err *why)
{
	struct item *item;
	uint8_t *copy;
	int error = check_name(registry, name, why);

	if (error)
		return error;
	copy = malloc(elf.len ? elf.len : 1);
	if (!copy)
		return err_set(why, -ENOMEM, "cannot take item '%s': out of memory", name);
	memcpy(copy, elf.at, elf.len);
	error = new_item(registry, NULL, name, (struct span){copy, elf.len}, NULL, NULL, &item, why);
	if (error) {
		free(copy);
		return error;
	}
	item->elf = copy;
	return take_in(registry, item, ret_item, why);
}

/* ---- scripts of the tracing language ---- */

int registry_add_script(struct registry *registry, const char *name, struct span text, struct item **ret_item,
			struct err *why)
{
	struct scripted *script;
	struct item *item;
	int error = check_name(registry, name, why);

	if (!error)
		error = scripted_new(name, text, registry->options.kernel, registry->options.loop, &script, why);
	if (error)
		return error;
	error = new_item(registry, NULL, name, (struct span){}, NULL, scripted_ops(script), &item, why);
	if (error) {
		scripted_free(script);
		return error;
	}
	item->script = script;
	return take_in(registry, item, ret_item, why);
}

struct span item_script_text(const struct item *item)
{
	return item->script ? scripted_text(item->script) : (struct span){};
}

/* ---- configurations of ebpf_exporter ---- */

static void free_form(void *form)
{
	exporter_free(form);
}

static void form_json(const void *form, struct json *json)
{
	exporter_json(form, json);
}

/* One that is called like an item of ours is no reason to rename its files. */
static void choose_name(struct registry *registry, char name[ITEM_NAME_BYTES])
{
	const struct item *item = find(registry, name);
	size_t len = strlen(name);

	if ((!item || !item->builtin) && !registry_reserved(span_of(name)))
		return;
	if (len + sizeof("_config") <= ITEM_NAME_BYTES)
		memcpy(name + len, "_config", sizeof("_config"));
}

int registry_add_config(struct registry *registry, const char *config, struct span yaml, struct span elf,
			struct item **ret_item, struct err *why)
{
	char name[ITEM_NAME_BYTES];
	struct exporter *exporter;
	struct item *item;
	uint8_t *copy;
	int error = exporter_new(config, yaml, elf, &exporter, why);

	if (error)
		return error;
	exporter_item_name(config, name);
	choose_name(registry, name);
	error = check_name(registry, name, why);
	copy = error ? NULL : malloc(elf.len ? elf.len : 1);
	if (!copy) {
		exporter_free(exporter);
		return error ? error : err_set(why, -ENOMEM, "cannot take item '%s': out of memory", name);
	}
	memcpy(copy, elf.at, elf.len);
	error = new_item(registry, NULL, name, (struct span){copy, elf.len}, exporter_take_description(exporter),
			 exporter_ops(exporter), &item, why);
	if (error) {
		free(copy);
		exporter_free(exporter);
		return error;
	}
	item->elf = copy;
	item->form = exporter;
	item->form_free = free_form;
	item->form_json = form_json;
	return take_in(registry, item, ret_item, why);
}

int item_upgrade_config(struct item *item, struct span yaml, struct span elf, struct err *why)
{
	struct exporter *exporter;
	struct buf copy;
	int error;

	if (!item->form)
		return err_set(why, -EINVAL, "item '%s' is no configuration; upgrade it with %s.bpf.o alone", item->name,
			       item->name);
	buf_init(&copy, elf.len ? elf.len : item->object_bytes.len);
	buf_span(&copy, elf.len ? elf : item->object_bytes);
	error = exporter_new(item_config_name(item), yaml.len ? yaml : item_config_text(item), buf_as_span(&copy),
			     &exporter, why);
	if (!error)
		error = item_upgrade_form(item, exporter_take_description(exporter), exporter_ops(exporter), exporter,
					  buf_as_span(&copy), why);
	buf_done(&copy);
	return error;
}

struct span item_config_text(const struct item *item)
{
	return item->form ? exporter_yaml(item->form) : (struct span){};
}

struct span item_object_bytes(const struct item *item)
{
	return item->object_bytes;
}

const char *item_config_name(const struct item *item)
{
	return item->form ? exporter_config_name(item->form) : item->name;
}

int registry_remove(struct registry *registry, struct item *item, struct err *why)
{
	uint32_t at = 0;

	if (item->builtin)
		return err_set(
			why, -EPERM,
			"item '%s' belongs to sonde and can't be removed; switch it off with "
			"'sonde items off %s'",
			item->name, item->name);
	while (registry->item[at] != item)
		at++;
	registry->items--;
	memmove(&registry->item[at], &registry->item[at + 1],
		(registry->items - at) * sizeof(registry->item[0]));
	free_item(item);
	return 0;
}

/* ---- what others ask of an item ---- */

const char *item_name(const struct item *item)
{
	return item->name;
}

struct kernel *item_kernel(struct item *item)
{
	return item->registry->options.kernel;
}

const char *item_folder(const struct item *item)
{
	return item->registry->options.folder;
}

struct world *item_world(struct item *item)
{
	return item->registry->options.world;
}

struct stream *item_stream(struct item *item)
{
	return item->registry->options.stream;
}

const struct item_desc *item_description(const struct item *item)
{
	return item->desc;
}

struct object *item_object(struct item *item)
{
	return item->object;
}

const struct resolver *item_resolver(struct item *item)
{
	return item->registry->options.resolver;
}

int item_open(struct item *item, const char *path)
{
	return kernel_open_file(item->registry->options.kernel, path);
}

void *item_state_of(struct item *item, const char *name)
{
	const struct item *other = find(item->registry, name);

	return other && other->started ? other->state_of_ops : NULL;
}

int item_diag_tcp(struct item *item, int pid, int family, uint32_t states, struct buf *out)
{
	return kernel_diag(item->registry->options.kernel, pid, family, IPPROTO_TCP, states, out);
}

enum item_state item_state(const struct item *item)
{
	return item->state;
}

const char *item_reason(const struct item *item)
{
	return item->state == ITEM_SKIPPED ? item->why.text : "";
}

bool item_is_builtin(const struct item *item)
{
	return item->builtin != NULL;
}

const char *item_wing(const struct item *item)
{
	return item->desc		     ? item->desc->wing
	       : item->builtin && item->builtin->wing ? item->builtin->wing
						      : item->ops->wing;
}

const char *item_help(const struct item *item)
{
	return item->desc		     ? item->desc->help
	       : item->builtin && item->builtin->help ? item->builtin->help
						      : item->ops->help;
}

bool item_on_by_default(const struct item *item)
{
	const struct builtin *builtin = item->builtin;

	return builtin && (builtin->from ? builtin->on_by_default : item->ops->on_by_default);
}

bool item_has_rows(const struct item *item)
{
	return (item->desc && item->desc->maps) || (item->ops && item->ops->rows);
}

bool item_has_events(const struct item *item)
{
	return (item->desc && item->desc->events) || (item->ops && item->ops->events);
}

const struct layout *item_layout(const struct item *item, size_t i)
{
	if (item->desc) {
		if (i < item->desc->events)
			return &item->desc->event[i].layout;
		i -= item->desc->events;
		if (i < item->desc->maps)
			return &item->desc->map[i].layout;
		i -= item->desc->maps;
	}
	if (!item->ops)
		return NULL;
	for (size_t n = 0; n < 3; n++)
		for (const struct layout *const *layout =
			     (const struct layout *const *[]){item->ops->events,
							      item->ops->summaries,
							      item->ops->layouts}[n];
		     layout && *layout; layout++)
			if (!i--)
				return *layout;
	return NULL;
}

int item_run_verb(struct item *item, const char *verb, int argc, char **argv, struct buf *out,
		  struct err *why)
{
	const struct item_verb *known = item->ops ? item->ops->verbs : NULL;

	for (; known && known->name; known++)
		if (!strcmp(known->name, verb))
			return known->run(item, item->state_of_ops, argc, argv, out, why);
	return err_set(why, -ENOENT, "item '%s' has no verb '%s'; see 'sonde %s --help'",
		       item->name, verb, item->name);
}

void item_count(struct item *item, const char *stage, const char *reason, uint64_t amount)
{
	char key[64] = "";
	uint64_t *count;

	snprintf(key, sizeof(key), "%s", stage);
	if (reason && strlen(stage) + 1 < sizeof(key))
		snprintf(key + strlen(stage) + 1, sizeof(key) - strlen(stage) - 1, "%s", reason);
	count = map_put(&item->counted, key, NULL);
	if (count)
		*count += amount;
}

bool item_where_requires(const struct item *item, const char *const *columns,
			 struct span *ret_value)
{
	return filter_requires_any(item->where, columns, ret_value);
}

void item_publish(struct item *item, const struct record *record)
{
	if (item->where && !filter_match(item->where, record)) {
		item->tally.unwanted++;
		return;
	}
	item->tally.published++;
	stream_publish(item->registry->options.stream, record);
}

static const struct item_event *event_of(const struct item *item, uint16_t number)
{
	for (uint32_t i = 0; i < item->desc->events; i++)
		if (item->desc->event[i].number == number)
			return &item->desc->event[i];
	return NULL;
}

void item_on_event(void *ctx, const struct event_head *event, size_t size)
{
	struct item *item = ctx;
	const struct item_event *kind;
	struct record record;

	item->tally.read++;
	if (item->ops && item->ops->event) {
		item->ops->event(item, item->state_of_ops, event, size);
		return;
	}
	kind = event_of(item, event->kind);
	if (!kind) {
		item->tally.bad++;
		return;
	}
	if (!stream_wanted(item->registry->options.stream, item->name)) {
		item->tally.unwanted++;
		return;
	}
	arena_clear(&item->arena);
	if (record_fill(&record, &kind->layout, event, size, event->ktime_ns,
			item->registry->options.resolver, &item->arena)) {
		item->tally.dropped++;
		return;
	}
	item_publish(item, &record);
}

/*
 * Maps hold keys of the dead only if somebody died. How many tasks there are and which was made last are the last two
 * words of /proc/loadavg ("... 1/245 12345"): while both stand, nobody ended. Cheaper by far than to walk the buckets of all maps.
 */
static void look_at_tasks(struct registry *registry, uint64_t now_ns)
{
	uint64_t tasks = 0;
	struct buf buf;

	buf_init(&buf, 256);
	if (!procfile_read(NULL, "/proc/loadavg", &buf)) {
		const char *slash = memchr(buf.at, '/', buf.len);

		if (slash)
			tasks = hash_bytes(slash, buf.len - (size_t)(slash - (char *)buf.at), 0);
	}
	if (!tasks || tasks != registry->tasks)
		registry->tasks_changed_ns = now_ns;
	registry->tasks = tasks;
	buf_done(&buf);
}

static bool sweep_is_due(const struct item *item, uint64_t now_ns)
{
	uint64_t since_ns = now_ns - item->swept_ns;

	if (item->crowded || since_ns >= sweep_anyway_ns)
		return true;
	if (item->has_dying)
		return since_ns >= resweep_ns;
	return since_ns >= sweep_ns && item->registry->tasks_changed_ns >= item->swept_ns;
}

void registry_tick(struct registry *registry, uint64_t now_ns)
{
	look_at_tasks(registry, now_ns);
	memset(registry->living, 0, sizeof(registry->living));
	for (uint32_t i = 0; i < registry->items; i++) {
		struct item *item = registry->item[i];

		if (!item->started)
			continue;
		if (item->ops && item->ops->tick)
			item->ops->tick(item, item->state_of_ops, now_ns);
		if (now_ns - item->polled_ns >= poll_at_least_ns)
			item_poll(item, now_ns);
		if (sweep_is_due(item, now_ns)) {
			item_sweep(item);
			item->swept_ns = now_ns;
		}
	}
	armed_tick(registry, now_ns);
}

size_t item_drain(struct item *item)
{
	size_t events = item->ring ? ring_drain(item->ring, ITEM_EVENTS_A_ROUND) : 0;

	if (item->started && item->ops && item->ops->drain)
		item->ops->drain(item, item->state_of_ops);
	return events;
}

size_t registry_drain(struct registry *registry)
{
	size_t events = 0;

	for (uint32_t i = 0; i < registry->items; i++)
		events += item_drain(registry->item[i]);
	return events;
}
