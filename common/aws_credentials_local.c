/* Credentials from this host: environment variables and the shared config and credentials files. */
#include "common/aws_credentials_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/num.h"
#include "common/timeval.h"

struct slice credentials_getenv(const char *name)
{
    struct slice value = slice_from_str(getenv(name));
    while (value.len > 0 && value.ptr[0] <= ' ')
        value = slice_from(value.ptr + 1, value.len - 1);
    while (value.len > 0 && value.ptr[value.len - 1] <= ' ')
        value.len--;
    return value.len == 0 ? SLICE_NULL : value;
}

bool credentials_equal_any_case(struct slice text, const char *lower_case)
{
    if (text.len != strlen(lower_case))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if ((c >= 'A' && c <= 'Z' ? c | 0x20 : c) != (uint8_t)lower_case[i])
            return false;
    }
    return true;
}

bool credentials_getenv_true(const char *name)
{
    return credentials_equal_any_case(credentials_getenv(name), "true");
}

bool credentials_header_value_valid(struct slice value)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] < ' ' || value.ptr[i] > '~')
            return false;
    return true;
}

/* --- files ----------------------------------------------------------------------------------- */

enum status credentials_copy_path(struct slice path, char out[CREDENTIALS_PATH_SIZE])
{
    struct slice home = SLICE_NULL;
    if (path.len >= 2 && path.ptr[0] == '~' && path.ptr[1] == '/') {
        home = credentials_getenv("HOME");
        path = slice_from(path.ptr + 1, path.len - 1);
    }
    if (home.len + path.len >= CREDENTIALS_PATH_SIZE)
        return STATUS_TOO_LARGE;
    if (home.len > 0)
        memcpy(out, home.ptr, home.len);
    if (path.len > 0)
        memcpy(out + home.len, path.ptr, path.len);
    out[home.len + path.len] = '\0';
    return STATUS_OK;
}

