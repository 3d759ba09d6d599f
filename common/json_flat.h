/* A JSON text read where it lies: no tree, no copy of strings, one array of values. As strict as
 * json.h, and for the answers that come by the thousand; json.h is for all others.
 *
 * A value is the number of its node; JSON_ABSENT where there is none, which every function takes.
 */
#ifndef COMMON_JSON_FLAT_H
#define COMMON_JSON_FLAT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/compiler.h"
#include "common/json_scan.h"
#include "common/slice.h"
#include "common/status.h"

#define JSON_ABSENT UINT32_MAX
#define JSON_ROOT   0

struct json_flat {
    struct slice text;
    struct json_nodes values;
    struct buf unescaped; /* strings that were escaped; their nodes point here */
};

/* text must outlive *ret, which the caller releases. STATUS_INVALID as json_parse, with the place
 * in reterr; *ret is as after a release then. */
NODISCARD enum status json_flat_parse(struct slice text, struct json_flat *ret,
                                      struct error *reterr);
void json_flat_release(struct json_flat *flat); /* fine if all zero */

bool json_flat_is(const struct json_flat *flat, uint32_t value, enum json_kind kind);
bool json_flat_is_null(const struct json_flat *flat, uint32_t value); /* the literal */
/* Null slice if it is no string. Lives as long as text and flat; no NUL behind it. */
struct slice json_flat_text(const struct json_flat *flat, uint32_t value);
/* 0 if it is no number. The text must have a byte behind its end, as http_response's body has. */
double json_flat_number(const struct json_flat *flat, uint32_t value);

/* A member by name; JSON_ABSENT too if object is none. */
uint32_t json_flat_get(const struct json_flat *flat, uint32_t object, const char *name);
struct slice json_flat_get_text(const struct json_flat *flat, uint32_t object, const char *name);
/* As json_get_text_i64. */
NODISCARD enum status json_flat_get_text_i64(const struct json_flat *flat, uint32_t object,
                                             const char *name, int64_t max, int64_t *ret);

/* Elements of an array; names of an object, whose value is the next node. None of other values:
 * for (v = json_flat_first(f, a); v != JSON_ABSENT; v = json_flat_after(f, a, v)) */
uint32_t json_flat_first(const struct json_flat *flat, uint32_t container);
uint32_t json_flat_after(const struct json_flat *flat, uint32_t container, uint32_t value);

#endif
