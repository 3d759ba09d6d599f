#include "tests/sim/workload.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/mem.h"
#include "common/timeval.h"
#include "tests/sim/environment.h"
#include "tests/sim/ledger.h"
#include "tests/sim/stand_in_consumer.h"
#include "tests/sim/world.h"

#define HEADERS_MAX  12
#define TEXT_SIZE    192
#define BYTES_MAX    ((size_t)400 * 1024)
#define SMALL_BYTES  60
#define MEDIUM_BYTES 8000
#define YEAR_MS      (366 * MS_PER_DAY)

/* Mistakes, and the code of each. */
static const struct {
    const char *code;
    const char *header;
    const char *value;
} mistakes[] = {
    {"target-missing", NULL, NULL},
    {"target-invalid", "delay-target", "a/b"},
    {"target-forbidden", "delay-target", SIM_DELAY_TOPIC},
    {"target-forbidden", "delay-target", "__consumer_offsets"},
    {"time-missing", "delay-target", "target0"},
    {"until-invalid", "delay-until", "tomorrow"},
    {"for-invalid", "delay-for", "-5s"},
    {"delay-too-long", "delay-for", "400d"},
    {"id-invalid", "delay-id", "with space"},
    {"header-conflict", "delay-target", "target2"},
    {"time-overflow", "delay-for", "9223372036854775807"},
};

struct workload {
    struct sim *sim;
    struct prng random;
    struct sim_event next;
    uint32_t produced;
    uint8_t bytes[BYTES_MAX]; /* that values are cut from */
};

/* A record in the making. */
struct draft {
    struct kafka_model_header headers[HEADERS_MAX];
    size_t count;
    size_t steering; /* the first so many are ours */
    struct ledger_record record;
    char number[16], due[TEXT_SIZE], id[32];
};

static void add(struct draft *d, const char *name, struct slice value)
{
    CHECK(d->count < HEADERS_MAX);
    d->headers[d->count++] = (struct kafka_model_header){slice_from_str(name), value};
}

static int64_t draw_delay_ms(struct workload *w, bool *ret_far)
{
    const struct options *o = &w->sim->options;
    struct prng *r = &w->random;
    *ret_far = false;
    switch (prng_below(r, 9)) {
    case 0:
        return 0;
    case 1:
        return sim_between(r, 1, 3000);
    case 2:
        return o->horizon_ms + sim_between(r, -2000, 2000);
    case 3: /* exactly a second's or a bucket's edge */
        return o->horizon_ms + o->bucket_ms * sim_between(r, 1, 4) - w->sim->now_ms % o->bucket_ms +
               sim_between(r, -1, 1);
    case 4:
        *ret_far = prng_below(r, 4) == 0;
        return *ret_far ? sim_between(r, o->delay_max_ms + MS_PER_HOUR, YEAR_MS - MS_PER_DAY)
                        : sim_between(r, 0, o->horizon_ms);
    case 5: /* many at one instant */
        return o->horizon_ms + 2 * o->bucket_ms - w->sim->now_ms % (2 * o->bucket_ms);
    default:
        return sim_between(r, 0, o->delay_max_ms);
    }
}

/* As a time or as a delay; the record's timestamp is now. */
static void add_time(struct workload *w, struct draft *d)
{
    int64_t delay_ms = draw_delay_ms(w, &d->record.far);
    d->record.due_ms = w->sim->now_ms + delay_ms;
    switch (prng_below(&w->random, 4)) {
    case 0:
        snprintf(d->due, sizeof(d->due), "%" PRId64, d->record.due_ms);
        add(d, "delay-until", slice_from_str(d->due));
        return;
    case 1:
        snprintf(d->due, sizeof(d->due), "%" PRId64 "ms", delay_ms);
        add(d, "delay-for", slice_from_str(d->due));
        return;
    case 2:
        d->record.due_ms = w->sim->now_ms + delay_ms / 1000 * 1000;
        snprintf(d->due, sizeof(d->due), "%" PRId64 "s", delay_ms / 1000);
        add(d, "delay-for", slice_from_str(d->due));
        return;
    default:
        snprintf(d->due, sizeof(d->due), "%" PRId64, delay_ms);
        add(d, "delay-for", slice_from_str(d->due));
        return;
    }
}

static void add_target(struct workload *w, struct draft *d)
{
    d->record.target = world_target((uint32_t)prng_below(&w->random, WORLD_TARGETS));
    if (prng_below(&w->random, 20) == 0) {
        d->record.target = WORLD_TARGET_MISSING;
        d->record.poison = "target-unknown";
    } else if (prng_below(&w->random, 20) == 0) {
        d->record.target = WORLD_TARGET_COMPACTED;
    }
    add(d, "delay-target", slice_from_str(d->record.target));
}

/* The mistake replaces, or adds to, what was right. */
static void spoil(struct workload *w, struct draft *d)
{
    size_t which = prng_below(&w->random, ARRAY_LEN(mistakes));
    d->count = 0;
    d->record.poison = mistakes[which].code;
    d->record.far = false;
    d->record.due_ms = w->sim->now_ms;
    bool times = strstr(mistakes[which].code, "time-missing") == NULL;
    bool target = mistakes[which].header == NULL ||
                  strcmp(mistakes[which].header, "delay-target") != 0 ||
                  strcmp(mistakes[which].code, "header-conflict") == 0;
    bool own_time =
        mistakes[which].header != NULL && (strcmp(mistakes[which].header, "delay-for") == 0 ||
                                           strcmp(mistakes[which].header, "delay-until") == 0);
    if (target && mistakes[which].header != NULL)
        add(d, "delay-target", SLICE_LITERAL("target0"));
    if (times && !own_time)
        add(d, "delay-for", SLICE_LITERAL("5s"));
    if (mistakes[which].header != NULL)
        add(d, mistakes[which].header, slice_from_str(mistakes[which].value));
}

