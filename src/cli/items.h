/* SPDX-License-Identifier: GPL-2.0-only */
/* items - `sonde items`: what is there, on, off, brought in, replaced, taken out. */
#pragma once

int items_command(int argc, char **argv);
