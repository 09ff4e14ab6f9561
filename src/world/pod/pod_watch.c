// SPDX-License-Identifier: GPL-2.0-only
/*
 * pod_watch - the pods of this node, from the API server or the kubelet.
 *
 *	idle --timer--> list --whole--> watch --ends--> watch from the last version
 *	  ^              |                |
 *	  +---failure----+----failure-----+   (1 s, 2 s, 4 s ... 60 s; a version that expired: a new list)
 *
 * One connection a request: a list is asked for once in a while, a watch lasts for minutes. What a failed list had
 * told already stays; only a whole list says who is gone.
 */
#include "world/pod/pod_watch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/caps.h"
#include "base/clock.h"
#include "world/files.h"
#include "world/pod/http_reply.h"

enum {
	LIST_SECONDS = 60, /* a list must be whole by then, if nothing comes */
	WATCH_SECONDS =
		240, /* as long as the server shall watch; it sends a bookmark every minute */
	POLL_SECONDS = 15, /* between two lists of a kubelet */
	RETRY_SECONDS_MAX = 60,
	TOKEN_BYTES = 16384,
};

enum stage { STAGE_IDLE, STAGE_LIST, STAGE_WATCH };

struct pod_watch {
	struct event_base *loop; /* borrowed */
	struct pods *pods; /* borrowed */
	void (*container)(void *ctx, struct span id, struct span name, struct span image);
	const char *kind; /* static: "pods" */
	void (*changed)(void *ctx); /* NULL: of pods */
	void *ctx;
	struct event *timer; /* owned */
	struct bufferevent *connection; /* owned; NULL = none */
	SSL_CTX *tls; /* owned; NULL = plain HTTP */

	char host[64], path[256], node[256], token_file[256];
	uint16_t port;
	bool polls; /* a kubelet: lists only */

	enum stage stage;
	struct http_reply reply;
	struct buf body; /* of the list; of the watch the line that is not whole yet */
	char version[POD_VERSION_BYTES]; /* "" = a list is due */
	unsigned retry_seconds;
	bool is_well;
	uint32_t second_us; /* a million, but for tests */
	struct pod_watch_counts counts;
	char state[400];
};

static void next_request(struct pod_watch *watch);

static void note_pod(void *ctx, const struct pod_facts *pod)
{
	struct pod_watch *watch = ctx;

	if (!watch->changed)
		pods_list_note(watch->pods, pod);
}

static void note_gone(void *ctx, const struct pod_facts *pod)
{
	struct pod_watch *watch = ctx;

	if (!watch->changed)
		pods_gone(watch->pods, pod->uid, clock_monotonic_ns());
}

static void note_container(void *ctx, const struct pod_facts *pod, struct span id, struct span name,
			   struct span image)
{
	struct pod_watch *watch = ctx;

	if (watch->container)
		watch->container(watch->ctx, id, name, image);
}

static void disconnect(struct pod_watch *watch)
{
	if (watch->connection)
		bufferevent_free(watch->connection); /* with its SSL and socket */
	watch->connection = NULL;
	watch->stage = STAGE_IDLE;
}

static void wait_for(struct pod_watch *watch, unsigned seconds)
{
	uint64_t us = (uint64_t)seconds * watch->second_us;
	struct timeval patience = {(time_t)(us / 1000000), (suseconds_t)(us % 1000000)};

	disconnect(watch);
	event_add(watch->timer, &patience);
}

