/* Strict integers out of text: digits only, no sign, spaces or leading zero (but "0" itself). */
#ifndef COMMON_NUM_H
#define COMMON_NUM_H

#include <stddef.h>
#include <stdint.h>

#include "common/compiler.h"
#include "common/slice.h"
#include "common/status.h"

/* STATUS_INVALID: not such a number; STATUS_TOO_LARGE: a number, but over max. */
NODISCARD enum status num_parse_u64(struct slice text, uint64_t max, uint64_t *ret_value);
NODISCARD enum status num_parse_i64(struct slice text, int64_t max,
                                    int64_t *ret_value); /* 0 .. max */

/* "1500" (ms), "250ms", "90s", "15m", "36h", "7d": a whole number and at most one unit. Overflow
 * and what is over max_ms is STATUS_TOO_LARGE. */
NODISCARD enum status num_parse_duration_ms(struct slice text, int64_t max_ms, int64_t *ret_ms);

/* RFC 3339 date-time, T and Z in either case, any number of fraction digits, from 1970 to 9999.
 * Rounded up to ms: what is due then must not come before. A leap second (:60) is taken as the
 * second after :59, at the end of a month only. */
NODISCARD enum status num_parse_rfc3339(struct slice text, int64_t *ret_epoch_ms);

/* HTTP's IMF-fixdate: "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7). Gives epoch seconds. */
NODISCARD enum status num_parse_http_date(struct slice text, int64_t *ret_epoch_s);

/* As "%" PRId64 does, without a NUL; returns how many bytes of out it took. */
#define NUM_DECIMAL_SIZE 20
size_t num_format_i64(int64_t value, char *out);

/* "2026-11-21T22:50:05.123Z"; out has NUM_RFC3339_SIZE bytes. Both formats show what is before 1970
 * or after 9999 as the nearest time within. */
#define NUM_RFC3339_SIZE 32
void num_format_rfc3339(int64_t epoch_ms, char *out);
/* "20261121T225005Z", as SigV4 writes it; out has NUM_AMZ_DATE_SIZE bytes. */
#define NUM_AMZ_DATE_SIZE 17
void num_format_amz_date(int64_t epoch_ms, char *out);

#endif
