#include "common/aws_credentials_wire.h"

#include <string.h>

#include "common/encode.h"
#include "common/endpoint.h"
#include "common/json.h"
#include "common/num.h"

#define XML_DEPTH_MAX 16

/* --- JSON ------------------------------------------------------------------------------------ */

static void wipe_texts(cJSON *json)
{
    for (cJSON *member = json == NULL ? NULL : json->child; member != NULL; member = member->next)
        if (cJSON_IsString(member))
            secret_wipe(member->valuestring, strlen(member->valuestring));
}

static struct aws_identity *identity_from_json(const cJSON *json, struct error *reterr)
{
    struct slice code = json_get_text(json, "Code");
    if (code.len > 0 && !slice_equal_str(code, "Success")) {
        struct slice message = json_get_text(json, "Message");
        if (slice_is_null(message))
            message = json_get_text(json, "message");
        error_set(reterr, ERROR_RETRY, CREDENTIALS_ENDPOINT, "%.*s: %.*s", SLICE_ARG(code),
                  SLICE_ARG(message));
        return NULL;
    }
    struct slice id = json_get_text(json, "AccessKeyId");
    struct slice secret = json_get_text(json, "SecretAccessKey");
    struct slice expiration = json_get_text(json, "Expiration");
    int64_t expires_ms;
    if (slice_is_null(id) || slice_is_null(secret) ||
        num_parse_rfc3339(expiration, &expires_ms) != STATUS_OK) {
        error_set(reterr, ERROR_RETRY, CREDENTIALS_ANSWER,
                  "the answer lacks AccessKeyId, SecretAccessKey or a valid Expiration");
        return NULL;
    }
    return aws_identity_new(id, secret, json_get_text(json, "Token"), expires_ms, reterr);
}

struct aws_identity *credentials_parse_json(struct slice body, struct error *reterr)
{
    CLEANUP(json_freep) cJSON *json = NULL;
    if (json_parse(body, &json, NULL) != STATUS_OK || !cJSON_IsObject(json)) {
        error_set(reterr, ERROR_RETRY, CREDENTIALS_ANSWER, "the answer is not a JSON object");
        return NULL;
    }
    struct aws_identity *identity = identity_from_json(json, reterr);
    wipe_texts(json);
    return identity;
}

/* --- XML ------------------------------------------------------------------------------------- */

enum xml_event { XML_OPEN, XML_CLOSE, XML_TEXT, XML_END, XML_BROKEN };

struct xml {
    struct slice text;
    size_t at;
    struct slice names[XML_DEPTH_MAX]; /* of the open elements */
    size_t depth;
    bool self_closed; /* "<a/>": its XML_CLOSE is still to come */
    bool root_seen;
};

static struct slice remaining(const struct xml *x)
{
    return slice_from(x->text.ptr + x->at, x->text.len - x->at);
}

static bool begins_with(struct slice text, const char *prefix)
{
    size_t len = strlen(prefix);
    return text.len >= len && memcmp(text.ptr, prefix, len) == 0;
}

/* Moves behind the next occurrence of end. */
static bool skip_past(struct xml *x, const char *end)
{
    struct slice rest = remaining(x);
    const uint8_t *found = memmem(rest.ptr, rest.len, end, strlen(end));
    if (found == NULL)
        return false;
    x->at = (size_t)(found - x->text.ptr) + strlen(end);
    return true;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_blank(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_space(text.ptr[i]))
            return false;
    return true;
}

static enum xml_event close_element(struct xml *x, struct slice name)
{
    while (name.len > 0 && is_space(name.ptr[name.len - 1]))
        name.len--;
    if (x->depth == 0 || !slice_equal(x->names[x->depth - 1], name))
        return XML_BROKEN;
    x->depth--;
    return XML_CLOSE;
}

static enum xml_event open_element(struct xml *x, struct slice tag)
{
    x->self_closed = tag.len > 0 && tag.ptr[tag.len - 1] == '/';
    if (x->self_closed)
        tag.len--;
    size_t len = 0;
    while (len < tag.len && !is_space(tag.ptr[len]))
        len++;
    if (len == 0 || x->depth == XML_DEPTH_MAX || (x->depth == 0 && x->root_seen))
        return XML_BROKEN;
    x->root_seen = true;
    x->names[x->depth++] = slice_from(tag.ptr, len);
    return XML_OPEN;
}

static enum xml_event next_tag(struct xml *x)
{
    size_t start = x->at + 1;
    if (!skip_past(x, ">"))
        return XML_BROKEN;
    struct slice tag = slice_from(x->text.ptr + start, x->at - 1 - start);
    if (memchr(tag.ptr, '<', tag.len) != NULL)
        return XML_BROKEN;
    if (tag.len > 0 && tag.ptr[0] == '/')
        return close_element(x, slice_from(tag.ptr + 1, tag.len - 1));
    return open_element(x, tag);
}

