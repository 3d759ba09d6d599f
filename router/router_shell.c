/* The router's life and the way between its core and its adapters.
 *
 * The happy path is: new, check, start, the table is set up, the consumer joins; each record is one
 * event, its effects are carried out before the next. The failure modes are: the table cannot be
 * set up (tried again every second, not ready), a path at fault (not ready, the core probes it),
 * Kafka gives up (the program ends and is restarted), the grace time over (the group finds out by
 * itself; what was not committed comes again).
 */
#include "router/router_shell.h"

#include <string.h>

#include "common/check.h"
#include "common/kill_point.h"
#include "common/mem.h"
#include "common/readiness.h"
#include "router/router_shell_internal.h"

#define LINES_A_SECOND 5
#define SETUP_AGAIN_MS 1000

bool router_shell_may_log(struct router_shell *s, struct router_log_limit *limit)
{
    int64_t second = loop_now(s->loop).mono.ms / 1000;
    if (limit->second != second)
        *limit = (struct router_log_limit){.second = second};
    return limit->lines++ < LINES_A_SECOND;
}

/* --- core ------------------------------------------------------------------------------------ */

void router_shell_push(struct router_shell *s, const struct router_event *event)
{
    CHECK(s->pending_count < ROUTER_PENDING_MAX);
    s->pending[(s->pending_first + s->pending_count++) % ROUTER_PENDING_MAX] = *event;
}

static void push_encoded(struct router_shell *s, uint64_t id, uint32_t frame_bytes,
                         uint32_t blob_bytes)
{
    struct router_event event = {.type = ROUTER_EVENT_ENCODED};
    event.encoded.id = id;
    event.encoded.frame_bytes = frame_bytes;
    event.encoded.blob_bytes = blob_bytes;
    router_shell_push(s, &event);
}

static void store_large(struct router_shell *s, uint64_t id)
{
    uint32_t frame_bytes;
    uint32_t blob_bytes;
    router_bodies_store_large(s->bodies, router_slot(id), &s->stripped, &frame_bytes, &blob_bytes);
    push_encoded(s, id, frame_bytes, blob_bytes);
}

static void keep(struct router_shell *s, uint32_t slot)
{
    const struct kafka_record *k = s->record;
    static_assert(DELAY_TOO_MANY_HEADERS < ROUTER_REJECTION_CODES, "a counter for each");
    s->rejected[s->rejection]++;
    if (router_shell_may_log(s, &s->record_log))
        log_event(s->log, LOG_WARN, "record_rejected",
                  LOG_STR("code", delay_rejection_code(s->rejection)), LOG_TEXT("topic", k->topic),
                  LOG_NUMBER("partition", k->partition), LOG_NUMBER("offset", k->offset),
                  LOG_STR("detail", s->detail));
    const struct record whole = {
        .source_topic = k->topic,
        .source_partition = k->partition,
        .source_offset = k->offset,
        .key = k->key,
        .value = k->value,
        .headers = k->headers,
        .header_count = (uint32_t)k->header_count,
    };
    router_bodies_keep(s->bodies, slot, &whole, k->timestamp_ms, s->rejection, s->detail);
}

static void carry_out(struct router_shell *s, const struct router_effect *effect)
{
    uint32_t slot = router_slot(effect->id);
    switch (effect->type) {
    case ROUTER_EFFECT_APPEND:
        router_bodies_append(s->bodies, slot, &s->stripped);
        return;
    case ROUTER_EFFECT_CLOSE:
        push_encoded(s, effect->id, router_bodies_close(s->bodies, slot), 0);
        KILL_POINT("router.envelope_closed");
        return;
    case ROUTER_EFFECT_STORE_LARGE:
        store_large(s, effect->id);
        return;
    case ROUTER_EFFECT_KEEP:
        keep(s, slot);
        return;
    case ROUTER_EFFECT_RECODE:
        push_encoded(s, effect->id,
                     router_bodies_recode(s->bodies, slot, effect->first, effect->count), 0);
        return;
    case ROUTER_EFFECT_SEND:
        router_shell_send(s, effect);
        return;
    case ROUTER_EFFECT_DEAD_LETTER:
        router_shell_dead_letter(s, effect);
        return;
    case ROUTER_EFFECT_FREE:
        router_bodies_drop(s->bodies, slot);
        return;
    case ROUTER_EFFECT_COMMIT:
        router_shell_commit(s, effect->id);
        return;
    case ROUTER_EFFECT_RELEASE:
        router_shell_release(s);
        return;
    case ROUTER_EFFECT_PAUSE:
    case ROUTER_EFFECT_RESUME:
        kafka_consumer_pause(s->consumer, effect->type == ROUTER_EFFECT_PAUSE);
        return;
    }
    UNREACHABLE();
}

