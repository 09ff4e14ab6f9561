/* SPDX-License-Identifier: GPL-2.0-only */
/* own_metrics - what the server counts about itself, as families for /metrics. */
#pragma once

#include "serve/serve_private.h"

struct own_metrics;

struct own_metrics *own_metrics_new(void);
void own_metrics_free(struct own_metrics *metrics);
