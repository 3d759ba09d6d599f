#include "tests/harness/unit.h"

#include "common/mem.h"
#include "scheduler/scheduler_shell_internal.h"

#define DUE_MS INT64_C(1800000000250)

struct fixture {
    struct scheduler_shell shell;
    struct envelope_builder *builder;
};

static struct fixture *set_up(void)
{
    struct fixture *f = mem_calloc(1, sizeof(*f));
    f->shell.limits.shards_max = 1;
    f->shell.log = log_new("test", LOG_ERROR);
    f->shell.pages = mem_calloc(scheduler_core_pages(&f->shell.limits), sizeof(*f->shell.pages));
    f->builder = envelope_builder_new();
    return f;
}

static void tear_down(struct fixture *f)
{
    scheduler_shell_pages_release(&f->shell);
    mem_free(f->shell.pages);
    envelope_builder_free(f->builder);
    log_free(f->shell.log);
    mem_free(f);
}

/* A frame with one record of that source offset. */
static void make_frame(struct fixture *f, int64_t due_ms, int64_t offset, struct buf *out,
                       struct envelope_id *ret_id)
{
    const struct record record = {
        .due_ms = due_ms,
        .target = SLICE_LITERAL("orders"),
        .source_topic = SLICE_LITERAL("delay"),
        .source_offset = offset,
        .value = SLICE_LITERAL("hello"),
    };
    envelope_builder_add(f->builder, &record);
    envelope_builder_finish(f->builder, out, ret_id);
}

static bool add(struct fixture *f, uint32_t page, const char *sk, struct slice bytes,
                struct scheduler_item *ret)
{
    const struct dynamodb_item item = {
        {{TABLE_SK, DYNAMODB_S, slice_from_str(sk)},
         {TABLE_ENVELOPE, DYNAMODB_B, bytes},
         {TABLE_WRITTEN, DYNAMODB_N, SLICE_LITERAL("1700000000000")}},
        3};
    return scheduler_shell_pages_add(&f->shell, page, &item, ret);
}

/* Adds a good frame to the page; its bytes go to the end of all, its sort key to sk. */
static struct scheduler_item add_good(struct fixture *f, uint32_t page, int64_t offset,
                                      struct buf *all, struct envelope_id *ret_id)
{
    char sk[TABLE_KEY_SIZE];
    struct scheduler_item item;
    CLEANUP(buf_release) struct buf frame;
    buf_init(&frame, MIB);
    make_frame(f, DUE_MS, offset, &frame, ret_id);
    table_envelope_sk(DUE_MS, ret_id, sk);
    assert_true(add(f, page, sk, buf_slice(&frame), &item));
    buf_append_slice(all, buf_slice(&frame));
    assert_int_equal(item.bytes, frame.len);
    assert_string_equal(item.sk, sk);
    return item;
}

static void assert_message(struct fixture *f, struct scheduler_pack_ref ref, struct slice raw,
                           const struct envelope_id *id)
{
    CLEANUP(buf_release) struct buf joined;
    char id_hex[ENVELOPE_ID_HEX_SIZE];
    char wanted[ENVELOPE_ID_HEX_SIZE];
    buf_init(&joined, MIB);
    struct slice message = scheduler_shell_pages_message(&f->shell, &ref, &joined, id_hex);
    assert_true(slice_equal(message, raw));
    envelope_id_hex(id, wanted);
    assert_string_equal(id_hex, wanted);
}

static void an_item_alone_is_forwarded_untouched(void **state)
{
    (void)state;
    struct fixture *f = set_up();
    CLEANUP(buf_release) struct buf all;
    struct envelope_id id;
    buf_init(&all, MIB);
    struct scheduler_item item = add_good(f, 0, 7, &all, &id);
    assert_int_equal(item.due_ms, DUE_MS);
    assert_int_equal(item.written_ms, 1700000000000);
    assert_int_equal(item.records, 1);
    assert_int_equal(item.frames, 1);
    assert_false(item.alone);
    assert_true(item.id_hash != 0);
    assert_message(f, (struct scheduler_pack_ref){0, 0, 1}, buf_slice(&all), &id);
    tear_down(f);
}

