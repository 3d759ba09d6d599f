#include "tests/harness/unit.h"

#include <math.h>

#include "common/emf.h"
#include "common/json.h"
#include "common/limits.h"

static const double bounds[] = {0.001, 0.1, 2};
static const struct metric_spec taken = {.name = "taken_total", .type = METRIC_COUNTER};
static const struct metric_spec records = {.name = "records_total", .type = METRIC_COUNTER};
static const struct metric_spec lag = {.name = "lag", .type = METRIC_GAUGE};
static const struct metric_spec held = {.name = "held_bytes", .type = METRIC_GAUGE};
static const struct metric_spec budget = {.name = "budget_bytes", .type = METRIC_GAUGE};
static const struct metric_spec delay_error = {.name = "error_seconds",
                                               .type = METRIC_HISTOGRAM,
                                               .buckets = bounds,
                                               .bucket_count = ARRAY_LEN(bounds)};

static const struct emf_metric everyone[] = {
    {.name = "Taken", .unit = "Count", .family = "taken_total"}};
static const struct emf_metric own[] = {
    {.name = "Stored", .unit = "Count", .family = "records_total", .label = "outcome=\"stored\""},
    {.name = "Lag", .unit = "Count", .family = "lag"},
    {.name = "Behind", .unit = "Seconds", .family = "lag", .fold = EMF_LARGEST},
    {.name = "Used", .unit = "Percent", .family = "held_bytes", .whole = "budget_bytes"},
    {.name = "Error", .unit = "Seconds", .family = "error_seconds"},
};
static const struct emf_table tables[] = {{everyone, ARRAY_LEN(everyone)}, {own, ARRAY_LEN(own)}};

#define AT ((struct wall_ms){1574109732004})
#define DIRECTIVE(metrics)                                                                         \
    ",\"_aws\":{\"Timestamp\":1574109732004,\"CloudWatchMetrics\":[{\"Namespace\":\"Delayline/"    \
    "a\","                                                                                         \
    "\"Dimensions\":[[\"program\"]],\"Metrics\":[" metrics "]}]}"
#define COUNT(name)   "{\"Name\":\"" name "\",\"Unit\":\"Count\"}"
#define SECONDS(name) "{\"Name\":\"" name "\",\"Unit\":\"Seconds\"}"
#define PERCENT(name) "{\"Name\":\"" name "\",\"Unit\":\"Percent\"}"

struct fixture {
    struct metrics *metrics;
    struct emf *emf;
    struct buf line;
};

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));
    f->metrics = metrics_new();
    f->emf = emf_new("Delayline/a", tables, ARRAY_LEN(tables));
    buf_init(&f->line, EMF_MEMBERS_BYTES_MAX);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    emf_free(f->emf);
    metrics_free(f->metrics);
    buf_release(&f->line);
    test_free(f);
    return 0;
}

static void set(struct fixture *f, const struct metric_spec *spec, const char *labels, double value)
{
    metric_set(metrics_get(f->metrics, spec, labels), value);
}

static const char *line_of(struct fixture *f, enum emf_part part)
{
    buf_clear(&f->line);
    bool any = emf_append(f->emf, f->metrics, AT, part, &f->line);
    assert_int_equal(any, f->line.len > 0);
    assert_false(f->line.overflow);
    return buf_text(&f->line);
}

#define ASSERT_LINE(f, metrics, values)                                                            \
    assert_string_equal(line_of(f, EMF_ALL), DIRECTIVE(metrics) values)

static void nothing_known_is_no_line(void **state)
{
    struct fixture *f = *state;
    assert_false(emf_append(f->emf, f->metrics, AT, EMF_ALL, &f->line));
    assert_false(emf_append(f->emf, f->metrics, AT, EMF_LAST, &f->line));
    assert_int_equal(f->line.len, 0);
}

static void counters_are_told_as_what_they_grew_by(void **state)
{
    struct fixture *f = *state;
    set(f, &taken, "", 5);
    ASSERT_LINE(f, COUNT("Taken"), ",\"Taken\":5");
    emf_written(f->emf);
    ASSERT_LINE(f, COUNT("Taken"), ",\"Taken\":0"); /* a minute without any is told, too */
    emf_written(f->emf);
    set(f, &taken, "", 9007199254740991.0);
    ASSERT_LINE(f, COUNT("Taken"), ",\"Taken\":9007199254740986");
    emf_written(f->emf);
    set(f, &taken, "", 9007199254740992.0);
    ASSERT_LINE(f, COUNT("Taken"), ",\"Taken\":1");
}

