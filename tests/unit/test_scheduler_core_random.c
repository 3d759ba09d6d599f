#include "tests/harness/scheduler_world.h"

static struct scheduler_world *random_world(uint64_t seed)
{
    struct prng random;
    prng_init(&random, seed * 77 + 5);
    struct scheduler_limits limits = scheduler_world_limits();
    limits.shards = 1 + (uint32_t)prng_below(&random, 4);
    limits.page_items = 1 + (uint32_t)prng_below(&random, 60);
    limits.sends = 1 + (uint32_t)prng_below(&random, 4);
    limits.polls = 1 + (uint32_t)prng_below(&random, 3);
    limits.send_linger_ms = (int64_t)prng_below(&random, 100);
    limits.memory_bytes = prng_below(&random, 2) == 0 ? 0 : 8 * MIB;
    struct scheduler_world *w = scheduler_world_new(&limits, seed);
    w->latency_ms = 1 + (int64_t)prng_below(&random, 40);
    w->page_short = (uint32_t)prng_below(&random, 3) * 7;
    int64_t from = -(int64_t)prng_below(&random, 9) * MINUTE;
    for (uint32_t i = 0; i < SCHEDULER_WORLD_SHARDS; i++)
        w->cursors[i].position.bucket += from / MINUTE;
    w->receive_max = (uint32_t)prng_below(&random, 4);
    for (int64_t at = from; at < 0; at += MINUTE) { /* ticks that nobody took in time */
        for (uint32_t shard = 0; shard < limits.shards; shard++) {
            if (prng_below(&random, 3) > 0)
                scheduler_world_send_tick(w, shard, scheduler_world_due(at) / MINUTE);
        }
    }
    uint32_t count = 50 + (uint32_t)prng_below(&random, 300);
    for (uint32_t i = 0; i < count; i++) {
        int64_t at = from + (int64_t)prng_below(&random, (uint64_t)(3 * MINUTE - from));
        if (prng_below(&random, 2) == 0)
            at -= at % (10 * SECOND); /* many at one instant */
        uint32_t bytes = prng_below(&random, 10) == 0 ? 200 * KIB : 4000;
        struct scheduler_world_item *item =
            scheduler_world_add(w, (uint32_t)prng_below(&random, limits.shards),
                                scheduler_world_due(at), 1 + (uint32_t)prng_below(&random, bytes));
        item->item.alone = prng_below(&random, 20) == 0;
    }
    scheduler_world_sort(w);
    return w;
}

/* Crashes and stops at any moment, calls that fail in every way, two or three at once: each item
 * gets past the deduplication once, never early, always in the same pack. */
static void whatever_happens_each_item_goes_once(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct scheduler_world *w = random_world(seed);
        w->fault_percent = (uint32_t)(seed % 4) * 8;
        scheduler_world_start(w, 0);
        scheduler_world_start(w, 1);
        for (int i = 0; i < 12; i++) {
            scheduler_world_run(w, (int64_t)prng_below(&w->random, 20 * SECOND));
            uint32_t victim = (uint32_t)prng_below(&w->random, 2);
            switch (prng_below(&w->random, 4)) {
            case 0:
                scheduler_world_crash(w, victim);
                scheduler_world_run(w, (int64_t)prng_below(&w->random, 5 * SECOND));
                scheduler_world_start(w, victim);
                break;
            case 1:
                scheduler_world_stop(w, victim);
                scheduler_world_run(w, (int64_t)prng_below(&w->random, 9 * SECOND));
                scheduler_world_crash(w, victim);
                scheduler_world_start(w, victim);
                break;
            case 2:
                w->nodes[victim].paused = true;
                scheduler_world_run(w, (int64_t)prng_below(&w->random, 15 * SECOND));
                w->nodes[victim].paused = false;
                break;
            default:
                break;
            }
        }
        w->fault_percent = 0;
        scheduler_world_run(w, 2 * MINUTE);
        scheduler_world_check_delivered(w);
        scheduler_world_free(w);
    }
}

static void the_same_seed_makes_the_same_run(void **state)
{
    (void)state;
    uint64_t digests[2];
    for (int i = 0; i < 2; i++) {
        struct scheduler_world *w = random_world(11);
        w->fault_percent = 10;
        scheduler_world_start(w, 0);
        scheduler_world_run(w, MINUTE + 7 * SECOND);
        digests[i] = scheduler_core_digest(w->nodes[0].core);
        scheduler_world_free(w);
    }
    assert_true(digests[0] == digests[1]);
}

static void late_and_foreign_completions_are_ignored(void **state)
{
    (void)state;
    struct scheduler_world *w = random_world(3);
    scheduler_world_start(w, 0);
    scheduler_world_run(w, 5 * SECOND);
    for (int kind = SCHEDULER_EVENT_META_READ; kind <= SCHEDULER_EVENT_PACKS_SENT; kind++) {
        for (uint64_t id = 0; id < 70000; id += 997) {
            struct scheduler_event event = {.kind = (enum scheduler_event_kind)kind, .id = id};
            scheduler_world_step(w, 0, &event);
        }
        scheduler_world_step(
            w, 0,
            &(struct scheduler_event){.kind = (enum scheduler_event_kind)kind, .id = UINT64_MAX});
    }
    scheduler_world_run(w, 5 * MINUTE);
    scheduler_world_check_delivered(w);
    scheduler_world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_happens_each_item_goes_once),
        cmocka_unit_test(the_same_seed_makes_the_same_run),
        cmocka_unit_test(late_and_foreign_completions_are_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
