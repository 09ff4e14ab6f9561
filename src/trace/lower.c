// SPDX-License-Identifier: GPL-2.0-only
/* lower - values and memory, events, and the frame of a program. */
#include "trace/lower.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	HELPER_MAP_LOOKUP = 1,
	HELPER_PROBE_READ_USER = 112,
	HELPER_PROBE_READ_KERNEL = 113,
	HELPER_RINGBUF_OUTPUT = 130,
	COPY_INLINE = 128, /* bytes: beyond that one helper call is smaller and faster */
	RING_BYTES = 1 << 20,
};

struct value value_none(void)
{
	return (struct value){.type = &type_none};
}

struct value value_imm(const struct type *type, int64_t imm)
{
	return (struct value){.kind = VALUE_IMM, .type = type, .imm = imm};
}

struct value value_reg(const struct type *type, int reg)
{
	return (struct value){.kind = VALUE_REG, .type = type, .reg = reg};
}

struct value value_memory(const struct type *type, struct memory at)
{
	return (struct value){.kind = VALUE_MEMORY, .type = type, .at = at};
}

struct value value_text(const struct type *type, struct span text)
{
	return (struct value){.kind = VALUE_TEXT, .type = type, .text = text};
}

struct value value_far(const struct type *type, struct operand base, int32_t offset,
		       enum space space)
{
	return (struct value){.kind = VALUE_FAR,
			      .type = type,
			      .at = {.base = base, .offset = offset},
			      .space = space};
}

struct memory lower_slot(struct lowering *l, uint32_t size)
{
	return (struct memory){.base = op_slot(ir_slot(l->ir, size, 8, false), 0)};
}

struct memory memory_at(struct memory memory, int64_t offset)
{
	memory.offset += (int32_t)offset;
	return memory;
}

struct operand lower_address(struct lowering *l, struct memory memory)
{
	if (memory.base.kind == OPERAND_REG && memory.offset)
		return op_reg(ir_alu(l->ir, ALU_ADD, memory.base, op_imm(memory.offset)));
	memory.base.imm += memory.base.kind == OPERAND_REG ? 0 : memory.offset;
	return memory.base;
}

void lower_read(struct lowering *l, struct memory to, uint32_t size, struct operand address,
		enum space space)
{
	int code = ir_call(l->ir,
			   space == SPACE_USER ? HELPER_PROBE_READ_USER : HELPER_PROBE_READ_KERNEL,
			   lower_address(l, to), op_imm(size), address, NO_OPERAND, NO_OPERAND);

	if (address.kind != OPERAND_IMM || address.imm) /* 0 is for zeroes, see lower_zero */
		lower_check_read(l, code,
				 space == SPACE_USER     ? "probe_read_user"
				 : space == SPACE_KERNEL ? "probe_read_kernel"
							 : "probe_read");
}

void lower_zero(struct lowering *l, struct memory to, uint32_t size)
{
	/* a failing read clears its destination: cheaper than many stores */
	if (size > COPY_INLINE) {
		lower_read(l, to, size, op_imm(0), SPACE_KERNEL);
		return;
	}
	for (uint32_t at = 0, step; at < size; at += step) {
		step = memory_step(to, at, size - at);
		ir_store(l->ir, to.base, to.offset + (int32_t)at, step, op_imm(0));
	}
}

void lower_copy(struct lowering *l, struct memory to, struct memory from, uint32_t size)
{
	if (size > COPY_INLINE) {
		lower_read(l, to, size, lower_address(l, from), SPACE_KERNEL);
		return;
	}
	for (uint32_t at = 0, step; at < size; at += step) {
		step = memory_step2(to, from, at, size - at);
		int reg = ir_load(l->ir, from.base, from.offset + (int32_t)at, step, false);

		ir_store(l->ir, to.base, to.offset + (int32_t)at, step, op_reg(reg));
	}
}

struct operand lower_far_address(struct lowering *l, struct value value)
{
	if (value.at.base.kind == OPERAND_CONTEXT)
		return op_context(value.at.base.imm + value.at.offset);
	if (!value.at.offset)
		return value.at.base;
	return op_reg(ir_alu(l->ir, ALU_ADD, value.at.base, op_imm(value.at.offset)));
}

