#include <openssl/evp.h>

#include "common/check.h"
#include "common/mem.h"
#include "tests/model/sqs_model_internal.h"

static void hex(const unsigned char *raw, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[raw[i] >> 4];
        out[2 * i + 1] = digits[raw[i] & 15];
    }
    out[2 * len] = '\0';
}

void sqs_model_md5(struct slice data, char out[SQS_MODEL_MD5_SIZE])
{
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    CHECK(EVP_Digest(data.ptr, data.len, raw, &len, EVP_md5(), NULL) == 1);
    hex(raw, len, out);
}

void sqs_model_sha256(struct slice data, char out[SQS_MODEL_SHA256_SIZE])
{
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    CHECK(EVP_Digest(data.ptr, data.len, raw, &len, EVP_sha256(), NULL) == 1);
    hex(raw, len, out);
}

static void add(EVP_MD_CTX *context, struct slice bytes)
{
    unsigned char len[4] = {(unsigned char)(bytes.len >> 24), (unsigned char)(bytes.len >> 16),
                            (unsigned char)(bytes.len >> 8), (unsigned char)bytes.len};
    CHECK(EVP_DigestUpdate(context, len, sizeof(len)) == 1);
    CHECK(EVP_DigestUpdate(context, bytes.ptr, bytes.len) == 1);
}

void sqs_model_attributes_md5(const struct sqs_model_message_attribute *attributes, size_t count,
                              char out[SQS_MODEL_MD5_SIZE])
{
    size_t order[SQS_MODEL_ATTRIBUTES_MAX];
    CHECK(count <= SQS_MODEL_ATTRIBUTES_MAX);
    for (size_t i = 0; i < count; i++) { /* insertion sort by name: ten at most */
        size_t at = i;
        while (at > 0 && slice_compare(attributes[order[at - 1]].name, attributes[i].name) > 0) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = i;
    }
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context == NULL)
        mem_exhausted("EVP_MD_CTX", 0);
    CHECK(EVP_DigestInit_ex(context, EVP_md5(), NULL) == 1);
    for (size_t i = 0; i < count; i++) {
        const struct sqs_model_message_attribute *attribute = &attributes[order[i]];
        unsigned char kind = attribute->binary ? 2 : 1;
        add(context, attribute->name);
        add(context, attribute->data_type);
        CHECK(EVP_DigestUpdate(context, &kind, 1) == 1);
        add(context, attribute->value);
    }
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    CHECK(EVP_DigestFinal_ex(context, raw, &len) == 1);
    EVP_MD_CTX_free(context);
    hex(raw, len, out);
}
