// SPDX-License-Identifier: GPL-2.0-only
/* boxed - a script in a process of its own, as the agent sees it. */
#include "items/boxed.h"

#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json_read.h"
#include "kernel/client.h"

enum {
	LINE_MOST = 16 << 20,
	READ_BYTES = 64 << 10,
	FAREWELL_MS = 3000, /* from "stop" to the end of its process */
	MEASURE_EVERY_S = 5, /* statistics are on for one second of these */
};

struct boxed {
	struct kernel *kernel; /* borrowed */
	struct boxed_options options;
	int sock, stats; /* owned; -1 */
	struct event *readable, *second; /* owned */
	struct buf text; /* not yet a line */
	uint64_t stop_at_ns, kill_at_ns; /* 0 = not yet */
	unsigned seconds;
	uint64_t run_ns, measured_ns; /* at the begin of a measurement; 0 = none is under way */
	int code;
	bool is_attached, is_over;
	const char *awaited; /* type of line; NULL = it has come */
	bool *is_freed; /* set by boxed_free while a callback is under way */
	char why[160];
};

static void close_stats(struct boxed *boxed)
{
	if (boxed->stats >= 0)
		close(boxed->stats);
	boxed->stats = -1;
	boxed->measured_ns = 0;
}

static void over(struct boxed *boxed)
{
	if (boxed->is_over)
		return;
	boxed->is_over = true;
	close_stats(boxed);
	event_del(boxed->readable);
	event_del(boxed->second);
	boxed->options.end(boxed->options.ctx, boxed->code, boxed->why);
}

static void stop(struct boxed *boxed, const char *why)
{
	if (boxed->kill_at_ns)
		return;
	snprintf(boxed->why, sizeof(boxed->why), "%s", why);
	boxed->kill_at_ns = clock_monotonic_ns() + FAREWELL_MS * 1000000ull;
	boxed_say(boxed, "stop");
	boxed_pause(boxed, false);
}

/* Two readings while the kernel measured: what the programs took of one CPU between them. */
static void judge(struct boxed *boxed, uint64_t run_ns)
{
	uint64_t now_ns = clock_monotonic_ns(), since_ns = now_ns - boxed->measured_ns;
	char why[160];
	double share;

	if (!boxed->measured_ns || boxed->stats < 0) {
		boxed->run_ns = run_ns;
		boxed->measured_ns = now_ns;
		return;
	}
	if (since_ns < 500000000)
		return; /* asked by somebody else in between */
	share = (double)(run_ns - boxed->run_ns) / (double)since_ns;
	close_stats(boxed);
	if (share <= boxed->options.overhead)
		return;
	snprintf(why, sizeof(why),
		 "the script's programs take %.1f %% of a CPU and may take %.1f %%; narrow its "
		 "probes, or allow more",
		 share * 100, boxed->options.overhead * 100);
	stop(boxed, why);
}

static uint64_t number_in(struct span line, const char *key)
{
	const struct json_node *root = NULL;
	struct arena arena;
	uint64_t value = 0;

	arena_init(&arena, 1 << 20);
	if (!json_read(line, &arena, &root, NULL))
		json_node_u64(json_get(json_get(root, "data"), key), &value);
	arena_done(&arena);
	return value;
}

static void take_line(struct boxed *boxed, struct span line)
{
	static const char head[] = "{\"type\": \"";
	struct span type = span_from(line, sizeof(head) - 1);
	size_t len = 0;

	if (!span_starts(line, head))
		return;
	while (len < type.len && type.at[len] != '"')
		len++;
	type = span_first(type, len);
	if (span_is(type, "attached_probes"))
		boxed->is_attached = true;
	if (boxed->awaited && span_is(type, boxed->awaited))
		boxed->awaited = NULL;
	if (span_is(type, "end"))
		boxed->code = (int)number_in(line, "code");
	if (span_is(type, "cost") && boxed->stats >= 0)
		judge(boxed, number_in(line, "run_ns"));
	boxed->options.line(boxed->options.ctx, type, line);
}

/* Whole lines of what is there. False when somebody freed us meanwhile. */
static bool take_lines(struct boxed *boxed)
{
	struct span rest = buf_as_span(&boxed->text);
	bool is_freed = false;
	const uint8_t *end;

	boxed->is_freed = &is_freed;
	while (rest.len && (end = memchr(rest.at, '\n', rest.len))) {
		take_line(boxed, span_first(rest, (size_t)(end - rest.at)));
		if (is_freed)
			return false;
		rest = span_from(rest, (size_t)(end - rest.at) + 1);
	}
	boxed->is_freed = NULL;
	if (rest.len)
		memmove(boxed->text.at, rest.at, rest.len);
	boxed->text.len = rest.len;
	return true;
}

