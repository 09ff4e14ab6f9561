/* SPDX-License-Identifier: GPL-2.0-only */
/* settings - what stands under `items`, asked of the items themselves where no agent runs. */
#pragma once

#include "main/config.h"

/* `problems` and `why` as of config_load. */
int settings_check(struct config *config, struct buf *problems, struct err *why);