static enum xml_event xml_next(struct xml *x, struct slice *ret_text)
{
    if (x->self_closed) {
        x->self_closed = false;
        x->depth--;
        return XML_CLOSE;
    }
    while (x->at < x->text.len) {
        struct slice rest = remaining(x);
        if (begins_with(rest, "<?") || begins_with(rest, "<!--")) {
            if (!skip_past(x, rest.ptr[1] == '?' ? "?>" : "-->"))
                return XML_BROKEN;
            continue;
        }
        if (begins_with(rest, "<!"))
            return XML_BROKEN;
        if (rest.ptr[0] == '<')
            return next_tag(x);
        const uint8_t *end = memchr(rest.ptr, '<', rest.len);
        size_t len = end == NULL ? rest.len : (size_t)(end - rest.ptr);
        x->at += len;
        if (x->depth > 0) {
            *ret_text = slice_from(rest.ptr, len);
            return XML_TEXT;
        }
        if (!is_blank(slice_from(rest.ptr, len)))
            return XML_BROKEN;
    }
    return x->depth == 0 && x->root_seen ? XML_END : XML_BROKEN;
}

/* "&amp;" without '&' and ';'. */
static bool append_entity(struct slice name, struct buf *out)
{
    static const struct {
        const char *name;
        uint8_t byte;
    } entities[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};
    for (size_t i = 0; i < ARRAY_LEN(entities); i++)
        if (slice_equal_str(name, entities[i].name)) {
            buf_append_byte(out, entities[i].byte);
            return true;
        }
    uint64_t code = 0;
    if (name.len == 4 && begins_with(name, "#x")) {
        CLEANUP(buf_release) struct buf raw;
        buf_init(&raw, 1);
        if (decode_hex(slice_from(name.ptr + 2, 2), &raw) != STATUS_OK)
            return false;
        code = raw.ptr[0];
    } else if (!begins_with(name, "#") ||
               num_parse_u64(slice_from(name.ptr + 1, name.len - 1), 0x7e, &code) != STATUS_OK) {
        return false;
    }
    if (code < ' ' || code > '~') /* keys and tokens are ASCII */
        return false;
    buf_append_byte(out, (uint8_t)code);
    return true;
}

static bool append_text(struct slice text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '&') {
            buf_append_byte(out, text.ptr[i]);
            continue;
        }
        const uint8_t *end = memchr(text.ptr + i, ';', text.len - i);
        if (end == NULL)
            return false;
        size_t len = (size_t)(end - text.ptr) - i - 1;
        if (!append_entity(slice_from(text.ptr + i + 1, len), out))
            return false;
        i += len + 1;
    }
    return true;
}

static bool path_matches(const struct xml *x, const char *const *path)
{
    size_t i = 0;
    for (; path[i] != NULL; i++)
        if (i >= x->depth || !slice_equal_str(x->names[i], path[i]))
            return false;
    return i == x->depth;
}

enum status credentials_xml_text(struct slice xml, const char *const *path, struct buf *out)
{
    struct xml x = {.text = xml};
    bool found = false;
    for (;;) {
        struct slice text = SLICE_NULL;
        enum xml_event event = xml_next(&x, &text);
        if (event == XML_BROKEN)
            return STATUS_CORRUPT;
        if (event == XML_END)
            return found ? STATUS_OK : STATUS_NOT_FOUND;
        if (event == XML_CLOSE || !path_matches(&x, path))
            continue;
        if (event == XML_OPEN) {
            if (found)
                return STATUS_CORRUPT;
            found = true;
        } else if (!append_text(text, out)) {
            return STATUS_CORRUPT;
        }
    }
}

/* --- STS ------------------------------------------------------------------------------------- */

static enum status sts_member(struct slice xml, const char *member, struct buf *out)
{
    const char *path[] = {"AssumeRoleWithWebIdentityResponse", "AssumeRoleWithWebIdentityResult",
                          "Credentials", member, NULL};
    buf_init(out, CREDENTIALS_TOKEN_BYTES_MAX);
    if (buf_reserve(out, xml.len < out->max ? xml.len : out->max) == NULL)
        return STATUS_TOO_LARGE; /* reserved whole: growing would leave copies of secrets */
    enum status status = credentials_xml_text(xml, path, out);
    return status == STATUS_OK && out->overflow ? STATUS_TOO_LARGE : status;
}

struct aws_identity *credentials_parse_sts(struct slice body, struct error *reterr)
{
    CLEANUP(secret_buf_release) struct buf id = {.ptr = NULL};
    CLEANUP(secret_buf_release) struct buf secret = {.ptr = NULL};
    CLEANUP(secret_buf_release) struct buf token = {.ptr = NULL};
    CLEANUP(secret_buf_release) struct buf expiration = {.ptr = NULL};
    int64_t expires_ms;
    if (sts_member(body, "AccessKeyId", &id) != STATUS_OK ||
        sts_member(body, "SecretAccessKey", &secret) != STATUS_OK ||
        sts_member(body, "SessionToken", &token) != STATUS_OK ||
        sts_member(body, "Expiration", &expiration) != STATUS_OK || token.len == 0 ||
        num_parse_rfc3339(buf_slice(&expiration), &expires_ms) != STATUS_OK) {
        error_set(reterr, ERROR_RETRY, CREDENTIALS_ANSWER,
                  "the answer of STS is not the XML of AssumeRoleWithWebIdentity");
        return NULL;
    }
    return aws_identity_new(buf_slice(&id), buf_slice(&secret), buf_slice(&token), expires_ms,
                            reterr);
}

