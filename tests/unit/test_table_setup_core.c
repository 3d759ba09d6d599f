#include "tests/harness/unit.h"

#include "common/limits.h"
#include "common/table_setup_core.h"

#define AT_ONCE   4
#define BUCKET_MS 60000

struct world {
    bool meta;
    int64_t shards;
    int64_t most;
    int64_t bucket_ms;
    bool cursors[SHARDS_MAX];
    uint32_t meta_writes;
    uint32_t interfere; /* so many meta writes find that another was faster */
    int64_t interfering_bucket_ms;
};

static void expect_cursors_before_meta(const struct world *w, const struct table_setup_step *step)
{
    for (uint32_t shard = 0; shard < step->meta.shards_most; shard++)
        assert_true(w->cursors[shard]);
}

static bool write_meta(struct world *w, const struct table_setup_step *step)
{
    expect_cursors_before_meta(w, step);
    w->meta_writes++;
    if (w->interfere > 0) {
        w->interfere--;
        w->meta = true;
        w->shards = 1 + w->interfere;
        w->most = 20 + w->interfere;
        w->bucket_ms = w->interfering_bucket_ms;
        return false;
    }
    bool as_read = step->action == TABLE_SETUP_PUT_META
                       ? !w->meta
                       : w->meta && w->shards == step->old.shards &&
                             w->most == step->old.shards_most &&
                             w->bucket_ms == step->old.bucket_ms;
    if (!as_read)
        return false;
    w->meta = true;
    w->shards = step->meta.shards;
    w->most = step->meta.shards_most;
    w->bucket_ms = step->meta.bucket_ms;
    return true;
}

static enum table_setup_action run(struct world *w, struct table_setup_core *c, uint32_t shards)
{
    uint32_t open = 0;
    table_setup_core_init(c, shards, BUCKET_MS);
    for (int turn = 0; turn < 100000; turn++) {
        struct table_setup_step step = table_setup_core_next(c, AT_ONCE);
        switch (step.action) {
        case TABLE_SETUP_READ_META:
            table_setup_core_on_meta(c, w->meta,
                                     &(struct table_meta){w->shards, w->most, w->bucket_ms});
            continue;
        case TABLE_SETUP_PUT_CURSOR:
            w->cursors[step.shard] = true;
            open++;
            assert_true(open <= AT_ONCE);
            continue;
        case TABLE_SETUP_PUT_META:
        case TABLE_SETUP_UPDATE_META:
            table_setup_core_on_meta_written(c, write_meta(w, &step));
            continue;
        case TABLE_SETUP_WAIT:
            assert_true(open > 0);
            open--;
            table_setup_core_on_cursor(c);
            continue;
        case TABLE_SETUP_DONE:
        case TABLE_SETUP_MISMATCH:
        case TABLE_SETUP_FAILED:
            return step.action;
        }
    }
    fail_msg("it goes round for ever");
    return TABLE_SETUP_FAILED;
}

static void expect_cursors(const struct world *w, uint32_t count)
{
    for (uint32_t shard = 0; shard < SHARDS_MAX; shard++)
        assert_int_equal(w->cursors[shard], shard < count);
}

static void an_empty_table_gets_cursors_then_meta(void **state)
{
    (void)state;
    struct world w = {0};
    struct table_setup_core c;
    assert_int_equal(run(&w, &c, 8), TABLE_SETUP_DONE);
    expect_cursors(&w, 8);
    assert_int_equal(w.shards, 8);
    assert_int_equal(w.most, 8);
    assert_int_equal(w.bucket_ms, BUCKET_MS);
    assert_int_equal(w.meta_writes, 1);
    assert_int_equal(table_setup_core_most(&c), 8);
}

static void a_table_as_wanted_is_left_alone_but_for_its_cursors(void **state)
{
    (void)state;
    struct world w = {.meta = true, .shards = 8, .most = 12, .bucket_ms = BUCKET_MS};
    struct table_setup_core c;
    assert_int_equal(run(&w, &c, 8), TABLE_SETUP_DONE);
    expect_cursors(&w, 12);
    assert_int_equal(w.meta_writes, 0);
    assert_int_equal(table_setup_core_most(&c), 12);
}

static void raising_makes_cursors_first(void **state)
{
    (void)state;
    struct world w = {.meta = true, .shards = 4, .most = 4};
    struct table_setup_core c;
    assert_int_equal(run(&w, &c, 16), TABLE_SETUP_DONE);
    expect_cursors(&w, 16);
    assert_int_equal(w.shards, 16);
    assert_int_equal(w.most, 16);
}

static void raising_below_the_most_keeps_the_most(void **state)
{
    (void)state;
    struct world w = {.meta = true, .shards = 2, .most = 16};
    struct table_setup_core c;
    assert_int_equal(run(&w, &c, 8), TABLE_SETUP_DONE);
    expect_cursors(&w, 16);
    assert_int_equal(w.shards, 8);
    assert_int_equal(w.most, 16);
}

