#include "common/json_flat.h"

#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/mem.h"
#include "common/num.h"

#define FEW_MEMBERS 8 /* below, comparing all pairs beats sorting */

void json_flat_release(struct json_flat *flat)
{
    mem_free(flat->values.nodes);
    buf_release(&flat->unescaped);
    *flat = (struct json_flat){.text = SLICE_NULL};
}

/* --- strings with escapes --------------------------------------------------------------------- */

/* Four hex digits, which the scan has seen. */
static uint32_t hex4(const uint8_t *from)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t lower = from[i] | 0x20;
        value = value << 4 | (uint32_t)(lower <= '9' ? lower - '0' : lower - 'a' + 10);
    }
    return value;
}

static uint8_t *put_utf8(uint32_t c, uint8_t *to)
{
    if (c < 0x80) {
        *to++ = (uint8_t)c;
        return to;
    }
    if (c < 0x800) {
        *to++ = (uint8_t)(0xc0 | c >> 6);
    } else {
        if (c < 0x10000) {
            *to++ = (uint8_t)(0xe0 | c >> 12);
        } else {
            *to++ = (uint8_t)(0xf0 | c >> 18);
            *to++ = (uint8_t)(0x80 | (c >> 12 & 0x3f));
        }
        *to++ = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    }
    *to++ = (uint8_t)(0x80 | (c & 0x3f));
    return to;
}

static uint8_t simple_escape(uint8_t c)
{
    static const char names[] = "bfnrt";
    static const char values[] = "\b\f\n\r\t";
    const char *at = strchr(names, c);
    return at == NULL ? c : (uint8_t)values[at - names];
}

/* raw is what the scan took; an escape is never shorter than what it stands for. */
static size_t unescape(struct slice raw, uint8_t *to)
{
    const uint8_t *first = to;
    const uint8_t *end = raw.ptr + raw.len;
    for (const uint8_t *at = raw.ptr; at < end;) {
        if (*at != '\\') {
            *to++ = *at++;
        } else if (at[1] != 'u') {
            *to++ = simple_escape(at[1]);
            at += 2;
        } else {
            uint32_t c = hex4(at + 2);
            at += 6;
            if (c >= 0xd800 && c <= 0xdbff) { /* the other half follows */
                c = 0x10000 + ((c - 0xd800) << 10) + (hex4(at + 2) - 0xdc00);
                at += 6;
            }
            to = put_utf8(c, to);
        }
    }
    return (size_t)(to - first);
}

static void unescape_all(struct json_flat *flat)
{
    buf_init(&flat->unescaped, flat->text.len);
    for (size_t i = 0; i < flat->values.count; i++) {
        struct json_node *node = &flat->values.nodes[i];
        if (!node->escaped)
            continue;
        uint8_t *to = buf_reserve(&flat->unescaped, node->len);
        CHECK(to != NULL);
        node->len = (uint32_t)unescape(slice_from(flat->text.ptr + node->at, node->len), to);
        node->at = (uint32_t)flat->unescaped.len;
        buf_commit(&flat->unescaped, node->len);
    }
}

/* --- doubled members -------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

static bool has_doubled_among_many(const struct json_flat *flat, uint32_t object, size_t count)
{
    struct slice *names = mem_calloc(count, sizeof(*names));
    size_t i = 0;
    for (uint32_t name = json_flat_first(flat, object); name != JSON_ABSENT;
         name = json_flat_after(flat, object, name))
        names[i++] = json_flat_text(flat, name);
    qsort(names, count, sizeof(*names), compare_names);
    bool doubled = false;
    for (i = 1; i < count && !doubled; i++)
        doubled = slice_equal(names[i - 1], names[i]);
    mem_free(names);
    return doubled;
}

static bool has_doubled_member(const struct json_flat *flat, uint32_t object)
{
    struct slice names[FEW_MEMBERS];
    size_t count = 0;
    for (uint32_t name = json_flat_first(flat, object); name != JSON_ABSENT;
         name = json_flat_after(flat, object, name)) {
        if (count < FEW_MEMBERS) {
            names[count] = json_flat_text(flat, name);
            for (size_t i = 0; i < count; i++)
                if (slice_equal(names[i], names[count]))
                    return true;
        }
        count++;
    }
    return count > FEW_MEMBERS && has_doubled_among_many(flat, object, count);
}

static bool any_doubled_member(const struct json_flat *flat)
{
    for (uint32_t i = 0; i < flat->values.count; i++)
        if (flat->values.nodes[i].kind == JSON_OBJECT && has_doubled_member(flat, i))
            return true;
    return false;
}

/* --- reading ---------------------------------------------------------------------------------- */

