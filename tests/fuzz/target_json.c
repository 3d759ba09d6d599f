/* The strict face of cJSON against a second reading of RFC 8259, written to be obvious and not to
 * be fast: they must agree about every text. What was taken is printed, read again and the same. */
#include <math.h>

#include "common/json.h"
#include "common/json_flat.h"
#include "common/json_scan.h"
#include "common/limits.h"
#include "common/mem.h"
#include "tests/fuzz/fuzz.h"

/* --- the second reading ---------------------------------------------------------------------- */

struct reading {
    const uint8_t *text;
    size_t len;
    size_t at;
    unsigned values;
};

static int peek(const struct reading *r)
{
    return r->at < r->len ? r->text[r->at] : -1;
}

static void skip_space(struct reading *r)
{
    while (peek(r) == ' ' || peek(r) == '\t' || peek(r) == '\r' || peek(r) == '\n')
        r->at++;
}

static bool skip_word(struct reading *r, const char *word)
{
    size_t len = strlen(word);
    if (r->len - r->at < len || memcmp(r->text + r->at, word, len) != 0)
        return false;
    r->at += len;
    return true;
}

static bool skip_digits(struct reading *r)
{
    size_t start = r->at;
    while (peek(r) >= '0' && peek(r) <= '9')
        r->at++;
    return r->at > start;
}

static bool read_number(struct reading *r)
{
    if (peek(r) == '-')
        r->at++;
    if (peek(r) == '0')
        r->at++;
    else if (!skip_digits(r))
        return false;
    if (peek(r) == '.') {
        r->at++;
        if (!skip_digits(r))
            return false;
    }
    if (peek(r) == 'e' || peek(r) == 'E') {
        r->at++;
        if (peek(r) == '+' || peek(r) == '-')
            r->at++;
        if (!skip_digits(r))
            return false;
    }
    return true;
}

/* -1: none. Checks what a code point may be, not what its bytes may be. */
static int32_t read_utf8(const uint8_t *text, size_t len, size_t *at)
{
    static const int32_t least[] = {0, 0x80, 0x800, 0x10000};
    uint8_t lead = text[(*at)++];
    if (lead < 0x80)
        return lead;
    unsigned more = lead >= 0xf8 ? 9 : lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 9;
    if (more > 3 || len - *at < more)
        return -1;
    int32_t point = lead & (0x3f >> more);
    for (unsigned i = 0; i < more; i++) {
        uint8_t c = text[(*at)++];
        if (c < 0x80 || c > 0xbf)
            return -1;
        point = point * 64 + (c - 0x80);
    }
    return point < least[more] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff) ? -1
                                                                                           : point;
}

static int32_t read_hex4(struct reading *r)
{
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        int c = peek(r);
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
        r->at++;
    }
    return value;
}

static bool read_escape(struct reading *r)
{
    int c = peek(r);
    r->at++;
    if (c != 'u')
        return c == '"' || c == '\\' || c == '/' || c == 'b' || c == 'f' || c == 'n' || c == 'r' ||
               c == 't';
    int32_t unit = read_hex4(r);
    if (unit < 0xd800 || unit > 0xdfff)
        return unit > 0;
    if (unit > 0xdbff || !skip_word(r, "\\u"))
        return false;
    int32_t low = read_hex4(r);
    return low >= 0xdc00 && low <= 0xdfff;
}

static bool read_string(struct reading *r)
{
    if (peek(r) != '"')
        return false;
    r->at++;
    while (r->at < r->len) {
        int32_t point = read_utf8(r->text, r->len, &r->at);
        if (point == '"')
            return true;
        if (point < ' ' || (point == '\\' && !read_escape(r)))
            return false;
    }
    return false;
}

static bool read_value(struct reading *r, unsigned depth);

static bool read_list(struct reading *r, unsigned depth, bool object)
{
    int end = object ? '}' : ']';
    if (depth == JSON_DEPTH_MAX)
        return false;
    r->at++;
    skip_space(r);
    if (peek(r) == end) {
        r->at++;
        return true;
    }
    for (;;) {
        if (object) {
            skip_space(r);
            if (!read_string(r))
                return false;
            skip_space(r);
            if (peek(r) != ':')
                return false;
            r->at++;
        }
        if (!read_value(r, depth + 1))
            return false;
        int c = peek(r);
        r->at++;
        if (c == end)
            return true;
        if (c != ',')
            return false;
    }
}

