// SPDX-License-Identifier: GPL-2.0-only
/*
 * serve - listeners, limits, and the clock that looks for clients who wait too long.
 *
 * Everything has a limit, and the rule where one is reached is always the same: the newcomer takes the place of the
 * client that has been stuck longest in what it does (waiting idle, sending a request, taking an answer). So
 * clients that hold connections and do nothing cost each other their place, and never delay a scrape.
 */
#include "serve/serve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

#include "serve/own_metrics.h"
#include "serve/recent.h"
#include "serve/serve_private.h"

void refuse_client(struct serve *serve, enum refusal reason, uint64_t count)
{
	serve->refused[reason] += count;
}

/* Larger = rather to be dropped, 0 = not at all. Whose answer still moves may keep its memory for a while: else clients
 * that do nothing wrong would drop each other. */
static uint64_t stuck_ns(const struct connection *connection, bool answering, uint64_t now_ns)
{
	uint64_t here = now_ns - connection->since_ns;

	if (connection->state == STATE_STREAM)
		return 0;
	if (!answering)
		return here + 1;
	if (connection->state != STATE_ANSWER ||
	    (now_ns - connection->moved_ns < MOVING_MS * MS_NS && here < TAKING_MS * MS_NS))
		return 0;
	return here + 1;
}

static void look_for_stuck(struct listener *listener, bool answering, const struct connection *but,
			   uint64_t *worst_ns, struct connection **ret_worst)
{
	uint64_t now_ns = clock_monotonic_ns();

	for (struct connection *at = listener->first; at; at = at->next) {
		uint64_t stuck = at == but ? 0 : stuck_ns(at, answering, now_ns);

		if (stuck <= *worst_ns)
			continue;
		*worst_ns = stuck;
		*ret_worst = at;
	}
}

bool evict_one(struct serve *serve, struct listener *listener, bool answering,
	       const struct connection *but)
{
	struct connection *worst = NULL;
	uint64_t worst_ns = 0;

	for (size_t i = 0; i < serve->listeners; i++)
		if (!listener || listener == serve->listener[i])
			look_for_stuck(serve->listener[i], answering, but, &worst_ns, &worst);
	if (!worst)
		return false;
	refuse_client(serve, REFUSED_EVICTED, 1);
	connection_free(worst);
	return true;
}

