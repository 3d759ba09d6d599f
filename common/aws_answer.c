#include "common/aws_answer.h"

#include <string.h>

#include "common/digest.h"
#include "common/num.h"

static void fail_unreadable(int status, bool writes, const char *code, const char *text,
                            struct error *ret)
{
    error_set(ret, writes ? ERROR_UNKNOWN : ERROR_RETRY, code, "%s", text);
    ret->http_status = status;
}

static bool checksum_holds(const struct http_response *response)
{
    struct slice header = http_response_header(response, "x-amz-crc32");
    uint64_t expected;
    if (slice_is_null(header))
        return true;
    return num_parse_u64(header, UINT32_MAX, &expected) == STATUS_OK &&
           expected == digest_crc32(0, response->body);
}

/* AWS's support asks for it. Left out where the text leaves no room, and if it has characters that
 * no id has: whoever answers writes headers byte by byte, and the text must stay one. */
static void append_request_id(struct slice id, char text[ERROR_TEXT_SIZE])
{
    static const char before[] = " (request ";
    size_t len = strlen(text);
    for (size_t i = 0; i < id.len; i++)
        if (id.ptr[i] <= ' ' || id.ptr[i] > '~')
            return;
    if (id.len == 0 || id.len + len + sizeof(before) + 1 > ERROR_TEXT_SIZE)
        return;
    memcpy(text + len, before, sizeof(before) - 1);
    len += sizeof(before) - 1;
    memcpy(text + len, id.ptr, id.len);
    memcpy(text + len + id.len, ")", 2);
}

static enum aws_error_class read_error(const struct http_response *response, const cJSON *json,
                                       bool writes, struct error *ret)
{
    struct aws_error_answer answer = {
        .status = response->status,
        .json = json,
        .error_type = http_response_header(response, "X-Amzn-Errortype"),
        .query_error = http_response_header(response, "x-amzn-query-error"),
        .retry_after_ms = http_response_header(response, "x-amz-retry-after"),
        .retry_after_seconds = http_response_header(response, "Retry-After"),
    };
    enum aws_error_class class = aws_error_read(&answer, writes, ret);
    append_request_id(http_response_header(response, "x-amzn-RequestId"), ret->text);
    return class;
}

void aws_answer_body_release(struct aws_answer_body *body)
{
    cJSON_Delete(body->json);
    json_flat_release(&body->flat);
    body->json = NULL;
}

/* NULL, or why the body is no JSON object. */
static const char *read_body(const struct http_response *response, enum aws_answer_form form,
                             struct aws_answer_body *ret, struct error *place)
{
    bool is_object = false;
    enum status status = STATUS_INVALID;
    *ret = (struct aws_answer_body){.json = NULL};
    if (form == AWS_ANSWER_FLAT && response->status == 200) {
        status = json_flat_parse(response->body, &ret->flat, place);
        is_object = json_flat_is(&ret->flat, JSON_ROOT, JSON_OBJECT);
    } else {
        status = json_parse(response->body, &ret->json, place);
        is_object = cJSON_IsObject(ret->json);
    }
    if (is_object)
        return NULL;
    aws_answer_body_release(ret);
    return status == STATUS_OK ? "the answer is no JSON object" : place->text;
}

enum aws_error_class aws_answer_read(const struct http_response *response, bool writes,
                                     enum aws_answer_form form, struct aws_answer_body *ret_body,
                                     struct error *ret)
{
    struct error place = {0};
    const char *wrong = read_body(response, form, ret_body, &place);
    *ret = (struct error){.kind = ERROR_NONE};
    if (!checksum_holds(response)) {
        fail_unreadable(response->status, writes, "ChecksumMismatch",
                        "x-amz-crc32 is not the body's", ret);
        return AWS_ERROR_TRANSIENT;
    }
    if (response->status < 200 || response->status >= 300)
        return read_error(response, ret_body->json, writes, ret);
    if (response->status != 200)
        fail_unreadable(response->status, writes, "UnexpectedStatus", "success, but not 200", ret);
    else if (wrong != NULL)
        fail_unreadable(response->status, writes, "UnreadableAnswer", wrong, ret);
    return AWS_ERROR_TRANSIENT;
}
