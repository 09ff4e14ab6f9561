/* SPDX-License-Identifier: GPL-2.0-only */
/* config_value - whether a value is one that its key can have, and what number it stands for. */
#pragma once

#include <sys/socket.h>

#include "main/config.h"

/* `why`: "wants a size such as 64MiB, not 'much'"; the caller knows key and place. ret_number is written for
 * CONFIG_BOOL, COUNT, SIZE and DURATION. */
int config_value_check(const struct config_key *row, const struct json_node *node,
		       uint64_t *ret_number, struct err *why);

/* unix:/path, 1.2.3.4:80, [::1]:80, localhost:80 (127.0.0.1), :80 (every address of IPv6 and IPv4). Host names are not
 * resolved. */
int config_address(const char *text, struct sockaddr_storage *ret_address, socklen_t *ret_len,
		   struct err *why);
