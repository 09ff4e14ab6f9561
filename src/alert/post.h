/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * post - one HTTP POST of a body of JSON, by libevent: names are looked up, https is checked against the machine's
 * certificate authorities, an answer is waited for 15 seconds.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct event_base;
struct poster; /* what all requests share: the resolver and TLS */
struct post; /* a request under way */

enum { POST_URL_SHOWN = 200, POST_PATIENCE_S = 15 };

int poster_new(struct event_base *loop, struct poster **ret_poster, struct err *why);
void poster_free(struct poster *poster);

struct post_target {
	char host[256], path[1024], auth[512]; /* auth: user:password in base64, "" = none */
	char shown[POST_URL_SHOWN];
	uint16_t port;
	bool is_tls;
};
/* http[s]://[user:password@]host[:port][/path]; `path` is appended. -EINVAL with the reason. */
int post_target_read(const char *url, const char *path, struct post_target *ret_target,
		     struct err *why);

/* status: of HTTP, or 0 with the reason in `why`. Called once, in the loop, unless the post is freed before. */
typedef void (*post_done)(void *ctx, int status, const char *why);
struct post *post_new(struct poster *poster, const struct post_target *target, struct span body,
		      post_done done, void *ctx);
void post_free(struct post *post);
