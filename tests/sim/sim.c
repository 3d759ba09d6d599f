#include "tests/sim/sim.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/mem.h"
#include "tests/sim/host.h"

#define LINE_SIZE 512

/* --- time ------------------------------------------------------------------------------------ */

void sim_set(struct sim *sim, struct sim_event *event, int64_t at_ms)
{
    model_heap_set(&sim->events, &event->node, MAX(at_ms, sim->now_ms));
}

void sim_cancel(struct sim *sim, struct sim_event *event)
{
    model_heap_remove(&sim->events, &event->node);
}

void sim_after(struct sim *sim, int64_t delay_ms, sim_fn *fn, void *ctx)
{
    struct sim_event *event = mem_calloc(1, sizeof(*event));
    event->fn = fn;
    event->ctx = ctx;
    event->once = true;
    sim_set(sim, event, sim->now_ms + delay_ms);
}

bool sim_step(struct sim *sim, int64_t until_ms)
{
    int64_t next_ms = model_heap_next_ms(&sim->events);
    if (next_ms > until_ms) {
        sim->now_ms = MAX(sim->now_ms, until_ms);
        return false;
    }
    sim->now_ms = MAX(sim->now_ms, next_ms);
    struct model_heap_node *node = model_heap_pop(&sim->events, sim->now_ms);
    struct sim_event *event = container_of(node, struct sim_event, node);
    sim_fn *fn = event->fn;
    void *ctx = event->ctx;
    if (event->once)
        mem_free(event);
    sim->events_run++;
    fn(ctx);
    return true;
}

/* --- words ----------------------------------------------------------------------------------- */

/* FNV-1a */
static void mix(struct sim *sim, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        sim->digest = (sim->digest ^ (uint8_t)text[i]) * UINT64_C(0x100000001b3);
}

void sim_say(struct sim *sim, const struct host *host, const char *format, ...)
{
    char line[LINE_SIZE];
    int64_t past_ms = sim->now_ms - SIM_START_MS;
    int head = snprintf(line, sizeof(line), "%10" PRId64 ".%03d %-11s ", past_ms / 1000,
                        (int)(past_ms % 1000), host == NULL ? "-" : host->name);
    va_list args;
    va_start(args, format);
    int rest = vsnprintf(line + head, sizeof(line) - (size_t)head, format, args);
    va_end(args);
    mix(sim, line, MIN((size_t)(head + rest), sizeof(line) - 1));
    if (sim->tracing)
        puts(line);
}

void sim_fail(struct sim *sim, const char *rule, const char *format, ...)
{
    char text[LINE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    sim_say(sim, NULL, "VIOLATION %s: %s", rule, text);
    if (sim->failed)
        return;
    sim->failed = true;
    buf_printf(&sim->failure, "%s: %s", rule, text);
}

/* --- chance ---------------------------------------------------------------------------------- */

int64_t sim_between(struct prng *random, int64_t least, int64_t most)
{
    return least + (int64_t)prng_below(random, (uint64_t)(most - least + 1));
}

bool sim_happens(struct prng *random, uint32_t per_mille)
{
    return per_mille > 0 && prng_below(random, 1000) < per_mille;
}