static void step(struct router_shell *s, const struct router_event *event)
{
    router_core_step(s->core, event, loop_now(s->loop), s->effects);
    for (uint32_t i = 0; i < s->effects->count; i++)
        carry_out(s, &s->effects->effects[i]);
}

static void on_left_group(void *ctx)
{
    struct router_shell *s = ctx;
    KILL_POINT("router.left_group");
    program_idle(s->program);
}

void router_shell_run(struct router_shell *s, const struct router_event *event)
{
    CHECK(!s->inside);
    s->inside = true;
    step(s, event);
    while (s->pending_count > 0) {
        struct router_event next = s->pending[s->pending_first];
        s->pending_first = (s->pending_first + 1) % ROUTER_PENDING_MAX;
        s->pending_count--;
        step(s, &next);
    }
    s->inside = false;
    struct deadline at = router_core_deadline(s->core);
    if (at.mono.ms != s->timer_at_ms)
        loop_timer_set(s->timer, at);
    s->timer_at_ms = at.mono.ms;
    if (s->stopping && !s->closed && router_core_idle(s->core)) {
        s->closed = true;
        kafka_consumer_close(s->consumer, on_left_group);
    }
}

static void on_timer(void *ctx)
{
    struct router_shell *s = ctx;
    s->timer_at_ms = TIME_NEVER; /* it comes once per set */
    router_shell_run(s, &(struct router_event){.type = ROUTER_EVENT_TICK});
}

/* --- life ------------------------------------------------------------------------------------ */

static void shell_close(void *shell)
{
    struct router_shell *s = shell;
    kafka_producer_free(s->producer); /* before the credentials that it may use */
    kafka_consumer_free(s->consumer);
    aws_services_close(&s->aws);
    table_setup_cancel(s->table_setup);
    loop_timer_free(s->timer);
}

static void shell_free(void *shell)
{
    struct router_shell *s = shell;
    router_bodies_free(s->bodies);
    router_topics_release(&s->topics);
    dependency_check_release(&s->check);
    mem_free(s->delay_queue_url);
    mem_free(s->core);
    mem_free(s->effects);
    mem_free(s->pending);
    mem_free(s->partitions);
    mem_free(s->revoked);
    mem_free(s->headers);
    mem_free(s);
}

static void *shell_new(struct program *program, const void *config, struct buf *errors)
{
    struct router_shell *s = mem_calloc(1, sizeof(*s));
    s->program = program;
    s->loop = program_loop(program);
    s->log = program_log(program);
    s->config = config;
    dependency_check_init(&s->check, program);
    router_topics_init(&s->topics, s->config, errors);
    s->timer_at_ms = TIME_NEVER;
    s->timer = loop_timer_new(s->loop, on_timer, s);
    uint32_t calls_max = (uint32_t)(s->config->sqs_calls_max + s->config->table_calls_max);
    aws_services_open(&s->aws, s->loop, s->log, calls_max, errors);
    router_shell_open_producer(s, errors);
    return s;
}

static void begin(struct router_shell *s, uint32_t shards)
{
    struct router_limits limits = router_config_limits(s->config);
    limits.shards = shards;
    s->core = mem_calloc(1, sizeof(*s->core));
    s->effects = mem_calloc(1, sizeof(*s->effects));
    s->bodies = router_bodies_new(ROUTER_ENVELOPES_MAX);
    s->pending = mem_calloc(ROUTER_PENDING_MAX, sizeof(*s->pending));
    s->partitions = mem_calloc(ROUTER_PARTITIONS_MAX, sizeof(*s->partitions));
    s->headers = mem_calloc(RECORD_HEADERS_MAX, sizeof(*s->headers));
    router_core_init(s->core, &limits, loop_random_seed());
    CLEANUP(buf_release) struct buf errors;
    buf_init(&errors, 4 * KIB);
    if (!router_shell_open_consumer(s, &errors)) {
        struct error error;
        error_set(&error, ERROR_PERMANENT, "KafkaConsumer", "%s", buf_text(&errors));
        program_fatal(s->program, "consumer_refused", &error);
    }
}

