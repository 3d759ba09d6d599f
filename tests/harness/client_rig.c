#include "tests/harness/client_rig.h"

#include "tests/harness/aws_environment.h"

static void copy(struct slice from, char *to, size_t size)
{
    snprintf(to, size, "%.*s", SLICE_ARG(from));
}

static void serve_keys(struct client_rig *f, struct http_script_answer *answer)
{
    f->keys_asked++;
    answer->silent = f->keys_status == 0;
    http_script_reply(answer, f->keys_status, "",
                      "{\"AccessKeyId\":\"AKLATE\",\"SecretAccessKey\":\"s\",\"Token\":\"t\","
                      "\"Expiration\":\"2099-01-01T00:00:00Z\"}");
}

static void on_script(void *ctx, const struct http_script_request *request,
                      struct http_script_answer *answer)
{
    struct client_rig *f = ctx;
    struct client_seen *seen = &f->seen[MIN(request->number, CLIENT_SEEN_MAX - 1)];
    if (slice_equal_str(request->line, "GET /keys HTTP/1.1")) {
        serve_keys(f, answer);
        return;
    }
    assert_slice_equal(request->line, "POST / HTTP/1.1");
    seen->connection = request->connection;
    copy(http_script_header(request, "X-Amz-Target"), seen->target, sizeof(seen->target));
    copy(http_script_header(request, "X-Amz-Date"), seen->date, sizeof(seen->date));
    copy(http_script_header(request, "Authorization"), seen->authorization,
         sizeof(seen->authorization));
    copy(http_script_header(request, "X-Amz-Security-Token"), seen->token, sizeof(seen->token));
    copy(http_script_header(request, "amz-sdk-request"), seen->attempt, sizeof(seen->attempt));
    copy(http_script_header(request, "amz-sdk-invocation-id"), seen->invocation,
         sizeof(seen->invocation));
    copy(http_script_header(request, "x-amzn-query-mode"), seen->query_mode,
         sizeof(seen->query_mode));
    copy(request->body, seen->body, sizeof(seen->body));

    aws_rig_play(&f->rig, request, answer);
}

void client_rig_new_client(struct client_rig *f, enum endpoint_service service)
{
    bool sqs = service == ENDPOINT_SQS;
    aws_client_free(f->client);
    f->client =
        aws_client_new(f->rig.loop, f->rig.http, f->rig.credentials,
                       &(struct aws_client_options){
                           .service = service,
                           .endpoint = sqs ? &f->rig.settings.sqs : &f->rig.settings.dynamodb,
                           .target_prefix = sqs ? "AmazonSQS" : "DynamoDB_20120810",
                           .without_rate = f->rig.settings.without_rate,
                           .seed = 7,
                       });
}

void client_rig_init(struct client_rig *f, enum endpoint_service service,
                     const struct aws_play *plays, size_t play_count)
{
    *f = (struct client_rig){.wanted = 1};
    aws_rig_init_served(&f->rig, on_script, f);
    f->rig.plays = plays;
    f->rig.play_count = play_count;
    client_rig_new_client(f, service);
}

void client_rig_release(struct client_rig *f)
{
    aws_client_free(f->client);
    aws_rig_release(&f->rig);
}

void client_rig_on_release(void *ctx)
{
    struct client_rig *f = ctx;
    f->released++;
}

void client_rig_on_done(void *ctx, const struct aws_answer *answer, const struct error *error)
{
    struct client_rig *f = ctx;
    f->done++;
    f->error = *error;
    f->has_json = answer->json != NULL;
    f->body_bytes = answer->body.len;
    copy(json_get_text(answer->json, "a"), f->text, sizeof(f->text));
    if (f->done == f->wanted)
        loop_stop(f->rig.loop);
}

struct aws_request *client_rig_start(struct client_rig *f, struct aws_call call)
{
    unsigned done_before = f->done;
    call.operation = call.operation == NULL ? "Do" : call.operation;
    struct buf body;
    buf_init(&body, HTTP_REQUEST_BYTES_MAX);
    buf_append_str(&body, "{\"q\":1}");
    call.body = &body;
    call.timeout_ms = call.timeout_ms == 0 ? 5000 : call.timeout_ms;
    call.on_done = client_rig_on_done;
    call.on_release = client_rig_on_release;
    call.ctx = f;
    struct aws_request *request = aws_client_call(f->client, &call);
    assert_int_equal(f->done, done_before);
    return request;
}

void client_rig_run(struct client_rig *f, struct aws_call call)
{
    f->wanted = f->done + 1;
    client_rig_start(f, call);
    loop_run(f->rig.loop);
    assert_int_equal(f->done, f->wanted);
    assert_int_equal(f->released, f->done);
}

const struct aws_operation_stats *client_rig_stats(const struct client_rig *f)
{
    return aws_rig_stats(f->client);
}

void client_rig_use_container(struct client_rig *f, int status)
{
    char url[128];
    snprintf(url, sizeof(url), "%s/keys", http_script_url(f->rig.script));
    aws_environment_clear();
    assert_int_equal(setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1), 0);
    f->keys_status = status;
}
