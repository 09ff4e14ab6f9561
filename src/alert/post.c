// SPDX-License-Identifier: GPL-2.0-only
/*
 * post - one HTTP POST, by libevent.
 *
 * One connection a request. The resolver is made when a name is first looked up, and the list of authorities is read when
 * https is first spoken: an agent that tells nobody holds neither.
 */
#include "alert/post.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#include "world/pod/http_reply.h"

struct poster {
	struct event_base *loop; /* borrowed */
	struct evdns_base *names; /* owned; NULL = no name was looked up yet */
	SSL_CTX *tls; /* owned; NULL = likewise */
};

struct post {
	struct bufferevent *connection; /* owned, with its TLS and socket */
	struct event *patience; /* owned */
	post_done done;
	void *ctx;
	struct http_reply reply;
};

int poster_new(struct event_base *loop, struct poster **ret_poster, struct err *why)
{
	struct poster *poster = calloc(1, sizeof(*poster));

	if (!poster)
		return err_set(why, -ENOMEM, "cannot tell of alerts: out of memory");
	poster->loop = loop;
	*ret_poster = poster;
	return 0;
}

void poster_free(struct poster *poster)
{
	if (!poster)
		return;
	if (poster->names)
		evdns_base_free(poster->names, 0);
	SSL_CTX_free(poster->tls);
	free(poster);
}

/* ---- addresses ---- */

static int refuse(const char *url, const char *what, struct err *why)
{
	/* what stands behind the scheme may be a secret */
	return err_set(why, -EINVAL,
		       "the address '%.*s...' %s; it is written http://host:port/path",
		       (int)(strlen(url) < 8 ? strlen(url) : 8), url, what);
}

static bool encode_auth(struct span auth, char ret[512])
{
	if (auth.len * 4 / 3 + 8 > 512)
		return false;
	EVP_EncodeBlock((uint8_t *)ret, auth.at, (int)auth.len);
	return true;
}

static bool is_clean(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.at[i] <= ' ' || text.at[i] >= 0x7f)
			return false;
	return true;
}

/* Takes host and port off the front of `rest`. */
static const char *take_host(struct span *rest, struct post_target *target)
{
	struct span host;
	const uint8_t *end;

	if (span_starts(*rest, "[")) {
		*rest = span_from(*rest, 1);
		end = rest->len ? memchr(rest->at, ']', rest->len) : NULL;
		if (!end)
			return "has no ] behind the address";
		host = span_first(*rest, (size_t)(end - rest->at));
		*rest = span_from(*rest, host.len + 1);
	} else {
		host = span_first(*rest, strcspn((const char *)rest->at, ":/?"));
		*rest = span_from(*rest, host.len);
	}
	if (!host.len || host.len >= sizeof(target->host))
		return "has no host";
	memcpy(target->host, host.at, host.len);
	if (span_starts(*rest, ":")) {
		char *behind;
		unsigned long port = strtoul((const char *)rest->at + 1, &behind, 10);

		if (!port || port > 65535)
			return "has no port from 1 to 65535";
		target->port = (uint16_t)port;
		*rest = span_from(*rest, (size_t)((const uint8_t *)behind - rest->at));
	}
	return rest->len && rest->at[0] != '/' && rest->at[0] != '?'
		       ? "goes on strangely behind the host"
		       : NULL;
}

int post_target_read(const char *url, const char *path, struct post_target *ret_target,
		     struct err *why)
{
	struct post_target target = {.is_tls = !strncmp(url, "https://", 8)};
	struct span rest = span_of(url), before;
	const uint8_t *sign;
	const char *wrong;

	if (!target.is_tls && strncmp(url, "http://", 7) != 0)
		return refuse(url, "does not begin with http:// or https://", why);
	if (!is_clean(rest))
		return refuse(url, "holds blanks or bytes that do not belong there", why);
	rest = span_from(rest, target.is_tls ? 8 : 7);
	before = span_first(rest, strcspn((const char *)rest.at, "/?"));
	sign = before.len ? memrchr(before.at, '@', before.len) : NULL;
	if (sign) {
		struct span auth = {rest.at, (size_t)(sign - rest.at)};

		if (!encode_auth(auth, target.auth))
			return refuse(url, "has too long a password", why);
		rest = span_from(rest, auth.len + 1);
	}
	target.port = target.is_tls ? 443 : 80;
	wrong = take_host(&rest, &target);
	if (wrong)
		return refuse(url, wrong, why);
	if (*path && rest.len && rest.at[rest.len - 1] == '/')
		rest.len--;
	if ((size_t)snprintf(target.path, sizeof(target.path), "%s%.*s%s",
			     rest.len && rest.at[0] == '?' ? "/" : "", (int)rest.len,
			     (const char *)rest.at, path) >= sizeof(target.path))
		return refuse(url, "is too long", why);
	if (!target.path[0])
		target.path[0] = '/';
	snprintf(target.shown, sizeof(target.shown), "%s://%.100s:%u",
		 target.is_tls ? "https" : "http", target.host, target.port);
	*ret_target = target;
	return 0;
}

/* ---- a request ---- */

static void end(struct post *post, int status, const char *why)
{
	post_done done = post->done;

	post->done = NULL;
	if (done)
		done(post->ctx, status, why);
}

static void ignore(void *ctx, struct span piece)
{
}

static void on_read(struct bufferevent *connection, void *ctx)
{
	struct evbuffer *input = bufferevent_get_input(connection);
	struct post *post = ctx;
	uint8_t bytes[4096];
	int got, result = 0;

	while (!result && (got = evbuffer_remove(input, bytes, sizeof(bytes))) > 0)
		result = http_reply_feed(&post->reply, (struct span){bytes, (size_t)got}, ignore,
					 NULL);
	if (result > 0)
		end(post, post->reply.status, "");
	else if (result < 0)
		end(post, 0, "the answer is no HTTP");
}

