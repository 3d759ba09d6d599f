/* Writers that try again until they are acknowledged, readers that commit after they have worked,
 * and every fault that the model knows. Whatever happens, each acknowledged record is in the log
 * once and was read; without faults it was read once, though readers come and go. */
#include "tests/unit/kafka_model_world.h"

#define PARTITIONS 5
#define READERS    3
#define WRITERS    2
#define RECORDS    1500 /* of one seed */
#define SEEDS      40
#define STEP_MS    100
#define STEPS_MAX  20000

struct reader {
    uint64_t member; /* 0: not in the group */
    int32_t generation;
    bool pending;
    bool rejoins; /* when everything revoked is committed */
    int64_t stalled_until_ms;
    bool held[PARTITIONS];
    int64_t position[PARTITIONS]; /* NO_OFFSET: to be asked for */
};

struct chaos {
    struct kafka_model *model;
    struct prng random;
    int64_t now_ms;
    bool faulty;
    bool changing; /* readers come and go */
    struct reader readers[READERS];
    uint64_t producers[WRITERS];
    int64_t sequences[WRITERS][PARTITIONS];
    uint32_t sending[WRITERS][PARTITIONS]; /* 1 + id of the record that is not acknowledged yet */
    uint32_t next_id;
    uint32_t acknowledged;
    uint32_t seen[RECORDS];
};

static bool one_in(struct chaos *c, uint64_t n)
{
    return prng_below(&c->random, n) == 0;
}

static struct kafka_model_fault draw_fault(struct chaos *c)
{
    struct kafka_model_fault fault = {0};
    if (c->faulty && one_in(c, 4))
        fault = (struct kafka_model_fault){
            .type = (enum kafka_model_fault_type)prng_below(&c->random, 5),
            .error = KAFKA_MODEL_REQUEST_TIMED_OUT};
    return fault;
}

static void write_one(struct chaos *c, size_t writer, int32_t partition)
{
    uint32_t *sending = &c->sending[writer][partition];
    if (*sending == 0) {
        if (c->next_id == RECORDS)
            return;
        *sending = ++c->next_id;
    }
    struct kafka_model_produce sent = record("k", NULL);
    sent.partition = partition;
    sent.value = slice_from(sending, sizeof(*sending));
    sent.producer = c->producers[writer];
    sent.sequence = c->sequences[writer][partition];
    sent.fault = draw_fault(c);
    if (produce(c->model, sent, c->now_ms).error != KAFKA_MODEL_NONE)
        return;
    c->sequences[writer][partition]++;
    *sending = 0;
    c->acknowledged++;
}

static void lose(struct reader *r)
{
    *r = (struct reader){.stalled_until_ms = r->stalled_until_ms};
}

static void join(struct chaos *c, struct reader *r)
{
    struct kafka_model_join spec = membership(r->member);
    switch ((int)kafka_model_join(c->model, &spec, c->now_ms, &r->member)) {
    case KAFKA_MODEL_NONE:
        r->pending = true;
        r->rejoins = false;
        break;
    case KAFKA_MODEL_UNKNOWN_MEMBER_ID:
        lose(r);
        break;
    }
}

static void on_claim(void *ctx, const struct kafka_model_claim *claim)
{
    struct reader *r = ctx;
    r->held[claim->partition] = claim->type != KAFKA_MODEL_CLAIM_REVOKED;
    if (claim->type == KAFKA_MODEL_CLAIM_ADDED)
        r->position[claim->partition] = KAFKA_MODEL_NO_OFFSET;
    if (claim->type == KAFKA_MODEL_CLAIM_REVOKED)
        r->rejoins = true;
}

static void ask_assignment(struct chaos *c, struct reader *r)
{
    struct kafka_model_membership got;
    switch ((int)kafka_model_assignment(c->model, GROUP, r->member, c->now_ms, on_claim, r, &got)) {
    case KAFKA_MODEL_NONE:
        r->pending = got.pending;
        r->generation = got.generation;
        break;
    case KAFKA_MODEL_REBALANCE_IN_PROGRESS:
        r->rejoins = true;
        r->pending = false;
        break;
    case KAFKA_MODEL_UNKNOWN_MEMBER_ID:
        lose(r);
        break;
    }
}

