// SPDX-License-Identifier: GPL-2.0-only
/* gethostlatency, the user half - finds the C libraries of this machine and of its containers. */
#include "items/probed.h"

#include <errno.h>

/* libc.so.6, libc-2.31.so (before glibc 2.34), libc.musl-x86_64.so.1, ld-musl-x86_64.so.1 */
static bool wants(struct span name, bool is_program)
{
	return !is_program && (span_starts(name, "libc.so.") || span_starts(name, "libc-2.") ||
			       span_starts(name, "libc.musl-") || span_starts(name, "ld-musl-"));
}

static void probe(struct probed_file *file, const struct elf *elf)
{
	static const struct {
		const char *function, *program;
	} functions[] = {
		{"getaddrinfo", "getaddrinfo_begins"},
		{"gethostbyname", "gethostbyname_begins"},
		{"gethostbyname2", "gethostbyname2_begins"},
	};

	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++)
		/* the return first: a beginning without an end would stay in the table */
		if (probed_function(file, elf, functions[i].function, "lookup_ends", true))
			probed_function(file, elf, functions[i].function, functions[i].program,
					false);
}

static const char *const usual[] = {
	"/usr/lib/x86_64-linux-gnu/libc.so.6",
	"/usr/lib/aarch64-linux-gnu/libc.so.6",
	"/usr/lib64/libc.so.6",
	NULL,
};

static const struct probed_ops libraries = {.wants = wants, .probe = probe, .usual = usual};

static int start(struct item *item, void **ret_state, struct err *why)
{
	if (!kernel_can_probe_returns(item_kernel(item)))
		return err_set(
			why, -EPERM,
			"cannot start '%s': this kernel kills programs under seccomp when they "
			"return from a probed function",
			item_name(item));
	return probed_start(item, &libraries, ret_state, why);
}

const struct item_ops gethostlatency_item = {
	.start = start,
	.replaced = probed_replaced,
	.tick = probed_tick,
	.stop = probed_stop,
};
