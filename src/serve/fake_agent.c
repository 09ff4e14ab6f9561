// SPDX-License-Identifier: GPL-2.0-only
/* fake_agent - a small agent for the tests of the API. */
#include "serve/fake_agent.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/units.h"

enum { TIME, ITEM, KIND, PID, PROCESS, COLUMNS };

static const struct layout layout = {
	.count = COLUMNS,
	.column =
		{
			[TIME] = {"time", UNIT_TIME, NULL},
			[ITEM] = {"item", UNIT_TEXT, NULL},
			[KIND] = {"kind", UNIT_TEXT, NULL},
			[PID] = {"pid", UNIT_COUNT, NULL},
			[PROCESS] = {"process", UNIT_TEXT, NULL},
		},
};

static const struct metric metric = {
	.name = "sonde_fake_seconds_total",
	.type = METRIC_COUNTER,
	.unit = "seconds",
	.help = "Made to order",
	.scale = 1,
};

/* Record number n: pid n, process "odd" or "even" (with what no terminal should see). */
static void fill(struct record *record, const char *item, const char *kind, uint64_t n)
{
	*record = (struct record){.layout = &layout};
	record->value[TIME] = (struct value){.kind = VALUE_TIME, .u64 = clock_wall_ns()};
	record->value[ITEM] = value_str(item);
	record->value[KIND] = value_str(kind);
	record->value[PID] = value_u64(n);
	record->value[PROCESS] = value_str(n % 2 ? "odd" : "even\"\n\x1b[2J\xff");
}

static bool is_ready(void *ctx, struct err *why)
{
	const struct fake_agent *agent = ctx;

	if (!agent->ready)
		err_set(why, -EAGAIN, "no event has come yet");
	return agent->ready;
}

static int status(void *ctx, struct json *out, struct err *why)
{
	const struct fake_agent *agent = ctx;

	json_object(out);
	json_key_str(out, "version", "test");
	json_key_u64(out, "published", agent->published);
	json_key_u64(out, "held", agent->held);
	json_key_bool(out, "quiet_on", agent->quiet_on);
	json_key_u64(out, "reloads", agent->reloads);
	json_key_u64(out, "added", agent->added);
	json_key_u64(out, "removed", agent->removed);
	json_key_str(out, "last_file", agent->last_file);
	json_key_u64(out, "last_bytes", agent->last_bytes);
	json_key_u64(out, "min_us", (uint64_t)agent->min_us);
	json_object_end(out);
	return 0;
}

static int broken(void *ctx, struct json *out, struct err *why)
{
	return err_set(why, -EIO, "cannot do what was asked: a test broke it; repair the test");
}

static int reload(void *ctx, struct json *out, struct err *why)
{
	((struct fake_agent *)ctx)->reloads++;
	json_object(out);
	json_key(out, "changes");
	json_array(out);
	json_array_end(out);
	json_object_end(out);
	return 0;
}

static int metrics(void *ctx, bool openmetrics, struct buf *out, struct err *why)
{
	struct fake_agent *agent = ctx;
	struct family *const *own, *all[64];
	size_t count = serve_families(agent->serve, &own);

	family_begin(agent->family);
	for (uint64_t i = 0; i < agent->series; i++) {
		char name[32];
		struct label label = {.name = "process"};

		snprintf(name, sizeof(name), "process-%llu", (unsigned long long)i);
		label.value = span_of(name);
		family_add(agent->family, &label, 1, (double)i);
	}
	family_end(agent->family, clock_monotonic_ns());
	memcpy(all, own, count * sizeof(*all));
	all[count] = agent->family;
	families_write(all, count + 1, openmetrics, out);
	return 0;
}

static int items(void *ctx, struct json *out, struct err *why)
{
	json_array(out);
	json_str(out, "exec");
	json_str(out, "runqlat");
	json_str(out, "quiet");
	json_array_end(out);
	return 0;
}

static bool is_item(const char *name)
{
	return !strcmp(name, "exec") || !strcmp(name, "runqlat") || !strcmp(name, "quiet");
}

static int no_item(const char *name, struct err *why)
{
	return err_set(why, -ENOENT, "there is no item '%s'; GET /v1/items names all", name);
}

static int item(void *ctx, const char *name, struct json *out, struct err *why)
{
	if (!is_item(name))
		return no_item(name, why);
	json_object(out);
	json_key_str(out, "name", name);
	json_object_end(out);
	return 0;
}

static int look(void *ctx, const char *name, struct api_item *ret_item, struct err *why)
{
	const struct fake_agent *agent = ctx;

	if (!is_item(name))
		return no_item(name, why);
	*ret_item = (struct api_item){
		.is_on = strcmp(name, "quiet") != 0 || agent->quiet_on,
		.has_events = strcmp(name, "runqlat") != 0,
		.has_rows = !strcmp(name, "runqlat"),
		.layouts = 1,
		.layout = {&layout},
	};
	return 0;
}

