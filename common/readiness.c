#include "common/readiness.h"

void readiness_kafka(struct buf *reasons, bool is_reachable, const char *bootstrap_servers)
{
    if (!is_reachable)
        buf_printf(reasons, "no Kafka broker of %s can be reached\n", bootstrap_servers);
}

void readiness_dead_letters(struct buf *reasons, const struct error *last)
{
    if (last->kind != ERROR_NONE)
        buf_printf(reasons, "the dead-letter topic refuses records: %s: %s\n", last->code,
                   last->text);
}
