/* Hashes, by OpenSSL and zlib. */
#ifndef COMMON_DIGEST_H
#define COMMON_DIGEST_H

#include <stdint.h>

#include "common/slice.h"

#define DIGEST_SHA256_SIZE 32
#define DIGEST_MD5_SIZE    16

void digest_sha256(struct slice data, uint8_t out[DIGEST_SHA256_SIZE]);
void digest_hmac_sha256(struct slice key, struct slice data, uint8_t out[DIGEST_SHA256_SIZE]);
void digest_md5(struct slice data, uint8_t out[DIGEST_MD5_SIZE]);
/* The same of count bodies, in less than half the time when they are alike in length. */
void digest_md5_each(const struct slice *data, size_t count, uint8_t (*out)[DIGEST_MD5_SIZE]);
/* As on a processor without AVX2: for tests on those that have it. */
void digest_md5_each_anywhere(const struct slice *data, size_t count,
                              uint8_t (*out)[DIGEST_MD5_SIZE]);
/* CRC-32 (IEEE, as zlib and x-amz-crc32); start with 0, feed piece by piece. */
uint32_t digest_crc32(uint32_t crc, struct slice data);

#endif
