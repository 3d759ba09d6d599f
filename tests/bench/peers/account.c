#include "tests/bench/peers/account.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/check.h"

/* As much as a producer's queue may hold: beyond it the generator waits, and what it sends later is
 * due later. */
#define UNANSWERED_MAX 100000

int64_t wall_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t mono_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t mono_ms(void)
{
    return mono_us() / 1000;
}

void account_init(struct account *a, const struct options *options)
{
    *a = (struct account){.options = options, .settled_mono_ms = INT64_MAX};
    a->start_ms = wall_ms();
    a->start_mono_ms = a->last_answer_mono_ms = a->last_arrival_mono_ms = mono_ms();
    a->last_due_ms = a->start_ms;
    ledger_init(&a->ledger, options->plan.records, a->start_ms);
}

void account_release(struct account *a)
{
    ledger_release(&a->ledger);
    planned_release(&a->planned);
    planned_release(&a->expected);
    free(a->body);
}

static struct slice write_body(struct account *a, const struct planned *p)
{
    size_t id_len = strlen(p->id_text);
    size_t len = id_len + 1 + p->value_len;
    if (len > a->body_size) {
        a->body = realloc(a->body, len);
        CHECK(a->body != NULL);
        a->body_size = len;
    }
    memcpy(a->body, p->id_text, id_len);
    a->body[id_len] = ' ';
    if (p->value_len > 0)
        memcpy(a->body + id_len + 1, p->value, p->value_len);
    return slice_from((const uint8_t *)a->body, len);
}

bool account_compose(struct account *a, struct task *ret_task)
{
    const struct options *o = a->options;
    uint64_t allowed = o->plan.records;
    if (o->rate > 0) {
        uint64_t elapsed_ms = (uint64_t)(mono_ms() - a->start_mono_ms);
        allowed = MIN(allowed, (elapsed_ms + 1) * o->rate / 1000);
    }
    if (a->composed >= allowed || a->composed - a->answered >= UNANSWERED_MAX)
        return false;
    int64_t sent_ms = o->at_once ? a->start_ms : wall_ms();
    uint64_t id = a->composed++;
    plan_record(&o->plan, id, sent_ms, &a->planned);
    *ret_task = (struct task){.id = id,
                              .sent_ms = sent_ms,
                              .due_ms = sent_ms + a->planned.delay_ms,
                              .body = write_body(a, &a->planned)};
    ledger_plan(&a->ledger, id, ret_task->due_ms);
    a->last_due_ms = MAX(a->last_due_ms, ret_task->due_ms);
    return true;
}

void account_answer(struct account *a, bool stored)
{
    CHECK(a->answered < a->composed);
    ledger_acknowledge(&a->ledger, a->answered++, stored ? ACK_YES : ACK_FAILED);
    a->last_answer_mono_ms = mono_ms();
}

void account_receive(struct account *a, struct slice body, int64_t received_ms)
{
    const struct plan *plan = &a->options->plan;
    const uint8_t *space = body.len == 0 ? NULL : memchr(body.ptr, ' ', body.len);
    size_t id_len = space == NULL ? body.len : (size_t)(space - body.ptr);
    uint64_t id;
    if (!plan_parse_id(plan, body.ptr, id_len, &id) || id >= a->composed) {
        a->ledger.unexpected++;
        return;
    }
    a->last_arrival_mono_ms = mono_ms();
    struct planned *p = &a->expected;
    plan_record(plan, id, ledger_due_ms(&a->ledger, id) - plan_delay_ms(plan, id), p);
    size_t value_len = space == NULL ? 0 : body.len - id_len - 1;
    if (value_len != p->value_len ||
        (value_len > 0 && memcmp(body.ptr + id_len + 1, p->value, value_len) != 0))
        a->ledger.corrupted++;
    ledger_deliver(&a->ledger, id, received_ms, received_ms);
}

bool account_is_over(struct account *a)
{
    const struct ledger *l = &a->ledger;
    int64_t now = mono_ms();
    if (a->composed == a->options->plan.records && a->answered == a->composed &&
        l->settled == l->sent) {
        a->settled_mono_ms = MIN(a->settled_mono_ms, now);
        return now - a->settled_mono_ms >= a->options->settle_ms;
    }
    return wall_ms() - a->last_due_ms > a->options->drain_ms &&
           now - a->last_arrival_mono_ms > a->options->drain_ms;
}

void account_print(const struct account *a)
{
    const struct ledger *l = &a->ledger;
    const struct histogram *h = &l->error;
    printf("{\"sent\": %" PRIu64 ", \"refused\": %" PRIu64 ", \"unanswered\": %" PRIu64
           ", \"delivered\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"duplicated\": %" PRIu64
           ", \"early\": %" PRIu64 ", \"corrupted\": %" PRIu64 ", \"unexpected\": %" PRIu64
           ", \"stored_seconds\": %.3f, \"seconds\": %.3f,\n",
           l->sent, l->failed, a->options->plan.records - a->answered, l->delivered, ledger_lost(l),
           l->duplicated, l->early, l->corrupted, l->unexpected,
           (double)(a->last_answer_mono_ms - a->start_mono_ms) / 1000,
           (double)(a->last_arrival_mono_ms - a->start_mono_ms) / 1000);
    printf(" \"delay_error_ms\": {\"p50\": %" PRId64 ", \"p90\": %" PRId64 ", \"p99\": %" PRId64
           ", \"p99_9\": %" PRId64 ", \"max\": %" PRId64 "}}\n",
           histogram_percentile(h, 50000), histogram_percentile(h, 90000),
           histogram_percentile(h, 99000), histogram_percentile(h, 99900), h->max_ms);
}
