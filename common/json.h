/* The strict face of cJSON: the text is scanned first (UTF-8, depth, numbers, no U+0000, no
 * trailing text, no doubled member), then parsed. Getters are case-sensitive. */
#ifndef COMMON_JSON_H
#define COMMON_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/compiler.h"
#include "common/slice.h"
#include "common/status.h"

/* The caller frees with cJSON_Delete (or CLEANUP(json_freep)). STATUS_INVALID otherwise, with the
 * place in reterr. */
NODISCARD enum status json_parse(struct slice text, cJSON **ret, struct error *reterr);
void json_freep(cJSON **json);

/* NULL if it is absent or of another type. */
const cJSON *json_get_object(const cJSON *object, const char *name);
const cJSON *json_get_array(const cJSON *object, const char *name);
/* Valid as long as the tree. */
struct slice json_get_text(const cJSON *object, const char *name); /* null slice */
bool json_get_bool(const cJSON *object, const char *name, bool absent);
/* A text that holds a decimal integer 0..max (SQS and DynamoDB write numbers so). */
NODISCARD enum status json_get_text_i64(const cJSON *object, const char *name, int64_t max,
                                        int64_t *ret);

/* Appends a JSON string with its quotes. Input is UTF-8 (CHECKed by the scan of json_valid_utf8 in
 * debug). */
void json_append_string(struct buf *out, struct slice text);
bool json_valid_utf8(struct slice text);

#endif
