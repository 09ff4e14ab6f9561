// SPDX-License-Identifier: GPL-2.0-only
/*
 * object - from an ELF file to programs that run, by trying.
 *
 * What a kernel can is not guessed from its version. For each hook the alternatives are taken in
 * order: first what can be known without loading (is the tracepoint there, are its arguments the expected
 * ones), then everything chosen is loaded together; a program that the kernel refuses, or that does
 * not attach, strikes its alternative out and the object is opened anew. So a round ends with all hooks
 * served, or with a hook that has no alternative left.
 *
 *	choose -> open -> set constants, sizes -> load -> attach -> done
 *	   ^                                        |        |
 *	   +---- strike out, remember the reason <--+--------+
 */
#include "kernel/object.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LOG_BYTES = 256 * 1024 };

/* Sections that our libbpf (1.1) does not know: "uprobe.multi", "uretprobe.multi". */
static void type_multi(struct bpf_object *bpf)
{
	enum { TRACE_UPROBE_MULTI = 48 };
	struct bpf_program *program;

	bpf_object__for_each_program(program, bpf)
	{
		const char *section = bpf_program__section_name(program);

		section += section[0] == '?';
		if (strncmp(section, "uprobe.multi", 12) != 0 &&
		    strncmp(section, "uretprobe.multi", 15) != 0)
			continue;
		bpf_program__set_type(program, BPF_PROG_TYPE_KPROBE);
		bpf_program__set_expected_attach_type(program,
						      (enum bpf_attach_type)TRACE_UPROBE_MULTI);
	}
}

static struct bpf_object *open_elf(struct object *object, char *log, struct err *why)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = object->name, .kernel_log_buf = log,
		    .kernel_log_size = log ? LOG_BYTES : 0);
	struct bpf_object *bpf = bpf_object__open_mem(object->elf, object->elf_bytes, &opts);

	if (!bpf)
		err_set(why, -errno, "'%s' is not a BPF object that can be opened: %s",
			object->name, err_name(errno));
	else
		type_multi(bpf);
	return bpf;
}

int object_open(struct kernel *kernel, const char *name, const void *elf, size_t size,
		struct object **ret_object, struct err *why)
{
	struct object *object = calloc(1, sizeof(*object));
	struct bpf_object *bpf;
	int error;

	if (!object)
		return err_set(why, -ENOMEM, "cannot open '%s': out of memory", name);
	object->kernel = kernel;
	object->side = side_none();
	snprintf(object->name, sizeof(object->name), "%s", name);
	object->elf = elf;
	object->elf_bytes = size;
	bpf = open_elf(object, NULL, why);
	error = bpf ? object_read_hooks(object, bpf, why) : -EINVAL;
	bpf_object__close(bpf);
	if (error) {
		object_free(object);
		return error;
	}
	*ret_object = object;
	return 0;
}

static void unload(struct object *object)
{
	for (uint32_t i = 0; i < object->links; i++)
		close(object->link[i].fd);
	for (uint32_t i = 0; i < object->readers; i++)
		close(object->reader[i].link);
	for (uint32_t i = 0; i < object->maps_mapped; i++)
		munmap(object->mapped[i].at, object->mapped[i].bytes);
	for (uint32_t i = 0; i < object->alternatives; i++)
		dispatcher_done(&object->alternative[i].dispatcher);
	side_done(&object->side);
	object->links = object->readers = object->maps_mapped = object->usdt_places = 0;
	bpf_object__close(object->bpf);
	object->bpf = NULL;
}

static bool ends_with(const char *text, const char *ending)
{
	size_t len = strlen(text), end = strlen(ending);

	return len >= end && !strcmp(text + len - end, ending);
}

void object_detach(struct object *object, const char *ending)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < object->links; i++)
		if (ends_with(object->alternative[object->link[i].alternative].section, ending))
			close(object->link[i].fd);
		else
			object->link[kept++] = object->link[i];
	object->links = kept;
}

/* Descriptors of maps to share: libbpf has its own once the object is loaded. */
static void forget_settings(struct object *object)
{
	for (uint32_t i = 0; i < object->settings; i++)
		if (object->setting[i].kind == SET_SHARE)
			close(object->setting[i].fd);
	object->settings = 0;
}

