#include "tests/harness/unit.h"

#include "common/prng.h"
#include "scheduler/scheduler_core_state.h"

#define TARGET 1000

static struct scheduler_item item_of(int64_t due_ms, uint32_t bytes)
{
    return (struct scheduler_item){
        .due_ms = due_ms, .bytes = bytes, .raw_bytes = bytes, .records = 1, .frames = 1};
}

static uint32_t first_of(const struct scheduler_item *items, uint32_t count, bool more)
{
    return scheduler_pack_first(items, count, more, TARGET);
}

static void joins_neighbours_of_one_second_up_to_the_target(void **state)
{
    (void)state;
    struct scheduler_item items[] = {item_of(5000, 300), item_of(5500, 300), item_of(5999, 400),
                                     item_of(5999, 1)};
    assert_int_equal(first_of(items, 4, false), 3);
    items[2] = item_of(6000, 400);
    assert_int_equal(first_of(items, 4, false), 2);
}

static void what_is_half_the_target_goes_alone(void **state)
{
    (void)state;
    struct scheduler_item items[] = {item_of(5000, 499), item_of(5000, 500), item_of(5000, 1)};
    assert_int_equal(first_of(items, 3, false), 1);
    assert_int_equal(first_of(items + 1, 2, false), 1);
    assert_int_equal(first_of(items + 1, 2, true), 1);
    items[0] = item_of(5000, 5000);
    assert_int_equal(first_of(items, 3, true), 1);
}

static void what_is_marked_goes_alone(void **state)
{
    (void)state;
    struct scheduler_item items[] = {item_of(5000, 10), item_of(5000, 10), item_of(5000, 10)};
    items[1].alone = true;
    assert_int_equal(first_of(items, 3, false), 1);
    assert_int_equal(first_of(items + 1, 2, false), 1);
}

static void frames_records_and_raw_bytes_are_limits_too(void **state)
{
    (void)state;
    struct scheduler_item items[] = {item_of(5000, 10), item_of(5000, 10), item_of(5000, 10)};
    items[0].frames = ENVELOPE_FRAMES_MAX - 1;
    assert_int_equal(first_of(items, 3, false), 2);
    items[0].frames = 1;
    items[0].records = ENVELOPE_RECORDS_MAX - 1;
    assert_int_equal(first_of(items, 3, false), 2);
    items[0].records = 1;
    items[0].raw_bytes = ENVELOPE_RAW_BYTES_MAX - 10;
    assert_int_equal(first_of(items, 3, false), 2);
}

static void an_open_pack_waits_for_what_follows(void **state)
{
    (void)state;
    struct scheduler_item items[] = {item_of(5000, 10), item_of(5000, 10), item_of(6000, 10)};
    assert_int_equal(first_of(items, 2, true), 0);
    assert_int_equal(first_of(items, 2, false), 2);
    assert_int_equal(first_of(items, 3, true), 2);
    assert_int_equal(first_of(items, 0, true), 0);
    assert_int_equal(first_of(items, 0, false), 0);
}

/* Whatever pages the items come in, and from whichever boundary one starts: the same packs. */
static void boundaries_depend_on_the_items_alone(void **state)
{
    (void)state;
    enum { COUNT = 600 };
    static struct scheduler_item items[COUNT];
    struct prng random;
    prng_init(&random, 7);
    for (int round = 0; round < 200; round++) {
        int64_t due = 1000000;
        for (int i = 0; i < COUNT; i++) {
            due += (int64_t)prng_below(&random, 40);
            items[i] = item_of(due, 1 + (uint32_t)prng_below(&random, 200));
            items[i].alone = prng_below(&random, 50) == 0;
        }
        bool boundary[COUNT + 1] = {false};
        for (uint32_t at = 0; at < COUNT; at += first_of(&items[at], COUNT - at, false))
            boundary[at] = true;
        boundary[COUNT] = true;
        uint32_t end = 0;
        for (uint32_t at = 0; at < COUNT;) {
            end += 1 + (uint32_t)prng_below(&random, 30);
            end = MIN(end, (uint32_t)COUNT);
            uint32_t got;
            while ((got = first_of(&items[at], end - at, end < COUNT)) > 0) {
                at += got;
                assert_true(boundary[at]);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joins_neighbours_of_one_second_up_to_the_target),
        cmocka_unit_test(what_is_half_the_target_goes_alone),
        cmocka_unit_test(what_is_marked_goes_alone),
        cmocka_unit_test(frames_records_and_raw_bytes_are_limits_too),
        cmocka_unit_test(an_open_pack_waits_for_what_follows),
        cmocka_unit_test(boundaries_depend_on_the_items_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
