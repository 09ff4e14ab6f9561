// SPDX-License-Identifier: GPL-2.0-only
/* together - a table of what is there and a map of what is gone count the same; fields lie in a struct of their own. */
#include "kernel/item.bpf.h"

ITEM("cpu", "on", "faults of processes, dead or alive");

struct faults {
	__u64 minor COUNTER("name=faults;labels=kind=minor") COL("count");
	__u64 major COUNTER("name=faults;labels=kind=major") COL("count");
};

struct row {
	struct owner owner;
	struct faults faults;
	__u64 threads GAUGE("name=threads") COL("count");
};
TABLE(1, "process", struct row, "gone=drop");
METRICS(gone, struct owner, struct faults, 16);

HOOK("iter/task", process, 1)
int rows(struct bpf_iter__task *iterator)
{
	static const struct faults none;
	struct owner owner = {};

	return map_get_or_add(&gone, &owner, &none) ? 0 : 1;
}