/* One write, not waited for: the client is not worth more. */
static void refuse_place(struct listener *listener, int fd)
{
	static const char body[] = "{\"error\":\"too many connections\",\"hint\":\"close some, or "
				   "try in a second\"}\n";
	char text[512];
	int len = snprintf(text, sizeof(text),
			   "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
			   "Content-Length: %zu\r\nRetry-After: 1\r\nConnection: close\r\n\r\n%s",
			   sizeof(body) - 1, body);

	refuse_client(listener->serve, REFUSED_FULL, 1);
	if (send(fd, text, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		shutdown(fd, SHUT_WR);
	evutil_closesocket(fd);
}

/* Clients are looked at often while there are any. */
static void sweep_every(struct serve *serve, unsigned ms)
{
	const struct timeval period = {ms / 1000, ms % 1000 * 1000};

	if (serve->sweep_ms != ms)
		event_add(serve->sweep, &period);
	serve->sweep_ms = ms;
}

static void on_accept(struct evconnlistener *io, int fd, struct sockaddr *address, int len,
		      void *ctx)
{
	struct listener *listener = ctx;

	listener->serve->accepted++;
	sweep_every(listener->serve, SWEEP_MS);
	if (listener->count >= listener->serve->options.connections &&
	    !evict_one(listener->serve, listener, false, NULL)) {
		refuse_place(listener, fd);
		return;
	}
	connection_new(listener, fd);
}

/* Out of descriptors: make one free, or stop asking until the next sweep (accept would fail in a busy loop). */
static void on_accept_error(struct evconnlistener *io, void *ctx)
{
	struct listener *listener = ctx;
	struct serve *serve = listener->serve;

	if (evict_one(serve, NULL, false, NULL))
		return;
	refuse_client(serve, REFUSED_FULL, 1);
	serve->rest_accepting = true;
	sweep_every(serve, SWEEP_MS);
	for (size_t i = 0; i < serve->listeners; i++)
		evconnlistener_disable(serve->listener[i]->io);
}

static bool waited_too_long(const struct serve *serve, const struct connection *connection,
			    uint64_t now_ns, enum refusal *ret_reason)
{
	const struct serve_options *options = &serve->options;
	uint64_t here = (now_ns - connection->since_ns) / MS_NS;

	*ret_reason = REFUSED_TIMEOUT;
	switch (connection->state) {
	case STATE_HEAD:
		return here > (connection->was_used && !connection->has_begun ? options->idle_ms
									      : options->head_ms);
	case STATE_BODY: return here > options->body_ms;
	case STATE_WAIT: return false; /* whoever makes the answer has a limit of his own */
	case STATE_ANSWER:
	case STATE_STREAM:
		*ret_reason = REFUSED_STALLED;
		if (!evbuffer_get_length(bufferevent_get_output(connection->io)))
			return false;
		return (now_ns - connection->moved_ns) / MS_NS > options->stall_ms ||
		       (connection->state == STATE_ANSWER && here > ANSWER_MS);
	case STATE_LINGER: return here > LINGER_MS;
	}
	return false;
}

static void finish_drain(struct serve *serve, uint64_t now_ns)
{
	size_t count = 0;

	if (!serve->drained)
		return;
	for (size_t i = 0; i < serve->listeners; i++)
		count += serve->listener[i]->count;
	if (count && now_ns < serve->drain_until_ns)
		return;
	evtimer_del(serve->sweep);
	serve->drained(serve->drained_ctx);
}

static void on_sweep(int fd, short what, void *ctx)
{
	struct serve *serve = ctx;
	uint64_t now_ns = clock_monotonic_ns();
	bool is_alone = !serve->drained;

	for (size_t i = 0; i < serve->listeners; i++) {
		struct connection *next;

		for (struct connection *at = serve->listener[i]->first; at; at = next) {
			enum refusal reason;

			next = at->next;
			if (!waited_too_long(serve, at, now_ns, &reason))
				continue;
			if (at->state != STATE_LINGER &&
			    !(at->state == STATE_HEAD && !at->has_begun))
				refuse_client(serve, reason, 1);
			connection_free(at);
		}
		if (serve->rest_accepting && !serve->drained)
			evconnlistener_enable(serve->listener[i]->io);
		is_alone = is_alone && !serve->listener[i]->count;
	}
	sweep_every(serve, is_alone ? SWEEP_ALONE_MS : SWEEP_MS);
	serve->rest_accepting = false;
	metrics_forget(serve, now_ns);
	watchers_tick(serve, now_ns);
	finish_drain(serve, now_ns);
}

static void set_defaults(struct serve_options *options)
{
	if (!options->version)
		options->version = "0";
	if (!options->connections)
		options->connections = 256;
	if (!options->streams)
		options->streams = 64;
	if (!options->queued_bytes)
		options->queued_bytes = 16 << 20;
	if (!options->upload_bytes)
		options->upload_bytes = 16 << 20;
	if (!options->head_ms)
		options->head_ms = 10 * 1000;
	if (!options->body_ms)
		options->body_ms = 30 * 1000;
	if (!options->idle_ms)
		options->idle_ms = 75 * 1000;
	if (!options->stall_ms)
		options->stall_ms = 20 * 1000;
}

/* As long as nobody wants records of us, they need not be made (stream_wanted). */
bool listen_to_records(struct serve *serve)
{
	if (!serve->subscription && serve->api->stream)
		serve->subscription =
			stream_subscribe(serve->api->stream, NULL, NULL, watchers_receive, serve);
	return serve->subscription || !serve->api->stream;
}

void stop_listening(struct serve *serve)
{
	if (!serve->subscription || serve->recent || serve->watchers)
		return;
	stream_unsubscribe(serve->subscription);
	serve->subscription = NULL;
}

struct serve *serve_new(struct event_base *base, const struct agent_api *api,
			const struct serve_options *options)
{
	struct serve *serve = calloc(1, sizeof(*serve));
	const struct timeval period = {.tv_usec = SWEEP_MS * 1000};

	if (!serve)
		return NULL;
	serve->base = base;
	serve->api = api;
	serve->options = *options;
	set_defaults(&serve->options);
	serve->metrics = own_metrics_new();
	serve->sweep = event_new(base, -1, EV_PERSIST, on_sweep, serve);
	serve->sweep_ms = SWEEP_MS;
	if (options->recent_bytes)
		serve->recent = recent_new(options->recent_bytes);
	if (!serve->metrics || !serve->sweep || (options->recent_bytes && !serve->recent) ||
	    event_add(serve->sweep, &period)) {
		serve_free(serve);
		return NULL;
	}
	if (serve->recent && !listen_to_records(serve)) {
		serve_free(serve);
		return NULL;
	}
	return serve;
}

int serve_keep_recent(struct serve *serve, size_t bytes)
{
	if (!serve->recent && bytes)
		serve->recent = recent_new(bytes);
	return !bytes || (serve->recent && listen_to_records(serve)) ? 0 : -ENOMEM;
}

void serve_free(struct serve *serve)
{
	if (!serve)
		return;
	for (size_t i = 0; i < serve->listeners; i++) {
		while (serve->listener[i]->first)
			connection_free(serve->listener[i]->first);
		evconnlistener_free(serve->listener[i]->io);
		free(serve->listener[i]);
	}
	metrics_forget(serve, UINT64_MAX);
	if (serve->subscription)
		stream_unsubscribe(serve->subscription);
	if (serve->sweep)
		event_free(serve->sweep);
	recent_free(serve->recent);
	own_metrics_free(serve->metrics);
	auth_done(&serve->auth);
	serve_tls_done(serve);
	free(serve);
}

/* What kind of address this is, and what it is called. */
static int name_listener(struct listener *listener, int fd, struct err *why)
{
	union {
		struct sockaddr any;
		struct sockaddr_in ip4;
		struct sockaddr_in6 ip6;
		struct sockaddr_un un;
	} address = {};
	socklen_t len = sizeof(address);
	char host[INET6_ADDRSTRLEN];

	if (getsockname(fd, &address.any, &len))
		return err_set(why, -errno, "cannot listen: %s", err_name(errno));
	switch (address.any.sa_family) {
	case AF_UNIX:
		listener->kind = LISTENER_UNIX;
		snprintf(listener->name, sizeof(listener->name), "unix");
		return 0;
	case AF_INET:
		inet_ntop(AF_INET, &address.ip4.sin_addr, host, sizeof(host));
		listener->kind = ntohl(address.ip4.sin_addr.s_addr) >> 24 == 127 ? LISTENER_LOOPBACK
										 : LISTENER_PUBLIC;
		snprintf(listener->name, sizeof(listener->name), "%s:%u", host,
			 ntohs(address.ip4.sin_port));
		return 0;
	case AF_INET6:
		inet_ntop(AF_INET6, &address.ip6.sin6_addr, host, sizeof(host));
		listener->kind = IN6_IS_ADDR_LOOPBACK(&address.ip6.sin6_addr) ? LISTENER_LOOPBACK
									      : LISTENER_PUBLIC;
		snprintf(listener->name, sizeof(listener->name), "[%s]:%u", host,
			 ntohs(address.ip6.sin6_port));
		return 0;
	default: return err_set(why, -EINVAL, "cannot listen: neither a unix nor a TCP socket");
	}
}

int serve_listen(struct serve *serve, int fd, struct err *why)
{
	struct listener *listener;
	int error;

	if (serve->listeners == LISTENERS)
		return err_set(why, -ENOSPC, "more than %d addresses to listen on", LISTENERS);
	listener = calloc(1, sizeof(*listener));
	if (!listener)
		return err_set(why, -ENOMEM, "no memory to listen");
	listener->serve = serve;
	error = name_listener(listener, fd, why);
	if (!error && evutil_make_socket_nonblocking(fd))
		error = err_set(why, -errno, "cannot listen: %s", err_name(errno));
	if (!error) {
		listener->io =
			evconnlistener_new(serve->base, on_accept, listener,
					   LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 512, fd);
		if (!listener->io)
			error = err_set(why, -EIO, "cannot listen on '%s': %s", listener->name,
					err_name(errno));
	}
	if (error) {
		free(listener);
		return error;
	}
	evconnlistener_set_error_cb(listener->io, on_accept_error);
	serve->listener[serve->listeners++] = listener;
	return 0;
}

int serve_set_token(struct serve *serve, struct span token, struct err *why)
{
	return auth_set_token(&serve->auth, token, why);
}

int serve_set_hosts(struct serve *serve, const char *const *hosts)
{
	return auth_set_hosts(&serve->auth, hosts);
}

size_t serve_streams(const struct serve *serve)
{
	return serve->streams;
}

void serve_drain(struct serve *serve, unsigned patience_ms, void (*done)(void *ctx), void *ctx)
{
	serve->drained = done;
	serve->drained_ctx = ctx;
	serve->drain_until_ns = clock_monotonic_ns() + patience_ms * MS_NS;
	sweep_every(serve, SWEEP_MS);
	watchers_end(serve);
	tracers_end(serve);
	for (size_t i = 0; i < serve->listeners; i++) {
		struct connection *next;

		evconnlistener_disable(serve->listener[i]->io);
		for (struct connection *at = serve->listener[i]->first; at; at = next) {
			next = at->next;
			if (at->state == STATE_HEAD || at->state == STATE_LINGER)
				connection_free(at);
		}
	}
}

size_t serve_bytes(const struct serve *serve)
{
	size_t bytes =
		sizeof(*serve) + serve->queued + (serve->recent ? recent_bytes(serve->recent) : 0);

	for (size_t i = 0; i < serve->listeners; i++)
		for (const struct connection *at = serve->listener[i]->first; at; at = at->next)
			bytes += sizeof(*at) + at->body.room +
				 evbuffer_get_length(bufferevent_get_output(at->io)) +
				 evbuffer_get_length(bufferevent_get_input(at->io));
	return bytes;
}
