/* SPDX-License-Identifier: GPL-2.0-only */
/* functions - what the files of this folder use: types are checked, then lowered. */
#pragma once

#include "trace/check.h"
#include "trace/lower.h"