static void a_line_that_was_not_written_is_made_up_for(void **state)
{
    struct fixture *f = *state;
    set(f, &taken, "", 3);
    metric_observe(metrics_get(f->metrics, &delay_error, ""), 0.05);
    line_of(f, EMF_ALL);
    set(f, &taken, "", 4);
    metric_observe(metrics_get(f->metrics, &delay_error, ""), 0.05);
    ASSERT_LINE(f, COUNT("Taken") "," SECONDS("Error"),
                ",\"Taken\":4,\"Error\":{\"Values\":[0.1],\"Counts\":[2],\"Min\":0.1,\"Max\":0.1,"
                "\"Count\":2,\"Sum\":0.1}");
}

static void series_are_chosen_by_label_and_summed(void **state)
{
    struct fixture *f = *state;
    set(f, &records, "path=\"short\",outcome=\"stored\"", 1);
    set(f, &records, "outcome=\"stored\",path=\"long\"", 2);
    set(f, &records, "outcome=\"stored\"", 4);
    set(f, &records, "path=\"short\",outcome=\"stored_not\"", 8);
    set(f, &records, "path=\"short\",last_outcome=\"stored\"", 16);
    set(f, &records, "outcome=\"closed\"", 32);
    set(f, &records, "", 64);
    ASSERT_LINE(f, COUNT("Stored"), ",\"Stored\":7");
}

static void gauges_are_told_as_they_are(void **state)
{
    struct fixture *f = *state;
    set(f, &lag, "shard=\"0\"", 1.5);
    set(f, &lag, "shard=\"1\"", 7);
    set(f, &lag, "shard=\"2\"", 0);
    for (int i = 0; i < 2; i++) {
        ASSERT_LINE(f, COUNT("Lag") "," SECONDS("Behind"), ",\"Lag\":8.5,\"Behind\":7");
        emf_written(f->emf);
    }
}

static void what_is_unknown_is_left_out(void **state)
{
    struct fixture *f = *state;
    set(f, &lag, "", -1);
    set(f, &held, "", 3);
    assert_string_equal(line_of(f, EMF_ALL), ""); /* 3 of what? */
    set(f, &budget, "", 0);
    assert_string_equal(line_of(f, EMF_ALL), "");
    set(f, &taken, "", NAN);
    assert_string_equal(line_of(f, EMF_ALL), "");
    set(f, &taken, "", INFINITY);
    assert_string_equal(line_of(f, EMF_ALL), "");
}

static void a_share_is_a_percentage(void **state)
{
    struct fixture *f = *state;
    set(f, &held, "", 64);
    set(f, &budget, "", 256);
    ASSERT_LINE(f, PERCENT("Used"), ",\"Used\":25");
}

static void histograms_are_values_and_counts(void **state)
{
    struct fixture *f = *state;
    struct metric *fast = metrics_get(f->metrics, &delay_error, "path=\"short\"");
    struct metric *slow = metrics_get(f->metrics, &delay_error, "path=\"long\"");
    assert_string_equal(line_of(f, EMF_ALL), ""); /* CloudWatch refuses an empty one */
    metric_observe(fast, 0);
    metric_observe(slow, 0.001);
    metric_observe(slow, 1.5);
    metric_observe(slow, 100);
    ASSERT_LINE(f, SECONDS("Error"),
                ",\"Error\":{\"Values\":[0.001,2],\"Counts\":[2,2],\"Min\":0.001,\"Max\":2,"
                "\"Count\":4,\"Sum\":101.501}");
}

static void the_last_line_is_what_was_counted(void **state)
{
    struct fixture *f = *state;
    set(f, &taken, "", 2);
    set(f, &lag, "", 3);
    set(f, &records, "outcome=\"stored\"", 0);
    metric_observe(metrics_get(f->metrics, &delay_error, ""), 0.0005);
    assert_string_equal(
        line_of(f, EMF_LAST),
        DIRECTIVE(COUNT("Taken") "," SECONDS(
            "Error")) ",\"Taken\":2,\"Error\":{"
                      "\"Values\":[0.001],\"Counts\":[1],\"Min\":0.001,\"Max\":0.001,\"Count\":1,"
                      "\"Sum\":0.0005}");
    emf_written(f->emf);
    assert_string_equal(line_of(f, EMF_LAST), "");
}

