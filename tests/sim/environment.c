#include "tests/sim/environment.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/check.h"

static void set(const char *name, const char *value)
{
    CHECK(setenv(name, value, 1) == 0);
}

/* 0: the program's default. */
static void set_number(const char *name, int64_t value)
{
    char text[32];
    if (value == 0)
        return;
    snprintf(text, sizeof(text), "%" PRId64, value);
    set(name, text);
}

void environment_set(const struct options *o)
{
    CHECK(clearenv() == 0);
    set("KAFKA_BOOTSTRAP_SERVERS", "sim:9092");
    set("AWS_REGION", "sim-1");
    set("DELAYLINE_DELAY_TOPICS", SIM_DELAY_TOPIC);
    set_number("DELAYLINE_SHARDS", o->shards);
    set_number("DELAYLINE_HORIZON", o->horizon_ms);
    set_number("DELAYLINE_BUCKET", o->bucket_ms);
    set_number("DELAYLINE_HANDOFF", o->handoff_ms);
    set_number("DELAYLINE_CUTOFF", o->cutoff_ms);
    set_number("DELAYLINE_LEAD", o->lead_ms);
    set_number("DELAYLINE_ROUTER_SQS_CALLS", o->router_calls);
    set_number("DELAYLINE_ROUTER_TABLE_CALLS", o->router_calls);
    set_number("DELAYLINE_SCHEDULER_PAGE_ITEMS", o->page_items);
    set_number("DELAYLINE_RELAY_SLOTS", o->relay_slots);
    set_number("DELAYLINE_RELAY_WINDOW", o->relay_window);
    if (o->horizon_ms == 0)
        return;
    /* Short times everywhere: polls of a second, since leases may be two. */
    set("DELAYLINE_RELAY_WAIT", "1s");
    set("DELAYLINE_SCHEDULER_WAIT", "1s");
    set("DELAYLINE_RELAY_LINGER", "20ms");
}
