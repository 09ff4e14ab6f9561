// SPDX-License-Identifier: GPL-2.0-only
/* tcp_backlog, the user half - connections that found a queue full, from the kernel's sums (/proc/net/netstat). */
#include "items/procfile.h"

enum metric_index { REFUSED, METRICS };

static const struct metric metrics[METRICS] = {
	[REFUSED] =
		{.name = "sonde_tcp_backlog_refused_total",
		 .type = METRIC_COUNTER,
		 .help = (char *)"connections of this machine that found a queue of a listening "
				 "socket full",
		 .scale = 1},
};

static const struct {
	const char *field, *reason;
} sums[] = {
	{"ListenOverflows", "accept_queue"}, /* part of the next one */
	{"TCPReqQFullDrop", "syn_queue"},
	{"TCPReqQFullDoCookies", "syn_queue_cookies"}, /* answered all the same, without an entry */
};

static const char *reason_of(struct span field)
{
	for (size_t i = 0; i < sizeof(sums) / sizeof(*sums); i++)
		if (span_is(field, sums[i].field))
			return sums[i].reason;
	return NULL;
}

/* Two lines: "TcpExt: NAME NAME ...", then "TcpExt: NUMBER NUMBER ...". */
static void collect_netstat(struct collector *out, struct span text)
{
	struct span names, numbers, name, skipped;

	while (next_line(&text, &names) && next_line(&text, &numbers)) {
		next_word(&names, &skipped);
		next_word(&numbers, &skipped);
		while (next_word(&names, &name)) {
			uint64_t number = next_number(&numbers);
			const char *reason = reason_of(name);
			struct label label = {"queue", span_of(reason ? reason : "")};

			if (reason)
				collector_add(out, REFUSED, &label, 1, (double)number);
		}
	}
}

static void collect(struct item *item, void *state, struct collector *out)
{
	struct buf text;

	buf_init(&text, PROCFILE_BYTES);
	if (!procfile_read(item, "/proc/1/net/netstat", &text) ||
	    !procfile_read(item, "/proc/net/netstat", &text))
		collect_netstat(out, buf_as_span(&text));
	buf_done(&text);
}

const struct item_ops tcp_backlog_item = {
	.metrics = metrics,
	.metric_count = METRICS,
	.sums_outlive_it = true,
	.collect = collect,
};