static void work(struct chaos *c, struct reader *r, int32_t partition)
{
    int64_t *position = &r->position[partition];
    if (*position == KAFKA_MODEL_NO_OFFSET) {
        if (kafka_model_fetch_committed(c->model, GROUP, TOPIC, partition, c->now_ms, position) !=
            KAFKA_MODEL_NONE)
            return;
        *position = MAX(*position, 0);
    }
    struct kafka_model_record records[4];
    struct kafka_model_fetch spec = {.topic = TOPIC,
                                     .partition = partition,
                                     .offset = *position,
                                     .records_max = 4,
                                     .bytes_max = 100,
                                     .fault = draw_fault(c)};
    struct kafka_model_fetched fetched;
    kafka_model_fetch(c->model, &spec, c->now_ms, records, &fetched);
    for (size_t i = 0; i < fetched.count; i++) {
        uint32_t id;
        memcpy(&id, records[i].value.ptr, sizeof(id));
        c->seen[id - 1]++;
    }
    *position = fetched.next_offset;
    struct kafka_model_position commits = {TOPIC, partition, *position};
    struct kafka_model_commit commit = {.group = GROUP,
                                        .member = r->member,
                                        .generation = r->generation,
                                        .positions = &commits,
                                        .count = 1,
                                        .fault = draw_fault(c)};
    struct kafka_model_committed committed;
    kafka_model_commit(c->model, &commit, c->now_ms, &committed);
    if (committed.error == KAFKA_MODEL_ILLEGAL_GENERATION ||
        committed.error == KAFKA_MODEL_UNKNOWN_MEMBER_ID)
        lose(r);
    else if (!c->faulty)
        assert_kafka(committed.error, NONE);
}

static void heartbeat(struct chaos *c, struct reader *r)
{
    switch ((int)kafka_model_heartbeat(c->model, GROUP, r->member, r->generation, c->now_ms)) {
    case KAFKA_MODEL_REBALANCE_IN_PROGRESS:
        r->rejoins = true;
        break;
    case KAFKA_MODEL_ILLEGAL_GENERATION:
    case KAFKA_MODEL_UNKNOWN_MEMBER_ID:
        lose(r);
        break;
    }
}

static void step_reader(struct chaos *c, struct reader *r)
{
    if (c->now_ms < r->stalled_until_ms)
        return;
    if (c->changing && one_in(c, 100) && r->member != 0) {
        if (!c->faulty || one_in(c, 2)) /* else it dies without a word */
            (void)!kafka_model_leave(c->model, GROUP, r->member, c->now_ms);
        lose(r);
        return;
    }
    if (c->faulty && one_in(c, 200))
        r->stalled_until_ms = c->now_ms + (int64_t)prng_below(&c->random, 90) * SECOND;
    if (r->member == 0 || r->rejoins) {
        join(c, r);
    } else if (r->pending) {
        ask_assignment(c, r);
    } else {
        for (int32_t i = 0; i < PARTITIONS && r->member != 0; i++) {
            if (r->held[i])
                work(c, r, i);
        }
        if (r->member != 0)
            heartbeat(c, r);
    }
}

static void draw_trouble(struct chaos *c)
{
    int64_t until_ms = c->now_ms + (int64_t)prng_below(&c->random, 20) * SECOND;
    int32_t partition = (int32_t)prng_below(&c->random, PARTITIONS);
    int32_t broker = (int32_t)prng_below(&c->random, 3);
    switch (prng_below(&c->random, 5)) {
    case 0:
        kafka_model_stop_broker(c->model, broker, until_ms);
        break;
    case 1:
        assert_kafka(kafka_model_move_leader(c->model, TOPIC, partition, broker, until_ms), NONE);
        break;
    case 2:
        kafka_model_move_coordinator(c->model, GROUP, broker, until_ms);
        break;
    case 3:
        assert_kafka(kafka_model_hold_watermark(c->model, TOPIC, partition, c->now_ms, until_ms),
                     NONE);
        break;
    default:
        assert_kafka(kafka_model_skip_offsets(c->model, TOPIC, partition, (int64_t)until_ms % 4),
                     NONE);
    }
}

