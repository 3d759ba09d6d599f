#include "common/json.h"
#include "common/msk_iam.h"
#include "common/num.h"
#include "tests/tools/inspect.h"

static const char *answer(struct slice text, struct buf *token)
{
    CLEANUP(json_freep) cJSON *line = NULL;
    int64_t now_ms;
    if (json_parse(text, &line, NULL) != STATUS_OK || !cJSON_IsObject(line))
        return "not a JSON object";
    const struct sigv4_credentials keys = {
        .access_key_id = json_get_text(line, "access_key_id"),
        .secret_access_key = json_get_text(line, "secret_access_key"),
        .session_token = json_get_text(line, "session_token"),
    };
    if (num_parse_rfc3339(json_get_text(line, "timestamp"), &now_ms) != STATUS_OK)
        return "timestamp is not a time like 2015-04-28T00:39:55Z";
    enum status status = msk_iam_token(json_get_text(line, "region"), &keys, now_ms, token);
    if (status == STATUS_TOO_LARGE)
        return "too large to be signed";
    return status == STATUS_OK
               ? NULL
               : "region, access_key_id or secret_access_key is missing or of no use";
}

int inspect_msk_iam(int argc, char **argv)
{
    return inspect_each_line(argc, argv, answer);
}
