#include "tests/harness/unit.h"

#include "common/prng.h"
#include "relay/relay_core_ids.h"

#define CELLS 64
#define NAMES 40

/* Few homes for many ids, at the end of the table as well: chains that collide and wrap. */
static struct envelope_id id_of(uint32_t number)
{
    struct envelope_id id = {{0}};
    uint32_t home = CELLS - 3 + number % 6;
    memcpy(id.bytes, &home, sizeof(home));
    memcpy(id.bytes + 8, &number, sizeof(number));
    return id;
}

static void agrees_with_a_plain_array(void **state)
{
    (void)state;
    struct relay_ids_cell cells[CELLS];
    memset(cells, 0, sizeof(cells));
    struct relay_ids t = {.cells = cells, .mask = CELLS - 1};
    uint32_t values[NAMES];
    for (uint32_t i = 0; i < NAMES; i++)
        values[i] = RELAY_IDS_ABSENT;
    uint32_t used = 0;
    struct prng random;
    prng_init(&random, 3);
    for (int step = 0; step < 20000; step++) {
        uint32_t name = (uint32_t)prng_below(&random, NAMES);
        struct envelope_id id = id_of(name);
        if (prng_below(&random, 2) == 0) {
            relay_ids_remove(&t, &id);
            used -= values[name] != RELAY_IDS_ABSENT;
            values[name] = RELAY_IDS_ABSENT;
        } else if (used < CELLS / 2 || values[name] != RELAY_IDS_ABSENT) {
            used += values[name] == RELAY_IDS_ABSENT;
            values[name] = (uint32_t)prng_below(&random, 1000);
            relay_ids_put(&t, &id, values[name]);
        }
        for (uint32_t i = 0; i < NAMES; i++) {
            struct envelope_id other = id_of(i);
            assert_int_equal(relay_ids_find(&t, &other), values[i]);
        }
    }
}

struct remembered {
    struct relay_done done;
    struct relay_ids_cell cells[CELLS];
    struct relay_done_entry ring[8];
};

static void remember(struct remembered *r)
{
    memset(r, 0, sizeof(*r));
    r->done = (struct relay_done){.ids = {r->cells, CELLS - 1},
                                  .ring = r->ring,
                                  .capacity = ARRAY_LEN(r->ring),
                                  .ttl_ms = 1000};
}

static bool knows(const struct remembered *r, uint32_t number, int64_t at)
{
    struct envelope_id id = id_of(number);
    return relay_done_has(&r->done, &id, (struct mono_ms){at});
}

static void add(struct remembered *r, uint32_t number, int64_t at)
{
    struct envelope_id id = id_of(number);
    relay_done_add(&r->done, &id, (struct mono_ms){at});
}

static void forgets_by_time(void **state)
{
    (void)state;
    struct remembered r;
    remember(&r);
    add(&r, 1, 100);
    assert_true(knows(&r, 1, 1099));
    assert_false(knows(&r, 1, 1100));
    assert_false(knows(&r, 2, 100));
}

static void forgets_the_oldest_when_full(void **state)
{
    (void)state;
    struct remembered r;
    remember(&r);
    for (uint32_t i = 0; i < 20; i++) {
        add(&r, i, 100);
        for (uint32_t k = 0; k < 20; k++)
            assert_int_equal(knows(&r, k, 100), k <= i && k + 8 > i);
    }
}

static void added_again_it_counts_from_then(void **state)
{
    (void)state;
    struct remembered r;
    remember(&r);
    add(&r, 1, 100);
    add(&r, 1, 600);
    assert_true(knows(&r, 1, 1500));
    for (uint32_t i = 2; i < 9; i++)
        add(&r, i, 1200); /* pushes out the first entry of 1, not the second */
    assert_true(knows(&r, 1, 1500));
    assert_false(knows(&r, 1, 1600));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_plain_array),
        cmocka_unit_test(forgets_by_time),
        cmocka_unit_test(forgets_the_oldest_when_full),
        cmocka_unit_test(added_again_it_counts_from_then),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
