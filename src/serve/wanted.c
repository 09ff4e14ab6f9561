// SPDX-License-Identifier: GPL-2.0-only
/* wanted - items and filter that a request names. */
#include "serve/wanted.h"

#include <errno.h>

#include "serve/route.h"

bool look_at_item(struct request *request, const char *name, struct api_item *ret_item)
{
	const struct agent_api *api = request->serve->api;
	struct err why = {};

	*ret_item = (struct api_item){};
	if (api->item_look && !api->item_look(api->ctx, name, ret_item, &why))
		return true;
	if (!why.code)
		err_set(&why, -EOPNOTSUPP, "this agent has no items");
	answer_why(request, &why);
	return false;
}

bool wanted_filter(struct request *request, const struct api_item *items, size_t count,
		   struct filter **ret_filter)
{
	const char *text = request_text(request, "filter");
	const struct layout **layouts;
	struct filter *filter = NULL;
	struct err why = {};
	size_t known = 0;
	int error;

	*ret_filter = NULL;
	if (!text || !text[0])
		return true;
	layouts = arena_new(&request->arena, count * API_LAYOUTS * sizeof(*layouts));
	error = layouts ? filter_parse(span_of(text), &filter, &why)
			: err_set(&why, -ENOMEM, "no memory for the filter");
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < items[i].layouts && layouts; j++)
			layouts[known++] = items[i].layout[j];
	if (!error && known)
		error = filter_check(filter, layouts, known, &why);
	if (!error) {
		*ret_filter = filter;
		return true;
	}
	filter_free(filter);
	if (why.code == -ENOENT) /* a column, not the path */
		why.code = -EINVAL;
	answer_why(request, &why);
	return false;
}
