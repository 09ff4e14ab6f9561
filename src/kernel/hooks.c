// SPDX-License-Identifier: GPL-2.0-only
/*
 * hooks - which programs of an object could serve which hook, read from its tags.
 *
 * A program without a tag (other people's objects) is a hook of its own name with one alternative.
 */
#include "kernel/object.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include "base/tag.h"

static int find_or_add_hook(struct object *object, struct span name)
{
	uint32_t i;

	for (i = 0; i < object->hooks; i++)
		if (span_is(name, object->hook[i].name))
			return (int)i;
	if (object->hooks == OBJECT_HOOKS || name.len >= sizeof(object->hook[0].name))
		return -E2BIG;
	memcpy(object->hook[i].name, name.at, name.len);
	object->hook[i].choice.hook = object->hook[i].name;
	object->hook[i].choice.reason = "";
	object->hook[i].chosen = -1;
	object->hooks++;
	return (int)i;
}

/* The tag that begins with "hook" on function `name`, NULL if it has none. */
static const char *hook_tag(const struct btf *btf, const char *name)
{
	int function = btf__find_by_name_kind(btf, name, BTF_KIND_FUNC);
	uint32_t count = btf__type_cnt(btf);

	if (function < 0)
		return NULL;
	for (uint32_t id = 1; id < count; id++) {
		const struct btf_type *type = btf__type_by_id(btf, id);
		const char *text;

		if (!btf_is_decl_tag(type) || type->type != (uint32_t)function)
			continue;
		text = btf__name_by_offset(btf, type->name_off);
		if (text && span_is(tag_word(text), "hook"))
			return text;
	}
	return NULL;
}

static char *copy_of(const char *tag, const char *key)
{
	struct span value;

	return tag_value(tag, key, &value) ? strndup((const char *)value.at, value.len) : NULL;
}

static uint32_t read_order(struct span text, size_t *at)
{
	uint32_t order = 0;

	for (; *at < text.len && text.at[*at] >= '0' && text.at[*at] <= '9'; (*at)++)
		order = order * 10 + (text.at[*at] - '0');
	return order;
}

/* with=HOOK:ORDER, HOOK:FROM_TO or HOOK:FROM_up */
static void read_with(const char *tag, struct alternative *alternative)
{
	struct span with;
	size_t len = 0;

	if (!tag_value(tag, "with", &with))
		return;
	while (len < with.len && with.at[len] != ':' && len + 1 < sizeof(alternative->with))
		len++;
	memcpy(alternative->with, with.at, len);
	len++;
	alternative->with_from = alternative->with_to = read_order(with, &len);
	if (len++ >= with.len)
		return;
	alternative->with_to =
		len < with.len && with.at[len] == 'u' ? UINT32_MAX : read_order(with, &len);
}

static int add_alternative(struct object *object, const struct bpf_program *program,
			   const char *tag)
{
	const char *name = bpf_program__name(program),
		   *section = bpf_program__section_name(program);
	struct alternative *alternative = &object->alternative[object->alternatives];
	struct span hook_name = span_of(name), order = {}, optional;
	int hook;

	if (object->alternatives == OBJECT_ALTERNATIVES ||
	    strlen(name) >= sizeof(alternative->program) ||
	    strlen(section) >= sizeof(alternative->section))
		return -E2BIG;
	if (tag) {
		tag_value(tag, "name", &hook_name);
		tag_value(tag, "order", &order);
	}
	hook = find_or_add_hook(object, hook_name);
	if (hook < 0)
		return hook;
	*alternative =
		(struct alternative){.hook = (uint32_t)hook, .dispatcher = dispatcher_none()};
	memcpy(alternative->program, name, strlen(name));
	memcpy(alternative->section, section, strlen(section));
	for (size_t i = 0; i < order.len && order.at[i] >= '0' && order.at[i] <= '9'; i++)
		alternative->order = alternative->order * 10 + (order.at[i] - '0');
	if (tag) {
		alternative->prototype = copy_of(tag, "proto");
		alternative->perf = copy_of(tag, "perf");
		alternative->map = copy_of(tag, "map");
		read_with(tag, alternative);
		object->hook[hook].optional |= tag_value(tag, "optional", &optional);
	}
	object->alternatives++;
	return 0;
}

static int by_order(const void *a, const void *b)
{
	const struct alternative *left = a, *right = b;

	if (left->hook != right->hook)
		return left->hook < right->hook ? -1 : 1;
	return left->order < right->order ? -1 : left->order > right->order;
}

