#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/check.h"
#include "common/kafka_internal.h"
#include "common/mem.h"

/* A broker that is down would else write a line every few milliseconds. */
#define LOG_LINES_MAX 20U
#define LOG_WINDOW_MS (10 * MS_PER_SECOND)

/* --- log lines and errors -------------------------------------------------------------------- */

/* Syslog's levels to ours: 0..3 error, 4 warning, 5 and 6 notice and information, 7 debug. */
static enum log_level to_log_level(int syslog_level)
{
    if (syslog_level <= 3)
        return LOG_ERROR;
    if (syslog_level == 4)
        return LOG_WARN;
    return syslog_level <= 6 ? LOG_INFO : LOG_DEBUG;
}

void kafka_client_log(struct kafka_client *client, enum log_level level, const char *facility,
                      const char *text)
{
    if (client->on_log == NULL)
        return;
    if (level == LOG_DEBUG) { /* somebody asked for them: all */
        client->on_log(client->ctx, level, facility, text);
        return;
    }
    struct mono_ms now = loop_now(client->loop).mono;
    if (now.ms >= client->window_ends_at.ms) {
        client->window_ends_at = mono_add(now, LOG_WINDOW_MS);
        client->logged = 0;
    }
    if (client->logged++ < LOG_LINES_MAX)
        client->on_log(client->ctx, level, facility, text);
}

static void handle_log(struct kafka_client *client, rd_kafka_event_t *event)
{
    const char *facility;
    const char *text;
    int level;
    if (rd_kafka_event_log(event, &facility, &text, &level) == 0)
        kafka_client_log(client, to_log_level(level), facility, text);
}

static void handle_error(struct kafka_client *client, rd_kafka_event_t *event)
{
    rd_kafka_resp_err_t err = rd_kafka_event_error(event);
    const char *text = rd_kafka_event_error_string(event);
    if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        client->is_reachable = false;
    if (!rd_kafka_event_error_is_fatal(event)) {
        /* librdkafka goes on by itself: all brokers down, a topic that is not there, ... */
        kafka_client_log(client, LOG_WARN, rd_kafka_err2name(err), text);
        return;
    }
    struct error error;
    kafka_error_set(&error, ERROR_PERMANENT, err, text);
    client->on_fatal(client->ctx, &error);
}

/* There is an event for the last connection lost and none for the next one made; of the statistics,
 * nothing else is of use here. */
static void handle_statistics(struct kafka_client *client, rd_kafka_event_t *event)
{
    const char *json = rd_kafka_event_stats(event);
    client->is_reachable = json != NULL && strstr(json, "\"state\":\"UP\"") != NULL;
}

/* false: an event for the caller. */
static bool handle_common(struct kafka_client *client, rd_kafka_event_t *event)
{
    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_LOG:
        handle_log(client, event);
        return true;
    case RD_KAFKA_EVENT_ERROR:
        handle_error(client, event);
        return true;
    case RD_KAFKA_EVENT_STATS:
        handle_statistics(client, event);
        return true;
    case RD_KAFKA_EVENT_OAUTHBEARER_TOKEN_REFRESH:
        kafka_iam_refresh(client);
        return true;
    default: /* the types are librdkafka's, and plain integers */
        return false;
    }
}

rd_kafka_event_t *kafka_client_next(struct kafka_client *client, rd_kafka_queue_t *queue)
{
    while (!client->is_closing) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 0);
        if (event == NULL || !handle_common(client, event))
            return event;
        rd_kafka_event_destroy(event);
    }
    return NULL;
}

/* --- waking ---------------------------------------------------------------------------------- */

static void wake_now(void *ctx)
{
    struct kafka_client *client = ctx;
    client->is_woken = false;
    if (!client->is_closing)
        client->callbacks.on_wake(client);
}

void kafka_client_wake(struct kafka_client *client)
{
    if (client->is_woken || client->is_closing)
        return;
    client->is_woken = true;
    loop_defer(client->loop, wake_now, client);
}

static void on_wake_readable(uv_poll_t *handle, int status, int events)
{
    struct kafka_client *client = container_of(handle, struct kafka_client, wake);
    uint64_t count;
    (void)events;
    CHECK(status == 0);
    CHECK(read(client->wake_fd, &count, sizeof(count)) > 0 || errno == EAGAIN);
    if (!client->is_woken)
        client->callbacks.on_wake(client);
}