static int cut_bits(struct lowering *l, struct value value, int reg)
{
	struct operand bits = op_reg(reg);
	int64_t left = 64 - value.bit_offset - value.bit_size;

	bits = op_reg(ir_alu(l->ir, ALU_SHL, bits, op_imm(left)));
	/* as bpftrace has it: bit fields are counted from 0, whatever their type */
	return ir_alu(l->ir, ALU_SHR, bits, op_imm(64 - value.bit_size));
}

/* Read where it is needed, but written elsewhere in the script: that is what -k and -v show. */
static void read_at_its_place(struct lowering *l, struct memory to, uint32_t size,
			      struct operand address, struct value value)
{
	struct place outer = l->ir->place;

	if (value.place.to)
		l->ir->place = value.place;
	lower_read(l, to, size, address, value.space);
	l->ir->place = outer;
}

static int load_scalar(struct lowering *l, struct value value)
{
	bool is_signed = value.type->is_signed && !value.bit_size;
	uint32_t size = value.type->size ? value.type->size : 8;
	struct memory at = value.at;
	int reg;

	if (value.kind == VALUE_FAR && value.space != SPACE_CONTEXT) {
		struct operand address = lower_far_address(l, value);

		at = lower_slot(l, 8);
		read_at_its_place(l, at, size, address, value);
	}
	reg = ir_load(l->ir, at.base, at.offset, size, is_signed);
	return value.bit_size ? cut_bits(l, value, reg) : reg;
}

struct operand lower_scalar(struct lowering *l, struct value value)
{
	switch (value.kind) {
	case VALUE_IMM: return op_imm(value.imm);
	case VALUE_REG: return op_reg(value.reg);
	case VALUE_MEMORY:
	case VALUE_FAR:
		/* int <-> int[]: the bytes are the number; an array is its address elsewhere */
		if (type_is_scalar(value.type) || value.type->size <= 8)
			return op_reg(load_scalar(l, value));
		if (value.kind == VALUE_FAR)
			return lower_far_address(l, value);
		return lower_address(l, value.at);
	case VALUE_TEXT:
	case VALUE_NONE: break;
	}
	return op_imm(0);
}

int lower_register(struct lowering *l, struct value value)
{
	struct operand operand = lower_scalar(l, value);

	return ir_move(l->ir, operand);
}

struct memory lower_memory(struct lowering *l, struct value value)
{
	struct memory at;

	if (value.kind == VALUE_MEMORY)
		return value.at;
	at = lower_slot(l, value.type->size);
	lower_store(l, value, at, value.type);
	return at;
}

static void store_text(struct lowering *l, struct span text, struct memory to, uint32_t size)
{
	/* a long rest is cleared first, all at once */
	if (size > COPY_INLINE && text.len < size)
		lower_zero(l, to, size);
	for (uint32_t at = 0, step; at < size; at += step) {
		uint64_t bytes = 0;

		if (size > COPY_INLINE && at >= text.len)
			return;
		step = memory_step(to, at, size - at);
		for (uint32_t i = 0; i < step; i++)
			if (at + i < text.len && at + i + 1 < size)
				bytes |= (uint64_t)text.at[at + i] << (8 * i);
		ir_store(l->ir, to.base, to.offset + (int32_t)at, step, op_imm((int64_t)bytes));
	}
}

static bool is_padded(const struct type *tuple)
{
	uint32_t used = 0;

	for (uint32_t i = 0; i < tuple->field_count; i++)
		used += tuple->fields[i].type->size;
	return used != tuple->size;
}

static void store_tuple(struct lowering *l, struct value value, struct memory to,
			const struct type *as)
{
	struct memory from = lower_memory(l, value);

	if (type_same(value.type, as)) {
		lower_copy(l, to, from, as->size);
		return;
	}
	if (is_padded(as))
		lower_zero(l, to, as->size);
	for (uint32_t i = 0; i < as->field_count; i++) {
		const struct field *field = type_partner(value.type, &as->fields[i], i);

		if (field)
			lower_store(l, value_memory(field->type, memory_at(from, field->offset)),
				    memory_at(to, as->fields[i].offset), as->fields[i].type);
	}
}

static void store_bytes(struct lowering *l, struct value value, struct memory to,
			const struct type *as)
{
	uint32_t size = value.type->size < as->size ? value.type->size : as->size;

	if (value.kind == VALUE_FAR) {
		struct operand address = lower_far_address(l, value);

		if (as->size > size)
			lower_zero(l, to, as->size);
		read_at_its_place(l, to, size, address, value);
		/* text out of a fixed array need not end: the type says where it does */
		if (as->kind == TYPE_STRING && size)
			ir_store(l->ir, to.base, to.offset + (int32_t)size - 1, 1, op_imm(0));
		return;
	}
	if (value.kind != VALUE_MEMORY)
		return;
	if (as->size > size) {
		if (as->size - size > COPY_INLINE)
			lower_zero(l, to, as->size);
		else
			lower_zero(l, memory_at(to, size), as->size - size);
	}
	lower_copy(l, to, value.at, size);
}