void object_free(struct object *object)
{
	if (!object)
		return;
	unload(object);
	for (uint32_t i = 0; i < object->hooks; i++) {
		free(object->hook[i].section);
		free(object->hook[i].reason);
	}
	for (uint32_t i = 0; i < object->alternatives; i++) {
		free(object->alternative[i].prototype);
		free(object->alternative[i].perf);
		free(object->alternative[i].map);
	}
	forget_settings(object);
	free(object);
}

static struct setting *new_setting(struct object *object, const char *name)
{
	struct setting *setting;

	if (object->settings == OBJECT_SETTINGS || strlen(name) >= sizeof(setting->name))
		return NULL;
	setting = &object->setting[object->settings++];
	memset(setting, 0, sizeof(*setting));
	memcpy(setting->name, name, strlen(name));
	return setting;
}

int object_set(struct object *object, const char *variable, const void *value, size_t size)
{
	struct setting *setting = new_setting(object, variable);

	if (!setting || size > sizeof(setting->value))
		return -E2BIG;
	setting->kind = SET_VARIABLE;
	memcpy(setting->value, value, size);
	setting->size = size;
	return 0;
}

int object_resize(struct object *object, const char *map, uint32_t max_entries)
{
	struct setting *setting = new_setting(object, map);

	if (!setting)
		return -E2BIG;
	setting->kind = SET_SIZE;
	setting->entries = max_entries;
	return 0;
}

void object_all_optional(struct object *object)
{
	for (uint32_t i = 0; i < object->hooks; i++)
		object->hook[i].optional = true;
}

int object_fresh(struct object *object, const char *map)
{
	struct setting *setting = new_setting(object, map);

	if (!setting)
		return -E2BIG;
	setting->kind = SET_FRESH;
	return 0;
}

int object_share_fd(struct object *object, const char *map, int fd)
{
	struct setting *setting = new_setting(object, map);

	if (!setting)
		return -E2BIG;
	setting->kind = SET_SHARE;
	setting->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return setting->fd < 0 ? -errno : 0;
}

int object_share(struct object *object, const char *map, struct object *with)
{
	int fd = object_map_fd(with, map);

	return fd < 0 ? -ENOENT : object_share_fd(object, map, fd);
}

int object_force(struct object *object, const char *hook, const char *wanted, struct err *why)
{
	struct span known = {};

	for (uint32_t i = 0; i < object->alternatives; i++) {
		struct alternative *alternative = &object->alternative[i];

		if (strcmp(object->hook[alternative->hook].name, hook) != 0)
			continue;
		known = span_of(alternative->section);
		if (strcmp(alternative->section + (alternative->section[0] == '?'), wanted) != 0 &&
		    strcmp(alternative->program, wanted) != 0)
			continue;
		object->hook[alternative->hook].forced = i + 1;
		return 0;
	}
	if (known.len)
		return err_set(why, -ENOENT,
			       "hook '%s' of '%s' has no alternative '%s' (one it has: '%s')", hook,
			       object->name, wanted, (const char *)known.at);
	return err_set(why, -ENOENT, "'%s' has no hook '%s'", object->name, hook);
}

/* The last line of a verifier log that says something: the verdict, not the statistics. */
static void verdict_of(const char *log, char *out, size_t room)
{
	const char *end = log + strlen(log);

	out[0] = 0;
	while (end > log) {
		const char *line = end - (end[-1] == '\n');
		size_t len;

		while (line > log && line[-1] != '\n')
			line--;
		len = (size_t)(end - line) - (end[-1] == '\n');
		if (len && strncmp(line, "processed ", 10) &&
		    strncmp(line, "verification time", 17) && strncmp(line, "stack depth", 11) &&
		    strncmp(line, "cur state:", 10) && strncmp(line, "old state:", 10)) {
			snprintf(out, room, "%.*s", (int)len, line);
			return;
		}
		end = line;
	}
}

static void strike_out(struct object *object, uint32_t index, const char *reason)
{
	struct alternative *alternative = &object->alternative[index];
	struct err text;
	char **said = &object->hook[alternative->hook].reason;

	alternative->refused = true;
	err_set(&text, 0, "%s%s%s: %s", *said ? *said : "", *said ? "; " : "", alternative->section,
		reason);
	free(*said);
	*said = strdup(text.text);
	object->hook[alternative->hook].choice.reason = *said ? *said : "";
}

