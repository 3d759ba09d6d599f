#include "tests/differential/compare.h"

#include <stdio.h>
#include <string.h>

#include "common/buf.h"

#define FIELD_BYTES_MAX 512

struct comparison {
    bool partial; /* what right does not say is free */
    compare_fn *on_difference;
    void *ctx;
    struct buf field;
};

static bool is_composite(const cJSON *json)
{
    return cJSON_IsObject(json) || cJSON_IsArray(json);
}

static void report(struct comparison *c, const cJSON *right, const cJSON *answer)
{
    c->on_difference(c->ctx, buf_text(&c->field), right, answer);
}

static void compare(struct comparison *c, const cJSON *right, const cJSON *answer);

static void compare_member(struct comparison *c, const char *name, const cJSON *right,
                           const cJSON *answer)
{
    size_t len = c->field.len;
    buf_printf(&c->field, "%s%s", len > 0 ? "." : "", name);
    compare(c, right, answer);
    c->field.len = len;
    if (c->field.ptr != NULL)
        c->field.ptr[len] = '\0';
}

static void compare_arrays(struct comparison *c, const cJSON *right, const cJSON *answer)
{
    int right_count = cJSON_GetArraySize(right);
    int answer_count = cJSON_GetArraySize(answer);
    for (int i = 0; i < right_count || i < answer_count; i++) {
        char name[16];
        snprintf(name, sizeof(name), "%d", i);
        compare_member(c, name, cJSON_GetArrayItem(right, i), cJSON_GetArrayItem(answer, i));
    }
}

static void compare_objects(struct comparison *c, const cJSON *right, const cJSON *answer)
{
    const cJSON *member;
    cJSON_ArrayForEach(member, right)
    {
        compare_member(c, member->string, member,
                       cJSON_GetObjectItemCaseSensitive(answer, member->string));
    }
    if (c->partial)
        return;
    cJSON_ArrayForEach(member, answer)
    {
        if (cJSON_GetObjectItemCaseSensitive(right, member->string) == NULL)
            compare_member(c, member->string, NULL, member);
    }
}

static void compare(struct comparison *c, const cJSON *right, const cJSON *answer)
{
    bool absent = right == NULL || (c->partial && cJSON_IsNull(right));
    if (absent || answer == NULL) {
        if (!absent || answer != NULL)
            report(c, absent ? NULL : right, answer);
    } else if (cJSON_IsObject(right) && cJSON_IsObject(answer)) {
        compare_objects(c, right, answer);
    } else if (cJSON_IsArray(right) && cJSON_IsArray(answer)) {
        compare_arrays(c, right, answer);
    } else if (is_composite(right) || is_composite(answer) || !cJSON_Compare(right, answer, true)) {
        report(c, right, answer);
    }
}

static void start(struct comparison *c, bool partial, compare_fn *on_difference, void *ctx)
{
    *c = (struct comparison){.partial = partial, .on_difference = on_difference, .ctx = ctx};
    buf_init(&c->field, FIELD_BYTES_MAX);
}

/* True if the errors are the same, or neither is one. */
static bool compare_errors(struct comparison *c, const cJSON *right, const cJSON *answer)
{
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(answer, "error");
    if ((right == NULL && error == NULL) ||
        (right != NULL && error != NULL && cJSON_Compare(right, error, true)))
        return true;
    buf_append_str(&c->field, "error");
    report(c, right, error);
    return false;
}

void compare_answers(const cJSON *right, const cJSON *answer, compare_fn *on_difference, void *ctx)
{
    struct comparison c;
    start(&c, false, on_difference, ctx);
    if (compare_errors(&c, cJSON_GetObjectItemCaseSensitive(right, "error"), answer))
        compare(&c, right, answer);
    buf_release(&c.field);
}

void compare_expected(const cJSON *expected, const cJSON *answer, compare_fn *on_difference,
                      void *ctx)
{
    struct comparison c;
    start(&c, true, on_difference, ctx);
    const cJSON *error =
        cJSON_IsString(expected) ? expected : cJSON_GetObjectItemCaseSensitive(expected, "error");
    if (compare_errors(&c, error, answer) && cJSON_IsObject(expected))
        compare(&c, expected, answer);
    buf_release(&c.field);
}

char *compare_show(const cJSON *json)
{
    return json == NULL ? cJSON_PrintUnformatted(&(cJSON){.type = cJSON_NULL})
                        : cJSON_PrintUnformatted(json);
}
