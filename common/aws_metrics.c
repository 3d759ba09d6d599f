#include "common/aws_metrics.h"

#include <stdio.h>

#include "common/check.h"

#define LABELS_SIZE 160

static const struct metric_spec calls = {"delayline_aws_calls_total", METRIC_COUNTER,
                                         "AWS calls that went out, every attempt", NULL, 0};
static const struct metric_spec retries = {"delayline_aws_retries_total", METRIC_COUNTER,
                                           "Attempts after the first", NULL, 0};
static const struct metric_spec throttles = {"delayline_aws_throttles_total", METRIC_COUNTER,
                                             "Answers that asked for fewer calls", NULL, 0};
static const struct metric_spec failures = {"delayline_aws_failures_total", METRIC_COUNTER,
                                            "Calls that ended surely not done", NULL, 0};
static const struct metric_spec unknowns = {"delayline_aws_unknown_total", METRIC_COUNTER,
                                            "Calls that may or may not have been done", NULL, 0};
static const struct metric_spec units = {
    "delayline_aws_billable_units_total", METRIC_COUNTER,
    "What AWS bills: SQS requests of 64 KB, DynamoDB request units", NULL, 0};

static const char *price_name(enum aws_price price)
{
    switch (price) {
    case AWS_PRICE_NONE:
        return "none";
    case AWS_PRICE_SQS_STANDARD:
        return "sqs_standard";
    case AWS_PRICE_SQS_FIFO:
        return "sqs_fifo";
    case AWS_PRICE_DYNAMODB_WRITE:
        return "dynamodb_write";
    case AWS_PRICE_DYNAMODB_READ:
        return "dynamodb_read";
    }
    UNREACHABLE();
}

void aws_metrics_update(struct metrics *metrics, const char *service,
                        const struct aws_operation_stats *stats, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct aws_operation_stats *s = &stats[i];
        char labels[LABELS_SIZE];
        int len = snprintf(labels, sizeof(labels), "service=\"%s\",operation=\"%s\",price=\"%s\"",
                           service, s->operation, price_name(s->price));
        CHECK(len > 0 && len < LABELS_SIZE);
        metric_set(metrics_get(metrics, &calls, labels), (double)s->calls);
        metric_set(metrics_get(metrics, &retries, labels), (double)s->retries);
        metric_set(metrics_get(metrics, &throttles, labels), (double)s->throttles);
        metric_set(metrics_get(metrics, &failures, labels), (double)s->failures);
        metric_set(metrics_get(metrics, &unknowns, labels), (double)s->unknowns);
        metric_set(metrics_get(metrics, &units, labels), s->billable_units);
    }
}
