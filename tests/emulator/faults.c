#include "tests/emulator/faults.h"

#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "common/prng.h"

struct fault {
    char operation[48]; /* "*": any */
    char resource[96];  /* empty: any */
    struct fault_effect effect;
    uint64_t nth;      /* fires from the nth call that matches on; 1 is the first */
    int64_t per_mille; /* -1: no chance involved */
    uint64_t count;    /* fires so often; 0: without end */
    size_t cut_step;   /* each time it fires, the next answer is cut so much later */
    int64_t until_ms;  /* INT64_MAX: without end */
    uint64_t seen;
    uint64_t fired;
    char *body; /* owned */
    char *content_type;
};

struct faults {
    struct fault list[FAULTS_MAX];
    size_t count;
    struct prng random;
};

static const char *const action_names[] = {
#define X(name, text) [FAULT_##name] = (text),
    FAULT_ACTIONS(X)
#undef X
};

struct faults *faults_new(void)
{
    struct faults *faults = mem_calloc(1, sizeof(*faults));
    prng_init(&faults->random, 1);
    return faults;
}

void faults_clear(struct faults *faults)
{
    for (size_t i = 0; i < faults->count; i++) {
        mem_free(faults->list[i].body);
        mem_free(faults->list[i].content_type);
    }
    faults->count = 0;
}

void faults_free(struct faults *faults)
{
    if (faults == NULL)
        return;
    faults_clear(faults);
    mem_free(faults);
}

int64_t faults_integer(double value)
{
    return (int64_t)(value > 1e15 ? 1e15 : value < -1e15 ? -1e15 : value);
}

/* --- reading --------------------------------------------------------------------------------- */

static const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static int64_t number(const cJSON *object, const char *name, int64_t otherwise)
{
    const cJSON *value = member(object, name);
    return cJSON_IsNumber(value) ? faults_integer(value->valuedouble) : otherwise;
}

static const char *text_of(const cJSON *object, const char *name, const char *otherwise)
{
    const cJSON *value = member(object, name);
    return cJSON_IsString(value) ? value->valuestring : otherwise;
}

static bool flag(const cJSON *object, const char *name, bool otherwise)
{
    const cJSON *value = member(object, name);
    return cJSON_IsBool(value) ? cJSON_IsTrue(value) : otherwise;
}

/* A misspelt member or a strange number would make a fault that tests something else. */
static bool check_members(const cJSON *object, struct buf *errors)
{
    static const char *const known[] = {
        "operation", "resource",       "action",  "nth",  "per_mille",
        "count",     "for_ms",         "status",  "code", "message",
        "delay_ms",  "retry_after_ms", "at",      "step", "reset",
        "applied",   "sender_fault",   "entries", "body", "content_type",
    };
    const cJSON *item;
    cJSON_ArrayForEach(item, object)
    {
        bool found = false;
        for (size_t i = 0; i < ARRAY_LEN(known) && !found; i++)
            found = strcmp(item->string, known[i]) == 0;
        if (!found)
            buf_printf(errors, "unknown member \"%s\"\n", item->string);
        else if (cJSON_IsNumber(item) && !(item->valuedouble >= 0 && item->valuedouble <= 1e15))
            buf_printf(errors, "%s must be 0 to 1e15\n", item->string);
    }
    return errors->len == 0;
}

static bool find_action(const char *name, enum fault_action *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(action_names); i++) {
        if (strcmp(action_names[i], name) == 0) {
            *ret = (enum fault_action)i;
            return true;
        }
    }
    return false;
}

static uint32_t read_entries(const cJSON *object)
{
    const cJSON *list = member(object, "entries");
    if (!cJSON_IsArray(list))
        return FAULT_ALL_ENTRIES;
    uint32_t bits = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (cJSON_IsNumber(item) && item->valueint >= 0 && item->valueint < 32)
            bits |= UINT32_C(1) << item->valueint;
    }
    return bits;
}

