// SPDX-License-Identifier: GPL-2.0-only
/* auth - who may do what. */
#include "serve/auth.h"

#include <errno.h>
#include <stdlib.h>

#include "base/addr.h"
#include "serve/text.h"

enum { WRONG_PER_SECOND = 10 };

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

int auth_set_token(struct auth *auth, struct span token, struct err *why)
{
	while (token.len && is_blank(token.at[0]))
		token = span_from(token, 1);
	while (token.len && is_blank(token.at[token.len - 1]))
		token.len--;
	if (token.len && (token.len < TOKEN_LEAST || token.len > TOKEN_MOST))
		return err_set(why, -EINVAL,
			       "the token has %zu characters; %d to %d are needed, for example "
			       "from `openssl rand -hex 32`",
			       token.len, TOKEN_LEAST, TOKEN_MOST);
	for (size_t i = 0; i < token.len; i++)
		if (token.at[i] <= 0x20 || token.at[i] >= 0x7f)
			return err_set(why, -EINVAL,
				       "the token holds blanks or bytes that are not ASCII");
	memset(auth->token, 0, sizeof(auth->token));
	if (token.len)
		memcpy(auth->token, token.at, token.len);
	auth->token_len = token.len;
	return 0;
}

static void free_hosts(char **hosts)
{
	for (char **host = hosts; host && *host; host++)
		free(*host);
	free(hosts);
}

int auth_set_hosts(struct auth *auth, const char *const *hosts)
{
	size_t count = 0;
	char **copy;

	while (hosts && hosts[count])
		count++;
	copy = calloc(count + 1, sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		copy[i] = strdup(hosts[i]);
		if (!copy[i]) {
			free_hosts(copy);
			return -ENOMEM;
		}
	}
	free_hosts(auth->hosts);
	auth->hosts = copy;
	return 0;
}

void auth_done(struct auth *auth)
{
	free_hosts(auth->hosts);
	explicit_bzero(auth, sizeof(*auth));
}

/* Takes as long for a wrong token as for the right one, wherever they differ. */
static bool token_is(const struct auth *auth, struct span given)
{
	size_t differ = given.len ^ auth->token_len;

	if (!auth->token_len)
		return false;
	for (size_t i = 0; i < given.len; i++)
		differ |= (size_t)(given.at[i] ^ (uint8_t)auth->token[i % auth->token_len]);
	return !differ;
}

/* "Bearer TOKEN": RFC 6750 2.1, the scheme in any case (RFC 9110 11.1) */
static bool bearer_token(struct span field, struct span *ret_token)
{
	static const char scheme[] = "Bearer ";

	if (field.len <= strlen(scheme) ||
	    strncasecmp((const char *)field.at, scheme, strlen(scheme)))
		return false;
	field = span_from(field, strlen(scheme));
	while (field.len && field.at[0] == ' ')
		field = span_from(field, 1);
	*ret_token = field;
	return true;
}

/* "name:port" or "[::1]:port" without its port */
static struct span without_port(struct span host)
{
	size_t from = 0;

	if (host.len && host.at[0] == '[')
		while (from < host.len && host.at[from] != ']')
			from++;
	for (size_t i = from; i < host.len; i++)
		if (host.at[i] == ':')
			return span_first(host, i);
	return host;
}

static bool is_our_host(const struct auth *auth, struct span host)
{
	static const uint8_t loopback6[ADDR_BYTES] = {[15] = 1};
	uint8_t addr[ADDR_BYTES];

	host = without_port(host);
	if (same_word(host, "localhost"))
		return true;
	for (char *const *name = auth->hosts; name && *name; name++)
		if (same_word(host, *name))
			return true;
	if (host.len > 2 && host.at[0] == '[' && host.at[host.len - 1] == ']')
		host = (struct span){host.at + 1, host.len - 2};
	if (!addr_parse(host, addr))
		return false;
	return (addr_is_ip4(addr) && addr[12] == 127) || !memcmp(addr, loopback6, sizeof(addr));
}

/* A page that was loaded from this very host and port. */
static bool is_own_origin(struct span origin, struct span host)
{
	size_t scheme = span_starts(origin, "http://")    ? 7
			: span_starts(origin, "https://") ? 8
							  : 0;
	struct span own = span_from(origin, scheme);

	return scheme && own.len == host.len &&
	       !strncasecmp((const char *)own.at, (const char *)host.at, own.len);
}

static struct verdict refuse(int status, const char *error, const char *hint)
{
	return (struct verdict){.status = status, .error = error, .hint = hint};
}

static struct verdict wrong_token(struct auth *auth, uint64_t now_ns)
{
	if (now_ns - auth->refill_ns >= 1000000000) {
		auth->refill_ns = now_ns;
		auth->wrong = 0;
	}
	if (++auth->wrong > WRONG_PER_SECOND)
		return refuse(429, "too many wrong tokens",
			      "wait a second and look at the token file");
	return refuse(
		401, auth->token_len ? "the token is not the right one" : "this agent has no token",
		auth->token_len
			? "send the content of token_file as Authorization: Bearer TOKEN"
			: "write one into the file that token_file names and reload, or use "
			  "the unix socket");
}

static struct verdict judge_loopback(const struct auth *auth, const struct http_request *request,
				     bool changes)
{
	struct span origin = http_field(request, "Origin");

	if (request->host.at && !is_our_host(auth, request->host))
		return refuse(403, "the field Host does not name this agent",
			      "use 127.0.0.1 or localhost, or add the name to `hosts` in the "
			      "configuration");
	if (origin.at && !is_own_origin(origin, request->host))
		return refuse(403, "a page of another origin may not ask this agent",
			      "open the agent's own page, or send the token");
	if (changes)
		return refuse(
			401, "changes over TCP need the token",
			"use the unix socket, or send the content of token_file as Authorization: "
			"Bearer TOKEN");
	return (struct verdict){};
}

struct verdict auth_judge(struct auth *auth, enum listener_kind kind,
			  const struct http_request *request, bool changes, uint64_t now_ns)
{
	struct span field = http_field(request, "Authorization"), token;

	if (kind == LISTENER_UNIX)
		return (struct verdict){.may_change = true};
	if (field.at) {
		if (bearer_token(field, &token) && token_is(auth, token))
			return (struct verdict){.may_change = true};
		return wrong_token(auth, now_ns);
	}
	if (kind == LISTENER_PUBLIC)
		return refuse(401, "this address needs the token",
			      "send the content of token_file as Authorization: Bearer TOKEN");
	return judge_loopback(auth, request, changes);
}
