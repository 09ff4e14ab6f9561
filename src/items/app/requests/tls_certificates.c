// SPDX-License-Identifier: GPL-2.0-only
/*
 * tls_certificates - certificates of handshakes.
 *
 * The kernel half hands over each message with certificates once a minute and process (tls_inner.bpf.h): what a program shows its peer,
 * and what it is shown. The first certificate of a message is whose it is; those behind it vouch for it and are not read. Each
 * message is a record. What was seen lately stands in a table, by process, holder and number: rows, and the gauge by which
 * an alert finds those that end soon.
 */
#include "items/app/requests/tls_certificates.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "base/clock.h"
#include "protocol/x509.h"

enum {
	CERTIFICATES = 256, /* kept; the one not seen for longest makes room */
	NAME_BYTES = 256,
	NAMES_BYTES = 1024,
	SERIAL_BYTES = 64,
	ARENA_BYTES = 16 * 1024,
	LABELS = 8,
};

enum { HOLDER, SUBJECT, ISSUER, NAMES, SERIAL, NOT_BEFORE, NOT_AFTER, COLUMNS };

static const struct {
	const char *name;
	enum unit unit;
	const char *help;
} columns[COLUMNS] = {
	[HOLDER] = {"holder", UNIT_TEXT, "whose it is: own (of the process) or peer"},
	[SUBJECT] = {"subject", UNIT_TEXT, "name of the holder"},
	[ISSUER] = {"issuer", UNIT_TEXT, "name of who signed it"},
	[NAMES] = {"names", UNIT_TEXT, "machines it is for: names and addresses, with commas"},
	[SERIAL] = {"serial", UNIT_TEXT, "its number, hexadecimal"},
	[NOT_BEFORE] = {"not_before", UNIT_TIME, "begin of its time"},
	[NOT_AFTER] = {"not_after", UNIT_TIME, "end of its time"},
};

const struct metric certificate_metrics[1] = {
	{.name = "sonde_tls_certificate_not_after_seconds",
	 .type = METRIC_GAUGE,
	 .unit = "seconds",
	 .help = (char *)"When certificates of live handshakes end, in seconds since 1970",
	 .scale = 1},
};

struct certificate {
	uint64_t seen_ns; /* CLOCK_MONOTONIC; 0 = this place is free */
	uint32_t pid;
	bool is_own;
	int64_t not_before_s, not_after_s;
	char subject[NAME_BYTES], issuer[NAME_BYTES], names[NAMES_BYTES], serial[SERIAL_BYTES];
};

struct certificates {
	struct item *item;
	struct arena arena; /* of one record */
	struct certificate table[CERTIFICATES];
};

static struct layout told, seen; /* one handshake; what was seen lately */
static const char *const shown[] = {"process", "holder", "subject", "names", "not_after", NULL};
const struct layout *const certificate_events[] = {&told, NULL};
const struct layout *const certificate_layouts[] = {&seen, NULL};

static int make_layout(struct layout *layout, const char *kind, struct err *why)
{
	int error = 0;

	layout_begin(layout, WHO_OF_PID);
	for (size_t i = 0; i < COLUMNS && error >= 0; i++)
		error = layout_add(layout, columns[i].name, columns[i].unit, columns[i].help, why);
	if (error < 0)
		return error;
	layout_row_kind(layout, kind, 0, 0);
	layout_show(layout, shown);
	return 0;
}

int certificates_prepare(struct err *why)
{
	int error = 0;

	if (seen.kind)
		return 0;
	error = make_layout(&told, "certificate", why);
	return error ? error : make_layout(&seen, "certificate_seen", why);
}

struct certificates *certificates_new(struct item *item)
{
	struct certificates *certificates = calloc(1, sizeof(*certificates));

	if (!certificates)
		return NULL;
	certificates->item = item;
	arena_init(&certificates->arena, ARENA_BYTES);
	return certificates;
}

void certificates_free(struct certificates *certificates)
{
	if (!certificates)
		return;
	arena_done(&certificates->arena);
	free(certificates);
}

/* ---- what it says ---- */

static void print_names(struct span names, struct buf *out)
{
	static const uint8_t v4_prefix[12] = {[10] = 0xff, [11] = 0xff};
	uint8_t addr[ADDR_BYTES];
	char text[ADDR_TEXT];
	struct span name;
	bool is_address;

	while (x509_next_name(&names, &name, &is_address)) {
		buf_str(out, out->len ? "," : "");
		if (!is_address) {
			for (size_t i = 0; i < name.len; i++)
				buf_char(out, name.at[i] > ' ' && name.at[i] < 0x7f
						      ? (char)name.at[i]
						      : '?');
			continue;
		}
		memcpy(addr, v4_prefix, sizeof(v4_prefix));
		memcpy(addr + sizeof(addr) - name.len, name.at, name.len);
		buf_span(out, (struct span){(uint8_t *)text, addr_print(addr, text)});
	}
}

static void keep_text(char *to, size_t room, struct buf *text)
{
	size_t len = text->len < room ? text->len : room - 1;

	memcpy(to, buf_text(text), len);
	to[len] = 0;
	buf_clear(text);
}

static int read_certificate(struct span message, struct certificate *certificate)
{
	struct x509 facts;
	struct buf text;

	if (x509_read(x509_of_message(message), &facts))
		return -EINVAL;
	buf_init(&text, NAMES_BYTES);
	certificate->not_before_s = facts.not_before_s;
	certificate->not_after_s = facts.not_after_s;
	x509_print_name(facts.subject, &text);
	keep_text(certificate->subject, NAME_BYTES, &text);
	x509_print_name(facts.issuer, &text);
	keep_text(certificate->issuer, NAME_BYTES, &text);
	x509_print_serial(facts.serial, &text);
	keep_text(certificate->serial, SERIAL_BYTES, &text);
	print_names(facts.names, &text);
	keep_text(certificate->names, NAMES_BYTES, &text);
	buf_done(&text);
	return 0;
}

