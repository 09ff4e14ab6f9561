/* SPDX-License-Identifier: GPL-2.0-only */
/* watch - `sonde ITEM`: one item here and now, as a table, a histogram or JSON lines. */
#pragma once

/* argv[0] is the item's name. Returns the exit status. */
int watch_item(int argc, char **argv);
