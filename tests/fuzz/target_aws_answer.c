/* A whole HTTP answer of SQS or DynamoDB, from its headers to what a caller may do about it. */
#include "common/aws_answer.h"
#include "common/digest.h"
#include "common/mem.h"
#include "tests/fuzz/fuzz.h"

static const int statuses[] = {200, 204, 301, 307, 400, 403, 408,
                               413, 421, 429, 500, 502, 503, 504};

static void check_error(const struct http_response *response, bool writes,
                        const struct error *error)
{
    bool success = response->status >= 200 && response->status < 300;
    EXPECT(error->http_status == response->status);
    EXPECT(error->code[0] != '\0' && strnlen(error->code, ERROR_CODE_SIZE) < ERROR_CODE_SIZE);
    EXPECT(fuzz_is_printable(slice_from_str(error->code)));
    EXPECT(strnlen(error->text, ERROR_TEXT_SIZE) < ERROR_TEXT_SIZE);
    EXPECT(json_valid_utf8(slice_from_str(error->text)));
    EXPECT(error->retry_after_ms >= 0);
    /* A write that may have been done must not be said to have failed for certain. */
    if (writes && success)
        EXPECT(error->kind == ERROR_UNKNOWN);
    if (!writes)
        EXPECT(error->kind != ERROR_UNKNOWN);
}

static void check(const struct http_response *response, bool writes)
{
    CLEANUP(aws_answer_body_release) struct aws_answer_body tree;
    CLEANUP(aws_answer_body_release) struct aws_answer_body flat;
    struct error error;
    struct error again;
    (void)aws_answer_read(response, writes, AWS_ANSWER_TREE, &tree, &error);
    (void)aws_answer_read(response, writes, AWS_ANSWER_FLAT, &flat, &again);
    EXPECT(tree.json == NULL || cJSON_IsObject(tree.json));
    EXPECT(error.kind == again.kind && strcmp(error.code, again.code) == 0);
    if (error.kind != ERROR_NONE) {
        check_error(response, writes, &error);
        return;
    }
    EXPECT(response->status == 200 && tree.json != NULL && flat.json == NULL);
    EXPECT(json_flat_is(&flat.flat, JSON_ROOT, JSON_OBJECT));
}

static void check_headers(const struct http_response *response, struct slice block)
{
    for (size_t i = 0; i < response->header_count; i++) {
        const struct http_header *h = &response->headers[i];
        EXPECT(h->name.ptr >= block.ptr && h->name.ptr + h->name.len <= block.ptr + block.len);
        EXPECT(h->value.ptr >= block.ptr && h->value.ptr + h->value.len <= block.ptr + block.len);
        EXPECT(memchr(h->name.ptr, '\n', h->name.len) == NULL);
        EXPECT(memchr(h->value.ptr, '\n', h->value.len) == NULL);
    }
}

/* Where the lines end and the body begins: behind the first empty one. */
static size_t block_length(struct slice text)
{
    const uint8_t *end = memmem(text.ptr, text.len, "\n\n", 2);
    return end == NULL ? text.len : (size_t)(end - text.ptr) + 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = fuzz_open(data, size);
    int status = statuses[(fuzz_byte(&in) - (size_t)'0') % ARRAY_LEN(statuses)];
    struct slice text = fuzz_rest(&in);
    size_t len = block_length(text);
    CLEANUP(mem_freep) uint8_t *copy = fuzz_copy(slice_from(text.ptr, len));
    struct slice block = slice_from(copy, len);
    struct slice content = slice_from(text.ptr + len, text.len - len);
    if (content.len > 0)
        content = slice_from(content.ptr + 1, content.len - 1);
    CLEANUP(mem_freep) char *body = mem_strndup((const char *)content.ptr, content.len);
    struct http_header headers[HTTP_HEADERS_MAX];
    struct http_response response = {
        .status = status,
        .body = slice_from(body, content.len),
        .headers = headers,
    };
    if (http_answer_split(block, headers, &response.header_count) != STATUS_OK)
        return 0;
    check_headers(&response, block);
    EXPECT(http_answer_flaw(&response, false) != NULL);
    (void)http_answer_flaw(&response, true);
    check(&response, false);
    check(&response, true);
    return 0;
}
