#include "tests/harness/unit.h"

#include "common/secret.h"

static void owns_a_copy(void **state)
{
    (void)state;
    char value[] = "wJalr";
    struct secret s;
    secret_init(&s, slice_from_str(value));
    value[0] = 'x';
    assert_slice_equal(secret_reveal(&s), "wJalr");
    secret_release(&s);
    assert_int_equal(secret_reveal(&s).len, 0);
    assert_non_null(secret_reveal(&s).ptr);
    secret_release(&s);
}

static void wipes_what_it_is_given(void **state)
{
    (void)state;
    char bytes[16];
    memset(bytes, 'k', sizeof(bytes));
    secret_wipe(bytes, 15);
    for (int i = 0; i < 15; i++)
        assert_int_equal(bytes[i], 0);
    assert_int_equal(bytes[15], 'k');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(owns_a_copy),
        cmocka_unit_test(wipes_what_it_is_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
