#include "tests/sim/ledger.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/mem.h"
#include "tests/sim/environment.h"
#include "tests/sim/host.h"
#include "tests/sim/world.h"

#define TOPICS          (WORLD_TARGETS + 2)
#define PARTITIONS_MAX  8
#define RECORDS_A_FETCH 64
#define NUMBER_SIZE     24
/* So often a good record must have met a bad one in a batch before it may be taken for one. */
#define COMPANY_TRIES 4
/* Longer than routers take to share out their partitions at the start; and what a way to the broker
 * and its queue may take. */
#define AHEAD_MS 40000
#define LATE_MS  300
/* What a host's clock may be wrong by without being corrected: CLOCK_SKEW_LARGE_MS of FAULTS.md's
 * F15, and the second that a Date is cut to. */
#define CLOCK_ERROR_BEARABLE_MS 4000

/* --- making ---------------------------------------------------------------------------------- */

struct ledger *ledger_new(int32_t partitions)
{
    struct ledger *ledger = mem_calloc(1, sizeof(*ledger));
    ledger->partitions = partitions;
    ledger->by_offset = mem_calloc((size_t)partitions, sizeof(*ledger->by_offset));
    ledger->offsets = mem_calloc((size_t)partitions, sizeof(*ledger->offsets));
    ledger->read = mem_calloc((size_t)TOPICS * PARTITIONS_MAX, sizeof(*ledger->read));
    return ledger;
}

static void free_slice(struct slice s)
{
    mem_free((void *)(uintptr_t)s.ptr);
}

static void free_record(struct ledger_record *record)
{
    for (size_t i = 0; i < record->header_count; i++) {
        free_slice(record->headers[i].name);
        free_slice(record->headers[i].value);
    }
    mem_free(record->headers);
    free_slice(record->delay_id);
    free_slice(record->key);
    free_slice(record->value);
    mem_free(record);
}

void ledger_free(struct ledger *ledger)
{
    for (uint32_t i = 0; i < ledger->count; i++)
        free_record(ledger->records[i]);
    for (int32_t i = 0; i < ledger->partitions; i++)
        mem_free(ledger->by_offset[i]);
    mem_free(ledger->by_offset);
    mem_free(ledger->offsets);
    mem_free(ledger->read);
    mem_free(ledger->records);
    mem_free(ledger);
}

static struct slice copy(struct slice from)
{
    if (slice_is_null(from))
        return SLICE_NULL;
    return slice_from(mem_strndup((const char *)from.ptr, from.len), from.len);
}

static void index_record(struct ledger *ledger, const struct ledger_record *record)
{
    uint32_t **list = &ledger->by_offset[record->partition];
    int64_t *count = &ledger->offsets[record->partition];
    *list = mem_realloc(*list, (size_t)(record->offset + 1) * sizeof(**list));
    for (int64_t i = *count; i < record->offset; i++)
        (*list)[i] = LEDGER_NONE; /* a gap */
    (*list)[record->offset] = record->index;
    *count = record->offset + 1;
}

void ledger_add(struct ledger *ledger, const struct ledger_record *record)
{
    struct ledger_record *mine = mem_alloc(sizeof(*mine));
    *mine = *record;
    mine->index = ledger->count;
    mine->headers = mem_calloc(record->header_count, sizeof(*mine->headers));
    for (size_t i = 0; i < record->header_count; i++)
        mine->headers[i] = (struct kafka_model_header){copy(record->headers[i].name),
                                                       copy(record->headers[i].value)};
    mine->delay_id = copy(record->delay_id);
    mine->key = copy(record->key);
    mine->value = copy(record->value);
    if (ledger->count == ledger->capacity) {
        ledger->capacity = MAX(64, 2 * ledger->capacity);
        ledger->records = mem_realloc(ledger->records, ledger->capacity * sizeof(*ledger->records));
    }
    ledger->records[ledger->count++] = mine;
    index_record(ledger, mine);
    ledger->unsettled += !mine->far;
    if (!mine->far)
        ledger->last_due_ms = MAX(ledger->last_due_ms, mine->due_ms);
}

