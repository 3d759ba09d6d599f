#include <string.h>

#include "common/check.h"
#include "common/kafka_internal.h"
#include "common/mem.h"

/* A consumer, because a producer's question may create the topic. */
static rd_kafka_t *open_handle(const struct kafka_cluster *cluster,
                               const struct kafka_property *properties, size_t property_count,
                               struct error *reterr)
{
    static const struct kafka_property defaults[] = {{"client.id", "delayline-check"},
                                                     {"log.queue", "true"} /* which nobody reads */,
                                                     {"allow.auto.create.topics", "false"}};
    const struct kafka_settings settings = {
        .bootstrap_servers = cluster->bootstrap_servers,
        .iam = cluster->iam != NULL,
        .defaults = defaults,
        .default_count = ARRAY_LEN(defaults),
        .properties = properties,
        .property_count = property_count,
    };
    CLEANUP(buf_release) struct buf errors;
    buf_init(&errors, ERROR_TEXT_SIZE);
    rd_kafka_t *rk = kafka_handle_new(RD_KAFKA_CONSUMER, &settings, RD_KAFKA_EVENT_ERROR, &errors);
    if (rk == NULL)
        error_set(reterr, ERROR_PERMANENT, "INVALID_CONFIG", "%s", buf_text(&errors));
    return rk;
}

/* STATUS_OK with -1 partitions if the topic does not exist. */
static enum status look_for(rd_kafka_t *rk, const char *topic, int timeout_ms,
                            int32_t *ret_partitions, struct error *reterr)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(rk, topic, NULL);
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION;
    if (handle != NULL) {
        err = rd_kafka_metadata(rk, 0, handle, &metadata, timeout_ms);
        rd_kafka_topic_destroy(handle);
    }
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        kafka_error_set(reterr, handle == NULL ? ERROR_PERMANENT : ERROR_RETRY, err, NULL);
        return handle == NULL ? STATUS_INVALID : STATUS_IO;
    }
    enum status status = STATUS_OK;
    const struct rd_kafka_metadata_topic *found =
        metadata->topic_cnt == 1 ? &metadata->topics[0] : NULL;
    if (found == NULL || found->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
        *ret_partitions = -1;
    } else if (found->err != RD_KAFKA_RESP_ERR_NO_ERROR &&
               found->err != RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE) {
        kafka_error_set(reterr, ERROR_AUTH, found->err, NULL);
        status = STATUS_INVALID;
    } else {
        *ret_partitions = found->partition_cnt;
    }
    rd_kafka_metadata_destroy(metadata);
    return status;
}

static enum status give_token(rd_kafka_t *rk, struct loop *loop,
                              const struct kafka_cluster *cluster, struct error *reterr)
{
    if (cluster->iam == NULL)
        return STATUS_OK;
    const struct aws_identity *identity = aws_credentials_peek(cluster->iam);
    if (identity != NULL)
        return kafka_iam_set_token(rk, loop, cluster->iam_region, identity, reterr);
    error_set(reterr, ERROR_RETRY, "NO_CREDENTIALS", "no AWS credentials to authenticate with");
    return STATUS_IO;
}

/* What went wrong on the connections says more than that there was no answer. */
static void explain(rd_kafka_t *rk, struct error *error)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_get_main(rk);
    rd_kafka_event_t *event;
    while ((event = rd_kafka_queue_poll(queue, 0)) != NULL) {
        rd_kafka_resp_err_t err = rd_kafka_event_error(event);
        if (err == RD_KAFKA_RESP_ERR__AUTHENTICATION || err == RD_KAFKA_RESP_ERR__SSL)
            kafka_error_set(error, error->kind, err, rd_kafka_event_error_string(event));
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
}

enum status kafka_check(struct loop *loop, const struct kafka_cluster *cluster,
                        const struct kafka_property *properties, size_t property_count,
                        const char *const *topics, int32_t *ret_partitions, size_t topic_count,
                        int64_t timeout_ms, struct error *reterr)
{
    rd_kafka_t *rk = open_handle(cluster, properties, property_count, reterr);
    if (rk == NULL)
        return STATUS_INVALID;
    uint64_t ends_ns = loop_hrtime_ns() + (uint64_t)timeout_ms * 1000000;
    enum status status = give_token(rk, loop, cluster, reterr);
    for (size_t i = 0; i < topic_count && status == STATUS_OK; i++) {
        int64_t left_ms = ((int64_t)ends_ns - (int64_t)loop_hrtime_ns()) / 1000000;
        status = look_for(rk, topics[i], (int)MAX(left_ms, 1), &ret_partitions[i], reterr);
    }
    if (status == STATUS_IO)
        explain(rk, reterr);
    rd_kafka_destroy(rk);
    return status;
}
