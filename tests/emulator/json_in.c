#include <math.h>
#include <string.h>

#include "tests/emulator/emulator_internal.h"

bool in_refuse(struct call *call, const char *what)
{
    return model_refuse(&call->error, 400, "SerializationException", NULL, "%s", what);
}

static bool wrong_type(struct call *call, const char *name, const char *expected)
{
    return model_refuse(&call->error, 400, "SerializationException", NULL, "%s must be %s", name,
                        expected);
}

static const cJSON *member(const cJSON *object, const char *name)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsNull(value) ? NULL : value;
}

bool in_string(struct call *call, const cJSON *object, const char *name, struct slice *ret)
{
    const cJSON *value = member(object, name);
    *ret = SLICE_NULL;
    if (value == NULL)
        return true;
    if (!cJSON_IsString(value))
        return wrong_type(call, name, "a string");
    *ret = slice_from_str(value->valuestring);
    return true;
}

bool in_i64(struct call *call, const cJSON *object, const char *name, int64_t *ret)
{
    const cJSON *value = member(object, name);
    *ret = SQS_MODEL_ABSENT;
    if (value == NULL)
        return true;
    if (!cJSON_IsNumber(value) || fabs(value->valuedouble) > 1e15 ||
        value->valuedouble - trunc(value->valuedouble) != 0.0)
        return wrong_type(call, name, "an integer");
    *ret = (int64_t)value->valuedouble;
    return true;
}

bool in_bool(struct call *call, const cJSON *object, const char *name, bool *ret)
{
    const cJSON *value = member(object, name);
    *ret = false;
    if (value == NULL)
        return true;
    if (!cJSON_IsBool(value))
        return wrong_type(call, name, "a boolean");
    *ret = cJSON_IsTrue(value);
    return true;
}

bool in_array(struct call *call, const cJSON *object, const char *name, const cJSON **ret)
{
    *ret = member(object, name);
    return *ret == NULL || cJSON_IsArray(*ret) || wrong_type(call, name, "an array");
}

bool in_object(struct call *call, const cJSON *object, const char *name, const cJSON **ret)
{
    *ret = member(object, name);
    return *ret == NULL || cJSON_IsObject(*ret) || wrong_type(call, name, "an object");
}

bool in_strings(struct call *call, const cJSON *object, const char *name, const struct slice **ret,
                size_t *ret_count)
{
    const cJSON *array;
    *ret = NULL;
    *ret_count = 0;
    if (!in_array(call, object, name, &array))
        return false;
    if (array == NULL)
        return true;
    size_t count = 0;
    const cJSON *item;
    struct slice *list =
        model_arena_take(&call->arena, (size_t)cJSON_GetArraySize(array) * sizeof(*list));
    cJSON_ArrayForEach(item, array)
    {
        if (!cJSON_IsString(item))
            return wrong_type(call, name, "an array of strings");
        list[count++] = slice_from_str(item->valuestring);
    }
    *ret = list;
    *ret_count = count;
    return true;
}

static int base64_digit(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool in_base64(struct call *call, struct slice text, struct slice *ret)
{
    if (text.len % 4 != 0)
        return in_refuse(call, "Base64 must be padded to a multiple of four");
    size_t padding = 0;
    while (padding < 2 && padding < text.len && text.ptr[text.len - 1 - padding] == '=')
        padding++;
    uint8_t *raw = model_arena_take(&call->arena, text.len / 4 * 3 + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i += 4) {
        size_t have = i + 4 == text.len ? 4 - padding : 4;
        uint32_t bits = 0;
        for (size_t k = 0; k < 4; k++) {
            int digit = k < have ? base64_digit(text.ptr[i + k]) : 0;
            if (digit < 0)
                return in_refuse(call, "a character that is not of the Base64 alphabet");
            bits = bits << 6 | (uint32_t)digit;
        }
        raw[len++] = (uint8_t)(bits >> 16);
        if (have > 2)
            raw[len++] = (uint8_t)(bits >> 8);
        if (have > 3)
            raw[len++] = (uint8_t)bits;
    }
    *ret = slice_from(raw, len);
    return true;
}
