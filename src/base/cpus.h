/* SPDX-License-Identifier: GPL-2.0-only */
/* cpus - how many CPUs this machine can ever have: the kernel's per-CPU values have one part for each. */
#pragma once

#include <stdint.h>

/* From /sys/devices/system/cpu/possible, read once; at least 1. */
uint32_t cpus_possible(void);
