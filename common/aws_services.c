#include "common/aws_services.h"

#include <inttypes.h>

#include "common/aws_metrics.h"
#include "common/mutant.h"
#include "common/timeval.h"

#define CONNECT_TIMEOUT_MS 2000
#define SPARE_CONNECTIONS  8 /* credentials, checks at start */

/* Whichever is sure that the clock is wrong: either may have answered too little yet to know. */
static struct aws_clock_view clock_view(const struct aws_services *a, struct now host)
{
    struct aws_clock_view sqs = aws_client_clock(sqs_client(a->sqs), host);
    struct aws_clock_view table = aws_client_clock(dynamodb_client(a->dynamodb), host);
    return table.correction_ms != 0 || !sqs.known ? table : sqs;
}

static int64_t clock_correction(const void *ctx, struct now host)
{
    return MUTANT_IS(15) ? 0 : clock_view(ctx, host).correction_ms;
}

void aws_services_open(struct aws_services *a, struct loop *loop, struct log *log,
                       uint32_t calls_max, struct buf *errors)
{
    if (aws_settings_load(&a->settings, errors) != STATUS_OK)
        return;
    const char *ca_bundle = a->settings.ca_bundle;
    const struct http_options options = {
        .connections_max = calls_max + SPARE_CONNECTIONS,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .ca_bundle = ca_bundle[0] == '\0' ? NULL : ca_bundle,
    };
    a->loop = loop;
    a->log = log;
    a->http = http_new(loop, &options);
    a->credentials = aws_credentials_new(loop, a->http, a->settings.region);
    a->sqs = sqs_new(loop, a->http, a->credentials, &a->settings, loop_random_seed());
    a->dynamodb = dynamodb_new(loop, a->http, a->credentials, &a->settings, loop_random_seed());
    loop_set_wall_correction(loop, clock_correction, a);
}

void aws_services_close(struct aws_services *a)
{
    if (a->http == NULL)
        return;
    loop_set_wall_correction(a->loop, NULL, NULL);
    sqs_free(a->sqs);
    dynamodb_free(a->dynamodb);
    aws_credentials_free(a->credentials);
    http_free(a->http);
    a->http = NULL;
}

void aws_services_log(const struct aws_services *a)
{
    log_event(a->log, LOG_INFO, "aws_in_use", LOG_STR("region", a->settings.region),
              LOG_STR("sqs", a->settings.sqs.url), LOG_STR("dynamodb", a->settings.dynamodb.url),
              LOG_STR("credentials", aws_credentials_source(a->credentials)),
              LOG_STR("retry_mode", a->settings.without_rate ? "standard" : "adaptive"));
}

struct kafka_cluster aws_services_kafka(const struct aws_services *a,
                                        const struct settings *settings)
{
    return (struct kafka_cluster){
        .bootstrap_servers = settings->bootstrap_servers,
        .iam = settings_want_msk_iam(settings) ? a->credentials : NULL,
        .iam_region = a->settings.region,
    };
}

/* --- clock ----------------------------------------------------------------------------------- */

void aws_services_follow_clock(struct aws_services *a)
{
    int64_t correction_ms = loop_wall_correction(a->loop);
    if (correction_ms == a->clock_correction_ms)
        return;
    log_event(a->log, LOG_WARN, "clock_corrected", LOG_NUMBER("by_ms", correction_ms),
              LOG_NUMBER("before_ms", a->clock_correction_ms));
    a->clock_correction_ms = correction_ms;
}

void aws_services_ready(const struct aws_services *a, struct buf *reasons)
{
    if (a->clock_correction_ms != 0)
        buf_printf(reasons, "the host's clock is wrong: corrected by %" PRId64 " ms\n",
                   a->clock_correction_ms);
}

/* --- metrics --------------------------------------------------------------------------------- */

#define AWS_SERVICES_METRICS(X)                                                                    \
    X(BACKPRESSURE, GAUGE, "delayline_aws_backpressure_seconds",                                   \
      "How long a call would wait now because the service throttles.")                             \
    X(CLOCK_CORRECTION, GAUGE, "delayline_clock_correction_seconds",                               \
      "Added to the host's clock, which is wrong by more than 3 s.")                               \
    X(CLOCK_OFFSET_MIN, GAUGE, "delayline_clock_offset_min_seconds",                               \
      "Least that true time can be ahead of the host's clock, by AWS's answers.")                  \
    X(CLOCK_OFFSET_MAX, GAUGE, "delayline_clock_offset_max_seconds",                               \
      "Most that true time can be ahead of the host's clock, by AWS's answers.")

enum family { AWS_SERVICES_METRICS(METRICS_ENUM) FAMILY_COUNT };
static const struct metric_spec specs[FAMILY_COUNT] = {AWS_SERVICES_METRICS(METRICS_SPEC)};

static void set_ms(struct metrics *metrics, enum family family, const char *labels, int64_t ms)
{
    metric_set(metrics_get(metrics, &specs[family], labels), (double)ms / MS_PER_SECOND);
}

static void show(struct metrics *metrics, const char *service, const char *label,
                 const struct aws_client *client)
{
    const struct aws_operation_stats *stats;
    size_t count = aws_client_stats(client, &stats);
    aws_metrics_update(metrics, service, stats, count);
    set_ms(metrics, FAMILY_BACKPRESSURE, label, aws_client_backpressure_ms(client));
}

void aws_services_metrics(const struct aws_services *a, struct metrics *metrics)
{
    if (a->http == NULL)
        return;
    show(metrics, "sqs", "service=\"sqs\"", sqs_client(a->sqs));
    show(metrics, "dynamodb", "service=\"dynamodb\"", dynamodb_client(a->dynamodb));
    struct now host = loop_now(a->loop);
    host.wall = wall_add(host.wall, -loop_wall_correction(a->loop));
    struct aws_clock_view view = clock_view(a, host);
    set_ms(metrics, FAMILY_CLOCK_CORRECTION, "", a->clock_correction_ms);
    if (!view.known)
        return;
    set_ms(metrics, FAMILY_CLOCK_OFFSET_MIN, "", view.offset_min_ms);
    set_ms(metrics, FAMILY_CLOCK_OFFSET_MAX, "", view.offset_max_ms);
}
