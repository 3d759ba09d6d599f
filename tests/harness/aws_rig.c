#include "tests/harness/aws_rig.h"

#include <time.h>

#include "common/limits.h"
#include "tests/harness/aws_environment.h"

static void append_date(struct buf *headers, int64_t off_s)
{
    time_t at = time(NULL) + (time_t)off_s;
    struct tm tm;
    char text[64];
    assert_non_null(gmtime_r(&at, &tm));
    strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    buf_printf(headers, "Date: %s\r\n", text);
}

void aws_rig_play(struct aws_rig *rig, const struct http_script_request *request,
                  struct http_script_answer *answer)
{
    const struct aws_play *play = &rig->plays[MIN(rig->requests, rig->play_count - 1)];
    size_t place = MIN(rig->requests, ARRAY_LEN(rig->targets) - 1);
    snprintf(rig->targets[place], sizeof(rig->targets[0]), "%.*s",
             SLICE_ARG(http_script_header(request, "X-Amz-Target")));
    buf_clear(&rig->request_body);
    buf_append_slice(&rig->request_body, request->body);
    rig->requests++;
    if (play->close) {
        answer->close = true;
        return;
    }
    CLEANUP(buf_release) struct buf headers;
    buf_init(&headers, KIB);
    if (play->headers != NULL)
        buf_append_str(&headers, play->headers);
    if (play->date_off_s != 0)
        append_date(&headers, play->date_off_s);
    http_script_reply(answer, play->status, buf_text(&headers), play->body);
}

static void on_request(void *ctx, const struct http_script_request *request,
                       struct http_script_answer *answer)
{
    aws_rig_play(ctx, request, answer);
}

static void resolve(const struct aws_rig *rig, enum endpoint_service service, struct endpoint *ret)
{
    struct endpoint_query query = {
        .service = service,
        .region = SLICE_LITERAL("eu-west-1"),
        .custom_url = slice_from_str(http_script_url(rig->script)),
    };
    assert_status(endpoint_resolve(&query, ret, NULL), STATUS_OK);
}

void aws_rig_init_served(struct aws_rig *rig, http_script_fn *serve, void *ctx)
{
    *rig = (struct aws_rig){.settings = {.attempts_max = 1}};
    buf_init(&rig->request_body, 8 * MIB);
    aws_environment_set_keys();
    rig->loop = loop_new();
    rig->http = http_new(rig->loop,
                         &(struct http_options){.connections_max = 8, .connect_timeout_ms = 2000});
    rig->credentials = aws_credentials_new(rig->loop, rig->http, "eu-west-1");
    rig->script = http_script_new(rig->loop, serve, ctx);
    resolve(rig, ENDPOINT_SQS, &rig->settings.sqs);
    resolve(rig, ENDPOINT_DYNAMODB, &rig->settings.dynamodb);
    rig->sqs = sqs_new(rig->loop, rig->http, rig->credentials, &rig->settings, 1);
    rig->dynamodb = dynamodb_new(rig->loop, rig->http, rig->credentials, &rig->settings, 1);
}

void aws_rig_init(struct aws_rig *rig, const struct aws_play *plays, size_t play_count)
{
    aws_rig_init_served(rig, on_request, rig);
    rig->plays = plays;
    rig->play_count = play_count;
}

void aws_rig_release(struct aws_rig *rig)
{
    sqs_free(rig->sqs);
    dynamodb_free(rig->dynamodb);
    aws_credentials_free(rig->credentials);
    http_free(rig->http);
    http_script_free(rig->script);
    assert_status(loop_free(rig->loop), STATUS_OK);
    buf_release(&rig->request_body);
}

void aws_rig_set_play(struct aws_rig *rig, const struct aws_play *play)
{
    rig->plays = play;
    rig->play_count = 1;
}

void aws_rig_end_call(struct aws_rig *rig)
{
    rig->done++;
    loop_stop(rig->loop);
}

void aws_rig_run(struct aws_rig *rig)
{
    unsigned before = rig->done;
    loop_run(rig->loop);
    assert_int_equal(rig->done, before + 1);
}

const struct aws_operation_stats *aws_rig_stats(const struct aws_client *client)
{
    const struct aws_operation_stats *list;
    assert_int_equal(aws_client_stats(client, &list), 1);
    return list;
}
