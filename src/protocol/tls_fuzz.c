// SPDX-License-Identifier: GPL-2.0-only
/* Any conversation: never out of bounds, never stuck, and the same messages wherever it is cut. */
#include "protocol/tls.c"
#include "protocol/drive.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	return drive_fuzz(&tls, at, len);
}
