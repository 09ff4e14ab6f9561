// SPDX-License-Identifier: GPL-2.0-only
/*
 * sockets - the scan of all sockets there are, in every network namespace.
 *
 * First sock_diag, namespace by namespace: it knows also what no process holds, and by being asked it gives
 * every TCP socket its cookie, which on kernels before 5.12 nobody else can. Then the open files of all
 * processes, in one walk over all namespaces at once: whose each socket is.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/clock.h"
#include "kernel/client.h"
#include "world/inside.h"
#include "world/objects.h"
#include "world/socket/diag.h"

enum {
	DUMP_BYTES = 16 << 20, /* as much as the broker's area holds */
	TIME_WAIT = 6, /* TCP_TIME_WAIT: nobody's any more, and there may be very many */
};

int world_load_sockets(struct world *world, struct err *why)
{
	struct object *object;
	int error;

	if (world->socket_object)
		return 0;
	if (!world->kernel)
		return -EOPNOTSUPP;
	error = object_open(world->kernel, "world_socket", world_socket_object,
			    (size_t)(world_socket_object_end - world_socket_object), &object, why);
	if (error)
		return error;
	error = object_load(object, NULL, why);
	if (error) {
		object_free(object);
		return error;
	}
	world->socket_object = object;
	return 0;
}

static void note_dumped(void *ctx, const struct socket *socket)
{
	sockets_seen(ctx, socket);
}

static void dump_space(struct world *world, uint32_t netns, const struct space *space)
{
	static const struct {
		int family;
		uint8_t protocol;
	} kinds[] = {{AF_INET, IPPROTO_TCP},
		     {AF_INET6, IPPROTO_TCP},
		     {AF_INET, IPPROTO_UDP},
		     {AF_INET6, IPPROTO_UDP}};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		struct buf dump;
		int error;

		buf_init(&dump, DUMP_BYTES);
		error = kernel_diag(world->kernel, (int)space->holder.pid, kinds[i].family,
				    kinds[i].protocol, ~(1u << TIME_WAIT), &dump);
		if (error >= 0)
			error = diag_read(buf_as_span(&dump), netns, kinds[i].protocol, note_dumped,
					  &world->sockets);
		world->counts.undumped += error < 0 && error != -ENOENT; /* no IPv6, no inet_diag */
		buf_done(&dump);
	}
}

static bool note_row(void *ctx, const void *bytes)
{
	struct world *world = ctx;
	struct socket_row row;

	memcpy(&row, bytes, sizeof(row));
	if (row.cookie)
		sockets_row(&world->sockets, &row);
	else
		world->counts.without_cookie++;
	return true;
}

int world_scan_sockets(struct world *world, struct err *why)
{
	uint64_t start_ns = clock_monotonic_ns();
	int rows = world_load_sockets(world, why);
	const void *key;
	void *space;
	size_t at = 0;

	if (rows)
		return rows;
	world_sweep_processes(world); /* namespaces change without an event */
	world_drain(world);
	world_find_spaces(world);
	sockets_scan(&world->sockets);
	while (map_next(&world->networks.spaces, &at, &key, &space))
		dump_space(world, *(const uint32_t *)key, space);
	rows = object_read_table(world->socket_object, "SOCKETS", sizeof(struct socket_row),
				 note_row, world);
	world->counts.scans++;
	world->counts.scan_ns += clock_monotonic_ns() - start_ns;
	if (rows <
	    0) /* without the second half nothing is known of those that it would have shown */
		return err_set(why, rows, "cannot list the sockets: %s", err_name(rows));
	sockets_scanned(&world->sockets);
	return (int)world->sockets.len;
}

const struct socket *world_socket(const struct world *world, uint64_t cookie)
{
	return sockets_find(&world->sockets, cookie);
}

const struct socket *world_next_socket(const struct world *world, uint32_t *at)
{
	return sockets_next(&world->sockets, at);
}

void world_note_socket(struct world *world, const struct socket *facts)
{
	sockets_note(&world->sockets, facts);
}

void world_forget_socket(struct world *world, uint64_t cookie)
{
	sockets_forget(&world->sockets, cookie);
}
