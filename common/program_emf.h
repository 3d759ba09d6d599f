/* Puts metrics into the log for CloudWatch (emf.h), a line an interval and one at the end. Private
 * to program.c.
 *
 * The happy path is: new; the timer fires in the middle of each interval of the wall clock, so that
 * each of CloudWatch's minutes has exactly one line of each task; end. The failure modes are: a
 * line that cannot be written (the next one tells of it, too), and a clock that is stepped (one
 * interval is shorter or longer). */
#ifndef COMMON_PROGRAM_EMF_H
#define COMMON_PROGRAM_EMF_H

#include "common/emf.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/metrics.h"
#include "common/settings.h"

struct program_emf;

/* update brings metrics up to date before they are read. table holds the program's own, beside what
 * all programs tell. Everything is borrowed. NULL: the settings do not ask for it. */
struct program_emf *program_emf_new(struct loop *loop, struct log *log,
                                    const struct metrics *metrics, const struct settings *settings,
                                    const struct emf_table *table, loop_fn *update, void *ctx);
/* Writes the last line, and ends. Accepts NULL. */
void program_emf_end(struct program_emf *p);

#endif
