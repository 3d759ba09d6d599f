#include "tests/load/display.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/check.h"
#include "common/compiler.h"

#define BAR_WIDTH_MAX    24
#define BAR_WIDTH_MIN    4
#define WIDTH_UNKNOWN    80
#define PLAIN_WIDTH      (DISPLAY_LINE_SIZE - 1)
#define PLAIN_INTERVAL_S 5.0
#define FIELD_SIZE       64

/* --- progress -------------------------------------------------------------------------------- */

void display_init(struct display *d, FILE *out, uint64_t records)
{
    *d = (struct display){.out = out, .records = records, .terminal = isatty(fileno(out)) == 1};
}

/* Asked anew for each line: windows change. The last column stays free, or some terminals wrap. */
static size_t width_of(const struct display *d)
{
    struct winsize size;
    if (!d->terminal)
        return PLAIN_WIDTH;
    if (ioctl(fileno(d->out), TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return WIDTH_UNKNOWN - 1;
    return size.ws_col - 1U;
}

struct line {
    char *text;
    size_t len;
    size_t width;
};

/* All of it or nothing. */
static PRINTF_LIKE(2, 3) bool add(struct line *line, const char *format, ...)
{
    char field[FIELD_SIZE];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(field, sizeof(field), format, args);
    va_end(args);
    CHECK(len >= 0 && len < FIELD_SIZE);
    if (line->len + (size_t)len > line->width)
        return false;
    memcpy(line->text + line->len, field, (size_t)len + 1);
    line->len += (size_t)len;
    return true;
}

static void add_bar(struct line *line, uint64_t arrived, uint64_t records)
{
    size_t room = line->width - line->len;
    if (room < BAR_WIDTH_MIN + sizeof("[] ") - 1)
        return;
    size_t width = MIN(room - (sizeof("[] ") - 1), BAR_WIDTH_MAX);
    size_t filled = (size_t)(MIN(arrived, records) * width / records);
    size_t whole = width + sizeof("[] ") - 1;
    memmove(line->text + whole, line->text, line->len + 1);
    memset(line->text + 1, '#', filled);
    memset(line->text + 1 + filled, '.', width - filled);
    line->text[0] = '[';
    memcpy(line->text + 1 + width, "] ", 2);
    line->len += whole;
}

size_t display_line(char out[DISPLAY_LINE_SIZE], size_t width, uint64_t records,
                    const struct progress *p, const struct ledger *l)
{
    struct line line = {.text = out, .width = MIN(width, DISPLAY_LINE_SIZE - 1)};
    out[0] = '\0';
    bool fits = add(&line, "%.1f s", p->seconds) && add(&line, "  sent %" PRIu64, p->attempted) &&
                add(&line, "  delivered %" PRIu64, l->delivered) &&
                add(&line, "  waiting short %" PRIu64 " long %" PRIu64, p->waiting_short,
                    p->waiting_long) &&
                add(&line, "  error ms p50 %" PRId64 " p99 %" PRId64 " max %" PRId64,
                    histogram_percentile(&l->error, 50000), histogram_percentile(&l->error, 99000),
                    l->error.max_ms);
    if (fits)
        add_bar(&line, l->delivered + l->dead_lettered, records);
    return line.len;
}

void display_progress(void *ctx, const struct progress *p, const struct ledger *l)
{
    struct display *d = ctx;
    if (!d->terminal && !p->final && p->seconds < d->next_plain_s)
        return;
    d->next_plain_s = p->seconds + PLAIN_INTERVAL_S;
    char text[DISPLAY_LINE_SIZE];
    size_t width = width_of(d);
    size_t len = display_line(text, width, d->records, p, l);
    if (!d->terminal) {
        fprintf(d->out, "%s\n", text);
        return;
    }
    /* Blanks over what is left of a longer line, but not beyond the window. */
    int blanks = d->shown > len ? (int)(MIN(d->shown, MAX(width, len)) - len) : 0;
    fprintf(d->out, "\r%s%*s%s", text, blanks, "", p->final ? "\n" : "");
    fflush(d->out);
    d->shown = p->final ? 0 : len;
}

/* --- verdict --------------------------------------------------------------------------------- */

static void print_interrupted(FILE *out, const struct ledger *l, int signal)
{
    uint64_t outstanding = ledger_outstanding(l, l->judged_until_ms);
    fprintf(out,
            "interrupted by %s: %" PRIu64 " of %" PRIu64 " records were sent; outstanding %" PRIu64
            ", of which %" PRIu64 " were not due yet\n",
            signal == SIGINT ? "SIGINT" : "SIGTERM", l->sent, l->records, outstanding,
            ledger_outstanding(l, l->ended_ms));
}

static const char *verdict(const struct ledger *l, int interrupted, bool clean)
{
    if (l->sent == 0)
        return interrupted != 0 ? "interrupted before anything was sent" : "nothing was sent";
    if (!clean)
        return interrupted != 0 ? "interrupted, and NOT CLEAN until then" : "NOT CLEAN";
    return interrupted != 0 ? "interrupted, nothing wrong until then" : "clean";
}

void display_verdict(FILE *out, const struct ledger *l, const double *cost, int interrupted,
                     bool clean)
{
    fprintf(out, "sent %" PRIu64 ", delivered %" PRIu64 ", dead-lettered %" PRIu64 "\n", l->sent,
            l->delivered, l->dead_lettered);
    fprintf(out,
            "lost %" PRIu64 ", duplicated %" PRIu64 ", early %" PRIu64 ", corrupted %" PRIu64
            ", misrouted %" PRIu64 ", unexpected %" PRIu64 "\n",
            ledger_lost(l), l->duplicated, l->early, l->corrupted, l->misrouted, l->unexpected);
    fprintf(out,
            "delay error at the consumer: p50 %" PRId64 " ms, p99 %" PRId64 " ms, p99.9 %" PRId64
            " ms, max %" PRId64 " ms; at emission: p50 %" PRId64 " ms, p99 %" PRId64 " ms\n",
            histogram_percentile(&l->error, 50000), histogram_percentile(&l->error, 99000),
            histogram_percentile(&l->error, 99900), l->error.max_ms,
            histogram_percentile(&l->emission, 50000), histogram_percentile(&l->emission, 99000));
    if (cost != NULL)
        fprintf(out, "on AWS: $%.3f per million records (requests and units at list price)\n",
                *cost);
    if (l->unknown + l->failed > 0)
        fprintf(out,
                "not acknowledged by the broker: %" PRIu64 " unknown, %" PRIu64 " not written\n",
                l->unknown, l->failed);
    if (ledger_lost(l) > 0) {
        fprintf(out, "lost ids: ");
        ledger_print_lost(l, 20, out);
        fprintf(out, "\n");
    }
    if (interrupted != 0)
        print_interrupted(out, l, interrupted);
    fprintf(out, "verdict: %s\n", verdict(l, interrupted, clean));
}
