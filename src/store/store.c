// SPDX-License-Identifier: GPL-2.0-only
/* store - opening and closing the embedded history, its tables, its status. */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/inside.h"

void store_defaults(struct store_options *options)
{
	*options = (struct store_options){
		.bytes_max = (uint64_t)2 << 30,
		.room_min = 256 << 20,
		.sync_ms = 1000,
		.block_rows = BLOCK_ROWS_MAX,
		.segment_rows = 128 * 1024,
		.segment_bytes = 4 << 20,
		.segment_age_s = 600,
		.journal_file_bytes = 8 << 20,
		.journal_bytes_max = 64 << 20,
		.memory_max = 16 << 20,
		.clock_hold_s = 3600,
		.series_max = 100000,
		.head_samples = 512 * 1024,
		.head_age_s = 300,
		.tier = {{.keep_s = 3600, .weight = 2},
			 {.keep_s = 14 * 86400, .weight = 2, .span_s = 1800},
			 {.keep_s = 365 * 86400, .weight = 2, .span_s = 12 * 3600}},
	};
}

void store_trouble(struct store *store, const char *format, ...)
{
	va_list args;

	if (store->status.trouble[0])
		return;
	va_start(args, format);
	vsnprintf(store->status.trouble, sizeof(store->status.trouble), format, args);
	va_end(args);
}

struct live *store_live(struct store *store, const char *name)
{
	for (uint32_t i = 0; i < store->lives; i++)
		if (!strcmp(store->live[i]->table.name, name))
			return store->live[i];
	return NULL;
}

struct live *store_new_live(struct store *store, const char *name)
{
	struct live *live = store->lives < TABLES_MAX ? calloc(1, sizeof(*live)) : NULL;

	if (!live)
		return NULL;
	snprintf(live->table.name, sizeof(live->table.name), "%s", name);
	snprintf(live->shelf.name, sizeof(live->shelf.name), "%s", name);
	live->shelf.weight = 1;
	store->live[store->lives++] = live;
	return live;
}

/* Columns of another type are passed over; the others are added nevertheless. */
static int add_columns(struct live *live, const struct store_table *table, struct err *why)
{
	int error = 0;

	for (uint32_t i = 0; i < table->count; i++) {
		const struct store_column *column = &table->column[i];
		int at = store_table_column(&live->table, column->name);

		if (at >= 0 && live->table.column[at].type != column->type)
			error = err_set(why, -EINVAL,
					"column '%s' of table '%s' is of type %s, not %s",
					column->name, table->name,
					store_type_name(live->table.column[at].type),
					store_type_name(column->type));
		else if (at >= 0)
			live->table.column[at].find |= column->find;
		else if (live->table.count == TABLE_COLUMNS_MAX)
			error = err_set(why, -ENOSPC,
					"table '%s' has %d columns already, no room for '%s'",
					table->name, TABLE_COLUMNS_MAX, column->name);
		else
			live->table.column[live->table.count++] = *column;
	}
	return error;
}

static void live_free(struct live *live)
{
	while (live->sealed) {
		struct chunk *chunk = live->sealed;

		live->sealed = chunk->next;
		chunk_free(chunk);
	}
	chunk_free(live->open);
	shelf_done(&live->shelf);
	free(live);
}

static void store_free(struct store *store)
{
	for (uint32_t i = 0; i < store->lives; i++)
		live_free(store->live[i]);
	for (uint32_t i = 0; i < store->doomed_count; i++)
		free(store->doomed[i]);
	free(store->doomed);
	metrics_done(store);
	catalogue_close(store->catalogue);
	journal_close(&store->journal);
	codec_done(&store->codec);
	codec_done(&store->work_codec);
	buf_done(&store->frame);
	if (store->dir >= 0)
		close(store->dir);
	if (store->lock >= 0)
		close(store->lock);
	pthread_mutex_destroy(&store->work);
	pthread_mutex_destroy(&store->state);
	free(store->path);
	free(store);
}

static int check_options(const struct store_options *options, struct err *why)
{
	if (!options->path || !options->path[0] || strlen(options->path) > 4000)
		return err_set(why, -EINVAL, "no path for the store");
	if (options->block_rows < 1 || options->block_rows > BLOCK_ROWS_MAX ||
	    !options->segment_rows || !options->segment_bytes || !options->sync_ms ||
	    !options->journal_file_bytes)
		return err_set(why, -EINVAL,
			       "the store's limits make no sense: begin with store_defaults");
	return 0;
}

