/* Variables that others have named and that we read all the same: AWS's, and librdkafka's
 * properties. --print-config shows those that are set, beside our own tables. */
#ifndef COMMON_CONFIG_FOREIGN_H
#define COMMON_CONFIG_FOREIGN_H

#include "common/buf.h"
#include "common/config.h"

/* NAME=value lines. Secrets are "***": keys and tokens of AWS, and whatever librdkafka's property
 * or its value looks like one. aws_settings_print has the AWS variables that are settings. */
void config_foreign_print(enum config_program program, struct buf *out);

#endif
