/* The provider against recorded traffic of another program's default chain. */
#include "tests/harness/credentials_world.h"

#include <unistd.h>

#include "tests/harness/vectors.h"

#define CHAIN "credentials/aws-config/test-data/default-credential-provider-chain"

struct recording {
    char folder[1024];
    const cJSON *next; /* event of the traffic */
};

static cJSON *load_json(const struct recording *r, const char *name)
{
    char path[1200];
    snprintf(path, sizeof(path), "%s/%s", r->folder, name);
    return vectors_load_file(path);
}

/* Copies a file of the case, "/token.jwt" in it made a path under our root. */
static void copy_file(struct world *w, const struct recording *r, const char *from, const char *to)
{
    char path[1200];
    snprintf(path, sizeof(path), "%s/fs%s", r->folder, from);
    if (access(path, R_OK) != 0)
        return;
    CLEANUP(buf_release) struct buf text;
    CLEANUP(buf_release) struct buf changed;
    buf_init(&text, 64 * 1024);
    buf_init(&changed, 64 * 1024);
    read_whole_file(path, &text);
    const char *rest = buf_text(&text);
    for (const char *found; (found = strstr(rest, "/token.jwt")) != NULL; rest = found + 1) {
        buf_append(&changed, rest, (size_t)(found - rest));
        buf_printf(&changed, "%s/", w->root.path);
    }
    buf_append_str(&changed, rest);
    temp_dir_write(&w->root, to, buf_text(&changed));
}

static void set_environment(struct world *w, const cJSON *env)
{
    const cJSON *variable;
    cJSON_ArrayForEach(variable, env)
    {
        const char *value = variable->valuestring;
        if (strcmp(variable->string, "HOME") == 0)
            continue; /* the world made one */
        if (strcmp(value, "/token.jwt") == 0)
            value = world_path(w, "token.jwt");
        setenv(variable->string, value, 1);
    }
}

/* Moves to the next event of that kind. */
static const cJSON *next_action(struct recording *r, const char *kind)
{
    for (; r->next != NULL; r->next = r->next->next) {
        const cJSON *action = json_get_object(json_get_object(r->next, "action"), kind);
        if (action != NULL) {
            r->next = r->next->next;
            return action;
        }
    }
    return NULL;
}

static void play(struct world *w, struct recording *r)
{
    const cJSON *request = json_get_object(next_action(r, "Request"), "request");
    if (request == NULL)
        fail_msg("%s: a request that was not recorded: %s", r->folder, w->http.pending->url);
    struct slice uri = json_get_text(request, "uri");
    struct slice method = json_get_text(request, "method");
    if (!slice_equal_str(uri, w->http.pending->url) ||
        !slice_equal_str(method, w->http.pending->method))
        fail_msg("%s: %s %s, recorded was %.*s", r->folder, w->http.pending->method,
                 w->http.pending->url, SLICE_ARG(uri));
    const cJSON *ok =
        json_get_object(json_get_object(next_action(r, "Response"), "response"), "Ok");
    int64_t status = vectors_i64(ok, "status");
    const cJSON *data = NULL;
    if (status == 200 || status == 404 || status == 400)
        data = json_get_object(next_action(r, "Data"), "data");
    struct slice body = json_get_text(data, "Utf8");
    world_respond(w, (int)status, slice_is_null(body) ? "" : (const char *)body.ptr);
}

static void check_result(const struct world *w, const struct recording *r, const cJSON *result)
{
    const cJSON *ok = json_get_object(result, "Ok");
    if (ok == NULL) {
        if (w->answer.id[0] != '\0')
            fail_msg("%s: gave keys", r->folder);
        return;
    }
    struct slice token = json_get_text(ok, "session_token");
    if (!slice_equal_str(json_get_text(ok, "access_key_id"), w->answer.id))
        fail_msg("%s: \"%s\", %s", r->folder, w->answer.id, w->answer.error.text);
    assert_true(slice_equal_str(json_get_text(ok, "secret_access_key"), w->answer.secret));
    assert_true(slice_equal_str(token, w->answer.token));
    if (cJSON_HasObjectItem(ok, "expiry"))
        assert_true(w->answer.expires_ms == vectors_i64(ok, "expiry") * 1000);
}

static void run_case(const char *root, const char *name)
{
    struct world *w;
    void *state;
    assert_int_equal(world_set_up(&state), 0);
    w = state;
    struct recording r;
    snprintf(r.folder, sizeof(r.folder), "%s/%s", root, name);
    CLEANUP(json_freep) cJSON *env = load_json(&r, "env.json");
    CLEANUP(json_freep) cJSON *test = load_json(&r, "test-case.json");
    CLEANUP(json_freep) cJSON *traffic = load_json(&r, "http-traffic.json");
    r.next = json_get_array(traffic, "events")->child;
    set_environment(w, env);
    copy_file(w, &r, "/home/.aws/config", ".aws/config");
    copy_file(w, &r, "/home/.aws/credentials", ".aws/credentials");
    copy_file(w, &r, "/token.jwt", "token.jwt");
    const cJSON *result = json_get_object(test, "result");
    const cJSON *ok = json_get_object(result, "Ok");
    if (cJSON_HasObjectItem(ok, "expiry")) /* of years ago: go back to when it was to come */
        w->loop.now.wall.ms = (vectors_i64(ok, "expiry") - 3600) * 1000;
    world_start(w);
    world_get(w);
    for (int i = 0; i < 100 && w->answer.count == 0; i++) {
        if (w->http.pending != NULL && r.next == NULL)
            world_respond_never(w, ERROR_RETRY); /* nothing recorded: nobody there */
        else if (w->http.pending != NULL)
            play(w, &r);
        else
            world_advance(w, 1000);
    }
    assert_int_equal(w->answer.count, 1);
    check_result(w, &r, result);
    assert_int_equal(world_tear_down(&state), 0);
}

static void agrees_with_the_recorded_chain(void **state)
{
    (void)state;
    const char *folder = vectors_path(CHAIN);
    if (folder != NULL)
        assert_true(vectors_each_entry(folder, run_case) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_recorded_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
