/* The way of a call to AWS and back, and as much of aws_client.h, aws_settings.h, http.h and
 * aws_credentials.h as aws_services.c asks for: that file is the product's own. */
#include "common/aws_client.h"

#include <string.h>

#include "common/aws_error.h"
#include "common/aws_metrics.h"
#include "common/check.h"
#include "common/mem.h"
#include "tests/sim/stand_in.h"

static const char held_back_code[] = "ClientRateExceeded";

/* --- clients --------------------------------------------------------------------------------- */

struct aws_client *stand_in_client_new(struct loop *loop)
{
    struct aws_client *client = mem_calloc(1, sizeof(*client));
    client->host = stand_in_loop_host(loop);
    client->life = client->host->life;
    client->loop = loop;
    client->refs = 1;
    return client;
}

void stand_in_client_unref(struct aws_client *client)
{
    if (--client->refs == 0)
        mem_free(client);
}

void stand_in_client_close(struct aws_client *client)
{
    client->closed = true;
    stand_in_client_unref(client);
}

struct aws_clock_view aws_client_clock(const struct aws_client *client, struct now host)
{
    struct clock_skew_view view = clock_skew_view(&client->skew, host);
    return (struct aws_clock_view){view.known, view.offset_min_ms, view.offset_max_ms,
                                   view.correction_ms};
}

bool aws_client_held_back(const struct error *error)
{
    return error->kind == ERROR_THROTTLED && error->http_status == 0 &&
           strcmp(error->code, held_back_code) == 0;
}

size_t aws_client_stats(const struct aws_client *client,
                        const struct aws_operation_stats **ret_stats)
{
    (void)client;
    *ret_stats = NULL;
    return 0;
}

int64_t aws_client_backpressure_ms(const struct aws_client *client)
{
    (void)client;
    return 0;
}

enum status aws_settings_load(struct aws_settings *ret, struct buf *errors)
{
    (void)errors;
    *ret = (struct aws_settings){.attempts_max = 1};
    return STATUS_OK;
}

struct http *http_new(struct loop *loop, const struct http_options *options)
{
    (void)options;
    return (struct http *)(void *)loop; /* only asked whether it is there */
}

void http_free(struct http *http)
{
    (void)http;
}

struct aws_credentials *aws_credentials_new(struct loop *loop, struct http *http,
                                            const char *region)
{
    (void)loop;
    (void)http;
    (void)region;
    return NULL;
}

void aws_credentials_free(struct aws_credentials *credentials)
{
    (void)credentials;
}

const char *aws_credentials_source(const struct aws_credentials *credentials)
{
    (void)credentials;
    return "sim";
}

/* --- calls ----------------------------------------------------------------------------------- */

void stand_in_error(struct error *ret, int http_status, const char *code, const char *query_code,
                    const char *text, bool writes)
{
    char query[ERROR_CODE_SIZE + 8] = "";
    struct aws_error_answer answer = {.status = http_status, .error_type = slice_from_str(code)};
    if (query_code != NULL) {
        CHECK(strlen(query_code) < ERROR_CODE_SIZE);
        memcpy(query, query_code, strlen(query_code));
        memcpy(query + strlen(query_code), ";Sender", sizeof(";Sender"));
        answer.query_error = slice_from_str(query);
    }
    aws_error_read(&answer, writes, ret);
    size_t len = MIN(strlen(text), sizeof(ret->text) - 1);
    memcpy(ret->text, text, len);
    ret->text[len] = '\0';
}

static void unref(struct stand_in_call *call)
{
    if (--call->refs > 0)
        return;
    struct aws_client *client = call->client;
    call->release(call);
    stand_in_client_unref(client);
}

static void drop(void *ctx)
{
    unref(ctx);
}

static void come_back(void *ctx)
{
    struct stand_in_call *call = ctx;
    struct aws_client *client = call->client;
    struct host *host = client->host;
    if (!client->closed && !host->dying) {
        if (call->plan.heard)
            clock_skew_observe(&client->skew, call->date_s, call->sent,
                               loop_now(client->loop).mono);
        call->answer(call, &call->plan.failure);
    }
    unref(call);
}

static void send_back(struct stand_in_call *call, int64_t delay_ms)
{
    struct aws_client *client = call->client;
    call->date_s = client->host->sim->now_ms / MS_PER_SECOND;
    host_post(client->host, client->life, delay_ms, come_back, drop, call);
}

void stand_in_call_answer(struct stand_in_call *call)
{
    if (call->plan.failure.kind == ERROR_NONE)
        send_back(call, call->plan.answer_ms);
}

static void arrive(void *ctx)
{
    struct stand_in_call *call = ctx;
    call->apply(call);
    unref(call);
}

void stand_in_call_start(struct stand_in_call *call, enum fault_service service, bool writes)
{
    struct host *host = call->client->host;
    bool alive = host_acts(host);
    call->client->refs++;
    call->refs = 1;
    if (alive) {
        call->sent = loop_now(call->client->loop).mono;
        faults_plan(host->sim, service, writes, &call->plan);
        bool answered_alone = call->plan.failure.kind != ERROR_NONE;
        if (answered_alone) {
            sim_say(host->sim, host, "%s will end as %s%s", call->operation,
                    call->plan.failure.code, call->plan.is_applied ? ", done" : "");
            call->refs++;
            send_back(call, call->plan.answer_ms);
        } else {
            call->refs++; /* for the answer that apply will send */
        }
        if (call->plan.is_applied) {
            call->refs++;
            sim_after(host->sim, call->plan.apply_ms, arrive, call);
        }
    }
    unref(call);
}
