// SPDX-License-Identifier: GPL-2.0-only
/*
 * tls, the user half - puts probes into the TLS libraries of this machine as they are found, and hands their plaintext to requests.
 *
 * A library's file is found once (world/symbol/code.c) and probed for all processes that map it, also later ones. What
 * the programs tell are events of the item `requests`, as another layer of its connections (talk.h); it says what
 * of them it wants. While it is off nobody reads plaintext.
 */
#include "base/clock.h"
#include "items/app/requests/inside.h"
#include "items/app/requests/tls_certificates.h"
#include "items/app/requests/tls_places.h"
#include "world/symbol/code.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* The probes of one file. */
struct probes {
	struct tls_places places;
	int link[TLS_PLACES]; /* owned */
	uint32_t links;
};

struct tls {
	struct item *item;
	struct object *object; /* whose programs are attached; borrowed, only compared */
	struct code *code; /* owned */
	struct certificates *certificates; /* owned */
	struct requests *requests; /* borrowed, looked for with every event; NULL = it is off */
	uint64_t ticks;
	const volatile uint64_t *passed; /* mapped: calls that were not looked at */
	uint64_t passed_told; /* of them */
	bool is_multi; /* the kernel attaches all places of a file in one step */
};

enum { TRY_TICKS = 60, DEAD_AT_ONCE = 256 };

/* Where distributions keep them: probed before anybody runs them, for programs that live shorter than a tick. */
static const char *const usual[] = {
#define EVERYWHERE(name)                                                                           \
	"/usr/lib/x86_64-linux-gnu/" name, "/usr/lib/aarch64-linux-gnu/" name, "/usr/lib64/" name
	EVERYWHERE("libssl.so.3"), EVERYWHERE("libssl.so.1.1"), EVERYWHERE("libgnutls.so.30"),
	EVERYWHERE("libnspr4.so"), EVERYWHERE("libssl3.so"),
#undef EVERYWHERE
};

/* ---- probes ---- */

static void keep(struct tls *tls, struct probes *probes, int link)
{
	if (link >= 0)
		probes->link[probes->links++] = link;
	else
		item_count(tls->item, "lost", "probe", 1);
}

/* All places of one kind: in one step where the kernel can. */
static void attach_kind(struct tls *tls, struct probes *probes, enum tls_program program, int fd)
{
	static const char *const name[][2] = {
		[TLS_ENTERED] = {"tls_entered", "tls_entered_one"},
		[TLS_RETURNED] = {"tls_returned", "tls_returned_one"},
		[TLS_GO_RETURNED] = {"tls_go_returned", "tls_go_returned_one"},
	};
	struct user_place where[TLS_PLACES];
	uint32_t count = 0;

	for (uint32_t i = 0; i < probes->places.count; i++)
		if (probes->places.place[i].program == program)
			where[count++] = (struct user_place){
				.file = fd,
				.offset = probes->places.place[i].offset,
				.cookie =
					probes->places.place[i].cookie | 1ull << 63, /* 0 is none */
				.at_return = program == TLS_RETURNED,
			};
	if (count && tls->is_multi)
		keep(tls, probes,
		     object_attach_places(tls->object, name[program][0], where, count, NULL));
	for (uint32_t i = 0; i < count && !tls->is_multi; i++)
		keep(tls, probes,
		     object_attach_place(tls->object, name[program][1], &where[i], NULL));
}

static void detach(struct probes *probes)
{
	for (uint32_t i = 0; i < probes->links; i++)
		close(probes->link[i]);
}

static bool wants(void *ctx, struct span name, bool is_program)
{
	return is_program || tls_is_library(name);
}

static void found(void *ctx, struct code_file *file, int fd)
{
	struct tls *tls = ctx;
	struct tls_places places;
	struct probes *probes;
	struct elf elf;

	if (elf_open_fd(&elf, dup(fd)))
		return;
	tls_places_find(&elf, &places);
	elf_close(&elf);
	if (!places.library)
		return;
	probes = calloc(1, sizeof(*probes));
	if (!probes)
		return;
	probes->places = places;
	for (int program = 0; program < TLS_PROGRAMS; program++)
		attach_kind(tls, probes, program, fd);
	file->user = probes;
}

static void gone(void *ctx, struct code_file *file)
{
	if (file->user)
		detach(file->user);
	free(file->user);
	file->user = NULL;
}

static const struct code_ops code_ops = {.wants = wants, .found = found, .gone = gone};

static void try_usual(struct tls *tls, uint64_t now_ns)
{
	for (size_t i = 0; i < sizeof(usual) / sizeof(*usual); i++)
		code_try(tls->code, usual[i], now_ns);
}

/* ---- objects of the dead ---- */

struct dead {
	struct tls *tls;
	struct tls_key key[DEAD_AT_ONCE];
	uint32_t count;
};

