// SPDX-License-Identifier: GPL-2.0-only
/* shm - System V shared memory: segments made, attached, let go and removed, by whom and with what result. */
#include "kernel/calls.bpf.h"

ITEM("mem", "off", "calls of System V shared memory");

enum { SHMGET = 1, SHMAT, SHMDT, SHMCTL };

struct use {
	struct owner owner;
	__u32 call COL_OPT("enum", "enum=1:shmget,2:shmat,3:shmdt,4:shmctl");
	__u32 error COL_OPT("errno", "name=errno");
};
METRIC_COUNTER(shm, struct use, 8192, "name=shm_calls;help=calls of System V shared memory");

static __always_inline void call_ended(const struct call *call, __u64 took_ns, long result)
{
	struct use use = {
		.owner = read_owner_of_current(),
		.call = call->what,
		.error = call_errno(result),
	};

	counter_add(&shm, &use, 1);
}

CALL(shmget, SHMGET)
CALL(shmat, SHMAT)
CALL(shmdt, SHMDT)
CALL(shmctl, SHMCTL)
