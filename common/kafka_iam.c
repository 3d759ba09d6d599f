/* Tokens for MSK IAM. librdkafka asks for one by an event, long before the last one ends, and
 * whether or not there is anything to send; it keeps the last one if there is no new one. */
#include "common/aws_credentials.h"
#include "common/kafka_internal.h"
#include "common/msk_iam.h"

#define FACILITY "MSK_IAM"

enum status kafka_iam_set_token(rd_kafka_t *rk, struct loop *loop, const char *region,
                                const struct aws_identity *identity, struct error *reterr)
{
    struct now now = loop_now(loop);
    const struct sigv4_credentials keys = {
        .access_key_id = slice_from_str(identity->access_key_id),
        .secret_access_key = secret_reveal(&identity->secret_access_key),
        .session_token = secret_reveal(&identity->session_token),
    };
    CLEANUP(secret_buf_release) struct buf token;
    buf_init(&token, MSK_IAM_TOKEN_BYTES_MAX);
    if (buf_reserve(&token, MSK_IAM_TOKEN_BYTES_MAX) == NULL ||
        msk_iam_token(slice_from_str(region), &keys, now.wall.ms, &token) != STATUS_OK) {
        error_set(reterr, ERROR_PERMANENT, "INVALID_TOKEN",
                  "no token can be made of these keys for region %s", region);
        return STATUS_INVALID;
    }
    /* Ours may be corrected; librdkafka goes by the host's clock. */
    int64_t end_ms =
        msk_iam_token_end(now.wall.ms, identity->expires_ms) - loop_wall_correction(loop);
    char text[KAFKA_TEXT_SIZE];
    rd_kafka_resp_err_t err = rd_kafka_oauthbearer_set_token(
        rk, buf_text(&token), end_ms, "delayline", NULL, 0, text, sizeof(text));
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
        return STATUS_OK;
    kafka_error_set(reterr, ERROR_RETRY, err, text);
    return STATUS_INVALID;
}

static void on_identity(void *ctx, struct aws_identity *identity, const struct error *error)
{
    struct kafka_client *client = ctx;
    struct error own;
    if (identity != NULL) {
        if (kafka_iam_set_token(client->rk, client->loop, client->iam_region, identity, &own) ==
            STATUS_OK)
            return;
        error = &own;
    }
    kafka_client_log(client, LOG_WARN, FACILITY, error->text);
    (void)rd_kafka_oauthbearer_set_token_failure(client->rk, error->text);
}

void kafka_iam_refresh(struct kafka_client *client)
{
    if (client->iam != NULL)
        aws_credentials_get(client->iam, on_identity, client);
}
