/* The credentials provider under virtual time: stands in for the loop and for HTTP, so that a day
 * of refreshing takes a millisecond and nothing depends on the host. The Makefile links it to the
 * tests that include this header, and to no others. */
#ifndef TESTS_HARNESS_CREDENTIALS_WORLD_H
#define TESTS_HARNESS_CREDENTIALS_WORLD_H

#include "tests/harness/unit.h"

#include "common/aws_credentials.h"
#include "tests/harness/temp_dir.h"

#define START_MS   INT64_C(1700000000000)
#define TIMERS_MAX 4

struct loop_timer {
    struct loop *loop;
    int64_t at_ms;
    loop_fn *on_timer;
    void *ctx;
    bool used;
};

struct loop {
    struct now now;
    struct loop_timer timers[TIMERS_MAX];
};

struct http_request {
    struct http *http;
    http_done_fn *on_done;
    void *ctx;
    int64_t timeout_ms;
    char method[8];
    char url[512];
    char headers[2048]; /* "name: value\n" */
    char body[8192];
};

struct http {
    struct http_request *pending; /* the provider has one at a time */
    unsigned started;
    unsigned cancelled;
};

/* What aws_credentials_get said last. */
struct world_answer {
    unsigned count; /* callbacks */
    char id[160];   /* empty: no keys, but error */
    char secret[160];
    char token[256];
    int64_t expires_ms;
    struct error error;
};

struct world {
    struct loop loop;
    struct http http;
    struct aws_credentials *credentials;
    struct world_answer answer;
    struct temp_dir root; /* HOME */
};

/* A host without any credentials, and a HOME with an empty .aws. */
int world_set_up(void **state);
/* Fails the test if a timer, a request or a file is left. */
int world_tear_down(void **state);

/* A path below the root; static storage, for one use. */
const char *world_path(const struct world *w, const char *name);

void world_start(struct world *w); /* makes the provider */
void world_advance(struct world *w, int64_t ms);
void world_run_due(struct world *w);

/* Asks for credentials; the answer may come now or with what the test does next. */
void world_get(struct world *w);
/* For aws_credentials_get, with a struct world_answer. */
void world_on_answer(void *ctx, struct aws_identity *identity, const struct error *error);

/* The request under way; fails the test if there is none or another. */
struct http_request *world_expect_request(struct world *w, const char *method, const char *url);
void world_respond(struct world *w, int status, const char *body);
void world_respond_never(struct world *w, enum error_kind kind);
/* Starts, asks, and expects an error with that text, without any request. */
void world_expect_failure(struct world *w, const char *text);
/* Expects that the answers have been count and the last one an error with that text. */
void world_expect_error(const struct world *w, unsigned count, const char *text);

/* The JSON of container endpoint and IMDS: keys id, "s-<id>", "t-<id>". */
#define WORLD_KEYS_SIZE 512
void world_keys_json(char out[WORLD_KEYS_SIZE], const char *id, int64_t expires_ms);

/* A provider with a container endpoint, which needs one request a refresh. */
#define WORLD_CONTAINER_URL "http://127.0.0.1:1/keys"
void world_start_with_container(struct world *w);
/* Answers its request. */
void world_respond_keys(struct world *w, const char *id, int64_t life_ms);

#define CASE(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)

#endif
