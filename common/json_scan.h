/* Does a text follow RFC 8259, and our limits? Asked before cJSON sees it. Linear time, no heap, a
 * fixed stack. Doubled members are left to json.c, which sees the names unescaped. */
#ifndef COMMON_JSON_SCAN_H
#define COMMON_JSON_SCAN_H

#include <stdbool.h>

#include "common/slice.h"

#define JSON_SCAN_NUMBER_BYTES 60 /* a longer number needs help before cJSON can read it */

struct json_scan {
    const char *error; /* NULL: fine; else a constant text */
    size_t at;         /* where it went wrong */
    bool has_long_number;
};

/* One value with blanks around it: UTF-8, nesting up to JSON_DEPTH_MAX, up to JSON_VALUES_MAX
 * values, no U+0000 and no lone surrogate in a string. */
struct json_scan json_scan(struct slice text);

/* The first place from `at` on whose byte a JSON string cannot hold as it is, or that is not ASCII;
 * text.len if there is none. */
size_t json_scan_plain(struct slice text, size_t at);

#endif
