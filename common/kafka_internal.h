/* What producer, consumer and check share: configuration, and a librdkafka handle whose events wake
 * the loop. Private to kafka_*.c. */
#ifndef COMMON_KAFKA_INTERNAL_H
#define COMMON_KAFKA_INTERNAL_H

#include <librdkafka/rdkafka.h>
#include <pthread.h>

#include "common/kafka.h"

#define KAFKA_TEXT_SIZE 512 /* of librdkafka's error texts */

/* --- configuration --------------------------------------------------------------------------- */

/* Properties in rising order of precedence: defaults, the caller's, the environment's, forced. */
struct kafka_settings {
    const char *bootstrap_servers;
    bool iam; /* as struct kafka_cluster */
    const struct kafka_property *defaults;
    size_t default_count;
    const struct kafka_property *properties;
    size_t property_count;
    const struct kafka_property *forced; /* what our guarantees stand on */
    size_t forced_count;
};

/* Makes the handle; events: those of RD_KAFKA_EVENT_ that are wanted. NULL and a line in errors for
 * every property that is refused, or for what librdkafka says of all of them together. A property
 * of the environment that is for the other type of client is checked and left out. */
rd_kafka_t *kafka_handle_new(rd_kafka_type_t type, const struct kafka_settings *settings,
                             int events, struct buf *errors);

/* --- errors ---------------------------------------------------------------------------------- */

/* code is librdkafka's name of err, without the leading '_': "MSG_TIMED_OUT". */
void kafka_error_set(struct error *reterr, enum error_kind kind, rd_kafka_resp_err_t err,
                     const char *text);

/* --- client ---------------------------------------------------------------------------------- */

struct kafka_client;

struct kafka_client_callbacks {
    /* Events wait: take them with kafka_client_next until it gives NULL, or until a fair share is
     * done, and then ask to be woken again. */
    void (*on_wake)(struct kafka_client *client);
    /* librdkafka has ended and all handles are closed: the memory may go. */
    void (*on_gone)(struct kafka_client *client);
};

/* Embedded in a producer or consumer. */
struct kafka_client {
    struct loop *loop;
    rd_kafka_t *rk;
    rd_kafka_queue_t *events; /* everything but fetched records */
    struct kafka_client_callbacks callbacks;
    kafka_log_fn *on_log;
    kafka_fatal_fn *on_fatal;
    void *ctx;                   /* of these two */
    struct aws_credentials *iam; /* NULL: other ways to authenticate */
    const char *iam_region;

    int wake_fd;
    uv_poll_t wake;
    uv_async_t ended;
    unsigned open_handles;
    bool is_woken; /* on_wake is deferred */
    bool is_closing;
    bool outlives_us; /* librdkafka is not ended, nothing of it is freed */
    bool is_reachable;
    pthread_t ender;
    bool has_ender;

    unsigned logged; /* lines of this window */
    struct mono_ms window_ends_at;
};

/* client->loop, callbacks, on_log, on_fatal, ctx and iam are the caller's to fill before.
 * STATUS_INVALID and lines in errors: nothing is open then. */
NODISCARD enum status kafka_client_open(struct kafka_client *client, rd_kafka_type_t type,
                                        const struct kafka_settings *settings, struct buf *errors);
/* Lets a queue wake the loop. */
void kafka_client_watch(struct kafka_client *client, rd_kafka_queue_t *queue);
/* Calls on_wake soon, once. */
void kafka_client_wake(struct kafka_client *client);
/* Handles errors and log lines itself; the caller destroys what it gets. */
rd_kafka_event_t *kafka_client_next(struct kafka_client *client, rd_kafka_queue_t *queue);
/* Tells on_log, unless there were too many lines lately. */
void kafka_client_log(struct kafka_client *client, enum log_level level, const char *facility,
                      const char *text);
/* No callback but on_gone comes any more. Queues other than events are the caller's to destroy
 * before. */
void kafka_client_close(struct kafka_client *client);

/* --- producer -------------------------------------------------------------------------------- */

/* For tests: topics that one client may see before another goes on. */
void kafka_producer_limit_topics(struct kafka_producer *producer, size_t topics_max);

/* --- MSK IAM (kafka_iam.c) ------------------------------------------------------------------- */

/* Gives librdkafka a token, for all connections from now on. */
NODISCARD enum status kafka_iam_set_token(rd_kafka_t *rk, struct loop *loop, const char *region,
                                          const struct aws_identity *identity,
                                          struct error *reterr);
/* librdkafka asks for one: at 80 % of the last one's life, and 10 s after a failure. */
void kafka_iam_refresh(struct kafka_client *client);

/* --- fetched records ------------------------------------------------------------------------- */

/* A record's memory: librdkafka's message lives as long as its event. */
struct kafka_held {
    rd_kafka_event_t *event;
    size_t header_capacity;
    size_t header_count;
    struct record_header headers[];
};

/* Takes the event. *spare, or NULL, serves again; it is freed with mem_free in the end. */
struct kafka_held *kafka_held_new(struct kafka_held **spare, rd_kafka_event_t *event,
                                  const rd_kafka_message_t *message);
/* After on_record: becomes the spare one. */
void kafka_held_put_back(struct kafka_held **spare, struct kafka_held *held);

#endif
