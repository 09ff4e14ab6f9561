// SPDX-License-Identifier: GPL-2.0-only
/*
 * watch - `sonde ITEM`: one item here and now, as a table, a histogram or JSON lines.
 *
 * Items that publish events are followed on the agent's live stream. Items that count are asked at every interval; what
 * is shown is the growth since the last time (rows.c). With an agent that runs, its programs are used, and an item that
 * is off is on as long as we hold its stream. Parameters are not changed under other people's eyes: with any given,
 * an agent of our own is started for this command.
 */
#include "cli/watch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/client.h"
#include "cli/help.h"
#include "cli/options.h"
#include "cli/rows.h"
#include "cli/table.h"
#include "items/item.h"
#include "main/run.h"

struct watch {
	const char *item;
	struct options options;
	struct client client;
	struct rows rows;
	int signals; /* Ctrl-C and the like arrive here */
	uint64_t end_ns;
	bool has_events, is_on;
	bool narrows; /* the item's programs look at --pid and the like, in an agent of our own; rows needn't say them */
	struct buf sets_text;
	const char *sets[OPTION_SETS + 2];
};

static int block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Waits for bytes, a signal or the time. 1 = bytes, 0 = the time is over, -1 = told to end. */
static int wait_for(const struct watch *watch, int fd, uint64_t until_ns)
{
	struct pollfd wait[] = {{watch->signals, POLLIN, 0}, {fd, POLLIN, 0}};
	uint64_t now_ns = clock_monotonic_ns();
	int ms = until_ns <= now_ns ? 0 : (int)((until_ns - now_ns) / 1000000 + 1);

	if (poll(wait, fd >= 0 ? 2 : 1, until_ns == UINT64_MAX ? -1 : ms) < 0)
		return errno == EINTR ? 0 : -1;
	if (wait[0].revents)
		return -1;
	return fd >= 0 && wait[1].revents ? 1 : 0;
}

static void stream_path(const struct watch *watch, struct buf *path)
{
	buf_f(path, "/v1/stream?item=%s&on=1", watch->item);
	if (watch->options.filter.len) {
		buf_str(path, "&filter=");
		url_encode(path, buf_text(&watch->options.filter));
	}
}

static int follow(struct watch *watch)
{
	struct buf path, bytes;
	struct span name, data;
	struct err why = {};
	size_t used;
	long shown = 0;
	int sock, waited = 1;

	buf_init(&path, 128 * 1024);
	buf_init(&bytes, 64 << 20);
	stream_path(watch, &path);
	sock = client_stream(&watch->client, buf_text(&path), &why);
	buf_done(&path);
	if (sock < 0)
		return EXIT_FAILED;
	buf_span(&bytes, buf_as_span(&watch->client.body));
	while (waited > 0) {
		char piece[65536];
		ssize_t got;

		while (waited > 0 && client_event(buf_as_span(&bytes), &name, &data, &used)) {
			if (span_is(name, "lost"))
				log_warn("too slow for the stream: %.*s", (int)data.len,
					 (const char *)data.at);
			else if (data.len && rows_event(&watch->rows, data) &&
				 watch->options.rows && ++shown >= watch->options.rows)
				waited = 0;
			buf_drop(&bytes, used);
		}
		rows_flush(&watch->rows);
		if (waited > 0)
			waited = wait_for(watch, sock, watch->end_ns);
		if (waited <= 0)
			break;
		got = read(sock, piece, sizeof(piece));
		if (got <= 0 || buf_add(&bytes, piece, (size_t)got)) {
			log_error("the agent ended the stream");
			waited = -2;
		}
	}
	close(sock);
	buf_done(&bytes);
	return waited == -2 ? EXIT_FAILED : EXIT_DONE;
}

