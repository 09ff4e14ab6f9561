// SPDX-License-Identifier: GPL-2.0-only
/*
 * item - the life of one item: opened, loaded, on, changed while on, off.
 *
 * Changing an item that is on (a parameter, another version) means: open the new object, let it share
 * every map that has the same shape (so counters go on, and events stay in one ring), load it, exchange the programs in one
 * step (kernel/dispatch.h), and only then let go of the old one.
 */
#include "items/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "items/scripted/scripted.h"

static void on_ring_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct item *item = ctx;

	ring_drain(item->ring, ITEM_EVENTS_A_ROUND);
}

static int set_constants(struct item *item, struct object *object, struct err *why)
{
	uint32_t by = item->now.by, cgroup1 = item->registry->options.cgroup1;
	int error = 0;

	if (item->desc->has_by) {
		error = object_set(object, "item_by", &by, sizeof(by));
		if (!error)
			error = object_set(object, "item_cgroup1", &cgroup1, sizeof(cgroup1));
	}
	for (uint32_t i = 0; !error && i < item->desc->params; i++) {
		const struct item_param *param = &item->desc->param[i];

		if (param->is_ours)
			continue;
		/* little endian, as all architectures sonde runs on: the low bytes come first */
		error = object_set(object, param->name, &item->now.value[i], param->size);
	}
	if (!error && item->desc->has_ring && item->now.ring_bytes)
		error = object_resize(object, "events", (uint32_t)item->now.ring_bytes);
	if (error)
		return err_set(why, error, "cannot set up '%s': %s", item->name, err_name(error));
	for (uint32_t i = 0; i < item->now.forced_count; i++) {
		error = object_force(object, item->now.forced[i].hook,
				     item->now.forced[i].alternative, why);
		if (error)
			return error;
	}
	return 0;
}

/* Maps that are shared whatever a version does with them: metrics, counts, the ring, the filter. (State is taken
 * over where it is declared alike: kernel/share.c.) */
static bool is_shared(const struct item *item, const char *map)
{
	if (!strcmp(map, "counts") || !strcmp(map, "filter") || !strcmp(map, "events"))
		return true;
	for (uint32_t i = 0; i < item->desc->maps; i++)
		if (!item->desc->map[i].is_table && !strcmp(item->desc->map[i].name, map))
			return true;
	return false;
}

static const struct item_map *find_map(const struct item_desc *desc, const char *name)
{
	for (uint32_t i = 0; i < desc->maps; i++)
		if (!desc->map[i].is_table && !strcmp(desc->map[i].name, name))
			return &desc->map[i];
	return NULL;
}

/* Do the same bytes mean the same? */
static bool same_columns(const struct schema *a, const struct schema *b)
{
	if (a->count != b->count || a->size != b->size)
		return false;
	for (uint32_t i = 0; i < a->count; i++)
		if (strcmp(a->column[i].name, b->column[i].name) != 0 || a->column[i].type != b->column[i].type ||
		    a->column[i].offset != b->column[i].offset || a->column[i].size != b->column[i].size)
			return false;
	return true;
}

static bool means_the_same(const struct item_map *a, const struct item_map *b)
{
	return !strcmp(a->name, b->name) && a->is_table == b->is_table && a->key_size == b->key_size &&
	       a->value_size == b->value_size && a->max_entries == b->max_entries && a->type == b->type &&
	       same_columns(&a->row, &b->row);
}

int item_same_map(const struct item_desc *from, const struct item_map *map)
{
	for (uint32_t i = 0; i < from->maps; i++)
		if (means_the_same(&from->map[i], map))
			return (int)i;
	return -1;
}

/* Metrics of another shape than the old version's: its numbers are folded, and these start anew. */
static bool has_another_shape(const struct item_desc *desc, const struct item_desc *old, const char *map)
{
	const struct item_map *ours = find_map(desc, map);

	return ours && item_same_map(old, ours) < 0;
}

static void share_maps(struct item *item, const struct item_desc *old_desc, struct object *object,
		       struct object *old)
{
	struct map_cost map;

	for (size_t i = 0; object_map(old, i, &map); i++) {
		if (!is_shared(item, map.name))
			continue;
		if (has_another_shape(item->desc, old_desc, map.name)) {
			object_fresh(object, map.name);
			continue;
		}
		if (!strcmp(map.name, "events") && item->now.ring_bytes &&
		    map.max_entries != item->now.ring_bytes)
			continue;
		object_share(object, map.name, old);
	}
}

static int open_ring(struct item *item, struct object *object, struct ring **ret_ring,
		     struct event **ret_event, struct err *why)
{
	int error;

