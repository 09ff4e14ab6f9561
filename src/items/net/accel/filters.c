// SPDX-License-Identifier: GPL-2.0-only
/*
 * filters - a redirect passes packet filters by. So where a rule says pod_to_pod, the filters of both ends' network
 * namespaces and of the machine's own are watched: nftables tells of each change (netlink), legacy iptables is compared twice
 * a second. After a change everything between namespaces goes by TCP, where the new rules judge it, for some seconds;
 * it comes back to redirecting only when what went by TCP was acknowledged, so under the new rules.
 */
#include "items/net/accel/inside.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

enum { MACHINE = 0 /* stands for the namespace of process 1 */ };

static const uint64_t hold_ns = 10ull * 1000000000, forget_ns = 5ull * 1000000000,
		      compare_ns = 400000000;

/* A network namespace whose filters are watched. */
struct place {
	uint32_t netns, pid;
	int sock; /* or -errno */
	uint64_t print;
	uint64_t met_ns; /* when somebody was seen in it last */
};

static bool is_old(void *ctx, const void *netns, void *at)
{
	const struct place *place = at;

	if (*(const uint64_t *)ctx - place->met_ns <= forget_ns)
		return false;
	if (place->sock >= 0)
		close(place->sock);
	return true;
}

static bool is_watched(const struct place *place)
{
	return place->sock >= 0 ||
	       place->sock == -EPROTONOSUPPORT; /* the latter: this kernel has no nftables */
}

static void watch(struct kernel *kernel, struct place *place)
{
	place->sock = kernel_filter_watch(kernel, (int)place->pid);
	if (!is_watched(place) &&
	    place->netns == MACHINE) { /* nobody may look at process 1: then the agent's own */
		place->pid = (uint32_t)getpid();
		place->sock = kernel_filter_watch(kernel, (int)place->pid);
	}
	kernel_filter_print(kernel, (int)place->pid, &place->print);
}

static void meet(struct accel *accel, uint32_t netns, uint32_t pid, uint64_t now_ns)
{
	bool is_new;
	struct place *place = map_put(&accel->filters.places, &netns, &is_new);

	if (!place)
		return; /* (map.refused says so) */
	place->met_ns = now_ns;
	place->netns = netns;
	if (netns != MACHINE || is_new)
		place->pid = pid;
	if (is_new || !is_watched(place))
		watch(item_kernel(accel->item), place);
}

void filters_meet(struct accel *accel, const struct accel_process *process, uint64_t selected)
{
	if (selected & accel->filters.across)
		meet(accel, process->netns, process->pid, clock_monotonic_ns());
}

/* Did something arrive? (What it says does not matter.) */
static bool has_news(int sock)
{
	char bytes[4096];
	bool news = false;

	while (sock >= 0 && (recv(sock, bytes, sizeof(bytes), MSG_DONTWAIT) >= 0 ||
			     errno == ENOBUFS || errno == EINTR))
		news = true;
	return news;
}

static bool is_another(struct accel *accel, struct place *place)
{
	uint64_t print = place->print;

	if (kernel_filter_print(item_kernel(accel->item), (int)place->pid, &print) < 0 ||
	    print == place->print)
		return false;
	place->print = print;
	return true;
}

void filters_hold(struct accel *accel, const char *what)
{
	accel->settings->across_from_ns = clock_monotonic_ns() + hold_ns;
	item_count(accel->item, "seen", what, 1);
}

void filters_look(struct accel *accel)
{
	struct filters *filters = &accel->filters;
	uint64_t now_ns = clock_monotonic_ns();
	bool compares = now_ns - filters->compared_ns >= compare_ns, changed = false;
	const void *netns;
	void *place;
	size_t at = 0;

	while (map_next(&filters->places, &at, &netns, &place)) {
		changed |= has_news(((struct place *)place)->sock);
		if (compares)
			changed |= is_another(accel, place);
	}
	if (compares)
		filters->compared_ns = now_ns;
	if (changed)
		filters_hold(accel, "filter_changes");
}

void filters_tick(struct accel *accel, uint64_t across, uint64_t now_ns)
{
	struct filters *filters = &accel->filters;
	const void *netns;
	void *place;
	size_t at = 0;

	filters->across = across;
	if (across)
		meet(accel, MACHINE, 1, now_ns);
	map_remove(&filters->places, is_old, &now_ns);
	filters->is_blind = filters->places.refused > 0;
	while (map_next(&filters->places, &at, &netns, &place))
		filters->is_blind |= !is_watched(place);
}

void filters_init(struct filters *filters)
{
	map_init(&filters->places, sizeof(uint32_t), sizeof(struct place), FILTER_PLACES);
}

void filters_done(struct filters *filters)
{
	const void *netns;
	void *place;
	size_t at = 0;

	while (map_next(&filters->places, &at, &netns, &place))
		if (((struct place *)place)->sock >= 0)
			close(((struct place *)place)->sock);
	map_done(&filters->places);
}
