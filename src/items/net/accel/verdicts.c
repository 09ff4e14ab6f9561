// SPDX-License-Identifier: GPL-2.0-only
/*
 * verdicts - which executables may be accelerated: those that were watched for a while, talked to neighbours meanwhile,
 * and used no call that the kernel cannot do on redirected sockets (docs/accel.md lists them).
 */
#include "items/net/accel/inside.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"

static const uint64_t watched_long_enough_ns = 60ull * 1000000000,
		      save_every_ns = 60ull * 1000000000;
enum { CONNECTIONS_ENOUGH = 3, TRIES = 5 };

static const char *const call_name[CALL_KINDS] = {
	"MSG_WAITALL", "MSG_TRUNC", "MSG_OOB", "SO_RCVLOWAT", "SO_ZEROCOPY",
	"TCP_INQ",     "TCP_ULP",   "splice",  "FIONREAD",
};

uint64_t verdict_calls(const struct verdict *verdict)
{
	return verdict->seen.calls | verdict->before.calls;
}

/* (The agent before us may have left its counts in the maps as well.) */
uint64_t verdict_connections(const struct verdict *verdict)
{
	return verdict->seen.connections > verdict->before.connections
		       ? verdict->seen.connections
		       : verdict->before.connections;
}

uint64_t verdict_watched_ns(const struct verdict *verdict, uint64_t now_ns)
{
	return verdict->before.watched_ns + (verdict->since_ns ? now_ns - verdict->since_ns : 0);
}

/* Calls that forbid it here. */
static uint64_t forbidden(const struct verdict *verdict)
{
	uint64_t calls = verdict_calls(verdict);

	if (accel_form && accel_form->passed[FORM_REDIRECTED])
		calls &= ~(uint64_t)CALL_FIONREAD;
	return calls;
}

static bool was_watched(const struct verdict *verdict, uint64_t now_ns)
{
	return verdict_connections(verdict) >= CONNECTIONS_ENOUGH &&
	       verdict_watched_ns(verdict, now_ns) >= watched_long_enough_ns;
}

static bool take_seen(void *ctx, const void *key, const void *value)
{
	struct accel *accel = ctx;
	bool is_new;
	struct verdict *verdict = map_put(&accel->verdicts, key, &is_new);

	if (!verdict)
		return true;
	if (is_new) {
		memcpy(&verdict->exe, key, sizeof(verdict->exe));
		verdict->since_ns = clock_monotonic_ns();
	}
	memcpy(&verdict->seen, value, sizeof(verdict->seen));
	return true;
}

/* The path of an executable, of whoever ran it last. */
static void name_executables(struct accel *accel)
{
	const void *exe;
	void *value;
	size_t at = 0;

	while (map_next(&accel->verdicts, &at, &exe, &value)) {
		struct verdict *verdict = value;

		if (!verdict->bytes && verdict->seen.pid && verdict->tries++ < TRIES)
			recall_name(accel, verdict,
				    world_process(item_world(accel->item),
						  (uint32_t)verdict->seen.pid, 0));
	}
}

static uint64_t all_calls(const struct accel *accel)
{
	const void *exe;
	void *verdict;
	size_t at = 0;
	uint64_t calls = 0;

	while (map_next(&accel->verdicts, &at, &exe, &verdict))
		calls += verdict_calls(verdict);
	return calls;
}

/* At once when an executable was found to be unsafe, else once a minute. */
static void save_now_and_then(struct accel *accel, uint64_t now_ns)
{
	uint64_t calls = all_calls(accel);

	if (calls == accel->saved_calls && now_ns - accel->saved_ns < save_every_ns)
		return;
	accel->saved_calls = calls;
	accel->saved_ns = now_ns;
	recall_save(accel);
}

void verdicts_update(struct accel *accel, uint64_t now_ns)
{
	if (object_read(accel->object, "seen", take_seen, accel) < 0)
		item_count(accel->item, "lost", "seen", 1);
	name_executables(accel);
	save_now_and_then(accel, now_ns);
}

bool verdict_is_safe(const struct accel *accel, const struct accel_identity *identity)
{
	struct accel_identity exe = *identity;
	const struct verdict *verdict;

	exe.cgroup = 0;
	verdict = map_get(&accel->verdicts, &exe);
	return verdict && !forbidden(verdict) && was_watched(verdict, clock_monotonic_ns());
}

static void say_why(const struct verdict *verdict, char *out, size_t room)
{
	size_t used = 0;

	out[0] = 0;
	for (int i = 0; i < CALL_KINDS; i++)
		if (forbidden(verdict) >> i & 1 && used < room)
			used += (size_t)snprintf(out + used, room - used, "%s%s", used ? ", " : "",
						 call_name[i]);
}

static void tell(const struct verdict *verdict, bool as_json, struct buf *out)
{
	const char *state = forbidden(verdict)                           ? "unsafe"
			    : was_watched(verdict, clock_monotonic_ns()) ? "safe"
									 : "watching";
	struct json json;
	char why[200];

	say_why(verdict, why, sizeof(why));
	if (!as_json) {
		buf_f(out, "%-9s %8llu  %-40s %s\n", state,
		      (unsigned long long)verdict_connections(verdict),
		      verdict->path[0] ? verdict->path : "?", why);
		return;
	}
	json = (struct json){.out = out};
	json_object(&json);
	if (verdict->path[0])
		json_key_str(&json, "exe", verdict->path);
	json_key_str(&json, "verdict", state);
	json_key_u64(&json, "connections", verdict_connections(verdict));
	if (why[0])
		json_key_str(&json, "why", why);
	json_object_end(&json);
	buf_str(out, "\n");
}

int verdicts_tell(struct item *item, void *state, int argc, char **argv, struct buf *out,
		  struct err *why)
{
	struct accel *accel = state;
	bool as_json = false;
	const void *key;
	void *verdict;
	size_t at = 0;

	for (int i = 1; i < argc; i++)
		as_json |= !strcmp(argv[i], "--json");
	if (!accel || !accel_is_mapped(accel))
		return err_set(
			why, -EAGAIN,
			"item '%s' is off; preflight watches while it is on: sonde items on %s",
			item_name(item), item_name(item));
	verdicts_update(accel, clock_monotonic_ns());
	if (!as_json)
		buf_f(out, "%-9s %8s  %-40s %s\n", "VERDICT", "SEEN", "EXECUTABLE", "WHY NOT");
	while (map_next(&accel->verdicts, &at, &key, &verdict))
		tell(verdict, as_json, out);
	for (size_t i = 0; i < accel->remembered; i++)
		if (!recall_is_known(accel, &accel->memory[i]))
			tell(&accel->memory[i], as_json, out);
	return 0;
}