static void joined_items_are_one_envelope(void **state)
{
    (void)state;
    struct fixture *f = set_up();
    CLEANUP(buf_release) struct buf all;
    struct envelope_id id;
    struct envelope_info info;
    buf_init(&all, MIB);
    for (int64_t i = 0; i < 5; i++)
        add_good(f, 0, i, &all, &id);
    assert_status(envelope_peek(buf_slice(&all), &info), STATUS_OK);
    assert_int_equal(info.frames, 5);
    assert_message(f, (struct scheduler_pack_ref){0, 0, 5}, buf_slice(&all), &info.id);
    tear_down(f);
}

static void an_open_pack_moves_to_the_next_page(void **state)
{
    (void)state;
    struct fixture *f = set_up();
    CLEANUP(buf_release) struct buf all;
    struct envelope_id ids[3];
    buf_init(&all, MIB);
    for (int64_t i = 0; i < 3; i++)
        add_good(f, 0, i, &all, &ids[i]);
    struct scheduler_effect effect = {
        .id = 9, .read = {.page = 1, .carry_page = 0, .carry_first = 2, .carry_count = 1}};
    scheduler_shell_pages_expect(&f->shell, &effect);
    assert_int_equal(f->shell.pages[1].call, 9);
    scheduler_shell_pages_free(&f->shell, 0);
    CLEANUP(buf_release) struct buf again;
    struct envelope_id id;
    buf_init(&again, MIB);
    make_frame(f, DUE_MS, 2, &again, &id);
    assert_message(f, (struct scheduler_pack_ref){1, 0, 1}, buf_slice(&again), &ids[2]);
    tear_down(f);
}

/* Corrupt, of a newer version, or of another second than its key says: alone, as it is, under the
 * id of its key. */
static void what_cannot_be_read_is_forwarded_as_it_is(void **state)
{
    (void)state;
    struct fixture *f = set_up();
    struct envelope_id id;
    struct scheduler_item item;
    CLEANUP(buf_release) struct buf frame;
    buf_init(&frame, MIB);
    make_frame(f, DUE_MS + 5000, 1, &frame, &id);
    struct envelope_id key = {{1, 2, 3}};
    char sk[TABLE_KEY_SIZE];
    table_envelope_sk(DUE_MS, &key, sk);
    assert_true(add(f, 0, sk, buf_slice(&frame), &item));
    assert_true(item.alone);
    assert_message(f, (struct scheduler_pack_ref){0, 0, 1}, buf_slice(&frame), &key);
    frame.ptr[4] = 99; /* version */
    assert_true(add(f, 0, sk, buf_slice(&frame), &item));
    assert_true(item.alone);
    assert_message(f, (struct scheduler_pack_ref){0, 1, 1}, buf_slice(&frame), &key);
    assert_true(add(f, 0, sk, SLICE_LITERAL("?"), &item));
    assert_true(item.alone);
    assert_message(f, (struct scheduler_pack_ref){0, 2, 1}, SLICE_LITERAL("?"), &key);
    assert_int_equal(f->shell.items_unreadable, 3);
    tear_down(f);
}

static void what_is_no_envelope_is_left_alone(void **state)
{
    (void)state;
    struct fixture *f = set_up();
    struct scheduler_item item;
    struct envelope_id key = {{1}};
    char sk[TABLE_KEY_SIZE];
    table_envelope_sk(DUE_MS, &key, sk);
    assert_false(add(f, 0, "note to self", SLICE_LITERAL("x"), &item));
    assert_false(add(f, 0, sk, SLICE_LITERAL(""), &item));
    const struct dynamodb_item bare = {{{TABLE_SK, DYNAMODB_S, slice_from_str(sk)}}, 1};
    assert_false(scheduler_shell_pages_add(&f->shell, 0, &bare, &item));
    assert_int_equal(f->shell.items_foreign, 3);
    assert_int_equal(f->shell.pages[0].count, 0);
    tear_down(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_item_alone_is_forwarded_untouched),
        cmocka_unit_test(joined_items_are_one_envelope),
        cmocka_unit_test(an_open_pack_moves_to_the_next_page),
        cmocka_unit_test(what_cannot_be_read_is_forwarded_as_it_is),
        cmocka_unit_test(what_is_no_envelope_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