struct ledger_record *ledger_find(const struct ledger *ledger, int32_t partition, int64_t offset)
{
    if (partition < 0 || partition >= ledger->partitions || offset < 0 ||
        offset >= ledger->offsets[partition])
        return NULL;
    uint32_t index = ledger->by_offset[partition][offset];
    return index == LEDGER_NONE ? NULL : ledger->records[index];
}

static int64_t number_of(struct slice text)
{
    int64_t number = 0;
    for (size_t i = 0; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++)
        number = number * 10 + (text.ptr[i] - '0');
    return number;
}

/* --- emitting -------------------------------------------------------------------------------- */

/* By the host's own clock as the product may correct it, and by true time but for as much as that
 * clock may be wrong unnoticed. */
void ledger_emits(struct sim *sim, const struct host *host, const struct kafka_message *message)
{
    int64_t due_ms = 0;
    if (slice_equal_str(message->topic, SIM_DEAD_LETTER_TOPIC))
        return;
    for (size_t i = 0; i < message->header_count; i++)
        if (slice_equal_str(message->headers[i].name, "delay-due"))
            due_ms = number_of(message->headers[i].value);
    int64_t ahead_ms = MIN(MAX(host_clock_error_ms(host), 0), CLOCK_ERROR_BEARABLE_MS);
    if (sim->now_ms + ahead_ms < due_ms)
        sim_fail(sim, "P3 early",
                 "%s emits %" PRId64 " ms before it is due, its clock is %" PRId64 " ms ahead",
                 host->name, due_ms - sim->now_ms, host_clock_error_ms(host));
}

/* --- observing ------------------------------------------------------------------------------- */

static const struct kafka_model_header *find_header(const struct kafka_model_header *headers,
                                                    size_t count, const char *name)
{
    for (size_t i = count; i > 0; i--)
        if (slice_equal_str(headers[i - 1].name, name))
            return &headers[i - 1];
    return NULL;
}

static const struct kafka_model_header *header_of(const struct kafka_model_record *record,
                                                  const char *name)
{
    return find_header(record->headers, record->header_count, name);
}

/* By its delay-source; dead letters of the router do not have one and are known by the number in
 * their header "n". */
static struct ledger_record *whose(const struct ledger *ledger,
                                   const struct kafka_model_header *headers, size_t count)
{
    char text[64];
    const struct kafka_model_header *source = find_header(headers, count, "delay-source");
    const struct kafka_model_header *number = find_header(headers, count, "n");
    if (source == NULL && number != NULL) {
        int64_t index = number_of(number->value);
        return index < ledger->count ? ledger->records[index] : NULL;
    }
    for (int32_t partition = 0; source != NULL && partition < ledger->partitions; partition++) {
        int len = snprintf(text, sizeof(text), SIM_DELAY_TOPIC "/%" PRId32 "/", partition);
        if (source->value.len <= (size_t)len || memcmp(source->value.ptr, text, (size_t)len) != 0)
            continue;
        return ledger_find(
            ledger, partition,
            number_of(slice_from(source->value.ptr + len, source->value.len - (size_t)len)));
    }
    return NULL;
}

void ledger_unsure(struct sim *sim, const struct kafka_model_header *headers, size_t count)
{
    struct ledger_record *r = whose(sim->ledger, headers, count);
    if (r != NULL)
        r->unsure_emits++;
}

void ledger_refused_in_company(struct sim *sim, const struct kafka_model_header *headers,
                               size_t count)
{
    struct ledger_record *r = whose(sim->ledger, headers, count);
    if (r != NULL)
        r->refused_in_company++;
}

static bool same(struct slice a, struct slice b)
{
    return slice_is_null(a) == slice_is_null(b) && slice_equal(a, b);
}

/* P6: as it was produced, then our own headers. */
static void check_bytes(struct sim *sim, const struct ledger_record *r,
                        const struct kafka_model_record *seen)
{
    bool good = same(r->key, seen->key) && same(r->value, seen->value) &&
                seen->header_count >= r->header_count;
    for (size_t i = 0; i < r->header_count && good; i++)
        good = same(r->headers[i].name, seen->headers[i].name) &&
               same(r->headers[i].value, seen->headers[i].value);
    if (!good)
        sim_fail(sim, "P6 bytes", "record %u came out changed", r->index);
}

