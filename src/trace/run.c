// SPDX-License-Identifier: GPL-2.0-only
/*
 * run - a compiled script at work.
 *
 *	maps made, programs loaded -> begin run -> the rest attached -> events until exit(), a
 *	signal or the child's end -> detached -> end run -> what is left in the ring -> maps printed
 *
 * Events come over one ring, so that print(@) and clear(@) keep their order. The ring is read by
 * its mapped pages: nothing but epoll is asked of the kernel.
 */
#include "trace/run.h"

#include "trace/owners.h"
#include "trace/run_inside.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	VERIFIER_LOG = 1 << 24,
	DRAIN_MS = 100, /* a wake-up may be missed when the ring was full */
	RING_BUSY = 1u << 31,
	RING_DISCARD = 1u << 30,
};

void run_say(struct run *run, const char *type, const char *text)
{
	struct json json;
	struct buf data;

	if (!run->out->is_json) {
		output_raw(run->out, span_of(text));
		return;
	}
	buf_init(&data, 8 << 20);
	json = (struct json){.out = &data};
	json_str(&json, text);
	output_json(run->out, type, buf_as_span(&data));
	buf_done(&data);
}

struct map_use *run_map(struct run *run, const struct map_decl *decl)
{
	return decl->index >= 0 ? &run->compiled->maps[decl->index] : NULL;
}

/* Keys are collected first: deleting while walking starts the walk anew. */
static int each_key(struct run *run, struct map_use *map,
		    int (*act)(struct run *run, struct map_use *map, const void *key))
{
	uint32_t size = map->spec.key_size, count = 0, room = 256;
	uint8_t *keys = malloc((size_t)room * size);
	const void *last = NULL;

	while (keys && count < map->spec.max_entries) {
		if (count == room) {
			uint8_t *grown = realloc(keys, (size_t)room * 2 * size);

			if (!grown)
				break;
			keys = grown;
			room *= 2;
		}
		if (run->loader->map_next(run->loader, map->fd,
					  count ? keys + (size_t)(count - 1) * size : last,
					  keys + (size_t)count * size))
			break;
		count++;
	}
	for (uint32_t i = 0; i < count; i++)
		act(run, map, keys + (size_t)i * size);
	free(keys);
	return keys ? 0 : -ENOMEM;
}

static int put_zero(struct run *run, struct map_use *map, const void *key)
{
	uint32_t size = (map->spec.value_size + 7) / 8 * 8 * run->loader->cpus;
	uint8_t *zero = calloc(1, size);
	int err = zero ? run->loader->map_write(run->loader, map->fd, key, zero) : -ENOMEM;

	free(zero);
	return err;
}

/* zero(): keys stay, and a plain scalar stays set. */
static int put_zero_kept(struct run *run, struct map_use *map, const void *key)
{
	uint64_t is_set = 0;
	uint8_t *value;

	if (map->spec.type != BPF_MAP_TYPE_ARRAY)
		return put_zero(run, map, key);
	value = calloc(1, map->spec.value_size + 8);
	if (!value || run->loader->map_read(run->loader, map->fd, key, value)) {
		free(value);
		return -ENOENT;
	}
	memcpy(&is_set, value, 8);
	memset(value + 8, 0, map->spec.value_size - 8);
	run->loader->map_write(run->loader, map->fd, key, value);
	free(value);
	return 0;
}

static int delete_key(struct run *run, struct map_use *map, const void *key)
{
	return run->loader->map_delete(run->loader, map->fd, key);
}

static bool is_array(const struct map_use *map)
{
	return map->spec.type == BPF_MAP_TYPE_ARRAY || map->spec.type == BPF_MAP_TYPE_PERCPU_ARRAY;
}

int run_clear(struct run *run, struct map_use *map)
{
	if (!map)
		return -ENOENT;
	map->is_zeroed = false;
	return each_key(run, map, is_array(map) ? put_zero : delete_key);
}

int run_zero(struct run *run, struct map_use *map)
{
	if (!map)
		return -ENOENT;
	map->is_zeroed = true;
	return each_key(run, map, put_zero_kept);
}

/* --- the ring (layout: kernel/bpf/ringbuf.c; user part documented in Documentation/bpf/ringbuf.rst) --- */