/* False: nothing more will come. */
static bool read_some(struct boxed *boxed)
{
	char *at = buf_reserve(&boxed->text, READ_BYTES);
	ssize_t got = at ? recv(boxed->sock, at, READ_BYTES, MSG_DONTWAIT) : 0;

	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	if (!at)
		snprintf(boxed->why, sizeof(boxed->why),
			 "a line of the script is longer than 16 MiB");
	if (got > 0)
		buf_commit(&boxed->text, (size_t)got);
	return got > 0;
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct boxed *boxed = ctx;
	bool goes_on = read_some(boxed);

	if (take_lines(boxed) && !goes_on)
		over(boxed);
}

static void on_second(evutil_socket_t fd, short what, void *ctx)
{
	struct boxed *boxed = ctx;
	uint64_t now_ns = clock_monotonic_ns();

	boxed->seconds++;
	if (boxed->stop_at_ns && now_ns >= boxed->stop_at_ns)
		stop(boxed, "");
	if (boxed->kill_at_ns && now_ns >= boxed->kill_at_ns) {
		over(boxed);
		return;
	}
	if (!boxed->is_attached || boxed->options.overhead <= 0)
		return;
	if (boxed->stats >= 0) {
		boxed_say(boxed, "cost");
	} else if (boxed->seconds % MEASURE_EVERY_S == 1) {
		boxed->stats = kernel_stats(boxed->kernel);
		boxed_say(boxed, "cost");
	}
}

int boxed_start(struct kernel *kernel, struct event_base *loop, const struct boxed_options *options,
		struct boxed **ret_boxed, struct err *why)
{
	const struct timeval second = {.tv_sec = 1};
	int sock = kernel_script(kernel, options->job, why);
	struct boxed *boxed;

	if (sock < 0)
		return sock;
	boxed = calloc(1, sizeof(*boxed));
	if (!boxed) {
		close(sock);
		return err_set(why, -ENOMEM, "cannot start the script: out of memory");
	}
	*boxed = (struct boxed){.kernel = kernel, .options = *options, .sock = sock, .stats = -1};
	boxed->options.job = (struct span){};
	if (options->duration_ns)
		boxed->stop_at_ns = clock_monotonic_ns() + options->duration_ns;
	buf_init(&boxed->text, LINE_MOST);
	boxed->readable = event_new(loop, sock, EV_READ | EV_PERSIST, on_readable, boxed);
	boxed->second = event_new(loop, -1, EV_PERSIST, on_second, boxed);
	if (!boxed->readable || !boxed->second || event_add(boxed->readable, NULL) ||
	    event_add(boxed->second, &second)) {
		boxed_free(boxed);
		return err_set(why, -ENOMEM, "cannot start the script: out of memory");
	}
	*ret_boxed = boxed;
	return 0;
}

bool boxed_wait(struct boxed *boxed, const char *type, int timeout_ms)
{
	uint64_t end_ns = clock_monotonic_ns() + (uint64_t)timeout_ms * 1000000;
	struct pollfd wait = {.fd = boxed->sock, .events = POLLIN};

	boxed->awaited = type;
	while (boxed->awaited && !boxed->is_over) {
		uint64_t now_ns = clock_monotonic_ns();

		if (now_ns >= end_ns || poll(&wait, 1, (int)((end_ns - now_ns) / 1000000) + 1) <= 0)
			break;
		on_readable(boxed->sock, EV_READ, boxed);
	}
	type = boxed->awaited;
	boxed->awaited = NULL;
	return !type && !boxed->is_over;
}

void boxed_say(struct boxed *boxed, const char *word)
{
	char line[32];
	int len = snprintf(line, sizeof(line), "%s\n", word);

	/* a script that does not listen for so long is found out by what it does not answer */
	if (send(boxed->sock, line, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return;
}

void boxed_pause(struct boxed *boxed, bool pause)
{
	if (boxed->is_over)
		return;
	if (pause)
		event_del(boxed->readable);
	else
		event_add(boxed->readable, NULL);
}

bool boxed_text(struct span line, struct buf *out)
{
	const struct json_node *root = NULL;
	struct arena arena;
	const char *text = NULL;

	arena_init(&arena, LINE_MOST);
	if (!json_read(line, &arena, &root, NULL) && (text = json_get_text(root, "data")))
		buf_str(out, text);
	arena_done(&arena);
	return text;
}

void boxed_free(struct boxed *boxed)
{
	if (!boxed)
		return;
	if (boxed->is_freed)
		*boxed->is_freed = true;
	close_stats(boxed);
	if (boxed->readable)
		event_free(boxed->readable);
	if (boxed->second)
		event_free(boxed->second);
	close(boxed->sock);
	buf_done(&boxed->text);
	free(boxed);
}