/* One process at a time: the lock goes with the process, however it ends. */
static int take_lock(struct store *store, struct err *why)
{
	store->lock = store->disk->open(store->disk->ctx, store->dir, "lock", O_RDWR | O_CREAT);
	if (store->lock < 0)
		return store->lock;
	if (!flock(store->lock, LOCK_EX | LOCK_NB))
		return 0;
	if (errno == EWOULDBLOCK)
		return err_set(why, -EBUSY, "another process uses the store in '%s'", store->path);
	return -errno;
}

/* Finds out how far the directory can be used. Only -EBUSY is an error. */
static int open_directory(struct store *store, struct err *why)
{
	int error = 0;

	if (mkdir(store->path, 0750) && errno != EEXIST)
		error = -errno;
	store->dir = open(store->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (store->dir < 0) {
		store->status.mode = STORE_MEMORY;
		store_trouble(store, "cannot open '%s': %s; history is kept in memory only",
			      store->path, err_name(error ? error : -errno));
		return 0;
	}
	error = take_lock(store, why);
	if (error == -EBUSY)
		return error;
	if (error) {
		store->status.mode = STORE_READS;
		store_trouble(store, "cannot write in '%s': %s; what is new is kept in memory only",
			      store->path, err_name(error));
	}
	return 0;
}

static int open_catalogue(struct store *store, struct err *why)
{
	bool memory = store->status.mode != STORE_WRITES;
	char path[4096];
	int error;

	snprintf(path, sizeof(path), "%s/catalogue.db", store->path);
	error = catalogue_open(path, store->options.sqlite_vfs, memory, &store->catalogue,
			       &store->status.catalogue_renewed, why);
	if (!error || error == -ENOMEM)
		return error;
	/* a full disk, or of a newer version: history goes on without one */
	store->status.catalogue_failures++;
	store_trouble(store, "%s", why ? why->text : "cannot open the catalogue");
	return catalogue_open(path, NULL, true, &store->catalogue, &store->status.catalogue_renewed,
			      why);
}

static int open_parts(struct store *store, struct err *why)
{
	struct err reason = {};
	int error = open_directory(store, why);

	if (!error && (codec_init(&store->codec) || codec_init(&store->work_codec)))
		return err_set(why, -ENOMEM, "no memory for the store");
	if (!error) {
		error = open_catalogue(store, &reason);
		if (error)
			err_set(why, error, "%s", reason.text);
	}
	store->journal.disk = store->disk;
	store->journal.dir = store->dir;
	return error ? error : recover(store, why);
}

int store_open(const struct store_options *options, struct store **ret_store, struct err *why)
{
	struct store *store;
	int error = check_options(options, why);

	if (error)
		return error;
	store = calloc(1, sizeof(*store));
	if (!store)
		return err_set(why, -ENOMEM, "no memory for the store");
	store->options = *options;
	store->disk = options->disk ? options->disk : &disk_of_kernel;
	store->dir = store->lock = -1;
	store->path = strdup(options->path);
	store->next_number = 1;
	pthread_mutex_init(&store->work, NULL);
	pthread_mutex_init(&store->state, NULL);
	buf_init(&store->frame, JOURNAL_FRAME_MAX);
	metrics_init(store);
	store->last_wall_ns = wall_now(store);
	store->last_mono_ns = store->synced_ns = mono_now(store);
	error = store->path ? open_parts(store, why)
			    : err_set(why, -ENOMEM, "no memory for the store");
	if (error) {
		store_free(store);
		return error;
	}
	*ret_store = store;
	return 0;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	if (store->status.mode == STORE_WRITES)
		store_sync(store, NULL);
	store_free(store);
}

static int check_definition(const struct store_table_definition *definition,
			    struct store_table *table, struct err *why)
{
	memset(table, 0, sizeof(*table));
	if (!definition->name || strlen(definition->name) >= STORE_NAME_BYTES ||
	    definition->count > TABLE_COLUMNS_MAX)
		return err_set(why, -EINVAL,
			       "the table's name is too long or it has above %d columns",
			       TABLE_COLUMNS_MAX);
	snprintf(table->name, sizeof(table->name), "%s", definition->name);
	table->count = (uint32_t)definition->count;
	memcpy(table->column, definition->columns, definition->count * sizeof(*table->column));
	return store_table_check(table, why);
}

/* Is any column of another type than in former runs? */
static bool has_other_types(const struct live *live, const struct store_table *table)
{
	for (uint32_t i = 0; i < table->count; i++) {
		int at = store_table_column(&live->table, table->column[i].name);

		if (at >= 0 && live->table.column[at].type != table->column[i].type)
			return true;
	}
	return false;
}

int live_learn(struct store *store, struct live *live, const struct store_table *table,
	       bool may_change, struct err *why)
{
	int error;

	if (live->defined || !may_change || !has_other_types(live, table))
		return add_columns(live, table, why);
	error = live_seal(store, live);
	if (error)
		return err_set(why, error, "no memory for table '%s'", table->name);
	for (uint32_t i = 0; i < table->count; i++) {
		int at = store_table_column(&live->table, table->column[i].name);

		if (at >= 0)
			live->table.column[at].type = table->column[i].type;
	}
	live->told_columns = 0; /* the journal must hear of it */
	return add_columns(live, table, why);
}

static int define(struct store *store, const struct store_table_definition *definition,
		  const struct store_table *table, struct live **ret_live, struct err *why)
{
	struct live *live = store_live(store, table->name);
	int error;

	if (store_tier(store, table->name))
		return err_set(why, -EINVAL, "'%s' is the name of a tier of samples", table->name);
	if (!live)
		live = store_new_live(store, table->name);
	if (!live)
		return err_set(why, -ENOSPC, "no room for table '%s': there are %u of %d",
			       table->name, store->lives, TABLES_MAX);
	error = live_learn(store, live, table, true, why);
	if (error)
		return error;
	live->defined = true;
	live->shelf.keep_ns = (int64_t)definition->keep_s * 1000000000;
	live->shelf.weight = definition->weight ? definition->weight : 1;
	*ret_live = live;
	return 0;
}

int store_table_define(struct store *store, const struct store_table_definition *definition,
		       const struct store_table **ret_table, struct err *why)
{
	struct live *live = NULL;
	struct store_table table;
	int error = check_definition(definition, &table, why);

	if (error)
		return error;
	pthread_mutex_lock(&store->work);
	lock_state(store);
	error = define(store, definition, &table, &live, why);
	unlock_state(store);
	pthread_mutex_unlock(&store->work);
	if (!error)
		*ret_table = &live->table;
	return error;
}

int store_table_now(struct store *store, const char *name, struct store_table *ret_table)
{
	const struct live *live;

	lock_state(store);
	live = store_live(store, name);
	if (live)
		*ret_table = live->table;
	unlock_state(store);
	return live ? 0 : -ENOENT;
}

uint64_t store_bytes(const struct store *store)
{
	uint64_t bytes = journal_bytes(&store->journal);

	for (uint32_t i = 0; i < store_shelves(store); i++)
		bytes += store_shelf((struct store *)store, i)->bytes;
	return bytes;
}

static uint64_t rows_of_chunks(const struct live *live, uint64_t *memory)
{
	uint64_t rows = 0;

	for (const struct chunk *chunk = live->sealed; chunk; chunk = chunk->next) {
		rows += chunk->rows;
		*memory += chunk_memory(chunk);
	}
	if (live->open) {
		rows += live->open->rows;
		*memory += chunk_memory(live->open);
	}
	return rows;
}

static void add_metrics_status(const struct store *store, struct store_status *status)
{
	const struct metrics *metrics = &store->metrics;

	status->samples_in_memory = metrics->open ? metrics->open->samples : 0;
	status->memory += metrics->open ? metrics->open->bytes : 0;
	for (const struct head *head = metrics->sealed; head; head = head->next) {
		status->samples_in_memory += head->samples;
		status->memory += head->bytes;
	}
	status->memory += registry_memory(&metrics->registry) +
			  metrics->scratch_room * sizeof(*metrics->scratch);
	status->series = metrics->registry.count;
	status->series_refused = metrics->registry.refused;
	for (int i = 0; i < STORE_TIERS; i++) {
		status->segments += metrics->tier[i].shelf.count;
		status->memory += metrics->tier[i].shelf.count * sizeof(struct segment);
	}
}

void store_status(struct store *store, struct store_status *ret_status)
{
	lock_state(store);
	*ret_status = store->status;
	ret_status->rows_in_memory = ret_status->rows_in_segments = ret_status->segments = 0;
	ret_status->memory = sizeof(*store) + store->frame.room;
	for (uint32_t i = 0; i < store->lives; i++) {
		const struct live *live = store->live[i];

		ret_status->rows_in_memory += rows_of_chunks(live, &ret_status->memory);
		ret_status->rows_in_segments += live->shelf.rows;
		ret_status->segments += live->shelf.count;
		ret_status->memory += sizeof(*live) + live->shelf.count * sizeof(struct segment);
	}
	add_metrics_status(store, ret_status);
	ret_status->blocks_bad = atomic_load(&store->blocks_bad);
	ret_status->journal_files = store->journal.count;
	ret_status->journal_bytes = journal_bytes(&store->journal);
	ret_status->bytes = store_bytes(store) + store->bad_bytes;
	unlock_state(store);
}

static void widen(struct store_table_status *status, int64_t from_ns, int64_t to_ns)
{
	if (!status->rows || from_ns < status->from_ns)
		status->from_ns = from_ns;
	if (!status->rows || to_ns > status->to_ns)
		status->to_ns = to_ns;
}

static void shelf_status(const struct shelf *shelf, struct store_table_status *status)
{
	*status = (struct store_table_status){.bytes = shelf->bytes, .segments = shelf->count};
	snprintf(status->name, sizeof(status->name), "%s", shelf->name);
	for (uint32_t i = 0; i < shelf->count; i++) {
		const struct listed *listed = &shelf->at[i]->listed;

		widen(status, listed->time_min, listed->time_max);
		status->rows += listed->rows;
	}
}

static void add_chunk(struct store_table_status *status, const struct chunk *chunk)
{
	if (!chunk || !chunk->rows)
		return;
	widen(status, chunk->time_min, chunk->time_max);
	status->rows += chunk->rows;
}

static void add_head(struct store_table_status *status, const struct head *head)
{
	if (!head || !head->scrapes)
		return;
	widen(status, head->time_min_ms * 1000000, head->time_max_ms * 1000000);
	status->rows += head->samples;
}

static void add_memory(const struct store *store, uint32_t at, struct store_table_status *status)
{
	if (at < store->lives) {
		for (const struct chunk *chunk = store->live[at]->sealed; chunk;
		     chunk = chunk->next)
			add_chunk(status, chunk);
		add_chunk(status, store->live[at]->open);
	} else if (at == store->lives) { /* the tier of raw samples */
		for (const struct head *head = store->metrics.sealed; head; head = head->next)
			add_head(status, head);
		add_head(status, store->metrics.open);
	}
}

size_t store_tables(struct store *store, struct store_table_status *ret_tables, size_t max)
{
	size_t count;

	lock_state(store);
	count = store_shelves(store);
	for (uint32_t i = 0; i < count && i < max; i++) {
		shelf_status(store_shelf(store, i), &ret_tables[i]);
		add_memory(store, i, &ret_tables[i]);
	}
	unlock_state(store);
	return count;
}

int store_put_note(struct store *store, const char *kind, struct span key, struct span value)
{
	int error;

	pthread_mutex_lock(&store->work);
	error = catalogue_put_note(store->catalogue, kind, key, value, wall_now(store));
	pthread_mutex_unlock(&store->work);
	return error;
}

int store_drop_note(struct store *store, const char *kind, struct span key)
{
	int error;

	pthread_mutex_lock(&store->work);
	error = catalogue_drop_note(store->catalogue, kind, key);
	pthread_mutex_unlock(&store->work);
	return error;
}

int store_note(struct store *store, const char *kind, struct span key, struct buf *ret_value)
{
	int error;

	pthread_mutex_lock(&store->work);
	error = catalogue_note(store->catalogue, kind, key, ret_value);
	pthread_mutex_unlock(&store->work);
	return error;
}

int store_notes(struct store *store, const char *kind,
		int (*each)(void *ctx, struct span key, struct span value, int64_t changed_ns),
		void *ctx)
{
	int error;

	pthread_mutex_lock(&store->work);
	error = catalogue_notes(store->catalogue, kind, each, ctx);
	pthread_mutex_unlock(&store->work);
	return error;
}