int object_read_hooks(struct object *object, const struct bpf_object *bpf, struct err *why)
{
	const struct btf *btf = bpf_object__btf(bpf);
	struct bpf_program *program;

	bpf_object__for_each_program(program, bpf)
	{
		const char *tag = btf ? hook_tag(btf, bpf_program__name(program)) : NULL;

		if (!tag && !bpf_program__autoload(program))
			continue; /* SEC("?..."): not unless somebody asks for it, and here nobody can */
		if (add_alternative(object, program, tag))
			return err_set(why, -E2BIG,
				       "'%s' has more programs or longer names than sonde takes "
				       "(%d hooks, "
				       "%d programs)",
				       object->name, OBJECT_HOOKS, OBJECT_ALTERNATIVES);
	}
	qsort(object->alternative, object->alternatives, sizeof(object->alternative[0]), by_order);
	return 0;
}

/* "cpu-clock:99hz", "context-switches:1": event, then frequency or period. */
static int perf_of(const char *spec, struct wire_attach *attach)
{
	static const struct {
		const char *name;
		uint32_t config;
	} events[] = {
		{"cpu-clock", 0},        {"task-clock", 1},     {"page-faults", 2},
		{"context-switches", 3}, {"cpu-migrations", 4}, {"minor-faults", 5},
		{"major-faults", 6},
	};
	const char *colon = strchr(spec, ':');
	char *unit;

	if (!colon)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++)
		if (strlen(events[i].name) == (size_t)(colon - spec) &&
		    !strncmp(spec, events[i].name, (size_t)(colon - spec))) {
			attach->type = 1; /* PERF_TYPE_SOFTWARE */
			attach->config = events[i].config;
			attach->number = strtoull(colon + 1, &unit, 10);
			if (!strcmp(unit, "hz"))
				attach->flags |= ATTACH_FREQUENCY;
			return attach->number ? 0 : -EINVAL;
		}
	return -EINVAL;
}

/* "uprobe/PATH:FUNCTION": found in the file here. "uprobe" alone waits for object_attach_place. */
static int attach_to_place(struct object *object, uint32_t index, int program,
			   const struct wire_attach *attach, struct err *why)
{
	struct user_place place;
	int link, error;

	if (!attach->name[0])
		return 0;
	if (attach->flags & ATTACH_USDT)
		return usdt_attach(object, index, program, attach->name, why);
	error = place_find(object->kernel, 0, attach->name, &place, why);
	if (error)
		return error;
	place.at_return = attach->flags & ATTACH_RETURN;
	if (attach->kind == ATTACH_UPROBES)
		link = place_attach_all(object->kernel, program, &place, 1, why);
	else
		link = place_attach(object->kernel, program, &place, why);
	close(place.file);
	if (link < 0)
		return link;
	if (object->links == OBJECT_LINKS) {
		close(link);
		return err_set(why, -E2BIG, "more than %d attachments", OBJECT_LINKS);
	}
	object->link[object->links++] = (struct object_link){link, index};
	return 0;
}

static int loaded_program(struct object *object, const char *program, struct err *why)
{
	struct bpf_program *found =
		object->bpf ? bpf_object__find_program_by_name(object->bpf, program) : NULL;

	if (found && bpf_program__fd(found) >= 0)
		return bpf_program__fd(found);
	return err_set(why, -ENOENT, "'%s' has no program '%s' that is loaded", object->name,
		       program);
}

int object_attach_place(struct object *object, const char *program, const struct user_place *place,
			struct err *why)
{
	int fd = loaded_program(object, program, why);

	return fd < 0 ? fd : place_attach(object->kernel, fd, place, why);
}

int object_attach_places(struct object *object, const char *program,
			 const struct user_place *places, uint32_t count, struct err *why)
{
	int fd = loaded_program(object, program, why);

	return fd < 0 ? fd : place_attach_all(object->kernel, fd, places, count, why);
}

int object_attach(struct object *object, uint32_t index, struct err *why)
{
	struct alternative *alternative = &object->alternative[index];
	struct wire_request request = {.op = WIRE_ATTACH};
	struct bpf_program *program =
		bpf_object__find_program_by_name(object->bpf, alternative->program);
	int fds[WIRE_FDS], fd[2] = {bpf_program__fd(program), -1}, result;
	struct wire_reply reply;

	result = attach_from_section(alternative->section, &request.attach, why);
	if (result)
		return result;
	if (request.attach.kind == ATTACH_CGROUP || request.attach.kind == ATTACH_SOCKETS)
		request.attach.type = bpf_program__expected_attach_type(program);
	if (request.attach.kind == ATTACH_PERF_EVENT && !strchr(alternative->section, '/') &&
	    (!alternative->perf || perf_of(alternative->perf, &request.attach)))
		return err_set(why, -EINVAL,
			       "'%s' does not say which perf event it wants (HOOK_PERF)",
			       alternative->program);
	if (request.attach.kind == ATTACH_UPROBE || request.attach.kind == ATTACH_UPROBES)
		return attach_to_place(object, index, fd[0], &request.attach, why);
	/* (what woke again has its dispatcher) */
	if (alternative->dispatcher.program >= 0 ||
	    !dispatcher_new(object->kernel, program, alternative->section, &object->side,
			    &alternative->dispatcher))
		fd[0] = alternative->dispatcher.program;
	if (alternative->map)
		fd[1] = object_map_fd(object, alternative->map);
	result = kernel_ask(object->kernel, &request, fd, fd[1] >= 0 ? 2 : 1, &reply, fds);
	if (result < 0) {
		dispatcher_done(&alternative->dispatcher);
		return err_set(why, result, "%s", reply.text[0] ? reply.text : err_name(result));
	}
	for (uint32_t i = 0; i < reply.fds; i++)
		if (object->links < OBJECT_LINKS)
			object->link[object->links++] = (struct object_link){fds[i], index};
		else
			close(fds[i]);
	return 0;
}

