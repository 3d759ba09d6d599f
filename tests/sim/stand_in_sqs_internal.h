/* What the two files that stand in for sqs.c share. */
#ifndef TESTS_SIM_STAND_IN_SQS_INTERNAL_H
#define TESTS_SIM_STAND_IN_SQS_INTERNAL_H

#include "common/sqs.h"
#include "tests/sim/stand_in.h"
#include "tests/sim/stand_in_sqs.h"

struct sqs {
    struct aws_client *client;
};

/* An entry of a batch, with what it points to. */
struct stand_in_sqs_entry {
    char *body; /* or the receipt handle */
    size_t len;
    int32_t seconds; /* of delay, or of visibility */
    char *group_id;
    char *deduplication_id;
};

struct stand_in_sqs_call {
    struct stand_in_call call;
    struct sim *sim;
    struct world_queue_state *queue; /* NULL: no such queue */
    void *ctx;
    size_t count;
    struct stand_in_sqs_entry entries[SQS_BATCH_ENTRIES_MAX];
    struct sqs_entry_result results[SQS_BATCH_ENTRIES_MAX];
    union {
        sqs_batch_fn *batch;
        sqs_attributes_fn *attributes;
        sqs_url_fn *url;
    } on_done;
    struct sqs_queue_attributes attributes;
    char *url;
};

struct world_queue_state *stand_in_sqs_queue(struct sim *sim, const char *queue_url);
enum world_queue stand_in_sqs_which(struct sim *sim, const struct world_queue_state *queue);
/* Something may have become visible. */
void stand_in_sqs_serve(struct sim *sim, struct world_queue_state *queue);

#endif
