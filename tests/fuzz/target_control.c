/* The emulator's control route: a fault script from outside, and what it then decides. */
#include <cjson/cJSON.h>

#include "common/mem.h"
#include "tests/emulator/faults.h"
#include "tests/fuzz/fuzz.h"

#define NOW_MS     INT64_C(1790000000000)
#define CALLS      40
#define ERRORS_MAX 4096

struct counts {
    uint64_t fired;
    size_t faults;
};

static void on_fault(void *ctx, const char *operation, const char *action, uint64_t seen,
                     uint64_t fired)
{
    struct counts *counts = ctx;
    EXPECT(operation != NULL && action != NULL && fired <= seen);
    counts->fired += fired;
    counts->faults++;
}

static void decide(struct faults *faults)
{
    static const char *const operations[] = {"SendMessageBatch", "Query", "ReceiveMessage"};
    for (int i = 0; i < CALLS; i++) {
        struct fault_effect effect =
            faults_decide(faults, operations[i % 3], SLICE_LITERAL("delay"), NOW_MS + i);
        EXPECT(effect.action == FAULT_NONE || effect.body != NULL);
        EXPECT(memchr(effect.code, '\0', FAULT_CODE_SIZE) != NULL || effect.code[0] == '\0');
        EXPECT(effect.delay_ms >= 0 && effect.retry_after_ms >= 0);
        (void)fault_hits_entry(&effect, (size_t)i);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cJSON *script = cJSON_ParseWithLength((const char *)data, size);
    struct faults *faults = faults_new();
    CLEANUP(buf_release) struct buf errors;
    struct counts counts = {.fired = 0};
    buf_init(&errors, ERRORS_MAX);
    if (faults_load(faults, script, NOW_MS, &errors)) {
        EXPECT(errors.len == 0);
        decide(faults);
        faults_each(faults, on_fault, &counts);
        EXPECT(counts.fired <= CALLS && counts.faults <= FAULTS_MAX);
    } else {
        EXPECT(errors.len > 0);
    }
    faults_free(faults);
    cJSON_Delete(script);
    return 0;
}
