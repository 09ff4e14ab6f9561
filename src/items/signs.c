// SPDX-License-Identifier: GPL-2.0-only
/* signs - cheap signs that something may be wrong: with the machine, with a container or service of it, or by an alert. */
#include "items/signs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alert/alert.h"
#include "base/map.h"
#include "items/groups.h"
#include "items/procfile.h"

enum { RESOURCES = 3, TEXT_BYTES = 64 * 1024 };
static const char *const resources[RESOURCES] = {"cpu", "memory", "io"};

enum own_column {
	SIGN,
	CPU_PRESSURE,
	MEMORY_PRESSURE,
	IO_PRESSURE,
	MEMORY_FULL,
	IO_FULL,
	THROTTLED,
	STEAL,
	ALERT,
	SEVERITY,
	SUMMARY,
	COLUMNS,
};

static const struct {
	const char *name, *help;
	enum unit unit;
	unsigned of_machine, of_group; /* sources that know it */
} columns[COLUMNS] = {
	[SIGN] = {"sign", "what it is about: machine, group (a container or service), alert",
		  UNIT_TEXT, 0, 0},
	[CPU_PRESSURE] = {"cpu_pressure",
			  "part of the time in which somebody waited for a CPU, percent",
			  UNIT_PERCENT, SIGN_PRESSURE, SIGN_GROUP_PRESSURE},
	[MEMORY_PRESSURE] = {"memory_pressure",
			     "part of the time in which somebody waited for memory, percent",
			     UNIT_PERCENT, SIGN_PRESSURE, SIGN_GROUP_PRESSURE},
	[IO_PRESSURE] = {"io_pressure",
			 "part of the time in which somebody waited for a disk, percent",
			 UNIT_PERCENT, SIGN_PRESSURE, SIGN_GROUP_PRESSURE},
	[MEMORY_FULL] = {"memory_full",
			 "part of the time in which nobody ran for want of memory, percent",
			 UNIT_PERCENT, SIGN_PRESSURE, SIGN_GROUP_PRESSURE},
	[IO_FULL] = {"io_full", "part of the time in which nobody ran for want of a disk, percent",
		     UNIT_PERCENT, SIGN_PRESSURE, SIGN_GROUP_PRESSURE},
	[THROTTLED] = {"throttled", "periods in which its CPU limit stopped it, percent",
		       UNIT_PERCENT, 0, SIGN_GROUP_THROTTLING},
	[STEAL] = {"steal",
		   "time of all CPUs that the host of this virtual machine gave to others, percent",
		   UNIT_PERCENT, SIGN_STEAL, 0},
	[ALERT] = {"alert", "name of a rule whose alert fires", UNIT_TEXT, SIGN_ALERTS, 0},
	[SEVERITY] = {"severity", "of that alert", UNIT_TEXT, SIGN_ALERTS, 0},
	[SUMMARY] = {"summary", "of that alert", UNIT_TEXT, SIGN_ALERTS, 0},
};

/* Sums that the kernel keeps, as they were at the last look. */
struct sums {
	uint64_t at_ns; /* 0 = there was none */
	uint64_t some_us[RESOURCES], full_us[RESOURCES];
	uint64_t periods, throttled;
};

struct signs {
	const struct alerts *alerts; /* borrowed; NULL = nothing is watched for */
	struct sums machine;
	uint64_t ticks, stolen, ticks_at_ns;
	struct map groups; /* hash of the folder -> struct sums */
	struct arena arena; /* of the record at hand */
};

const struct layout *signs_layout(void)
{
	static struct layout layout;

	if (layout.count)
		return &layout;
	layout_begin(&layout, WHO_OF_CGROUP);
	for (int i = 0; i < COLUMNS; i++)
		layout_add(&layout, columns[i].name, columns[i].unit, columns[i].help, NULL);
	layout_row_kind(&layout, "sign", 0, 0);
	return &layout;
}

static bool asks_whose(const struct filter *when)
{
	static const char *const whose[] = {"container", "container_id", "pod", "namespace",
					    "service",   "cgroup",       "sign"};

	for (size_t i = 0; i < sizeof(whose) / sizeof(*whose); i++)
		if (filter_mentions(when, whose[i]))
			return true;
	return false;
}

