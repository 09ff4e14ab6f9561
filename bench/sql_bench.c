// SPDX-License-Identifier: GPL-2.0-only
/*
 * sql_bench - how many statements a second one core brings into shape.
 *
 * Statements as pgbench, sysbench, an ORM and a bulk loader send them (30 to 1,000 bytes). Baseline of
 * the same run: memcpy of the same bytes. Rounds alternate; the medians are printed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "protocol/sql.h"

enum { ROUNDS = 9, REPEATS = 20000 };

static const struct {
	enum sql_dialect dialect;
	const char *text;
} statements[] = {
	{SQL_POSTGRES, "SELECT abalance FROM pgbench_accounts WHERE aid = 73251;"},
	{SQL_POSTGRES, "UPDATE pgbench_accounts SET abalance = abalance + -2713 WHERE aid = 4511;"},
	{SQL_POSTGRES,
	 "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 2, 31111, "
	 "-2713, CURRENT_TIMESTAMP);"},
	{SQL_POSTGRES, "BEGIN"},
	{SQL_POSTGRES,
	 "SELECT \"shop_order\".\"id\", \"shop_order\".\"created\", "
	 "\"shop_order\".\"customer_id\", "
	 "\"shop_order\".\"status\", \"shop_order\".\"total\", \"shop_customer\".\"id\", "
	 "\"shop_customer\".\"name\", \"shop_customer\".\"email\" FROM \"shop_order\" INNER JOIN "
	 "\"shop_customer\" ON (\"shop_order\".\"customer_id\" = \"shop_customer\".\"id\") WHERE "
	 "(\"shop_order\".\"status\" IN ('new', 'paid', 'sent') AND \"shop_customer\".\"email\" = "
	 "'alice@example.org' AND \"shop_order\".\"created\" >= '2024-01-01 "
	 "00:00:00+00:00'::timestamptz)"
	 " ORDER BY \"shop_order\".\"created\" DESC LIMIT 21"},
	{SQL_MYSQL, "SELECT c FROM sbtest1 WHERE id=50123"},
	{SQL_MYSQL, "SELECT DISTINCT c FROM sbtest1 WHERE id BETWEEN 50123 AND 50222 ORDER BY c"},
	{SQL_MYSQL,
	 "UPDATE sbtest1 SET c='83868641912-28773972837-60736120486-75162659906-27563526494' "
	 "WHERE id=49812"},
	{SQL_MYSQL, "select `p`.`id`, `p`.`title`, `p`.`slug` from `posts` as `p` left join "
		    "`authors` as `a` on "
		    "`a`.`id` = `p`.`author_id` where `p`.`published` = 1 and `a`.`name` like 'B%' "
		    "and `p`.`id` "
		    "not in (5, 9, 12, 77, 1024, 99812, 2, 3, 4) order by `p`.`created_at` desc "
		    "limit 10 offset 30 "
		    "/* controller:posts,action:index */"},
	{SQL_MYSQL,
	 "INSERT INTO events (host, kind, body, at) VALUES ('web-1', 17, 'GET /index.html', "
	 "NOW()), "
	 "('web-2', 17, 'GET /basket', NOW()), ('web-3', 4, 'it''s gone', NOW()), ('web-1', 17, "
	 "'GET /index.html', NOW()), ('web-2', 17, 'GET /basket', NOW()), ('web-3', 4, 'gone', "
	 "NOW()), "
	 "('web-1', 17, 'GET /index.html', NOW()), ('web-2', 17, 'GET /basket', NOW()), ('web-3', "
	 "4, "
	 "'gone', NOW()), ('web-1', 17, 'GET /index.html', NOW()), ('web-2', 17, 'GET /basket', "
	 "NOW())"},
};

enum { STATEMENTS = sizeof(statements) / sizeof(*statements) };

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t shape_all(void)
{
	static struct sql_shape shape;
	uint64_t sum = 0, begin = now_ns();

	for (int i = 0; i < REPEATS; i++)
		for (size_t s = 0; s < STATEMENTS; s++) {
			sql_shape(span_of(statements[s].text),
				  (struct sql_how){.dialect = statements[s].dialect}, &shape);
			sum += shape.hash;
		}
	if (!sum)
		abort();
	return now_ns() - begin;
}

static uint64_t copy_all(void)
{
	static char copy[2048];
	uint64_t begin = now_ns();

	for (int i = 0; i < REPEATS; i++)
		for (size_t s = 0; s < STATEMENTS; s++) {
			memcpy(copy, statements[s].text, strlen(statements[s].text));
			__asm__ volatile("" : : "r"(copy) : "memory");
		}
	return now_ns() - begin;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

int main(void)
{
	uint64_t shaped[ROUNDS], copied[ROUNDS];
	double each = (double)REPEATS * STATEMENTS, bytes = 0, shape_ns, copy_ns;

	for (size_t s = 0; s < STATEMENTS; s++)
		bytes += (double)strlen(statements[s].text) / STATEMENTS;
	for (int round = 0; round < ROUNDS; round++) {
		copied[round] = copy_all();
		shaped[round] = shape_all();
	}
	qsort(shaped, ROUNDS, sizeof(*shaped), compare);
	qsort(copied, ROUNDS, sizeof(*copied), compare);
	shape_ns = (double)shaped[ROUNDS / 2] / each;
	copy_ns = (double)copied[ROUNDS / 2] / each;
	printf("sql_shape: %.0f ns a statement of %.0f bytes (%.2f M/s, %.0f MB/s); memcpy: %.1f "
	       "ns; "
	       "ratio %.0f; rounds %d, spread %.0f..%.0f ns\n",
	       shape_ns, bytes, 1e3 / shape_ns, bytes * 1e3 / shape_ns, copy_ns, shape_ns / copy_ns,
	       ROUNDS, (double)shaped[0] / each, (double)shaped[ROUNDS - 1] / each);
	return 0;
}
