/* load: writes delayed records, reads them back, and accounts for every one. It shares no code with
 * the programs that it judges. */
#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/load/cost.h"
#include "tests/load/display.h"
#include "tests/load/faults.h"
#include "tests/load/options.h"
#include "tests/load/run.h"

#define EXIT_NOT_CLEAN 1
#define EXIT_NO_BROKER 69
#define EXIT_NO_REPORT 73
#define EXIT_SIGNALLED 128 /* and the signal's number, as shells have it */

static void add_number(cJSON *json, const char *name, uint64_t value)
{
    cJSON_AddNumberToObject(json, name, (double)value);
}

static void add_histogram(cJSON *json, const char *name, const struct histogram *h)
{
    cJSON *object = cJSON_AddObjectToObject(json, name);
    add_number(object, "p50", (uint64_t)histogram_percentile(h, 50000));
    add_number(object, "p90", (uint64_t)histogram_percentile(h, 90000));
    add_number(object, "p99", (uint64_t)histogram_percentile(h, 99000));
    add_number(object, "p99_9", (uint64_t)histogram_percentile(h, 99900));
    add_number(object, "max", (uint64_t)h->max_ms);
    add_number(object, "records", h->total);
}

static cJSON *make_report(const struct ledger *l, double seconds, const double *cost)
{
    cJSON *json = cJSON_CreateObject();
    add_number(json, "sent", l->sent);
    add_number(json, "delivered", l->delivered);
    add_number(json, "dead_lettered", l->dead_lettered);
    add_number(json, "lost", ledger_lost(l));
    add_number(json, "duplicated", l->duplicated);
    add_number(json, "early", l->early);
    add_number(json, "corrupted", l->corrupted);
    add_number(json, "misrouted", l->misrouted);
    add_number(json, "unexpected", l->unexpected);
    cJSON_AddNumberToObject(json, "seconds", seconds);
    cJSON_AddNumberToObject(json, "records_per_second",
                            seconds > 0 ? (double)(l->delivered + l->dead_lettered) / seconds : 0);
    add_histogram(json, "delay_error_ms", &l->error);
    add_histogram(json, "emission_error_ms", &l->emission);
    if (cost == NULL)
        cJSON_AddNullToObject(json, "cost_usd_per_million");
    else
        cJSON_AddNumberToObject(json, "cost_usd_per_million", *cost);
    return json;
}

static void add_judgement(cJSON *json, const struct judgement *j)
{
    cJSON *faults = cJSON_AddObjectToObject(json, "faults");
    add_number(faults, "bound", j->bound);
    add_number(faults, "explained", j->explained);
    add_number(faults, "unexplained", j->unexplained);
    add_number(faults, "recovered_after_ms", (uint64_t)j->recovered_after_ms);
    add_histogram(faults, "before_ms", &j->before);
    add_histogram(faults, "during_ms", &j->during);
    add_histogram(faults, "after_ms", &j->after);
}

/* What the faults of the run explain; false: they cannot be read. */
static bool judge(const struct options *options, const struct ledger *ledger, struct judgement *ret)
{
    struct faults faults;
    bool ok = faults_read(options->faults, &faults);
    if (ok) {
        faults_judge(&faults, ledger, &options->plan, ret);
        printf("faults %zu: duplicates explained %" PRIu64 " of at most %" PRIu64
               ", unexplained %" PRIu64 "\n",
               faults.count, ret->explained, ret->bound, ret->unexplained);
        faults_print_unexplained(&faults, ledger, &options->plan, stdout);
    }
    faults_release(&faults);
    return ok;
}

/* Takes the file. */
static bool write_report(FILE *file, const char *path, const cJSON *json)
{
    char *text = cJSON_Print(json);
    bool ok = text != NULL && fprintf(file, "%s\n", text) > 0;
    ok = fclose(file) == 0 && ok;
    free(text);
    if (!ok)
        fprintf(stderr, "load: cannot write %s\n", path);
    return ok;
}

static void on_signal(int number)
{
    run_interrupted = number;
}

int main(int argc, char **argv)
{
    struct options options;
    options_parse(argc, argv, &options);
    FILE *report = options.report == NULL ? NULL : fopen(options.report, "w");
    if (options.report != NULL && report == NULL) {
        fprintf(stderr, "load: --report %s: %s\n", options.report, strerror(errno));
        return EXIT_NO_REPORT;
    }
    /* The second one kills. */
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    fprintf(stderr, "load: run %s, seed %" PRIu64 ": %" PRIu64 " records to %s\n", options.plan.run,
            options.plan.seed, options.plan.records, options.topic);

    static struct ledger ledger;
    struct display display;
    display_init(&display, stderr, options.plan.records);
    double before = 0, after = 0, seconds = 0, per_million = 0;
    unsigned asked = cost_scrape(options.admin_addresses, &before);
    bool ran = run_load(&options, &ledger, display_progress, &display, &seconds);
    bool priced =
        asked > 0 && cost_scrape(options.admin_addresses, &after) == asked && ledger.sent > 0;
    if (priced)
        per_million = (after - before) / (double)ledger.sent * 1e6;

    const double *cost = priced ? &per_million : NULL;
    bool clean = ran && ledger_is_clean(&ledger);
    if (run_interrupted != 0 && !ran)
        fprintf(stderr, "load: interrupted before anything was sent\n");
    static struct judgement judgement; /* large */
    bool judged = ran && options.faults != NULL && judge(&options, &ledger, &judgement);
    if (options.faults != NULL)
        clean = judged && judgement_is_good(&judgement, &ledger);
    if (ran)
        display_verdict(stdout, &ledger, cost, run_interrupted, clean);
    if (report != NULL && !ran) {
        fclose(report);
        remove(options.report);
    } else if (report != NULL) {
        cJSON *json = make_report(&ledger, seconds, cost);
        if (judged)
            add_judgement(json, &judgement);
        clean = write_report(report, options.report, json) && clean;
        cJSON_Delete(json);
    }
    ledger_release(&ledger);
    curl_global_cleanup();
    if (run_interrupted != 0)
        return EXIT_SIGNALLED + run_interrupted;
    return !ran ? EXIT_NO_BROKER : clean ? 0 : EXIT_NOT_CLEAN;
}
