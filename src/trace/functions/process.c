// SPDX-License-Identifier: GPL-2.0-only
/* process - who runs, where and when: pid, comm, nsecs, cpu and their kin. */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "trace/btf.h"
#include "trace/functions/functions.h"
#include "trace/run.h"

enum {
	HELPER_KTIME_NS = 5,
	HELPER_PRANDOM = 7,
	HELPER_CPU = 8,
	HELPER_PID_TGID = 14,
	HELPER_UID_GID = 15,
	HELPER_COMM = 16,
	HELPER_CURRENT_TASK = 35,
	HELPER_NUMA_NODE = 42,
	HELPER_CGROUP_ID = 80,
	HELPER_JIFFIES = 118,
	HELPER_KTIME_BOOT_NS = 125,
	HELPER_KTIME_TAI_NS = 208,
	COMM_BYTES = 16,
};

static int call(struct lowering *l, int helper)
{
	return ir_call(l->ir, helper, NO_OPERAND, NO_OPERAND, NO_OPERAND, NO_OPERAND, NO_OPERAND);
}

static const struct type *is_uint32(struct checker *checker, struct expr *expr)
{
	return &type_uint32;
}

static const struct type *is_uint64(struct checker *checker, struct expr *expr)
{
	return &type_uint64;
}

/* pid(init), tid(curr_ns): both are of the first namespace here, said in the documentation. */
static const struct type *check_pid(struct checker *checker, struct expr *expr)
{
	if (expr->args && (expr->args->kind != EXPR_NAME || (strcmp(expr->args->name, "init") &&
							     strcmp(expr->args->name, "curr_ns"))))
		check_error(checker, expr->place, "%s() expects curr_ns or init", expr->name);
	return &type_uint32;
}

static struct value lower_pid(struct lowering *l, struct expr *expr)
{
	int both = call(l, HELPER_PID_TGID);

	return value_reg(&type_uint32, ir_alu(l->ir, ALU_SHR, op_reg(both), op_imm(32)));
}

static struct value lower_tid(struct lowering *l, struct expr *expr)
{
	int both = call(l, HELPER_PID_TGID);

	return value_reg(&type_uint32, ir_extend(l->ir, op_reg(both), 4, false));
}

static struct value lower_uid(struct lowering *l, struct expr *expr)
{
	int both = call(l, HELPER_UID_GID);

	return value_reg(&type_uint32, ir_extend(l->ir, op_reg(both), 4, false));
}

static struct value lower_gid(struct lowering *l, struct expr *expr)
{
	int both = call(l, HELPER_UID_GID);

	return value_reg(&type_uint32, ir_alu(l->ir, ALU_SHR, op_reg(both), op_imm(32)));
}

static const struct type *check_username(struct checker *checker, struct expr *expr)
{
	return &type_username;
}

static struct value lower_username(struct lowering *l, struct expr *expr)
{
	struct value value = lower_uid(l, expr);

	value.type = &type_username;
	return value;
}

const struct function function_pid = {.name = "pid",
				      .max_args = 1,
				      .flags = FUNCTION_BUILTIN | FUNCTION_NAME_ARG,
				      .check = check_pid,
				      .lower = lower_pid};
const struct function function_tid = {.name = "tid",
				      .max_args = 1,
				      .flags = FUNCTION_BUILTIN | FUNCTION_NAME_ARG,
				      .check = check_pid,
				      .lower = lower_tid};
const struct function function_uid = {
	.name = "uid", .flags = FUNCTION_BUILTIN, .check = is_uint32, .lower = lower_uid};
const struct function function_gid = {
	.name = "gid", .flags = FUNCTION_BUILTIN, .check = is_uint32, .lower = lower_gid};
const struct function function_username = {.name = "username",
					   .flags = FUNCTION_BUILTIN,
					   .check = check_username,
					   .lower = lower_username};

static const struct type *check_comm(struct checker *checker, struct expr *expr)
{
	if (expr->args) {
		check_error(checker, expr->place,
			    "Syntax comm(PID) is not supported in this probe type yet. Type: %s",
			    checker->probe->kind->is_special ? "special"
							     : checker->probe->kind->name);
		return &type_none;
	}
	return type_string(&checker->script->arena, COMM_BYTES);
}

static void comm_into(struct lowering *l, struct expr *expr, struct memory to,
		      const struct type *as)
{
	/* 6.0 to 6.2 leave what is behind the end as it was (f3f213497797) */
	lower_zero(l, to, as->size);
	ir_call(l->ir, HELPER_COMM, lower_address(l, to),
		op_imm(as->size < COMM_BYTES ? as->size : COMM_BYTES), NO_OPERAND, NO_OPERAND,
		NO_OPERAND);
}