static void fail(struct pod_watch *watch, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void fail(struct pod_watch *watch, const char *format, ...)
{
	char reason[300];
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	snprintf(watch->state, sizeof(watch->state), "cannot ask for %s at %s port %u: %s",
		 watch->kind, watch->host, watch->port, reason);
	watch->is_well = false;
	watch->counts.failures++;
	wait_for(watch, watch->retry_seconds);
	watch->retry_seconds *= 2;
	if (watch->retry_seconds > RETRY_SECONDS_MAX)
		watch->retry_seconds = RETRY_SECONDS_MAX;
}

static void note_success(struct pod_watch *watch)
{
	watch->retry_seconds = 1;
	watch->is_well = true;
	if (watch->changed)
		snprintf(watch->state, sizeof(watch->state), "watching %s at %s port %u",
			 watch->kind, watch->host, watch->port);
	else
		snprintf(watch->state, sizeof(watch->state), "%s %zu pods at %s port %u",
			 watch->polls ? "listing" : "watching", watch->pods->by_uid.len,
			 watch->host, watch->port);
}

static void end_list(struct pod_watch *watch)
{
	struct pod_reader reader = {watch, note_pod, note_gone, note_container};
	struct err why = {};

	if (!watch->changed)
		pods_list_begin(watch->pods);
	if (pod_list_read(buf_as_span(&watch->body), &reader, watch->version, &why) < 0) {
		watch->version[0] = 0;
		fail(watch, "%s", why.text);
		return;
	}
	if (watch->changed)
		watch->changed(watch->ctx);
	else
		pods_list_end(watch->pods, clock_monotonic_ns());
	watch->counts.lists++;
	buf_done(&watch->body); /* it may have been large */
	note_success(watch);
	wait_for(watch, watch->polls ? POLL_SECONDS : 0);
}

/* True = go on. */
static bool take_event(struct pod_watch *watch, struct span line)
{
	struct pod_reader reader = {watch, note_pod, note_gone, note_container};
	char version[POD_VERSION_BYTES] = "";
	enum pod_change change = POD_CHANGED;
	struct err why = {};

	if (pod_event_read(line, &reader, &change, version, &why)) {
		watch->version[0] = 0;
		fail(watch, "%s", why.text);
		return false;
	}
	watch->counts.events++;
	if (change == POD_EXPIRED) {
		watch->version[0] = 0;
		wait_for(watch, 1);
		return false;
	}
	if (watch->changed && change != POD_BOOKMARK)
		watch->changed(watch->ctx);
	if (version[0])
		memcpy(watch->version, version, sizeof(version));
	note_success(watch);
	return true;
}

static void take_body(void *ctx, struct span piece)
{
	struct pod_watch *watch = ctx;

	buf_span(&watch->body, piece);
}

/* Takes the whole lines off. False when the connection has gone over it. */
static bool take_lines(struct pod_watch *watch)
{
	size_t from = 0;

	for (;;) {
		struct span rest = span_from(buf_as_span(&watch->body), from);
		const uint8_t *end = rest.len ? memchr(rest.at, '\n', rest.len) : NULL;

		if (!end)
			break;
		if (end > rest.at && !take_event(watch, span_first(rest, (size_t)(end - rest.at))))
			return false;
		from += (size_t)(end - rest.at) + 1;
	}
	buf_drop(&watch->body, from);
	return true;
}

static void refuse_status(struct pod_watch *watch)
{
	int status = watch->reply.status;

	watch->version[0] = 0;
	if (status == 401 || status == 403)
		fail(watch,
		     "it answers %d: the service account needs 'list' and 'watch' of %s "
		     "(docs/world.md)",
		     status, watch->kind);
	else if (status == 410) /* the version expired between list and watch */
		wait_for(watch, 1);
	else
		fail(watch, "it answers %d", status);
}

/* The reply has ended, or the connection has. */
static void end_reply(struct pod_watch *watch)
{
	if (watch->stage == STAGE_LIST)
		end_list(watch);
	else
		wait_for(watch, 1); /* from the last version on */
}

static void on_read(struct bufferevent *connection, void *ctx)
{
	struct evbuffer *in = bufferevent_get_input(connection);
	struct pod_watch *watch = ctx;
	size_t len;

	while ((len = evbuffer_get_contiguous_space(in))) {
		struct span bytes = {evbuffer_pullup(in, (ev_ssize_t)len), len};
		int result = http_reply_feed(&watch->reply, bytes, take_body, watch);

		if (result < 0) {
			fail(watch, "it does not speak HTTP");
			return;
		}
		if (watch->reply.stage > REPLY_HEADERS && watch->reply.status != 200) {
			refuse_status(watch);
			return;
		}
		if (watch->body.full) {
			watch->version[0] = 0;
			fail(watch, "its answer is longer than %zu MiB", watch->body.cap >> 20);
			return;
		}
		if (watch->stage == STAGE_WATCH && !take_lines(watch))
			return;
		if (result) {
			end_reply(watch);
			return;
		}
		evbuffer_drain(in, len);
	}
}

static const char *tls_reason(struct bufferevent *connection)
{
	SSL *ssl = bufferevent_openssl_get_ssl(connection);
	long verified = ssl ? SSL_get_verify_result(ssl) : X509_V_OK;
	unsigned long error = bufferevent_get_openssl_error(connection);

	if (verified != X509_V_OK)
		return X509_verify_cert_error_string(verified);
	return error ? ERR_reason_error_string(error) : NULL;
}

static void on_event(struct bufferevent *connection, short what, void *ctx)
{
	int error = evutil_socket_geterror(bufferevent_getfd(connection));
	struct pod_watch *watch = ctx;
	const char *reason;

	if (what & BEV_EVENT_CONNECTED)
		return;
	if ((what & BEV_EVENT_EOF) && http_reply_may_end(&watch->reply)) {
		end_reply(watch);
		return;
	}
	if (watch->stage == STAGE_WATCH && watch->reply.stage > REPLY_HEADERS) {
		wait_for(watch, 1); /* watches end: by the server's patience, a restart, silence */
		return;
	}
	reason = tls_reason(connection);
	if (what & BEV_EVENT_TIMEOUT)
		reason = "no answer in time";
	else if (!reason)
		reason = what & BEV_EVENT_EOF ? "it closed the connection" : err_name(error);
	fail(watch, "%s", reason);
}

/* Tokens are exchanged while we run: read anew for every request. */
static void add_token(struct pod_watch *watch, struct evbuffer *out)
{
	int fd = open(watch->token_file, O_RDONLY | O_CLOEXEC);
	struct buf token;

	if (fd < 0)
		return; /* the server says whether it needs one */
	buf_init(&token, TOKEN_BYTES);
	if (!file_read(fd, &token)) {
		struct span text = buf_as_span(&token);

		while (text.len && text.at[text.len - 1] <= ' ')
			text.len--;
		if (text.len && !memchr(text.at, '\n', text.len))
			evbuffer_add_printf(out, "Authorization: Bearer %.*s\r\n", (int)text.len,
					    (const char *)text.at);
	}
	close(fd);
	buf_done(&token);
}

static void send_request(struct pod_watch *watch)
{
	struct evbuffer *out = bufferevent_get_output(watch->connection);
	char separator = '?';

	evbuffer_add_printf(out, "GET %s", watch->path);
	if (!watch->polls && watch->node[0]) {
		evbuffer_add_printf(out, "?fieldSelector=spec.nodeName%%3D%s", watch->node);
		separator = '&';
	}
	if (watch->stage == STAGE_WATCH)
		evbuffer_add_printf(
			out,
			"%cwatch=1&allowWatchBookmarks=true&timeoutSeconds=%d&resourceVersion=%s",
			separator, WATCH_SECONDS, watch->version);
	evbuffer_add_printf(
		out,
		" HTTP/1.1\r\nHost: %s\r\nUser-Agent: sonde\r\nAccept: application/json\r\n"
		"Connection: close\r\n",
		watch->host);
	add_token(watch, out);
	evbuffer_add(out, "\r\n", 2);
}

/* The server must prove that it is who was asked for. */
static SSL *new_tls(struct pod_watch *watch)
{
	SSL *ssl = SSL_new(watch->tls);

	if (!ssl)
		return NULL;
	if (!strcmp(watch->host, "localhost"))
		SSL_set1_host(ssl, watch->host);
	else
		X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), watch->host);
	return ssl;
}