int object_skip(struct object *object, const char *hook, const char *reason)
{
	int found = -ENOENT;

	for (uint32_t i = 0; i < object->alternatives; i++)
		if (!strcmp(object->hook[object->alternative[i].hook].name, hook)) {
			strike_out(object, i, reason);
			object->hook[object->alternative[i].hook].optional = true;
			found = 0;
		}
	return found;
}

/* What is known without loading. 0 = worth a try. */
static int check_before_loading(struct object *object, const struct alternative *alternative,
				struct err *why)
{
	const char *section = alternative->section, *target = strchr(section, '/');
	struct wire_attach attach;
	char function[160];
	int error = attach_from_section(section, &attach, why);

	if (error)
		return error;
	target = target ? target + 1 : "";
	if (!strncmp(section, "tp_btf/", 7) || !strncmp(section, "fentry/", 7) ||
	    !strncmp(section, "fexit/", 6) || !strncmp(section, "iter/", 5)) {
		if (!kernel_has_btf(object->kernel))
			return err_set(why, -EOPNOTSUPP, "kernel has no BTF");
	}
	if (!strncmp(section, "tp_btf/", 7) && !btf_has_tracepoint(object->kernel, target))
		return err_set(why, -ENOENT, "this kernel has no such tracepoint");
	if ((!strncmp(section, "fentry/", 7) || !strncmp(section, "fexit/", 6)) &&
	    !btf_has_function(object->kernel, target))
		return err_set(why, -ENOENT, "this kernel has no such function");
	if (!strncmp(section, "iter/", 5)) {
		snprintf(function, sizeof(function), "bpf_iter_%s", target);
		if (!btf_has_function(object->kernel, function))
			return err_set(why, -ENOENT, "this kernel has no such iterator");
	}
	if (attach.kind == ATTACH_UPROBES &&
	    !btf_has_enumerator(object->kernel, "bpf_attach_type", "BPF_TRACE_UPROBE_MULTI"))
		return err_set(why, -EOPNOTSUPP, "this kernel attaches probes one by one (before 6.6)");
	if (alternative->prototype)
		return btf_check_prototype(object->kernel, target, alternative->prototype, why);
	return 0;
}

/* Has the hook that this one completes chosen an alternative that needs it? */
static bool goes_with(const struct object *object, const struct alternative *alternative)
{
	for (uint32_t i = 0; i < object->hooks; i++) {
		uint32_t order;

		if (strcmp(object->hook[i].name, alternative->with) != 0 ||
		    object->hook[i].chosen < 0)
			continue;
		order = object->alternative[object->hook[i].chosen].order;
		return order >= alternative->with_from && order <= alternative->with_to;
	}
	return false;
}

/* Takes the first alternative that is left for each hook. */
static int choose(struct object *object, struct err *why)
{
	for (uint32_t i = 0; i < object->hooks; i++)
		object->hook[i].chosen = -1;
	for (uint32_t i = 0; i < object->alternatives; i++) {
		struct alternative *alternative = &object->alternative[i];
		uint32_t forced = object->hook[alternative->hook].forced;
		struct err reason;

		if (alternative->refused || object->hook[alternative->hook].chosen >= 0)
			continue;
		if (forced && forced != i + 1)
			continue;
		if (alternative->with[0] && !goes_with(object, alternative))
			continue;
		if (check_before_loading(object, alternative, &reason)) {
			strike_out(object, i, reason.text);
			continue;
		}
		object->hook[alternative->hook].chosen = (int)i;
	}
	for (uint32_t i = 0; i < object->hooks; i++)
		if (object->hook[i].chosen < 0 && !object->hook[i].optional)
			return err_set(
				why, -EOPNOTSUPP, "'%s' cannot run on this kernel: hook '%s': %s",
				object->name, object->hook[i].name, object->hook[i].choice.reason);
	return 0;
}

