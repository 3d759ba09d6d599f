/* Keys that AWS would have issued: long-lived ones, and sessions with a token and an end. Time is
 * an argument, chance is seeded: these keys protect nothing. */
#ifndef TESTS_MODEL_STS_MODEL_H
#define TESTS_MODEL_STS_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/slice.h"

#define STS_ACCESS_KEY_SIZE 24
#define STS_SECRET_KEY_SIZE 48
#define STS_TOKEN_SIZE      168

struct sts_credentials {
    char access_key_id[STS_ACCESS_KEY_SIZE];
    char secret_access_key[STS_SECRET_KEY_SIZE];
    char session_token[STS_TOKEN_SIZE]; /* empty: a long-lived key */
    int64_t expires_ms;                 /* INT64_MAX: never */
};

struct sts_model;

struct sts_model *sts_model_new(uint64_t seed);
void sts_model_free(struct sts_model *model);

/* A key of the caller's making; takes the place of one with the same id. */
void sts_model_add(struct sts_model *model, const struct sts_credentials *credentials);
/* A session that ends at now_ms + lifetime_ms. */
struct sts_credentials sts_model_issue(struct sts_model *model, int64_t now_ms,
                                       int64_t lifetime_ms);
/* Takes a key back at once: it is unknown afterwards. */
void sts_model_revoke(struct sts_model *model, struct slice access_key_id);
/* Expired ones too: that is an answer of its own. NULL: never issued. Valid until the next call. */
const struct sts_credentials *sts_model_find(const struct sts_model *model,
                                             struct slice access_key_id);

#endif
