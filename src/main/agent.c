// SPDX-License-Identifier: GPL-2.0-only
/* agent - the wiring: kernel -> items -> records -> stream -> API and history, in the worker's one loop. */
#include "main/agent_private.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

enum {
	DRAIN_MS = 100, /* how long an event may lie in a ring that is nearly empty */
	DRAIN_IDLE_MS =
		300, /* the same while nothing came for a second: each look costs more than it finds */
	DRAIN_QUIET = 10, /* looks that found nothing until then; if nobody watches live, the tick of each second looks too */
	STATS_EVERY_S =
		60, /* bpf run statistics are on for one second of so many: they cost ~40 ns a run */
	DRAIN_PATIENCE_MS = 2000,
};

/* 0 = not by a timer of its own. */
static void drain_every(struct agent *agent, unsigned ms)
{
	const struct timeval period = {ms / 1000, ms % 1000 * 1000};

	if (agent->drain_ms != ms && ms)
		event_add(agent->drain, &period);
	else if (agent->drain_ms != ms)
		event_del(agent->drain);
	agent->drain_ms = ms;
}

void agent_drain(struct agent *agent)
{
	size_t events = world_drain(agent->world);

	events += registry_drain(agent->registry);
	if (agent->history)
		history_tick(agent->history);
	agent->quiet_drains = events ? 0 : agent->quiet_drains + 1;
	if (!agent->drain) /* not yet */
		return;
	drain_every(agent, agent->quiet_drains < DRAIN_QUIET  ? DRAIN_MS
			   : serve_streams(agent->serve) ? DRAIN_IDLE_MS
							   : 0);
}

static void on_drain(evutil_socket_t fd, short what, void *ctx)
{
	agent_drain(ctx);
}

static void sample_costs(struct agent *agent, uint64_t now_ns)
{
	if (agent->stats_fd >= 0) {
		agent->stats_ns += now_ns - agent->stats_since_ns;
		registry_sampled(agent->registry, now_ns - agent->stats_since_ns);
		close(agent->stats_fd);
		agent->stats_fd = -1;
	} else if (agent->ticks % STATS_EVERY_S == 2 || registry_wants_sample(agent->registry)) {
		agent->stats_fd = kernel_stats(agent->options.kernel);
		agent->stats_since_ns = now_ns;
	}
}

static void become_ready(struct agent *agent)
{
	agent->ready = true;
	agent->first_data_ns = clock_monotonic_ns() - agent->started_ns;
	kernel_ready(agent->options.kernel);
	changes_tell(agent, "start");
}

/* What a burst of work left free between blocks in use goes back to the kernel. */
static void give_memory_back(struct agent *agent)
{
	enum { LOOK_S = 10, MUCH_BYTES = 4 << 20 };

	if (agent->ticks % LOOK_S == 0 && mallinfo2().fordblks > MUCH_BYTES)
		malloc_trim(0);
}

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
	struct agent *agent = ctx;
	uint64_t now_ns = clock_monotonic_ns();

	agent->ticks++;
	if (!agent->drain_ms)
		agent_drain(agent);
	world_tick(agent->world, now_ns);
	registry_tick(agent->registry, now_ns);
	sample_costs(agent, now_ns);
	keep_tick(agent);
	give_memory_back(agent);
}

static void stop_now(void *ctx)
{
	event_base_loopbreak(((struct agent *)ctx)->loop);
}

static void on_stop(evutil_socket_t signal, short what, void *ctx)
{
	struct agent *agent = ctx;

	if (agent->stopping) { /* the second Ctrl-C does not wait for clients */
		stop_now(agent);
		return;
	}
	agent->stopping = true;
	if (agent->serve)
		serve_drain(agent->serve, DRAIN_PATIENCE_MS, stop_now, agent);
	else
		stop_now(agent);
}

static void on_reload(evutil_socket_t signal, short what, void *ctx)
{
	struct err why = {};

	if (agent_reload(ctx, NULL, &why))
		log_error("configuration not reloaded, the old one serves on: %s", why.text);
	else
		log_info("configuration reloaded");
}

static struct event *add_timer(struct agent *agent, unsigned ms, event_callback_fn call)
{
	struct timeval period = {ms / 1000, ms % 1000 * 1000};
	struct event *event = event_new(agent->loop, -1, EV_PERSIST, call, agent);

	if (event) {
		event_priority_set(event, 0);
		event_add(event, &period);
	}
	return event;
}

static struct event *add_signal(struct agent *agent, int number, event_callback_fn call)
{
	struct event *event = evsignal_new(agent->loop, number, call, agent);

	if (event)
		event_add(event, NULL);
	return event;
}

