#include "tests/harness/unit.h"

static void grows_and_stays_terminated(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10000);
    assert_string_equal(buf_text(&b), "");
    for (int i = 0; i < 1000; i++)
        buf_append_str(&b, "ab");
    buf_append_byte(&b, 'c');
    assert_int_equal(b.len, 2001);
    assert_int_equal(strlen(buf_text(&b)), 2001);
    assert_false(b.overflow);
    buf_release(&b);
    assert_int_equal(b.max, 10000);
}

static void overflow_is_sticky_and_adds_nothing(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 4);
    buf_append_str(&b, "abcd");
    assert_false(b.overflow);
    buf_append_byte(&b, 'e');
    assert_true(b.overflow);
    assert_slice_equal(buf_slice(&b), "abcd");
    buf_clear(&b);
    buf_append_str(&b, "abc");
    buf_append_str(&b, "de"); /* too long as a whole: no half of it */
    buf_append_str(&b, "f");
    assert_true(b.overflow);
    assert_slice_equal(buf_slice(&b), "abc");
    assert_null(buf_reserve(&b, SIZE_MAX));
    buf_release(&b);
}

static void prints_short_and_long(void **state)
{
    (void)state;
    struct buf b;
    char text[1000];
    buf_init(&b, 2000);
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    buf_printf(&b, "%d-%s", 7, "y");
    buf_printf(&b, "%s", text);
    assert_int_equal(b.len, 3 + sizeof(text) - 1);
    assert_memory_equal(buf_text(&b), "7-yxxx", 6);
    buf_printf(&b, "%s%s", text, text);
    assert_true(b.overflow);
    assert_int_equal(b.len, 3 + sizeof(text) - 1);
    buf_release(&b);
}

static void null_and_empty_slices_differ(void **state)
{
    (void)state;
    assert_true(slice_is_null(SLICE_NULL));
    assert_false(slice_is_null(SLICE_LITERAL("")));
    assert_true(slice_equal(SLICE_NULL, SLICE_LITERAL("")));
    assert_true(slice_compare(SLICE_LITERAL("a"), SLICE_LITERAL("ab")) < 0);
    assert_true(slice_compare(SLICE_LITERAL("b"), SLICE_LITERAL("ab")) > 0);
    assert_int_equal(slice_compare(SLICE_LITERAL("ab"), SLICE_LITERAL("ab")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_and_stays_terminated),
        cmocka_unit_test(overflow_is_sticky_and_adds_nothing),
        cmocka_unit_test(prints_short_and_long),
        cmocka_unit_test(null_and_empty_slices_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