static void lowering_keeps_the_most(void **state)
{
    (void)state;
    struct world w = {.meta = true, .shards = 16, .most = 16};
    struct table_setup_core c;
    assert_int_equal(run(&w, &c, 4), TABLE_SETUP_DONE);
    expect_cursors(&w, 16);
    assert_int_equal(w.shards, 4);
    assert_int_equal(w.most, 16);
    assert_int_equal(table_setup_core_most(&c), 16);
}

static void a_faster_program_is_read_again(void **state)
{
    (void)state;
    struct world w = {.interfere = 2};
    struct table_setup_core c;
    assert_int_equal(run(&w, &c, 8), TABLE_SETUP_DONE);
    assert_int_equal(w.meta_writes, 3);
    assert_int_equal(w.shards, 8);
    assert_int_equal(w.most, 20);
    expect_cursors(&w, 21); /* the first change had named 21 */
}

static void it_gives_up_after_a_bounded_number_of_rounds(void **state)
{
    (void)state;
    struct world w = {.interfere = 100};
    struct table_setup_core c;
    assert_int_equal(run(&w, &c, 8), TABLE_SETUP_FAILED);
    assert_true(w.meta_writes <= 16);
}

static void another_bucket_is_refused_and_touches_nothing(void **state)
{
    (void)state;
    struct world w = {.meta = true, .shards = 8, .most = 8, .bucket_ms = BUCKET_MS / 2};
    struct table_setup_core c;
    assert_int_equal(run(&w, &c, 8), TABLE_SETUP_MISMATCH);
    assert_int_equal(table_setup_core_next(&c, AT_ONCE).old.bucket_ms, BUCKET_MS / 2);
    assert_int_equal(w.meta_writes, 0);
    expect_cursors(&w, 0);
}

static void a_table_that_names_no_bucket_gets_ours(void **state)
{
    (void)state;
    struct world w = {.meta = true, .shards = 8, .most = 12};
    struct table_setup_core c;
    assert_int_equal(run(&w, &c, 8), TABLE_SETUP_DONE);
    assert_int_equal(w.meta_writes, 1);
    assert_int_equal(w.bucket_ms, BUCKET_MS);
    assert_int_equal(w.shards, 8);
    assert_int_equal(w.most, 12);
}

static void who_loses_the_race_for_the_bucket_is_refused(void **state)
{
    (void)state;
    struct world w = {.interfere = 1, .interfering_bucket_ms = BUCKET_MS * 2};
    struct table_setup_core c;
    assert_int_equal(run(&w, &c, 8), TABLE_SETUP_MISMATCH);
    assert_int_equal(w.meta_writes, 1);
    assert_int_equal(w.bucket_ms, BUCKET_MS * 2);
}

static void nonsense_in_meta_fails_and_touches_nothing(void **state)
{
    (void)state;
    static const struct table_meta nonsense[] = {
        {0, 0, BUCKET_MS},
        {0, 8, BUCKET_MS},
        {8, 4, BUCKET_MS},
        {-1, 8, BUCKET_MS},
        {8, SHARDS_MAX + 1, BUCKET_MS},
        {8, 8, -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(nonsense); i++) {
        struct table_setup_core c;
        table_setup_core_init(&c, 8, BUCKET_MS);
        assert_int_equal(table_setup_core_next(&c, AT_ONCE).action, TABLE_SETUP_READ_META);
        table_setup_core_on_meta(&c, true, &nonsense[i]);
        assert_int_equal(table_setup_core_next(&c, AT_ONCE).action, TABLE_SETUP_FAILED);
    }
}

static void one_shard_and_the_most(void **state)
{
    (void)state;
    struct world w = {0};
    struct table_setup_core c;
    assert_int_equal(run(&w, &c, 1), TABLE_SETUP_DONE);
    expect_cursors(&w, 1);
    assert_int_equal(run(&w, &c, SHARDS_MAX), TABLE_SETUP_DONE);
    expect_cursors(&w, SHARDS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_table_gets_cursors_then_meta),
        cmocka_unit_test(a_table_as_wanted_is_left_alone_but_for_its_cursors),
        cmocka_unit_test(raising_makes_cursors_first),
        cmocka_unit_test(raising_below_the_most_keeps_the_most),
        cmocka_unit_test(lowering_keeps_the_most),
        cmocka_unit_test(a_faster_program_is_read_again),
        cmocka_unit_test(it_gives_up_after_a_bounded_number_of_rounds),
        cmocka_unit_test(another_bucket_is_refused_and_touches_nothing),
        cmocka_unit_test(a_table_that_names_no_bucket_gets_ours),
        cmocka_unit_test(who_loses_the_race_for_the_bucket_is_refused),
        cmocka_unit_test(nonsense_in_meta_fails_and_touches_nothing),
        cmocka_unit_test(one_shard_and_the_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