void kafka_client_watch(struct kafka_client *client, rd_kafka_queue_t *queue)
{
    static const uint64_t one = 1;
    rd_kafka_queue_io_event_enable(queue, client->wake_fd, &one, sizeof(one));
}

/* --- life ------------------------------------------------------------------------------------ */

static void on_handle_closed(struct kafka_client *client)
{
    client->open_handles--;
    if (client->open_handles > 0)
        return;
    if (!client->outlives_us)
        close(client->wake_fd);
    client->callbacks.on_gone(client);
}

static void on_wake_closed(uv_handle_t *handle)
{
    on_handle_closed(container_of(handle, struct kafka_client, wake));
}

static void on_ended_closed(uv_handle_t *handle)
{
    on_handle_closed(container_of(handle, struct kafka_client, ended));
}

static void on_ended(uv_async_t *handle)
{
    struct kafka_client *client = container_of(handle, struct kafka_client, ended);
    if (client->has_ender)
        CHECK(pthread_join(client->ender, NULL) == 0);
    uv_close((uv_handle_t *)&client->wake, on_wake_closed);
    uv_close((uv_handle_t *)&client->ended, on_ended_closed);
}

/* Waits for librdkafka's threads: milliseconds, but many seconds where a name server hangs. */
static void *end_librdkafka(void *ctx)
{
    struct kafka_client *client = ctx;
    if (!client->outlives_us)
        rd_kafka_destroy_flags(client->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    uv_async_send(&client->ended);
    return NULL;
}

/* Deferred, because the caller may stand in a loop over events. */
static void begin_end(void *ctx)
{
    struct kafka_client *client = ctx;
    rd_kafka_queue_destroy(client->events);
    client->has_ender = pthread_create(&client->ender, NULL, end_librdkafka, client) == 0;
    if (client->has_ender)
        return;
    /* No thread to be had. The loop must not wait instead: it would be for as long as librdkafka
     * likes, past the deadline of a stop. */
    client->outlives_us = true;
    end_librdkafka(client);
}

void kafka_client_close(struct kafka_client *client)
{
    CHECK(!client->is_closing);
    client->is_closing = true;
    if (client->iam != NULL)
        aws_credentials_forget(client->iam, client);
    CHECK(uv_poll_stop(&client->wake) == 0);
    loop_defer(client->loop, begin_end, client);
}

static void merge(struct kafka_client *client, rd_kafka_queue_t *queue)
{
    if (queue == NULL) /* a producer has no consumer queue */
        return;
    rd_kafka_queue_forward(queue, client->events);
    rd_kafka_queue_destroy(queue);
}

enum status kafka_client_open(struct kafka_client *client, rd_kafka_type_t type,
                              const struct kafka_settings *settings, struct buf *errors)
{
    client->rk = kafka_handle_new(
        type, settings,
        RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_FETCH | RD_KAFKA_EVENT_REBALANCE |
            RD_KAFKA_EVENT_OFFSET_COMMIT | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG |
            RD_KAFKA_EVENT_STATS | RD_KAFKA_EVENT_OAUTHBEARER_TOKEN_REFRESH,
        errors);
    if (client->rk == NULL)
        return STATUS_INVALID;
    client->events = rd_kafka_queue_new(client->rk);
    client->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    CHECK(client->wake_fd >= 0);
    uv_loop_t *uv = loop_uv(client->loop);
    CHECK(uv_async_init(uv, &client->ended, on_ended) == 0);
    CHECK(uv_poll_init(uv, &client->wake, client->wake_fd) == 0);
    CHECK(uv_poll_start(&client->wake, UV_READABLE, on_wake_readable) == 0);
    client->open_handles = 2;
    client->is_reachable = true;
    kafka_client_watch(client, client->events);
    merge(client, rd_kafka_queue_get_main(client->rk));
    merge(client, rd_kafka_queue_get_consumer(client->rk));
    CHECK(rd_kafka_set_log_queue(client->rk, client->events) == RD_KAFKA_RESP_ERR_NO_ERROR);
    kafka_client_wake(client); /* for what came before the queue was watched */
    return STATUS_OK;
}
