// SPDX-License-Identifier: GPL-2.0-only
/* Any conversation: never out of bounds, never stuck, and the same messages wherever it is cut. */
#include "protocol/http2.c"
#include "protocol/http2_blocks.c"
#include "protocol/http2_flow.c"
#include "protocol/http2_frame.c"
#include "protocol/http2_head.c"
#include "protocol/http2_routes.c"
#include "protocol/http2_steps.c"
#include "protocol/http2_streams.c"
#include "protocol/drive.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	return drive_fuzz(&http2, at, len);
}
