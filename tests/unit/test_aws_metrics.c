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

static void every_count_has_its_series(void **state)
{
    (void)state;
    static const char *const prices[] = {
        [AWS_PRICE_NONE] = "none",
        [AWS_PRICE_SQS_STANDARD] = "sqs_standard",
        [AWS_PRICE_SQS_FIFO] = "sqs_fifo",
        [AWS_PRICE_DYNAMODB_WRITE] = "dynamodb_write",
        [AWS_PRICE_DYNAMODB_READ] = "dynamodb_read",
    };
    static const char *const series[] = {"calls",    "retries", "throttles",
                                         "failures", "unknown", "billable_units"};
    for (size_t price = 0; price < ARRAY_LEN(prices); price++) {
        struct metrics *metrics = metrics_new();
        struct aws_operation_stats stats = {"Query", 1, 2, 3, 4, 5, (enum aws_price)price, 6};
        for (int turn = 0; turn < 2; turn++) { /* what was there before is replaced */
            CLEANUP(buf_release) struct buf out;
            buf_init(&out, 1 << 16);
            aws_metrics_update(metrics, "dynamodb", &stats, 1);
            metrics_print(metrics, &out);
            for (size_t i = 0; i < ARRAY_LEN(series); i++) {
                char line[256];
                snprintf(line, sizeof(line),
                         "delayline_aws_%s_total{service=\"dynamodb\",operation=\"Query\","
                         "price=\"%s\"} %zu\n",
                         series[i], prices[price], i + 1 + (i == 0 ? (size_t)turn : 0));
                assert_non_null(strstr(buf_text(&out), line));
            }
            stats.calls++;
        }
        metrics_free(metrics);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_carry_what_they_cost),
        cmocka_unit_test(every_count_has_its_series),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