/* As many as CloudWatch takes, in a line that container engines do not cut. */
static void the_largest_line(void **state)
{
    static char names[EMF_METRICS_MAX][16];
    static struct metric_spec specs[EMF_METRICS_MAX];
    static struct emf_metric chosen[EMF_METRICS_MAX];
    struct fixture *f = *state;
    char name_space[EMF_NAMESPACE_BYTES_MAX + 1] = "";
    memset(name_space, '/', EMF_NAMESPACE_BYTES_MAX);
    for (size_t i = 0; i < EMF_METRICS_MAX; i++) {
        snprintf(names[i], sizeof(names[i]), "Some_Metric_%03zu", i);
        specs[i] = (struct metric_spec){.name = names[i], .type = METRIC_COUNTER};
        chosen[i] = (struct emf_metric){.name = names[i], .unit = "Percent", .family = names[i]};
        set(f, &specs[i], "", 1e15 / 3);
    }
    const struct emf_table table = {chosen, EMF_METRICS_MAX};
    struct emf *emf = emf_new(name_space, &table, 1);
    assert_true(emf_append(emf, f->metrics, AT, EMF_ALL, &f->line));
    assert_false(f->line.overflow);
    emf_free(emf);
}

static void a_line_is_json(void **state)
{
    struct fixture *f = *state;
    struct emf *emf = emf_new("a\"b\\c\n", tables, ARRAY_LEN(tables));
    CLEANUP(json_freep) cJSON *json = NULL;
    CLEANUP(buf_release) struct buf line;
    struct error error;
    buf_init(&line, EMF_MEMBERS_BYTES_MAX);
    set(f, &taken, "", 1e300);
    set(f, &held, "", 1);
    set(f, &budget, "", 3);
    metric_observe(metrics_get(f->metrics, &delay_error, ""), 1e-9);
    buf_append_str(&line, "{\"program\":\"toy\"");
    assert_true(emf_append(emf, f->metrics, AT, EMF_ALL, &line));
    buf_append_str(&line, "}");
    assert_status(json_parse(buf_slice(&line), &json, &error), STATUS_OK);
    const cJSON *aws = json_get_object(json, "_aws");
    const cJSON *directive = cJSON_GetArrayItem(json_get_array(aws, "CloudWatchMetrics"), 0);
    assert_slice_equal(json_get_text(directive, "Namespace"), "a\"b\\c\n");
    assert_true(cJSON_GetObjectItemCaseSensitive(json, "Taken")->valuedouble == 1e300);
    assert_true(cJSON_GetObjectItemCaseSensitive(json, "Used")->valuedouble == 100.0 / 3.0);
    emf_free(emf);
}

static void namespaces(void **state)
{
    (void)state;
    static const char *const good[] = {"d", "Delayline/orders-1", "a b", "#1._:", "AWSome"};
    static const char *const bad[] = {"", " ", ":a", "AWS/SQS", "a\"b", "a\n", "caf\xc3\xa9"};
    char name[EMF_NAMESPACE_BYTES_MAX + 2] = "";
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_status(emf_namespace_check(good[i]), STATUS_OK);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_status(emf_namespace_check(bad[i]), STATUS_INVALID);
    memset(name, 'n', EMF_NAMESPACE_BYTES_MAX);
    assert_status(emf_namespace_check(name), STATUS_OK);
    name[EMF_NAMESPACE_BYTES_MAX] = 'n';
    assert_status(emf_namespace_check(name), STATUS_INVALID);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_known_is_no_line),
        TEST(counters_are_told_as_what_they_grew_by),
        TEST(a_line_that_was_not_written_is_made_up_for),
        TEST(series_are_chosen_by_label_and_summed),
        TEST(gauges_are_told_as_they_are),
        TEST(what_is_unknown_is_left_out),
        TEST(a_share_is_a_percentage),
        TEST(histograms_are_values_and_counts),
        TEST(the_last_line_is_what_was_counted),
        TEST(the_largest_line),
        TEST(a_line_is_json),
        TEST(namespaces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