static int ring_open(struct ring *ring, int fd, uint32_t size)
{
	struct epoll_event event = {.events = EPOLLIN};
	uint8_t *pages;

	ring->page = (size_t)sysconf(_SC_PAGESIZE);
	ring->fd = fd;
	ring->mask = size - 1;
	ring->consumer = mmap(NULL, ring->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (ring->consumer == MAP_FAILED)
		return -errno;
	/* the data is mapped twice in a row: a record never breaks at the end */
	pages = mmap(NULL, ring->page + 2 * (size_t)size, PROT_READ, MAP_SHARED, fd,
		     (off_t)ring->page);
	if (pages == MAP_FAILED)
		return -errno;
	ring->producer = (uint64_t *)pages;
	ring->data = pages + ring->page;
	ring->epoll = epoll_create1(EPOLL_CLOEXEC);
	return ring->epoll < 0 || epoll_ctl(ring->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static void ring_close(struct ring *ring)
{
	if (ring->consumer && ring->consumer != MAP_FAILED)
		munmap(ring->consumer, ring->page);
	if (ring->producer)
		munmap(ring->producer, ring->page + 2 * (ring->mask + 1));
	if (ring->epoll > 0)
		close(ring->epoll);
	*ring = (struct ring){};
}

static void on_event(struct run *run, const uint8_t *bytes, uint32_t len)
{
	const struct event_spec *event;
	uint64_t id;

	if (len < EVENT_HEAD)
		return;
	memcpy(&id, bytes, 8);
	if (id >= run->compiled->event_count)
		return;
	event = run->compiled->events[id];
	run->events++;
	/* the ring rounds nothing up: what is there is what the program sent */
	if (event->layout && len - EVENT_HEAD < event->layout->size &&
	    strcmp(event->function->name, "join"))
		return;
	if (event->function->happen)
		event->function->happen(run, event->call, bytes + EVENT_HEAD, len - EVENT_HEAD);
	if (run->events == run->options->limits.events)
		run->is_ending = run->is_exit_called = true;
}

/* Reads what is there. After exit() the rest is left unread, unless `to_end`. */
static void ring_read(struct run *run, bool to_end)
{
	struct ring *ring = &run->ring;
	uint64_t at = __atomic_load_n(ring->consumer, __ATOMIC_ACQUIRE);

	for (;;) {
		uint64_t end = __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE);
		const uint32_t *head;
		uint32_t len;

		if (at >= end || (run->is_ending && !to_end))
			break;
		head = (const void *)(ring->data + (at & ring->mask));
		len = __atomic_load_n(head, __ATOMIC_ACQUIRE);
		if (len & RING_BUSY)
			break;
		if (!(len & RING_DISCARD))
			on_event(run, (const uint8_t *)head + BPF_RINGBUF_HDR_SZ, len);
		at += ((len & ~(RING_BUSY | RING_DISCARD)) + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
		__atomic_store_n(ring->consumer, at, __ATOMIC_RELEASE);
	}
}

void run_read_ring(struct run *run)
{
	ring_read(run, true);
}

static void ring_skip(struct ring *ring)
{
	__atomic_store_n(ring->consumer, __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE),
			 __ATOMIC_RELEASE);
}

/* --- loading --- */

static int fill_texts(struct run *run, const struct map_use *map)
{
	int err = 0;

	for (uint32_t i = 0; !err && i < map->spec.max_entries; i++) {
		char text[256] = "";

		snprintf(text, sizeof(text), "%.*s", (int)map->spec.value_size - 1, map->text(i));
		err = run->loader->map_write(run->loader, map->fd, &i, text);
	}
	return err;
}

static int make_maps(struct run *run, struct err *why)
{
	struct compiled *compiled = run->compiled;

	for (uint32_t i = 0; i < compiled->map_count; i++) {
		struct map_use *map = &compiled->maps[i];

		/* the frame is for programs that need one */
		if (i == MAP_FRAME && !compiled->frame_size)
			continue;
		map->fd = run->loader->map_create(run->loader, &map->spec, why);
		if (map->fd < 0)
			return map->fd;
		if (map->text && fill_texts(run, map) < 0)
			return err_set(why, -EIO, "cannot fill the map '%s'", map->spec.name);
	}
	return 0;
}

/* The last lines of the verifier's log name the instruction: from there to the script's text. */
static void explain(struct run *run, const struct program *program, const char *log)
{
	const char *line = log, *last = NULL;
	unsigned insn;
	struct buf text;

	for (; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (sscanf(line, "%u: (", &insn) == 1 && strstr(line, "(") &&
		    insn < program->code.count)
			last = line;
	}
	buf_init(&text, 1 << 20);
	if (last && sscanf(last, "%u: (", &insn) == 1) {
		struct place place = {program->code.places[insn], program->code.places[insn] + 1};

		diag_show(&run->script->diag, SEVERITY_ERROR, place,
			  "the kernel's verifier refuses what this becomes", NULL, &text);
	}
	fputs(buf_text(&text), stderr);
	buf_done(&text);
	if (run->options->is_verbose)
		fputs(log, stderr);
}

static int load(struct run *run, struct program *program, const struct probe_kind *kind,
		struct err *why)
{
	struct code *code = &program->code;
	struct bpf_insn *insns = malloc((code->count + 1) * sizeof(*insns));
	char *log = malloc(VERIFIER_LOG);
	struct program_spec spec = {.name = program->name,
				    .license = run->script->config.license,
				    .type = kind->program,
				    .attach_type = kind->attach_type,
				    .attach_btf_id = program->probe->btf_id,
				    .insns = insns,
				    .insn_count = code->count,
				    .functions = code->callbacks,
				    .function_count = code->callback_count,
				    .log = log,
				    .log_size = VERIFIER_LOG};
	int fd = -ENOMEM;

	if (insns && log) {
		memcpy(insns, code->insns, code->count * sizeof(*insns));
		for (uint32_t i = 0; i < code->map_ref_count; i++) {
			struct bpf_insn *insn = &insns[code->map_refs[i]];

			insn->imm = run->compiled->maps[insn->imm].fd;
		}
		log[0] = 0;
		fd = run->loader->program_load(run->loader, &spec, why);
		if (fd < 0) {
			explain(run, program, log);
			err_prefix(why, "%s", program->probe->name);
		}
	}
	free(insns);
	free(log);
	return fd;
}

static int load_programs(struct run *run, struct err *why)
{
	for (struct program *program = run->compiled->programs; program; program = program->next) {
		program->fd = load(run, program, program->probe->kind, why);
		if (program->fd < 0)
			return program->fd;
	}
	return 0;
}

static int attach(struct run *run, struct probe *probe, struct err *why)
{
	int result = probe->kind->attach(run->loader, probe, probe->program->fd, why);
	int fd;

	if (result >= 0 || !probe->kind->fallback)
		return result;
	if (run->options->is_verbose)
		fprintf(stderr, "%s: %s; another way is tried\n", probe->name, why->text);
	/* the cheap way is not there for this one: the same code, as the other type */
	if (probe->program->fallback <= 0) {
		fd = load(run, probe->program, probe->kind->fallback, why);
		if (fd < 0 || loader_keep(run->loader, fd) < 0)
			return fd < 0 ? fd : -ENOMEM;
		probe->program->fallback = fd;
	}
	return probe->kind->fallback->attach(run->loader, probe, probe->program->fallback, why);
}

static int say_unattached(const struct probe *probe, int error, struct err *why)
{
	fprintf(stderr, "ERROR: %s\n", why->text);
	return err_set(why, error,
		       "Unable to attach probe: %s. If this is expected, set the 'missing_probes' "
		       "config variable to 'warn'.",
		       probe->name);
}

static int attach_all(struct run *run, uint32_t *ret_count, struct err *why)
{
	uint32_t count = 0, failed = 0;

	for (struct probe *probe = run->script->probes; probe; probe = probe->next) {
		int result;

		if (probe->kind->is_special) {
			count++;
			continue;
		}
		probe->first_link = run->loader->link_count;
		result = attach(run, probe, why);
		probe->end_link = run->loader->link_count;
		if (result < 0 && run->script->config.missing_probes == MISSING_ERROR)
			return say_unattached(probe, result, why);
		if (result < 0) {
			failed++;
			if (run->script->config.missing_probes == MISSING_WARN)
				fprintf(stderr,
					"WARNING: %s\nWARNING: Unable to attach probe: %s. "
					"Skipping.\n",
					why->text, probe->name);
			continue;
		}
		count += !probe->is_more_of_last;
		probe->index = result;
	}
	*ret_count = count;
	return failed && !count ? err_set(why, -ENOENT, "Attachment failed for all probes.") : 0;
}

static int run_special(struct run *run, const char *kind, struct err *why)
{
	uint32_t result;

	for (struct probe *probe = run->script->probes; probe; probe = probe->next) {
		int err;

		if (strcmp(probe->kind->name, kind))
			continue;
		err = run->loader->run(run->loader, probe->program->fd, &result, why);
		if (err < 0)
			return err;
	}
	return 0;
}

/* Iterators run when their files are read. */
static void run_iterators(struct run *run)
{
	char chunk[4096];

	for (struct probe *probe = run->script->probes; probe; probe = probe->next) {
		ssize_t n;

		if (strcmp(probe->kind->name, "iter"))
			continue;
		if (probe->target) {
			fprintf(run->out->file, "Program pinned to %s\n", probe->target);
			continue;
		}
		while ((n = read(probe->index, chunk, sizeof(chunk))) != 0) {
			ring_read(run, false);
			if (run->is_exit_called)
				return;
			if (n < 0 && errno != EAGAIN && errno != EINTR)
				break;
		}
		ring_read(run, true);
	}
}

/* --- waiting --- */

static bool has_lasting_probe(const struct run *run)
{
	for (const struct probe *probe = run->script->probes; probe; probe = probe->next)
		if ((!probe->kind->is_special && strcmp(probe->kind->name, "iter")) ||
		    !strcmp(probe->kind->name, "self"))
			return true;
	return false;
}

static void on_signal(struct run *run)
{
	struct signalfd_siginfo info;

	while (read(run->signals, &info, sizeof(info)) == sizeof(info)) {
		int status;

		if (info.ssi_signo == SIGUSR1) {
			struct err why = {};

			if (run_special(run, "self", &why) < 0)
				fprintf(stderr, "WARNING: %s\n", why.text);
			continue;
		}
		if (info.ssi_signo != SIGCHLD) {
			run->is_ending = true;
			continue;
		}
		if (run->options->is_child_ours && run->options->child > 0 &&
		    waitpid(run->options->child, &status, WNOHANG) == run->options->child)
			run->is_ending = true;
	}
}

/* exit() was called, but its event may have found the ring full. */
static bool is_exit_asked(const struct run *run)
{
	uint32_t key = 0;
	uint64_t flag = 0;

	return !run->loader->map_read(run->loader, run->compiled->maps[MAP_CONTROL].fd, &key,
				      &flag) &&
	       flag;
}

static bool is_child_gone(const struct run *run)
{
	return run->options->child > 0 && !run->options->is_child_ours &&
	       kill(run->options->child, 0) && errno == ESRCH;
}

static uint64_t lost_count(const struct run *run, uint32_t kind)
{
	uint64_t counts[4096], sum = 0;

	if (run->loader->cpus > 4096 ||
	    run->loader->map_read(run->loader, run->compiled->maps[MAP_LOST].fd, &kind, counts))
		return 0;
	for (uint32_t cpu = 0; cpu < run->loader->cpus; cpu++)
		sum += counts[cpu];
	return sum;
}

/* What the programs cost: run times are there while somebody has the kernel's statistics on. */
static void say_cost(struct run *run)
{
	uint64_t runs, run_ns;
	struct buf data;
	struct json json = {.out = &data};

	run_cost(run, &runs, &run_ns);
	buf_init(&data, 4096);
	json_object(&json);
	json_key_u64(&json, "runs", runs);
	json_key_u64(&json, "run_ns", run_ns);
	json_key_u64(&json, "events", run->events);
	json_key_u64(&json, "lost", lost_count(run, LOST_RING) + lost_count(run, LOST_FRAME));
	json_key_u64(&json, "refused", lost_count(run, LOST_MAP_FULL));
	json_object_end(&json);
	output_json(run->out, "cost", buf_as_span(&data));
	buf_done(&data);
}

static void answer(struct run *run, struct span word)
{
	if (span_is(word, "stop"))
		run->is_ending = true;
	for (uint32_t i = 0; span_is(word, "series") && i < run->compiled->map_count; i++)
		output_series(run, &run->compiled->maps[i]);
	if (span_is(word, "series") || span_is(word, "cost"))
		say_cost(run);
	output_flush(run->out);
}

/* Lines of one word. Whoever asks waits for the answer: there is never more than a few at a time. */
static void on_control(struct run *run)
{
	char text[256];
	ssize_t got = recv(run->options->control, text, sizeof(text), MSG_DONTWAIT);
	size_t from = 0;

	if (!got || (got < 0 && errno != EAGAIN && errno != EINTR))
		run->is_ending = true; /* nobody is there any more */
	for (size_t at = 0; got > 0 && at < (size_t)got; at++)
		if (text[at] == '\n') {
			answer(run, (struct span){(const uint8_t *)text + from, at - from});
			from = at + 1;
		}
}

/* Groups that are called as the script wants it: the programs look their ids up. Once a second. */
static void fill_groups(struct run *run)
{
	const struct compiled *compiled = run->compiled;
	uint64_t id, one = 1;

	if (!compiled->group_map)
		return;
	if (run->owners)
		owners_scan(run->owners);
	else
		run->owners = owners_new();
	for (uint32_t i = 0; run->owners && owners_at(run->owners, i, &id); i++)
		for (uint32_t n = 0; n < compiled->wanted_count; n++) {
			uint32_t text = compiled->wanted[n].text,
				 part = (uint32_t)compiled->wanted[n].part;
			uint64_t key[2] = {id, text * 2 + part};
			int fd = compiled->maps[compiled->group_map].fd;

			if (!strcmp(owners_name(run->owners, id, part), run->script->texts[text]))
				run->loader->map_write(run->loader, fd, key, &one);
			else
				run->loader->map_delete(run->loader, fd, key);
		}
}

static time_t seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static void wait_for_events(struct run *run)
{
	time_t filled = seconds_now();

	struct pollfd fds[3] = {{.fd = run->ring.epoll, .events = POLLIN},
				{.fd = run->signals, .events = POLLIN},
				{.fd = run->options->control, .events = POLLIN}};

	while (!run->is_ending) {
		int ready = poll(fds, 3, DRAIN_MS);

		run_guard_check(run);
		if (run->compiled->group_map && seconds_now() != filled) {
			filled = seconds_now();
			fill_groups(run);
		}

		if (ready > 0 && fds[1].revents)
			on_signal(run);
		if (ready > 0 && fds[2].revents)
			on_control(run);
		ring_read(run, false);
		if (!run->out->is_line_flushed)
			output_flush(run->out);
		if (ready == 0 && (is_exit_asked(run) || is_child_gone(run)))
			run->is_ending = true;
	}
}

/* --- the end --- */

static void report_lost(struct run *run)
{
	uint64_t ring = lost_count(run, LOST_RING), frame = lost_count(run, LOST_FRAME);
	uint64_t full = lost_count(run, LOST_MAP_FULL);

	if (ring + frame && run->out->is_json) {
		struct buf data;

		buf_init(&data, 256);
		buf_f(&data, "{\"events\": %llu}", (unsigned long long)(ring + frame));
		output_json(run->out, "lost_events", buf_as_span(&data));
		buf_done(&data);
	} else if (ring + frame) {
		fprintf(stderr, "WARNING: Lost %llu events\n", (unsigned long long)(ring + frame));
	}
	if (full > run->refusals_said && run->options->has_warnings)
		fprintf(stderr,
			"WARNING: Map full; can't update element. Try increasing max_map_keys "
			"config "
			"or manually setting the max entries in a map declaration e.g. `let @a = "
			"hash(5000)` (%llu times)\n",
			(unsigned long long)full);
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct map_use *const *)a)->decl->name,
		      (*(struct map_use *const *)b)->decl->name);
}

