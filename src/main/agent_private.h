/* SPDX-License-Identifier: GPL-2.0-only */
/* agent_private - the insides of the agent, for the files that answer for it. */
#pragma once

#include <event2/event.h>

#include "alert/alert.h"
#include "history/history.h"
#include "items/registry.h"
#include "main/agent.h"
#include "record/metric_coarse.h"
#include "serve/serve.h"
#include "world/world.h"

enum {
	OWN_BUILD,
	OWN_CPU,
	OWN_MEMORY,
	OWN_ENTRIES,
	OWN_LIMIT,
	OWN_REFUSED,
	OWN_STORED,
	OWN_STORE_FLOW,
	OWN_STORE_QUEUED,
	OWN_STORE_BYTES,
	OWN_STORE_ROWS,
	OWN_STORE_OLDEST,
	OWN_STORE_WELL,
	OWN_METRICS,
};

struct agent {
	struct agent_options options;
	struct config *config; /* owned */
	struct event_base *loop; /* owned */
	struct event *drain, *tick, *stop[2], *reload; /* owned */
	unsigned drain_ms, quiet_drains; /* period of drain; looks in a row that found nothing */
	struct stream *stream; /* owned */
	struct world *world;   /* owned */
	struct registry *registry; /* owned */
	struct serve *serve;   /* owned */
	struct history *history; /* owned; NULL = none is kept */
	struct subscription *records; /* owned: of the history, to the stream */
	struct alerts *alerts; /* owned; NULL = none are watched for */
	char trouble[256];     /* of the history, that was said last */
	struct agent_api api;
	struct family *own[OWN_METRICS]; /* owned: the agent's metrics about itself */
	uint64_t started_ns;   /* CLOCK_MONOTONIC */
	uint64_t ticks;
	uint64_t first_data_ns; /* from start until items ran */
	int stats_fd;	       /* >= 0 while bpf run statistics are on */
	uint64_t stats_since_ns, stats_ns; /* and how long they were on altogether */
	uint64_t scrapes; /* of /metrics, answered */
	struct coarse *coarse; /* owned: items' metrics summed up for /metrics; NULL = they are not */
	bool ready, stopping;
};

/* agent.c */
/* Reads all rings now: before what they hold is asked for. */
void agent_drain(struct agent *agent);
int agent_set_hosts(struct agent *agent);

/* answers.c */
void agent_answers(struct agent *agent); /* fills agent->api */
int agent_make_own(struct agent *agent);
/* All families of this moment, polled; those of items are the first. The list is the caller's to free; NULL when memory is out. */
size_t agent_families(struct agent *agent, struct family ***ret_families, size_t *ret_of_items);
struct family *const *agent_own(struct agent *agent, uint64_t now_ns);

/* processes.c */
int answer_processes(void *ctx, struct json *out, struct err *why);

/* keep.c: the history */
int keep_start(struct agent *agent, struct err *why);
void keep_tick(struct agent *agent); /* once a second */
void keep_stop(struct agent *agent);
void keep_metrics(struct agent *agent); /* into agent->own, between begin and end */
void keep_status(struct agent *agent, struct json *out); /* the member "store" */

/* changes.c: what is set now goes to the history, which notes what became otherwise. `by`: start, reload, request. */
void changes_tell(struct agent *agent, const char *by);

/* alerts.c */
int watch_start(struct agent *agent, struct err *why); /* the history has begun */
void watch_reload(struct agent *agent);
void watch_status(struct agent *agent, struct json *out); /* the member "alerts" */

/* settings.c */
/* Gives every item what the configuration says. Items that fail are skipped, not the agent. `before`: the configuration
 * that was in force until now, whose settings go back to their defaults where the new one has none; NULL at start. */
void agent_configure_items(struct agent *agent, const struct config *before);
int agent_check_items(struct agent *agent, struct config *config, struct buf *problems, struct err *why);
int agent_reload(struct agent *agent, struct json *out, struct err *why);

/* brought.c: items of others over a restart */
/* Adds what lies in the folders and is not there yet. */
void brought_load(struct agent *agent);
/* Is there a file of that name? */
bool brought_is_there(const struct agent *agent, const char *stem);
void brought_keep(struct agent *agent, const struct item *item);
void brought_forget(struct agent *agent, const struct item *item);
/* What an item is made from: NAME.bpf.o, perhaps with NAME.yaml, or NAME.bt. */
struct brought_files {
	char stem[64]; /* NAME */
	struct span object, yaml, script; /* len 0 = none */
};
/* Which of the files of a request are an item. */
int brought_pick(const struct api_file *files, size_t count, struct brought_files *ret, struct err *why);
/* The item's files as they are now. Their bytes are in the two bufs. */
int brought_read(struct agent *agent, const struct item *item, struct buf bytes[2], struct brought_files *ret,
		 struct err *why);
int brought_add(struct agent *agent, const struct brought_files *files, struct item **ret_item, struct err *why);