void credentials_parse_sts_error(int http_status, struct slice body, struct error *reterr)
{
    static const char *const code_path[] = {"ErrorResponse", "Error", "Code", NULL};
    static const char *const message_path[] = {"ErrorResponse", "Error", "Message", NULL};
    CLEANUP(buf_release) struct buf code;
    CLEANUP(buf_release) struct buf message;
    buf_init(&code, ERROR_CODE_SIZE);
    buf_init(&message, ERROR_TEXT_SIZE);
    enum status found = credentials_xml_text(body, code_path, &code);
    status_ignore(credentials_xml_text(body, message_path, &message), "a text for people");
    enum error_kind kind =
        http_status >= 500 || http_status == 429 || found != STATUS_OK ? ERROR_RETRY : ERROR_AUTH;
    error_set(reterr, kind, CREDENTIALS_ENDPOINT, "STS answered %d %s: %s", http_status,
              found == STATUS_OK ? buf_text(&code) : "without a code", buf_text(&message));
    if (reterr != NULL)
        reterr->http_status = http_status;
}

void credentials_write_sts(struct slice role_arn, struct slice session_name, struct slice token,
                           struct buf *out)
{
    buf_append_str(out, "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=");
    encode_uri(role_arn, false, out);
    buf_append_str(out, "&RoleSessionName=");
    encode_uri(session_name, false, out);
    buf_append_str(out, "&WebIdentityToken=");
    encode_uri(token, false, out);
}

/* --- container endpoint ---------------------------------------------------------------------- */

/* "127.x.y.z" in full: "127.1" and "127.0.0.1.example.com" are something else. */
static bool is_loopback_ipv4(struct slice host)
{
    unsigned parts = 0;
    for (size_t start = 0; start <= host.len;) {
        size_t end = start;
        while (end < host.len && host.ptr[end] != '.')
            end++;
        uint64_t value;
        if (num_parse_u64(slice_from(host.ptr + start, end - start), 255, &value) != STATUS_OK ||
            (parts == 0 && value != 127))
            return false;
        parts++;
        start = end + 1;
    }
    return parts == 4;
}

static bool host_may_have_the_token(struct slice host)
{
    static const char *const hosts[] = {"localhost", "[::1]", "169.254.170.2", "169.254.170.23",
                                        "[fd00:ec2::23]"};
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
        if (slice_equal_str(host, hosts[i]))
            return true;
    return is_loopback_ipv4(host);
}

static enum status refuse(struct error *reterr, const char *text)
{
    error_set(reterr, ERROR_AUTH, CREDENTIALS_CONFIG, "%s", text);
    return STATUS_INVALID;
}

static bool is_request_target(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~' || text.ptr[i] == '#' || text.ptr[i] == '\\')
            return false;
    return true;
}

enum status credentials_container_url(struct slice relative, struct slice full, struct buf *out,
                                      struct error *reterr)
{
    if (!slice_is_null(relative)) {
        if (relative.len == 0 || relative.ptr[0] != '/' || !is_request_target(relative))
            return refuse(reterr, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is not a path");
        buf_append_str(out, "http://169.254.170.2");
        buf_append_slice(out, relative);
        return STATUS_OK;
    }
    const uint8_t *authority = memmem(full.ptr, full.len, "://", 3);
    size_t end = authority == NULL ? full.len : (size_t)(authority - full.ptr) + 3;
    while (end < full.len && full.ptr[end] != '/' && full.ptr[end] != '?')
        end++;
    struct endpoint_query query = {.service = ENDPOINT_STS,
                                   .custom_url = slice_from(full.ptr, end)};
    struct endpoint endpoint;
    struct slice target = slice_from(full.ptr + end, full.len - end);
    if (endpoint_resolve(&query, &endpoint, NULL) != STATUS_OK || !is_request_target(target))
        return refuse(reterr, "AWS_CONTAINER_CREDENTIALS_FULL_URI is not a URL with a host");
    struct slice host = slice_from_str(endpoint.host);
    const uint8_t *colon = memrchr(host.ptr, ':', host.len);
    if (colon != NULL && host.ptr[host.len - 1] != ']')
        host.len = (size_t)(colon - host.ptr);
    if (!begins_with(slice_from_str(endpoint.url), "https://") && !host_may_have_the_token(host))
        return refuse(reterr, "AWS_CONTAINER_CREDENTIALS_FULL_URI: without https only localhost, "
                              "loopback addresses and those of ECS and EKS are allowed");
    buf_append_str(out, endpoint.url);
    if (target.len == 0 || target.ptr[0] != '/')
        buf_append_byte(out, '/');
    buf_append_slice(out, target);
    return STATUS_OK;
}
