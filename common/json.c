#include "common/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/json_scan.h"
#include "common/limits.h"
#include "common/mem.h"
#include "common/num.h"

#define FEW_MEMBERS 8 /* below, comparing all pairs beats sorting */

void json_freep(cJSON **json)
{
    cJSON_Delete(*json);
}

static int compare_names(const void *a, const void *b)
{
    const char *const *left = a;
    const char *const *right = b;
    return strcmp(*left, *right);
}

static bool has_doubled_member(const cJSON *object)
{
    size_t count = 0;
    const cJSON *member;
    cJSON_ArrayForEach(member, object) count++;
    if (count <= FEW_MEMBERS) {
        cJSON_ArrayForEach(member, object)
        {
            for (const cJSON *other = member->next; other != NULL; other = other->next) {
                if (strcmp(member->string, other->string) == 0)
                    return true;
            }
        }
        return false;
    }
    const char **names = mem_calloc(count, sizeof(*names));
    size_t i = 0;
    cJSON_ArrayForEach(member, object) names[i++] = member->string;
    qsort(names, count, sizeof(*names), compare_names);
    bool doubled = false;
    for (i = 1; i < count && !doubled; i++)
        doubled = strcmp(names[i - 1], names[i]) == 0;
    mem_free(names);
    return doubled;
}

/* Recursion is bounded by JSON_DEPTH_MAX, which the scan has enforced. */
/* NOLINTNEXTLINE(misc-no-recursion) */
static const cJSON *find_doubled_member(const cJSON *value)
{
    if (cJSON_IsObject(value) && has_doubled_member(value))
        return value;
    const cJSON *child;
    cJSON_ArrayForEach(child, value)
    {
        if (child->child == NULL)
            continue;
        const cJSON *found = find_doubled_member(child);
        if (found != NULL)
            return found;
    }
    return NULL;
}

static enum status refuse(struct error *reterr, const char *why, size_t at)
{
    error_set(reterr, ERROR_PERMANENT, "InvalidJson", "%s at byte %zu", why, at);
    return STATUS_INVALID;
}

/* cJSON reads at most 63 bytes of a number and fails on the rest: longer ones are replaced by the
 * shortest text of the same double, filled with blanks. */
static void shorten_numbers(uint8_t *text, size_t len)
{
    bool in_string = false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\\' && in_string) {
            i++;
        } else if (text[i] == '"') {
            in_string = !in_string;
        } else if (!in_string && (text[i] == '-' || (text[i] >= '0' && text[i] <= '9'))) {
            char *end;
            double value = strtod((char *)text + i, &end);
            size_t token = (size_t)(end - ((char *)text + i));
            if (token > JSON_SCAN_NUMBER_BYTES) {
                char brief[32];
                snprintf(brief, sizeof(brief), "%.17g",
                         isinf(value) ? copysign(1.0, value) : value);
                size_t brief_len = strlen(brief);
                memset(text + i, ' ', token);
                memcpy(text + i, brief, brief_len);
                if (isinf(value))
                    memcpy(text + i + brief_len, "e999", 4);
            }
            i += token - 1;
        }
    }
}

static cJSON *parse_scanned(struct slice text, bool has_long_number)
{
    /* Idempotent, and here so that no program can forget it: out of memory aborts in cJSON too. */
    cJSON_InitHooks(&(cJSON_Hooks){.malloc_fn = mem_alloc, .free_fn = mem_free});
    if (!has_long_number)
        return cJSON_ParseWithLengthOpts((const char *)text.ptr, text.len, NULL, 0);
    char *copy = mem_strndup((const char *)text.ptr, text.len);
    shorten_numbers((uint8_t *)copy, text.len);
    cJSON *json = cJSON_ParseWithLengthOpts(copy, text.len, NULL, 0);
    mem_free(copy);
    return json;
}

enum status json_parse(struct slice text, cJSON **ret, struct error *reterr)
{
    struct json_scan scan = json_scan(text);
    if (scan.error != NULL)
        return refuse(reterr, scan.error, scan.at);
    CLEANUP(json_freep) cJSON *json = parse_scanned(text, scan.has_long_number);
    if (json == NULL)
        return refuse(reterr, "cJSON refuses what the scan took", 0);
    if (find_doubled_member(json) != NULL)
        return refuse(reterr, "doubled member in an object", 0);
    *ret = json;
    json = NULL;
    return STATUS_OK;
}

static const cJSON *get(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

const cJSON *json_get_object(const cJSON *object, const char *name)
{
    const cJSON *member = get(object, name);
    return cJSON_IsObject(member) ? member : NULL;
}

const cJSON *json_get_array(const cJSON *object, const char *name)
{
    const cJSON *member = get(object, name);
    return cJSON_IsArray(member) ? member : NULL;
}

struct slice json_get_text(const cJSON *object, const char *name)
{
    const cJSON *member = get(object, name);
    return cJSON_IsString(member) ? slice_from_str(member->valuestring) : SLICE_NULL;
}

bool json_get_bool(const cJSON *object, const char *name, bool absent)
{
    const cJSON *member = get(object, name);
    return cJSON_IsBool(member) ? (bool)cJSON_IsTrue(member) : absent;
}

enum status json_get_text_i64(const cJSON *object, const char *name, int64_t max, int64_t *ret)
{
    struct slice text = json_get_text(object, name);
    if (slice_is_null(text))
        return get(object, name) == NULL ? STATUS_NOT_FOUND : STATUS_INVALID;
    return num_parse_i64(text, max, ret);
}

void json_append_string(struct buf *out, struct slice text)
{
#if !defined(__OPTIMIZE__) || defined(__SANITIZE_ADDRESS__)
    CHECK(json_valid_utf8(text));
#endif
    static const char digits[] = "0123456789abcdef";
    buf_append_byte(out, '"');
    size_t start = 0;
    for (size_t i = json_scan_plain(text, 0); i < text.len; i = json_scan_plain(text, i + 1)) {
        uint8_t c = text.ptr[i];
        if (c >= 0x80)
            continue;
        buf_append(out, text.ptr + start, i - start);
        start = i + 1;
        if (c == '"' || c == '\\') {
            char escape[2] = {'\\', (char)c};
            buf_append(out, escape, sizeof(escape));
        } else if (c == '\n') {
            buf_append_str(out, "\\n");
        } else {
            char escape[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
            buf_append(out, escape, sizeof(escape));
        }
    }
    if (start < text.len)
        buf_append(out, text.ptr + start, text.len - start);
    buf_append_byte(out, '"');
}