static const struct btf_var_secinfo *find_variable(const struct btf *btf, const char *section,
						   const char *name)
{
	int id = btf__find_by_name_kind(btf, section, BTF_KIND_DATASEC);
	const struct btf_type *datasec = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;

	for (uint32_t i = 0; datasec && i < btf_vlen(datasec); i++) {
		const struct btf_var_secinfo *info = &btf_var_secinfos(datasec)[i];
		const struct btf_type *var = btf__type_by_id(btf, info->type);

		if (!strcmp(btf__name_by_offset(btf, var->name_off), name))
			return info;
	}
	return NULL;
}

static struct bpf_map *rodata_of(const struct bpf_object *bpf)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, bpf)
	{
		const char *name = bpf_map__name(map), *dot = strrchr(name, '.');

		if (bpf_map__is_internal(map) && dot && !strcmp(dot, ".rodata"))
			return map;
	}
	return NULL;
}

static int apply_variable(const struct bpf_object *bpf, const struct setting *setting)
{
	const struct btf_var_secinfo *info =
		find_variable(bpf_object__btf(bpf), ".rodata", setting->name);
	struct bpf_map *map = rodata_of(bpf);
	size_t bytes = 0;
	uint8_t *at = map ? (uint8_t *)bpf_map__initial_value(map, &bytes) : NULL;

	if (!info || !at)
		return -ENOENT;
	if (info->size < setting->size || info->offset + (size_t)info->size > bytes)
		return -EINVAL;
	memcpy(at + info->offset, setting->value, setting->size);
	return 0;
}

static int apply_settings(struct object *object, struct bpf_object *bpf, struct err *why)
{
	for (uint32_t i = 0; i < object->settings; i++) {
		const struct setting *setting = &object->setting[i];
		struct bpf_map *map = NULL;
		int error = 0;

		if (setting->kind == SET_FRESH)
			continue;
		if (setting->kind == SET_VARIABLE)
			error = apply_variable(bpf, setting);
		else
			map = bpf_object__find_map_by_name(bpf, setting->name);
		if (setting->kind == SET_SIZE)
			error = map ? bpf_map__set_max_entries(map, setting->entries) : -ENOENT;
		if (setting->kind == SET_SHARE)
			error = map ? bpf_map__reuse_fd(map, setting->fd) : -ENOENT;
		if (error)
			return err_set(why, error, "cannot set '%s' of '%s': %s", setting->name,
				       object->name, err_name(error));
	}
	return 0;
}

/* Sections that libbpf does not know, because where they attach is written behind a '/'. */
static void set_type(struct bpf_program *program)
{
	const char *section = bpf_program__section_name(program);

	if (!strncmp(section, "perf_event/", 11))
		bpf_program__set_type(program, BPF_PROG_TYPE_PERF_EVENT);
	if (!strncmp(section, "xdp/", 4)) {
		bpf_program__set_type(program, BPF_PROG_TYPE_XDP);
		bpf_program__set_expected_attach_type(program, BPF_XDP);
	}
}

static void select_programs(struct object *object, struct bpf_object *bpf)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, bpf) bpf_program__set_autoload(program, false);
	for (uint32_t i = 0; i < object->hooks; i++) {
		int chosen = object->hook[i].chosen;

		if (chosen < 0)
			continue;
		program =
			bpf_object__find_program_by_name(bpf, object->alternative[chosen].program);
		bpf_program__set_autoload(program, true);
		if (bpf_program__type(program) == BPF_PROG_TYPE_UNSPEC)
			set_type(program);
	}
}

/* The chosen alternative whose program the kernel refused last: its name as the kernel saw it. */
static int refused_alternative(const struct object *object)
{
	const char *refused = object->kernel->refused, *named = object->kernel->named;

	for (uint32_t i = 0; i < object->hooks; i++) {
		int chosen = object->hook[i].chosen;

		if (chosen >= 0 && named[0] && !strcmp(object->alternative[chosen].program, named))
			return chosen;
	}
	for (uint32_t i = 0; i < object->hooks; i++) {
		int chosen = object->hook[i].chosen;

		if (chosen >= 0 && refused[0] &&
		    !strncmp(object->alternative[chosen].program, refused, strlen(refused)))
			return chosen;
	}
	return -1;
}