static void note_cost(struct dispatcher *dispatcher)
{
	fdinfo_number(dispatcher->program, "run_cnt", &dispatcher->runs);
	fdinfo_number(dispatcher->program, "run_time_ns", &dispatcher->run_ns);
	fdinfo_number(dispatcher->program, "recursion_misses", &dispatcher->missed);
}

/* Links of `from` that keep alternative `theirs` attached become ours. */
static void move_links(struct object *object, uint32_t ours, struct object *from, uint32_t theirs)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < from->links; i++)
		if (from->link[i].alternative == theirs && object->links < OBJECT_LINKS)
			object->link[object->links++] =
				(struct object_link){from->link[i].fd, ours};
		else
			from->link[kept++] = from->link[i];
	from->links = kept;
}

/* Links whose program the kernel exchanges by itself (BPF_LINK_UPDATE: 5.7 for control groups, 5.9 for xdp). */
static bool has_exchangeable_link(const struct object *object, uint32_t index)
{
	const char *section = object->alternative[index].section;

	if (strncmp(section, "cgroup", 6) != 0 && strncmp(section, "sockops", 7) != 0 &&
	    strncmp(section, "xdp/", 4) != 0)
		return false;
	for (uint32_t i = 0; i < object->links; i++)
		if (object->link[i].alternative == index)
			return true;
	return false;
}

/* The other object's alternative that serves the same hook at the same place and can be handed over; -1 if none. */
static int counterpart(const struct object *object, uint32_t index, const struct object *from)
{
	const struct alternative *ours = &object->alternative[index];

	for (uint32_t i = 0; i < from->alternatives; i++)
		if ((from->alternative[i].dispatcher.map >= 0 || has_exchangeable_link(from, i)) &&
		    !strcmp(from->alternative[i].section, ours->section) &&
		    !strcmp(from->hook[from->alternative[i].hook].name,
			    object->hook[ours->hook].name))
			return (int)i;
	return -1;
}

bool object_can_take_over(const struct object *object, uint32_t index, const struct object *from)
{
	return counterpart(object, index, from) >= 0;
}

static int program_of(const struct object *object, uint32_t index)
{
	return bpf_program__fd(
		bpf_object__find_program_by_name(object->bpf, object->alternative[index].program));
}

/* The links of theirs run `program` from now on. */
static int update_links(const struct object *from, uint32_t theirs, int program)
{
	struct wire_request request = {.op = WIRE_LINK_UPDATE};
	int fds[WIRE_FDS], error = 0;
	struct wire_reply reply;

	for (uint32_t i = 0; !error && i < from->links; i++)
		if (from->link[i].alternative == theirs)
			error = kernel_ask(from->kernel, &request,
					   (int[]){from->link[i].fd, program}, 2, &reply, fds);
	return error;
}

int object_prepare_take_over(struct object *object, uint32_t index, struct object *from)
{
	int other = counterpart(object, index, from);
	const struct dispatcher *dispatcher =
		other < 0 ? NULL : &from->alternative[other].dispatcher;

	if (!dispatcher)
		return -ENOENT;
	if (dispatcher->map < 0)
		return update_links(from, (uint32_t)other, program_of(object, index));
	return dispatcher_set(dispatcher, object->side.ours, program_of(object, index));
}

void object_leave(struct object *object, uint32_t index, struct object *from)
{
	int other = counterpart(object, index, from);

	if (other < 0)
		return;
	if (from->alternative[other].dispatcher.map < 0)
		update_links(from, (uint32_t)other, program_of(from, (uint32_t)other));
	else
		dispatcher_clear(&from->alternative[other].dispatcher, object->side.ours);
}

void object_take_over(struct object *object, uint32_t index, struct object *from)
{
	struct alternative *ours = &object->alternative[index], *theirs;
	int other = counterpart(object, index, from);

	if (other < 0)
		return;
	theirs = &from->alternative[other];
	ours->dispatcher = theirs->dispatcher;
	theirs->dispatcher = dispatcher_none();
	if (ours->dispatcher.program >= 0)
		note_cost(&ours->dispatcher);
	move_links(object, index, from, (uint32_t)other);
}
