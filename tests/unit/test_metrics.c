#include "tests/harness/unit.h"

#include <math.h>

#include "common/metrics.h"

static const double bounds[] = {0.001, 0.1, 1};

static const struct metric_spec records = {.name = "delayline_records_total",
                                           .type = METRIC_COUNTER,
                                           .help = "Records\\by path\nand so on."};
static const struct metric_spec held = {
    .name = "delayline_held", .type = METRIC_GAUGE, .help = "Held."};
static const struct metric_spec delay_error = {.name = "delayline_delay_error_seconds",
                                               .type = METRIC_HISTOGRAM,
                                               .help = "Error.",
                                               .buckets = bounds,
                                               .bucket_count = ARRAY_LEN(bounds)};

static void text_format(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_new();
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, 65536);
    metric_set(metrics_get(metrics, &records, "path=\"short\""), 1);
    metric_set(metrics_get(metrics, &held, ""), -1.5);
    metric_set(metrics_get(metrics, &records, "path=\"long\""), 12345678901);
    metric_set(metrics_get(metrics, &records, "path=\"short\""), 3);
    struct metric *histogram = metrics_get(metrics, &delay_error, "path=\"short\"");
    metric_observe(histogram, 0.001);
    metric_observe(histogram, 0.0011);
    metric_observe(histogram, 0.5);
    metric_observe(histogram, 7);
    metrics_print(metrics, &text);
    assert_string_equal(buf_text(&text),
                        "# HELP delayline_records_total Records\\\\by path\\nand so on.\n"
                        "# TYPE delayline_records_total counter\n"
                        "delayline_records_total{path=\"short\"} 3\n"
                        "delayline_records_total{path=\"long\"} 12345678901\n"
                        "# HELP delayline_held Held.\n"
                        "# TYPE delayline_held gauge\n"
                        "delayline_held -1.5\n"
                        "# HELP delayline_delay_error_seconds Error.\n"
                        "# TYPE delayline_delay_error_seconds histogram\n"
                        "delayline_delay_error_seconds_bucket{path=\"short\",le=\"0.001\"} 1\n"
                        "delayline_delay_error_seconds_bucket{path=\"short\",le=\"0.1\"} 2\n"
                        "delayline_delay_error_seconds_bucket{path=\"short\",le=\"1\"} 3\n"
                        "delayline_delay_error_seconds_bucket{path=\"short\",le=\"+Inf\"} 4\n"
                        "delayline_delay_error_seconds_sum{path=\"short\"} 7.5021\n"
                        "delayline_delay_error_seconds_count{path=\"short\"} 4\n");
    metrics_free(metrics);
}

static void a_histogram_without_labels(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_new();
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, 65536);
    metric_observe(metrics_get(metrics, &delay_error, ""), NAN);
    metrics_print(metrics, &text);
    assert_non_null(strstr(buf_text(&text), "_bucket{le=\"1\"} 0\n"));
    assert_non_null(strstr(buf_text(&text), "_bucket{le=\"+Inf\"} 1\n"));
    assert_non_null(strstr(buf_text(&text), "_count 1\n"));
    metrics_free(metrics);
}

static void numbers_read_back_exactly(void **state)
{
    (void)state;
    const double values[] = {0.1, 1.0 / 3, 1e300, 9007199254740993.0, -0.0, 5e-324};
    struct metrics *metrics = metrics_new();
    struct metric *gauge = metrics_get(metrics, &held, "");
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        CLEANUP(buf_release) struct buf text;
        buf_init(&text, 65536);
        metric_set(gauge, values[i]);
        metrics_print(metrics, &text);
        const char *number = strrchr(buf_text(&text), ' ');
        assert_non_null(number);
        assert_true(strtod(number, NULL) == values[i]);
    }
    metric_set(gauge, HUGE_VAL);
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, 65536);
    metrics_print(metrics, &text);
    assert_non_null(strstr(buf_text(&text), "delayline_held +Inf\n"));
    metrics_free(metrics);
}

static void labels_are_escaped(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf labels;
    buf_init(&labels, 1024);
    metrics_label(&labels, "topic", "a\"b\\c\nd");
    metrics_label(&labels, "outcome", "done");
    assert_string_equal(buf_text(&labels), "topic=\"a\\\"b\\\\c\\nd\",outcome=\"done\"");
}

static void the_same_name_and_labels_are_the_same_series(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_new();
    struct metric_spec copy = records;
    struct metric *first = metrics_get(metrics, &records, "a=\"1\"");
    assert_ptr_equal(metrics_get(metrics, &copy, "a=\"1\""), first);
    assert_ptr_not_equal(metrics_get(metrics, &records, "a=\"2\""), first);
    metrics_free(metrics);
}

static void observe_a_counter(void *ctx)
{
    metric_observe(ctx, 1);
}

static void the_registry_can_be_read(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_new();
    assert_null(metrics_first(metrics, records.name));
    metric_set(metrics_get(metrics, &held, ""), 9);
    metric_set(metrics_get(metrics, &records, "path=\"short\""), 1);
    metric_set(metrics_get(metrics, &records, "path=\"long\""), 2);
    const struct metric *series = metrics_first(metrics, records.name);
    assert_string_equal(metric_view(series).labels, "path=\"short\"");
    assert_true(metric_view(series).value == 1 && metric_view(series).bucket_counts == NULL);
    series = metric_next(series);
    assert_string_equal(metric_view(series).labels, "path=\"long\"");
    assert_ptr_equal(metric_view(series).spec, &records);
    assert_null(metric_next(series));

    struct metric *histogram = metrics_get(metrics, &delay_error, "");
    metric_observe(histogram, 0.05);
    metric_observe(histogram, 7);
    const uint64_t counts[] = {0, 1, 0, 1};
    assert_memory_equal(metric_view(histogram).bucket_counts, counts, sizeof(counts));
    assert_true(metric_view(histogram).value == 7.05);
    metrics_free(metrics);
}

static void only_histograms_observe(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_new();
    expect_abort(observe_a_counter, metrics_get(metrics, &records, ""));
    metrics_free(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_format),
        cmocka_unit_test(a_histogram_without_labels),
        cmocka_unit_test(numbers_read_back_exactly),
        cmocka_unit_test(labels_are_escaped),
        cmocka_unit_test(the_same_name_and_labels_are_the_same_series),
        cmocka_unit_test(the_registry_can_be_read),
        cmocka_unit_test(only_histograms_observe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