/* Two readers of the group never hold a partition, while nobody is out without knowing it. */
static void check_holders(const struct chaos *c)
{
    for (size_t p = 0; p < PARTITIONS; p++) {
        int holders = 0;
        for (size_t i = 0; i < READERS; i++)
            holders += c->readers[i].held[p];
        assert_true(holders <= 1);
    }
}

static bool all_seen(const struct chaos *c)
{
    for (size_t i = 0; i < RECORDS; i++) {
        if (c->seen[i] == 0)
            return false;
    }
    return c->acknowledged == RECORDS;
}

static void check_log_holds_each_once(struct chaos *c)
{
    uint32_t stored[RECORDS] = {0};
    for (int32_t partition = 0; partition < PARTITIONS; partition++) {
        struct kafka_model_fetch spec = {
            .topic = TOPIC, .partition = partition, .records_max = 1, .bytes_max = SIZE_MAX};
        struct kafka_model_record got;
        struct kafka_model_fetched fetched;
        do {
            kafka_model_fetch(c->model, &spec, c->now_ms, &got, &fetched);
            assert_kafka(fetched.error, NONE);
            spec.offset = fetched.next_offset;
            uint32_t id;
            if (fetched.count > 0) {
                memcpy(&id, got.value.ptr, sizeof(id));
                stored[id - 1]++;
            }
        } while (fetched.count > 0);
    }
    for (size_t i = 0; i < RECORDS; i++)
        assert_int_equal(stored[i], 1);
}

static uint64_t run(uint64_t seed, bool faulty)
{
    struct chaos *c = mem_calloc(1, sizeof(*c));
    c->model = make_model(PARTITIONS);
    c->now_ms = T0;
    c->faulty = faulty;
    c->changing = true;
    prng_init(&c->random, seed);
    for (size_t i = 0; i < WRITERS; i++)
        c->producers[i] = kafka_model_init_producer(c->model);
    int steps = 0;
    for (; steps < STEPS_MAX && !all_seen(c); steps++, c->now_ms += STEP_MS) {
        if (steps == STEPS_MAX / 4) { /* from here on all must get well by itself */
            c->faulty = false;
            c->changing = false;
        }
        if (c->faulty && one_in(c, 50))
            draw_trouble(c);
        for (size_t i = 0; i < WRITERS; i++)
            write_one(c, i, (int32_t)prng_below(&c->random, PARTITIONS));
        for (size_t i = 0; i < READERS; i++)
            step_reader(c, &c->readers[i]);
        if (!faulty)
            check_holders(c);
    }
    if (!all_seen(c))
        fail_msg("seed %d: something was lost", (int)seed);
    c->now_ms += 100 * SECOND; /* behind every trouble */
    check_log_holds_each_once(c);
    for (size_t i = 0; i < RECORDS && !faulty; i++)
        assert_int_equal(c->seen[i], 1);
    uint64_t digest = kafka_model_digest(c->model);
    kafka_model_free(c->model);
    mem_free(c);
    return digest;
}

static void test_at_least_once_with_faults(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run(seed, true);
}

static void test_exactly_once_without(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run(seed, false);
}

static void test_a_seed_repeats(void **state)
{
    (void)state;
    assert_true(run(7, true) == run(7, true));
    assert_true(run(7, true) != run(8, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_at_least_once_with_faults),
        cmocka_unit_test(test_exactly_once_without),
        cmocka_unit_test(test_a_seed_repeats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
