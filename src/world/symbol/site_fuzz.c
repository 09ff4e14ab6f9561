// SPDX-License-Identifier: GPL-2.0-only
/* Any code: a place that is chosen lies in it, at the begin of an instruction, and the walk over calls comes to an end. */
#include "base/x86.c"
#include "world/symbol/site.c"

#include <stdlib.h>

static void check_site(struct span code, uint32_t kept, bool is_return_probed)
{
	struct site site = site_find(code, kept, is_return_probed);
	size_t at = 0;

	if (!site.is_cheap && (site.at || site.stack))
		abort();
	if (is_return_probed && site.stack)
		abort();
	while (at < site.at)
		at += x86_length(span_from(code, at));
	if (at != site.at || (site.is_cheap && at >= code.len))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct span code = {at, len};
	size_t place = 0, before = 0;
	int64_t target;

	check_site(code, SITE_RDI | SITE_RSI, false);
	check_site(code, SITE_RAX | SITE_R14, true);
	while (site_next_call(code, &place, &target)) {
		if (place <= before || place > len)
			abort();
		before = place;
	}
	return 0;
}
