#include <string.h>

#include "common/check.h"
#include "common/mem.h"
#include "tests/emulator/emulator_internal.h"
#include "tests/model/ddb_number.h"

#define DEPTH_MAX 32 /* as DynamoDB nests */

static bool in_value(struct call *call, const cJSON *object, int depth, struct ddb_value *ret);

static bool invalid(struct call *call, const char *what)
{
    return model_refuse(&call->error, 400, "ValidationException", NULL, "%s", what);
}

static bool in_scalar(struct call *call, enum ddb_type type, const cJSON *json,
                      struct ddb_value *ret)
{
    char digits[DDB_NUMBER_SIZE];
    if (!cJSON_IsString(json))
        return in_refuse(call, "S, N and B must be strings");
    struct slice text = slice_from_str(json->valuestring);
    *ret = (struct ddb_value){.type = type, .bytes = text};
    if (type == DDB_B)
        return in_base64(call, text, &ret->bytes);
    if (type == DDB_S)
        return true;
    if (!ddb_number_normalize(text, digits))
        return model_refuse(&call->error, 400, "ValidationException", NULL,
                            "The parameter cannot be converted to a numeric value: %.100s",
                            json->valuestring);
    size_t len = strlen(digits);
    char *copy = model_arena_take(&call->arena, len + 1);
    memcpy(copy, digits, len);
    ret->bytes = slice_from(copy, len);
    return true;
}

static bool in_set(struct call *call, enum ddb_type type, enum ddb_type element, const cJSON *json,
                   struct ddb_value *ret)
{
    size_t count = cJSON_IsArray(json) ? (size_t)cJSON_GetArraySize(json) : 0;
    if (count == 0)
        return invalid(call, "One or more parameter values were invalid: An set may not be empty");
    struct ddb_value *elements = model_arena_take(&call->arena, count * sizeof(*elements));
    size_t used = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, json)
    {
        if (!in_scalar(call, element, item, &elements[used]))
            return false;
        for (size_t i = 0; i < used; i++) {
            if (ddb_value_equal(&elements[i], &elements[used]))
                return invalid(call, "One or more parameter values were invalid: Input collection "
                                     "contains duplicates");
        }
        used++;
    }
    *ret = (struct ddb_value){.type = type, .elements = elements, .count = used};
    return true;
}

static bool in_list(struct call *call, const cJSON *json, int depth, struct ddb_value *ret)
{
    if (!cJSON_IsArray(json))
        return in_refuse(call, "L must be an array");
    size_t count = (size_t)cJSON_GetArraySize(json);
    struct ddb_value *elements = model_arena_take(&call->arena, count * sizeof(*elements));
    size_t used = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, json)
    {
        if (!in_value(call, item, depth + 1, &elements[used++]))
            return false;
    }
    *ret = (struct ddb_value){.type = DDB_L, .elements = elements, .count = used};
    return true;
}

static bool in_pairs(struct call *call, const cJSON *json, int depth, struct ddb_value *ret)
{
    if (!cJSON_IsObject(json))
        return in_refuse(call, "an item, a key and M must be objects");
    size_t count = (size_t)cJSON_GetArraySize(json);
    struct ddb_pair *pairs = model_arena_take(&call->arena, count * sizeof(*pairs));
    size_t used = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, json)
    {
        pairs[used].name = slice_from_str(item->string);
        for (size_t i = 0; i < used; i++) {
            if (slice_equal(pairs[i].name, pairs[used].name))
                return in_refuse(call, "an attribute name is given twice");
        }
        if (!in_value(call, item, depth + 1, &pairs[used++].value))
            return false;
    }
    *ret = (struct ddb_value){.type = DDB_M, .pairs = pairs, .count = used};
    return true;
}

static bool in_value(struct call *call, const cJSON *object, int depth, struct ddb_value *ret)
{
    const cJSON *json = cJSON_IsObject(object) ? object->child : NULL;
    if (json == NULL || json->next != NULL)
        return invalid(call, "Supplied AttributeValue has more than one datatypes set, must "
                             "contain exactly one of the supported datatypes");
    if (depth > DEPTH_MAX)
        return invalid(call, "Nesting Levels have exceeded supported limits");
    enum ddb_type type = DDB_S;
    while (strcmp(ddb_type_name(type), json->string) != 0) {
        if (type == DDB_BS)
            return in_refuse(call, "an attribute value of no known type");
        type = (enum ddb_type)(type + 1);
    }
    *ret = (struct ddb_value){.type = type};
    switch (type) {
    case DDB_S:
    case DDB_N:
    case DDB_B:
        return in_scalar(call, type, json, ret);
    case DDB_BOOL:
        ret->flag = cJSON_IsTrue(json);
        return cJSON_IsBool(json) || in_refuse(call, "BOOL must be true or false");
    case DDB_NULL:
        return cJSON_IsTrue(json) || invalid(call, "Null attribute value types must have the value "
                                                   "of true");
    case DDB_L:
        return in_list(call, json, depth, ret);
    case DDB_M:
        return in_pairs(call, json, depth, ret);
    case DDB_SS:
        return in_set(call, type, DDB_S, json, ret);
    case DDB_NS:
        return in_set(call, type, DDB_N, json, ret);
    case DDB_BS:
        return in_set(call, type, DDB_B, json, ret);
    }
    UNREACHABLE();
}