static size_t address_of(const struct pod_watch *watch, struct sockaddr_storage *out)
{
	struct sockaddr_in *ip4 = (void *)out;
	struct sockaddr_in6 *ip6 = (void *)out;
	const char *host = strcmp(watch->host, "localhost") != 0 ? watch->host : "127.0.0.1";

	*out = (struct sockaddr_storage){};
	if (inet_pton(AF_INET, host, &ip4->sin_addr) == 1) {
		ip4->sin_family = AF_INET;
		ip4->sin_port = htons(watch->port);
		return sizeof(*ip4);
	}
	if (inet_pton(AF_INET6, host, &ip6->sin6_addr) != 1)
		return 0;
	ip6->sin6_family = AF_INET6;
	ip6->sin6_port = htons(watch->port);
	return sizeof(*ip6);
}

static bool open_connection(struct pod_watch *watch)
{
	SSL *ssl = watch->tls ? new_tls(watch) : NULL;
	struct timeval patience = {
		.tv_sec = watch->stage == STAGE_LIST ? LIST_SECONDS : WATCH_SECONDS + LIST_SECONDS};

	if (watch->tls && !ssl)
		return false;
	watch->connection = ssl ? bufferevent_openssl_socket_new(watch->loop, -1, ssl,
								 BUFFEREVENT_SSL_CONNECTING,
								 BEV_OPT_CLOSE_ON_FREE)
				: bufferevent_socket_new(watch->loop, -1, BEV_OPT_CLOSE_ON_FREE);
	if (!watch->connection) {
		SSL_free(ssl);
		return false;
	}
	if (ssl) /* HTTP says itself where it ends */
		bufferevent_openssl_set_allow_dirty_shutdown(watch->connection, 1);
	bufferevent_setcb(watch->connection, on_read, NULL, on_event, watch);
	bufferevent_set_timeouts(watch->connection, &patience, &patience);
	bufferevent_enable(watch->connection, EV_READ | EV_WRITE);
	return true;
}