void lower_store(struct lowering *l, struct value value, struct memory to, const struct type *as)
{
	if (value.kind == VALUE_TEXT) {
		store_text(l, value.text, to, as->size);
		return;
	}
	if (type_is_scalar(as) || type_is_aggregate(as)) {
		struct operand scalar = lower_scalar(l, value);

		ir_store(l->ir, to.base, to.offset, as->size > 8 ? 8 : as->size, scalar);
		return;
	}
	if (value.kind == VALUE_IMM || value.kind == VALUE_REG) { /* int -> int[] */
		ir_store(l->ir, to.base, to.offset, as->size >= 8 ? 8 : as->size,
			 lower_scalar(l, value));
		return;
	}
	if (as->kind == TYPE_TUPLE && value.type->kind == TYPE_TUPLE)
		store_tuple(l, value, to, as);
	else
		store_bytes(l, value, to, as);
}

void lower_into(struct lowering *l, struct expr *expr, struct memory to, const struct type *as)
{
	if (expr->kind == EXPR_CALL && expr->function && expr->function->lower_into &&
	    !expr->is_constant) {
		expr->function->lower_into(l, expr, to, as);
		return;
	}
	if (expr->kind == EXPR_BLOCK && expr->a && !expr->body) {
		lower_into(l, expr->a, to, as);
		return;
	}
	if (expr->kind == EXPR_TUPLE && as->kind == TYPE_TUPLE) {
		uint32_t i = 0;

		if (is_padded(as))
			lower_zero(l, to, as->size);
		for (struct expr *one = expr->args; one; one = one->next, i++) {
			const struct field *field = type_partner(as, &expr->type->fields[i], i);

			if (field)
				lower_into(l, one, memory_at(to, field->offset), field->type);
		}
		return;
	}
	lower_store(l, lower_expr(l, expr), to, as);
}

/* --- events --- */

void lower_lost(struct lowering *l, enum lost kind)
{
	struct memory key = lower_slot(l, 8);
	int done = ir_label(l->ir), count;

	ir_store(l->ir, key.base, key.offset, 4, op_imm(kind));
	count = ir_call(l->ir, HELPER_MAP_LOOKUP, op_map(MAP_LOST), lower_address(l, key),
			NO_OPERAND, NO_OPERAND, NO_OPERAND);
	ir_branch(l->ir, COND_EQ, op_reg(count), op_imm(0), done);
	ir_atomic_add(l->ir, op_reg(count), 0, op_imm(1));
	ir_put_label(l->ir, done);
}

/* Bodies that were parsed once for every probe: what has no arguments is the same in all of them, and
 * so is their code. */
static bool says_the_same(const struct event_spec *event, const struct expr *call,
			  const struct type *layout)
{
	return !call->args && !event->call->args && event->function == call->function &&
	       event->layout == layout && event->call->place.from == call->place.from &&
	       event->call->place.to == call->place.to;
}

static struct event_spec *new_event(struct lowering *l, const struct expr *call,
				    const struct type *layout)
{
	struct compiled *compiled = l->compiled;
	struct event_spec *event;

	for (uint32_t i = 0; i < compiled->event_count; i++)
		if (compiled->events[i]->call == call ||
		    says_the_same(compiled->events[i], call, layout))
			return compiled->events[i];
	if (compiled->event_count == compiled->event_room) {
		uint32_t room = compiled->event_room ? compiled->event_room * 2 : 64;
		struct event_spec **grown = arena_new(&l->script->arena, room * sizeof(*grown));

		if (!grown)
			return NULL;
		if (compiled->event_count)
			memcpy(grown, compiled->events, compiled->event_count * sizeof(*grown));
		compiled->events = grown;
		compiled->event_room = room;
	}
	event = arena_new(&l->script->arena, sizeof(*event));
	if (!event)
		return NULL;
	*event = (struct event_spec){.function = call->function,
				     .call = call,
				     .layout = layout,
				     .id = compiled->event_count};
	compiled->events[compiled->event_count++] = event;
	return event;
}

