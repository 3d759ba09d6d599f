#include "tests/load/faults.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/compiler.h"

#define LINE_SIZE       1024
#define LATE_MS         1000
#define UNEXPLAINED_MAX 20 /* lines */

/* --- reading --------------------------------------------------------------------------------- */

static bool read_number(const cJSON *object, const char *name, int64_t *ret)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);
    if (!cJSON_IsNumber(value) || value->valuedouble < 0)
        return false;
    *ret = (int64_t)value->valuedouble;
    return true;
}

static bool read_fault(const char *line, struct fault *ret)
{
    cJSON *object = cJSON_Parse(line);
    const cJSON *what = cJSON_GetObjectItemCaseSensitive(object, "what");
    int64_t records = 0;
    bool ok = cJSON_IsString(what) && read_number(object, "begin_ms", &ret->begin_ms) &&
              read_number(object, "end_ms", &ret->end_ms) &&
              read_number(object, "wait_ms", &ret->wait_ms) &&
              read_number(object, "records", &records) && ret->begin_ms <= ret->end_ms;
    if (ok) {
        snprintf(ret->what, sizeof(ret->what), "%s", what->valuestring);
        ret->records = (uint64_t)records;
    }
    cJSON_Delete(object);
    return ok;
}

bool faults_read(const char *path, struct faults *ret)
{
    char line[LINE_SIZE];
    FILE *file = fopen(path, "r");
    bool ok = file != NULL;
    *ret = (struct faults){.count = 0};
    while (ok && fgets(line, sizeof(line), file) != NULL) {
        ret->list = realloc(ret->list, (ret->count + 1) * sizeof(*ret->list));
        CHECK(ret->list != NULL);
        ok = read_fault(line, &ret->list[ret->count]);
        ret->count += ok;
    }
    if (!ok)
        fprintf(stderr, "load: %s: %s\n", path, file == NULL ? "cannot be read" : line);
    if (file != NULL)
        fclose(file);
    return ok;
}

void faults_release(struct faults *faults)
{
    free(faults->list);
    *faults = (struct faults){.count = 0};
}

/* --- judging --------------------------------------------------------------------------------- */

/* The record was under way while the fault was, and the copy is not too old for it. */
static bool explains(const struct fault *fault, const struct ledger_copy *copy, int64_t sent_ms,
                     int64_t due_ms)
{
    int64_t last_ms = MAX(fault->end_ms, due_ms) + fault->wait_ms;
    return sent_ms <= fault->end_ms && copy->at_ms >= fault->begin_ms && copy->at_ms <= last_ms;
}

static bool is_explained(const struct faults *faults, const struct ledger *ledger,
                         const struct plan *plan, const struct ledger_copy *copy)
{
    int64_t due_ms = ledger_due_ms(ledger, copy->id);
    int64_t sent_ms = due_ms - plan_delay_ms(plan, copy->id);
    for (size_t i = 0; i < faults->count; i++)
        if (explains(&faults->list[i], copy, sent_ms, due_ms))
            return true;
    return false;
}

static void judge_times(const struct faults *faults, const struct ledger *ledger,
                        const struct plan *plan, struct judgement *out)
{
    int64_t first_ms = INT64_MAX, last_end_ms = INT64_MIN, last_ms = INT64_MIN;
    for (size_t i = 0; i < faults->count; i++) {
        const struct fault *fault = &faults->list[i];
        first_ms = MIN(first_ms, fault->begin_ms);
        last_end_ms = MAX(last_end_ms, fault->end_ms);
        last_ms = MAX(last_ms, fault->end_ms + fault->wait_ms);
    }
    for (uint64_t id = 0; id < ledger->records; id++) {
        int64_t due_ms = ledger_due_ms(ledger, id), emitted_ms;
        if (!ledger_emitted_ms(ledger, id, &emitted_ms))
            continue;
        int64_t error_ms = emitted_ms - due_ms;
        histogram_add(due_ms < first_ms  ? &out->before
                      : due_ms > last_ms ? &out->after
                                         : &out->during,
                      error_ms);
        if (error_ms > LATE_MS && due_ms - plan_delay_ms(plan, id) <= last_end_ms)
            out->recovered_after_ms = MAX(out->recovered_after_ms, emitted_ms - last_end_ms);
    }
}

void faults_judge(const struct faults *faults, const struct ledger *ledger, const struct plan *plan,
                  struct judgement *ret)
{
    CHECK(ledger->emitted_after != NULL);
    /* A literal would be a second one on the stack, unless optimized away. */
    memset(ret, 0, sizeof(*ret));
    for (size_t i = 0; i < faults->count; i++)
        ret->bound += faults->list[i].records;
    for (size_t i = 0; i < ledger->copy_count; i++) {
        bool explained = is_explained(faults, ledger, plan, &ledger->copies[i]);
        ret->explained += explained;
        ret->unexplained += !explained;
    }
    judge_times(faults, ledger, plan, ret);
}

bool judgement_is_good(const struct judgement *judgement, const struct ledger *ledger)
{
    return ledger_is_clean_but_for_duplicates(ledger) && judgement->unexplained == 0 &&
           judgement->explained == ledger->duplicated && judgement->explained <= judgement->bound;
}

void faults_print_unexplained(const struct faults *faults, const struct ledger *ledger,
                              const struct plan *plan, FILE *out)
{
    unsigned printed = 0;
    for (size_t i = 0; i < ledger->copy_count && printed < UNEXPLAINED_MAX; i++) {
        const struct ledger_copy *copy = &ledger->copies[i];
        if (is_explained(faults, ledger, plan, copy))
            continue;
        int64_t due_ms = ledger_due_ms(ledger, copy->id), first_ms = -1;
        if (!ledger_emitted_ms(ledger, copy->id, &first_ms))
            first_ms = -1;
        fprintf(out,
                "unexplained copy of %" PRIu64 ": sent %" PRId64 ", due %" PRId64
                ", emitted %" PRId64 " and %" PRId64 "\n",
                copy->id, due_ms - plan_delay_ms(plan, copy->id), due_ms, first_ms, copy->at_ms);
        printed++;
    }
}
