/* A whole HTTP answer of an AWS JSON service: success, or which failure. Pure. */
#ifndef COMMON_AWS_ANSWER_H
#define COMMON_AWS_ANSWER_H

#include <stdbool.h>

#include "common/aws_error.h"
#include "common/http_answer.h"
#include "common/json.h"
#include "common/json_flat.h"

/* How the body of a success is read. */
enum aws_answer_form {
    AWS_ANSWER_TREE, /* json.h: ordinary answers */
    AWS_ANSWER_FLAT, /* json_flat.h: those that come by the thousand */
};

struct aws_answer_body {
    cJSON *json;           /* of failures too; NULL: the body is no JSON object, or flat has it */
    struct json_flat flat; /* of a success that was asked for in this form; else all zero */
};
void aws_answer_body_release(struct aws_answer_body *body);

/* *ret->kind is ERROR_NONE for a 200 whose body is a JSON object and agrees with x-amz-crc32, if
 * there is one; then the class means nothing. A success that cannot be read is ERROR_UNKNOWN for
 * writes, else ERROR_RETRY. The caller releases *ret_body, which points into the response. */
enum aws_error_class aws_answer_read(const struct http_response *response, bool writes,
                                     enum aws_answer_form form, struct aws_answer_body *ret_body,
                                     struct error *ret);

#endif
