/* scheduler_shell: turns completions of SQS and DynamoDB into events of the core, and its effects
 * into calls. It alone knows both sides; it decides nothing.
 *
 * The happy path is: check, the table is set up (meta, cursors), the core's first step; from then
 * on each completion and each deadline is a step; stop; idle. The failure modes are those of the
 * calls: each ends done, failed or unknown, and the core is told which.
 */
#ifndef SCHEDULER_SHELL_H
#define SCHEDULER_SHELL_H

#include "common/program.h"

/* All but schema.tables: settings_table and scheduler_config_table, in one array. */
extern const struct program_ops scheduler_program;

#endif