unsigned signs_asked_by(const struct filter *when)
{
	bool of_groups = asks_whose(when);
	unsigned sources = 0;

	for (int i = 0; i < COLUMNS; i++)
		if (filter_mentions(when, columns[i].name))
			sources |= columns[i].of_machine |
				   (of_groups || !columns[i].of_machine ? columns[i].of_group : 0);
	return sources;
}

struct signs *signs_new(void)
{
	struct signs *signs = calloc(1, sizeof(*signs));

	if (!signs)
		return NULL;
	map_init(&signs->groups, sizeof(uint64_t), sizeof(struct sums), GROUPS_MAX);
	arena_init(&signs->arena, TEXT_BYTES);
	return signs;
}

void signs_set_alerts(struct signs *signs, const struct alerts *alerts)
{
	signs->alerts = alerts;
}

void signs_free(struct signs *signs)
{
	if (!signs)
		return;
	map_done(&signs->groups);
	arena_done(&signs->arena);
	free(signs);
}

/* ---- a look ---- */

struct look {
	struct signs *signs;
	struct item *item;
	unsigned sources;
	uint64_t now_ns;
	sign_each each;
	void *ctx;
	bool is_over;
	struct buf text;
	struct record record;
};

static void begin(struct look *look, const char *about)
{
	struct record *record = &look->record;

	arena_clear(&look->signs->arena);
	record_begin(record, signs_layout(), "signs", "sign", look->now_ns,
		     item_resolver(look->item));
	record->value[signs_layout()->count - COLUMNS + SIGN] = value_str(about);
}

static struct value *own(struct look *look, enum own_column column)
{
	return &look->record.value[signs_layout()->count - COLUMNS + column];
}

static void set_percent(struct look *look, enum own_column column, double part, double whole)
{
	if (whole > 0)
		*own(look, column) =
			(struct value){.kind = VALUE_DOUBLE,
				       .real = (double)(uint64_t)(part / whole * 1000 + 0.5) / 10};
}

static void tell(struct look *look)
{
	if (!look->is_over)
		look->is_over = !look->each(look->ctx, &look->record);
}

static void take_pressure(struct look *look, struct sums *sums, int resource)
{
	static const enum own_column some[RESOURCES] = {CPU_PRESSURE, MEMORY_PRESSURE, IO_PRESSURE},
				     full[RESOURCES] = {COLUMNS, MEMORY_FULL, IO_FULL};
	struct pressure now = pressure_of(buf_as_span(&look->text));
	double whole_us = (double)(look->now_ns - sums->at_ns) / 1000;

	if (sums->at_ns && now.has_some && now.some_us >= sums->some_us[resource])
		set_percent(look, some[resource], (double)(now.some_us - sums->some_us[resource]),
			    whole_us);
	if (sums->at_ns && now.has_full && full[resource] != COLUMNS &&
	    now.full_us >= sums->full_us[resource])
		set_percent(look, full[resource], (double)(now.full_us - sums->full_us[resource]),
			    whole_us);
	sums->some_us[resource] = now.some_us;
	sums->full_us[resource] = now.full_us;
}

static void look_at_pressure(struct look *look)
{
	struct sums *sums = &look->signs->machine;
	char path[64];

	for (int i = 0; i < RESOURCES; i++) {
		snprintf(path, sizeof(path), "/proc/pressure/%s", resources[i]);
		if (!procfile_read(look->item, path, &look->text))
			take_pressure(look, sums, i);
	}
	sums->at_ns = look->now_ns;
}

/* The first line of /proc/stat: user nice system idle iowait irq softirq steal, in ticks of all CPUs. */
static void look_at_steal(struct look *look)
{
	enum { STEAL_TICKS = 7, TICKS = 8 };
	struct signs *signs = look->signs;
	struct span text, line, word;
	uint64_t all = 0, stolen = 0;

	if (procfile_read(look->item, "/proc/stat", &look->text))
		return;
	text = buf_as_span(&look->text);
	if (!next_line(&text, &line) || !next_word(&line, &word))
		return;
	for (int i = 0; i < TICKS; i++) {
		uint64_t ticks = next_number(&line);

		all += ticks;
		stolen = i == STEAL_TICKS ? ticks : stolen;
	}
	if (signs->ticks_at_ns && stolen >= signs->stolen && all > signs->ticks)
		set_percent(look, STEAL, (double)(stolen - signs->stolen),
			    (double)(all - signs->ticks));
	signs->ticks = all;
	signs->stolen = stolen;
	signs->ticks_at_ns = look->now_ns;
}