static int ask_rows(struct watch *watch)
{
	const struct buf *filter;
	struct buf path;
	const struct json_node *answer;
	int status = EXIT_DONE;

	buf_init(&path, 128 * 1024);
	buf_f(&path, "/v1/records/%s?source=rows&limit=10000", watch->item);
	if (watch->options.by) {
		buf_str(&path, "&by=");
		url_encode(&path, watch->options.by);
	}
	filter = watch->narrows && watch->client.private_agent ? &watch->options.rest
								: &watch->options.filter;
	if (filter->len) {
		buf_str(&path, "&filter=");
		url_encode(&path, buf_text(filter));
	}
	answer = client_get(&watch->client, buf_text(&path), &status);
	if (answer)
		rows_snapshot(&watch->rows, json_get(answer, "records"));
	buf_done(&path);
	return status;
}

static int look_at_item(struct watch *watch)
{
	const struct json_node *item, *description, *rows_first;
	struct buf path;
	struct err why = {};
	int status = EXIT_DONE;

	buf_init(&path, 4096);
	buf_str(&path, "/v1/items/");
	url_encode(&path, watch->item);
	item = client_get(&watch->client, buf_text(&path), &status);
	buf_done(&path);
	if (!item)
		return status;
	if (watch->client.private_agent && json_get_text(item, "reason")) {
		log_error("%s", json_get_text(item, "reason"));
		return EXIT_CANT;
	}
	description = json_get(item, "description");
	watch->is_on =
		!strcmp(json_get_text(item, "state") ? json_get_text(item, "state") : "", "on");
	watch->has_events =
		(json_get(description, "events") && json_get(description, "events")->child) ||
		json_get(item, "records");
	rows_first = json_get(item, "rows_first");
	if (rows_first && rows_first->truth && !watch->options.follow)
		watch->has_events = false;
	rows_learn(&watch->rows, item, &watch->options);
	if (watch->is_on && rows_check(&watch->rows, &why)) {
		log_error("%s", why.text);
		return EXIT_USAGE;
	}
	return EXIT_DONE;
}

/* An item that is off is on as long as this stream is open. */
static int keep_on(struct watch *watch)
{
	struct err why = {};
	struct buf path;
	int hold;

	buf_init(&path, 128 * 1024);
	buf_f(&path, "/v1/stream?item=%s&on=1", watch->item);
	hold = client_stream(&watch->client, buf_text(&path), &why);
	buf_done(&path);
	return hold;
}

static int count(struct watch *watch)
{
	uint64_t next_ns = clock_monotonic_ns(),
		 step_ns = (uint64_t)(watch->options.interval_s * 1e9);
	int hold = -1, status = EXIT_DONE, waited = 0;

	if (watch->options.duration_s && watch->options.duration_s < watch->options.interval_s)
		step_ns = (uint64_t)(watch->options.duration_s * 1e9);
	if (!watch->is_on) {
		hold = keep_on(watch);
		if (hold < 0)
			return EXIT_FAILED;
		status = look_at_item(watch); /* what rows it has is known now that it is on */
	}
	if (status == EXIT_DONE)
		status = ask_rows(watch); /* what was before does not count */
	while (status == EXIT_DONE && waited >= 0) {
		next_ns += step_ns;
		waited = wait_for(watch, -1, next_ns < watch->end_ns ? next_ns : watch->end_ns);
		status = ask_rows(watch);
		if (status == EXIT_DONE)
			rows_print(&watch->rows);
		if (clock_monotonic_ns() >= watch->end_ns)
			break;
	}
	if (hold >= 0)
		close(hold);
	return status;
}

static void verb_request(const struct watch *watch, struct buf *path, struct buf *body)
{
	struct json json = {.out = body};

	buf_str(path, "/v1/items/");
	url_encode(path, watch->item);
	buf_str(path, "/");
	url_encode(path, watch->options.word[0]);
	json_object(&json);
	json_key(&json, "args");
	json_array(&json);
	for (size_t i = 1; i < watch->options.words; i++)
		json_str(&json, watch->options.word[i]);
	if (watch->options.json)
		json_str(&json, "--json");
	json_array_end(&json);
	json_object_end(&json);
}

