// SPDX-License-Identifier: GPL-2.0-only
/* processes - the processes that live now, with their parents: what a tree is made of. */
#include <errno.h>

#include "base/clock.h"
#include "main/agent_private.h"
#include "record/record.h"

static void write_text(struct json *out, const char *name, struct span text)
{
	if (!text.len)
		return;
	json_key(out, name);
	json_span(out, text);
}

static void write_process(struct agent *agent, const struct process *process, struct json *out)
{
	char time[TIME_TEXT];
	struct who who = {};

	json_object(out);
	json_key_u64(out, "pid", process->pid);
	if (process->ppid)
		json_key_u64(out, "ppid", process->ppid);
	write_text(out, "process", process_comm(process));
	write_text(out, "exe", process_path(process));
	json_key_u64(out, "uid", process->uid);
	if (world_who(agent->world, process, &who)) {
		write_text(out, "container", who.container);
		write_text(out, "pod", who.pod);
		write_text(out, "namespace", who.namespace);
		write_text(out, "service", who.service);
	}
	if (process->start_ns) {
		time_print(clock_wall_of(process->start_ns), 3, time);
		json_key_str(out, "started", time);
	}
	json_object_end(out);
}

int answer_processes(void *ctx, struct json *out, struct err *why)
{
	struct agent *agent = ctx;
	const struct process *process;
	uint32_t at = 0;

	json_object(out);
	json_key(out, "processes");
	json_array(out);
	while ((process = world_next_process(agent->world, &at)))
		if (!process->exit_ns)
			write_process(agent, process, out);
	json_array_end(out);
	json_object_end(out);
	return out->out->full ? err_set(why, -E2BIG, "too many processes for one answer") : 0;
}
