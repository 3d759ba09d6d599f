#include "tests/differential/deviations.h"

#include <string.h>

#include "tests/differential/cases.h"

#define SEEN "(seen)" /* a member that the file cannot have */

static const cJSON *list_of(const struct deviations *deviations, const char *server)
{
    const cJSON *servers = json_get_object(deviations->json, "servers");
    return json_get_array(json_get_object(servers, server), "deviations");
}

static bool check_one(const cJSON *item, const cJSON *reasons, const char *server,
                      struct buf *errors)
{
    static const char *const members[] = {"case", "step", "field", "right", "answers", "why"};
    struct slice why = json_get_text(item, "why");
    bool fine = cJSON_GetArraySize(item) == (int)ARRAY_LEN(members) && why.len > 0 &&
                json_get_text(reasons, (const char *)why.ptr).len > 0;
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        fine &= cJSON_GetObjectItemCaseSensitive(item, members[i]) != NULL;
    if (!fine)
        buf_printf(errors,
                   "deviations of %s: (%s, %s, %s) needs case, step, field, right, answers, and "
                   "for why a reason that is listed\n",
                   server, (const char *)json_get_text(item, "case").ptr,
                   (const char *)json_get_text(item, "step").ptr,
                   (const char *)json_get_text(item, "field").ptr);
    return fine;
}

bool deviations_load(const char *path, struct deviations *ret, struct buf *errors)
{
    ret->json = cases_read_json(path, errors);
    if (ret->json == NULL)
        return false;
    bool fine = true;
    const cJSON *reasons = json_get_object(ret->json, "reasons");
    const cJSON *server;
    cJSON_ArrayForEach(server, json_get_object(ret->json, "servers"))
    {
        const cJSON *item;
        fine &= json_get_text(server, "version").len > 0;
        cJSON_ArrayForEach(item, json_get_array(server, "deviations"))
        {
            fine &= check_one(item, reasons, server->string, errors);
        }
    }
    if (!fine) {
        buf_printf(errors, "%s: not a good list of deviations\n", path);
        deviations_release(ret);
    }
    return fine;
}

void deviations_release(struct deviations *deviations)
{
    cJSON_Delete(deviations->json);
    deviations->json = NULL;
}

const char *deviations_version(const struct deviations *deviations, const char *server)
{
    const cJSON *servers = json_get_object(deviations->json, "servers");
    return (const char *)json_get_text(json_get_object(servers, server), "version").ptr;
}

static bool is_value(const cJSON *listed, const cJSON *value)
{
    return value == NULL ? cJSON_IsNull(listed) : cJSON_Compare(listed, value, true);
}

/* "*" in the list is anything. */
static bool is_text(const cJSON *item, const char *member, const char *text)
{
    struct slice listed = json_get_text(item, member);
    return slice_equal_str(listed, text) || slice_equal_str(listed, "*");
}

bool deviations_take(struct deviations *deviations, const char *server, const char *name,
                     const char *step, const char *field, const cJSON *right, const cJSON *answers)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list_of(deviations, server))
    {
        if (!is_text(item, "case", name) || !is_text(item, "step", step) ||
            !is_text(item, "field", field) ||
            !is_value(cJSON_GetObjectItemCaseSensitive(item, "right"), right) ||
            !is_value(cJSON_GetObjectItemCaseSensitive(item, "answers"), answers))
            continue;
        cJSON *mutable = cJSON_GetArrayItem(list_of(deviations, server), 0);
        while (mutable != item)
            mutable = mutable->next;
        if (!cJSON_HasObjectItem(mutable, SEEN))
            cJSON_AddTrueToObject(mutable, SEEN);
        return true;
    }
    return false;
}

static void give(const cJSON *item, deviations_fn *fn, void *ctx)
{
    fn(ctx, (const char *)json_get_text(item, "step").ptr,
       (const char *)json_get_text(item, "field").ptr);
}

void deviations_unseen(const struct deviations *deviations, const char *server, const char *name,
                       deviations_fn *on_unseen, void *ctx)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list_of(deviations, server))
    {
        if (slice_equal_str(json_get_text(item, "case"), name) && !cJSON_HasObjectItem(item, SEEN))
            give(item, on_unseen, ctx);
    }
}

void deviations_foreign(const struct deviations *deviations, const char *server, const cJSON *cases,
                        deviations_fn *on_foreign, void *ctx)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list_of(deviations, server))
    {
        const char *name = (const char *)json_get_text(item, "case").ptr;
        bool possible = strcmp(name, "*") == 0 ? cJSON_HasObjectItem(item, SEEN)
                                               : cJSON_HasObjectItem(cases, name);
        if (!possible)
            on_foreign(ctx, name, (const char *)json_get_text(item, "field").ptr);
    }
}
