/* The relay's life and the way between its core and its adapters.
 *
 * The happy path is: new, check, start; each completion is one event, its effects are carried out
 * before the next. The failure modes are: a queue that cannot be received from (not ready, the core
 * backs off), Kafka that does not take or confirm (the core stops receiving and keeps visibility
 * extended), a fatal error of Kafka's client (the program ends and is restarted), the grace time
 * over (what is unfinished becomes visible again by itself).
 */
#include "relay/relay_shell.h"

#include "common/check.h"
#include "common/kill_point.h"
#include "common/mem.h"
#include "common/readiness.h"
#include "relay/relay_shell_internal.h"

#define LINES_A_SECOND 10
#define BLOB_CALLS     8   /* connections for large records */
#define STEPS_PER_TURN 200 /* then the loop looks at its descriptors */

const char *relay_shell_path(enum relay_queue queue)
{
    return queue == RELAY_QUEUE_DELAY ? "short" : "long";
}

bool relay_shell_may_log(struct relay_shell *s)
{
    int64_t second = loop_now(s->loop).mono.ms / 1000;
    if (second != s->log_second) {
        s->log_second = second;
        s->log_lines = 0;
    }
    return s->log_lines++ < LINES_A_SECOND;
}

/* --- events ---------------------------------------------------------------------------------- */

static void events_push(struct relay_event_queue *q, const struct relay_event *event)
{
    if (q->count == q->capacity) {
        size_t capacity = MAX(64, 2 * q->capacity);
        struct relay_event *events = mem_calloc(capacity, sizeof(*events));
        for (size_t i = 0; i < q->count; i++)
            events[i] = q->events[(q->first + i) % q->capacity];
        mem_free(q->events);
        *q = (struct relay_event_queue){.events = events, .capacity = capacity, .count = q->count};
    }
    q->events[(q->first + q->count++) % q->capacity] = *event;
}

static struct relay_event events_pop(struct relay_event_queue *q)
{
    struct relay_event event = q->events[q->first];
    q->first = (q->first + 1) % q->capacity;
    q->count--;
    return event;
}

static void carry_out(struct relay_shell *s, const struct relay_effect *effect)
{
    switch (effect->type) {
    case RELAY_POLL:
        relay_shell_poll(s, &effect->poll);
        return;
    case RELAY_HOLD:
        relay_shell_hold(s, effect->slot.index);
        return;
    case RELAY_DECODE:
        relay_shell_decode(s, effect->slot);
        return;
    case RELAY_REHANDLE:
        relay_shell_rehandle(s, effect->rehandle.to.index, effect->rehandle.from);
        return;
    case RELAY_FETCH:
        relay_shell_fetch(s, effect->slot);
        return;
    case RELAY_EMIT:
        relay_shell_emit(s, &effect->emit);
        return;
    case RELAY_DEAD_LETTER:
        relay_shell_dead_letter(s, &effect->dead_letter);
        return;
    case RELAY_CHANGE_VISIBILITY:
        relay_shell_call(s, &effect->batch, false);
        return;
    case RELAY_DELETE:
        relay_shell_call(s, &effect->batch, true);
        return;
    case RELAY_FREE:
        relay_shell_forget(s, effect->slot.index);
        return;
    }
    UNREACHABLE();
}

static void step(struct relay_shell *s, const struct relay_event *event)
{
    relay_core_step(s->core, event, loop_now(s->loop), s->effects);
    for (uint32_t i = 0; i < s->effects->count; i++)
        carry_out(s, &s->effects->items[i]);
}

static bool is_due(struct relay_shell *s)
{
    struct deadline at = relay_core_deadline(s->core);
    struct now now = loop_now(s->loop);
    return at.mono.ms <= now.mono.ms || at.wall.ms <= now.wall.ms;
}

static void run(struct relay_shell *s);

/* Once a turn, however many events it had: setting a timer is a system call. */
static void arm(void *ctx)
{
    struct relay_shell *s = ctx;
    s->arming = false;
    if (s->closed)
        return;
    if (is_due(s))
        run(s);
    else
        loop_timer_set(s->timer, relay_core_deadline(s->core));
    if (s->stopping && relay_core_idle(s->core))
        program_idle(s->program);
}

static void run(struct relay_shell *s)
{
    static const struct relay_event tick = {.type = RELAY_TICK};
    s->inside = true;
    for (int steps = 0; s->events.count > 0 || (is_due(s) && steps < STEPS_PER_TURN); steps++) {
        if (s->events.count > 0) {
            struct relay_event event = events_pop(&s->events);
            step(s, &event);
        } else {
            step(s, &tick);
        }
    }
    s->inside = false;
    if (!s->arming) {
        s->arming = true;
        loop_defer(s->loop, arm, s);
    }
}

