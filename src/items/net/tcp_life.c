// SPDX-License-Identifier: GPL-2.0-only
/* tcp_life, the user half - has the kernel half look once at what is older than itself. */
#include <errno.h>
#include <stdlib.h>

#include "items/item.h"
#include "kernel/kernel.h"

struct tcp_life {
	struct object *object; /* that has looked; borrowed, only compared */
};

static bool pass_over(void *ctx, const void *row)
{
	return true;
}

static void look_once(struct item *item, struct tcp_life *life)
{
	if (object_read_table(item_object(item), "older", 1, pass_over, NULL) < 0)
		item_count(item, "lost", "walk", 1);
	life->object = item_object(item);
}

static int start(struct item *item, void **ret_state, struct err *why)
{
	struct tcp_life *life = calloc(1, sizeof(*life));

	if (!life)
		return err_set(why, -ENOMEM, "cannot start '%s': out of memory", item_name(item));
	look_once(item, life);
	*ret_state = life;
	return 0;
}

static void tick(struct item *item, void *at, uint64_t now_ns)
{
	struct tcp_life *life = at;

	if (life->object != item_object(item)) /* another version: its maps are new */
		look_once(item, life);
}

static void stop(struct item *item, void *at)
{
	free(at);
}

const struct item_ops tcp_life_item = {
	.start = start,
	.tick = tick,
	.stop = stop,
};
