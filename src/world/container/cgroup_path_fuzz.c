// SPDX-License-Identifier: GPL-2.0-only
/* Any path: what is found lies inside it and has the form it claims; a prefix of "/" changes nothing. */
#include "world/container/cgroup_path.c"

#include <stdlib.h>

static void check_inside(struct span part, struct span path)
{
	if (part.len && (part.at < path.at || part.at + part.len > path.at + path.len ||
			 memchr(part.at, '/', part.len)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct span path = {at, len};
	struct cgroup_identity identity;
	char name[32];
	size_t uid;

	cgroup_path_parse(path, &identity);
	check_inside(identity.container_id, path);
	check_inside(identity.unit, path);
	uid = strlen(identity.pod_uid);
	if (uid && uid != UUID_CHARS && uid != HASH_HEX)
		abort();
	if (!uid != (identity.pod_class == POD_NONE))
		abort();
	if (identity.runtime != RUNTIME_NONE && !identity.container_id.len)
		abort();
	if (systemd_unit_name(identity.unit, "", name, sizeof(name)) >= sizeof(name))
		abort();
	return 0;
}