struct memory lower_event(struct lowering *l, const struct expr *call, const struct type *layout)
{
	struct event_spec *event = new_event(l, call, layout);
	struct memory at = lower_slot(l, EVENT_HEAD + (layout ? layout->size : 0));

	if (!event)
		l->is_failed = true;
	else
		ir_store(l->ir, at.base, at.offset, 8, op_imm(event->id));
	return at;
}

void lower_send(struct lowering *l, struct memory event, const struct type *layout)
{
	int done = ir_label(l->ir), code;

	code = ir_call(l->ir, HELPER_RINGBUF_OUTPUT, op_map(MAP_RING), lower_address(l, event),
		       op_imm(EVENT_HEAD + (layout ? layout->size : 0)), op_imm(0), NO_OPERAND);
	ir_branch(l->ir, COND_EQ, op_reg(code), op_imm(0), done);
	lower_lost(l, LOST_RING);
	ir_put_label(l->ir, done);
}

/* --- programs --- */

int lower_new_map(struct lowering *l, struct map_spec spec, struct map_decl *decl)
{
	struct compiled *compiled = l->compiled;

	if (compiled->map_count == compiled->map_room) {
		uint32_t room = compiled->map_room ? compiled->map_room * 2 : 32;
		struct map_use *grown = arena_new(&l->script->arena, room * sizeof(*grown));

		if (!grown) {
			l->is_failed = true;
			return 0;
		}
		if (compiled->map_count)
			memcpy(grown, compiled->maps, compiled->map_count * sizeof(*grown));
		compiled->maps = grown;
		compiled->map_room = room;
	}
	compiled->maps[compiled->map_count] =
		(struct map_use){.spec = spec, .decl = decl, .fd = -1};
	return (int)compiled->map_count++;
}

static void add_own_maps(struct lowering *l)
{
	uint32_t pages = l->script->config.perf_rb_pages;
	uint32_t ring = RING_BYTES;

	if (pages)
		for (ring = 4096; ring / 4096 < pages && ring < 64 << 20; ring *= 2)
			;
	lower_new_map(l,
		      (struct map_spec){
			      .name = "events", .type = BPF_MAP_TYPE_RINGBUF, .max_entries = ring},
		      NULL);
	lower_new_map(l,
		      (struct map_spec){.name = "lost",
					.type = BPF_MAP_TYPE_PERCPU_ARRAY,
					.key_size = 4,
					.value_size = 8,
					.max_entries = LOST_KINDS},
		      NULL);
	/* [0]: exit was called: 1 + code */
	lower_new_map(l,
		      (struct map_spec){.name = "control",
					.type = BPF_MAP_TYPE_ARRAY,
					.key_size = 4,
					.value_size = 8,
					.max_entries = 1},
		      NULL);
	lower_new_map(l,
		      (struct map_spec){.name = "frame",
					.type = BPF_MAP_TYPE_PERCPU_ARRAY,
					.key_size = 4,
					.max_entries = FRAME_SLOTS},
		      NULL);
}

/* A clock ticks on while a script that called exit() is being let go of. */
static void skip_after_exit(struct lowering *l)
{
	struct memory key = lower_slot(l, 8);
	int flag, go_on = ir_label(l->ir);

	ir_store(l->ir, key.base, key.offset, 8, op_imm(0));
	flag = ir_call(l->ir, 1 /* bpf_map_lookup_elem */, op_map(MAP_CONTROL),
		       lower_address(l, key), NO_OPERAND, NO_OPERAND, NO_OPERAND);
	ir_branch(l->ir, COND_EQ, op_reg(flag), op_imm(0), go_on);
	int is_over = ir_load(l->ir, op_reg(flag), 0, 8, false);

	ir_branch(l->ir, COND_NE, op_reg(is_over), op_imm(0), l->exit_label);
	ir_put_label(l->ir, go_on);
}

