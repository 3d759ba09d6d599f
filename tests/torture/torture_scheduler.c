/* Two schedulers, and each call of theirs in turn fails, is throttled, gets no answer (not done,
 * done, done a little later); or its caller crashes or is stopped then. The world checks the order
 * rules R1..R5; in the end every item was sent exactly once past the queue's deduplication. */
#include "tests/harness/scheduler_world.h"
#include "tests/torture/torture.h"

#define ITEMS     40
#define FAULTS_MS (70 * SECOND)
#define HEALED_MS (2 * MINUTE)
#define NEAR      12 /* calls between two faults of a pair */

enum { HOW_CRASH = SCHEDULER_WORLD_FAULTS, HOW_STOP, HOWS };

static struct scheduler_world *make_world(void)
{
    struct scheduler_limits limits = scheduler_world_limits();
    limits.shards = 2;
    limits.page_items = 7;
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    for (uint32_t i = 0; i < ITEMS; i++) {
        int64_t due_ms = scheduler_world_due((int64_t)i % 10 * 9 * SECOND + i / 20);
        scheduler_world_add(w, i % 2, due_ms, i % 8 == 0 ? 200 * KIB : 900);
    }
    scheduler_world_sort(w);
    scheduler_world_start(w, 0);
    scheduler_world_start(w, 1);
    return w;
}

/* To the call with this number, then its caller ends: at once, or as SIGTERM asks. */
static void end_node(struct scheduler_world *w, uint64_t call, unsigned how)
{
    int64_t until = w->mono + FAULTS_MS;
    while (w->calls < call && scheduler_world_turn(w, until)) {
    }
    uint32_t victim = w->caller;
    if (how == HOW_STOP) {
        scheduler_world_stop(w, victim);
        scheduler_world_run(w, 5 * SECOND);
    }
    scheduler_world_crash(w, victim);
    scheduler_world_start(w, victim);
}

/* The number of calls. */
static uint64_t play(struct torture_plan first, struct torture_plan second)
{
    struct scheduler_world *w = make_world();
    const struct torture_plan plans[] = {first, second};
    for (size_t i = 0; i < ARRAY_LEN(plans); i++)
        if (plans[i].how < SCHEDULER_WORLD_FAULTS)
            w->planned[i] = (struct scheduler_world_planned){
                plans[i].at, (enum scheduler_world_fault)plans[i].how};
    for (size_t i = 0; i < ARRAY_LEN(plans); i++)
        if (plans[i].how >= SCHEDULER_WORLD_FAULTS)
            end_node(w, plans[i].at, plans[i].how);
    scheduler_world_run(w, MAX(FAULTS_MS - w->mono, 0));
    uint64_t calls = w->calls;
    w->planned[0].call = w->planned[1].call = 0;
    scheduler_world_run(w, HEALED_MS);
    scheduler_world_check_delivered(w);
    scheduler_world_free(w);
    return calls;
}

static const struct torture_plan nothing = {.at = TORTURE_NEVER};

static void each_call_goes_wrong_in_each_way(void **state)
{
    (void)state;
    uint64_t runs = 0;
    uint64_t clean = play(nothing, nothing);
    assert_true(clean > 20);
    for (unsigned how = 0; how < HOWS; how++) {
        uint64_t calls = clean;
        for (uint64_t at = 1; at <= calls; at++, runs++) {
            uint64_t now = play((struct torture_plan){at, how}, nothing);
            calls = how < SCHEDULER_WORLD_FAULTS ? now : clean;
        }
    }
    print_message("scheduler: %llu calls, %llu runs\n", (unsigned long long)clean,
                  (unsigned long long)runs);
}

static void two_calls_near_each_other_go_wrong(void **state)
{
    (void)state;
    uint64_t runs = 0;
    uint64_t clean = play(nothing, nothing);
    for (unsigned pair = 0; torture_pairs() && pair < HOWS * HOWS; pair++)
        for (uint64_t at = 1; at <= clean; at++)
            for (uint64_t later = at + 1; later <= at + NEAR; later++, runs++)
                (void)play((struct torture_plan){at, pair / HOWS},
                           (struct torture_plan){later, pair % HOWS});
    print_message("scheduler: %llu runs with two faults\n", (unsigned long long)runs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_call_goes_wrong_in_each_way),
        cmocka_unit_test(two_calls_near_each_other_go_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
