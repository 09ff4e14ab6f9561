// SPDX-License-Identifier: GPL-2.0-only
/* Any conversation: never out of bounds, never stuck, and the same messages wherever it is cut. */
#include "protocol/http1.c"
#include "protocol/http1_head.c"
#include "protocol/drive.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	return drive_fuzz(&http1, at, len);
}
