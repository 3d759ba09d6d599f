/* Relays, and each occasion on which something can go wrong in their world in turn does: a report
 * fails or does not tell, Kafka's queue is full, a call fails, is throttled, gets no answer, a
 * message is received twice, a blob is not to be had, a relay crashes or sleeps. The world checks
 * that nothing is early or deleted too soon; in the end nothing is missing and nobody holds
 * anything. */
#include "tests/harness/relay_world.h"
#include "tests/torture/torture.h"

#define MESSAGES    4
#define RECORDS     3
#define FAULTS_MS   70000  /* while they may fire: all is due by then */
#define SETTLED_MS  160000 /* healed */
#define NEAR        12     /* occasions between two faults of a pair */
#define PAIRS_SEEDS 1
#define SEEDS       3

static const struct relay_world_faults all = {
    .report_failed = 1,
    .report_unknown = 1,
    .full = 1,
    .call_failed = 1,
    .call_unknown = 1,
    .throttled = 1,
    .twice = 1,
    .blob = 300,
    .blob_failed = 1,
    .crash = 1,
    .sleep = 1,
};

/* The number of occasions. */
static uint64_t play(uint64_t seed, uint64_t first, uint64_t second)
{
    struct relay_world *w = relay_world_new(seed, &all);
    relay_world_keep(w, MESSAGES, RECORDS);
    w->enumerate = true;
    w->fires[0] = first;
    w->fires[1] = second;
    relay_world_run_until(w, FAULTS_MS);
    uint64_t occasions = w->occasions;
    w->enumerate = false;
    w->faults = (struct relay_world_faults){0};
    relay_world_run_until(w, SETTLED_MS);
    struct relay_world_tally t = relay_world_count(w);
    if (t.missing + t.undeleted + t.both > 0)
        fail_msg("seed %llu, occasions %llu and %llu: %u missing, %u left, %u in both places",
                 (unsigned long long)seed, (unsigned long long)first, (unsigned long long)second,
                 t.missing, t.undeleted, t.both);
    relay_world_check_done(w, first == TORTURE_NEVER);
    relay_world_free(w);
    return occasions;
}

static void each_occasion_once(void **state)
{
    (void)state;
    uint64_t runs = 0;
    for (uint64_t seed = 1; seed <= (torture_pairs() ? SEEDS : 1); seed++) {
        uint64_t occasions = play(seed, TORTURE_NEVER, TORTURE_NEVER);
        assert_true(occasions > 100);
        for (uint64_t at = 1; at <= occasions; at++, runs++)
            occasions = play(seed, at, TORTURE_NEVER);
    }
    print_message("relay: %llu runs\n", (unsigned long long)runs);
}

/* Whether a call without an answer was done is an occasion by itself. */
static void two_occasions_near_each_other(void **state)
{
    (void)state;
    uint64_t runs = 0;
    uint64_t distance = torture_pairs() ? NEAR : 1;
    for (uint64_t seed = 1; seed <= PAIRS_SEEDS; seed++) {
        uint64_t occasions = play(seed, TORTURE_NEVER, TORTURE_NEVER);
        for (uint64_t at = 1; at <= occasions; at++)
            for (uint64_t later = at + 1; later <= at + distance; later++, runs++)
                (void)play(seed, at, later);
    }
    print_message("relay: %llu runs with two faults\n", (unsigned long long)runs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_occasion_once),
        cmocka_unit_test(two_occasions_near_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
