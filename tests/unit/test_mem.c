#include "tests/harness/unit.h"

#include "common/mem.h"

static void sizes_of_nothing_give_a_pointer(void **state)
{
    (void)state;
    void *made[] = {mem_alloc(0), mem_calloc(0, 8), mem_calloc(8, 0), mem_realloc(NULL, 0),
                    mem_realloc(mem_alloc(4), 0)};
    for (size_t i = 0; i < ARRAY_LEN(made); i++) {
        assert_non_null(made[i]);
        mem_free(made[i]);
    }
    mem_free(NULL);
}

static void calloc_clears_and_realloc_keeps(void **state)
{
    (void)state;
    uint8_t *bytes = mem_calloc(3, 5);
    for (int i = 0; i < 15; i++)
        assert_int_equal(bytes[i], 0);
    memset(bytes, 'x', 15);
    bytes = mem_realloc(bytes, 4096);
    for (int i = 0; i < 15; i++)
        assert_int_equal(bytes[i], 'x');
    mem_free(bytes);
}

static void texts_are_copied_and_end(void **state)
{
    (void)state;
    char *whole = mem_strdup("text");
    char *part = mem_strndup("text", 2);
    char *none = mem_strndup("text", 0);
    assert_string_equal(whole, "text");
    assert_string_equal(part, "te");
    assert_string_equal(none, "");
    mem_free(whole);
    mem_free(part);
    mem_free(none);
    CLEANUP(mem_freep) char *scoped = mem_strdup("freed at the end of the block");
    assert_non_null(scoped);
}

static void name_the_library(void *ctx)
{
    (void)ctx;
    mem_exhausted("curl_easy_init", 0);
}

#ifndef __SANITIZE_ADDRESS__ /* which has an opinion of its own of such sizes */
static void want_everything(void *ctx)
{
    volatile size_t everything = SIZE_MAX / 2;
    int how = *(int *)ctx;
    if (how == 0)
        mem_free(mem_alloc(everything));
    else if (how == 1)
        mem_free(mem_calloc(2, everything));
    else if (how == 2)
        mem_free(mem_calloc(everything, 4)); /* the product overflows */
    else
        mem_free(mem_realloc(NULL, everything));
}
#endif

static void no_memory_ends_the_process(void **state)
{
    (void)state;
    expect_abort(name_the_library, NULL);
#ifndef __SANITIZE_ADDRESS__
    for (int how = 0; how < 4; how++)
        expect_abort(want_everything, &how);
#else
    printf("skipped: no memory: AddressSanitizer ends the process itself\n");
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_of_nothing_give_a_pointer),
        cmocka_unit_test(calloc_clears_and_realloc_keeps),
        cmocka_unit_test(texts_are_copied_and_end),
        cmocka_unit_test(no_memory_ends_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
