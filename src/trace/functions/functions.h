/* SPDX-License-Identifier: GPL-2.0-only */
/* functions - what the files of this folder use: types are checked, then lowered. */
#pragma once

#include "trace/check.h"
#include "trace/lower.h"

/* How many frames a stack has. */
struct value lower_stack_depth(struct lowering *l, struct expr *stack);
