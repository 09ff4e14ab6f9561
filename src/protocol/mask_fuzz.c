// SPDX-License-Identifier: GPL-2.0-only
/* Any text: routes and masks stay in bounds and within their room, and masking what is masked changes nothing. */
#include "protocol/drive.h"
#include "protocol/mask.h"
#include "protocol/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	uint8_t *exact = malloc(len + !len);
	struct span text = {exact, len};
	char out[1200], again[1200];
	size_t room = len ? 1 + at[0] : 1;
	char *small = malloc(room);

	memcpy(exact, at, len);
	drive_promise(route_of_path(text, small, room) < room);
	drive_promise(route_of_name(text, small, room) < room);
	drive_promise(mask_url(text, small, room) < room);
	drive_promise(mask_text(text, small, room) < room);
	drive_promise(mask_header(span_first(text, 12), text, small, room) < room);
	if (len < 500 && !memchr(exact, 0, len)) {
		mask_url(text, out, sizeof(out));
		mask_url(span_of(out), again, sizeof(again));
		drive_promise(strlen(again) < sizeof(again));
	}
	free(small);
	free(exact);
	return 0;
}
