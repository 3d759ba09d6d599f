/* The router around its core: Kafka consumer and producer, SQS, DynamoDB. */
#ifndef ROUTER_ROUTER_SHELL_H
#define ROUTER_ROUTER_SHELL_H

#include "common/program.h"

/* tables: settings.h's and router_config.h's; borrowed. */
struct program_ops router_shell_ops(const struct config_table *tables, size_t table_count);

#endif
