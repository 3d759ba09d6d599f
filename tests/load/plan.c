#include "tests/load/plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/check.h"
#include "common/prng.h"
#include "tests/load/order.h"

/* Draws of a record come from separate streams: asking for one does not cost the others. */
enum stream { STREAM_DELAY = 1, STREAM_POISON, STREAM_SHAPE, STREAM_VALUE };

static struct prng draw(const struct plan *plan, uint64_t id, enum stream stream)
{
    struct prng random;
    prng_init(&random, plan->seed ^ (id * UINT64_C(0xd6e8feb86659fd93)) ^ ((uint64_t)stream << 56));
    return random;
}

int64_t plan_delay_ms(const struct plan *plan, uint64_t id)
{
    struct prng random = draw(plan, id, STREAM_DELAY);
    uint64_t span = (uint64_t)(plan->delay_max_ms - plan->delay_min_ms) + 1;
    return plan->delay_min_ms + (int64_t)prng_below(&random, span);
}

enum poison plan_poison(const struct plan *plan, uint64_t id)
{
    if (plan->poison_per_mille == 0)
        return POISON_NONE;
    struct prng random = draw(plan, id, STREAM_POISON);
    if (prng_below(&random, 1000) >= plan->poison_per_mille)
        return POISON_NONE;
    return (enum poison)(1 + prng_below(&random, POISON_KINDS - 1));
}

const char *poison_code(enum poison poison)
{
    switch (poison) {
    case POISON_NONE:
    case POISON_KINDS:
        return "";
    case POISON_NO_TARGET:
        return "target-missing";
    case POISON_FORBIDDEN_TARGET:
        return "target-forbidden";
    case POISON_BOTH_TIMES:
        return "time-ambiguous";
    case POISON_NO_TIME:
        return "time-missing";
    case POISON_BAD_FOR:
        return "for-invalid";
    case POISON_BAD_UNTIL:
        return "until-invalid";
    case POISON_BAD_ID:
        return "id-invalid";
    case POISON_CONFLICT:
        return "header-conflict";
    }
    UNREACHABLE();
}

void plan_target_name(const struct plan *plan, unsigned target, char out[PLAN_TOPIC_SIZE])
{
    int len = plan->targets == 1
                  ? snprintf(out, PLAN_TOPIC_SIZE, "%s", plan->target_base)
                  : snprintf(out, PLAN_TOPIC_SIZE, "%s-%u", plan->target_base, target);
    CHECK(len > 0 && len < PLAN_TOPIC_SIZE);
}

bool plan_parse_id(const struct plan *plan, const void *text, size_t len, uint64_t *ret_id)
{
    char copy[64];
    size_t run_len = strlen(plan->run);
    if (len <= run_len + 1 || len >= sizeof(copy))
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    if (memcmp(copy, plan->run, run_len) != 0 || copy[run_len] != ':')
        return false;
    char *end;
    uint64_t id = strtoull(copy + run_len + 1, &end, 10);
    if (*end != '\0' || id >= plan->records)
        return false;
    *ret_id = id;
    return true;
}

static void add_header(struct planned *p, const char *name, const void *value, size_t len,
                       bool steers)
{
    CHECK(p->header_count < PLAN_HEADERS_MAX);
    p->headers[p->header_count++] =
        (struct planned_header){.name = name, .value = value, .len = len, .steers = steers};
}

static void add_text_header(struct planned *p, const char *name, const char *value, bool steers)
{
    add_header(p, name, value, strlen(value), steers);
}

/* The same delay in each of the grammar's spellings. */
static void spell_for(struct prng *random, int64_t delay_ms, char *out, size_t size)
{
    if (delay_ms % 60000 == 0 && delay_ms > 0)
        snprintf(out, size, "%" PRId64 "m", delay_ms / 60000);
    else if (delay_ms % 1000 == 0)
        snprintf(out, size, "%" PRId64 "s", delay_ms / 1000);
    else
        snprintf(out, size, "%" PRId64 "%s", delay_ms, prng_below(random, 2) == 0 ? "" : "ms");
}

static void spell_until(struct prng *random, int64_t due_ms, char *out, size_t size)
{
    if (prng_below(random, 2) == 0) {
        snprintf(out, size, "%" PRId64, due_ms);
        return;
    }
    time_t seconds = (time_t)(due_ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    char stamp[32];
    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out, size, "%s.%03dZ", stamp, (int)(due_ms % 1000));
}

static void steer(struct prng *random, int64_t sent_ms, struct planned *p)
{
    enum poison poison = p->poison;
    if (poison == POISON_FORBIDDEN_TARGET)
        add_text_header(p, "delay-target", "__consumer_offsets", true);
    else if (poison != POISON_NO_TARGET)
        add_text_header(p, "delay-target", p->target_text, true);

    bool until = prng_below(random, 2) == 0;
    if (until)
        spell_until(random, sent_ms + p->delay_ms, p->time_text, sizeof(p->time_text));
    else
        spell_for(random, p->delay_ms, p->time_text, sizeof(p->time_text));
    if (poison == POISON_BAD_FOR) {
        add_text_header(p, "delay-for", "1.5s", true);
    } else if (poison == POISON_BAD_UNTIL) {
        add_text_header(p, "delay-until", "2026-02-30T00:00:00Z", true);
    } else if (poison != POISON_NO_TIME) {
        add_text_header(p, until ? "delay-until" : "delay-for", p->time_text, true);
        if (poison == POISON_BOTH_TIMES)
            add_text_header(p, until ? "delay-for" : "delay-until", until ? "1s" : "1", true);
        if (poison == POISON_CONFLICT)
            add_text_header(p, until ? "delay-until" : "delay-for", "7", true);
    }
    p->own_id = prng_below(random, 4) == 0;
    if (poison == POISON_BAD_ID) {
        add_text_header(p, "delay-id", "two words", true);
    } else if (p->own_id) {
        snprintf(p->own_id_text, sizeof(p->own_id_text), "order-%" PRIu64, p->id);
        add_text_header(p, "delay-id", p->own_id_text, true);
    }
}

