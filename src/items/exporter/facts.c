// SPDX-License-Identifier: GPL-2.0-only
/* facts - what the decoders ask of the machine. */
#include "items/exporter/facts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/kallsyms.h"

enum {
	CGROUPS = 65536, /* known by id */
	CGROUP_TEXT = 16 << 20,
	CGROUP_DEPTH = 32,
	PCI_BYTES = 16 << 20,
	PATH_BYTES = 4096,
};
#define WALK_NS    (1000000000ull) /* between two walks through the control groups */
#define SYMBOLS_NS (60 * 1000000000ull) /* between two readings of all symbols */

struct facts {
	struct kernel *kernel; /* borrowed */
	struct decode_facts for_decoders;
	struct kallsyms *symbols; /* owned, NULL = not read yet */
	uint64_t symbols_ns, walked_ns;
	struct map cgroups; /* id -> place of its path in cgroup_text */
	struct buf cgroup_text;
	struct buf pci; /* the whole list; empty = not read */
	bool pci_tried;
	char name[IF_NAMESIZE + 64];
};

/* ---- kernel symbols ---- */

static const struct kallsyms *symbols_of(struct facts *facts, bool again)
{
	uint64_t now_ns = clock_monotonic_ns();
	int fd;

	if (facts->symbols_ns && (!again || now_ns - facts->symbols_ns < SYMBOLS_NS))
		return facts->symbols;
	facts->symbols_ns = now_ns;
	fd = facts->kernel ? kernel_open_file(facts->kernel, "/proc/kallsyms")
			   : open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return facts->symbols;
	kallsyms_free(facts->symbols);
	facts->symbols = kallsyms_read(fd);
	close(fd);
	return facts->symbols;
}

static bool symbol_at(void *ctx, uint64_t addr, bool nearest, struct span *ret_name)
{
	return kallsyms_find(symbols_of(ctx, false), addr, nearest, ret_name) ||
	       kallsyms_find(symbols_of(ctx, true), addr, nearest,
			     ret_name); /* a module may have come */
}

uint64_t facts_address(struct facts *facts, const char *symbol)
{
	return kallsyms_address(symbols_of(facts, false), symbol);
}

/* ---- control groups ---- */

static void note_cgroup(struct facts *facts, uint64_t id, const char *path)
{
	uint64_t *at;
	bool is_new;

	at = map_put(&facts->cgroups, &id, &is_new);
	if (!at || (!is_new && !strcmp(facts->cgroup_text.at + *at, path)))
		return;
	*at = facts->cgroup_text.len;
	if (buf_add(&facts->cgroup_text, path, strlen(path) + 1))
		map_del(&facts->cgroups, &id);
}

static int only_folders(const struct dirent *entry)
{
	return (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN) && entry->d_name[0] != '.';
}

/* The id of a control group is its folder's inode number (64-bit kernels since 5.5, 67c0496e87d1). */
static void walk(struct facts *facts, const char *path, int depth)
{
	char below[PATH_BYTES];
	struct dirent **entry;
	struct stat is;
	int count;

	if (depth > CGROUP_DEPTH || lstat(path, &is) || !S_ISDIR(is.st_mode))
		return;
	note_cgroup(facts, is.st_ino, path);
	count = scandir(path, &entry, only_folders, alphasort);
	for (int i = 0; i < count; i++) {
		if (snprintf(below, sizeof(below), "%s/%s", path, entry[i]->d_name) <
		    (int)sizeof(below))
			walk(facts, below, depth + 1);
		free(entry[i]);
	}
	if (count >= 0)
		free(entry);
}

static bool is_hybrid(void)
{
	return access("/sys/fs/cgroup/cgroup.controllers", F_OK) != 0;
}

static const char *unified_mount(void)
{
	if (!is_hybrid())
		return "/sys/fs/cgroup";
	return access("/sys/fs/cgroup/unified/cgroup.procs", F_OK) ? NULL
								   : "/sys/fs/cgroup/unified";
}

/*
 * On a hybrid host each hierarchy counts its own ids. Programs get those of the unified one, so that comes last and has
 * the last word here. ebpf_exporter takes them as they come, once.
 */
static void walk_all(struct facts *facts)
{
	uint64_t now_ns = clock_monotonic_ns();
	const char *unified = unified_mount();

	if (facts->walked_ns &&
	    (now_ns - facts->walked_ns < WALK_NS || (facts->for_decoders.is_exact && is_hybrid())))
		return;
	facts->walked_ns = now_ns;
	if (facts->cgroup_text.len > CGROUP_TEXT / 2) {
		map_clear(&facts->cgroups);
		buf_clear(&facts->cgroup_text);
	}
	if (is_hybrid())
		walk(facts, "/sys/fs/cgroup", 0);
	if (unified && !(facts->for_decoders.is_exact && is_hybrid()))
		walk(facts, unified, 0);
}

static bool cgroup_path(void *ctx, uint64_t id, struct span *ret_path)
{
	struct facts *facts = ctx;
	const uint64_t *at = map_get(&facts->cgroups, &id);

	if (!at) {
		walk_all(facts);
		at = map_get(&facts->cgroups, &id);
	}
	if (!at)
		return false;
	*ret_path = span_of(facts->cgroup_text.at + *at);
	return true;
}