static bool read_value(struct reading *r, unsigned depth)
{
    bool good;
    r->values++;
    skip_space(r);
    if (peek(r) == '{' || peek(r) == '[')
        good = read_list(r, depth, peek(r) == '{');
    else if (peek(r) == '"')
        good = read_string(r);
    else
        good =
            skip_word(r, "true") || skip_word(r, "false") || skip_word(r, "null") || read_number(r);
    skip_space(r);
    return good;
}

static bool is_json(struct slice text)
{
    struct reading r = {.text = text.ptr, .len = text.len};
    return read_value(&r, 0) && r.at == r.len && r.values <= JSON_VALUES_MAX;
}

static bool is_utf8(struct slice text)
{
    for (size_t at = 0; at < text.len;)
        if (read_utf8(text.ptr, text.len, &at) < 0)
            return false;
    return true;
}

/* --- oracles --------------------------------------------------------------------------------- */

static void append_and_read(struct slice text)
{
    CLEANUP(buf_release) struct buf out;
    CLEANUP(json_freep) cJSON *again = NULL;
    buf_init(&out, (size_t)16 * MIB);
    json_append_string(&out, text);
    EXPECT(json_parse(buf_slice(&out), &again, NULL) == STATUS_OK);
    EXPECT(cJSON_IsString(again) && slice_equal_str(text, again->valuestring));
}

/* False if it holds a number beyond a double, which cJSON prints as null. */
static bool walk(const cJSON *value)
{
    bool finite = !cJSON_IsNumber(value) || !isinf(value->valuedouble);
    if (cJSON_IsString(value)) {
        EXPECT(is_utf8(slice_from_str(value->valuestring)));
        append_and_read(slice_from_str(value->valuestring));
    }
    const cJSON *child;
    cJSON_ArrayForEach(child, value)
    {
        EXPECT(!cJSON_IsObject(value) ||
               cJSON_GetObjectItemCaseSensitive(value, child->string) == child);
        finite = walk(child) && finite;
    }
    return finite;
}

static void print_and_read(const cJSON *json)
{
    char *text = cJSON_PrintUnformatted(json);
    CLEANUP(json_freep) cJSON *again = NULL;
    EXPECT(text != NULL);
    EXPECT(json_parse(slice_from_str(text), &again, NULL) == STATUS_OK);
    EXPECT(cJSON_Compare(json, again, true));
    cJSON_free(text);
}

/* The flat reading has the values, names and texts that the tree has, in the same order. */
static void walk_flat(const struct json_flat *flat, uint32_t node, const cJSON *value)
{
    EXPECT(json_flat_is(flat, node, JSON_OBJECT) == cJSON_IsObject(value));
    EXPECT(json_flat_is(flat, node, JSON_ARRAY) == cJSON_IsArray(value));
    EXPECT(json_flat_is(flat, node, JSON_NUMBER) == cJSON_IsNumber(value));
    EXPECT(json_flat_is_null(flat, node) == cJSON_IsNull(value));
    if (cJSON_IsString(value))
        EXPECT(slice_equal_str(json_flat_text(flat, node), value->valuestring));
    else
        EXPECT(slice_is_null(json_flat_text(flat, node)));
    uint32_t at = json_flat_first(flat, node);
    const cJSON *child;
    cJSON_ArrayForEach(child, value)
    {
        if (cJSON_IsObject(value)) {
            EXPECT(slice_equal_str(json_flat_text(flat, at), child->string));
            EXPECT(json_flat_get(flat, node, child->string) == at + 1);
        }
        walk_flat(flat, cJSON_IsObject(value) ? at + 1 : at, child);
        at = json_flat_after(flat, node, at);
    }
    EXPECT(at == JSON_ABSENT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(mem_freep) uint8_t *copy = fuzz_copy(slice_from(data, size));
    struct slice text = slice_from(copy, size);
    CLEANUP(json_freep) cJSON *json = NULL;
    struct error error = {.kind = ERROR_NONE};
    bool expected = is_json(text);
    bool taken = json_parse(text, &json, &error) == STATUS_OK;
    EXPECT((json_scan(text).error == NULL) == expected);
    EXPECT(json_valid_utf8(text) == is_utf8(text));
    CLEANUP(json_flat_release) struct json_flat flat = {.text = SLICE_NULL};
    EXPECT((json_flat_parse(text, &flat, NULL) == STATUS_OK) == taken);
    if (taken) {
        EXPECT(expected);
        walk_flat(&flat, JSON_ROOT, json);
        if (walk(json))
            print_and_read(json);
    } else {
        EXPECT(!expected || strncmp(error.text, "doubled member", 14) == 0);
        EXPECT(error.kind == ERROR_PERMANENT);
    }
    if (is_utf8(text) && (size == 0 || memchr(copy, '\0', size) == NULL))
        append_and_read(text);
    return 0;
}
