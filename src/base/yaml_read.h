/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * yaml_read - reads YAML into the same tree as JSON, each node with its line.
 *
 * libyaml cuts the text, we keep of YAML what people write by hand: maps, lists and scalars. What a plain
 * scalar means is said in JSON's words (YAML 1.2 core schema): true, false, null, ~ and numbers as JSON
 * writes them; all else is text, also yes, on, 0660 and 1_000. Names are always text. Refused, because in a
 * configuration they hide more than they say: aliases, tags but !!str, a name given twice, a second document.
 */
#pragma once

#include "base/json_read.h"

enum { YAML_MEMBERS = 4096 }; /* of one map at most: names are compared with each other */

/* `name` appears in messages: "sonde.yaml:12: a name stands twice: 'listen'". An empty text is JSON_NULL.
 * -EINVAL, or -ENOMEM when the arena is full. */
int yaml_read(struct span text, const char *name, struct arena *arena,
	      const struct json_node **ret_root, struct err *why);

/*
 * The same for files that were written for other programs: tags are read over, an alias is the value of its anchor, a map
 * takes another one in ("<<"), of a name that stands twice the last counts, and of several documents the first. Nodes
 * may be shared: a tree that is walked without limits may be walked for very long.
 */
int yaml_read_loose(struct span text, const char *name, struct arena *arena,
		    const struct json_node **ret_root, struct err *why);
