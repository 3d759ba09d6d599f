#include "common/msk_iam.h"

#include "common/encode.h"
#include "common/secret.h"
#include "common/timeval.h"

#define URL_BYTES_MAX (60 * 1024)
#define HOST_SIZE     128

static bool is_label(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'))
            return false;
    }
    return text.len > 0 && text.len <= 63;
}

/* In place, from at on: RFC 4648's alphabet for URLs, without padding. */
static void make_url_safe(struct buf *text, size_t at)
{
    while (text->len > at && text->ptr[text->len - 1] == '=')
        text->ptr[--text->len] = '\0';
    for (size_t i = at; i < text->len; i++) {
        if (text->ptr[i] == '+')
            text->ptr[i] = '-';
        else if (text->ptr[i] == '/')
            text->ptr[i] = '_';
    }
}

enum status msk_iam_token(struct slice region, const struct sigv4_credentials *keys, int64_t now_ms,
                          struct buf *out)
{
    if (!is_label(region))
        return STATUS_INVALID;
    CLEANUP(buf_release) struct buf host;
    CLEANUP(secret_buf_release) struct buf url;
    buf_init(&host, HOST_SIZE);
    /* This suffix in all partitions, China's as well. */
    buf_printf(&host, "kafka.%.*s.amazonaws.com", SLICE_ARG(region));
    const struct sigv4_header header = {SLICE_LITERAL("host"), buf_slice(&host)};
    struct sigv4_request request = {
        .method = SLICE_LITERAL("GET"),
        .path = SLICE_LITERAL("/"),
        .query = SLICE_LITERAL("Action=kafka-cluster%3AConnect"),
        .headers = &header,
        .header_count = 1,
    };
    digest_sha256(SLICE_LITERAL(""), request.payload_sha256);
    const struct sigv4_scope scope = {region, SLICE_LITERAL("kafka-cluster"), now_ms};
    buf_init(&url, URL_BYTES_MAX);
    if (buf_reserve(&url, URL_BYTES_MAX) == NULL) /* growing would leave copies */
        return STATUS_TOO_LARGE;
    buf_printf(&url, "https://%s/?", buf_text(&host));
    enum status status =
        sigv4_presign(&request, keys, &scope, MSK_IAM_TOKEN_MS / MS_PER_SECOND, &url);
    if (status != STATUS_OK)
        return status;
    /* Not signed, as with AWS's own signers: brokers count clients by it. */
    buf_append_str(&url, "&User-Agent=delayline");
    size_t at = out->len;
    encode_base64(buf_slice(&url), out);
    if (url.overflow || out->overflow)
        return STATUS_TOO_LARGE;
    make_url_safe(out, at);
    return STATUS_OK;
}

int64_t msk_iam_token_end(int64_t now_ms, int64_t keys_end_ms)
{
    int64_t signed_ms = now_ms - now_ms % MS_PER_SECOND; /* X-Amz-Date has no fractions */
    return MIN(signed_ms + MSK_IAM_TOKEN_MS, keys_end_ms);
}
