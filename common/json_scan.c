#include "common/json_scan.h"

#include <stdint.h>
#include <string.h>

#include "common/check.h"
#include "common/json.h"
#include "common/limits.h"
#include "common/mem.h"

static_assert(JSON_DEPTH_MAX <= 64, "one bit a level");

struct scanner {
    const uint8_t *start;
    const uint8_t *at;
    const uint8_t *end;
    const char *error;
    uint64_t objects; /* bit n: level n is an object, else an array */
    uint32_t depth;
    uint32_t values;
    bool has_long_number;
    bool escaped;             /* the string read last */
    struct json_nodes *nodes; /* NULL: only asked whether */
    uint32_t open[JSON_DEPTH_MAX];
};

static bool fail(struct scanner *s, const char *error)
{
    s->error = error;
    return false;
}

#define NODES_FIRST 256

/* Returns the node's number, 0 where none are kept. */
static uint32_t add_node(struct scanner *s, enum json_kind kind, const uint8_t *first, size_t len)
{
    struct json_nodes *n = s->nodes;
    if (n == NULL)
        return 0;
    if (n->count == n->capacity) {
        n->capacity = MAX(2 * n->capacity, NODES_FIRST);
        n->nodes = mem_realloc(n->nodes, n->capacity * sizeof(n->nodes[0]));
    }
    n->nodes[n->count] = (struct json_node){
        .at = (uint32_t)(first - s->start),
        .len = (uint32_t)len,
        .next = (uint32_t)n->count + 1,
        .kind = (uint8_t)kind,
        .escaped = kind == JSON_STRING && s->escaped,
    };
    return (uint32_t)n->count++;
}

#define STRIDE 16

/* A vector of the compiler's, for whatever the processor has. */
typedef int8_t stride_bytes __attribute__((vector_size(STRIDE)));

/* None of the bytes at `at` is '"', '\\', below 0x20 or above 0x7f, which is negative here. */
static bool is_plain_stride(const uint8_t *at)
{
    stride_bytes bytes;
    uint64_t found[STRIDE / sizeof(uint64_t)];
    memcpy(&bytes, at, STRIDE);
    stride_bytes odd = (bytes < ' ') | (bytes == '"') | (bytes == '\\');
    memcpy(found, &odd, STRIDE);
    return (found[0] | found[1]) == 0;
}

size_t json_scan_plain(struct slice text, size_t at)
{
    while (text.len - at >= STRIDE && is_plain_stride(text.ptr + at))
        at += STRIDE;
    for (; at < text.len; at++) {
        uint8_t c = text.ptr[at];
        if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\')
            break;
    }
    return at;
}

/* Length of the UTF-8 sequence of two or more bytes at `at`; 0 if it is not one (Unicode 15, table
 * 3-7). */
static size_t utf8_sequence(const uint8_t *at, const uint8_t *end)
{
    uint8_t lead = at[0];
    size_t len = lead >= 0xc2 && lead <= 0xdf ? 2 : (lead & 0xf0) == 0xe0 ? 3 : 4;
    if (lead < 0xc2 || lead > 0xf4 || (size_t)(end - at) < len)
        return 0;
    uint8_t second_min = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    uint8_t second_max = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < second_min || at[1] > second_max)
        return 0;
    for (size_t i = 2; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    }
    return len;
}

bool json_valid_utf8(struct slice text)
{
    for (size_t i = json_scan_plain(text, 0); i < text.len; i = json_scan_plain(text, i)) {
        size_t len = text.ptr[i] < 0x80 ? 1 : utf8_sequence(text.ptr + i, text.ptr + text.len);
        if (len == 0)
            return false;
        i += len;
    }
    return true;
}

static void skip_blanks(struct scanner *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\r' || *s->at == '\t'))
        s->at++;
}

/* Takes the byte if it is the next one. */
static bool skip_byte(struct scanner *s, char c)
{
    if (s->at == s->end || *s->at != (uint8_t)c)
        return false;
    s->at++;
    return true;
}

/* Four hex digits; -1 if they are not. */
static int32_t scan_hex4(struct scanner *s)
{
    if (s->end - s->at < 4)
        return -1;
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t c = *s->at++;
        uint8_t lower = c | 0x20;
        if (c >= '0' && c <= '9')
            value = value * 16 + (c - '0');
        else if (lower >= 'a' && lower <= 'f')
            value = value * 16 + (lower - 'a' + 10);
        else
            return -1;
    }
    return value;
}

/* Behind "\u". */
static bool scan_unicode_escape(struct scanner *s)
{
    int32_t unit = scan_hex4(s);
    if (unit < 0)
        return fail(s, "bad \\u escape");
    if (unit == 0)
        return fail(s, "U+0000 in a string");
    if (unit < 0xd800 || unit > 0xdfff)
        return true;
    if (unit < 0xdc00 && skip_byte(s, '\\') && skip_byte(s, 'u')) {
        int32_t low = scan_hex4(s);
        if (low >= 0xdc00 && low <= 0xdfff)
            return true;
    }
    return fail(s, "lone surrogate");
}

