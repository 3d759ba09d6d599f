/* The router, and each of its calls in turn fails, is throttled, gets no answer (done or not done),
 * comes late; each dead letter and each commit fails; or the partition is taken away, or the
 * program stopped, just then. All must settle with every record stored or dead-lettered, and no
 * offset committed before that (the rig looks at each commit). */
#include "common/mem.h"
#include "tests/harness/router_rig.h"
#include "tests/torture/torture.h"

enum how {
    HOW_RETRY,
    HOW_THROTTLED,
    HOW_BLOCKED,
    HOW_UNKNOWN, /* not done */
    HOW_UNKNOWN_DONE,
    HOW_LATE,   /* done, the answer comes minutes later */
    HOW_PAIRED, /* of the ways above; those below end the scenario's partition */
    HOW_FIRST_UNKNOWN = HOW_PAIRED, /* of the call's entries the first alone */
    HOW_LAST_FAILED,
    HOW_REVOKED,
    HOW_LOST,
    HOW_STOPPED,
    HOWS,
};

#define LATE_MS  RIG_MINUTES(5)
#define APART_MS (2 * MS_PER_SECOND) /* more than an envelope lingers */

struct scenario {
    struct rig *rig;
    struct torture_plan plans[2];
    uint64_t effects; /* that were answered */
    bool is_over;     /* the partition is somebody else's, or the program ends */
};

/* In three parts, so far apart that none shares a call with another. */
static void make_records(struct rig *rig)
{
    for (int i = 0; i < 3; i++)
        rig_record(rig, 0, RIG_MINUTES(2) + i, 200);
    rig_record(rig, 0, RIG_MINUTES(20), 200);
    rig_sleep(rig, APART_MS);
    rig_record(rig, 0, RIG_MINUTES(3), 200);
    rig_record(rig, 0, RIG_MINUTES(30), 200);
    rig_record(rig, 0, RIG_MINUTES(2), 300 * KIB);
    rig_sleep(rig, APART_MS);
    rig_record_verdict(rig, 0, 0, 100, ROUTER_RECORD_REJECTED);
    int64_t guilty = rig_record(rig, 0, RIG_MINUTES(5), 200);
    rig_ledger(rig, 0, guilty)->guilty = true;
    rig_record(rig, 0, 0, 100);
}

/* What nobody was told has been done all the same. */
static void do_entry(struct rig *rig, const struct rig_call *call, uint32_t entry)
{
    struct rig_body *body = &rig->bodies[router_slot(call->entries[entry].id)];
    uint32_t part = call->entries[entry].part;
    if (part != ROUTER_WHOLE) {
        body->parts_acked[part / 64] |= UINT64_C(1) << part % 64;
        return;
    }
    for (uint32_t i = body->first; i < body->first + body->window; i++) {
        struct rig_record *r = rig_ledger(rig, body->refs[i].partition, body->refs[i].offset);
        r->stored += !r->guilty;
    }
}

static void answer_wrongly(struct rig *rig, struct rig_call *call, enum how how)
{
    enum router_result results[DYNAMODB_BATCH_ITEMS_MAX];
    switch (how) {
    case HOW_RETRY:
        rig_answer(rig, call, ROUTER_RESULT_RETRY);
        return;
    case HOW_THROTTLED:
        rig_answer(rig, call, ROUTER_RESULT_THROTTLED);
        return;
    case HOW_BLOCKED:
        rig_answer(rig, call, ROUTER_RESULT_BLOCKED);
        return;
    case HOW_UNKNOWN_DONE:
        for (uint32_t i = 0; i < call->count; i++)
            do_entry(rig, call, i);
        rig_answer(rig, call, ROUTER_RESULT_UNKNOWN);
        return;
    case HOW_UNKNOWN:
        rig_answer(rig, call, ROUTER_RESULT_UNKNOWN);
        return;
    case HOW_LATE:
        rig_sleep(rig, LATE_MS);
        rig_answer_honestly(rig, call);
        return;
    case HOW_FIRST_UNKNOWN:
    case HOW_LAST_FAILED:
        for (uint32_t i = 0; i < call->count; i++)
            results[i] = ROUTER_RESULT_RETRY;
        for (uint32_t i = 0; how == HOW_FIRST_UNKNOWN && i < call->count; i++)
            results[i] = i == 0 ? ROUTER_RESULT_UNKNOWN : ROUTER_RESULT_THROTTLED;
        rig_answer_each(rig, call, results);
        return;
    case HOW_REVOKED:
    case HOW_LOST:
    case HOW_STOPPED:
    case HOWS:
        break;
    }
    fail_msg("no answer");
}

