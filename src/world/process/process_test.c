// SPDX-License-Identifier: GPL-2.0-only
/* The table of processes: a pid used again never mixes, the dead stay for their time and go first. */
#include "world/process/process.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

static const uint64_t minute_ns = 60ull * 1000000000;

static struct process_facts facts_of(uint32_t pid, uint64_t start_ns, const char *comm)
{
	struct process_facts facts = {.pid = pid, .ppid = 1, .start_ns = start_ns, .cgroup = 7};

	snprintf(facts.comm, sizeof(facts.comm), "%s", comm);
	return facts;
}

static void fork_at(struct processes *processes, uint32_t pid, uint64_t start_ns, uint32_t parent,
		    uint64_t parent_start_ns)
{
	struct process_forked event = {
		.head.ktime_ns = start_ns,
		.child = facts_of(pid, start_ns, "child"),
		.parent_pid = parent,
		.parent_start_ns = parent_start_ns,
	};

	processes_forked(processes, &event);
}

static void exit_at(struct processes *processes, uint32_t pid, uint64_t start_ns, uint64_t exit_ns)
{
	struct process_changed event = {
		.head.ktime_ns = exit_ns, .pid = pid, .start_ns = start_ns, .exit_code = 256};

	processes_exited(processes, &event);
}

static void exec_at(struct processes *processes, uint32_t pid, uint64_t start_ns, uint64_t now_ns,
		    const char *names, size_t names_bytes, const char *args, size_t args_bytes)
{
	static struct process_executed event;

	event = (struct process_executed){
		.head.ktime_ns = now_ns,
		.process = facts_of(pid, start_ns, "program"),
		.path_bytes = (uint16_t)names_bytes,
		.args_bytes = (uint16_t)args_bytes,
	};
	memcpy(event.path, names, names_bytes);
	memcpy(event.args, args, args_bytes);
	processes_executed(processes, &event);
}

static void a_fork_runs_what_its_parent_runs(void **state)
{
	struct processes processes;
	struct process *child;

	processes_init(&processes, 100, 10000, minute_ns);
	fork_at(&processes, 10, 1000, 1, 1);
	assert_int_equal(processes_at(&processes, 10, 0)->program ? 1 : 0, 0);
	exec_at(&processes, 10, 1000, 1500, "dash\0bin\0usr\0", 13, "sh\0-c\0true\0", 11);
	fork_at(&processes, 11, 2000, 10, 1000);
	child = processes_at(&processes, 11, 0);
	assert_true(span_is(process_path(child), "/usr/bin/dash"));
	assert_int_equal(process_args(child).len, 11);
	assert_int_equal(child->program->refs, 2);
	/* the parent's death and a second exec leave the child its own */
	exit_at(&processes, 10, 1000, 3000);
	processes_expire(&processes, 3000 + minute_ns);
	assert_null(processes_at(&processes, 10, 0));
	assert_int_equal(child->program->refs, 1);
	exec_at(&processes, 11, 2000, 4000, "true\0", 5, "true\0", 5);
	assert_true(span_is(process_path(child), "/true"));
	assert_int_equal(child->program->refs, 1);
	processes_done(&processes);
	assert_int_equal(processes.program_bytes, 0);
}

static void each_holder_of_a_pid_is_found_at_its_time(void **state)
{
	struct processes processes;

	processes_init(&processes, 100, 10000, minute_ns);
	fork_at(&processes, 10, 1000, 1, 1);
	exit_at(&processes, 10, 1000, 2000);
	fork_at(&processes, 10, 3000, 1, 1);
	exit_at(&processes, 10, 3000, 4000);
	fork_at(&processes, 10, 5000, 1, 1);
	assert_null(processes_at(&processes, 10, 999));
	assert_int_equal(processes_at(&processes, 10, 1000)->start_ns, 1000);
	/* after its exit, before the next: what it caused while dying */
	assert_int_equal(processes_at(&processes, 10, 2500)->start_ns, 1000);
	assert_int_equal(processes_at(&processes, 10, 3500)->start_ns, 3000);
	assert_int_equal(processes_at(&processes, 10, 9000)->start_ns, 5000);
	assert_int_equal(processes_at(&processes, 10, 0)->start_ns, 5000);
	assert_null(processes_at(&processes, 11, 0));
	/* news of an old holder that come late change nothing of the new one */
	exit_at(&processes, 10, 3000, 6000);
	assert_int_equal(processes_at(&processes, 10, 0)->exit_ns, 0);
	assert_int_equal(processes_find(&processes, 10, 3000)->exit_ns, 4000);
	processes_done(&processes);
}