static void check_stamps(struct sim *sim, const struct ledger_record *r,
                         const struct kafka_model_record *seen)
{
    char due[NUMBER_SIZE];
    const struct kafka_model_header *due_header = header_of(seen, "delay-due");
    const struct kafka_model_header *id = header_of(seen, "delay-id");
    const struct kafka_model_header *source = header_of(seen, "delay-source");
    struct slice expected_id = slice_is_null(r->delay_id) ? source->value : r->delay_id;
    snprintf(due, sizeof(due), "%" PRId64, r->due_ms);
    if (due_header == NULL || !slice_equal_str(due_header->value, due))
        sim_fail(sim, "P6 bytes", "record %u has not its delay-due", r->index);
    if (id == NULL || !slice_equal(id->value, expected_id))
        sim_fail(sim, "P5 id", "record %u has not its delay-id", r->index);
}

static void settle(struct sim *sim, const struct ledger_record *r)
{
    if (r->copies + r->dead == 1 && !r->far)
        sim->ledger->unsettled--;
}

/* P4, without faults and with room for all: of records that were there long before. */
static void check_punctual(struct sim *sim, const struct ledger_record *r)
{
    const struct options *o = &sim->options;
    bool at_ease = o->clean && o->latency_most_ms <= 20 && o->router_calls > 1 &&
                   o->relay_slots > 20 && o->relay_window > 20;
    int64_t late_ms = sim->now_ms - r->due_ms;
    if (at_ease && r->refused_in_company == 0 && r->due_ms - r->produced_ms > AHEAD_MS &&
        late_ms > LATE_MS)
        sim_fail(sim, "P4 late", "record %u is %" PRId64 " ms late without a fault", r->index,
                 late_ms);
}

static void see_copy(struct sim *sim, const struct host *host, struct ledger_record *r,
                     const struct kafka_model_record *seen, const char *topic)
{
    r->copies++;
    settle(sim, r);
    sim_say(sim, host, "record %u is out, copy %u, %+" PRId64 " ms", r->index, r->copies,
            sim->now_ms - r->due_ms);
    if (r->poison != NULL)
        sim_fail(sim, "P8 poison", "record %u, %s, is out", r->index, r->poison);
    if (strcmp(topic, r->target) != 0)
        sim_fail(sim, "P6 target", "record %u is in %s", r->index, topic);
    check_bytes(sim, r, seen);
    check_stamps(sim, r, seen);
    if (r->copies > 1) {
        sim->ledger->duplicates++;
        return;
    }
    check_punctual(sim, r);
    sim->ledger->inversions += r->due_ms < sim->ledger->newest_due_ms;
    sim->ledger->newest_due_ms = MAX(sim->ledger->newest_due_ms, r->due_ms);
    sim->ledger->worst_late_ms =
        MAX(sim->ledger->worst_late_ms, sim->now_ms - MAX(r->due_ms, r->produced_ms));
}

/* P8, P10: with a reason, and only what has to be here. */
static void see_dead_letter(struct sim *sim, const struct host *host, struct ledger_record *r,
                            const struct kafka_model_record *seen)
{
    const struct kafka_model_header *code = header_of(seen, "delay-error");
    const struct kafka_model_header *detail = header_of(seen, "delay-error-detail");
    r->dead++;
    sim->ledger->dead_letters++;
    settle(sim, r);
    sim_say(sim, host, "record %u is dead-lettered as %.*s", r->index,
            code == NULL ? 0 : (int)code->value.len,
            code == NULL ? "" : (const char *)code->value.ptr);
    if (code == NULL || detail == NULL || code->value.len == 0)
        sim_fail(sim, "P10 silent", "record %u is dead-lettered without a reason", r->index);
    else if (r->poison != NULL && !slice_equal_str(code->value, r->poison))
        sim_fail(sim, "P8 poison", "record %u is dead-lettered as %.*s, not %s", r->index,
                 SLICE_ARG(code->value), r->poison);
    if (r->poison == NULL && r->refused_in_company < COMPANY_TRIES)
        sim_fail(sim, "P8 good", "record %u is good and dead-lettered as %.*s", r->index,
                 code == NULL ? 0 : (int)code->value.len,
                 code == NULL ? "" : (const char *)code->value.ptr);
}

