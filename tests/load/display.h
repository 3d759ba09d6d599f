/* What a person sees of a run: the line of progress while it goes on, the verdict at its end. */
#ifndef TESTS_LOAD_DISPLAY_H
#define TESTS_LOAD_DISPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "tests/load/ledger.h"
#include "tests/load/run.h"

#define DISPLAY_LINE_SIZE 256

struct display {
    FILE *out;
    uint64_t records;
    bool terminal; /* the line is drawn over and over; else one line now and then */
    size_t shown;  /* characters of the line that is drawn over */
    double next_plain_s;
};

/* out is looked at: is it a terminal? */
void display_init(struct display *d, FILE *out, uint64_t records);
/* A run_progress_fn; ctx is the display. */
void display_progress(void *ctx, const struct progress *progress, const struct ledger *ledger);

/* The line in at most width characters: what does not fit is left out, the least important first;
 * the bar takes what is left. Returns its length. */
size_t display_line(char out[DISPLAY_LINE_SIZE], size_t width, uint64_t records,
                    const struct progress *progress, const struct ledger *ledger);

/* cost NULL: not known. interrupted: the signal that broke the run off, 0: none. */
void display_verdict(FILE *out, const struct ledger *ledger, const double *cost, int interrupted,
                     bool clean);

#endif
