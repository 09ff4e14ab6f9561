// SPDX-License-Identifier: GPL-2.0-only
/*
 * bashreadline - lines that people type into bash, for who must know what was done on a machine.
 *
 * Off unless somebody asks for it. What looks like a secret in a line is masked like a command line's. Lines of scripts are not
 * typed, and not here; nor is what other programs ask for at the terminal.
 */
#include "kernel/emit.bpf.h"
#include "kernel/filter.bpf.h"
#include "kernel/read.bpf.h"

ITEM("sec", "off", "lines typed into bash");

METRIC_COUNTER(bashreadline, struct owner, 4096,
	       "name=bashreadline_lines;help=lines typed into bash");

struct line_event {
	struct event_head head;
	struct owner owner;
	char line[512] COL_OPT("command", "help=what was typed, without what looks like a secret");
};
EVENTS(64 * 1024);
EVENT(1, "line", struct line_event);

HOOK("uretprobe//bin/bash:readline", readline, 1)
int BPF_KRETPROBE(readline_ends, const char *line)
{
	struct owner owner;
	struct line_event *event;

	if (!line || !filter_current())
		return 0;
	owner = read_owner_of_current();
	counter_add(&bashreadline, &owner, 1);
	event = emit_reserve(1, sizeof(*event));
	if (!event)
		return 0;
	event->owner = full_owner_of_current();
	if (bpf_probe_read_user_str(event->line, sizeof(event->line), line) < 0) {
		count_add(COUNT_LOST_READ);
		event->line[0] = 0;
	}
	emit_submit(event);
	return 0;
}