static bool read_fault(const cJSON *object, int64_t now_ms, struct fault *ret, struct buf *errors)
{
    *ret = (struct fault){0};
    if (!cJSON_IsObject(object)) {
        buf_append_str(errors, "a fault must be an object\n");
        return false;
    }
    if (!check_members(object, errors))
        return false;
    const char *action = text_of(object, "action", "none");
    struct fault_effect *effect = &ret->effect;
    if (!find_action(action, &effect->action)) {
        buf_printf(errors, "unknown action \"%s\"\n", action);
        return false;
    }
    snprintf(ret->operation, sizeof(ret->operation), "%s", text_of(object, "operation", "*"));
    snprintf(ret->resource, sizeof(ret->resource), "%s", text_of(object, "resource", ""));
    ret->per_mille = number(object, "per_mille", -1);
    ret->nth = (uint64_t)number(object, "nth", 1);
    /* The nth call alone, unless more is asked for; by chance without end. */
    bool once = member(object, "nth") != NULL && ret->per_mille < 0;
    ret->count = (uint64_t)number(object, "count", once ? 1 : 0);
    int64_t for_ms = number(object, "for_ms", -1);
    ret->until_ms = for_ms < 0 ? INT64_MAX : now_ms + for_ms;
    effect->status = (int)number(object, "status", 0);
    effect->delay_ms = number(object, "delay_ms", 0);
    effect->retry_after_ms = number(object, "retry_after_ms", 0);
    effect->cut_at = (size_t)number(object, "at", 0);
    ret->cut_step = (size_t)number(object, "step", 0);
    effect->reset = flag(object, "reset", false);
    effect->applied = flag(object, "applied", effect->action == FAULT_OMIT_ENTRIES);
    effect->sender_fault = flag(object, "sender_fault", false);
    effect->entries = read_entries(object);
    snprintf(effect->code, sizeof(effect->code), "%s", text_of(object, "code", ""));
    snprintf(effect->text, sizeof(effect->text), "%s",
             text_of(object, "message", "asked for by the fault script"));
    ret->body = mem_strdup(text_of(object, "body", ""));
    ret->content_type = mem_strdup(text_of(object, "content_type", "application/x-amz-json-1.0"));
    effect->body = ret->body;
    effect->content_type = ret->content_type;
    return true;
}

bool faults_load(struct faults *faults, const cJSON *script, int64_t now_ms, struct buf *errors)
{
    const cJSON *list = member(script, "faults");
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) > FAULTS_MAX) {
        buf_printf(errors, "\"faults\" must be an array of at most %d\n", FAULTS_MAX);
        return false;
    }
    struct faults *fresh = faults_new();
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (!read_fault(item, now_ms, &fresh->list[fresh->count], errors)) {
            faults_free(fresh);
            return false;
        }
        fresh->count++;
    }
    prng_init(&fresh->random, (uint64_t)number(script, "seed", 1));
    faults_clear(faults);
    *faults = *fresh;
    mem_free(fresh); /* the shell only: the list has moved */
    return true;
}

/* --- deciding -------------------------------------------------------------------------------- */

static bool fires(struct faults *faults, struct fault *fault, int64_t now_ms)
{
    if (fault->seen < fault->nth || now_ms >= fault->until_ms ||
        (fault->count != 0 && fault->fired >= fault->count))
        return false;
    return fault->per_mille < 0 || (int64_t)prng_below(&faults->random, 1000) < fault->per_mille;
}

struct fault_effect faults_decide(struct faults *faults, const char *operation,
                                  struct slice resource, int64_t now_ms)
{
    struct fault_effect effect = {.action = FAULT_NONE};
    bool decided = false;
    for (size_t i = 0; i < faults->count; i++) {
        struct fault *fault = &faults->list[i];
        if ((strcmp(fault->operation, "*") != 0 && strcmp(fault->operation, operation) != 0) ||
            (fault->resource[0] != '\0' && !slice_equal_str(resource, fault->resource)))
            continue;
        fault->seen++; /* also behind one that has fired: numbers must not depend on the others */
        if (decided || !fires(faults, fault, now_ms))
            continue;
        effect = fault->effect;
        effect.cut_at += fault->fired * fault->cut_step;
        fault->fired++;
        decided = true;
    }
    return effect;
}

void faults_each(const struct faults *faults, faults_count_fn *on_fault, void *ctx)
{
    for (size_t i = 0; i < faults->count; i++) {
        const struct fault *fault = &faults->list[i];
        on_fault(ctx, fault->operation, action_names[fault->effect.action], fault->seen,
                 fault->fired);
    }
}
