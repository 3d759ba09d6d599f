/* The step that measures: when did each message come, and when was it due? */
#include <string.h>

#include "common/check.h"
#include "common/mem.h"
#include "tests/differential/run_internal.h"

#define NS_PER_MS       UINT64_C(1000000)
#define DRAIN_WITHIN_MS 5000

static void receive(struct sent_step *sent);

void drain_note_due(struct play *play, const cJSON *step, const cJSON *request)
{
    struct slice body = json_get_text(request, "MessageBody");
    int64_t due_in_ms = cases_number(step, "due_in_ms", -1);
    if (slice_is_null(body) || due_in_ms < 0)
        return;
    double due_ms = (double)(loop_hrtime_ns() / NS_PER_MS) + (double)due_in_ms;
    cJSON_DeleteItemFromObjectCaseSensitive(play->dues, (const char *)body.ptr);
    cJSON_AddNumberToObject(play->dues, (const char *)body.ptr, due_ms);
}

static const char *judge(const struct play *play, const char *body)
{
    const cJSON *due = cJSON_GetObjectItemCaseSensitive(play->dues, body);
    if (due == NULL)
        return "whenever";
    double late_ms = (double)(loop_hrtime_ns() / NS_PER_MS) - due->valuedouble;
    if (late_ms < -RUN_EARLY_MS)
        return "early";
    return late_ms <= RUN_ON_TIME_MS ? "on time" : "late";
}

/* The worst of all, since one message may be on time by luck. */
static cJSON *sum_up(struct sent_step *sent)
{
    static const char *const words[] = {"whenever", "on time", "late", "early"};
    size_t worst = 0;
    cJSON *answer = cJSON_CreateObject();
    cJSON *message;
    cJSON_ArrayForEach(message, sent->drained)
    {
        cJSON *timing = cJSON_DetachItemFromObjectCaseSensitive(message, "timing");
        for (size_t i = worst + 1; i < ARRAY_LEN(words); i++)
            if (strcmp(timing->valuestring, words[i]) == 0)
                worst = i;
        cJSON_Delete(timing);
    }
    cJSON_AddItemToObject(answer, "Messages", sent->drained);
    cJSON_AddStringToObject(answer, "timing", words[worst]);
    return answer;
}

static void on_received(void *ctx, cJSON *answer)
{
    struct sent_step *sent = ctx;
    if (cJSON_HasObjectItem(answer, "error")) {
        cJSON_Delete(sent->drained);
        play_answered(sent, answer);
        return;
    }
    const cJSON *message;
    cJSON_ArrayForEach(message, json_get_array(answer, "Messages"))
    {
        const char *body = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(message, "Body"));
        cJSON *kept = cJSON_CreateObject();
        CHECK(body != NULL);
        cJSON_AddStringToObject(kept, "Body", body);
        cJSON_AddStringToObject(kept, "timing", judge(sent->play, body));
        cJSON_AddItemToArray(sent->drained, kept);
    }
    cJSON_Delete(answer);
    if (cJSON_GetArraySize(sent->drained) >= cases_number(sent->request, "count", 1) ||
        loop_hrtime_ns() >= sent->until_ns)
        play_answered(sent, sum_up(sent));
    else
        receive(sent);
}

static void receive(struct sent_step *sent)
{
    struct run *run = sent->play->run;
    cJSON *request = cJSON_CreateObject();
    cJSON_AddItemToObject(
        request, "QueueUrl",
        cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(sent->request, "queue"), true));
    cJSON_AddNumberToObject(request, "MaxNumberOfMessages", 10);
    cJSON_AddNumberToObject(request, "WaitTimeSeconds", RUN_DRAIN_WAIT_S);
    cJSON_AddNumberToObject(request, "VisibilityTimeout", 60);
    CHECK(target_call(&run->target, "ReceiveMessage", request, on_received, sent, run->errors));
    cJSON_Delete(request);
}

void drain_begin(struct sent_step *sent)
{
    int64_t within_ms = cases_number(sent->request, "within_ms", DRAIN_WITHIN_MS);
    sent->until_ns = sent->started_ns + (uint64_t)within_ms * NS_PER_MS;
    sent->drained = cJSON_CreateArray();
    receive(sent);
}