static void see(struct sim *sim, const struct host *host, const char *topic,
                const struct kafka_model_record *seen)
{
    struct ledger_record *r = whose(sim->ledger, seen->headers, seen->header_count);
    if (r == NULL)
        sim_fail(sim, "P1 unexpected", "%s has a record that nobody produced", topic);
    else if (strcmp(topic, SIM_DEAD_LETTER_TOPIC) == 0)
        see_dead_letter(sim, host, r, seen);
    else
        see_copy(sim, host, r, seen, topic);
}

static void observe(struct sim *sim, const struct host *host, const char *topic, int32_t partition,
                    int64_t *position)
{
    struct kafka_model_offsets offsets;
    struct kafka_model_record seen[RECORDS_A_FETCH];
    struct kafka_model_fetched fetched;
    struct kafka_model *kafka = sim->world->kafka;
    if (kafka_model_offsets(kafka, slice_from_str(topic), partition, sim->now_ms, &offsets) !=
            KAFKA_MODEL_NONE ||
        offsets.high_watermark <= *position)
        return;
    const struct kafka_model_fetch spec = {.topic = slice_from_str(topic),
                                           .partition = partition,
                                           .offset = *position,
                                           .records_max = RECORDS_A_FETCH,
                                           .bytes_max = SIZE_MAX};
    kafka_model_fetch(kafka, &spec, sim->now_ms, seen, &fetched);
    if (fetched.error != KAFKA_MODEL_NONE)
        return;
    for (size_t i = 0; i < fetched.count; i++)
        see(sim, host, topic, &seen[i]);
    *position = fetched.next_offset;
}

void ledger_observe(struct sim *sim, const struct host *host)
{
    static const char *const refusing[] = {SIM_DEAD_LETTER_TOPIC, WORLD_TARGET_COMPACTED};
    for (uint32_t t = 0; t < TOPICS; t++) {
        const char *topic = t < WORLD_TARGETS ? world_target(t) : refusing[t - WORLD_TARGETS];
        int32_t partitions = t < WORLD_TARGETS ? (int32_t)t + 1 : 1;
        for (int32_t p = 0; p < partitions; p++)
            observe(sim, host, topic, p, &sim->ledger->read[t * PARTITIONS_MAX + (uint32_t)p]);
    }
}

/* --- at the end ------------------------------------------------------------------------------ */

/* P5, stage by stage: every copy too many needs a cause that the simulator has made. */
static void check_copies(struct sim *sim, const struct ledger_record *r)
{
    uint32_t outcomes = r->copies + r->dead;
    if (outcomes <= 1)
        return;
    if (sim->options.clean)
        sim_fail(sim, "P5 clean", "record %u came out %u times without a fault", r->index,
                 outcomes);
    uint32_t may_be_stored = MAX(r->consumed, 1) + r->unsure_sends;
    if (r->stored > may_be_stored)
        sim_fail(sim, "P5 stored", "record %u is stored %u times, %u are explained", r->index,
                 r->stored, may_be_stored);
    if (r->handed_over > r->items + r->handed_again)
        sim_fail(sim, "P5 handed over",
                 "record %u went to the ready queue %u times, %u are "
                 "explained",
                 r->index, r->handed_over, r->items + r->handed_again);
    uint32_t may_be_out = (r->stored > 0 ? r->held : r->consumed) + r->unsure_emits;
    if (outcomes > may_be_out)
        sim_fail(sim, "P5 emitted", "record %u came out %u times, %u are explained", r->index,
                 outcomes, may_be_out);
}

void ledger_check(struct sim *sim)
{
    const struct ledger *ledger = sim->ledger;
    if (ledger->count == 0)
        sim_fail(sim, "run", "nothing was produced");
    for (uint32_t i = 0; i < ledger->count; i++) {
        const struct ledger_record *r = ledger->records[i];
        if (r->copies + r->dead == 0 && !(r->far && r->in_table > 0))
            sim_fail(sim, "P1 loss",
                     "record %u (offset %d/%" PRId64 ", due %+" PRId64 " s) is "
                     "nowhere",
                     r->index, (int)r->partition, r->offset, (r->due_ms - SIM_START_MS) / 1000);
        check_copies(sim, r);
    }
}