/* Half of the users' headers stand before ours and half behind, some repeated, some binary, some
 * null. */
static void shape(const struct plan *plan, int64_t sent_ms, struct planned *p)
{
    struct prng random = draw(plan, p->id, STREAM_SHAPE);
    p->target = (unsigned)prng_below(&random, plan->targets);
    plan_target_name(plan, p->target, p->target_text);
    snprintf(p->id_text, sizeof(p->id_text), "%s:%" PRIu64, plan->run, p->id);
    snprintf(p->key_text, sizeof(p->key_text), "customer-%06" PRIu64, prng_below(&random, 1000000));
    p->key = prng_below(&random, 16) == 0 ? NULL : (const uint8_t *)p->key_text;
    p->key_len = p->key == NULL ? 0 : strlen(p->key_text);
    for (size_t i = 0; i < sizeof(p->noise); i++)
        p->noise[i] = (uint8_t)prng_next(&random);

    p->header_count = 0;
    add_text_header(p, PLAN_ID_HEADER, p->id_text, false);
    bool decorated = prng_below(&random, 8) == 0;
    if (decorated)
        add_header(p, "trace", p->noise, sizeof(p->noise), false);
    steer(&random, sent_ms, p);
    if (decorated) {
        add_header(p, "trace", p->noise, 3, false);
        add_header(p, "nothing", NULL, 0, false);
        add_text_header(p, "DELAY-FOR", "is the user's: header names are case-sensitive", false);
    }
}

static void reserve_value(struct planned *p, size_t needed)
{
    if (p->value_capacity >= needed)
        return;
    p->value_buffer = realloc(p->value_buffer, needed);
    CHECK(p->value_buffer != NULL);
    p->value_capacity = needed;
}

static void fill_order(const struct plan *plan, struct planned *p)
{
    struct prng random = draw(plan, p->id, STREAM_VALUE);
    reserve_value(p, plan->value_bytes + 2 * ORDER_SLACK_BYTES);
    p->value_len = order_write(&random, p->id, (char *)p->value_buffer, plan->value_bytes);
    p->value = p->value_buffer;
}

static void fill_value(const struct plan *plan, struct planned *p)
{
    static const char *const first_names[] = {"Ada",     "Grace",  "Edsger",
                                              "Barbara", "Donald", "Frances"};
    static const char *const items[] = {"keyboard", "ethernet cable", "lamp",
                                        "desk",     "notebook",       "tea"};
    struct prng random = draw(plan, p->id, STREAM_VALUE);
    if (prng_below(&random, 64) == 0) {
        p->value = prng_below(&random, 2) == 0 ? NULL : (const uint8_t *)"";
        p->value_len = 0;
        return;
    }
    reserve_value(p, plan->value_bytes + 512);
    char *text = (char *)p->value_buffer;
    size_t len = (size_t)snprintf(
        text, p->value_capacity,
        "{\"order\":\"%s:%" PRIu64
        "\",\"customer\":\"%s\",\"name\":\"%s\",\"item\":\"%s\",\"amount\":%u.%02u,"
        "\"token\":\"%016" PRIx64 "\"",
        plan->run, p->id, p->key_text, first_names[prng_below(&random, 6)],
        items[prng_below(&random, 6)], (unsigned)prng_below(&random, 1000),
        (unsigned)prng_below(&random, 100), prng_next(&random));
    unsigned line = 0;
    while (plan->value_bytes > 0 && len + 2 < plan->value_bytes) {
        int more = snprintf(text + len, p->value_capacity - len,
                            ",\"line%u\":{\"sku\":\"%08x\",\"name\":\"%s\",\"pieces\":%u}", line++,
                            (unsigned)(prng_next(&random) & 0xffffffffU),
                            items[prng_below(&random, 6)], (unsigned)prng_below(&random, 20));
        CHECK(more > 0);
        len += (size_t)more;
        if (len >= p->value_capacity - 1) {
            len = p->value_capacity - 1;
            break;
        }
    }
    text[len++] = '}';
    if (plan->value_bytes > 0 && len > plan->value_bytes)
        len = plan->value_bytes;
    p->value = p->value_buffer;
    p->value_len = len;
}

void plan_record(const struct plan *plan, uint64_t id, int64_t sent_ms, struct planned *out)
{
    out->id = id;
    out->delay_ms = plan_delay_ms(plan, id);
    out->poison = plan_poison(plan, id);
    shape(plan, sent_ms, out);
    if (plan->orders)
        fill_order(plan, out);
    else
        fill_value(plan, out);
}

void planned_release(struct planned *p)
{
    free(p->value_buffer);
    p->value_buffer = NULL;
    p->value_capacity = 0;
}