const struct function function_comm = {.name = "comm",
				       .max_args = 1,
				       .flags = FUNCTION_BUILTIN,
				       .check = check_comm,
				       .lower_into = comm_into};

static struct value lower_cpu(struct lowering *l, struct expr *expr)
{
	return value_reg(expr->type, call(l, HELPER_CPU));
}

static struct value lower_rand(struct lowering *l, struct expr *expr)
{
	return value_reg(expr->type, ir_extend(l->ir, op_reg(call(l, HELPER_PRANDOM)), 4, false));
}

static struct value lower_numaid(struct lowering *l, struct expr *expr)
{
	return value_reg(expr->type, call(l, HELPER_NUMA_NODE));
}

static struct value lower_cgroup(struct lowering *l, struct expr *expr)
{
	return value_reg(expr->type, call(l, HELPER_CGROUP_ID));
}

static struct value lower_jiffies(struct lowering *l, struct expr *expr)
{
	return value_reg(expr->type, call(l, HELPER_JIFFIES));
}

static const struct type *check_ncpus(struct checker *checker, struct expr *expr)
{
	expr->number = (uint64_t)sysconf(_SC_NPROCESSORS_CONF);
	expr->is_constant = true;
	return &type_uint64;
}

const struct function function_cpu = {
	.name = "cpu", .flags = FUNCTION_BUILTIN, .check = is_uint64, .lower = lower_cpu};
const struct function function_rand = {
	.name = "rand", .flags = FUNCTION_BUILTIN, .check = is_uint64, .lower = lower_rand};
const struct function function_numaid = {
	.name = "numaid", .flags = FUNCTION_BUILTIN, .check = is_uint32, .lower = lower_numaid};
const struct function function_cgroup = {
	.name = "cgroup", .flags = FUNCTION_BUILTIN, .check = is_uint64, .lower = lower_cgroup};
const struct function function_jiffies = {
	.name = "jiffies", .flags = FUNCTION_BUILTIN, .check = is_uint64, .lower = lower_jiffies};
const struct function function_ncpus = {
	.name = "ncpus", .flags = FUNCTION_BUILTIN, .check = check_ncpus};

/* --- clocks --- */

static int clock_helper(const struct expr *expr)
{
	if (!expr->args || !strcmp(expr->args->name, "boot"))
		return HELPER_KTIME_BOOT_NS;
	return !strcmp(expr->args->name, "monotonic") ? HELPER_KTIME_NS : HELPER_KTIME_TAI_NS;
}

static const struct type *check_nsecs(struct checker *checker, struct expr *expr)
{
	static const char *const clocks[] = {"boot", "monotonic", "tai", "sw_tai"};

	if (!expr->args)
		return &type_uint64;
	for (size_t i = 0; expr->args->kind == EXPR_NAME && i < 4; i++)
		if (!strcmp(expr->args->name, clocks[i]))
			return &type_uint64;
	check_error(checker, expr->args->place, "Invalid timestamp mode: %s",
		    expr->args->kind == EXPR_NAME ? expr->args->name : "?");
	return &type_uint64;
}

static struct value lower_nsecs(struct lowering *l, struct expr *expr)
{
	struct timespec tai, boot;
	int now;

	if (expr->args && !strcmp(expr->args->name, "tai") && !l->compiled->target.has_tai)
		diag_error(&l->script->diag, expr->place,
			   "Kernel does not support tai timestamp (6.1), please try sw_tai");
	if (!expr->args || strcmp(expr->args->name, "sw_tai"))
		return value_reg(expr->type, call(l, clock_helper(expr)));
	/* for kernels before 6.1: how far apart the clocks were when this was compiled */
	clock_gettime(CLOCK_TAI, &tai);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	now = call(l, HELPER_KTIME_BOOT_NS);
	return value_reg(expr->type, ir_alu(l->ir, ALU_ADD, op_reg(now),
					    op_imm((tai.tv_sec - boot.tv_sec) * 1000000000LL +
						   tai.tv_nsec - boot.tv_nsec)));
}

static struct value lower_elapsed(struct lowering *l, struct expr *expr)
{
	struct timespec now;
	int nsecs = call(l, HELPER_KTIME_BOOT_NS);

	clock_gettime(CLOCK_BOOTTIME, &now);
	return value_reg(expr->type,
			 ir_alu(l->ir, ALU_SUB, op_reg(nsecs),
				op_imm((int64_t)now.tv_sec * 1000000000 + now.tv_nsec)));
}