static int start_rooms(struct agent *agent, struct err *why)
{
	struct registry_options registry = {.kernel = agent->options.kernel, .loop = agent->loop};
	struct world_config world = {};
	int error;

	agent->stream = stream_new();
	if (!agent->stream || agent_make_own(agent))
		return err_set(why, -ENOMEM, "cannot start: out of memory");
	world.node = config_text(agent->config, "node");
	world.kubernetes = config_text(agent->config, "kubernetes.api");
	world.loop = agent->loop;
	error = world_new(agent->options.kernel, &world, &agent->world, why);
	if (error)
		return error;
	registry.stream = agent->stream;
	registry.resolver = world_resolver(agent->world);
	registry.world = agent->world;
	registry.cgroup1 = world_cgroup1(agent->world);
	if (!agent->options.only) /* an agent for one command leaves nothing behind */
		registry.folder = config_text(agent->config, "store.path");
	return registry_new(&registry, &agent->registry, why);
}

enum { HOSTS = 64 };

int agent_set_hosts(struct agent *agent)
{
	const char *hosts[HOSTS + 1] = {};

	for (size_t i = 0; i < HOSTS && (hosts[i] = config_list(agent->config, "hosts", i)); i++)
		;
	return serve_set_hosts(agent->serve, hosts);
}

static int start_serving(struct agent *agent, struct err *why)
{
	struct serve_options options = {
		.version = SONDE_VERSION,
		.connections = config_number(agent->config, "limits.connections"),
		.streams = config_number(agent->config, "limits.streams"),
		.queued_bytes = config_number(agent->config, "limits.queued"),
		.upload_bytes = config_number(agent->config, "limits.upload"),
		/* the history has the last records too */
		.recent_bytes = agent->history ? 0 : config_number(agent->config, "limits.recent"),
	};
	int error = 0;

	agent_answers(agent);
	agent->serve = serve_new(agent->loop, &agent->api, &options);
	if (!agent->serve)
		return err_set(why, -ENOMEM, "cannot serve the API: out of memory");
	error = agent_set_hosts(agent);
	if (error)
		return err_set(why, error, "cannot serve the API: out of memory");
	if (agent->options.token.len)
		error = serve_set_token(agent->serve, agent->options.token, why);
	if (!error && agent->options.certificate.len)
		error = serve_set_tls(agent->serve, agent->options.certificate, agent->options.key,
				      why);
	for (size_t i = 0; !error && i < agent->options.listener_count; i++)
		error = serve_listen(agent->serve, agent->options.listeners[i], why);
	return error;
}

static void stop_rooms(struct agent *agent)
{
	struct event *events[] = {agent->drain, agent->tick, agent->stop[0], agent->stop[1],
				  agent->reload};

	for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++)
		if (events[i])
			event_free(events[i]);
	if (agent->registry)
		registry_end_evidence(agent->registry);
	keep_stop(agent);
	if (agent->serve)
		serve_free(agent->serve);
	coarse_free(agent->coarse);
	registry_free(agent->registry);
	world_free(agent->world);
	if (agent->stream)
		stream_free(agent->stream);
	for (int i = 0; i < OWN_METRICS; i++)
		family_free(agent->own[i]);
	if (agent->stats_fd >= 0)
		close(agent->stats_fd);
	if (agent->loop)
		event_base_free(agent->loop);
	config_free(agent->config);
}

/* Rings come first: clients take the lower of two priorities, and many of them can't keep the loop for long. */
static struct event_base *new_loop(void)
{
	const struct timeval most = {.tv_usec = 20000};
	struct event_config *config = event_config_new();
	struct event_base *loop = NULL;

	if (config && !event_config_set_max_dispatch_interval(config, &most, 64, 1))
		loop = event_base_new_with_config(config);
	if (config)
		event_config_free(config);
	if (loop)
		event_base_priority_init(loop, 2);
	return loop;
}

int agent_run(const struct agent_options *options, struct err *why)
{
	struct agent agent = {
		.options = *options,
		.config = options->config,
		.started_ns = clock_monotonic_ns(),
		.stats_fd = -1,
	};
	struct buf problems;
	int error;

	buf_init(&problems, 64 * 1024);
	agent.loop = new_loop();
	error = agent.loop ? start_rooms(&agent, why)
			   : err_set(why, -ENOMEM, "cannot start: out of memory");
	if (!error)
		error = keep_start(&agent, why);
	if (!error)
		error = watch_start(&agent, why);
	if (!error) {
		registry_set_alerts(agent.registry, agent.alerts);
		brought_load(&agent);
		error = agent_check_items(&agent, agent.config, &problems, why);
	}
	if (!error) {
		/* what libevent puts back at the end: the impatient must not cut it short */
		signal(SIGTERM, SIG_IGN);
		signal(SIGINT, SIG_IGN);
		agent.stop[0] = add_signal(&agent, SIGTERM, on_stop);
		agent.stop[1] = add_signal(&agent, SIGINT, on_stop);
		agent.reload = add_signal(&agent, SIGHUP, on_reload);
		agent_configure_items(&agent, NULL);
		kernel_forget_btf(options->kernel);
		error = start_serving(&agent, why);
	}
	if (!error) {
		agent.drain = add_timer(&agent, DRAIN_MS, on_drain);
		agent.drain_ms = DRAIN_MS;
		agent.tick = add_timer(&agent, 1000, on_tick);
		become_ready(&agent);
		event_base_dispatch(agent.loop);
	}
	buf_done(&problems);
	stop_rooms(&agent);
	return error;
}
