/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * owners - control groups by id: whose container and whose pod they are.
 *
 * Names are those that runtimes keep in their state files (world/container/runtime_state.h). Of the hierarchies the
 * unified one counts, unless controllers are mounted each by itself: then runtimes put containers into those.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct owners;

enum group_part { GROUP_CONTAINER, GROUP_POD };

/* NULL: out of memory. */
struct owners *owners_new(void);
void owners_free(struct owners *owners);

/* Looks at the machine again: new groups are added, and what was not known of old ones is looked for. */
void owners_scan(struct owners *owners);

/* Name of the container (or the beginning of its id) or the pod of that group; "": in none, or no such group. */
const char *owners_name(struct owners *owners, uint64_t id, enum group_part part);

/* The i-th group that is known, from 0 until false. */
bool owners_at(const struct owners *owners, uint32_t i, uint64_t *ret_id);

/* The controller by whose hierarchy containers are told apart; NULL: the unified one. */
const char *owners_controller(void);
