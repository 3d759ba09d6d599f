#include "tests/harness/unit.h"

#include "common/aws_metrics.h"

static void units_carry_what_they_cost(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_new();
    const struct aws_operation_stats stats[] = {
        {.operation = "ReceiveMessage",
         .calls = 3,
         .price = AWS_PRICE_SQS_FIFO,
         .billable_units = 4},
        {.operation = "ReceiveMessage",
         .calls = 7,
         .price = AWS_PRICE_SQS_STANDARD,
         .billable_units = 7},
    };
    aws_metrics_update(metrics, "sqs", stats, 2);
    struct buf out;
    buf_init(&out, 1 << 16);
    metrics_print(metrics, &out);
    assert_non_null(strstr(buf_text(&out),
                           "delayline_aws_billable_units_total{service=\"sqs\",operation="
                           "\"ReceiveMessage\",price=\"sqs_fifo\"} 4\n"));
    assert_non_null(strstr(buf_text(&out), "delayline_aws_calls_total{service=\"sqs\",operation="
                                           "\"ReceiveMessage\",price=\"sqs_standard\"} 7\n"));
    buf_release(&out);
    metrics_free(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(units_carry_what_they_cost)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