static void the_dead_stay_a_minute(void **state)
{
	struct processes processes;

	processes_init(&processes, 100, 10000, minute_ns);
	fork_at(&processes, 10, 1000, 1, 1);
	exit_at(&processes, 10, 1000, 2000);
	assert_int_equal(processes.dead_len, 1);
	processes_expire(&processes, 2000 + minute_ns - 1);
	assert_non_null(processes_at(&processes, 10, 0));
	processes_expire(&processes, 2000 + minute_ns);
	assert_null(processes_at(&processes, 10, 0));
	assert_int_equal(processes.len, 0);
	assert_int_equal(processes.evicted, 0);
	processes_done(&processes);
}

static void a_full_table_forgets_the_dead_first_and_then_refuses(void **state)
{
	struct processes processes;

	processes_init(&processes, 3, 10000, minute_ns);
	for (uint32_t pid = 1; pid <= 3; pid++)
		fork_at(&processes, pid, pid, 0, 0);
	exit_at(&processes, 2, 2, 10);
	fork_at(&processes, 4, 4, 0, 0);
	assert_int_equal(processes.evicted, 1);
	assert_null(processes_at(&processes, 2, 0));
	assert_non_null(processes_at(&processes, 1, 0));
	fork_at(&processes, 5, 5, 0, 0);
	assert_int_equal(processes.refused, 1);
	assert_null(processes_at(&processes, 5, 0));
	assert_int_equal(processes.len, 3);
	processes_done(&processes);
}

static void a_sweep_finds_what_events_missed(void **state)
{
	struct process_facts row = facts_of(20, 500, "swept");
	struct processes processes;

	processes_init(&processes, 100, 10000, minute_ns);
	fork_at(&processes, 10, 1000, 1, 1);
	fork_at(&processes, 11, 1001, 1, 1);
	processes_sweep(&processes, 5000);
	processes_seen(&processes, &row);
	row = facts_of(10, 1000, "renamed");
	row.uid = 33;
	processes_seen(&processes, &row);
	fork_at(&processes, 12, 5001, 1, 1); /* while the sweep was under way */
	processes_swept(&processes, 6000);
	assert_string_equal(processes_at(&processes, 20, 0)->comm, "swept");
	assert_string_equal(processes_at(&processes, 10, 0)->comm, "renamed");
	assert_int_equal(processes_at(&processes, 10, 0)->uid, 33);
	assert_int_equal(processes_at(&processes, 11, 0)->exit_ns, 6000);
	assert_int_equal(processes_at(&processes, 12, 0)->exit_ns, 0);
	/* another holder of the pid is seen: the one before must have died */
	processes_sweep(&processes, 7000);
	row = facts_of(10, 6500, "next");
	processes_seen(&processes, &row);
	assert_int_equal(processes_find(&processes, 10, 1000)->exit_ns, 6500);
	processes_done(&processes);
}

static void old_news_do_not_undo_new_ones(void **state)
{
	struct process_facts row = facts_of(10, 1000, "new");
	struct process_changed rename = {
		.head.ktime_ns = 2000, .pid = 10, .start_ns = 1000, .comm = "old"};
	struct processes processes;

	processes_init(&processes, 100, 10000, minute_ns);
	processes_sweep(&processes, 3000);
	processes_seen(&processes, &row);
	processes_swept(&processes, 3001);
	processes_renamed(&processes, &rename);
	assert_string_equal(processes_at(&processes, 10, 0)->comm, "new");
	rename.head.ktime_ns = 4000;
	memset(rename.comm, 'x', sizeof(rename.comm)); /* without an end */
	processes_renamed(&processes, &rename);
	assert_string_equal(processes_at(&processes, 10, 0)->comm, "xxxxxxxxxxxxxxx");
	processes_done(&processes);
}

