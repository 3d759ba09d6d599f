#include "tests/harness/unit.h"

#include "common/intern.h"

static void numbers_follow_first_sight(void **state)
{
    (void)state;
    struct intern t;
    intern_init(&t);
    assert_int_equal(intern_put(&t, SLICE_LITERAL("a")), 0);
    assert_int_equal(intern_put(&t, SLICE_LITERAL("b")), 1);
    assert_int_equal(intern_put(&t, SLICE_LITERAL("a")), 0);
    assert_int_equal(intern_put(&t, SLICE_LITERAL("")), 2);
    assert_int_equal(intern_put(&t, SLICE_LITERAL("a\0")), 3);
    assert_slice_equal(intern_get(&t, 1), "b");
    intern_clear(&t);
    assert_int_equal(t.count, 0);
    assert_int_equal(intern_put(&t, SLICE_LITERAL("b")), 0);
    intern_release(&t);
}

static void many_stay_distinct(void **state)
{
    (void)state;
    struct intern t;
    intern_init(&t);
    for (int turn = 0; turn < 2; turn++) {
        for (uint32_t i = 0; i < 20000; i++)
            assert_int_equal(intern_put(&t, slice_from(&i, sizeof(i))), i);
    }
    for (uint32_t i = 0; i < 20000; i++)
        assert_true(slice_equal(intern_get(&t, i), slice_from(&i, sizeof(i))));
    intern_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_follow_first_sight),
        cmocka_unit_test(many_stay_distinct),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