void facts_each_cgroup(struct facts *facts, void (*each)(void *ctx, uint64_t id, struct span path),
		       void *ctx)
{
	const char *unified = unified_mount();
	const void *key;
	size_t at = 0, len;
	uint64_t *place;

	if (!unified)
		return;
	len = strlen(unified);
	map_clear(&facts->cgroups);
	buf_clear(&facts->cgroup_text);
	facts->walked_ns = 0;
	walk_all(facts);
	while (map_next(&facts->cgroups, &at, &key, (void **)&place)) {
		const char *path = facts->cgroup_text.at + *place;
		uint64_t id;

		memcpy(&id, key, sizeof(id));
		if (!strncmp(path, unified, len) && (!path[len] || path[len] == '/'))
			each(ctx, id, span_of(path));
	}
}

/* ---- devices and interfaces ---- */

static bool device_name(void *ctx, uint32_t major, uint32_t minor, struct span *ret_name)
{
	struct facts *facts = ctx;
	FILE *file = fopen("/proc/partitions", "re");
	char line[256];
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file)) {
		unsigned its_major, its_minor;
		char name[64];

		found = sscanf(line, "%u %u %*u %63s", &its_major, &its_minor, name) == 3 &&
			its_major == major && its_minor == minor;
		if (found)
			snprintf(facts->name, sizeof(facts->name), "%s", name);
	}
	if (file)
		fclose(file);
	*ret_name = span_of(facts->name);
	return found;
}

static bool interface_name(void *ctx, uint32_t index, struct span *ret_name)
{
	struct facts *facts = ctx;

	if (!if_indextoname(index, facts->name))
		return false;
	*ret_name = span_of(facts->name);
	return true;
}

/* ---- PCI ---- */

static bool has_pci(void *ctx)
{
	static const char *const places[] = {"/usr/share/hwdata/pci.ids",
					     "/usr/share/misc/pci.ids"};
	struct facts *facts = ctx;

	for (size_t i = 0;
	     !facts->pci_tried && i < sizeof(places) / sizeof(*places) && !facts->pci.len; i++) {
		FILE *file = fopen(places[i], "re");
		char *at;

		while (file && (at = buf_reserve(&facts->pci, 65536))) {
			size_t got = fread(at, 1, 65536, file);

			buf_commit(&facts->pci, got);
			if (!got)
				break;
		}
		if (file)
			fclose(file);
	}
	facts->pci_tried = true;
	return facts->pci.len > 0;
}

/* The line that begins with `wanted`, from `at` on; stops at a line that begins with another character than `within`
 * (0 = anywhere). NULL = none. */
static const char *find_line(const char *at, const char *wanted, char within)
{
	size_t len = strlen(wanted);

	while (at && *at) {
		const char *end = strchr(at, '\n');

		if (!strncmp(at, wanted, len))
			return at + len;
		if (within && *at != within && *at != '#')
			return NULL;
		at = end ? end + 1 : NULL;
	}
	return NULL;
}

static const char *next_line(const char *at)
{
	const char *end = at ? strchr(at, '\n') : NULL;

	return end ? end + 1 : NULL;
}

/* pci.ids: "vvvv  Name", below it "<tab>dddd  Name"; "C cc  Name", below it "<tab>ss  Name". */
static bool pci_name(void *ctx, enum decoder_kind kind, uint32_t number, struct span *ret_name)
{
	struct facts *facts = ctx;
	bool is_class = kind == DECODE_PCI_CLASS || kind == DECODE_PCI_SUBCLASS;
	bool is_inner = kind == DECODE_PCI_DEVICE || kind == DECODE_PCI_SUBCLASS;
	uint32_t outer = kind == DECODE_PCI_DEVICE     ? number >> 16
			 : kind == DECODE_PCI_SUBCLASS ? number >> 8
						       : number;
	const char *at;
	char wanted[32];

	snprintf(wanted, sizeof(wanted), is_class ? "C %02x  " : "%04x  ", outer);
	at = has_pci(facts) ? find_line(facts->pci.at, wanted, 0) : NULL;
	if (at && is_inner) {
		snprintf(wanted, sizeof(wanted), is_class ? "\t%02x  " : "\t%04x  ",
			 number & (is_class ? 0xff : 0xffff));
		at = find_line(next_line(at), wanted, '\t');
	}
	if (!at)
		return false;
	*ret_name = (struct span){(const uint8_t *)at, strcspn(at, "\n")};
	return true;
}

/* ---- all together ---- */

int facts_new(struct facts **ret_facts)
{
	struct facts *facts = calloc(1, sizeof(*facts));

	if (!facts)
		return -ENOMEM;
	map_init(&facts->cgroups, sizeof(uint64_t), sizeof(uint64_t), CGROUPS);
	buf_init(&facts->cgroup_text, CGROUP_TEXT);
	buf_init(&facts->pci, PCI_BYTES);
	facts->for_decoders = (struct decode_facts){
		.ctx = facts,
		.symbol = symbol_at,
		.cgroup = cgroup_path,
		.device = device_name,
		.interface = interface_name,
		.has_pci = has_pci,
		.pci = pci_name,
	};
	*ret_facts = facts;
	return 0;
}

void facts_use(struct facts *facts, struct kernel *kernel)
{
	facts->kernel = kernel;
}

void facts_free(struct facts *facts)
{
	if (!facts)
		return;
	kallsyms_free(facts->symbols);
	map_done(&facts->cgroups);
	buf_done(&facts->cgroup_text);
	buf_done(&facts->pci);
	free(facts);
}

struct decode_facts *facts_for_decoders(struct facts *facts)
{
	return &facts->for_decoders;
}
