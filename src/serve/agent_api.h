/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * agent_api - what the API may ask of the agent: one table of functions, the only way out of this room.
 *
 * Everything is called in the worker's one loop and answers at once. Functions return >= 0 or -errno and
 * then say why; the errno decides the HTTP status (status_of in answer.c: ENOENT 404, EEXIST and EBUSY 409, EINVAL
 * 400, EPERM and EACCES 403, E2BIG and EFBIG 413, EOPNOTSUPP 501, ENOMEM and ENOSPC 503, else 500). In a reason "what
 * failed; what to do" the part after the last "; " becomes the answer's hint. A NULL function answers 501.
 * Names come from the network: they may be anything but are 0-ended and not longer than 256 bytes.
 */
#pragma once

#include "alert/alert.h"
#include "base/json.h"
#include "base/json_read.h"
#include "history/history.h"
#include "items/boxed.h"
#include "record/metric.h"
#include "record/record.h"
#include "record/stream.h"

/* A file that came with a request: `bytes` are borrowed for the length of the call. */
struct api_file {
	char name
		[128]; /* file name without folders: [A-Za-z0-9_.-]+, no leading '.', e.g. "runqlat.bpf.o" */
	struct span bytes;
};

/* What kinds of records an item has. */
enum { API_LAYOUTS = 24 };
struct api_item {
	bool is_on;
	bool has_events; /* publishes records on the stream by itself */
	bool has_rows; /* rows() has something to show */
	size_t layouts;
	const struct layout *layout[API_LAYOUTS]; /* borrowed: until the loop goes on */
};

/* PATCH /v1/items/NAME. What is not given stays as it is. */
struct api_change {
	bool has_on, on;
	/* JSON_OBJECT or NULL: parameters, and on, by, where, ring, hook.NAME as in the configuration. A value is a
	 * number, a truth value, or a text ("10ms"). null = back to what the configuration says. */
	const struct json_node *params;
};

/* False = no more, please. The record is borrowed for the call. */
typedef bool (*api_row)(void *ctx, const struct record *row);

struct agent_api {
	void *ctx;
	struct stream *stream; /* live records; borrowed, outlives the server */
	struct history *history; /* borrowed, ends before the server; NULL = none is kept */

	struct alerts *alerts; /* borrowed, ends before the server; NULL = nothing is watched for */

	/* Does data flow? If not, `why` says what is waited for. */
	bool (*ready)(void *ctx, struct err *why);

	/* Each writes one JSON object. */
	int (*status)(void *ctx, struct json *out, struct err *why);
	int (*self)(void *ctx, struct json *out, struct err *why);
	int (*features)(void *ctx, struct json *out, struct err *why);
	int (*caps)(void *ctx, struct json *out, struct err *why);
	/* Who lives now: {"processes":[{"pid":..,"ppid":..,...}]}. */
	int (*processes)(void *ctx, struct json *out, struct err *why);
	int (*config)(void *ctx, struct json *out, struct err *why);
	/* Reads the configuration anew: {"changes":[...]}. */
	int (*reload)(void *ctx, struct json *out, struct err *why);

	/* All text of /metrics, whole. */
	int (*metrics)(void *ctx, bool openmetrics, struct buf *out, struct err *why);

	/* Calls `each` for all metrics there are now, by name, each name once. */
	void (*metrics_each)(void *ctx, void (*each)(void *each_ctx, const struct metric *metric),
			     void *each_ctx);

	/* Items: one JSON array; one JSON object. */
	int (*items)(void *ctx, struct json *out, struct err *why);
	int (*item)(void *ctx, const char *name, struct json *out, struct err *why);
	/* Names of all items, i from 0 until NULL. Borrowed until the loop goes on. */
	const char *(*item_name)(void *ctx, size_t i);
	int (*item_look)(void *ctx, const char *name, struct api_item *ret_item, struct err *why);
	int (*item_change)(void *ctx, const char *name, const struct api_change *change,
			   struct err *why);
	/* Brings an item in; writes its description (one JSON object). `check`: only say what it would do. */
	int (*item_add)(void *ctx, const struct api_file *files, size_t count, bool check,
			struct json *out, struct err *why);
	/* count 0 = read its own file again. */
	int (*item_upgrade)(void *ctx, const char *name, const struct api_file *files, size_t count,
			    struct err *why);
	int (*item_remove)(void *ctx, const char *name, struct err *why);
	int (*item_verb)(void *ctx, const char *name, const char *verb, int argc, char **argv,
			 struct buf *out, struct err *why);
	/* Starts a program of the tracing language in a process of its own (items/boxed.h). */
	int (*trace)(void *ctx, const struct boxed_options *options, struct boxed **ret_boxed,
		     struct err *why);
	/* Somebody watches: an item that is off is on as long as it is held. Each hold has its release. */
	int (*item_hold)(void *ctx, const char *name, struct err *why);
	void (*item_release)(void *ctx, const char *name);

	/* What the maps and tables of the item hold now, one record a row. `by`: NULL, or process, container,
	 * pod, service, host. */
	int (*rows)(void *ctx, const char *item, const char *by, api_row each, void *each_ctx,
		    struct err *why);
};