static void programs_keep_their_cap(void **state)
{
	struct processes processes;

	processes_init(&processes, 100, 100, minute_ns);
	fork_at(&processes, 10, 1, 1, 1);
	fork_at(&processes, 11, 1, 1, 1);
	exec_at(&processes, 10, 1, 2, "a\0", 2, "0123456789012345678901234567890123456789012", 42);
	exec_at(&processes, 11, 1, 2, "b\0", 2, "0123456789012345678901234567890123456789012", 42);
	assert_non_null(processes_at(&processes, 10, 0)->program);
	assert_null(processes_at(&processes, 11, 0)->program);
	assert_int_equal(processes.programs_refused, 1);
	assert_true(processes.program_bytes <= 100);
	processes_done(&processes);
}

static void paths_are_put_together_from_their_names(void **state)
{
	char path[32];

	assert_int_equal(path_from_names((struct span){(uint8_t *)"a\0b\0", 4}, path, 32), 4);
	assert_memory_equal(path, "/b/a", 4);
	assert_int_equal(path_from_names((struct span){(uint8_t *)"a\0b", 3}, path, 32), 0);
	assert_int_equal(path_from_names((struct span){(uint8_t *)"a\0\0", 3}, path, 32), 0);
	assert_int_equal(path_from_names((struct span){(uint8_t *)"abc\0", 4}, path, 3), 0);
	assert_int_equal(path_from_names((struct span){}, path, 32), 0);
}

/* Random lives against the simplest model: an array of all lives there ever were. */
enum { LIVES = 4000, PIDS = 50 };

static struct life {
	uint32_t pid;
	uint64_t start_ns, exit_ns;
} life[LIVES];

static const struct life *model_at(size_t lives, uint32_t pid, uint64_t ktime_ns)
{
	while (lives-- > 0)
		if (life[lives].pid == pid && life[lives].start_ns <= ktime_ns)
			return &life[lives];
	return NULL;
}

static void check_against_model(struct processes *processes, size_t lives, uint64_t now_ns)
{
	for (int i = 0; i < 20; i++) {
		uint32_t pid = (uint32_t)random() % PIDS;
		uint64_t ktime_ns = now_ns - (uint64_t)random() % 300;
		const struct life *want = model_at(lives, pid, ktime_ns);
		const struct process *got = processes_at(processes, pid, ktime_ns);

		if (want && want->exit_ns && now_ns - want->exit_ns >= processes->keep_ns)
			want = NULL;
		assert_int_equal(got ? got->start_ns : 0, want ? want->start_ns : 0);
		assert_int_equal(got ? got->exit_ns : 0, want ? want->exit_ns : 0);
	}
}

static void random_lives_agree_with_a_model(void **state)
{
	unsigned seed =
		getenv("SEED") ? (unsigned)strtoul(getenv("SEED"), NULL, 10) : (unsigned)time(NULL);
	size_t holder[PIDS] = {}, lives = 0;
	struct processes processes;
	uint64_t now_ns = 1000;

	print_message("seed %u\n", seed);
	srandom(seed);
	processes_init(&processes, 500, 10000, 100);
	while (lives < LIVES) {
		uint32_t pid = (uint32_t)random() % PIDS;
		size_t held = holder[pid];

		now_ns += 1 + (uint64_t)random() % 3;
		if (held && !life[held - 1].exit_ns) {
			life[held - 1].exit_ns = now_ns;
			exit_at(&processes, pid, life[held - 1].start_ns, now_ns);
		} else {
			life[lives] = (struct life){.pid = pid, .start_ns = now_ns};
			fork_at(&processes, pid, now_ns, 0, 0);
			holder[pid] = ++lives;
		}
		processes_expire(&processes, now_ns);
		check_against_model(&processes, lives, now_ns);
	}
	assert_int_equal(processes.refused, 0);
	assert_int_equal(processes.evicted, 0);
	processes_done(&processes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fork_runs_what_its_parent_runs),
		cmocka_unit_test(each_holder_of_a_pid_is_found_at_its_time),
		cmocka_unit_test(the_dead_stay_a_minute),
		cmocka_unit_test(a_full_table_forgets_the_dead_first_and_then_refuses),
		cmocka_unit_test(a_sweep_finds_what_events_missed),
		cmocka_unit_test(old_news_do_not_undo_new_ones),
		cmocka_unit_test(programs_keep_their_cap),
		cmocka_unit_test(paths_are_put_together_from_their_names),
		cmocka_unit_test(random_lives_agree_with_a_model),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
