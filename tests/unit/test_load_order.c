#include "tests/load/order.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "tests/harness/unit.h"

static void orders_are_json_of_the_size_asked_for(void **state)
{
    (void)state;
    static const size_t sizes[] = {ORDER_BYTES_MIN, 100, 799, 800, 1024, 5000};
    char text[5000 + ORDER_SLACK_BYTES];
    struct prng random;
    prng_init(&random, 7);
    for (uint64_t id = 0; id < 600; id++) {
        size_t bytes = sizes[id % 6];
        assert_int_equal(order_write(&random, id, text, bytes), bytes);
        cJSON *json = cJSON_ParseWithLength(text, bytes);
        assert_non_null(json);
        cJSON_Delete(json);
    }
}

static void no_two_are_alike(void **state)
{
    (void)state;
    char first[1024 + ORDER_SLACK_BYTES], second[1024 + ORDER_SLACK_BYTES];
    struct prng random;
    prng_init(&random, 7);
    order_write(&random, 1, first, 1024);
    order_write(&random, 2, second, 1024);
    assert_memory_not_equal(first, second, 1024);
    prng_init(&random, 7);
    order_write(&random, 1, second, 1024);
    assert_memory_equal(first, second, 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders_are_json_of_the_size_asked_for),
        cmocka_unit_test(no_two_are_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