static void print_maps(struct run *run)
{
	struct compiled *compiled = run->compiled;
	struct map_use **maps = calloc(compiled->map_count + 1, sizeof(*maps));
	uint32_t count = 0;

	if (!run->out->is_json)
		output_raw(run->out, span_of("\n\n"));
	for (uint32_t i = 0; maps && i < compiled->map_count; i++)
		if (compiled->maps[i].decl)
			maps[count++] = &compiled->maps[i];
	if (maps && count)
		qsort(maps, count, sizeof(*maps), by_name);
	for (uint32_t i = 0; run->script->config.print_maps_on_exit && i < count; i++)
		output_map(run, maps[i], 0, 0, false);
	free(maps);
}

static void say_attached(struct run *run, uint32_t count)
{
	const char *notify = getenv("__BPFTRACE_NOTIFY_PROBES_ATTACHED");

	if (run->options->is_quiet) {
		/* in JSON too, as bpftrace has it */
	} else if (run->out->is_json) {
		fprintf(run->out->file,
			"{\"type\": \"attached_probes\", \"count\": %u, \"data\": {\"probes\": "
			"%u}}\n",
			count, count);
		fflush(run->out->file);
	} else {
		fprintf(stderr, "Attached %u probe%s\n", count, count == 1 ? "" : "s");
	}
	if (notify) {
		fprintf(run->out->file, "__BPFTRACE_NOTIFY_PROBES_ATTACHED\n");
		fflush(run->out->file);
	}
}