static void lower_body(struct lowering *l)
{
	struct body *body = l->probe->body;

	l->exit_label = ir_label(l->ir);
	l->result = l->probe->kind->has_result ? ir_reg(l->ir) : -1;
	if (l->result >= 0)
		ir_set(l->ir, l->result, op_imm(0));
	for (struct variable *variable = body->variables; variable; variable = variable->next) {
		variable->reg = variable->slot = -1;
		if (variable->type->kind == TYPE_NONE)
			continue;
		if (type_is_scalar(variable->type) && !variable->is_in_loop &&
		    !variable->is_shared && !variable->is_addressed)
			variable->reg = ir_reg(l->ir);
		else
			variable->slot =
				ir_slot(l->ir, variable->type->size, 8,
					variable->is_shared || (variable->is_in_loop &&
								l->compiled->target.has_may_goto));
	}
	if (l->probe->kind->program == PROGRAM_PERF_EVENT)
		skip_after_exit(l);
	if (body->predicate) {
		l->ir->place = body->predicate->place;
		lower_condition(l, body->predicate, false, l->exit_label);
	}
	/* `let $x;` is 0; and a path that the verifier sees must not read what was never written */
	for (struct variable *variable = body->variables; variable; variable = variable->next) {
		if (variable->reg >= 0)
			ir_set(l->ir, variable->reg, op_imm(0));
		else if (variable->slot >= 0)
			lower_zero(l, (struct memory){.base = op_slot(variable->slot, 0)},
				   l->ir->slots[variable->slot].size);
	}
	lower_stmts(l, body->stmts);
	ir_put_label(l->ir, l->exit_label);
	ir_return(l->ir, l->result >= 0 ? op_reg(l->result) : op_imm(0));
}

static bool same_code(const struct code *a, const struct code *b)
{
	return a->count == b->count && !memcmp(a->insns, b->insns, a->count * sizeof(*a->insns));
}

static void name_program(struct program *program)
{
	const char *name =
		program->probe->function ? program->probe->function : program->probe->kind->name;
	size_t len = 0;

	for (; name[len] && len + 1 < sizeof(program->name); len++) {
		char c = name[len];
		bool is_fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			       (c >= '0' && c <= '9') || c == '_' || c == '.';

		program->name[len] = is_fine ? c : '_';
	}
}

/* Probes whose code came out alike share a program, where the kernel lets one be attached twice. */
static struct program *find_alike(const struct compiled *compiled, const struct probe *probe,
				  const struct code *code)
{
	if (probe->kind->program == PROGRAM_TRACING)
		return NULL;
	for (struct program *p = compiled->programs; p; p = p->next)
		if (p->probe->kind == probe->kind && same_code(&p->code, code))
			return p;
	return NULL;
}

static int lower_probe(struct lowering *l, struct probe *probe)
{
	struct compiled *compiled = l->compiled;
	struct ir ir;
	struct program *program;
	struct code code;
	int err;

	ir_init(&ir, &l->script->arena);
	l->probe = probe;
	l->ir = l->main = &ir;
	l->loop = NULL;
	lower_body(l);
	if (l->is_failed)
		return -EINVAL;
	err = emit(&ir, &compiled->target, MAP_FRAME, MAP_LOST, &code, l->why);
	if (err) {
		diag_error(&l->script->diag, probe->place, "%s", l->why->text);
		return err;
	}
	if (ir.frame_size > compiled->frame_size)
		compiled->frame_size = ir.frame_size;
	program = find_alike(compiled, probe, &code);
	if (!program) {
		program = arena_new(&l->script->arena, sizeof(*program));
		if (!program)
			return -ENOMEM;
		*program = (struct program){
			.probe = probe, .type = probe->kind->program, .code = code, .fd = -1};
		name_program(program);
		if (compiled->last_program)
			compiled->last_program->next = program;
		else
			compiled->programs = program;
		compiled->last_program = program;
	}
	probe->program = program;
	return 0;
}

int script_lower(struct script *script, const struct target *target, struct err *why)
{
	struct lowering l = {.script = script, .why = why};
	int err = 0;

	l.compiled = script->compiled = arena_new(&script->arena, sizeof(*l.compiled));
	if (!l.compiled)
		return err_set(why, -ENOMEM, "out of memory");
	l.compiled->target = *target;
	add_own_maps(&l);
	for (struct map_decl *map = script->maps; map; map = map->next)
		map->index = -1;
	for (struct probe *probe = script->probes; probe && !err; probe = probe->next) {
		const struct probe_kind *cheaper =
			probe->kind->choose ? probe->kind->choose(script, probe) : NULL;

		if (cheaper)
			probe->kind = cheaper;
		err = lower_probe(&l, probe);
	}
	if (!err && !script->diag.errors) {
		l.compiled->maps[MAP_FRAME].spec.value_size =
			l.compiled->frame_size ? (l.compiled->frame_size + 7) / 8 * 8 : 8;
		return 0;
	}
	return err ? err : -EINVAL;
}