static void set_up_table(void *ctx);

static void on_table_set_up(void *ctx, const struct table_setup_result *result,
                            const struct error *error)
{
    struct router_shell *s = ctx;
    s->table_setup = NULL;
    s->setup_error = *error;
    if (s->stopping)
        return;
    if (result != NULL) {
        log_event(s->log, LOG_INFO, "table_set_up", LOG_NUMBER("shards", result->shards),
                  LOG_NUMBER("shards_most", result->shards_most));
        KILL_POINT("router.table_set_up");
        begin(s, result->shards);
        return;
    }
    if (strcmp(error->code, TABLE_SETUP_CODE_MISMATCH) == 0) {
        program_misconfigured(s->program, "table_setup_refused", error);
        return;
    }
    log_error(s->log, "table_setup_failed", error);
    loop_timer_free(s->timer);
    s->timer = loop_timer_new(s->loop, set_up_table, s);
    struct mono_ms again = mono_add(loop_now(s->loop).mono, SETUP_AGAIN_MS);
    loop_timer_set(s->timer, (struct deadline){again, {TIME_NEVER}});
}

static void set_up_table(void *ctx)
{
    struct router_shell *s = ctx;
    const struct settings *settings = &s->config->settings;
    loop_timer_free(s->timer);
    s->timer = loop_timer_new(s->loop, on_timer, s);
    s->table_setup =
        table_setup_start(s->loop, s->aws.dynamodb, settings->table, (uint32_t)settings->shards,
                          settings->bucket_ms, on_table_set_up, s);
}

static void shell_start(void *shell)
{
    struct router_shell *s = shell;
    aws_services_log(&s->aws);
    set_up_table(s);
}

static void shell_stop(void *shell)
{
    struct router_shell *s = shell;
    KILL_POINT("router.stopping");
    s->stopping = true;
    if (s->consumer == NULL) {
        program_idle(s->program);
        return;
    }
    router_shell_run(s, &(struct router_event){.type = ROUTER_EVENT_STOP});
}

static void shell_ready(void *shell, struct buf *reasons)
{
    const struct router_shell *s = shell;
    static const char *const paths[ROUTER_SERVICES] = {"the delay queue", "the table"};
    if (s->consumer == NULL) {
        buf_printf(reasons, "the table is not set up yet: %s\n",
                   s->setup_error.kind == ERROR_NONE ? "under way" : s->setup_error.text);
        return;
    }
    readiness_kafka(reasons, kafka_consumer_is_reachable(s->consumer),
                    s->config->settings.bootstrap_servers);
    for (int i = 0; i < ROUTER_SERVICES; i++)
        if (s->core->services[i].blocked)
            buf_printf(reasons, "%s refuses everything: %s: %s\n", paths[i], s->last_error[i].code,
                       s->last_error[i].text);
    if (s->core->dead_letter_blocked)
        readiness_dead_letters(reasons, &s->last_dead_letter_error);
    aws_services_ready(&s->aws, reasons);
}

struct program_ops router_shell_ops(const struct config_table *tables, size_t table_count)
{
    return (struct program_ops){
        .name = "router",
        .summary = "packs delayed records from Kafka into SQS and DynamoDB",
        .schema = {CONFIG_ROUTER, tables, table_count},
        .config_size = sizeof(struct router_config),
        .validate = router_config_validate,
        .new = shell_new,
        .check = router_shell_check,
        .start = shell_start,
        .stop = shell_stop,
        .close = shell_close,
        .free = shell_free,
        .ready = shell_ready,
        .metrics = router_shell_metrics,
        .emf = &router_shell_emf,
    };
}
