#include "tests/differential/run_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/mem.h"

void run_fail(struct run *run)
{
    run->failed = true;
    loop_stop(run->spec->loop);
}

static bool is_chosen(const struct run *run, const struct diff_case *what)
{
    return what->service == run->spec->service &&
           (run->spec->only == NULL || strstr(what->name, run->spec->only) != NULL);
}

static void start_more(struct run *run)
{
    const struct cases *cases = run->spec->cases;
    while (run->playing < RUN_AT_A_TIME && run->next_case < cases->count && !run->failed) {
        const struct diff_case *what = &cases->list[run->next_case++];
        if (!is_chosen(run, what))
            continue;
        run->playing++;
        play_start(run, what);
    }
    if (run->playing == 0)
        loop_stop(run->spec->loop);
}

void run_case_ended(struct play *play)
{
    struct run *run = play->run;
    cJSON_AddItemToObject(run->transcript, play->what->name, play->answers);
    normal_release(&play->normal);
    cJSON_Delete(play->variables);
    cJSON_Delete(play->dues);
    loop_timer_free(play->timer);
    mem_free(play);
    run->playing--;
    start_more(run);
}

/* --- the table ------------------------------------------------------------------------------- */

static void on_ttl_set(void *ctx, cJSON *answer)
{
    cJSON_Delete(answer); /* the cases say what became of it */
    start_more(ctx);
}

static void on_table_made(void *ctx, cJSON *answer)
{
    struct run *run = ctx;
    const char *error = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(answer, "error"));
    if (error != NULL) {
        buf_printf(run->errors, "CreateTable: %s\n", error);
        run_fail(run);
    } else {
        cJSON *request = cJSON_CreateObject();
        cJSON_AddStringToObject(request, "TableName", run->table);
        cJSON *spec = cJSON_AddObjectToObject(request, "TimeToLiveSpecification");
        cJSON_AddStringToObject(spec, "AttributeName", "expires");
        cJSON_AddTrueToObject(spec, "Enabled");
        CHECK(target_call(&run->target, "UpdateTimeToLive", request, on_ttl_set, run, run->errors));
        cJSON_Delete(request);
    }
    cJSON_Delete(answer);
}

static void make_table(struct run *run)
{
    char text[512];
    snprintf(text, sizeof(text),
             "{\"TableName\":\"%s\",\"BillingMode\":\"PAY_PER_REQUEST\","
             "\"AttributeDefinitions\":[{\"AttributeName\":\"pk\",\"AttributeType\":\"S\"},"
             "{\"AttributeName\":\"sk\",\"AttributeType\":\"S\"}],"
             "\"KeySchema\":[{\"AttributeName\":\"pk\",\"KeyType\":\"HASH\"},"
             "{\"AttributeName\":\"sk\",\"KeyType\":\"RANGE\"}]}",
             run->table);
    cJSON *request = cJSON_Parse(text);
    CHECK(request != NULL);
    CHECK(target_call(&run->target, "CreateTable", request, on_table_made, run, run->errors));
    cJSON_Delete(request);
}

/* --- the whole ------------------------------------------------------------------------------- */

static void on_limit(void *ctx)
{
    struct run *run = ctx;
    buf_printf(run->errors, "%s: %zu cases without an end after %d s\n", run->spec->url,
               run->playing, RUN_LIMIT_MS / 1000);
    run_fail(run);
}

cJSON *run_cases(const struct run_spec *spec, struct buf *errors)
{
    struct run run = {.spec = spec, .errors = errors};
    if (!target_init(&run.target, spec->loop, spec->service, spec->url, errors))
        return NULL;
    snprintf(run.prefix, sizeof(run.prefix), "diff-%06" PRIx64 "-",
             loop_random_seed() & UINT64_C(0xffffff));
    snprintf(run.table, sizeof(run.table), "%stable", run.prefix);
    run.transcript = cJSON_CreateObject();
    run.limit = loop_timer_new(spec->loop, on_limit, &run);
    loop_timer_set(run.limit, (struct deadline){mono_add(loop_now(spec->loop).mono, RUN_LIMIT_MS),
                                                {TIME_NEVER}});
    if (spec->service == DIFF_DYNAMODB)
        make_table(&run);
    else
        start_more(&run);
    loop_run(spec->loop);
    loop_timer_free(run.limit);
    target_release(&run.target);
    if (run.failed) {
        cJSON_Delete(run.transcript);
        return NULL;
    }
    return run.transcript;
}
