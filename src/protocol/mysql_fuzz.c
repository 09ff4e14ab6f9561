// SPDX-License-Identifier: GPL-2.0-only
/* Any conversation: never out of bounds, never stuck, and the same messages wherever it is cut. */
#include "protocol/drive.h"
#include "protocol/mysql.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	return drive_fuzz(&mysql, at, len);
}
