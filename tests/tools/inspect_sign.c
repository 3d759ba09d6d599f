#include "tests/tools/inspect.h"

#include <string.h>
#include <strings.h>

#include "common/encode.h"
#include "common/endpoint.h"
#include "common/json.h"
#include "common/num.h"
#include "common/sigv4.h"

/* One line, as the signer wants it. */
struct job {
    struct sigv4_request request;
    struct sigv4_credentials credentials;
    struct sigv4_scope scope;
    struct sigv4_header headers[SIGV4_HEADERS_MAX];
    struct endpoint endpoint; /* of the URL: the host to sign */
    char amz_date[NUM_AMZ_DATE_SIZE];
};

/* Each gives NULL, or what is wrong. */

/* What is of another type must not count as absent: the signature would be of another request. */
static bool is_absent_or(const cJSON *line, const char *name, int type)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(line, name);
    return member == NULL || cJSON_IsNull(member) || (member->type & 0xff) == type;
}

static const char *check_types(const cJSON *line)
{
    if (!is_absent_or(line, "session_token", cJSON_String))
        return "session_token is neither null nor a text";
    if (!is_absent_or(line, "body_b64", cJSON_String))
        return "body_b64 is not a text";
    if (!is_absent_or(line, "headers", cJSON_Array))
        return "headers is not a list of [name, value]";
    if (!is_absent_or(line, "unsigned_headers", cJSON_Array))
        return "unsigned_headers is not a list of names";
    return NULL;
}

static const char *read_scope(struct job *job, const cJSON *line)
{
    job->credentials.access_key_id = json_get_text(line, "access_key_id");
    job->credentials.secret_access_key = json_get_text(line, "secret_access_key");
    job->credentials.session_token = json_get_text(line, "session_token");
    job->scope.service = json_get_text(line, "service");
    job->scope.region = json_get_text(line, "region");
    job->request.method = json_get_text(line, "method");
    if (job->credentials.access_key_id.len == 0 || job->credentials.secret_access_key.len == 0)
        return "access_key_id or secret_access_key is missing or empty";
    if (job->scope.service.len == 0 || job->scope.region.len == 0 || job->request.method.len == 0)
        return "service, region or method is missing or empty";
    if (num_parse_rfc3339(json_get_text(line, "timestamp"), &job->scope.time_ms) != STATUS_OK)
        return "timestamp is not a time like 2015-04-28T00:39:55Z";
    num_format_amz_date(job->scope.time_ms, job->amz_date);
    return NULL;
}

static const char *read_url(struct job *job, const cJSON *line)
{
    struct slice url = json_get_text(line, "url");
    const uint8_t *fragment = url.len == 0 ? NULL : memchr(url.ptr, '#', url.len);
    if (fragment != NULL)
        url.len = (size_t)(fragment - url.ptr);
    const uint8_t *scheme = url.len == 0 ? NULL : memmem(url.ptr, url.len, "://", 3);
    if (scheme == NULL)
        return "url is missing, or is none";
    size_t end = (size_t)(scheme - url.ptr) + 3;
    while (end < url.len && url.ptr[end] != '/' && url.ptr[end] != '?')
        end++;
    struct endpoint_query query = {.service = ENDPOINT_STS, .custom_url = slice_from(url.ptr, end)};
    if (endpoint_resolve(&query, &job->endpoint, NULL) != STATUS_OK)
        return "url has no valid scheme, host or port";
    struct slice target = slice_from(url.ptr + end, url.len - end);
    const uint8_t *question = target.len == 0 ? NULL : memchr(target.ptr, '?', target.len);
    size_t path_len = question == NULL ? target.len : (size_t)(question - target.ptr);
    job->request.path = slice_from(target.ptr, path_len);
    if (question != NULL)
        job->request.query = slice_from(question + 1, target.len - path_len - 1);
    /* As SDKs sign: S3 takes a path as it is, everybody else one that was normalised and encoded
     * once more. */
    bool s3 = slice_equal_str(job->scope.service, "s3");
    job->request.normalize_path = !s3;
    job->request.double_encode_path = !s3;
    return NULL;
}

