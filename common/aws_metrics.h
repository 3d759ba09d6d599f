/* What an AWS client counts, as metrics: the same families in every program. Pure. */
#ifndef COMMON_AWS_METRICS_H
#define COMMON_AWS_METRICS_H

#include <stddef.h>

#include "common/aws_client.h"
#include "common/metrics.h"

/* Brings delayline_aws_{calls,retries,throttles,failures,unknown,billable_units}_total up to date.
 * service: "sqs" or "dynamodb". */
void aws_metrics_update(struct metrics *metrics, const char *service,
                        const struct aws_operation_stats *stats, size_t count);

#endif
