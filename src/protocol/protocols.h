/* SPDX-License-Identifier: GPL-2.0-only */
/* protocols - the list of all parsers there are. */
#pragma once

#include "protocol/parser.h"

/* All protocols, NULL behind the last. The order has no meaning: two never claim the same bytes. */
extern const struct protocol *const protocols[];

/* NULL if there is none of that name. `dns` is two: over datagrams and over streams. */
const struct protocol *protocol_named(const char *name, bool is_datagram);