void relay_shell_feed(struct relay_shell *s, const struct relay_event *event)
{
    events_push(&s->events, event);
    if (!s->inside)
        run(s);
}

static void on_timer(void *ctx)
{
    struct relay_shell *s = ctx;
    if (!s->closed)
        run(s);
}

/* --- life ------------------------------------------------------------------------------------ */

static void *shell_new(struct program *program, const void *config, struct buf *errors)
{
    struct relay_shell *s = mem_calloc(1, sizeof(*s));
    s->program = program;
    s->loop = program_loop(program);
    s->log = program_log(program);
    s->config = config;
    s->limits = relay_config_limits(s->config);
    s->timer = loop_timer_new(s->loop, on_timer, s);
    s->series = relay_series_new(program_metrics(program));
    dependency_check_init(&s->check, program);
    buf_init(&s->raw, SQS_MESSAGE_BYTES_MAX);
    uint32_t calls_max =
        (uint32_t)(RELAY_QUEUES * s->config->polls) + RELAY_BATCHES_MAX + BLOB_CALLS;
    aws_services_open(&s->aws, s->loop, s->log, calls_max, errors);
    relay_shell_open_producer(s, errors);
    return s;
}

static void shell_start(void *shell)
{
    struct relay_shell *s = shell;
    aws_services_log(&s->aws);
    s->core = mem_calloc(1, sizeof(*s->core));
    s->core_storage = mem_calloc(1, relay_core_storage_bytes(&s->limits));
    s->effects = mem_calloc(1, sizeof(*s->effects));
    s->held = mem_calloc(s->limits.slots, sizeof(*s->held));
    s->headers = mem_calloc(RECORD_HEADERS_MAX + RELAY_HEADERS_ADDED, sizeof(*s->headers));
    relay_core_init(s->core, &s->limits, s->core_storage, loop_random_seed());
    s->started = true;
    KILL_POINT("relay.started");
    relay_shell_feed(s, &(struct relay_event){.type = RELAY_TICK});
}

static void shell_stop(void *shell)
{
    struct relay_shell *s = shell;
    KILL_POINT("relay.stopping");
    s->stopping = true;
    relay_shell_feed(s, &(struct relay_event){.type = RELAY_STOP});
}

static void shell_close(void *shell)
{
    struct relay_shell *s = shell;
    s->closed = true;
    kafka_producer_free(s->producer); /* before the credentials that it may use */
    aws_services_close(&s->aws);
    loop_timer_free(s->timer);
}

static void free_held(struct relay_shell *s)
{
    for (uint32_t i = 0; s->held != NULL && i < s->limits.slots; i++) {
        relay_shell_forget(s, i);
        mem_free(s->held[i].receipt);
    }
    mem_free(s->held);
}

static void shell_free(void *shell)
{
    struct relay_shell *s = shell;
    relay_shell_drop_fetches(s);
    free_held(s);
    for (int q = 0; q < RELAY_QUEUES; q++)
        mem_free(s->queues[q].url);
    relay_series_free(s->series);
    dependency_check_release(&s->check);
    buf_release(&s->raw);
    mem_free(s->events.events);
    mem_free(s->headers);
    mem_free(s->effects);
    mem_free(s->core_storage);
    mem_free(s->core);
    mem_free(s);
}

static void shell_ready(void *shell, struct buf *reasons)
{
    const struct relay_shell *s = shell;
    static const char *const names[RELAY_QUEUES] = {"delay queue", "ready queue"};
    readiness_kafka(reasons, kafka_producer_is_reachable(s->producer),
                    s->config->settings.bootstrap_servers);
    for (int q = 0; q < RELAY_QUEUES; q++) {
        const struct error *error = &s->queues[q].last_error;
        if (error->kind != ERROR_NONE)
            buf_printf(reasons, "nothing can be received from the %s: %s: %s\n", names[q],
                       error->code, error->text);
    }
    readiness_dead_letters(reasons, &s->last_dead_letter_error);
    aws_services_ready(&s->aws, reasons);
}

struct program_ops relay_shell_ops(const struct config_table *tables, size_t table_count)
{
    return (struct program_ops){
        .name = "relay",
        .summary = "emits delayed records from SQS to their Kafka topics, each at its millisecond",
        .schema = {CONFIG_RELAY, tables, table_count},
        .config_size = sizeof(struct relay_config),
        .validate = relay_config_validate,
        .new = shell_new,
        .check = relay_shell_check,
        .start = shell_start,
        .stop = shell_stop,
        .close = shell_close,
        .free = shell_free,
        .ready = shell_ready,
        .metrics = relay_shell_metrics,
        .emf = &relay_shell_emf,
    };
}
