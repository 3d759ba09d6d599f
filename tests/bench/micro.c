/* micro NAME COUNT: does one thing so many times, and prints the nanoseconds of each. Under
 * callgrind the instructions of it are what the difference of two counts shows; those of a core
 * alone, without the rig around it, by --toggle-collect=router_core_step and the like. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/check.h"
#include "common/compiler.h"
#include "common/delay.h"
#include "common/encode.h"
#include "common/envelope.h"
#include "common/limits.h"
#include "common/mem.h"
#include "common/sigv4.h"
#include "tests/harness/relay_rig.h"
#include "tests/harness/router_rig.h"
#include "tests/harness/scheduler_world.h"
#include "tests/load/order.h"

#define ORDERS        125 /* about what an SQS message takes */
#define ORDER_BYTES   1024
#define DUE_SECOND_MS INT64_C(1800000000000)

/* One second's envelope of orders, and scratch. */
struct bench {
    char values[ORDERS][ORDER_BYTES + ORDER_SLACK_BYTES];
    char keys[ORDERS][16];
    struct record records[ORDERS];
    struct envelope_builder *builder;
    struct record_header *headers;
    struct buf frame;
    struct buf text;
    struct buf out;
    struct sigv4_key_cache keys_cache;
};

static void bench_init(struct bench *b)
{
    struct prng random;
    prng_init(&random, 1);
    b->builder = envelope_builder_new();
    b->headers = mem_alloc(RECORD_HEADERS_MAX * sizeof(*b->headers));
    buf_init(&b->frame, 4 * MIB);
    buf_init(&b->text, 4 * MIB);
    buf_init(&b->out, 4 * MIB);
    for (int i = 0; i < ORDERS; i++) {
        order_write(&random, (uint64_t)i, b->values[i], ORDER_BYTES);
        snprintf(b->keys[i], sizeof(b->keys[i]), "customer-%06d", i * 7919 % 1000000);
        b->records[i] = (struct record){.due_ms = DUE_SECOND_MS + i,
                                        .target = slice_from_str("orders"),
                                        .source_topic = slice_from_str("delay"),
                                        .source_partition = i % 8,
                                        .source_offset = 1000 + i,
                                        .key = slice_from_str(b->keys[i]),
                                        .value = slice_from(b->values[i], ORDER_BYTES)};
    }
}

static void bench_release(struct bench *b)
{
    envelope_builder_free(b->builder);
    mem_free(b->headers);
    buf_release(&b->frame);
    buf_release(&b->text);
    buf_release(&b->out);
    sigv4_key_cache_release(&b->keys_cache);
}

static void pack(struct bench *b, uint64_t records)
{
    struct envelope_id id;
    for (uint64_t done = 0; done < records; done += ORDERS) {
        buf_clear(&b->frame);
        for (int i = 0; i < ORDERS; i++)
            envelope_builder_add(b->builder, &b->records[i]);
        envelope_builder_finish(b->builder, &b->frame, &id);
    }
}

static void pack_alone(struct bench *b, uint64_t records)
{
    struct envelope_id id;
    for (uint64_t i = 0; i < records; i++) {
        buf_clear(&b->frame);
        envelope_builder_add(b->builder, &b->records[i % ORDERS]);
        envelope_builder_finish(b->builder, &b->frame, &id);
    }
}

static void unpack(struct bench *b, uint64_t records)
{
    struct record record;
    pack(b, 1);
    for (uint64_t done = 0; done < records; done += ORDERS) {
        struct envelope *envelope;
        CHECK(envelope_decode(buf_slice(&b->frame), &envelope, NULL) == STATUS_OK);
        for (uint32_t i = 0; i < ORDERS; i++)
            envelope_record(envelope, i, b->headers, &record);
        envelope_free(envelope);
    }
}

static void base64(struct bench *b, uint64_t kilobytes)
{
    pack(b, 1);
    for (uint64_t bytes = 0; bytes < kilobytes * KIB; bytes += b->frame.len) {
        buf_clear(&b->text);
        encode_base64(buf_slice(&b->frame), &b->text);
        buf_clear(&b->out);
        CHECK(decode_base64(buf_slice(&b->text), &b->out) == STATUS_OK);
    }
}

static void sign(struct bench *b, uint64_t requests)
{
    const struct sigv4_credentials credentials = {
        .access_key_id = slice_from_str("AKIAIOSFODNN7EXAMPLE"),
        .secret_access_key = slice_from_str("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")};
    const struct sigv4_header headers[] = {
        {slice_from_str("content-type"), slice_from_str("application/x-amz-json-1.0")},
        {slice_from_str("host"), slice_from_str("sqs.us-east-1.amazonaws.com")},
        {slice_from_str("x-amz-date"), slice_from_str("20270115T080000Z")},
        {slice_from_str("x-amz-target"), slice_from_str("AmazonSQS.SendMessageBatch")}};
    struct sigv4_request request = {.method = slice_from_str("POST"),
                                    .path = slice_from_str("/"),
                                    .query = slice_from_str(""),
                                    .headers = headers,
                                    .header_count = ARRAY_LEN(headers)};
    const struct sigv4_scope scope = {slice_from_str("us-east-1"), slice_from_str("sqs"),
                                      DUE_SECOND_MS};
    for (uint64_t i = 0; i < requests; i++) {
        digest_sha256(slice_from(b->values[i % ORDERS], ORDER_BYTES), request.payload_sha256);
        buf_clear(&b->out);
        CHECK(sigv4_sign_headers(&request, &credentials, &scope, &b->keys_cache, &b->out) ==
              STATUS_OK);
    }
}

