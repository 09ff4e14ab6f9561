/* SPDX-License-Identifier: GPL-2.0-only */
/* wanted - items and filter that a request names; whoever is wrong gets the answer here. */
#pragma once

#include "serve/serve_private.h"

/* False = the request was answered (there is no such item). */
bool look_at_item(struct request *request, const char *name, struct api_item *ret_item);

/* The parameter `filter`, checked against the columns of these items. ret_filter NULL = everything. False = answered. */
bool wanted_filter(struct request *request, const struct api_item *items, size_t count,
		   struct filter **ret_filter);
