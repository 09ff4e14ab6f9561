// SPDX-License-Identifier: GPL-2.0-only
/* decoders - one key for every decoder, put into its map once, when everything is attached. */
#include "maps.h"

const volatile u64 kaddr_vfs_read = 0, kaddr_vfs_write = 0;

struct numbers { u8 one; u8 pad1[3]; u16 two; u16 pad2; u32 four; u32 pad3; u64 eight; };
struct names { u32 error, call, dev, ifindex; u8 ip4[4], ip6[16], mapped[16]; char text[16]; u8 raw[4], dns[16]; };
struct pci { u32 vendor, device, class, subclass; };
struct symbols { u64 exact, none, stack[4]; };
struct word { char text[16]; };
struct odd { char text[8]; };

MAP(numbers_total, HASH, 8, struct numbers);
MAP(names_total, HASH, 8, struct names);
MAP(pci_total, HASH, 8, struct pci);
MAP(mapped_total, HASH, 8, u32);
MAP(words_total, HASH, 8, struct word);
MAP(groups_total, HASH, 8, struct word);
MAP(symbols_total, HASH, 8, struct symbols);
MAP(cgroups_total, HASH, 8, u64);
MAP(plain_total, ARRAY, 1, u32);
MAP(odd_total, HASH, 8, struct odd);
MAP(level, HASH, 8, u32);

#define add_word(text_, amount)                               \
	do {                                                  \
		struct word word_ = {text_};                  \
                                                              \
		add(&words_total, &word_, amount);            \
		add(&groups_total, &word_, amount);           \
	} while (0)

static __always_inline void add_names(void)
{
	struct names names = {
		.error = 32, .call = 231, .dev = 0xfffff, .ifindex = 1,
		.ip4 = {192, 0, 2, 7}, .ip6 = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}, .mapped = {[10] = 0xff, 0xff, 10, 0, 0, 1},
		.text = "a\"b\\c", .raw = {0xde, 0xad, 0, 0x0f}, .dns = "\3www\7example",
	};

	add(&names_total, &names, 5);
}

SEC("uprobe//proc/self/exe:post_attach_mark")
int mark(void *ctx)
{
	struct numbers numbers = {.one = 255, .two = 65535, .four = 4294967295u, .eight = 18446744073709551615ull};
	struct pci pci = {.vendor = 0x8086, .device = 0x80861237, .class = 2, .subclass = 0x0200};
	struct symbols symbols = {.exact = kaddr_vfs_read, .none = 17, .stack = {kaddr_vfs_read + 3, kaddr_vfs_write + 1}};
	struct odd odd = {"\xff\n\1z"};
	u32 key;
	u64 group = bpf_get_current_cgroup_id();

	add(&numbers_total, &numbers, 1);
	add_names();
	add(&pci_total, &pci, 1);
	key = 1;
	add(&mapped_total, &key, 1);
	key = 2;
	add(&mapped_total, &key, 2);
	key = 3;
	add(&mapped_total, &key, 3);
	add_word("sda1", 1);
	add_word("sda2", 2);
	add_word("nvme0", 4);
	add(&symbols_total, &symbols, 1);
	add(&cgroups_total, &group, 1);
	group = 4242424242ull;
	add(&cgroups_total, &group, 1);
	key = 0;
	add(&plain_total, &key, 12345678);
	add(&odd_total, &odd, 1);
	key = 1;
	add(&level, &key, -5);
	return 0;
}
