// SPDX-License-Identifier: GPL-2.0-only
/* metric - counters, gauges and histograms with labels, kept by name. */
#include "record/metric.h"

#include <stdlib.h>

void metric_done(struct metric *metric)
{
	free(metric->help);
	free(metric->labels);
	*metric = (struct metric){};
}
