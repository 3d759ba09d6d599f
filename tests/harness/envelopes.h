/* What the tests of the envelope share: a builder with its scratch, and random records. */
#ifndef TESTS_HARNESS_ENVELOPES_H
#define TESTS_HARNESS_ENVELOPES_H

#include "tests/harness/unit.h"

#include "common/envelope.h"
#include "common/limits.h"
#include "common/prng.h"

#define SECOND     INT64_C(1790000000000)
#define FRAMES_MAX ((size_t)64 * MIB)

struct envelope_fixture {
    struct envelope_builder *builder;
    struct buf out;
    struct record_header *headers; /* scratch for envelope_record */
};

int envelope_set_up(void **state);
int envelope_tear_down(void **state);
#define ENVELOPE_TEST(name)                                                                        \
    cmocka_unit_test_setup_teardown(name, envelope_set_up, envelope_tear_down)

/* Due within SECOND, with key and value. */
struct record simple_record(int64_t offset);
/* Null and empty differ. */
void assert_same_record(const struct record *a, const struct record *b);

struct pool {
    struct prng random;
    uint8_t bytes[4096]; /* every byte value is among them */
    char topics[16][16];
};

void pool_init(struct pool *p, uint64_t seed);
/* Due within SECOND. Its bytes are the pool's, its headers `headers`, which has room for most. */
struct record random_record(struct pool *p, struct record_header *headers, uint32_t most);

#endif
