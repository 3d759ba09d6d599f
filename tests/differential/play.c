/* One case, step by step. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/mem.h"
#include "tests/differential/expand.h"
#include "tests/differential/run_internal.h"

static void make_queue(struct play *play);
static void delete_queue(struct play *play);
static void next_step(struct play *play);

/* --- variables ------------------------------------------------------------------------------- */

static void set_variable(struct play *play, const char *name, const char *value)
{
    cJSON_DeleteItemFromObjectCaseSensitive(play->variables, name);
    cJSON_AddStringToObject(play->variables, name, value);
}

static void set_variables(struct play *play)
{
    char text[160];
    const struct {
        const char *name;
        int64_t offset_s;
    } times[] = {{"now", 0}, {"in_an_hour", 3600}, {"an_hour_ago", -3600}};
    snprintf(text, sizeof(text), "%s%s", play->run->prefix, play->what->name);
    set_variable(play, "name", text);
    set_variable(play, "table", play->run->table);
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        snprintf(text, sizeof(text), "%" PRId64, loop_wall_ms() / 1000 + times[i].offset_s);
        set_variable(play, times[i].name, text);
    }
}

/* "Messages.0.ReceiptHandle"; NULL: there is none. */
static const cJSON *find(const cJSON *answer, const char *path)
{
    const cJSON *at = answer;
    while (*path != '\0' && at != NULL) {
        size_t len = strcspn(path, ".");
        char *part = mem_strndup(path, len);
        at = cJSON_IsArray(at) ? cJSON_GetArrayItem(at, (int)strtol(part, NULL, 10))
                               : cJSON_GetObjectItemCaseSensitive(at, part);
        mem_free(part);
        path += len + (path[len] == '.');
    }
    return at;
}

static void keep(struct play *play, const cJSON *step, const cJSON *answer)
{
    const cJSON *wanted;
    cJSON_ArrayForEach(wanted, json_get_object(step, "keep"))
    {
        const cJSON *value = find(answer, wanted->valuestring);
        set_variable(play, wanted->string, cJSON_IsString(value) ? value->valuestring : "missing");
    }
}

/* Only the fields that a step names: of answers where servers tell very different amounts. */
static cJSON *choose(const cJSON *step, cJSON *answer)
{
    const cJSON *only = json_get_array(step, "only");
    if (only == NULL || cJSON_HasObjectItem(answer, "error"))
        return answer;
    cJSON *chosen = cJSON_CreateObject();
    const cJSON *path;
    cJSON_ArrayForEach(path, only)
    {
        const cJSON *value = find(answer, path->valuestring);
        if (value != NULL)
            cJSON_AddItemToObject(chosen, path->valuestring, cJSON_Duplicate(value, true));
    }
    cJSON_Delete(answer);
    return chosen;
}

/* --- steps ----------------------------------------------------------------------------------- */

static void end_if_done(struct play *play)
{
    if (play->step == NULL && play->step_index == play->what->step_count && play->unanswered == 0) {
        play->queue = play->what->queues == NULL ? NULL : play->what->queues->child;
        delete_queue(play);
    }
}

void play_answered(struct sent_step *sent, cJSON *answer)
{
    struct play *play = sent->play;
    keep(play, sent->step, answer);
    answer = choose(sent->step, answer);
    normal_answer(&play->normal, answer, play->fifo, loop_wall_ms());
    cJSON_ReplaceItemInArray(play->answers, (int)sent->index, answer);
    bool next = play->step == sent->step;
    cJSON_Delete(sent->request);
    mem_free(sent);
    play->unanswered--;
    if (next) {
        play->step = NULL;
        next_step(play);
    } else {
        end_if_done(play);
    }
}

static void on_answer(void *ctx, cJSON *answer)
{
    play_answered(ctx, answer);
}

