/* SPDX-License-Identifier: GPL-2.0-only */
/* bring - `sonde items check, add, upgrade`: objects and configurations of others, from files and folders. */
#pragma once

#include "cli/client.h"
#include "cli/options.h"

/* What they would do: described here, in the process of who asks; nothing is loaded. */
int bring_check(const struct options *options);
int bring_add(struct client *client, const struct options *options);
int bring_upgrade(struct client *client, const struct options *options);
