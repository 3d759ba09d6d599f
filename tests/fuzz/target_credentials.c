/* Answers of container endpoint, IMDS and STS, and the URL of a container endpoint: nothing comes
 * through that would begin another header line, and no token goes to a host that is not ours. */
#include "common/aws_credentials_wire.h"
#include "common/json.h"
#include "common/mem.h"
#include "tests/fuzz/fuzz.h"

enum { MODE_JSON, MODE_STS, MODE_STS_ERROR, MODE_RELATIVE, MODE_FULL, MODES };

static bool is_visible(struct slice text)
{
    return fuzz_is_printable(text) && (text.len == 0 || memchr(text.ptr, ' ', text.len) == NULL);
}

static void check_identity(struct aws_identity *identity, const struct error *error)
{
    if (identity == NULL) {
        EXPECT(error->kind == ERROR_RETRY || error->kind == ERROR_AUTH);
        EXPECT(error->code[0] != '\0');
        return;
    }
    size_t size = sizeof(identity->access_key_id);
    size_t len = strnlen(identity->access_key_id, size);
    EXPECT(len > 0 && len < size && is_visible(slice_from(identity->access_key_id, len)));
    EXPECT(is_visible(secret_reveal(&identity->session_token)));
    EXPECT(secret_reveal(&identity->secret_access_key).len > 0);
    EXPECT(identity->expires_ms >= 0);
    aws_identity_unref(identity);
}

/* The hosts that may be asked without TLS; loopback is 127. and digits and dots. */
static bool is_trusted(const char *host, size_t len)
{
    static const char *const hosts[] = {"localhost", "[::1]", "169.254.170.2", "169.254.170.23",
                                        "[fd00:ec2::23]"};
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
        if (strlen(hosts[i]) == len && memcmp(hosts[i], host, len) == 0)
            return true;
    return len >= 9 && memcmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") >= len;
}

static void check_url(struct slice relative, struct slice full)
{
    CLEANUP(buf_release) struct buf out;
    struct error error = {.kind = ERROR_NONE};
    buf_init(&out, 64 * 1024);
    if (credentials_container_url(relative, full, &out, &error) != STATUS_OK) {
        EXPECT(out.len == 0 && error.kind == ERROR_AUTH);
        return;
    }
    const char *url = buf_text(&out);
    EXPECT(strlen(url) == out.len && is_visible(buf_slice(&out)));
    if (strncmp(url, "https://", 8) == 0)
        return;
    EXPECT(strncmp(url, "http://", 7) == 0);
    size_t len = strcspn(url + 7, "/");
    EXPECT(memchr(url + 7, '@', len) == NULL && url[7 + len] == '/');
    if (url[7] != '[' && memchr(url + 7, ':', len) != NULL)
        len = strcspn(url + 7, ":");
    else if (url[7] == '[')
        len = strcspn(url + 7, "]") + 1;
    EXPECT(is_trusted(url + 7, len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = fuzz_open(data, size);
    unsigned mode = (fuzz_byte(&in) - (unsigned)'0') % MODES;
    struct slice rest = fuzz_rest(&in);
    CLEANUP(mem_freep) uint8_t *copy = fuzz_copy(rest);
    struct slice body = slice_from(copy, rest.len);
    struct error error = {.kind = ERROR_NONE};
    switch (mode) {
    case MODE_JSON:
        check_identity(credentials_parse_json(body, &error), &error);
        break;
    case MODE_STS:
        check_identity(credentials_parse_sts(body, &error), &error);
        break;
    case MODE_STS_ERROR:
        credentials_parse_sts_error(400, body, &error);
        EXPECT(error.kind == ERROR_RETRY || error.kind == ERROR_AUTH);
        EXPECT(error.http_status == 400 && memchr(error.text, '\0', ERROR_TEXT_SIZE) != NULL);
        break;
    case MODE_RELATIVE:
        check_url(body, SLICE_NULL);
        break;
    default:
        check_url(SLICE_NULL, body);
    }
    return 0;
}