static struct slice draw_bytes(struct workload *w, size_t most)
{
    size_t len = prng_below(&w->random, most + 1);
    size_t from = prng_below(&w->random, BYTES_MAX - len);
    return slice_from(&w->bytes[from], len);
}

static void add_content(struct workload *w, struct draft *d)
{
    struct prng *r = &w->random;
    size_t most = prng_below(r, 10) == 0 ? MEDIUM_BYTES : SMALL_BYTES;
    d->record.key = prng_below(r, 3) == 0 ? SLICE_NULL : draw_bytes(w, SMALL_BYTES);
    d->record.value = prng_below(r, 10) == 0 ? SLICE_NULL : draw_bytes(w, most);
    if (sim_happens(r, w->sim->options.large_per_mille))
        d->record.value = slice_from(w->bytes, BYTES_MAX - prng_below(r, BYTES_MAX / 3));
    if (strcmp(d->record.target, WORLD_TARGET_COMPACTED) == 0 && slice_is_null(d->record.key) &&
        d->record.poison == NULL)
        d->record.poison = "target-refused";
    static const char *const names[] = {"x", "x", "trace-id", "Delay-For", ""};
    for (uint64_t i = prng_below(r, 4); i > 0; i--)
        add(d, names[prng_below(r, ARRAY_LEN(names))],
            prng_below(r, 4) == 0 ? SLICE_NULL : draw_bytes(w, SMALL_BYTES));
}

static void draw_record(struct workload *w, struct draft *d)
{
    struct prng *r = &w->random;
    memset(d, 0, sizeof(*d));
    add_target(w, d);
    add_time(w, d);
    if (prng_below(r, 5) == 0) { /* few, so that records share them */
        snprintf(d->id, sizeof(d->id), "order-%u", (unsigned)prng_below(r, 5));
        add(d, "delay-id", slice_from_str(d->id));
        d->record.delay_id = slice_from_str(d->id);
    }
    if (sim_happens(r, w->sim->options.poison_per_mille))
        spoil(w, d);
    d->steering = d->count;
    snprintf(d->number, sizeof(d->number), "%u", w->sim->ledger->count);
    add(d, "n", slice_from_str(d->number));
    add_content(w, d);
}

/* In the topic first, so that the ledger knows where. */
static bool append(struct workload *w, struct draft *d)
{
    struct sim *sim = w->sim;
    struct kafka_model_produced produced;
    const struct kafka_model_produce spec = {
        .topic = SLICE_LITERAL(SIM_DELAY_TOPIC),
        .partition = (int32_t)prng_below(&w->random, (uint64_t)sim->options.partitions),
        .key = d->record.key,
        .value = d->record.value,
        .headers = d->headers,
        .header_count = d->count,
        .timestamp_ms = sim->now_ms,
    };
    kafka_model_produce(sim->world->kafka, &spec, sim->now_ms, &produced);
    if (produced.error != KAFKA_MODEL_NONE)
        return false;
    d->record.partition = spec.partition;
    d->record.offset = produced.offset;
    d->record.produced_ms = sim->now_ms;
    d->record.headers = &d->headers[d->steering];
    d->record.header_count = d->count - d->steering;
    ledger_add(sim->ledger, &d->record);
    sim_say(sim, NULL, "record %u: %d/%" PRId64 ", due %+" PRId64 " ms, to %s%s%s",
            sim->ledger->count - 1, (int)spec.partition, produced.offset,
            d->record.due_ms - SIM_START_MS, d->record.target, d->record.poison != NULL ? ", " : "",
            d->record.poison != NULL ? d->record.poison : "");
    return true;
}

static void produce(void *ctx)
{
    struct workload *w = ctx;
    struct sim *sim = w->sim;
    const struct options *o = &sim->options;
    int64_t gap_ms = 2 * o->produce_ms / o->records;
    /* In bursts, as producers do. */
    for (uint64_t burst = prng_below(&w->random, 8) + 1; burst > 0; burst--) {
        struct draft draft;
        draw_record(w, &draft);
        if (w->produced < o->records && append(w, &draft))
            w->produced++;
    }
    stand_in_consumers_wake(sim);
    if (w->produced < o->records)
        sim_set(sim, &w->next, sim->now_ms + sim_between(&w->random, 0, 8 * gap_ms));
}

struct workload *workload_new(struct sim *sim)
{
    struct workload *w = mem_calloc(1, sizeof(*w));
    w->sim = sim;
    prng_init(&w->random, sim->options.seed ^ UINT64_C(0x776f726b));
    for (size_t i = 0; i < BYTES_MAX; i += 8) {
        uint64_t word = prng_next(&w->random);
        memcpy(&w->bytes[i], &word, 8);
    }
    w->next = (struct sim_event){.fn = produce, .ctx = w};
    sim_set(sim, &w->next, sim->now_ms + sim_between(&w->random, 0, 3000));
    return w;
}

bool workload_is_done(const struct workload *w)
{
    return w->produced >= w->sim->options.records;
}

void workload_free(struct workload *w)
{
    sim_cancel(w->sim, &w->next);
    mem_free(w);
}