	*ret_ring = NULL;
	*ret_event = NULL;
	if (!item->desc->has_ring)
		return 0;
	error = ring_open(object, "events", item_on_event, item, ret_ring, why);
	if (error)
		return error;
	*ret_event = event_new(item->registry->options.loop, ring_fd(*ret_ring),
			       EV_READ | EV_PERSIST, on_ring_readable, item);
	if (*ret_event && !event_priority_set(*ret_event, 0) && !event_add(*ret_event, NULL))
		return 0;
	ring_close(*ret_ring);
	return err_set(why, -ENOMEM, "cannot watch the ring of '%s': out of memory", item->name);
}

static void close_ring(struct item *item)
{
	if (item->ring_event)
		event_free(item->ring_event);
	item->ring_event = NULL;
	if (item->ring) {
		ring_drain(item->ring, SIZE_MAX);
		item->tally.bad += ring_bad(item->ring);
	}
	ring_close(item->ring);
	item->ring = NULL;
}

/* Adds what the old version counted: its maps are about to go. */
static void remember_counts(struct item *item, bool shared)
{
	uint64_t kernel[COUNTS], missed;

	item_read_counts(item, kernel, &missed);
	item->tally.missed = missed;
	if (!shared)
		memcpy(item->tally.kernel, kernel, sizeof(kernel));
}

/* Another object's maps may mean something else, and so may those of another way of counting. */
static uint64_t identity(const struct item *item)
{
	return hash_bytes(item->object_bytes.at, item->object_bytes.len, item->now.by + 1);
}

/* What can't be kept serves all the same; that it will not outlive the agent is said. */
void item_keep(struct item *item, struct object *object)
{
	struct err why;

	if (item->pin && object_keep(object, identity(item), &why))
		log_warn("%s", why.text);
}

/* Opens and loads a version in place of `old` (NULL = there is none), with its maps. */
static int load_version(struct item *item, struct object *old, const struct item_desc *old_desc,
			bool asleep, struct object **ret_object, struct err *why)
{
	struct object *object, *left;
	int error = object_open(item->registry->options.kernel, item->name, item->object_bytes.at,
				item->object_bytes.len, &object, why);

	if (error)
		return error;
	error = set_constants(item, object, why);
	if (!error && old)
		share_maps(item, old_desc, object, old);
	if (!error && item->ops && item->ops->configure)
		error = item->ops->configure(item, object, why);
	left = !error && !old && item->pin && !asleep ? object_take_up(object, identity(item)) : NULL;
	if (!error)
		error = asleep ? object_load_asleep(object, why) : object_load(object, left ? left : old, why);
	object_free(left);
	if (error) {
		object_free(object);
		return error;
	}
	if (!asleep)
		item_keep(item, object);
	item_reserve_overflow(item, object);
	*ret_object = object;
	return 0;
}

/* What sleeps is woken; else it is loaded now. */
static int take_object(struct item *item, struct object **ret_object, struct err *why)
{
	struct object *object = item->sleeper;
	int error;

	if (!object)
		return load_version(item, NULL, NULL, false, ret_object, why);
	item->sleeper = NULL;
	error = object_wake(object, why);
	if (error)
		object_free(object);
	else
		*ret_object = object;
	return error;
}

static int start(struct item *item, struct err *why)
{
	struct object *object = NULL;
	int error = 0;

	item_forget_retired(item);
	if (item->desc) {
		error = take_object(item, &object, why);
		if (!error)
			error = open_ring(item, object, &item->ring, &item->ring_event, why);
	}
	item->object = object;
	item_name_kernel_enums(item);
	if (!error)
		item_look_once(item);
	if (!error && item->ops && item->ops->start)
		error = item->ops->start(item, &item->state_of_ops, why);
	if (error) {
		close_ring(item);
		object_free(object);
		item->object = NULL;
		return error;
	}
	item->started = true;
	item->is_fresh = true;
	item->registry->wants_sample = true;
	return 0;
}

static void stop(struct item *item)
{
	if (!item->started)
		return;
	if (item->pin && !item->registry->ends)
		object_forget_kept(item->registry->options.kernel, item->name);
	if (item->object && !(item->pin && item->registry->ends))
		object_silence(
			item->object); /* else what is sent after the ring was read is neither read nor lost */
	close_ring(item);
	item_poll(item, 0);
	item_fold(item, NULL);
	remember_counts(item, false);
	if (item->ops && item->ops->stop)
		item->ops->stop(item, item->state_of_ops);
	item->state_of_ops = NULL;
	object_free(item->object);
	item->object = NULL;
	item->started = false;
	item->sample = (struct item_sample){};
}

/* Its occasion has not come, and nobody watches it. */
static bool should_sleep(const struct item *item)
{
	return item->wanted && is_armed(&item->arming) && !item->arming.is_awake && !item->holds;
}

static bool should_run(const struct item *item)
{
	return (item->wanted && !should_sleep(item)) || item->holds;
}