/* False: it is an answer that goes wrong, not the world around. */
static bool disturb(struct scenario *s, enum how how)
{
    if (how != HOW_REVOKED && how != HOW_LOST && how != HOW_STOPPED)
        return false;
    s->is_over = true;
    if (how == HOW_STOPPED)
        rig_stop(s->rig);
    else
        rig_revoke(s->rig, 0, how == HOW_LOST);
    return true;
}

/* HOWS: as it should. */
static enum how next_how(struct scenario *s)
{
    s->effects++;
    for (int i = 0; i < 2; i++)
        if (s->plans[i].at == s->effects)
            return (enum how)s->plans[i].how;
    return HOWS;
}

/* Answers the one thing that waits longest; false: nothing does. */
static bool answer_next(struct scenario *s)
{
    struct rig *rig = s->rig;
    struct rig_call *call = rig_call(rig, ROUTER_TABLE);
    if (call == NULL)
        call = rig_call(rig, ROUTER_SQS);
    if (call == NULL && rig->dead_count == 0 && rig->commit_id == 0)
        return false;
    enum how how = next_how(s);
    uint64_t id = call == NULL ? 0 : call->id;
    if (how != HOWS && disturb(s, how)) {
        how = HOWS;
        if (call != NULL && (!call->open || call->id != id))
            return true;
    }
    if (call != NULL && how == HOWS)
        rig_answer_honestly(rig, call);
    else if (call != NULL)
        answer_wrongly(rig, call, how);
    else if (rig->dead_count > 0)
        rig_report_dead(rig, how == HOWS          ? OUTCOME_DONE
                             : how == HOW_UNKNOWN ? OUTCOME_UNKNOWN
                                                  : OUTCOME_FAILED);
    else if (rig->commit_id != 0)
        rig_commit_ends(rig, how == HOWS);
    return true;
}

static void run_to_the_end(struct scenario *s)
{
    int64_t end_ms = s->rig->now.mono.ms + RIG_MINUTES(60);
    while (s->rig->now.mono.ms < end_ms) {
        rig_tick(s->rig);
        if (answer_next(s))
            continue;
        int64_t next_ms = router_core_deadline(s->rig->core).mono.ms;
        if (next_ms == TIME_NEVER)
            return;
        rig_sleep(s->rig, MAX(next_ms - s->rig->now.mono.ms, 1));
    }
    fail_msg("not settled");
}

/* The number of effects. */
static uint64_t play(struct torture_plan first, struct torture_plan second)
{
    struct scenario s = {.rig = rig_start(NULL), .plans = {first, second}};
    struct rig *rig = s.rig;
    rig->faults = true;
    rig->hold_dead = true;
    rig->hold_commits = true;
    rig->large_bytes = 900 * KIB; /* three parts */
    make_records(rig);
    run_to_the_end(&s);
    if (!s.is_over)
        rig_expect_all_ended(rig);
    assert_int_equal(rig->core->envelopes_used, 0);
    assert_int_equal(rig->core->nodes_used, 0);
    assert_int_equal(rig->core->bytes, 0);
    rig_free(rig);
    return s.effects;
}

static const struct torture_plan nothing = {.at = TORTURE_NEVER};

static void each_effect_goes_wrong_in_each_way(void **state)
{
    (void)state;
    uint64_t runs = 0;
    uint64_t clean = play(nothing, nothing);
    assert_true(clean >= 10);
    for (unsigned how = 0; how < HOWS; how++) {
        uint64_t effects = UINT64_MAX;
        for (uint64_t at = 1; at <= effects; at++, runs++)
            effects = play((struct torture_plan){at, how}, nothing);
    }
    print_message("router: %llu effects, %llu runs\n", (unsigned long long)clean,
                  (unsigned long long)runs);
}

static void every_two_effects_go_wrong(void **state)
{
    (void)state;
    uint64_t runs = 0;
    for (unsigned how = 0; torture_pairs() && how < HOW_PAIRED; how++) {
        uint64_t effects = UINT64_MAX;
        for (uint64_t at = 1; at <= effects; at++)
            for (unsigned then = 0; then < HOWS; then++) {
                effects = UINT64_MAX;
                for (uint64_t later = at + 1; later <= effects; later++, runs++)
                    effects =
                        play((struct torture_plan){at, how}, (struct torture_plan){later, then});
            }
    }
    print_message("router: %llu runs with two faults\n", (unsigned long long)runs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_effect_goes_wrong_in_each_way),
        cmocka_unit_test(every_two_effects_go_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
