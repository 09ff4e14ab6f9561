// SPDX-License-Identifier: GPL-2.0-only
/*
 * sleep - objects whose programs are loaded and do not run: those that are about to go, and those that wait for an occasion.
 *
 * What waits is not attached. A dispatcher whose word names no slot would do as well and wakes in a microsecond, but every
 * event then pays for entering it, all the time; attaching takes some milliseconds, once (docs/armed.md has the numbers).
 */
#include "kernel/object.h"

#include <linux/membarrier.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

void object_grace_period(void)
{
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

/* Iterators run when they are read, and are still needed for that. */
static bool is_iterator(const struct object *object, uint32_t alternative)
{
	return !strncmp(object->alternative[alternative].section, "iter", 4);
}

static void detach_all(struct object *object)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < object->links; i++)
		if (is_iterator(object, object->link[i].alternative))
			object->link[kept++] = object->link[i];
		else
			close(object->link[i].fd);
	object->links = kept;
}

void object_silence(struct object *object)
{
	for (uint32_t i = 0; i < object->alternatives; i++)
		dispatcher_empty(&object->alternative[i].dispatcher);
	detach_all(object);
	object_grace_period();
}

int object_load_asleep(struct object *object, struct err *why)
{
	int error;

	object->sleeps = true;
	error = object_load(object, NULL, why);
	if (!error)
		detach_all(object);
	return error;
}

int object_wake(struct object *object, struct err *why)
{
	for (uint32_t i = 0; i < object->hooks; i++) {
		int chosen = object->hook[i].chosen, error;

		if (chosen < 0 || is_iterator(object, (uint32_t)chosen))
			continue;
		error = object_attach(object, (uint32_t)chosen, why);
		if (error) {
			detach_all(object);
			return error;
		}
	}
	object->sleeps = false;
	if (object->side.map >= 0)
		side_turn(&object->side);
	return 0;
}