enum status json_flat_parse(struct slice text, struct json_flat *ret, struct error *reterr)
{
    struct json_flat flat = {.text = text};
    struct json_scan scan = json_scan_nodes(text, &flat.values);
    const char *wrong = scan.error;
    if (wrong == NULL) {
        unescape_all(&flat);
        if (any_doubled_member(&flat)) {
            wrong = "doubled member in an object";
            scan.at = 0;
        }
    }
    if (wrong != NULL) {
        json_flat_release(&flat);
        *ret = flat;
        error_set(reterr, ERROR_PERMANENT, "InvalidJson", "%s at byte %zu", wrong, scan.at);
        return STATUS_INVALID;
    }
    *ret = flat;
    return STATUS_OK;
}

/* NULL for JSON_ABSENT. */
static const struct json_node *node_of(const struct json_flat *flat, uint32_t value)
{
    return value < flat->values.count ? &flat->values.nodes[value] : NULL;
}

bool json_flat_is(const struct json_flat *flat, uint32_t value, enum json_kind kind)
{
    const struct json_node *node = node_of(flat, value);
    return node != NULL && node->kind == kind;
}

bool json_flat_is_null(const struct json_flat *flat, uint32_t value)
{
    return json_flat_is(flat, value, JSON_LITERAL) &&
           flat->text.ptr[flat->values.nodes[value].at] == 'n';
}

struct slice json_flat_text(const struct json_flat *flat, uint32_t value)
{
    const struct json_node *node = node_of(flat, value);
    if (node == NULL || node->kind != JSON_STRING)
        return SLICE_NULL;
    return slice_from((node->escaped ? flat->unescaped.ptr : flat->text.ptr) + node->at, node->len);
}

double json_flat_number(const struct json_flat *flat, uint32_t value)
{
    if (!json_flat_is(flat, value, JSON_NUMBER))
        return 0;
    return strtod((const char *)flat->text.ptr + flat->values.nodes[value].at, NULL);
}

uint32_t json_flat_get(const struct json_flat *flat, uint32_t object, const char *name)
{
    struct slice wanted = slice_from_str(name);
    if (!json_flat_is(flat, object, JSON_OBJECT))
        return JSON_ABSENT;
    for (uint32_t at = json_flat_first(flat, object); at != JSON_ABSENT;
         at = json_flat_after(flat, object, at))
        if (slice_equal(json_flat_text(flat, at), wanted))
            return at + 1;
    return JSON_ABSENT;
}

struct slice json_flat_get_text(const struct json_flat *flat, uint32_t object, const char *name)
{
    return json_flat_text(flat, json_flat_get(flat, object, name));
}

enum status json_flat_get_text_i64(const struct json_flat *flat, uint32_t object, const char *name,
                                   int64_t max, int64_t *ret)
{
    uint32_t value = json_flat_get(flat, object, name);
    if (value == JSON_ABSENT)
        return STATUS_NOT_FOUND;
    struct slice text = json_flat_text(flat, value);
    return slice_is_null(text) ? STATUS_INVALID : num_parse_i64(text, max, ret);
}

static uint32_t if_within(const struct json_flat *flat, uint32_t container, uint32_t value)
{
    return value < flat->values.nodes[container].next ? value : JSON_ABSENT;
}

uint32_t json_flat_first(const struct json_flat *flat, uint32_t container)
{
    if (container == JSON_ABSENT)
        return JSON_ABSENT;
    return if_within(flat, container, container + 1); /* a scalar's next node is no part of it */
}

uint32_t json_flat_after(const struct json_flat *flat, uint32_t container, uint32_t value)
{
    bool named = flat->values.nodes[container].kind == JSON_OBJECT;
    return if_within(flat, container, flat->values.nodes[named ? value + 1 : value].next);
}
