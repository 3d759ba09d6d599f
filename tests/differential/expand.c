#include "tests/differential/expand.h"

#include <stdio.h>
#include <string.h>

#include "common/encode.h"
#include "common/mem.h"

#define EACH_MAX 1000

static bool expand_text(const char *text, const cJSON *variables, struct buf *out,
                        struct buf *errors)
{
    const char *at = text;
    const char *open;
    while ((open = strstr(at, "$(")) != NULL) {
        const char *close = strchr(open, ')');
        char name[64];
        if (close == NULL || (size_t)(close - open) - 2 >= sizeof(name)) {
            buf_printf(errors, "%.60s: no end of a variable\n", text);
            return false;
        }
        snprintf(name, sizeof(name), "%.*s", (int)(close - open - 2), open + 2);
        struct slice value = json_get_text(variables, name);
        if (slice_is_null(value)) {
            buf_printf(errors, "no variable %s\n", name);
            return false;
        }
        buf_append(out, at, (size_t)(open - at));
        buf_append_slice(out, value);
        at = close + 1;
    }
    buf_append_str(out, at);
    return true;
}

static cJSON *repeat(const cJSON *form, struct buf *errors)
{
    const cJSON *text = cJSON_GetArrayItem(form, 0);
    const cJSON *times = cJSON_GetArrayItem(form, 1);
    if (!cJSON_IsString(text) || !cJSON_IsNumber(times) || times->valuedouble < 0 ||
        times->valuedouble * (double)strlen(text->valuestring) > EXPAND_BYTES_MAX) {
        buf_printf(errors, "$repeat is a list of a text and a number\n");
        return NULL;
    }
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, EXPAND_BYTES_MAX);
    for (int i = 0; i < times->valueint; i++)
        buf_append_str(&out, text->valuestring);
    return cJSON_CreateString(buf_text(&out));
}

static cJSON *base64(const cJSON *form, struct buf *errors)
{
    if (!cJSON_IsNumber(form) || form->valuedouble < 0 ||
        form->valuedouble > EXPAND_BYTES_MAX / 2) {
        buf_printf(errors, "$base64 is a number of bytes\n");
        return NULL;
    }
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, EXPAND_BYTES_MAX);
    size_t len = (size_t)form->valueint;
    uint8_t *raw = mem_calloc(len + 1, 1);
    encode_base64(slice_from(raw, len), &out);
    mem_free(raw);
    return cJSON_CreateString(buf_text(&out));
}

static cJSON *each(const cJSON *form, const cJSON *variables, struct buf *errors)
{
    const cJSON *times = cJSON_GetArrayItem(form, 0);
    const cJSON *element = cJSON_GetArrayItem(form, 1);
    if (!cJSON_IsNumber(times) || times->valueint < 0 || times->valueint > EACH_MAX ||
        element == NULL) {
        buf_printf(errors, "$each is a list of a number and an element\n");
        return NULL;
    }
    cJSON *own = cJSON_Duplicate(variables, true);
    cJSON *list = cJSON_CreateArray();
    for (int i = 0; i < times->valueint && list != NULL; i++) {
        char number[16];
        snprintf(number, sizeof(number), "%d", i);
        cJSON_DeleteItemFromObjectCaseSensitive(own, "i");
        cJSON_AddStringToObject(own, "i", number);
        cJSON *item = expand(element, own, errors);
        if (item == NULL) {
            cJSON_Delete(list);
            list = NULL;
        } else {
            cJSON_AddItemToArray(list, item);
        }
    }
    cJSON_Delete(own);
    return list;
}

static cJSON *expand_members(const cJSON *json, const cJSON *variables, struct buf *errors)
{
    bool object = cJSON_IsObject(json);
    cJSON *copy = object ? cJSON_CreateObject() : cJSON_CreateArray();
    const cJSON *member;
    cJSON_ArrayForEach(member, json)
    {
        CLEANUP(buf_release) struct buf name;
        buf_init(&name, EXPAND_BYTES_MAX);
        cJSON *value = expand(member, variables, errors);
        if (value == NULL || (object && !expand_text(member->string, variables, &name, errors))) {
            cJSON_Delete(value);
            cJSON_Delete(copy);
            return NULL;
        }
        if (object)
            cJSON_AddItemToObject(copy, buf_text(&name), value);
        else
            cJSON_AddItemToArray(copy, value);
    }
    return copy;
}

cJSON *expand(const cJSON *json, const cJSON *variables, struct buf *errors)
{
    if (cJSON_IsString(json)) {
        CLEANUP(buf_release) struct buf text;
        buf_init(&text, EXPAND_BYTES_MAX);
        return expand_text(json->valuestring, variables, &text, errors)
                   ? cJSON_CreateString(buf_text(&text))
                   : NULL;
    }
    if (cJSON_IsObject(json) && json->child != NULL && json->child->next == NULL) {
        const char *form = json->child->string;
        if (strcmp(form, "$repeat") == 0)
            return repeat(json->child, errors);
        if (strcmp(form, "$base64") == 0)
            return base64(json->child, errors);
        if (strcmp(form, "$each") == 0)
            return each(json->child, variables, errors);
    }
    if (cJSON_IsObject(json) || cJSON_IsArray(json))
        return expand_members(json, variables, errors);
    return cJSON_Duplicate(json, true);
}
