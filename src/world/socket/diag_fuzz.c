// SPDX-License-Identifier: GPL-2.0-only
/* Any bytes as a dump: never out of bounds, as many sockets as it says, and none that breaks the table. */
#include "world/socket/diag.c"
#include "world/socket/socket.c"

static int handed_on;

static void take(void *ctx, const struct socket *socket)
{
	if (!socket->cookie)
		abort();
	handed_on++;
	sockets_seen(ctx, socket);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct sockets sockets;
	int result;

	if (sockets_init(&sockets, 64))
		return 0;
	handed_on = 0;
	sockets_scan(&sockets);
	result = diag_read((struct span){at, len}, 1, 6, take, &sockets);
	if (result >= 0 ? result != handed_on : result < -LAST_ERRNO)
		abort();
	sockets_scanned(&sockets);
	for (uint32_t i = 0; i < sockets.len; i++)
		if (sockets_find(&sockets, at_index(&sockets, i)->cookie) != at_index(&sockets, i))
			abort();
	sockets_done(&sockets);
	return 0;
}
