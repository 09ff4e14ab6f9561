/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * auth - who may do what.
 *
 *			unix socket	loopback TCP	other TCP
 *	read		yes		yes		with the token
 *	change		yes		with the token	with the token
 *
 * The unix socket's mode (0660) has decided already. A browser sends requests for any page that asks it to, so loopback
 * without a token also looks at Host (a name that an attacker lets point to 127.0.0.1 is not ours: DNS
 * rebinding) and at Origin (a page of somebody else: request forgery). A token no page can send by accident.
 */
#pragma once

#include "base/err.h"
#include "serve/http.h"

enum listener_kind { LISTENER_UNIX, LISTENER_LOOPBACK, LISTENER_PUBLIC };

enum { TOKEN_LEAST = 16, TOKEN_MOST = 256 };

struct auth {
	char token[TOKEN_MOST];
	size_t token_len; /* 0 = there is no token */
	char **hosts; /* owned: further names that mean us, ends with NULL; NULL = none */
	uint64_t
		refill_ns; /* wrong tokens are answered 429 once they come faster than 10 a second */
	unsigned wrong;
};

struct verdict {
	int status; /* 0 = go on, else 401, 403, 429 */
	bool may_change;
	const char *error, *hint; /* static */
};

/* -EINVAL as serve_set_token says. */
int auth_set_token(struct auth *auth, struct span token, struct err *why);
int auth_set_hosts(struct auth *auth, const char *const *hosts);
void auth_done(struct auth *auth);

struct verdict auth_judge(struct auth *auth, enum listener_kind kind,
			  const struct http_request *request, bool changes, uint64_t now_ns);
