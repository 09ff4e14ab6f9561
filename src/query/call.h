/* SPDX-License-Identifier: GPL-2.0-only */
/* call - functions of vectors; the table of all functions is in call.c. */
#pragma once

#include "query/over.h"

/* histogram.c */
int run_histogram_quantile(struct evaluation *e, const struct expr *call, struct series_set **ret);

/* relabel.c */
int run_absent(struct evaluation *e, const struct expr *call, struct series_set **ret);
int run_absent_over(struct evaluation *e, const struct expr *call, struct series_set **ret);
int run_label_replace(struct evaluation *e, const struct expr *call, struct series_set **ret);
int run_label_join(struct evaluation *e, const struct expr *call, struct series_set **ret);