const struct function function_nsecs = {.name = "nsecs",
					.max_args = 1,
					.flags = FUNCTION_BUILTIN | FUNCTION_NAME_ARG,
					.check = check_nsecs,
					.lower = lower_nsecs};
const struct function function_elapsed = {
	.name = "elapsed", .flags = FUNCTION_BUILTIN, .check = is_uint64, .lower = lower_elapsed};

/* --- the task --- */

static const struct type *check_curtask(struct checker *checker, struct expr *expr)
{
	struct btf *btf = script_btf(checker->script);
	const struct type *task = btf ? btf_record(btf, "task_struct", false) : NULL;

	return task ? type_pointer(&checker->script->arena, task, SPACE_KERNEL) : &type_uint64;
}

static struct value lower_curtask(struct lowering *l, struct expr *expr)
{
	return value_reg(expr->type, call(l, HELPER_CURRENT_TASK));
}

const struct function function_curtask = {.name = "curtask",
					  .flags = FUNCTION_BUILTIN,
					  .check = check_curtask,
					  .lower = lower_curtask};

/* task->relative->field, the task being the argument or the current one. */
struct relative {
	const struct field *relative, *field;
};

static const struct type *check_relative(struct checker *checker, struct expr *expr,
					 const char *relative, const char *name)
{
	struct btf *btf = script_btf(checker->script);
	const struct type *task = btf ? btf_record(btf, "task_struct", false) : NULL;
	struct relative *way = arena_new(&checker->script->arena, sizeof(*way));

	if (!task || !way) {
		check_error(checker, expr->place, "%s needs the kernel's BTF", expr->name);
		return &type_none;
	}
	way->relative = btf_field(btf, task, relative);
	way->field = btf_field(btf, task, name);
	if (!way->relative || !way->field) {
		check_error(checker, expr->place, "%s: task_struct has no %s or %s", expr->name,
			    relative, name);
		return &type_none;
	}
	expr->data = way;
	return way->field->type;
}

static struct value lower_relative(struct lowering *l, struct expr *expr)
{
	const struct relative *way = expr->data;
	struct operand task = expr->args ? lower_scalar(l, lower_expr(l, expr->args))
					 : op_reg(call(l, HELPER_CURRENT_TASK));

	task = lower_scalar(
		l, value_far(&type_uint64, task, (int32_t)way->relative->offset, SPACE_KERNEL));
	return value_far(expr->type, task, (int32_t)way->field->offset, SPACE_KERNEL);
}

static const struct type *check_ppid(struct checker *checker, struct expr *expr)
{
	const struct type *type = check_relative(checker, expr, "real_parent", "tgid");

	return type->kind == TYPE_NONE ? type : &type_uint32;
}

static const struct type *check_pcomm(struct checker *checker, struct expr *expr)
{
	return check_relative(checker, expr, "group_leader", "comm");
}

const struct function function_ppid = {.name = "ppid",
				       .max_args = 1,
				       .flags = FUNCTION_BUILTIN,
				       .check = check_ppid,
				       .lower = lower_relative};
const struct function function_pcomm = {.name = "pcomm",
					.max_args = 1,
					.flags = FUNCTION_BUILTIN,
					.check = check_pcomm,
					.lower = lower_relative};

static const struct type *check_leader_tid(struct checker *checker, struct expr *expr)
{
	const struct type *type = check_relative(checker, expr, "group_leader", "pid");

	return type->kind == TYPE_NONE ? type : &type_uint32;
}

const struct function function_leader_tid = {.name = "leader_tid",
					     .max_args = 1,
					     .flags = FUNCTION_BUILTIN,
					     .check = check_leader_tid,
					     .lower = lower_relative};
const struct function function_leader_comm = {.name = "leader_comm",
					      .max_args = 1,
					      .flags = FUNCTION_BUILTIN,
					      .check = check_pcomm,
					      .lower = lower_relative};

static const struct type *check_cpid(struct checker *checker, struct expr *expr)
{
	const struct script_options *options = checker->script->options;

	expr->number = (uint64_t)options->pid;
	expr->is_constant = true;
	if (!options->pid)
		diag_warn(&checker->script->diag, expr->place,
			  "cpid is 0: there is no child process (-c)");
	return &type_uint32;
}

static const struct type *check_has_cpid(struct checker *checker, struct expr *expr)
{
	expr->number = checker->script->options->pid != 0;
	expr->is_constant = true;
	return &type_bool;
}

const struct function function_cpid = {
	.name = "cpid", .flags = FUNCTION_BUILTIN, .check = check_cpid};
const struct function function_has_cpid = {
	.name = "has_cpid", .flags = FUNCTION_BUILTIN, .check = check_has_cpid};
