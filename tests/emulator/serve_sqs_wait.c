/* Long polls. The happy path is: a receive finds nothing, waits in its queue's list, and is
 * answered when a send, a release or the passing of time makes a message visible. The failure modes
 * are: its time runs out (an empty answer), its queue is deleted, its client goes away (the call
 * takes itself out of the list).
 *
 * Time is watched by a timerfd on the wall clock: libuv's timers count whole milliseconds from
 * their own start, and would be up to one early or late. */
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/check.h"
#include "common/mem.h"
#include "tests/emulator/emulator_internal.h"

static struct watch *find_watch(struct emulator *emulator, const struct sqs_model_queue *queue)
{
    struct model_list_node *node = model_list_first(&emulator->watches);
    for (; node != NULL; node = model_list_next(&emulator->watches, node)) {
        struct watch *watch = container_of(node, struct watch, by_age);
        if (watch->queue == queue)
            return watch;
    }
    return NULL;
}

static void set_timer(struct emulator *emulator)
{
    int64_t at_ms = INT64_MAX;
    struct model_list_node *node = model_list_first(&emulator->watches);
    for (; node != NULL; node = model_list_next(&emulator->watches, node)) {
        struct watch *watch = container_of(node, struct watch, by_age);
        struct model_list_node *waiting = model_list_first(&watch->calls);
        if (waiting != NULL)
            at_ms = MIN(at_ms, sqs_model_next_ms(watch->queue));
        for (; waiting != NULL; waiting = model_list_next(&watch->calls, waiting))
            at_ms = MIN(at_ms, container_of(waiting, struct call, waiting)->deadline_ms);
    }
    if (at_ms == emulator->wake_at_ms)
        return;
    emulator->wake_at_ms = at_ms;
    struct itimerspec spec = {{0, 0}, {0, 0}};
    if (at_ms != INT64_MAX) {
        spec.it_value.tv_sec = at_ms / 1000;
        spec.it_value.tv_nsec = at_ms % 1000 * 1000000 + 1; /* not the last of the ms before */
    }
    CHECK(timerfd_settime(emulator->wake_fd, TFD_TIMER_ABSTIME, &spec, NULL) == 0);
}

static void finish_waiting(struct call *call, const struct sqs_model_received *messages,
                           size_t count)
{
    model_list_remove(&call->waiting);
    if (call->error.http_status == 0)
        sqs_write_received(call, messages, count);
    call_finish(call);
}

static void serve_watch(struct watch *watch, int64_t now_ms)
{
    struct sqs_model_received messages[SQS_MODEL_BATCH_MAX];
    struct model_list_node *node = model_list_first(&watch->calls);
    while (node != NULL) {
        struct call *call = container_of(node, struct call, waiting);
        node = model_list_next(&watch->calls, node);
        size_t count = 0;
        bool done = !sqs_model_receive(watch->queue, &call->receive, now_ms, messages, &count,
                                       &call->error);
        if (done || count > 0 || call->deadline_ms <= now_ms)
            finish_waiting(call, messages, count);
    }
}

void sqs_wait(struct call *call)
{
    struct emulator *emulator = call->emulator;
    struct watch *watch = find_watch(emulator, call->queue);
    if (watch == NULL) {
        watch = mem_calloc(1, sizeof(*watch));
        watch->queue = call->queue;
        model_list_init(&watch->calls);
        model_list_append(&emulator->watches, &watch->by_age);
    }
    model_list_append(&watch->calls, &call->waiting);
    set_timer(emulator);
}

void sqs_wait_serve(struct emulator *emulator, struct sqs_model_queue *queue)
{
    struct watch *watch = find_watch(emulator, queue);
    if (watch == NULL || model_list_first(&watch->calls) == NULL)
        return;
    serve_watch(watch, emulator_now_ms(emulator));
    set_timer(emulator);
}

void sqs_wait_queue_gone(struct emulator *emulator, struct sqs_model_queue *queue)
{
    struct watch *watch = find_watch(emulator, queue);
    if (watch == NULL)
        return;
    struct model_list_node *node;
    while ((node = model_list_first(&watch->calls)) != NULL) {
        struct call *call = container_of(node, struct call, waiting);
        model_refuse(&call->error, 400, "QueueDoesNotExist",
                     "AWS.SimpleQueueService.NonExistentQueue",
                     "The specified queue does not exist.");
        finish_waiting(call, NULL, 0);
    }
    model_list_remove(&watch->by_age);
    mem_free(watch);
    set_timer(emulator);
}

static void on_wake(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct emulator *emulator = container_of(poll, struct emulator, wake);
    uint64_t expirations;
    if (read(emulator->wake_fd, &expirations, sizeof(expirations)) < 0)
        return;
    emulator->wake_at_ms = INT64_MAX;
    int64_t now_ms = emulator_now_ms(emulator);
    struct model_list_node *node = model_list_first(&emulator->watches);
    for (; node != NULL; node = model_list_next(&emulator->watches, node))
        serve_watch(container_of(node, struct watch, by_age), now_ms);
    set_timer(emulator);
}

void sqs_wait_start(struct emulator *emulator)
{
    emulator->wake_at_ms = INT64_MAX;
    emulator->wake_fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    CHECK(emulator->wake_fd >= 0);
    CHECK(uv_poll_init(emulator->loop, &emulator->wake, emulator->wake_fd) == 0);
    CHECK(uv_poll_start(&emulator->wake, UV_READABLE, on_wake) == 0);
}

void sqs_wait_stop(struct emulator *emulator)
{
    struct model_list_node *node;
    while ((node = model_list_first(&emulator->watches)) != NULL) {
        model_list_remove(node);
        mem_free(container_of(node, struct watch, by_age));
    }
    close(emulator->wake_fd);
}