/*
 * The chosen hooks of `later` change hands: our programs beside theirs, then all at once. What still runs of theirs ends
 * within a grace period, and only then their programs are let go. On failure nothing has changed.
 */
static int exchange(struct object *object, struct object *from, const bool later[OBJECT_HOOKS])
{
	uint32_t i;

	for (i = 0; i < object->hooks; i++)
		if (later[i] && object_prepare_take_over(object, (uint32_t)object->hook[i].chosen, from))
			break;
	if (i < object->hooks) {
		uint32_t failed = (uint32_t)object->hook[i].chosen;

		while (i--)
			if (later[i])
				object_leave(object, (uint32_t)object->hook[i].chosen, from);
		strike_out(object, failed, "the kernel refused to exchange its program");
		return 1;
	}
	if (object->side.is_borrowed) {
		side_turn(&object->side);
		object->side.is_borrowed = false;
		from->side = side_none();
	}
	for (i = 0; i < object->hooks; i++)
		if (later[i])
			object_take_over(object, (uint32_t)object->hook[i].chosen, from);
	object_grace_period();
	for (i = 0; i < object->alternatives; i++)
		dispatcher_clear(&object->alternative[i].dispatcher, !object->side.ours);
	return 0;
}

/* The word that says which version runs: that of the old one if there is one, with our programs on its other side. */
static void choose_side(struct object *object, const struct object *from)
{
	side_done(&object->side);
	if (from && from->side.map >= 0) {
		object->side = from->side;
		object->side.ours = !from->side.ours;
		object->side.is_borrowed = true;
	} else if (!side_new(&object->side) && object->sleeps) { /* if it can't be made, programs are attached themselves */
		side_rest(&object->side);
	}
}

static void find_later(const struct object *object, const struct object *from, bool later[OBJECT_HOOKS])
{
	for (uint32_t i = 0; i < object->hooks; i++)
		later[i] = object->hook[i].chosen >= 0 && from &&
			   object_can_take_over(object, (uint32_t)object->hook[i].chosen, from);
}

void object_give_back(struct object *object, struct object *to)
{
	bool later[OBJECT_HOOKS];

	choose_side(to, object);
	find_later(to, object, later);
	exchange(to, object, later);
}

/*
 * Hooks that the old object cannot hand over are attached first, since that may fail; only then the others change hands.
 */
static int attach_round(struct object *object, struct object *from)
{
	bool later[OBJECT_HOOKS];

	choose_side(object, from);
	find_later(object, from, later);
	for (uint32_t i = 0; i < object->hooks; i++) {
		int chosen = object->hook[i].chosen;
		struct err reason;

		if (chosen >= 0 && !later[i] && object_attach(object, (uint32_t)chosen, &reason)) {
			strike_out(object, (uint32_t)chosen, reason.text);
			return 1;
		}
	}
	return from ? exchange(object, from, later) : 0;
}

/* One round: 0 = done, 1 = an alternative was struck out, try again, -errno = hopeless. */
static int load_round(struct object *object, struct object *from, char *log, struct err *why)
{
	char verdict[256] = "";
	int error = choose(object, why), refused;

	if (error)
		return error;
	log[0] = 0;
	object->bpf = open_elf(object, log, why);
	if (!object->bpf)
		return -EINVAL;
	select_programs(object, object->bpf);
	error = apply_settings(object, object->bpf, why);
	if (error)
		return error;
	if (from)
		object_take_state(object, from);
	object->kernel->refused[0] = object->kernel->named[0] = object->kernel->said[0] = 0;
	object->kernel->reason[0] = 0;
	error = bpf_object__load(object->bpf);
	if (error) {
		refused = refused_alternative(object);
		verdict_of(log, verdict, sizeof(verdict));
		if (refused < 0)
			return err_set(why, error, "cannot load '%s': %s", object->name,
				       object->kernel->reason[0] ? object->kernel->reason
								 : err_name(error));
		strike_out(object, (uint32_t)refused,
			   object->kernel->reason[0]                               ? object->kernel->reason
			   : verdict[0]                                            ? verdict
			   : object->kernel->said[0] && !object->kernel->refused[0] ? object->kernel->said
										   : err_name(error));
		return 1;
	}
	return attach_round(object, from);
}