bool ddb_in_map(struct call *call, const cJSON *object, struct ddb_value *ret)
{
    return in_pairs(call, object, 0, ret);
}

bool ddb_in_member_map(struct call *call, const cJSON *object, const char *name,
                       const struct ddb_value **ret)
{
    const cJSON *json;
    *ret = NULL;
    if (!in_object(call, object, name, &json))
        return false;
    if (json == NULL)
        return true;
    struct ddb_value *map = model_arena_take(&call->arena, sizeof(*map));
    *ret = map;
    return ddb_in_map(call, json, map);
}

bool ddb_in_scope(struct call *call, const cJSON *object, struct ddb_scope *ret)
{
    const cJSON *names;
    const cJSON *values;
    const cJSON *item;
    *ret = (struct ddb_scope){0};
    if (!in_object(call, object, "ExpressionAttributeNames", &names) ||
        !in_object(call, object, "ExpressionAttributeValues", &values))
        return false;
    ret->names =
        model_arena_take(&call->arena, (size_t)cJSON_GetArraySize(names) * sizeof(*ret->names));
    ret->values =
        model_arena_take(&call->arena, (size_t)cJSON_GetArraySize(values) * sizeof(*ret->values));
    cJSON_ArrayForEach(item, names)
    {
        if (!cJSON_IsString(item) || item->string[0] != '#')
            return invalid(call, "ExpressionAttributeNames contains an invalid key or value");
        ret->names[ret->name_count++] = (struct ddb_name){
            .placeholder = slice_from_str(item->string), .name = slice_from_str(item->valuestring)};
    }
    cJSON_ArrayForEach(item, values)
    {
        if (item->string[0] != ':')
            return invalid(call, "ExpressionAttributeValues contains invalid key: Syntax error");
        struct ddb_value *value = model_arena_take(&call->arena, sizeof(*value));
        if (!in_value(call, item, 0, value))
            return false;
        ret->values[ret->value_count++] =
            (struct ddb_bound){.placeholder = slice_from_str(item->string), .value = value};
    }
    return true;
}

/* --- writing --------------------------------------------------------------------------------- */

static void out_value(struct json_out *out, const struct ddb_value *value)
{
    json_out_begin_object(out);
    json_out_name(out, ddb_type_name(value->type));
    switch (value->type) {
    case DDB_S:
    case DDB_N:
        json_out_string(out, value->bytes);
        break;
    case DDB_B:
        json_out_base64(out, value->bytes);
        break;
    case DDB_BOOL:
        json_out_bool(out, value->flag);
        break;
    case DDB_NULL:
        json_out_bool(out, true);
        break;
    case DDB_L:
        json_out_begin_array(out);
        for (size_t i = 0; i < value->count; i++)
            out_value(out, &value->elements[i]);
        json_out_end_array(out);
        break;
    case DDB_M:
        ddb_out_map(out, value, NULL);
        break;
    case DDB_SS:
    case DDB_NS:
    case DDB_BS:
        json_out_begin_array(out);
        for (size_t i = 0; i < value->count; i++) {
            if (value->type == DDB_BS)
                json_out_base64(out, value->elements[i].bytes);
            else
                json_out_string(out, value->elements[i].bytes);
        }
        json_out_end_array(out);
        break;
    }
    json_out_end_object(out);
}

static bool projected(const struct ddb_projection *projection, struct slice name)
{
    if (projection == NULL || projection->count == 0)
        return true;
    for (size_t i = 0; i < projection->count; i++) {
        if (slice_equal(projection->names[i], name))
            return true;
    }
    return false;
}

void ddb_out_map(struct json_out *out, const struct ddb_value *map,
                 const struct ddb_projection *projection)
{
    json_out_begin_object(out);
    for (size_t i = 0; i < map->count; i++) {
        if (!projected(projection, map->pairs[i].name))
            continue;
        json_out_name_slice(out, map->pairs[i].name);
        out_value(out, &map->pairs[i].value);
    }
    json_out_end_object(out);
}
