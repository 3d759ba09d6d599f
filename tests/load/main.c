/* load: writes delayed records, reads them back, and accounts for every one. It shares no code with
 * the programs that it judges. */
#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/load/cost.h"
#include "tests/load/options.h"
#include "tests/load/run.h"

#define BAR_WIDTH        24
#define PLAIN_INTERVAL_S 5.0
#define EXIT_NOT_CLEAN   1
#define EXIT_NO_BROKER   69

struct display {
    uint64_t records;
    bool terminal;
    double next_plain_s;
};

static void show(void *ctx, const struct progress *p, const struct ledger *l)
{
    struct display *d = ctx;
    if (!d->terminal && !p->final && p->seconds < d->next_plain_s)
        return;
    d->next_plain_s = p->seconds + PLAIN_INTERVAL_S;
    uint64_t arrived = l->delivered + l->dead_lettered;
    int filled = (int)(arrived * BAR_WIDTH / d->records);
    char bar[BAR_WIDTH + 1];
    for (int i = 0; i < BAR_WIDTH; i++)
        bar[i] = i < filled ? '#' : '.';
    bar[BAR_WIDTH] = '\0';
    fprintf(stderr,
            "%s[%s] %5.1f s  sent %" PRIu64 "  waiting short %" PRIu64 " long %" PRIu64
            "  delivered %" PRIu64 "  error ms p50 %" PRId64 " p99 %" PRId64 " max %" PRId64 "%s",
            d->terminal ? "\r" : "", bar, p->seconds, p->attempted, p->waiting_short,
            p->waiting_long, l->delivered, histogram_percentile(&l->error, 50000),
            histogram_percentile(&l->error, 99000), l->error.max_ms,
            d->terminal && !p->final ? "   " : "\n");
}

static void add_number(cJSON *json, const char *name, uint64_t value)
{
    cJSON_AddNumberToObject(json, name, (double)value);
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
    cJSON *error = cJSON_AddObjectToObject(json, "delay_error_ms");
    add_number(error, "p50", (uint64_t)histogram_percentile(&l->error, 50000));
    add_number(error, "p90", (uint64_t)histogram_percentile(&l->error, 90000));
    add_number(error, "p99", (uint64_t)histogram_percentile(&l->error, 99000));
    add_number(error, "p99_9", (uint64_t)histogram_percentile(&l->error, 99900));
    add_number(error, "max", (uint64_t)l->error.max_ms);
    if (cost == NULL)
        cJSON_AddNullToObject(json, "cost_usd_per_million");
    else
        cJSON_AddNumberToObject(json, "cost_usd_per_million", *cost);
    return json;
}

static bool write_report(const char *path, const cJSON *json)
{
    char *text = cJSON_Print(json);
    FILE *file = text == NULL ? NULL : fopen(path, "w");
    bool ok = file != NULL && fprintf(file, "%s\n", text) > 0;
    if (file != NULL)
        ok = fclose(file) == 0 && ok;
    free(text);
    if (!ok)
        fprintf(stderr, "load: cannot write %s\n", path);
    return ok;
}

static void print_verdict(const struct ledger *l, const double *cost)
{
    printf("sent %" PRIu64 ", delivered %" PRIu64 ", dead-lettered %" PRIu64 "\n", l->sent,
           l->delivered, l->dead_lettered);
    printf("lost %" PRIu64 ", duplicated %" PRIu64 ", early %" PRIu64 ", corrupted %" PRIu64
           ", misrouted %" PRIu64 ", unexpected %" PRIu64 "\n",
           ledger_lost(l), l->duplicated, l->early, l->corrupted, l->misrouted, l->unexpected);
    printf("delay error at the consumer: p50 %" PRId64 " ms, p99 %" PRId64 " ms, p99.9 %" PRId64
           " ms, max %" PRId64 " ms; at emission: p50 %" PRId64 " ms, p99 %" PRId64 " ms\n",
           histogram_percentile(&l->error, 50000), histogram_percentile(&l->error, 99000),
           histogram_percentile(&l->error, 99900), l->error.max_ms,
           histogram_percentile(&l->emission, 50000), histogram_percentile(&l->emission, 99000));
    if (cost != NULL)
        printf("on AWS: $%.3f per million records (requests and units at list price)\n", *cost);
    if (l->unknown + l->failed > 0)
        printf("not acknowledged by the broker: %" PRIu64 " unknown, %" PRIu64 " refused\n",
               l->unknown, l->failed);
    if (ledger_lost(l) > 0) {
        printf("lost ids: ");
        ledger_print_lost(l, 20, stdout);
        printf("\n");
    }
    printf("verdict: %s\n", ledger_is_clean(l) ? "clean"
                            : l->sent == 0     ? "nothing was sent"
                                               : "NOT CLEAN");
}

static void on_signal(int number)
{
    (void)number;
    run_interrupted = 1;
}

int main(int argc, char **argv)
{
    struct options options;
    options_parse(argc, argv, &options);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    fprintf(stderr, "load: run %s, seed %" PRIu64 ": %" PRIu64 " records to %s\n", options.plan.run,
            options.plan.seed, options.plan.records, options.topic);

    static struct ledger ledger;
    struct display display = {.records = options.plan.records,
                              .terminal = isatty(STDERR_FILENO) == 1};
    double before = 0, after = 0, seconds = 0, per_million = 0;
    bool priced = cost_scrape(options.admin_addresses, &before);
    bool ran = run_load(&options, &ledger, show, &display, &seconds);
    priced = priced && cost_scrape(options.admin_addresses, &after) && ledger.sent > 0;
    if (priced)
        per_million = (after - before) / (double)ledger.sent * 1e6;

    const double *cost = priced ? &per_million : NULL;
    bool clean = ran && ledger_is_clean(&ledger) && !run_interrupted;
    if (ran)
        print_verdict(&ledger, cost);
    if (options.report != NULL && ran) {
        cJSON *json = make_report(&ledger, seconds, cost);
        clean = write_report(options.report, json) && clean;
        cJSON_Delete(json);
    }
    ledger_release(&ledger);
    curl_global_cleanup();
    return !ran ? EXIT_NO_BROKER : clean ? 0 : EXIT_NOT_CLEAN;
}
