// SPDX-License-Identifier: GPL-2.0-only
/* Any arguments in front of a secret: the secret does not come through, and nothing leaves its cap. */
#include "record/mask.h"

#include <stdlib.h>

static const char secret[] = "Zk7qXv";

static bool has_secret(struct span text)
{
	return text.len && memmem(text.at, text.len, secret, sizeof(secret) - 1);
}

static void try_line(struct buf *raw, const char *how)
{
	size_t before = raw->len;
	struct buf out;

	buf_init(&out, 1 << 20);
	buf_char(raw, 0);
	buf_str(raw, how);
	buf_str(raw, secret);
	argv_join(buf_as_span(raw), &out);
	if (has_secret(buf_as_span(&out)))
		abort();
	buf_done(&out);
	raw->len = before;
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct buf raw, out;

	if (len > 2000 || has_secret((struct span){at, len}))
		return 0;
	buf_init(&raw, 4096);
	buf_add(&raw, at, len);
	try_line(&raw, "--password=");
	try_line(&raw, "DB_TOKEN=");
	try_line(&raw, "http://joe:Zk7qXv@host/?api_key=");
	buf_done(&raw);

	buf_init(&out, len / 2);
	mask_secrets((struct span){at, len}, &out);
	if (out.len > out.cap)
		abort();
	buf_done(&out);
	return 0;
}
