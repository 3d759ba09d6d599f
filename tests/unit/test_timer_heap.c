#include "tests/harness/unit.h"

#include "common/prng.h"
#include "common/timer_heap.h"
#include "common/timeval.h"

#define SLOTS 256

struct fixture {
    struct timer_heap heap;
    struct timer_heap_entry entries[SLOTS];
    uint32_t places[SLOTS];
};

static void pops_in_order_and_ties_by_arrival(void **state)
{
    (void)state;
    struct fixture f;
    timer_heap_init(&f.heap, f.entries, f.places, SLOTS);
    timer_heap_set(&f.heap, 3, 20);
    timer_heap_set(&f.heap, 1, 10);
    timer_heap_set(&f.heap, 2, 20);
    assert_int_equal(timer_heap_next(&f.heap), 10);
    assert_int_equal(timer_heap_pop(&f.heap, 9), TIMER_HEAP_ABSENT);
    assert_int_equal(timer_heap_pop(&f.heap, 20), 1);
    assert_int_equal(timer_heap_pop(&f.heap, 20), 3);
    assert_int_equal(timer_heap_pop(&f.heap, 20), 2);
    assert_int_equal(timer_heap_next(&f.heap), TIME_NEVER);
}

static void agrees_with_a_linear_search(void **state)
{
    (void)state;
    struct fixture f;
    int64_t at[SLOTS];
    struct prng random;
    prng_init(&random, 42);
    timer_heap_init(&f.heap, f.entries, f.places, SLOTS);
    for (int i = 0; i < SLOTS; i++)
        at[i] = TIME_NEVER;
    for (int step = 0; step < 20000; step++) {
        uint32_t slot = (uint32_t)prng_below(&random, SLOTS);
        if (prng_below(&random, 3) == 0) {
            timer_heap_remove(&f.heap, slot);
            at[slot] = TIME_NEVER;
        } else {
            at[slot] = (int64_t)prng_below(&random, 1000);
            timer_heap_set(&f.heap, slot, at[slot]);
        }
        int64_t earliest = TIME_NEVER;
        for (int i = 0; i < SLOTS; i++)
            earliest = at[i] < earliest ? at[i] : earliest;
        assert_int_equal(timer_heap_next(&f.heap), earliest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pops_in_order_and_ties_by_arrival),
        cmocka_unit_test(agrees_with_a_linear_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