static void next_request(struct pod_watch *watch)
{
	struct sockaddr_storage address;
	size_t len = address_of(watch, &address);

	watch->stage = watch->version[0] && !watch->polls ? STAGE_WATCH : STAGE_LIST;
	watch->reply = (struct http_reply){};
	buf_done(&watch->body);
	buf_init(&watch->body, watch->stage == STAGE_LIST ? CAP_POD_LIST : CAP_POD_EVENT);
	if (!open_connection(watch)) {
		fail(watch, "out of memory");
		return;
	}
	send_request(watch);
	if (bufferevent_socket_connect(watch->connection, (void *)&address, (int)len))
		fail(watch, "%s", err_name(errno));
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	next_request(ctx);
}

static int check_address(const struct pod_watch *watch, struct err *why)
{
	struct sockaddr_storage address;

	return address_of(watch, &address) ? 0
					   : err_set(why, -EINVAL,
						     "kubernetes.api: '%s' is no address; names "
						     "are not looked up here, "
						     "give the server's address",
						     watch->host);
}

/* scheme://host[:port][/path], host in brackets where it has colons */
static int take_url(struct pod_watch *watch, const char *api, bool *ret_tls, struct err *why)
{
	struct span rest = span_of(api), host;
	const uint8_t *end;

	*ret_tls = span_starts(rest, "https://");
	if (!*ret_tls && !span_starts(rest, "http://"))
		return err_set(why, -EINVAL, "kubernetes.api: '%s' does not begin with https://",
			       api);
	rest = span_from(rest, *ret_tls ? 8 : 7);
	if (span_starts(rest, "[")) {
		rest = span_from(rest, 1);
		end = rest.len ? memchr(rest.at, ']', rest.len) : NULL;
		if (!end)
			return err_set(why, -EINVAL,
				       "kubernetes.api: '%s' has no ] after the address", api);
		host = span_first(rest, (size_t)(end - rest.at));
		rest = span_from(rest, host.len + 1);
	} else {
		host = span_first(rest, strcspn((const char *)rest.at, ":/"));
		rest = span_from(rest, host.len);
	}
	if (host.len >= sizeof(watch->host))
		return err_set(why, -EINVAL, "kubernetes.api: the host in '%s' is too long", api);
	memcpy(watch->host, host.at, host.len);
	watch->port = *ret_tls ? 443 : 80;
	if (span_starts(rest, ":")) {
		unsigned long port = strtoul((const char *)rest.at + 1, NULL, 10);

		if (!port || port > 65535)
			return err_set(why, -EINVAL,
				       "kubernetes.api: '%s' has no port from 1 to 65535", api);
		watch->port = (uint16_t)port;
		rest = span_from(rest, strcspn((const char *)rest.at, "/"));
	}
	watch->polls = rest.len > 1;
	if (watch->polls && watch->path[0])
		return err_set(why, -EOPNOTSUPP, "kubernetes.api: a kubelet knows no %s",
			       watch->kind);
	if (watch->path[0])
		return check_address(watch, why);
	snprintf(watch->path, sizeof(watch->path), "%s",
		 watch->polls ? (const char *)rest.at : "/api/v1/pods");
	return check_address(watch, why);
}

