/* AWS on a loopback port: SQS, DynamoDB, STS and the credential endpoints of ECS, EKS and EC2,
 * served from tests/model by one libuv loop, with signatures checked and faults on command.
 *
 * The happy path is: a request comes, its signature holds, the model decides, the answer goes out
 * in the same turn; a long poll waits in a list until the very millisecond a message becomes
 * visible. The failure modes are those of the fault script.
 */
#ifndef TESTS_EMULATOR_EMULATOR_H
#define TESTS_EMULATOR_EMULATOR_H

#include <stdint.h>
#include <uv.h>

#include "common/buf.h"
#include "common/compiler.h"

#define EMULATOR_ACCOUNT "000000000000"

struct emulator;
struct kafka_mock;

struct emulator_options {
    int port; /* 0: any */
    const char *region;
    const char *access_key_id; /* the long-lived key */
    const char *secret_access_key;
    const char *container_token; /* what GET /credentials must carry in Authorization */
    int64_t session_seconds;     /* how long issued keys live */
    uint64_t seed;
    struct kafka_mock *kafka; /* for the control route; NULL: none. Not owned. */
};

/* NULL: the port cannot be had; *ret_error is libuv's code. */
struct emulator *emulator_new(uv_loop_t *loop, const struct emulator_options *options,
                              int *ret_error);
/* Closes everything; frees itself as the loop runs down. */
void emulator_close(struct emulator *emulator);
int emulator_port(const struct emulator *emulator);

/* Set-up without HTTP. False: *text says why. */
NODISCARD bool emulator_create_queue(struct emulator *emulator, const char *name,
                                     const char *const attributes[][2], size_t count,
                                     struct buf *text);
/* A table with keys pk (S) and sk (S), and TTL on the attribute "expires". */
NODISCARD bool emulator_create_table(struct emulator *emulator, const char *name, struct buf *text);

#endif
