/* Runs seeds of the simulator: `sim --help`. */
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/check.h"
#include "tests/sim/marks.h"
#include "tests/sim/run.h"

#define JOBS_MAX   16
#define SEEDS_MOST 1000000000 /* so that they can be read, and typed */
#define SEED_CPU_S 60         /* a usual one takes 20 ms, with sanitizers a second */

/* Of the seeds' runs, summed over the jobs. */
struct tally {
    uint64_t failed;
    uint64_t events;
    uint64_t records;
    uint64_t duplicates;
    uint64_t inversions;
    uint64_t dead_letters;
    int64_t virtual_ms;
    uint64_t done;
    uint64_t digest; /* the sum of theirs: in whatever order they ran */
};

static char seed_text[64];

/* A CHECK of the product, or a sanitizer, ends the process: say in which seed. */
static void on_abort(int signal_number)
{
    (void)signal_number;
    ssize_t written = write(STDERR_FILENO, seed_text, strlen(seed_text));
    (void)written;
}

/* A turn that never ends is seen by no checker: they run between turns. */
static void on_endless(int signal_number)
{
    static const char says[] = "sim: FAILED P9 spin: more than 60 s of CPU\n";
    ssize_t written = write(STDERR_FILENO, says, sizeof(says) - 1);
    (void)written;
    on_abort(signal_number);
    _exit(1);
}

static void limit_cpu(int seconds)
{
    const struct itimerval limit = {.it_value.tv_sec = seconds};
    CHECK(setitimer(ITIMER_PROF, &limit, NULL) == 0);
}

static void run_one(uint64_t seed, bool tracing, struct tally *tally)
{
    struct run_result r;
    snprintf(seed_text, sizeof(seed_text), "sim: in seed %" PRIu64 "\n", seed);
    limit_cpu(SEED_CPU_S);
    run_seed(seed, tracing, &r);
    limit_cpu(0);
    if (r.failed)
        printf("seed %" PRIu64 " FAILED %s\n", seed, r.failure);
    if (tracing)
        printf("# digest %016" PRIx64 "\n# %" PRIu64 " events, %u records, %" PRIu64
               " duplicates, %" PRIu64 " dead letters, %" PRId64
               " s of virtual time, at most %" PRId64 " ms late\n",
               r.digest, r.events, r.records, r.duplicates, r.dead_letters, r.virtual_ms / 1000,
               r.worst_late_ms);
    tally->failed += r.failed;
    tally->events += r.events;
    tally->records += r.records;
    tally->duplicates += r.duplicates;
    tally->inversions += r.inversions;
    tally->dead_letters += r.dead_letters;
    tally->virtual_ms += r.virtual_ms;
    tally->digest += r.digest;
    tally->done++;
    fflush(stdout);
}

/* --- several at once ------------------------------------------------------------------------- */

static void run_share(uint64_t start, uint64_t count, uint64_t job, uint64_t jobs, bool first,
                      struct tally *tally)
{
    for (uint64_t i = job; i < count && !(first && tally->failed > 0); i += jobs)
        run_one(start + i, false, tally);
    marks_print();
}