static void decide(struct bench *b, uint64_t records)
{
    (void)b;
    const struct record_header headers[] = {
        {slice_from_str("trace"), slice_from_str("b7ad6b7169203331")},
        {slice_from_str("delay-target"), slice_from_str("orders")},
        {slice_from_str("delay-until"), slice_from_str("2027-01-15T08:00:00.250Z")}};
    const struct slice forbidden[] = {slice_from_str("delay"), slice_from_str("delay-dead-letter")};
    const struct delay_rules rules = {.default_delay_ms = -1,
                                      .delay_max_ms = INT64_C(366) * 86400 * 1000,
                                      .forbidden = forbidden,
                                      .forbidden_count = ARRAY_LEN(forbidden)};
    struct delay_request request;
    for (uint64_t i = 0; i < records; i++)
        CHECK(delay_decide(headers, ARRAY_LEN(headers), DUE_SECOND_MS - 1000, DUE_SECOND_MS - 900,
                           &rules, &request, NULL, 0) == DELAY_ACCEPTED);
}

/* 1 KB records of one delay, answered at once. */
static void router_core(struct bench *b, uint64_t records)
{
    (void)b;
    CHECK(records < RIG_OFFSETS);
    struct rig *rig = rig_start(NULL);
    for (uint64_t i = 0; i < records; i++) {
        rig_record(rig, 0, RIG_MINUTES(10), 1200);
        if (i % 1000 == 999)
            rig_settle(rig, 10000);
    }
    rig_end(rig);
}

/* Messages of 1,000 records, all due. */
static void relay_core(struct bench *b, uint64_t records)
{
    enum { IN_MESSAGE = 1000 };
    static const uint16_t offsets[IN_MESSAGE];
    void *state;
    (void)b;
    relay_rig_set_up(&state);
    struct relay_rig *rig = state;
    for (uint64_t i = 0; i * IN_MESSAGE < records; i++) {
        struct relay_ref slot =
            relay_rig_receive(rig, RELAY_QUEUE_DELAY, (uint32_t)i + 1, rig->now.wall.ms);
        relay_rig_take(rig, RELAY_DECODE);
        relay_rig_decode(rig, slot, rig->now.wall.ms, offsets, IN_MESSAGE);
        relay_rig_expect_emit(rig, slot, 0, IN_MESSAGE);
        for (uint32_t r = 0; r < IN_MESSAGE; r++)
            relay_rig_report(rig, slot, r);
        relay_rig_advance(rig, 50);
        struct relay_effect delete = relay_rig_take(rig, RELAY_DELETE);
        relay_rig_answer(rig, &delete);
        rig->log_len = 0;
    }
    relay_rig_tear_down(&state);
}

/* Items of 1 KB, 100 a second. */
static void scheduler_core(struct bench *b, uint64_t items)
{
    (void)b;
    CHECK(items <= SCHEDULER_WORLD_ITEMS);
    struct scheduler_limits limits = scheduler_world_limits();
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    scheduler_world_fill(w, (int)items, MINUTE, 10, 1000);
    scheduler_world_start(w, 0);
    scheduler_world_run(w, 3 * MINUTE);
    scheduler_world_check_delivered(w);
    scheduler_world_free(w);
}

static const struct {
    const char *name;
    void (*run)(struct bench *b, uint64_t count);
} subjects[] = {
    {"sign", sign},
    {"pack", pack},
    {"pack_alone", pack_alone},
    {"unpack", unpack},
    {"base64", base64},
    {"decide", decide},
    {"router_core", router_core},
    {"relay_core", relay_core},
    {"scheduler_core", scheduler_core},
};

static int64_t mono_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int main(int argc, char **argv)
{
    uint64_t count = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
    for (size_t i = 0; i < ARRAY_LEN(subjects) && count > 0; i++) {
        if (strcmp(argv[1], subjects[i].name) != 0)
            continue;
        struct bench *bench = mem_alloc(sizeof(*bench));
        *bench = (struct bench){.builder = NULL};
        bench_init(bench);
        int64_t began_ns = mono_ns();
        subjects[i].run(bench, count);
        printf("%.1f\n", (double)(mono_ns() - began_ns) / (double)count);
        bench_release(bench);
        mem_free(bench);
        return EXIT_SUCCESS;
    }
    fputs("usage: micro NAME COUNT\n", stderr);
    return 64;
}
