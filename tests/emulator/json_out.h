/* Writes JSON straight into a buffer: receives are megabytes, and a tree of them is not needed. */
#ifndef TESTS_EMULATOR_JSON_OUT_H
#define TESTS_EMULATOR_JSON_OUT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

struct json_out {
    struct buf *buf;
    bool comma; /* the next name or element needs one */
};

void json_out_init(struct json_out *out, struct buf *buf);

void json_out_begin_object(struct json_out *out);
void json_out_end_object(struct json_out *out);
void json_out_begin_array(struct json_out *out);
void json_out_end_array(struct json_out *out);
void json_out_name(struct json_out *out, const char *name);
void json_out_name_slice(struct json_out *out, struct slice name);
void json_out_string(struct json_out *out, struct slice text);
void json_out_base64(struct json_out *out, struct slice raw);
void json_out_i64(struct json_out *out, int64_t value);
void json_out_halves(struct json_out *out, uint64_t halves); /* 3 is 1.5 */
void json_out_seconds(struct json_out *out, int64_t ms);     /* 1500 is 1.500 */
void json_out_bool(struct json_out *out, bool value);

/* "name": value, for the usual cases. */
void json_out_member(struct json_out *out, const char *name, const char *text);
void json_out_member_i64(struct json_out *out, const char *name, int64_t value);

#endif
