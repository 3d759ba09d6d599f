#include "common/program_emf.h"

#include "common/check.h"
#include "common/limits.h"
#include "common/mem.h"

struct program_emf {
    struct loop *loop;
    struct log *log;
    const struct metrics *metrics;
    int64_t interval_ms;
    loop_fn *update;
    void *ctx;
    struct emf *emf;
    struct loop_timer *timer;
};

static const struct emf_metric everyone[] = {
    {.name = "Ready", .unit = "Count", .family = "delayline_ready"},
    {.name = "Throttles", .unit = "Count", .family = "delayline_aws_throttles_total"},
};

static void write_line(struct program_emf *p, enum emf_part part)
{
    CLEANUP(buf_release) struct buf members;
    buf_init(&members, EMF_MEMBERS_BYTES_MAX);
    p->update(p->ctx);
    if (!emf_append(p->emf, p->metrics, loop_now(p->loop).wall, part, &members))
        return;
    CHECK(!members.overflow); /* what the tables may hold is known */
    if (log_write_members(p->log, "metrics", buf_slice(&members)))
        emf_written(p->emf);
}

/* In the middle of an interval: a timer that is a little early or late stays within it. */
static void set_timer(struct program_emf *p)
{
    struct now now = loop_now(p->loop);
    int64_t into_ms = now.wall.ms % p->interval_ms;
    int64_t wait_ms = p->interval_ms - into_ms + p->interval_ms / 2;
    loop_timer_set(p->timer, (struct deadline){mono_add(now.mono, wait_ms), {TIME_NEVER}});
}

static void on_timer(void *ctx)
{
    struct program_emf *p = ctx;
    write_line(p, EMF_ALL);
    set_timer(p);
}

struct program_emf *program_emf_new(struct loop *loop, struct log *log,
                                    const struct metrics *metrics, const struct settings *settings,
                                    const struct emf_table *table, loop_fn *update, void *ctx)
{
    if (settings->emf_namespace[0] == '\0')
        return NULL;
    const struct emf_table tables[] = {{everyone, ARRAY_LEN(everyone)}, *table};
    struct program_emf *p = mem_calloc(1, sizeof(*p));
    p->loop = loop;
    p->log = log;
    p->metrics = metrics;
    p->interval_ms = settings->emf_interval_ms;
    p->update = update;
    p->ctx = ctx;
    p->emf = emf_new(settings->emf_namespace, tables, ARRAY_LEN(tables));
    p->timer = loop_timer_new(loop, on_timer, p);
    set_timer(p);
    return p;
}

void program_emf_end(struct program_emf *p)
{
    if (p == NULL)
        return;
    write_line(p, EMF_LAST);
    loop_timer_free(p->timer);
    emf_free(p->emf);
    mem_free(p);
}