static int take_state(struct item *item, enum item_state state, int error, struct err *why)
{
	item->state = error ? ITEM_SKIPPED : state;
	if (!error)
		item->why = (struct err){};
	else if (why)
		*why = item->why;
	return error;
}

/* One that was awake before sleeps on without its programs where there is no room for them at the moment: they are loaded when it
 * wakes. */
static int fall_asleep(struct item *item, struct err *why)
{
	int error = 0;

	if (item->state == ITEM_ASLEEP)
		return 0;
	item->good = item->now;
	item->changed = false;
	if (item->desc)
		error = load_version(item, NULL, NULL, true, &item->sleeper, &item->why);
	if (error && item->arming.wakes)
		error = 0;
	return take_state(item, ITEM_ASLEEP, error, why);
}

static int begin(struct item *item, struct err *why)
{
	item->good = item->now;
	item->changed = false;
	return take_state(item, ITEM_ON, start(item, &item->why), why);
}

static void forget_sleeper(struct item *item)
{
	object_free(item->sleeper);
	item->sleeper = NULL;
}

int item_follow_wish(struct item *item, struct err *why)
{
	int error = item->wanted || item->holds ? item_learn(item, &item->why) : 0;

	if (error)
		return take_state(item, ITEM_ON, error, why);
	if (should_run(item) != item->started) {
		if (item->started)
			stop(item);
		else
			return begin(item, why);
	}
	if (item->started)
		return 0;
	if (should_sleep(item))
		return fall_asleep(item, why);
	forget_sleeper(item);
	if (item->state != ITEM_SKIPPED)
		item->state = ITEM_OFF;
	return 0;
}

void item_give_up(struct item *item, const char *reason)
{
	stop(item);
	forget_sleeper(item);
	item->wanted = item->arming.is_awake = false;
	item->state = ITEM_SKIPPED;
	err_set(&item->why, -ECANCELED, "%s", reason);
}

int item_switch(struct item *item, bool on, struct err *why)
{
	if (!item->has_looked && item->registry->options.kernel && item->object_bytes.len && (!on || !item->pin))
		object_forget_kept(item->registry->options.kernel, item->name);
	item->has_looked = true;
	if (!on)
		armed_end(item);
	item->wanted = on;
	if (!on && item->state == ITEM_SKIPPED)
		item->state = ITEM_OFF;
	return item_follow_wish(item, why);
}

int item_hold(struct item *item, struct err *why)
{
	int error;

	item->holds++;
	error = item_follow_wish(item, why);
	if (error)
		item->holds--;
	return error;
}

void item_release(struct item *item)
{
	if (item->holds)
		item->holds--;
	item_follow_wish(item, NULL);
}

/* What an item runs: another version of it is tried in its place. */
struct version {
	struct item_desc *desc;
	uint8_t *elf;
	struct span object_bytes;
	const struct item_ops *ops;
	void *form;
};

static struct version version_of(const struct item *item)
{
	return (struct version){item->desc, item->elf, item->object_bytes, item->ops, item->form};
}

static void set_version(struct item *item, const struct version *version)
{
	item->desc = version->desc;
	item->elf = version->elf;
	item->object_bytes = version->object_bytes;
	item->ops = version->ops;
	item->form = version->form;
}

/*
 * The new version's programs run, the old ones no more (after a grace period), so their maps stand still. What is in those
 * that the new one has not taken over goes into the base, read with the old description; what had begun in them and
 * now can't end is counted as dropped.
 */
static void let_go(struct item *item, const struct version *old_version, struct object *old, struct object *object)
{
	struct version now = version_of(item);

	object_silence(old);
	set_version(item, old_version);
	item_poll(item, 0);
	item_fold(item, object);
	item_drop_begun(item, object);
	remember_counts(item, object_same_map(old, object, "counts"));
	set_version(item, &now);
}

/* The item's version of now sleeps in the place of the one that slept. On failure that one sleeps on. */
static int sleep_anew(struct item *item, struct err *why)
{
	struct object *object;
	int error = item->desc ? load_version(item, NULL, NULL, true, &object, why) : 0;

	if (error || !item->desc)
		return error;
	object_free(item->sleeper);
	item->sleeper = object;
	return 0;
}

/* Replaces what runs by the item's version of now. On failure nothing has changed. */
static int replace(struct item *item, const struct version *old_version, struct err *why)
{
	struct object *object, *old = item->object;
	struct ring *ring;
	struct event *ring_event;
	int error;

	if (item->state == ITEM_ASLEEP)
		return sleep_anew(item, why);
	if (!item->started || !item->desc)
		return 0;
	item_name_kernel_enums(item);
	error = load_version(item, old, old_version->desc, false, &object, why);
	if (error)
		return error;
	error = open_ring(item, object, &ring, &ring_event, why);
	if (error) {
		object_give_back(object, old);
		object_free(object);
		return error;
	}
	let_go(item, old_version, old, object);
	close_ring(item);
	item->ring = ring;
	item->ring_event = ring_event;
	item->object = object;
	if (item->ops && item->ops->replaced)
		error = item->ops->replaced(item, &item->state_of_ops, old, why);
	object_free(old);
	item_look_once(item);
	return error;
}

