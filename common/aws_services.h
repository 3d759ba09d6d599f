/* SQS and DynamoDB as a shell uses them: settings, HTTP, credentials and both clients, opened and
 * closed together, and what all three programs tell about them.
 *
 * The happy path is: open; the shell's calls; start once credentials were seen to work; close. The
 * failure modes are: mistakes in the settings (open says so), a wrong clock of the host (followed,
 * logged, and a reason for not being ready). */
#ifndef COMMON_AWS_SERVICES_H
#define COMMON_AWS_SERVICES_H

#include <stdint.h>

#include "common/aws_client.h"
#include "common/buf.h"
#include "common/dynamodb.h"
#include "common/http.h"
#include "common/kafka.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/metrics.h"
#include "common/settings.h"
#include "common/sqs.h"

/* Part of a shell; zeroed before open. */
struct aws_services {
    struct loop *loop;
    struct log *log;
    struct aws_settings settings;
    struct http *http; /* NULL: not open */
    struct aws_credentials *credentials;
    struct sqs *sqs;
    struct dynamodb *dynamodb;
    int64_t clock_correction_ms; /* last logged; 0: the host's clock is right */
};

/* calls_max: of the shell, at once. A line in errors for every mistake in the settings; it is not
 * open then. */
void aws_services_open(struct aws_services *a, struct loop *loop, struct log *log,
                       uint32_t calls_max, struct buf *errors);
/* Cancels without calling back; fine if it is not open. Handles close on the loop's next turns. */
void aws_services_close(struct aws_services *a);

/* Writes a line: region, endpoints, where the credentials came from. After a good check. */
void aws_services_log(const struct aws_services *a);
/* The Kafka cluster of the settings, with these credentials where they are to be used there. Good
 * from open to close. */
struct kafka_cluster aws_services_kafka(const struct aws_services *a,
                                        const struct settings *settings);
/* From open to close the loop's wall clock is corrected by what AWS's answers say about it. This
 * writes a line when that has changed. */
void aws_services_follow_clock(struct aws_services *a);
/* Brings the metrics of both services and of the clock up to date. */
void aws_services_metrics(const struct aws_services *a, struct metrics *metrics);
/* Appends a reason for not being ready while the clock is wrong. */
void aws_services_ready(const struct aws_services *a, struct buf *reasons);

#endif
