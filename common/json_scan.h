/* Does a text follow RFC 8259, and our limits? Asked before anything else reads it. Linear time, a
 * fixed stack. Doubled members are left to json.c and json_flat.c, which see the names unescaped.
 */
#ifndef COMMON_JSON_SCAN_H
#define COMMON_JSON_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/slice.h"

#define JSON_SCAN_NUMBER_BYTES 60 /* a longer number needs help before cJSON can read it */

struct json_scan {
    const char *error; /* NULL: fine; else a constant text */
    size_t at;         /* where it went wrong */
    bool has_long_number;
};

/* One value with blanks around it: UTF-8, nesting up to JSON_DEPTH_MAX, up to JSON_VALUES_MAX
 * values, no U+0000 and no lone surrogate in a string. No heap. */
struct json_scan json_scan(struct slice text);

enum json_kind {
    JSON_OBJECT,
    JSON_ARRAY,
    JSON_STRING,
    JSON_NUMBER,
    JSON_LITERAL, /* true, false, null */
};

/* A value, or a member's name, which is a string and stands before its value. In the order of the
 * text. */
struct json_node {
    uint32_t at;   /* first byte of a scalar in the text; of a string: behind its quote */
    uint32_t len;  /* its bytes; of a string: up to its quote */
    uint32_t next; /* the node behind this one and all that is in it */
    uint8_t kind;  /* enum json_kind */
    bool escaped;  /* a string with a backslash in it */
};

struct json_nodes {
    struct json_node *nodes;
    size_t count;
    size_t capacity;
};

/* The same, and appends a node for every value and every name; what is there after an error means
 * nothing. Texts of less than 4 GiB. The caller frees nodes with mem_free. */
struct json_scan json_scan_nodes(struct slice text, struct json_nodes *nodes);

/* The first place from `at` on whose byte a JSON string cannot hold as it is, or that is not ASCII;
 * text.len if there is none. */
size_t json_scan_plain(struct slice text, size_t at);

#endif