static int open_signals(const struct run *run)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGCHLD);
	for (const struct probe *probe = run->script->probes; probe; probe = probe->next)
		if (!strcmp(probe->kind->name, "self"))
			sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void close_all(struct run *run)
{
	loader_detach(run->loader);
	ring_close(&run->ring);
	for (struct program *p = run->compiled->programs; p; p = p->next)
		if (p->fd >= 0)
			close(p->fd);
	for (uint32_t i = 0; i < run->compiled->map_count; i++)
		if (run->compiled->maps[i].fd >= 0)
			close(run->compiled->maps[i].fd);
	if (run->signals >= 0)
		close(run->signals);
	owners_free(run->owners);
	run->owners = NULL;
}

/* --test, --bench: nothing is attached, and no map is shown. */
static int run_mode(struct run *run, struct err *why)
{
	int err = run_special(run, "begin", why);

	run_read_ring(run);
	run->is_ending = run->is_exit_called = false;
	if (!err)
		err = run->script->options->mode == MODE_TEST ? run_tests(run, why)
							      : run_benches(run, why);
	if (!err)
		err = run_special(run, "end", why);
	if (err)
		return err;
	run_read_ring(run);
	if (!run->out->is_json)
		output_raw(run->out, span_of("\n\n"));
	output_flush(run->out);
	return run->exit_code;
}