int object_load(struct object *object, struct object *from, struct err *why)
{
	char *log = malloc(LOG_BYTES);
	int result;

	if (!log)
		return err_set(why, -ENOMEM, "cannot load '%s': out of memory", object->name);
	if (kernel_has_btf(object->kernel) || object->kernel->btf_path)
		kernel_btf(object->kernel, NULL);
	do {
		unload(object);
		result = load_round(object, from, log, why);
	} while (result > 0);
	free(log);
	if (result) {
		unload(object);
		return result;
	}
	for (uint32_t i = 0; i < object->hooks; i++) {
		int chosen = object->hook[i].chosen;

		if (chosen >= 0)
			object->hook[i].choice.section = object->alternative[chosen].section;
	}
	forget_settings(object);
	object->elf = NULL;
	return 0;
}

struct kernel *object_kernel(const struct object *object)
{
	return object->kernel;
}

const struct hook_choice *object_hook(const struct object *object, size_t i)
{
	return i < object->hooks ? &object->hook[i].choice : NULL;
}

static const struct dispatcher *dispatcher_of(const struct object *object, const char *program)
{
	for (uint32_t i = 0; i < object->alternatives; i++)
		if (!strcmp(object->alternative[i].program, program) &&
		    object->alternative[i].dispatcher.program >= 0)
			return &object->alternative[i].dispatcher;
	return NULL;
}

/* The kernel counts a run, and its time, at the program that was entered: the dispatcher. */
static void read_cost(const struct dispatcher *dispatcher, int fd, struct program_cost *cost)
{
	if (dispatcher)
		fd = dispatcher->program;
	fdinfo_number(fd, "run_cnt", &cost->runs);
	fdinfo_number(fd, "run_time_ns", &cost->run_ns);
	fdinfo_number(fd, "recursion_misses", &cost->missed);
	if (!dispatcher)
		return;
	cost->runs -= dispatcher->runs;
	cost->run_ns -= dispatcher->run_ns;
	cost->missed -= dispatcher->missed;
}

bool object_program(struct object *object, size_t i, struct program_cost *ret_cost)
{
	struct bpf_program *program;
	size_t loaded = 0;

	bpf_object__for_each_program(program, object->bpf)
	{
		int fd = bpf_program__fd(program);
		uint64_t id = 0, instructions = 0;

		if (fd < 0 || loaded++ != i)
			continue;
		*ret_cost = (struct program_cost){.name = bpf_program__name(program)};
		fdinfo_number(fd, "prog_id", &id);
		fdinfo_text(fd, "prog_tag", ret_cost->tag, sizeof(ret_cost->tag));
		fdinfo_number(fd, "verified_insns", &instructions);
		read_cost(dispatcher_of(object, ret_cost->name), fd, ret_cost);
		ret_cost->id = (uint32_t)id;
		ret_cost->instructions = (uint32_t)instructions;
		return true;
	}
	return false;
}

bool object_map(struct object *object, size_t i, struct map_cost *ret_cost)
{
	struct bpf_map *map;
	size_t seen = 0;

	bpf_object__for_each_map(map, object->bpf)
	{
		if (bpf_map__fd(map) < 0 || seen++ != i)
			continue;
		*ret_cost = (struct map_cost){
			.name = bpf_map__name(map),
			.key_size = bpf_map__key_size(map),
			.value_size = bpf_map__value_size(map),
			.max_entries = bpf_map__max_entries(map),
			.type = bpf_map__type(map),
		};
		fdinfo_number(bpf_map__fd(map), "memlock", &ret_cost->bytes);
		return true;
	}
	return false;
}

bool object_same_map(struct object *a, struct object *b, const char *map)
{
	uint64_t id_a = 0, id_b = 0;

	return fdinfo_number(object_map_fd(a, map), "map_id", &id_a) &&
	       fdinfo_number(object_map_fd(b, map), "map_id", &id_b) && id_a == id_b;
}

int object_map_fd(struct object *object, const char *name)
{
	struct bpf_map *map = object->bpf ? bpf_object__find_map_by_name(object->bpf, name) : NULL;

	return map ? bpf_map__fd(map) : -ENOENT;
}
