/* A whole HTTP answer of an AWS JSON service: success, or which failure. Pure. */
#ifndef COMMON_AWS_ANSWER_H
#define COMMON_AWS_ANSWER_H

#include <stdbool.h>

#include "common/aws_error.h"
#include "common/http_answer.h"
#include "common/json.h"

/* *ret->kind is ERROR_NONE for a 200 whose body is a JSON object and agrees with x-amz-crc32, if
 * there is one; then the class means nothing. A success that cannot be read is ERROR_UNKNOWN for
 * writes, else ERROR_RETRY. *ret_json is the body if it is a JSON object, of failures too, else
 * NULL; the caller frees it. */
enum aws_error_class aws_answer_read(const struct http_response *response, bool writes,
                                     cJSON **ret_json, struct error *ret);

#endif
