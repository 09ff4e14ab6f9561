/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pod_watch - asks the Kubernetes API server (list and watch) or the kubelet (list, again and again) for the pods
 * of this node, over HTTP with TLS, in the loop of whoever made it.
 */
#pragma once

#include "base/err.h"
#include "world/pod/pod_list.h"

struct event_base;
struct pod_watch;

struct pod_watch_options {
	struct event_base *loop; /* borrowed */
	/*
	 * "https://10.96.0.1:443": the API server. With a path, "https://127.0.0.1:10250/pods": a kubelet. "http://..." too
	 * (kubectl proxy). The host is an address or localhost: nothing here resolves names.
	 */
	const char *api;
	const char *node; /* only its pods; NULL or "" = all */
	const char *token_file, *ca_file; /* NULL = those that Kubernetes puts into every pod */
	struct pods *pods; /* borrowed */
	void (*container)(void *ctx, struct span id, struct span name,
			  struct span image); /* may be NULL */
	void *ctx;
	/*
	 * Something else than pods: how it is called, where it is, and who is told that it may have changed (once when it was read
	 * first). Only from an API server.
	 */
	const char *kind, *path;
	void (*changed)(void *ctx);
	uint32_t second_us; /* how long a second of patience between two requests lasts, for tests; 0 = a second */
};

int pod_watch_new(const struct pod_watch_options *options, struct pod_watch **ret_watch,
		  struct err *why);
void pod_watch_free(struct pod_watch *watch);

/* One sentence for people: "watching 12 pods at ...", or why not. Until the loop goes on. */
const char *pod_watch_state(const struct pod_watch *watch);

/* Was it answered when it was asked last, and is it told of changes? */
bool pod_watch_is_well(const struct pod_watch *watch);

struct pod_watch_counts {
	uint64_t lists, events; /* read */
	uint64_t failures; /* connections that ended in an error */
};
void pod_watch_counts(const struct pod_watch *watch, struct pod_watch_counts *ret_counts);
