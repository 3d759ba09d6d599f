#include "common/program_metrics.h"

#include <dirent.h>
#include <sys/resource.h>
#include <uv.h>

#include "common/limits.h"
#include "common/mem.h"

enum {
    RESIDENT_BYTES,
    OPEN_FDS,
    MAX_FDS,
    CPU_SECONDS,
    START_TIME,
    LOOP_LAG,
    LOG_DROPPED,
    READY,
    METRIC_COUNT,
};

static const struct metric_spec specs[METRIC_COUNT] = {
    [RESIDENT_BYTES] = {.name = "process_resident_memory_bytes",
                        .type = METRIC_GAUGE,
                        .help = "Resident memory."},
    [OPEN_FDS] = {.name = "process_open_fds", .type = METRIC_GAUGE, .help = "Open descriptors."},
    [MAX_FDS] = {.name = "process_max_fds",
                 .type = METRIC_GAUGE,
                 .help = "Descriptors that may be open."},
    [CPU_SECONDS] = {.name = "process_cpu_seconds_total",
                     .type = METRIC_COUNTER,
                     .help = "User and system time of all threads."},
    [START_TIME] = {.name = "process_start_time_seconds",
                    .type = METRIC_GAUGE,
                    .help = "When the process started, in seconds since the epoch."},
    [LOOP_LAG] = {.name = "delayline_loop_lag_seconds",
                  .type = METRIC_GAUGE,
                  .help = "Longest turn of the loop since these metrics were last read."},
    [LOG_DROPPED] = {.name = "delayline_log_lines_dropped_total",
                     .type = METRIC_COUNTER,
                     .help = "Log lines dropped because standard output was not read."},
    [READY] = {.name = "delayline_ready",
               .type = METRIC_GAUGE,
               .help = "1 while /readyz says yes."},
};

static const struct metric_spec build_spec = {.name = "delayline_build_info",
                                              .type = METRIC_GAUGE,
                                              .help = "Always 1; the version is a label."};

struct program_metrics {
    struct metric *metrics[METRIC_COUNT];
};

struct program_metrics *program_metrics_new(struct metrics *metrics, const char *program,
                                            const char *version)
{
    struct program_metrics *m = mem_calloc(1, sizeof(*m));
    for (unsigned i = 0; i < METRIC_COUNT; i++)
        m->metrics[i] = metrics_get(metrics, &specs[i], "");
    int64_t started_s = loop_wall_ms() / MS_PER_SECOND;
    metric_set(m->metrics[START_TIME], (double)started_s);

    CLEANUP(buf_release) struct buf labels;
    buf_init(&labels, (size_t)4 * KIB);
    metrics_label(&labels, "program", program);
    metrics_label(&labels, "version", version);
    metric_set(metrics_get(metrics, &build_spec, buf_text(&labels)), 1);
    return m;
}

void program_metrics_free(struct program_metrics *m)
{
    mem_free(m);
}

static int count_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    if (directory == NULL)
        return 0;
    int count = -3; /* ".", ".." and the directory itself */
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

void program_metrics_set_ready(struct program_metrics *m, bool ready)
{
    metric_set(m->metrics[READY], ready);
}

void program_metrics_update(struct program_metrics *m, struct loop *loop, const struct log *log)
{
    size_t resident_bytes;
    struct rlimit descriptors;
    struct rusage usage;
    if (uv_resident_set_memory(&resident_bytes) == 0)
        metric_set(m->metrics[RESIDENT_BYTES], (double)resident_bytes);
    metric_set(m->metrics[OPEN_FDS], count_descriptors());
    if (getrlimit(RLIMIT_NOFILE, &descriptors) == 0)
        metric_set(m->metrics[MAX_FDS], (double)descriptors.rlim_cur);
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        metric_set(m->metrics[CPU_SECONDS], seconds(usage.ru_utime) + seconds(usage.ru_stime));
    metric_set(m->metrics[LOOP_LAG], (double)loop_take_lag_ms(loop) / (double)MS_PER_SECOND);
    metric_set(m->metrics[LOG_DROPPED], (double)log_dropped(log));
}
