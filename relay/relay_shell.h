/* The relay around its core: SQS on one side, Kafka on the other, DynamoDB for large records. */
#ifndef RELAY_SHELL_H
#define RELAY_SHELL_H

#include "common/program.h"

/* tables: settings_table and relay_config_table, borrowed. */
struct program_ops relay_shell_ops(const struct config_table *tables, size_t table_count);

#endif