static int run_all(struct run *run, struct err *why)
{
	const struct map_use *ring = &run->compiled->maps[MAP_RING];
	uint32_t count = 0;
	int err;

	err = ring_open(&run->ring, ring->fd, ring->spec.max_entries);
	if (err)
		return err_set(why, err, "cannot map the ring of events: %s", err_name(err));
	if (run->script->options->mode != MODE_TRACE)
		return run_mode(run, why);
	fill_groups(run);
	/* what begin says is shown after the line that says how many probes there are */
	err = run_special(run, "begin", why);
	if (!err)
		err = attach_all(run, &count, why);
	if (err)
		return err;
	say_attached(run, count);
	err = run_guard_start(run, why);
	if (err)
		return err;
	ring_read(run, false);
	if (run->options->child_go >= 0 && write(run->options->child_go, "g", 1) != 1)
		return err_set(why, -EIO, "cannot start the child");
	if (!run->is_ending)
		run_iterators(run);
	if (has_lasting_probe(run) || run->options->is_child_ours)
		wait_for_events(run);
	run_guard_done(run);
	loader_detach(run->loader);
	/* events after exit() are none of the script's business, those before a signal are */
	if (run->is_exit_called)
		ring_skip(&run->ring);
	else
		ring_read(run, true);
	err = run_special(run, "end", why);
	ring_read(run, true);
	if (err)
		return err;
	print_maps(run);
	report_lost(run);
	output_flush(run->out);
	return run->exit_code;
}

int run_script(struct run *run, struct err *why)
{
	int err;

	run->signals = open_signals(run);
	err = make_maps(run, why);
	if (!err)
		err = load_programs(run, why);
	if (!err && !run->options->is_dry)
		err = run_all(run, why);
	close_all(run);
	return err;
}
