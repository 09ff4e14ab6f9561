// SPDX-License-Identifier: GPL-2.0-only
/*
 * changes - all that the agent is set to, handed to the history, which finds out what became otherwise (history/changes.h).
 *
 * Settings of items are those they run with, not those of the configuration: the API changes them too. Parameters at their default
 * are left out: items that are off are not described until somebody asks. What only holds as long as
 * somebody looks (an item that runs for a live stream) is no setting.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/clock.h"
#include "history/changes.h"
#include "main/agent_private.h"

struct change_job {
	struct question question; /* first: a job is found by it */
	struct buf settings;
	const char *by; /* static */
	uint64_t now_ns;
};

static void note(struct question *question, struct store *store)
{
	struct change_job *job = (struct change_job *)question;

	changes_note(store, buf_as_span(&job->settings), job->by, job->now_ns);
}

static void done(struct question *question)
{
	struct change_job *job = (struct change_job *)question;

	buf_done(&job->settings);
	free(job);
}

static void add_key(void *ctx, const char *key, struct span value)
{
	settings_add(ctx, key, value);
}

static void add_of_item(struct buf *settings, const struct item *item, const char *name)
{
	struct buf value;
	char key[256];

	buf_init(&value, 4096);
	if (!item_get(item, span_of(name), &value)) {
		snprintf(key, sizeof(key), "items.%s.%s", item_name(item), name);
		settings_add(settings, key, buf_as_span(&value));
	}
	buf_done(&value);
}

static void add_item(struct buf *settings, const struct item *item)
{
	static const char *const common[] = {"on", "where", "cap"};
	const struct item_desc *desc = item_description(item);
	struct buf by;
	const char *option;

	buf_init(&by, 64);
	if (desc && !item_get(item, span_of("by"), &by) && strcmp(buf_text(&by), "process") != 0)
		add_of_item(settings, item, "by");
	buf_done(&by);

	for (size_t i = 0; i < sizeof(common) / sizeof(*common); i++)
		add_of_item(settings, item, common[i]);
	for (size_t i = 0; desc && i < desc->params; i++)
		if (item_param(item, desc->param[i].name) != desc->param[i].value)
			add_of_item(settings, item, desc->param[i].name);
	for (size_t i = 0; (option = item_option(item, i)); i++)
		add_of_item(settings, item, option);
}

static void add_all(struct agent *agent, struct buf *settings)
{
	struct utsname kernel;
	struct item *item;

	settings_add(settings, "version", span_of(SONDE_VERSION));
	if (!uname(&kernel))
		settings_add(settings, "kernel", span_of(kernel.release));
	config_values(agent->config, add_key, settings);
	for (size_t i = 0; (item = registry_at(agent->registry, i)); i++)
		add_item(settings, item);
}

void changes_tell(struct agent *agent, const char *by)
{
	struct change_job *job = agent->history ? calloc(1, sizeof(*job)) : NULL;

	if (!job)
		return;
	job->question.work = note;
	job->question.done = done;
	job->by = by;
	job->now_ns = clock_wall_ns();
	buf_init(&job->settings, SETTINGS_BYTES);
	add_all(agent, &job->settings);
	if (job->settings.full || history_ask(agent->history, &job->question, NULL))
		done(&job->question);
}