/* What is known of whom the group belongs to. */
static void set_whose(struct look *look, const struct group_place *place)
{
	struct who who = {.cgroup = span_of(place->folder)};

	for (size_t i = 0; i < place->label_count; i++) {
		const struct label *label = &place->labels[i];

		if (!strcmp(label->name, "container"))
			who.container = label->value;
		else if (!strcmp(label->name, "pod"))
			who.pod = label->value;
		else if (!strcmp(label->name, "namespace"))
			who.namespace = label->value;
		else if (!strcmp(label->name, "service"))
			who.service = label->value;
	}
	record_set_who(&look->record, &who, WHO_OF_CGROUP,
		       &look->signs->arena); /* what does not fit is left out */
}

static struct sums *sums_of(struct look *look, const struct group_place *place, unsigned source)
{
	uint64_t key = hash_bytes(place->folder, strlen(place->folder), source);

	return map_put(&look->signs->groups, &key, NULL);
}

static void group_pressure(void *ctx, const struct group_place *place)
{
	struct look *look = ctx;
	struct sums *sums = look->is_over ? NULL : sums_of(look, place, SIGN_GROUP_PRESSURE);
	char file[64];

	if (!sums)
		return;
	begin(look, "group");
	set_whose(look, place);
	for (int i = 0; i < RESOURCES; i++) {
		snprintf(file, sizeof(file), "%s.pressure", resources[i]);
		if (!group_read(look->item, place, file, &look->text))
			take_pressure(look, sums, i);
	}
	if (sums->at_ns)
		tell(look);
	sums->at_ns = look->now_ns;
}

static void group_throttling(void *ctx, const struct group_place *place)
{
	struct look *look = ctx;
	struct sums *sums = look->is_over ? NULL : sums_of(look, place, SIGN_GROUP_THROTTLING);
	uint64_t periods = 0, throttled = 0;

	if (!sums || group_read(look->item, place, "cpu.stat", &look->text))
		return;
	field_of(buf_as_span(&look->text), "nr_periods", &periods);
	field_of(buf_as_span(&look->text), "nr_throttled", &throttled);
	begin(look, "group");
	set_whose(look, place);
	if (sums->at_ns && periods > sums->periods && throttled >= sums->throttled) {
		set_percent(look, THROTTLED, (double)(throttled - sums->throttled),
			    (double)(periods - sums->periods));
		tell(look);
	}
	sums->periods = periods;
	sums->throttled = throttled;
	sums->at_ns = look->now_ns;
}

/* Groups that were not there this time. */
static bool is_gone(void *ctx, const void *key, void *value)
{
	return ((const struct sums *)value)->at_ns != *(const uint64_t *)ctx;
}

static bool tell_alert(void *ctx, const struct firing_alert *alert)
{
	struct look *look = ctx;

	begin(look, "alert");
	*own(look, ALERT) = value_text(alert->name);
	*own(look, SEVERITY) = value_text(alert->severity);
	*own(look, SUMMARY) = value_text(alert->summary);
	tell(look);
	return !look->is_over;
}

void signs_look(struct signs *signs, struct item *item, unsigned sources, uint64_t now_ns,
		sign_each each, void *ctx)
{
	struct look look = {.signs = signs,
			    .item = item,
			    .sources = sources,
			    .now_ns = now_ns,
			    .each = each,
			    .ctx = ctx};

	buf_init(&look.text, PROCFILE_BYTES);
	if (sources & (SIGN_PRESSURE | SIGN_STEAL)) {
		begin(&look, "machine");
		if (sources & SIGN_PRESSURE)
			look_at_pressure(&look);
		if (sources & SIGN_STEAL)
			look_at_steal(&look);
		tell(&look);
	}
	if (sources & SIGN_GROUP_PRESSURE)
		groups_each(item, "", group_pressure, &look);
	if (sources & SIGN_GROUP_THROTTLING)
		groups_each(item, "cpu", group_throttling, &look);
	if (sources & SIGN_ALERTS && signs->alerts)
		alerts_firing(signs->alerts, tell_alert, &look);
	if (sources & (SIGN_GROUP_PRESSURE | SIGN_GROUP_THROTTLING))
		map_remove(&signs->groups, is_gone, &now_ns);
	buf_done(&look.text);
}