/* ---- records ---- */

static uint64_t ns_of(int64_t seconds)
{
	enum { NS = 1000000000 };

	if (seconds < 0)
		return 0;
	return seconds > INT64_MAX / NS ? INT64_MAX : (uint64_t)seconds * NS;
}

static int make_record(struct certificates *certificates, const struct layout *layout,
		       const struct certificate *from, uint64_t when_ns, struct record *record)
{
	const struct resolver *resolver = item_resolver(certificates->item);
	uint32_t first = layout->count - COLUMNS;
	struct arena *arena = &certificates->arena;
	const char *const text[] = {
		[HOLDER] = from->is_own ? "own" : "peer",
		[SUBJECT] = from->subject,
		[ISSUER] = from->issuer,
		[NAMES] = from->names,
		[SERIAL] = from->serial,
	};
	struct who who = {.pid = from->pid};

	arena_clear(arena);
	record_begin(record, layout, item_name(certificates->item), layout->kind, when_ns,
		     resolver);
	if (resolver->pid)
		resolver->pid(resolver->ctx, from->pid, when_ns, &who);
	if (record_set_who(record, &who, WHO_OF_PID, arena))
		return -ENOMEM;
	for (uint32_t i = 0; i < sizeof(text) / sizeof(*text); i++)
		if (record_set_text(record, first + i, span_of(text[i]), arena))
			return -ENOMEM;
	record->value[first + NOT_BEFORE] = value_u64(ns_of(from->not_before_s));
	record->value[first + NOT_AFTER] = value_u64(ns_of(from->not_after_s));
	return 0;
}

static bool is_same(const struct certificate *a, const struct certificate *b)
{
	return a->seen_ns && a->pid == b->pid && a->is_own == b->is_own &&
	       !strcmp(a->serial, b->serial) && !strcmp(a->subject, b->subject) &&
	       !strcmp(a->issuer, b->issuer);
}

static void keep(struct certificates *certificates, const struct certificate *found)
{
	struct certificate *place = &certificates->table[0];

	for (size_t i = 0; i < CERTIFICATES; i++) {
		struct certificate *at = &certificates->table[i];

		if (is_same(at, found)) {
			place = at;
			break;
		}
		if (at->seen_ns < place->seen_ns)
			place = at;
	}
	*place = *found;
}

void certificates_note(struct certificates *certificates, const struct requests_data *data,
		       size_t size)
{
	struct certificate found = {.seen_ns = clock_monotonic_ns(),
				    .pid = data->pid,
				    .is_own = data->direction == REQUESTS_OUT};
	struct record record;

	if (size < sizeof(*data) || data->first > size - sizeof(*data) ||
	    read_certificate((struct span){data->bytes, data->first}, &found)) {
		item_count(certificates->item, "dropped", "certificate", 1);
		return;
	}
	keep(certificates, &found);
	if (make_record(certificates, &told, &found, data->head.ktime_ns, &record))
		item_count(certificates->item, "dropped", "memory", 1);
	else
		item_publish(certificates->item, &record);
}

int certificates_rows(struct certificates *certificates,
		      bool (*each)(void *ctx, const struct record *row), void *ctx)
{
	struct record record;

	for (size_t i = 0; i < CERTIFICATES; i++) {
		const struct certificate *at = &certificates->table[i];

		if (!at->seen_ns)
			continue;
		if (make_record(certificates, &seen, at, at->seen_ns, &record))
			return -ENOMEM;
		if (!each(ctx, &record))
			break;
	}
	return 0;
}

/* ---- the gauge: processes of one name and place are one ---- */

static size_t label_of(const struct certificate *certificate, const struct who *who,
		       struct label label[LABELS])
{
	const struct label all[LABELS] = {
		{"process", who->process},
		{"container", who->container},
		{"pod", who->pod},
		{"namespace", who->namespace},
		{"service", who->service},
		{"holder", span_of(certificate->is_own ? "own" : "peer")},
		{"subject", span_of(certificate->subject)},
		{"serial", span_of(certificate->serial)},
	};
	size_t count = 0;

	for (size_t i = 0; i < LABELS; i++)
		if (all[i].value.len)
			label[count++] = all[i];
	return count;
}

static bool is_labelled_alike(const struct label *a, size_t a_count, const struct label *b,
			      size_t b_count)
{
	if (a_count != b_count)
		return false;
	for (size_t i = 0; i < a_count; i++)
		if (strcmp(a[i].name, b[i].name) || !span_same(a[i].value, b[i].value))
			return false;
	return true;
}

void certificates_collect(struct certificates *certificates, struct collector *out)
{
	const struct resolver *resolver = item_resolver(certificates->item);
	struct label label[LABELS], other[LABELS];
	struct who who[CERTIFICATES] = {};

	for (size_t i = 0; i < CERTIFICATES; i++) {
		const struct certificate *at = &certificates->table[i];
		size_t count, before = 0;

		if (!at->seen_ns)
			continue;
		if (resolver->pid)
			resolver->pid(resolver->ctx, at->pid, at->seen_ns, &who[i]);
		count = label_of(at, &who[i], label);
		while (before < i && !(certificates->table[before].seen_ns &&
				       is_labelled_alike(label, count, other,
							 label_of(&certificates->table[before],
								  &who[before], other))))
			before++;
		if (before == i)
			collector_add(out, 0, label, count, (double)at->not_after_s);
	}
}
