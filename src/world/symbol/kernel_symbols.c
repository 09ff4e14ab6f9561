// SPDX-License-Identifier: GPL-2.0-only
/* kernel_symbols - names of the kernel's functions. */
#include "world/symbol/kernel_symbols.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

static const uint64_t read_again_ns = 60ull * 1000000000;

/* Anything further from its symbol is in no function (data, a module that is not listed). */
enum { FUNCTION_BYTES = 1 << 20 };

static void read_list(struct kernel_symbols *symbols, struct kernel *kernel)
{
	int fd = kernel_open_file(kernel, "/proc/kallsyms");

	symbols->read_ns = clock_monotonic_ns();
	if (fd < 0)
		return;
	kallsyms_free(symbols->list);
	symbols->list = kallsyms_read(fd);
	symbols->text = kallsyms_address(symbols->list, "_stext");
	symbols->text_end = kallsyms_address(symbols->list, "_etext");
	close(fd);
}

static bool is_due(const struct kernel_symbols *symbols, uint64_t addr)
{
	bool is_own = addr >= symbols->text && addr < symbols->text_end;

	return !symbols->read_ns ||
	       (!is_own && clock_monotonic_ns() - symbols->read_ns > read_again_ns);
}

struct span kernel_symbols_name(struct kernel_symbols *symbols, struct kernel *kernel,
				uint64_t addr)
{
	struct span name;
	char exact[128];
	uint64_t begin;

	if (!kernel)
		return (struct span){};
	if (is_due(symbols, addr))
		read_list(symbols, kernel);
	if (!kallsyms_find(symbols->list, addr, true, &name) || name.len >= sizeof(exact))
		return (struct span){};
	begin = kallsyms_begin(symbols->list, addr);
	if (addr - begin >= FUNCTION_BYTES)
		return (struct span){};
	memcpy(exact, name.at, name.len);
	exact[name.len] = 0;
	if (addr == begin)
		snprintf(symbols->name, sizeof(symbols->name), "%s", exact);
	else
		snprintf(symbols->name, sizeof(symbols->name), "%s+0x%llx", exact,
			 (unsigned long long)(addr - begin));
	return span_of(symbols->name);
}

void kernel_symbols_done(struct kernel_symbols *symbols)
{
	kallsyms_free(symbols->list);
	*symbols = (struct kernel_symbols){};
}
