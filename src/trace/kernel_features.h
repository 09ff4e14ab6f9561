/* SPDX-License-Identifier: GPL-2.0-only */
/* kernel_features - what the running kernel can: found by trying, never by its version. */
#pragma once

#include "trace/emit.h"
#include "trace/loader.h"

void features_find(struct loader *loader, struct target *ret_target);
/* --info. Returns the exit code. */
int features_print(void);