/* `sonde ITEM VERB`: a command that the item itself has; with -d the item is on for so long before it is asked. */
static int run_verb(struct watch *watch)
{
	struct err why = {};
	struct buf path, body;
	int hold = watch->is_on ? -1 : keep_on(watch), status;

	if (!watch->is_on && hold < 0)
		return EXIT_FAILED;
	if (watch->options.duration_s)
		wait_for(watch, -1, watch->end_ns);
	buf_init(&path, 4096);
	buf_init(&body, 64 * 1024);
	verb_request(watch, &path, &body);
	status = client_ask(&watch->client, "POST", buf_text(&path), buf_as_span(&body), &why);
	if (status == 200)
		fwrite(watch->client.body.at, 1, watch->client.body.len, stdout);
	else
		client_fail(&watch->client, status, &why);
	if (hold >= 0)
		close(hold);
	buf_done(&path);
	buf_done(&body);
	return status == 200 ? EXIT_DONE : EXIT_FAILED;
}

static bool is_verb(const struct item_ops *ops, const char *word)
{
	for (const struct item_verb *verb = ops ? ops->verbs : NULL; verb && verb->name; verb++)
		if (!strcmp(verb->name, word))
			return true;
	return false;
}

/* What is asked for is what an agent of our own need look at. */
static void add_where(struct watch *watch)
{
	struct json json = {.out = &watch->sets_text};

	buf_f(&watch->sets_text, "items.%s.where=", watch->item);
	json_span(&json, buf_as_span(&watch->options.filter));
	buf_char(&watch->sets_text, 0);
}

static int open_agent(struct watch *watch)
{
	const char *socket = watch->options.socket;
	size_t sets = 0;

	buf_init(&watch->sets_text, 64 * 1024);
	for (size_t i = 0; i < watch->options.params; i++)
		buf_f(&watch->sets_text, "items.%s.%s%c", watch->item, watch->options.param[i], 0);
	if (watch->narrows && watch->options.filter.len)
		add_where(watch);
	for (size_t at = 0; at < watch->sets_text.len; at += strlen(watch->sets_text.at + at) + 1)
		watch->sets[sets++] = watch->sets_text.at + at;
	watch->sets[sets] = NULL;
	if (watch->options.params && !socket) /* never a running agent's: its item keeps its settings */
		return client_open_private(&watch->client, watch->item, watch->sets);
	return client_open(&watch->client, socket, watch->item, watch->sets);
}

int watch_item(int argc, char **argv)
{
	struct watch watch = {.item = argv[0], .end_ns = UINT64_MAX};
	const struct item_ops *ops = help_item_ops(argv[0]);
	int status = options_parse(&watch.options, argc, argv, true, ops ? ops->options : NULL);

	if (status == EXIT_DONE && (!watch.options.words || !is_verb(ops, watch.options.word[0])))
		status = options_words(&watch.options, argv[0], 0);
	if (status == EXIT_DONE && watch.options.help) {
		status = help_item(argv[0]);
		options_done(&watch.options);
		return status;
	}
	rows_init(&watch.rows);
	watch.narrows = ops && ops->narrows;
	if (status == EXIT_DONE) {
		watch.signals = block_signals();
		status = open_agent(&watch);
		if (status == EXIT_DONE)
			status = look_at_item(&watch);
		if (watch.options.duration_s)
			watch.end_ns =
				clock_monotonic_ns() + (uint64_t)(watch.options.duration_s * 1e9);
		if (status == EXIT_DONE && watch.options.words)
			status = run_verb(&watch);
		else if (status == EXIT_DONE)
			status = watch.has_events ? follow(&watch) : count(&watch);
		client_close(&watch.client);
		buf_done(&watch.sets_text);
	}
	rows_done(&watch.rows);
	options_done(&watch.options);
	return status;
}
