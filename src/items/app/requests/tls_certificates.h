/* SPDX-License-Identifier: GPL-2.0-only */
/* tls_certificates - certificates that programs of this machine show and are shown: records, rows, and when they end. */
#pragma once

#include "items/app/requests/requests.h"
#include "items/item.h"
#include "record/record.h"

struct certificates;

extern const struct metric certificate_metrics[1];
extern const struct layout *const certificate_layouts[], *const certificate_events[];
int certificates_prepare(struct err *why);

struct certificates *certificates_new(struct item *item); /* NULL: out of memory */
void certificates_free(struct certificates *certificates);

/* A message with certificates (REQUESTS_CERTIFICATE). */
void certificates_note(struct certificates *certificates, const struct requests_data *data,
		       size_t size);
void certificates_collect(struct certificates *certificates, struct collector *out);
int certificates_rows(struct certificates *certificates,
		      bool (*each)(void *ctx, const struct record *row), void *ctx);
