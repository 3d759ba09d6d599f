/* An aws_client with its scripted server, which remembers what it saw, and may be the container
 * endpoint of credentials too. */
#ifndef TESTS_HARNESS_CLIENT_RIG_H
#define TESTS_HARNESS_CLIENT_RIG_H

#include "tests/harness/aws_rig.h"

#define CLIENT_SEEN_MAX 8 /* requests that are remembered */

/* What the server saw of a request, as far as cases ask. */
struct client_seen {
    unsigned connection;
    char target[64];
    char date[32];
    char authorization[512];
    char token[64];
    char attempt[48];
    char invocation[48];
    char query_mode[8];
    char body[128];
};

struct client_rig {
    struct aws_rig rig;
    struct aws_client *client;
    struct client_seen seen[CLIENT_SEEN_MAX];
    int keys_status; /* of the container endpoint; 0: it never answers */
    unsigned keys_asked;

    unsigned done;
    unsigned wanted;
    unsigned released;
    struct error error;
    bool has_json;
    char text[64]; /* member "a" of the answer */
    size_t body_bytes;
};

void client_rig_init(struct client_rig *f, enum endpoint_service service,
                     const struct aws_play *plays, size_t play_count);
void client_rig_release(struct client_rig *f); /* cancels what is under way */
/* In place of the one there is: after a change of rig.settings. */
void client_rig_new_client(struct client_rig *f, enum endpoint_service service);

/* Credentials come from our server, with that status; 0: never. Before the first call. */
void client_rig_use_container(struct client_rig *f, int status);

/* Starts a call: operation "Do", a small body and five seconds unless it says otherwise. */
struct aws_request *client_rig_start(struct client_rig *f, struct aws_call call);
/* Starts it and runs the loop until it is done. */
void client_rig_run(struct client_rig *f, struct aws_call call);
aws_done_fn client_rig_on_done;
void client_rig_on_release(void *ctx);

/* Of the only operation so far. */
const struct aws_operation_stats *client_rig_stats(const struct client_rig *f);

#define PLAY_OK(text)                                                                              \
    {                                                                                              \
        .status = 200, .body = "{\"a\":\"" text "\"}"                                              \
    }
#define CLIENT_RIG_PLAYS(f, service, ...)                                                          \
    static const struct aws_play plays_[] = {__VA_ARGS__};                                         \
    client_rig_init((f), (service), plays_, ARRAY_LEN(plays_))

#endif