static bool note_dead(void *ctx, const void *key, const void *value)
{
	struct dead *dead = ctx;
	struct tls_key found;
	const struct process *process;

	memcpy(&found, key, sizeof(found));
	process = world_process(item_world(dead->tls->item), found.pid, 0);
	if (!process || process->exit_ns)
		dead->key[dead->count++] = found;
	return dead->count < DEAD_AT_ONCE;
}

/* One without a socket is not missed when its process is killed. */
static void forget_dead(struct tls *tls)
{
	struct dead dead = {.tls = tls};

	if (object_read(tls->object, "objects", note_dead, &dead) < 0)
		item_count(tls->item, "lost", "walk", 1);
	if (dead.count)
		object_delete(tls->object, "objects", dead.key, dead.count);
}

/* ---- what the registry calls ---- */

static bool is_multi(const struct object *object)
{
	const struct hook_choice *hook;

	for (size_t i = 0; (hook = object_hook(object, i)); i++)
		if (!strcmp(hook->hook, "entry"))
			return hook->section && !strcmp(hook->section, "uprobe.multi");
	return false;
}

/* At the start, and when another version of the programs runs: its probes are new. */
static int follow_object(struct tls *tls, uint64_t now_ns)
{
	code_free(tls->code);
	tls->object = item_object(tls->item);
	tls->is_multi = is_multi(tls->object);
	tls->passed = object_mapped(tls->object, "passed");
	tls->passed_told = tls->passed ? *tls->passed : 0;
	tls->code = code_new(item_kernel(tls->item), item_world(tls->item), &code_ops, tls);
	if (!tls->code)
		return -ENOMEM;
	try_usual(tls, now_ns);
	return 0;
}

/* Requests may have been switched off and on. */
static struct requests *find_requests(struct tls *tls)
{
	struct requests *requests = item_state_of(tls->item, "requests");

	if (requests)
		requests->talks.inside_verdicts = object_mapped(tls->object, "verdicts");
	return requests;
}

static void event(struct item *item, void *state, const struct event_head *event, size_t size)
{
	struct tls *tls = state;
	struct requests *requests;

	if (event->kind == REQUESTS_CERTIFICATE) {
		certificates_note(tls->certificates, (const struct requests_data *)event, size);
		return;
	}
	requests = find_requests(tls);
	if (requests)
		talks_inside(&requests->talks, event, size);
	else
		item_count(item, "dropped", "requests_off", 1);
}

static void stop(struct item *item, void *state)
{
	struct tls *tls = state;
	struct requests *requests = item_state_of(item, "requests");

	if (requests) {
		requests->talks.inside_verdicts = NULL;
		talks_end_inside(&requests->talks);
	}
	code_free(tls->code);
	certificates_free(tls->certificates);
	free(tls);
}

static int start(struct item *item, void **ret_state, struct err *why)
{
	struct tls *tls = calloc(1, sizeof(*tls));

	if (!tls)
		return err_set(why, -ENOMEM, "cannot start '%s': out of memory", item_name(item));
	tls->item = item;
	tls->certificates = certificates_new(item);
	if (!tls->certificates || follow_object(tls, clock_monotonic_ns())) {
		stop(item, tls);
		return err_set(why, -ENOMEM, "cannot start '%s': out of memory", item_name(item));
	}
	*ret_state = tls;
	return 0;
}

/* What the limit passed by is missing in all figures: it is said where losses are (`sonde status`, the page). */
static void tell_passed(struct tls *tls)
{
	uint64_t passed = tls->passed ? *tls->passed : 0;

	if (passed > tls->passed_told)
		item_count(tls->item, "lost", "limit", passed - tls->passed_told);
	tls->passed_told = passed;
}

static void tick(struct item *item, void *state, uint64_t now_ns)
{
	struct tls *tls = state;

	if (tls->object != item_object(item) && follow_object(tls, now_ns))
		return;
	if (++tls->ticks % TRY_TICKS == 0) {
		try_usual(tls, now_ns);
		forget_dead(tls);
	}
	code_tick(tls->code, now_ns);
	tell_passed(tls);
}

static void collect(struct item *item, void *state, struct collector *out)
{
	struct tls *tls = state;

	certificates_collect(tls->certificates, out);
}

static int rows(struct item *item, void *state, bool (*each)(void *ctx, const struct record *row),
		void *ctx, struct err *why)
{
	struct tls *tls = state;

	return certificates_rows(tls->certificates, each, ctx);
}

const struct item_ops tls_item = {
	.metrics = certificate_metrics,
	.metric_count = 1,
	.prepare = certificates_prepare,
	.layouts = certificate_layouts,
	.events = certificate_events,
	.collect = collect,
	.rows = rows,
	.start = start,
	.event = event,
	.tick = tick,
	.stop = stop,
};