/* A script begins anew with other options. What it had counted is gone: its maps are gauges. */
static int restart(struct item *item, struct err *why)
{
	int error;

	if (!item->started)
		return 0;
	stop(item);
	error = start(item, why);
	if (error) {
		item->state = ITEM_SKIPPED;
		item->why = *why;
	}
	return error;
}

int item_apply(struct item *item, struct err *why)
{
	struct version now = version_of(item);
	int error;

	if (!item->changed)
		return 0;
	item->changed = false;
	if (item->script)
		return restart(item, why);
	error = replace(item, &now, why);
	if (error)
		item->now = item->good;
	else
		item->good = item->now;
	return error;
}

void item_forget_changes(struct item *item)
{
	item->now = item->good;
	item->changed = false;
}

/* Parameters keep their values where the new version has them too. */
static void carry_params(struct item *item, const struct item_desc *from,
			 const struct item_desc *to)
{
	int64_t old[ITEM_PARAMS];

	memcpy(old, item->now.value, sizeof(old));
	for (uint32_t i = 0; i < to->params; i++) {
		item->now.value[i] = to->param[i].value;
		for (uint32_t n = 0; n < from->params; n++)
			if (!strcmp(from->param[n].name, to->param[i].name))
				item->now.value[i] = old[n];
	}
}

/* Tries `next` in place of what runs. What is not used any more is freed; `next` too when it fails. */
static int upgrade_to(struct item *item, struct version *next, struct err *why)
{
	struct version old = version_of(item);
	struct choice before = item->now;
	bool replaced = false;
	int error;

	carry_params(item, old.desc, next->desc);
	set_version(item, next);
	error = replace(item, &old, why);
	replaced = !error;
	if (error) {
		set_version(item, &old);
		item->now = before;
	} else {
		item->good = item->now;
		error = item_make_families(item, old.desc, why);
	}
	if (!replaced)
		old = *next;
	item_desc_free(old.desc);
	free(old.elf);
	if (old.form && old.form != item->form)
		item->form_free(old.form);
	return error;
}

int item_upgrade_form(struct item *item, struct item_desc *desc, const struct item_ops *ops, void *form,
		      struct span elf, struct err *why)
{
	struct version next = {.desc = desc, .ops = ops, .form = form, .elf = malloc(elf.len ? elf.len : 1)};

	if (!next.elf) {
		item_desc_free(desc);
		if (form && form != item->form)
			item->form_free(form);
		return err_set(why, -ENOMEM, "cannot upgrade '%s': out of memory", item->name);
	}
	memcpy(next.elf, elf.at, elf.len);
	next.object_bytes = (struct span){next.elf, elf.len};
	return upgrade_to(item, &next, why);
}

static void exchange_scripts(struct item *item, struct scripted **script)
{
	struct scripted *other = item->script;

	item->script = *script;
	item->ops = scripted_ops(item->script);
	*script = other;
}

/* The new one is compiled before the old one is let go; if it can't be attached, the old one begins anew. */
int item_upgrade_script(struct item *item, struct span text, struct err *why)
{
	const struct registry_options *options = &item->registry->options;
	bool runs = item->started;
	struct scripted *next;
	const char *name;
	int error;

	if (!item->script)
		return err_set(why, -EINVAL, "item '%s' is no script; upgrade it with what it was made from", item->name);
	error = scripted_new(item->name, text, options->kernel, options->loop, &next, why);
	if (error)
		return error;
	for (size_t i = 0; (name = scripted_option(next, i)); i++)
		if (scripted_get(item->script, span_of(name)))
			scripted_set(next, span_of(name), span_of(scripted_get(item->script, span_of(name))), NULL);
	stop(item);
	exchange_scripts(item, &next);
	error = item_make_families(item, NULL, why);
	if (!error && runs && (error = start(item, why))) {
		exchange_scripts(item, &next);
		if (item_make_families(item, NULL, NULL) || start(item, NULL))
			item_give_up(item, why->text);
	}
	scripted_free(next);
	return error;
}

int item_upgrade(struct item *item, struct span elf, struct err *why)
{
	struct item_desc *desc;
	int error;

	if (!item->desc)
		return err_set(why, -EOPNOTSUPP, "item '%s' has no object to upgrade", item->name);
	if (item->form)
		return item_upgrade_config(item, (struct span){}, elf, why);
	error = item_describe(item->name, elf.at, elf.len, &desc, why);
	return error ? error : item_upgrade_form(item, desc, item->ops, item->form, elf, why);
}
