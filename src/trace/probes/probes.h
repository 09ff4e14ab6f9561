/* SPDX-License-Identifier: GPL-2.0-only */
/* probes - what the files of this folder use. */
#pragma once

#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace/loader.h"
#include "trace/probe.h"
#include "trace/script.h"
