// SPDX-License-Identifier: GPL-2.0-only
/* Any bytes as any state file: no text without an end, nothing found leaves nothing behind, memory has its cap. */
#include "world/container/runtime_state.c"

#include <stdlib.h>

static void check_text(const char *text, size_t room)
{
	if (!memchr(text, 0, room))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	static const struct container_facts nothing;
	struct container_facts facts = {};
	struct cgroup_place cgroup = {span_of("/sys/fs/cgroup"), span_of("/test/r1")};
	struct arena arena;
	int found;

	if (!len)
		return 0;
	arena_init(&arena, 1 << 20);
	found = container_state_read(at[0] % (STATE_CRUN + 1), (struct span){at + 1, len - 1},
				     span_of("r1"), &cgroup, &arena, &facts, NULL);
	check_text(facts.name, sizeof(facts.name));
	check_text(facts.image, sizeof(facts.image));
	check_text(facts.pod, sizeof(facts.pod));
	check_text(facts.namespace, sizeof(facts.namespace));
	check_text(facts.pod_uid, sizeof(facts.pod_uid));
	if (found <= 0 && memcmp(&facts, &nothing, sizeof(facts)) != 0)
		abort();
	if (arena.used > 1 << 20)
		abort();
	arena_done(&arena);
	return 0;
}