static int change(void *ctx, const char *name, const struct api_change *wanted, struct err *why)
{
	struct fake_agent *agent = ctx;

	if (!is_item(name))
		return no_item(name, why);
	if (wanted->params && wanted->params->child &&
	    !json_node_i64(json_get(wanted->params, "min_us"), &agent->min_us))
		return err_set(why, -EINVAL, "parameter 'min_us' wants a number");
	if (wanted->has_on)
		agent->quiet_on = wanted->on;
	return 0;
}

static int add(void *ctx, const struct api_file *files, size_t count, bool check, struct json *out,
	       struct err *why)
{
	struct fake_agent *agent = ctx;

	if (is_item(files[0].name))
		return err_set(why, -EEXIST, "item '%s' is there already; upgrade it with PUT",
			       files[0].name);
	agent->added += !check;
	snprintf(agent->last_file, sizeof(agent->last_file), "%s", files[count - 1].name);
	agent->last_bytes = 0;
	for (size_t i = 0; i < count; i++)
		agent->last_bytes += files[i].bytes.len;
	json_object(out);
	json_key_u64(out, "files", count);
	json_object_end(out);
	return 0;
}

static int upgrade(void *ctx, const char *name, const struct api_file *files, size_t count,
		   struct err *why)
{
	struct fake_agent *agent = ctx;

	if (!is_item(name))
		return no_item(name, why);
	snprintf(agent->last_file, sizeof(agent->last_file), "%s",
		 count ? files[0].name : "its own");
	agent->last_bytes = count ? files[0].bytes.len : 0;
	return 0;
}

static int take_out(void *ctx, const char *name, struct err *why)
{
	if (!is_item(name))
		return no_item(name, why);
	((struct fake_agent *)ctx)->removed++;
	return 0;
}

static void publish(struct fake_agent *agent, uint64_t count)
{
	struct record record;

	while (count--) {
		fill(&record, "exec", "exec", ++agent->published);
		stream_publish(agent->stream, &record);
	}
}

static int verb(void *ctx, const char *name, const char *which, int argc, char **argv,
		struct buf *out, struct err *why)
{
	struct fake_agent *agent = ctx;
	struct quantity count = {.whole = 1};

	if (argc > 1 && strcmp(argv[1], "--json") && !quantity_parse(span_of(argv[1]), &count))
		return err_set(why, -EINVAL, "'%s' is no number", argv[1]);
	if (!strcmp(which, "publish"))
		publish(agent, count.whole);
	else if (!strcmp(which, "rows"))
		agent->rows = count.whole;
	else if (!strcmp(which, "metrics"))
		agent->series = count.whole;
	else if (!strcmp(which, "ready"))
		agent->ready = true;
	else
		return err_set(why, -ENOENT, "item '%s' has no command '%s'", name, which);
	buf_f(out, "{\"done\":\"%s\"}\n", argv[0]);
	return 0;
}

static int hold(void *ctx, const char *name, struct err *why)
{
	struct fake_agent *agent = ctx;

	agent->held++;
	agent->quiet_on = true;
	return 0;
}

static void release(void *ctx, const char *name)
{
	struct fake_agent *agent = ctx;

	if (!--agent->held)
		agent->quiet_on = false;
}

static int rows(void *ctx, const char *name, const char *by, api_row each, void *each_ctx,
		struct err *why)
{
	const struct fake_agent *agent = ctx;
	struct record record;

	if (strcmp(name, "runqlat") != 0)
		return 0;
	if (by && !strcmp(by, "pod"))
		return err_set(why, -EOPNOTSUPP, "this item knows no pods");
	for (uint64_t i = 1; i <= agent->rows; i++) {
		fill(&record, "runqlat", "sample", i);
		if (!each(each_ctx, &record))
			break;
	}
	return 0;
}

struct fake_agent *fake_agent_new(void)
{
	struct fake_agent *agent = calloc(1, sizeof(*agent));

	agent->stream = stream_new();
	agent->family = family_new(&metric, 100000);
	agent->rows = 3;
	agent->series = 3;
	agent->api = (struct agent_api){
		.ctx = agent,
		.stream = agent->stream,
		.ready = is_ready,
		.status = status,
		.self = broken,
		.reload = reload,
		.metrics = metrics,
		.items = items,
		.item = item,
		.item_look = look,
		.item_change = change,
		.item_add = add,
		.item_upgrade = upgrade,
		.item_remove = take_out,
		.item_verb = verb,
		.item_hold = hold,
		.item_release = release,
		.rows = rows,
	};
	return agent;
}

void fake_agent_free(struct fake_agent *agent)
{
	stream_free(agent->stream);
	family_free(agent->family);
	free(agent);
}