static void send_step(struct play *play, const cJSON *step, size_t index)
{
    struct run *run = play->run;
    const char *operation = (const char *)json_get_text(step, "do").ptr;
    cJSON *request = expand(json_get_object(step, "with"), play->variables, run->errors);
    if (request == NULL) {
        buf_printf(run->errors, "%s: step %zu cannot be sent\n", play->what->name, index + 1);
        run_fail(run);
        return;
    }
    struct sent_step *sent = mem_calloc(1, sizeof(*sent));
    sent->play = play;
    sent->step = step;
    sent->index = index;
    sent->started_ns = loop_hrtime_ns();
    sent->request = request;
    play->unanswered++;
    bool background = json_get_bool(step, "in_background", false);
    play->step = background ? NULL : step;
    drain_note_due(play, step, request);
    if (strcmp(operation, "drain") == 0) {
        drain_begin(sent);
    } else if (!target_call(&run->target, operation, request, on_answer, sent, run->errors)) {
        buf_printf(run->errors, "%s: step %zu cannot be sent\n", play->what->name, index + 1);
        cJSON_Delete(request);
        mem_free(sent);
        run_fail(run);
        return;
    }
    if (background)
        next_step(play);
}

static void next_step(struct play *play)
{
    if (play->step_index == play->what->step_count) {
        end_if_done(play);
        return;
    }
    const cJSON *step = cJSON_GetArrayItem(play->what->steps, (int)play->step_index);
    int64_t after_ms = cases_number(step, "after_ms", 0);
    if (!play->waited && after_ms > 0) {
        play->waited = true;
        loop_timer_set(
            play->timer,
            (struct deadline){mono_add(loop_now_fresh(play->run->spec->loop).mono, after_ms),
                              {TIME_NEVER}});
        return;
    }
    play->waited = false;
    play->step_index++;
    send_step(play, step, play->step_index - 1);
}

static void on_timer(void *ctx)
{
    next_step(ctx);
}

/* --- queues ---------------------------------------------------------------------------------- */

static void on_queue_made(void *ctx, cJSON *answer)
{
    struct play *play = ctx;
    const char *url = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(answer, "QueueUrl"));
    set_variable(play, play->queue->string, url == NULL ? "missing" : url);
    if (url == NULL) {
        char *shown = cJSON_PrintUnformatted(answer);
        buf_printf(play->run->errors, "%s: its queue: %s\n", play->what->name, shown);
        cJSON_free(shown);
        run_fail(play->run);
    } else {
        play->queue = play->queue->next;
        make_queue(play);
    }
    cJSON_Delete(answer);
}

static bool is_fifo(const cJSON *attributes)
{
    return slice_equal_str(json_get_text(attributes, "FifoQueue"), "true");
}

static void make_queue(struct play *play)
{
    if (play->queue == NULL) {
        next_step(play);
        return;
    }
    char name[160];
    bool fifo = is_fifo(play->queue);
    play->fifo |= fifo;
    snprintf(name, sizeof(name), "%s%s-%s%s", play->run->prefix, play->what->name,
             play->queue->string, fifo ? ".fifo" : "");
    cJSON *request = cJSON_CreateObject();
    cJSON_AddStringToObject(request, "QueueName", name);
    cJSON *attributes = expand(play->queue, play->variables, play->run->errors);
    CHECK(attributes != NULL);
    cJSON_AddItemToObject(request, "Attributes", attributes);
    CHECK(target_call(&play->run->target, "CreateQueue", request, on_queue_made, play,
                      play->run->errors));
    cJSON_Delete(request);
}

static void on_queue_deleted(void *ctx, cJSON *answer)
{
    struct play *play = ctx;
    cJSON_Delete(answer);
    play->queue = play->queue->next;
    delete_queue(play);
}

static void delete_queue(struct play *play)
{
    if (play->queue == NULL) {
        run_case_ended(play);
        return;
    }
    cJSON *request = cJSON_CreateObject();
    const char *url = cJSON_GetStringValue(
        cJSON_GetObjectItemCaseSensitive(play->variables, play->queue->string));
    cJSON_AddStringToObject(request, "QueueUrl", url);
    CHECK(target_call(&play->run->target, "DeleteQueue", request, on_queue_deleted, play,
                      play->run->errors));
    cJSON_Delete(request);
}

void play_start(struct run *run, const struct diff_case *what)
{
    struct play *play = mem_calloc(1, sizeof(*play));
    play->run = run;
    play->what = what;
    play->variables = cJSON_CreateObject();
    play->dues = cJSON_CreateObject();
    play->answers = cJSON_CreateArray();
    play->timer = loop_timer_new(run->spec->loop, on_timer, play);
    for (size_t i = 0; i < what->step_count; i++)
        cJSON_AddItemToArray(play->answers, cJSON_CreateNull());
    normal_init(&play->normal, run->prefix);
    set_variables(play);
    play->queue = what->queues == NULL ? NULL : what->queues->child;
    make_queue(play);
}
