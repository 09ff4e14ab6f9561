/* SPDX-License-Identifier: GPL-2.0-only */
/* object - the insides of struct object, for the files of the kernel room that work on it. */
#pragma once

#include "kernel/dispatch.h"
#include "kernel/internal.h"

enum {
	OBJECT_HOOKS = 96,
	OBJECT_ALTERNATIVES = 128,
	OBJECT_LINKS = 512,
	OBJECT_USDT_SPECS = 256, /* BPF_USDT_MAX_SPEC_CNT */
	OBJECT_READERS = 288,
	OBJECT_SETTINGS = 320,
};

/* One program that could serve a hook. */
struct alternative {
	char program[64], section[256];
	char *prototype; /* owned, NULL = not checked */
	char *perf; /* owned: "cpu-clock:99hz" for perf_event sections, else NULL */
	char *map; /* owned: the map that the program is attached to, or walks; else NULL */
	uint32_t hook; /* index in object->hook */
	char with[64]; /* "" or the hook that must have chosen one of its alternatives with_from to with_to */
	uint32_t with_from, with_to;
	uint32_t order;
	bool refused;
	struct dispatcher dispatcher; /* owned; what is attached in place of the program */
};

/* What was set before loading; kept because an object may be opened several times until it loads. */
struct setting {
	enum { SET_VARIABLE, SET_SIZE, SET_SHARE, SET_FRESH } kind;
	char name[64];
	uint8_t value[16];
	size_t size;
	int fd; /* SET_SHARE: owned duplicate */
	uint32_t entries;
};

struct object_link {
	int fd; /* owned */
	uint32_t alternative; /* whose program it keeps attached */
};

/* A map with an iterator over its entries. */
struct object_reader {
	char map[32];
	int link; /* owned */
	uint32_t key_bytes, value_bytes;
};

struct object {
	struct kernel *kernel; /* borrowed */
	char name[64];
	const void *elf; /* borrowed until loaded */
	size_t elf_bytes;
	struct bpf_object *bpf; /* owned, NULL before loading */

	struct {
		struct hook_choice choice;
		char *section, *reason; /* owned */
		char name[64];
		bool optional;
		uint32_t forced; /* 1 + index of the only alternative to try, 0 = any */
		int chosen; /* index of the alternative, -1 = none */
	} hook[OBJECT_HOOKS];
	uint32_t hooks;

	struct side side; /* of all its dispatchers */
	bool sleeps; /* loaded, and nothing of it runs until object_wake */
	struct alternative alternative[OBJECT_ALTERNATIVES];
	uint32_t alternatives;
	struct setting setting[OBJECT_SETTINGS];
	uint32_t settings;
	struct object_link link[OBJECT_LINKS];
	uint32_t links;
	uint32_t usdt_places; /* entries of __bpf_usdt_specs that are in use */
	uint64_t usdt_hash[OBJECT_USDT_SPECS]; /* of each */
	struct object_reader reader[OBJECT_READERS];
	uint32_t readers;
	struct {
		void *at;
		size_t bytes;
		char map[32];
	} mapped[8];
	uint32_t maps_mapped;
};

/* Reads programs, sections and hook tags out of the opened object into hook[] and alternative[]. */
int object_read_hooks(struct object *object, const struct bpf_object *bpf, struct err *why);

/* Programs that run on other CPUs at this moment end before it does: this is synchronize_rcu(). */
void object_grace_period(void);

/* Maps of `from` that `object` (opened, not loaded) declares alike become its own too. share.c. */
void object_take_state(struct object *object, const struct object *from);

/* Attaches an alternative: through a dispatcher where its kind has one. */
int object_attach(struct object *object, uint32_t alternative, struct err *why);

/* Attaches to every place of a probe "PATH:PROVIDER:NAME". usdt.c */
int usdt_attach(struct object *object, uint32_t alternative, int program, const char *target,
		struct err *why);

/* Does `from` have an alternative at the same place whose dispatcher, or whose link, can be handed over? */
bool object_can_take_over(const struct object *object, uint32_t alternative, const struct object *from);
/* Puts our program beside theirs, or into their link; not yet what runs (but for links, which change at once). */
int object_prepare_take_over(struct object *object, uint32_t alternative, struct object *from);
/* Undoes that. */
void object_leave(struct object *object, uint32_t alternative, struct object *from);
/* The dispatcher and the link become ours. */
void object_take_over(struct object *object, uint32_t alternative, struct object *from);