static bool wait_for(pid_t child)
{
    int status = 0;
    return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void add_up(struct tally *sum, const struct tally *tally)
{
    sum->failed += tally->failed;
    sum->events += tally->events;
    sum->records += tally->records;
    sum->duplicates += tally->duplicates;
    sum->inversions += tally->inversions;
    sum->dead_letters += tally->dead_letters;
    sum->virtual_ms += tally->virtual_ms;
    sum->done += tally->done;
    sum->digest += tally->digest;
}

/* Each job in a process of its own; their tallies are in shared memory. */
static int run_many(uint64_t start, uint64_t count, uint64_t jobs, bool first)
{
    struct tally *tallies = mmap(NULL, jobs * sizeof(*tallies), PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t children[JOBS_MAX];
    struct tally sum = {0};
    bool well = tallies != MAP_FAILED;
    CHECK(well && jobs <= JOBS_MAX);
    printf("sim: seeds %" PRIu64 "..%" PRIu64 "\n", start, start + count - 1);
    fflush(stdout);
    for (uint64_t job = 0; job < jobs; job++) {
        children[job] = fork();
        CHECK(children[job] >= 0);
        if (children[job] == 0) {
            run_share(start, count, job, jobs, first, &tallies[job]);
            _exit(0);
        }
    }
    for (uint64_t job = 0; job < jobs; job++) {
        well = wait_for(children[job]) && well;
        add_up(&sum, &tallies[job]);
    }
    uint64_t failed = sum.failed + (count - sum.done);
    printf("sim: %" PRIu64 " events, %" PRIu64 " records, %" PRIu64 " duplicates, %" PRIu64
           " out of order, %" PRIu64 " dead letters, %" PRId64 " h of virtual time\n",
           sum.events, sum.records, sum.duplicates, sum.inversions, sum.dead_letters,
           sum.virtual_ms / 3600000);
    printf("sim: digest %016" PRIx64 "\n", sum.digest);
    printf("sim: %" PRIu64 " passed, %" PRIu64 " failed\n", count - failed, failed);
    munmap(tallies, jobs * sizeof(*tallies));
    return well && failed == 0 ? 0 : 1;
}

/* Those that failed once: a seed at the beginning of a line, then what it was. */
static int run_kept(const char *path)
{
    char line[512];
    struct tally tally = {0};
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        perror(path);
        return 1;
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        uint64_t seed = strtoull(line, NULL, 10);
        if (seed > 0)
            run_one(seed, false, &tally);
    }
    fclose(file);
    printf("sim: of the seeds that failed once %" PRIu64 " pass, %" PRIu64 " fail\n",
           tally.done - tally.failed, tally.failed);
    return tally.failed > 0;
}

static uint64_t draw_start(void)
{
    uint64_t random = 0;
    CHECK(getrandom(&random, sizeof(random), 0) == (ssize_t)sizeof(random));
    return 1 + random % SEEDS_MOST;
}

/* --- options --------------------------------------------------------------------------------- */

static int usage(FILE *out, int exit_code)
{
    fputs("usage: sim --seed SEED               one run, with its trace\n"
          "       sim --count N [--start SEED] [--jobs N]   N seeds, from a random one on\n"
          "           --first 1             each job ends with its first failure\n"
          "       sim --kept FILE               the seeds that a file lists\n",
          out);
    return exit_code;
}

static bool take(const char *name, int argc, char **argv, int at, uint64_t *ret)
{
    char *end = NULL;
    if (strcmp(argv[at], name) != 0 || at + 1 >= argc)
        return false;
    *ret = strtoull(argv[at + 1], &end, 10);
    return *end == '\0' && end != argv[at + 1];
}

int main(int argc, char **argv)
{
    uint64_t seed = 0;
    uint64_t start = 0;
    uint64_t count = 0;
    uint64_t jobs = 1;
    uint64_t first = 0;
    struct tally tally = {0};
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return usage(stdout, 0);
    bool kept = argc == 3 && strcmp(argv[1], "--kept") == 0;
    for (int i = 1; i < argc && !kept; i += 2)
        if (!take("--seed", argc, argv, i, &seed) && !take("--start", argc, argv, i, &start) &&
            !take("--count", argc, argv, i, &count) && !take("--jobs", argc, argv, i, &jobs) &&
            !take("--first", argc, argv, i, &first))
            return usage(stderr, 64);
    /* Cores are large and mostly untouched: pages from the kernel are zero already. */
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    signal(SIGABRT, on_abort);
    signal(SIGPROF, on_endless);
    if (kept)
        return run_kept(argv[2]);
    if ((seed == 0) == (count == 0) || jobs == 0 || jobs > JOBS_MAX)
        return usage(stderr, 64);
    if (count > 0)
        return run_many(start == 0 ? draw_start() : start, count, jobs, first > 0);
    run_one(seed, true, &tally);
    return tally.failed == 0 ? 0 : 1;
}