static void on_event(struct bufferevent *connection, short what, void *ctx)
{
	struct post *post = ctx;
	int dns = bufferevent_socket_get_dns_error(connection);
	unsigned long tls = bufferevent_get_openssl_error(connection);
	char text[160];

	if (what & BEV_EVENT_CONNECTED)
		return;
	if (what & BEV_EVENT_EOF && http_reply_may_end(&post->reply)) {
		end(post, post->reply.status, "");
		return;
	}
	if (dns)
		snprintf(text, sizeof(text), "its name is not found: %s", evutil_gai_strerror(dns));
	else if (tls)
		snprintf(text, sizeof(text), "TLS: %s", ERR_reason_error_string(tls));
	else if (what & BEV_EVENT_EOF)
		snprintf(text, sizeof(text), "it closed the connection without an answer");
	else
		snprintf(text, sizeof(text), "%s", err_name(EVUTIL_SOCKET_ERROR()));
	end(post, 0, text);
}

static void on_patience(evutil_socket_t fd, short what, void *ctx)
{
	end(ctx, 0, "no answer within 15 seconds");
}

static SSL *new_tls(struct poster *poster, const struct post_target *target)
{
	struct in6_addr address;
	SSL *tls;
	bool is_number;

	if (!poster->tls) {
		poster->tls = SSL_CTX_new(TLS_client_method());
		if (!poster->tls)
			return NULL;
		SSL_CTX_set_min_proto_version(poster->tls, TLS1_2_VERSION);
		SSL_CTX_set_verify(poster->tls, SSL_VERIFY_PEER, NULL);
		SSL_CTX_set_default_verify_paths(poster->tls);
	}
	tls = SSL_new(poster->tls);
	if (!tls)
		return NULL;
	is_number = inet_pton(AF_INET, target->host, &address) == 1 ||
		    inet_pton(AF_INET6, target->host, &address) == 1;
	if (is_number)
		X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), target->host);
	else if (!SSL_set1_host(tls, target->host) ||
		 !SSL_set_tlsext_host_name(tls, target->host)) {
		SSL_free(tls);
		return NULL;
	}
	return tls;
}

/* Numbers need no resolver. NULL is an answer too: then it is the loop that waits, for a moment. */
static struct evdns_base *names_for(struct poster *poster, const char *host)
{
	struct in6_addr address;

	if (inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1 ||
	    !strcmp(host, "localhost"))
		return NULL;
	if (!poster->names)
		poster->names =
			evdns_base_new(poster->loop, EVDNS_BASE_INITIALIZE_NAMESERVERS |
							     EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	return poster->names;
}

static bool open_connection(struct poster *poster, const struct post_target *target,
			    struct post *post)
{
	SSL *tls = target->is_tls ? new_tls(poster, target) : NULL;

	if (target->is_tls && !tls)
		return false;
	post->connection =
		tls ? bufferevent_openssl_socket_new(
			      poster->loop, -1, tls, BUFFEREVENT_SSL_CONNECTING,
			      BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS)
		    : bufferevent_socket_new(poster->loop, -1,
					     BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (!post->connection) {
		SSL_free(tls);
		return false;
	}
	if (tls) /* HTTP says itself where it ends */
		bufferevent_openssl_set_allow_dirty_shutdown(post->connection, 1);
	bufferevent_setcb(post->connection, on_read, NULL, on_event, post);
	bufferevent_enable(post->connection, EV_READ | EV_WRITE);
	return true;
}

static void write_request(const struct post_target *target, struct span body, struct evbuffer *out)
{
	bool has_colons = strchr(target->host, ':') != NULL;

	evbuffer_add_printf(
		out,
		"POST %s HTTP/1.1\r\nHost: %s%s%s:%u\r\nUser-Agent: sonde/" SONDE_VERSION
		"\r\nContent-Type: application/json\r\nContent-Length: %zu\r\nConnection: "
		"close\r\n",
		target->path, has_colons ? "[" : "", target->host, has_colons ? "]" : "",
		target->port, body.len);
	if (target->auth[0])
		evbuffer_add_printf(out, "Authorization: Basic %s\r\n", target->auth);
	evbuffer_add(out, "\r\n", 2);
	evbuffer_add(out, body.at, body.len);
}

struct post *post_new(struct poster *poster, const struct post_target *target, struct span body,
		      post_done done, void *ctx)
{
	const struct timeval patience = {.tv_sec = POST_PATIENCE_S};
	const char *host = strcmp(target->host, "localhost") ? target->host : "127.0.0.1";
	struct post *post = calloc(1, sizeof(*post));

	if (!post)
		return NULL;
	post->done = done;
	post->ctx = ctx;
	post->patience = evtimer_new(poster->loop, on_patience, post);
	if (!post->patience || event_add(post->patience, &patience) ||
	    !open_connection(poster, target, post)) {
		post_free(post);
		return NULL;
	}
	write_request(target, body, bufferevent_get_output(post->connection));
	/* a failure is told by on_event, later */
	bufferevent_socket_connect_hostname(post->connection, names_for(poster, target->host),
					    AF_UNSPEC, host, target->port);
	return post;
}

void post_free(struct post *post)
{
	if (!post)
		return;
	if (post->connection)
		bufferevent_free(post->connection);
	if (post->patience)
		event_free(post->patience);
	free(post);
}