static int make_tls(struct pod_watch *watch, const char *ca_file, struct err *why)
{
	watch->tls = SSL_CTX_new(TLS_client_method());
	if (!watch->tls)
		return err_set(why, -ENOMEM, "cannot prepare TLS: out of memory");
	SSL_CTX_set_min_proto_version(watch->tls, TLS1_2_VERSION);
	SSL_CTX_set_verify(watch->tls, SSL_VERIFY_PEER, NULL);
	if (SSL_CTX_load_verify_locations(watch->tls, ca_file, NULL) != 1)
		return err_set(why, -ENOENT,
			       "cannot read the certificate authority '%s' of kubernetes.api: %s",
			       ca_file, ERR_reason_error_string(ERR_peek_last_error()));
	return 0;
}

/* Only what may stand in a field selector unescaped (RFC 1123 names do). */
static void set_node(struct pod_watch *watch, const char *node)
{
	size_t len = 0;

	for (; node && *node && len + 1 < sizeof(watch->node); node++)
		if ((*node >= 'a' && *node <= 'z') || (*node >= 'A' && *node <= 'Z') ||
		    (*node >= '0' && *node <= '9') || *node == '-' || *node == '.' || *node == '_')
			watch->node[len++] = *node;
	watch->node[len] = 0;
}

int pod_watch_new(const struct pod_watch_options *options, struct pod_watch **ret_watch,
		  struct err *why)
{
	static const char token_file[] = "/var/run/secrets/kubernetes.io/serviceaccount/token";
	static const char ca_file[] = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";
	struct pod_watch *watch = calloc(1, sizeof(*watch));
	bool tls = false;
	int error;

	if (!watch)
		return err_set(why, -ENOMEM, "cannot watch pods: out of memory");
	watch->loop = options->loop;
	watch->pods = options->pods;
	watch->container = options->container;
	watch->ctx = options->ctx;
	watch->changed = options->changed;
	watch->kind = options->kind ? options->kind : "pods";
	snprintf(watch->path, sizeof(watch->path), "%s", options->path ? options->path : "");
	watch->retry_seconds = 1;
	watch->second_us = options->second_us ? options->second_us : 1000000;
	set_node(watch, options->node);
	snprintf(watch->token_file, sizeof(watch->token_file), "%s",
		 options->token_file ? options->token_file : token_file);
	snprintf(watch->state, sizeof(watch->state), "asking for %s", watch->kind);
	error = take_url(watch, options->api, &tls, why);
	if (!error && tls)
		error = make_tls(watch, options->ca_file ? options->ca_file : ca_file, why);
	if (!error) {
		watch->timer = evtimer_new(watch->loop, on_timer, watch);
		if (!watch->timer)
			error = err_set(why, -ENOMEM, "cannot watch pods: out of memory");
	}
	if (error) {
		pod_watch_free(watch);
		return error;
	}
	wait_for(watch, 0);
	*ret_watch = watch;
	return 0;
}

void pod_watch_free(struct pod_watch *watch)
{
	if (!watch)
		return;
	disconnect(watch);
	if (watch->timer)
		event_free(watch->timer);
	SSL_CTX_free(watch->tls);
	buf_done(&watch->body);
	free(watch);
}

const char *pod_watch_state(const struct pod_watch *watch)
{
	return watch->state;
}

bool pod_watch_is_well(const struct pod_watch *watch)
{
	return watch->is_well;
}

void pod_watch_counts(const struct pod_watch *watch, struct pod_watch_counts *ret_counts)
{
	*ret_counts = watch->counts;
}