/* Behind the opening quote. */
static bool scan_string(struct scanner *s)
{
    const uint8_t *first = s->at;
    s->escaped = false;
    for (;;) {
        struct slice rest = slice_from(s->at, (size_t)(s->end - s->at));
        s->at += json_scan_plain(rest, 0);
        if (s->at == s->end)
            return fail(s, "string without end");
        uint8_t c = *s->at;
        if (c >= 0x80) {
            size_t len = utf8_sequence(s->at, s->end);
            if (len == 0)
                return fail(s, "not UTF-8");
            s->at += len;
            continue;
        }
        if (c < 0x20)
            return fail(s, "control character in a string");
        s->at++;
        if (c == '"') {
            add_node(s, JSON_STRING, first, (size_t)(s->at - first) - 1);
            return true;
        }
        s->escaped = true;
        if (skip_byte(s, 'u')) {
            if (!scan_unicode_escape(s))
                return false;
        } else if (s->at < s->end && *s->at != '\0' && strchr("\"\\/bfnrt", *s->at) != NULL) {
            s->at++;
        } else {
            return fail(s, "bad escape");
        }
    }
}

static size_t skip_digits(struct scanner *s)
{
    const uint8_t *first = s->at;
    while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
        s->at++;
    return (size_t)(s->at - first);
}

static bool scan_number(struct scanner *s)
{
    const uint8_t *first = s->at;
    skip_byte(s, '-');
    if (!skip_byte(s, '0') && skip_digits(s) == 0)
        return fail(s, "bad number");
    if (skip_byte(s, '.') && skip_digits(s) == 0)
        return fail(s, "bad number");
    if (skip_byte(s, 'e') || skip_byte(s, 'E')) {
        if (!skip_byte(s, '+'))
            skip_byte(s, '-');
        if (skip_digits(s) == 0)
            return fail(s, "bad number");
    }
    if (s->at - first > JSON_SCAN_NUMBER_BYTES)
        s->has_long_number = true;
    add_node(s, JSON_NUMBER, first, (size_t)(s->at - first));
    return true;
}

static bool scan_literal(struct scanner *s, const char *literal)
{
    size_t len = strlen(literal);
    if ((size_t)(s->end - s->at) < len || memcmp(s->at, literal, len) != 0)
        return fail(s, "not a value");
    add_node(s, JSON_LITERAL, s->at, len);
    s->at += len;
    return true;
}

static bool scan_scalar(struct scanner *s)
{
    if (skip_byte(s, '"'))
        return scan_string(s);
    switch (*s->at) {
    case 't':
        return scan_literal(s, "true");
    case 'f':
        return scan_literal(s, "false");
    case 'n':
        return scan_literal(s, "null");
    default:
        return scan_number(s);
    }
}

/* A member's name and its colon. */
static bool scan_name(struct scanner *s)
{
    skip_blanks(s);
    if (!skip_byte(s, '"'))
        return fail(s, "no member name");
    if (!scan_string(s))
        return false;
    skip_blanks(s);
    return skip_byte(s, ':') || fail(s, "no colon");
}

static bool in_object(const struct scanner *s)
{
    return (s->objects >> (s->depth - 1) & 1) != 0;
}

static bool open_container(struct scanner *s, bool object)
{
    if (s->depth == JSON_DEPTH_MAX)
        return fail(s, "nested too deeply");
    uint64_t bit = UINT64_C(1) << s->depth;
    s->objects = object ? s->objects | bit : s->objects & ~bit;
    s->open[s->depth++] = add_node(s, object ? JSON_OBJECT : JSON_ARRAY, s->at, 1);
    s->at++;
    return true;
}

static void close_container(struct scanner *s)
{
    s->depth--;
    if (s->nodes != NULL)
        s->nodes->nodes[s->open[s->depth]].next = (uint32_t)s->nodes->count;
}

/* Up to the next complete scalar or empty container. */
static bool scan_value(struct scanner *s)
{
    for (;;) {
        skip_blanks(s);
        if (s->at == s->end)
            return fail(s, "text ends early");
        if (++s->values > JSON_VALUES_MAX)
            return fail(s, "too many values");
        bool object = *s->at == '{';
        if (!object && *s->at != '[')
            return scan_scalar(s);
        if (!open_container(s, object))
            return false;
        skip_blanks(s);
        if (skip_byte(s, object ? '}' : ']')) {
            close_container(s);
            return true;
        }
        if (object && !scan_name(s))
            return false;
    }
}

static bool scan_document(struct scanner *s)
{
    for (;;) {
        if (!scan_value(s))
            return false;
        skip_blanks(s);
        while (s->depth > 0 && skip_byte(s, in_object(s) ? '}' : ']')) {
            close_container(s);
            skip_blanks(s);
        }
        if (s->depth == 0)
            return s->at == s->end || fail(s, "text behind the value");
        if (!skip_byte(s, ','))
            return fail(s, "neither comma nor end of container");
        if (in_object(s) && !scan_name(s))
            return false;
    }
}

struct json_scan json_scan_nodes(struct slice text, struct json_nodes *nodes)
{
    if (text.len == 0)
        return (struct json_scan){.error = "empty text"};
    CHECK(nodes == NULL || text.len < UINT32_MAX);
    struct scanner s = {
        .start = text.ptr, .at = text.ptr, .end = text.ptr + text.len, .nodes = nodes};
    bool fine = scan_document(&s);
    return (struct json_scan){
        .error = fine ? NULL : s.error,
        .at = (size_t)(s.at - s.start),
        .has_long_number = s.has_long_number,
    };
}

struct json_scan json_scan(struct slice text)
{
    return json_scan_nodes(text, NULL);
}