static enum status read_all(int fd, size_t max, struct buf *out)
{
    struct stat info;
    if (fstat(fd, &info) != 0 || (!S_ISREG(info.st_mode) && !S_ISCHR(info.st_mode)))
        return STATUS_IO;
    buf_init(out, max + 1);
    uint8_t *room = buf_reserve(out, max + 1); /* whole: growing would leave copies of secrets */
    if (room == NULL)
        return STATUS_TOO_LARGE;
    while (out->len <= max) {
        ssize_t got = read(fd, room + out->len, max + 1 - out->len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return STATUS_IO;
        if (got == 0)
            return STATUS_OK;
        buf_commit(out, (size_t)got);
    }
    return STATUS_TOO_LARGE;
}

enum status credentials_read_file(const char *path, size_t max, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? STATUS_NOT_FOUND : STATUS_IO;
    enum status status = read_all(fd, max, out);
    close(fd);
    return status;
}

/* --- environment ----------------------------------------------------------------------------- */

enum source_verdict credentials_from_environment(struct aws_identity **ret_identity,
                                                 struct error *reterr)
{
    struct slice id = credentials_getenv("AWS_ACCESS_KEY_ID");
    struct slice secret = credentials_getenv("AWS_SECRET_ACCESS_KEY");
    if (slice_is_null(id) && slice_is_null(secret))
        return SOURCE_ABSENT;
    if (slice_is_null(id) || slice_is_null(secret)) {
        error_set(reterr, ERROR_AUTH, CREDENTIALS_CONFIG, "%s is set but %s is not",
                  slice_is_null(id) ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID",
                  slice_is_null(id) ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY");
        return SOURCE_FAILED;
    }
    struct slice token = credentials_getenv("AWS_SESSION_TOKEN");
    if (slice_is_null(token))
        token = credentials_getenv("AWS_SECURITY_TOKEN");
    int64_t expires_ms = TIME_NEVER;
    struct slice expiration = credentials_getenv("AWS_CREDENTIAL_EXPIRATION");
    if (!slice_is_null(expiration) && num_parse_rfc3339(expiration, &expires_ms) != STATUS_OK) {
        error_set(reterr, ERROR_AUTH, CREDENTIALS_CONFIG,
                  "AWS_CREDENTIAL_EXPIRATION is not a time like 2026-11-21T22:50:05Z");
        return SOURCE_FAILED;
    }
    *ret_identity = aws_identity_new(id, secret, token, expires_ms, reterr);
    return *ret_identity == NULL ? SOURCE_FAILED : SOURCE_READY;
}

/* --- shared files ---------------------------------------------------------------------------- */

/* One that is not there, or (in its usual place) may not be read, is like an empty one: a service's
 * user often cannot read its HOME. */
static enum status load_file(struct aws_profiles *profiles, enum aws_profile_file file,
                             const char *variable, const char *usual, struct error *reterr)
{
    char path[CREDENTIALS_PATH_SIZE];
    struct slice named = credentials_getenv(variable);
    if (slice_is_null(named) && slice_is_null(credentials_getenv("HOME")))
        return STATUS_OK;
    struct buf text;
    buf_init(&text, 0);
    enum status status =
        credentials_copy_path(slice_is_null(named) ? slice_from_str(usual) : named, path);
    if (status == STATUS_OK)
        status = credentials_read_file(path, AWS_PROFILE_FILE_BYTES_MAX, &text);
    if (status == STATUS_OK)
        status = aws_profiles_parse(profiles, file, buf_slice(&text), reterr);
    else if (status == STATUS_NOT_FOUND || (status == STATUS_IO && slice_is_null(named)))
        status = STATUS_OK;
    else
        error_set(reterr, ERROR_AUTH, CREDENTIALS_CONFIG, "%s names a file that cannot be read",
                  variable);
    secret_buf_release(&text);
    return status;
}

enum status credentials_load_profile(struct aws_profiles *profiles,
                                     const struct aws_profile **ret_profile, struct error *reterr)
{
    enum status status =
        load_file(profiles, AWS_PROFILE_CONFIG, "AWS_CONFIG_FILE", "~/.aws/config", reterr);
    if (status == STATUS_OK)
        status = load_file(profiles, AWS_PROFILE_CREDENTIALS, "AWS_SHARED_CREDENTIALS_FILE",
                           "~/.aws/credentials", reterr);
    if (status != STATUS_OK)
        return status;
    struct slice name = credentials_getenv("AWS_PROFILE");
    const struct aws_profile *profile =
        aws_profiles_find(profiles, slice_is_null(name) ? SLICE_LITERAL("default") : name);
    if (profile == NULL && !slice_is_null(name)) {
        error_set(reterr, ERROR_AUTH, CREDENTIALS_CONFIG,
                  "AWS_PROFILE is %.*s, but the config and credentials files have no such profile",
                  SLICE_ARG(name));
        return STATUS_NOT_FOUND;
    }
    *ret_profile = profile;
    return STATUS_OK;
}

static bool has(const struct aws_profile *profile, const char *property)
{
    return aws_profile_get(profile, property).len > 0;
}

static enum source_verdict static_keys(const struct aws_profile *profile,
                                       struct aws_identity **ret_identity, struct error *reterr)
{
    struct slice id = aws_profile_get(profile, "aws_access_key_id");
    struct slice secret = aws_profile_get(profile, "aws_secret_access_key");
    if (id.len == 0 && secret.len == 0)
        return SOURCE_ABSENT;
    if (id.len == 0 || secret.len == 0) {
        error_set(reterr, ERROR_AUTH, CREDENTIALS_CONFIG, "profile %s has %s but no %s",
                  profile->name, id.len == 0 ? "aws_secret_access_key" : "aws_access_key_id",
                  id.len == 0 ? "aws_access_key_id" : "aws_secret_access_key");
        return SOURCE_FAILED;
    }
    *ret_identity = aws_identity_new(id, secret, aws_profile_get(profile, "aws_session_token"),
                                     TIME_NEVER, reterr);
    return *ret_identity == NULL ? SOURCE_FAILED : SOURCE_READY;
}

enum source_verdict credentials_from_profile(struct credentials_flight *f,
                                             const struct aws_profile *profile, const char *region,
                                             struct aws_identity **ret_identity,
                                             struct error *reterr)
{
    static const char *const unsupported[] = {
        "role_arn",      "source_profile", "credential_source", "sso_session",
        "sso_start_url", "sso_account_id", "login_session",     "credential_process"};
    if (profile == NULL)
        return SOURCE_ABSENT;
    if (has(profile, "web_identity_token_file")) {
        struct slice session_name = aws_profile_get(profile, "role_session_name");
        struct web_identity w = {
            .token_file = aws_profile_get(profile, "web_identity_token_file"),
            .role_arn = aws_profile_get(profile, "role_arn"),
            .session_name = session_name.len == 0 ? SLICE_NULL : session_name,
            .region = credentials_region(region, profile),
            .profile = profile,
        };
        return credentials_assume_role(f, &w, reterr);
    }
    if (!has(profile, "role_arn")) {
        enum source_verdict verdict = static_keys(profile, ret_identity, reterr);
        if (verdict != SOURCE_ABSENT)
            return verdict;
    }
    for (size_t i = 0; i < ARRAY_LEN(unsupported); i++)
        if (has(profile, unsupported[i])) {
            error_set(reterr, ERROR_AUTH, CREDENTIALS_CONFIG,
                      "profile %s uses %s, which is not supported: use static keys, web identity, "
                      "or the role of the container or instance",
                      profile->name, unsupported[i]);
            return SOURCE_FAILED;
        }
    return SOURCE_ABSENT;
}