static bool same_name(struct slice a, const char *b)
{
    return a.len == strlen(b) && strncasecmp((const char *)a.ptr, b, a.len) == 0;
}

static bool add_header(struct job *job, struct slice name, struct slice value)
{
    if (job->request.header_count == SIGV4_HEADERS_MAX)
        return false;
    job->headers[job->request.header_count++] = (struct sigv4_header){name, value};
    return true;
}

static bool is_unsigned(const cJSON *unsigned_headers, struct slice name)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, unsigned_headers)
    {
        if (cJSON_IsString(item) && same_name(name, item->valuestring))
            return true;
    }
    return false;
}

/* A header that is given here and added anyway is not doubled: a given host stands, the date and
 * the token are ours. */
static const char *read_headers(struct job *job, const cJSON *line)
{
    const cJSON *unsigned_headers = json_get_array(line, "unsigned_headers");
    bool has_token = job->credentials.session_token.len > 0;
    bool has_host = false;
    bool room = true;
    const cJSON *pair;
    cJSON_ArrayForEach(pair, json_get_array(line, "headers"))
    {
        const cJSON *name_item = cJSON_GetArrayItem(pair, 0);
        const cJSON *value_item = cJSON_GetArrayItem(pair, 1);
        if (cJSON_GetArraySize(pair) != 2 || !cJSON_IsString(name_item) ||
            !cJSON_IsString(value_item) || name_item->valuestring[0] == '\0')
            return "headers is not a list of [name, value]";
        struct slice name = slice_from_str(name_item->valuestring);
        bool host = same_name(name, "host");
        if ((is_unsigned(unsigned_headers, name) && !host) || same_name(name, "x-amz-date") ||
            same_name(name, "authorization") ||
            (has_token && same_name(name, "x-amz-security-token")))
            continue;
        has_host |= host;
        room &= add_header(job, name, slice_from_str(value_item->valuestring));
    }
    if (!has_host)
        room &= add_header(job, SLICE_LITERAL("host"), slice_from_str(job->endpoint.host));
    room &= add_header(job, SLICE_LITERAL("x-amz-date"), slice_from_str(job->amz_date));
    if (has_token)
        room &=
            add_header(job, SLICE_LITERAL("x-amz-security-token"), job->credentials.session_token);
    return room ? NULL : "too many headers";
}

static const char *read_body(struct job *job, const cJSON *line)
{
    struct slice encoded = json_get_text(line, "body_b64");
    CLEANUP(buf_release) struct buf body;
    buf_init(&body, INSPECT_LINE_BYTES_MAX);
    if (encoded.len > 0 && decode_base64(encoded, &body) != STATUS_OK)
        return "body_b64 is not base64";
    digest_sha256(buf_slice(&body), job->request.payload_sha256);
    return NULL;
}

static const char *sign_line(struct slice text, struct buf *authorization)
{
    CLEANUP(json_freep) cJSON *line = NULL;
    struct job job = {.request = {.header_count = 0}};
    job.request.headers = job.headers;
    if (json_parse(text, &line, NULL) != STATUS_OK || !cJSON_IsObject(line))
        return "not a JSON object";
    const char *problem = check_types(line);
    if (problem == NULL)
        problem = read_scope(&job, line);
    if (problem == NULL)
        problem = read_url(&job, line);
    if (problem == NULL)
        problem = read_headers(&job, line);
    if (problem == NULL)
        problem = read_body(&job, line);
    if (problem != NULL)
        return problem;
    enum status status =
        sigv4_sign_headers(&job.request, &job.credentials, &job.scope, NULL, authorization);
    return status == STATUS_OK ? NULL : "too large to be signed";
}

int inspect_sign(int argc, char **argv)
{
    return inspect_each_line(argc, argv, sign_line);
}
