/* The table of cases, run on the emulator in this process and on the servers that are given. What
 * the emulator answers must be what AWS documents; what others answer must be what the emulator
 * does, or a deviation that is listed. Ends with "differential: N passed, N failed". */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "tests/differential/compare.h"
#include "tests/differential/deviations.h"
#include "tests/differential/run.h"
#include "tests/emulator/emulator.h"

#define SERVERS_MAX      8
#define ERRORS_BYTES_MAX 65536
#define EXIT_USAGE       64

static const char usage[] =
    "usage: differential [options]\n"
    "  --cases DIR              the table (default tests/differential/cases)\n"
    "  --deviations FILE        the list (default tests/differential/deviations.json)\n"
    "  --sqs NAME=URL           a server of SQS, NAME as in the list; may be repeated\n"
    "  --dynamodb NAME=URL      the same of DynamoDB\n"
    "  --only TEXT              only cases with TEXT in their names\n"
    "  --show                   print every answer of the emulator\n"
    "  --propose                print what is not listed as lines for the list\n";

struct server {
    enum diff_service service;
    char name[64];
    const char *url;
};

struct options {
    const char *cases;
    const char *deviations;
    const char *only;
    bool show;
    bool propose;
    struct server servers[SERVERS_MAX];
    size_t server_count;
};

struct differential {
    struct options options;
    struct loop *loop;
    struct cases cases;
    struct deviations deviations;
    cJSON *right[2]; /* by service: what the emulator answered */
    struct buf errors;
    unsigned passed;
    unsigned failed;
};

/* What a comparison reports to. */
struct judgement {
    struct differential *d;
    const char *server;
    const char *name;
    char step[CASES_STEP_NAME_SIZE];
    bool failed;
};

static void finish_case(struct judgement *j)
{
    if (j->failed)
        j->d->failed++;
    else
        j->d->passed++;
}

/* --- the emulator ---------------------------------------------------------------------------- */

static void on_undocumented(void *ctx, const char *field, const cJSON *right, const cJSON *answers)
{
    struct judgement *j = ctx;
    char *right_text = compare_show(right);
    char *answers_text = compare_show(answers);
    printf("emulator: %s, %s: %s is %s, documented is %s\n", j->name, j->step, field, answers_text,
           right_text);
    cJSON_free(right_text);
    cJSON_free(answers_text);
    j->failed = true;
}

static void show_answer(const struct judgement *j, const cJSON *answer)
{
    char *text = cJSON_PrintUnformatted(answer);
    printf("%s, %s: %s\n", j->name, j->step, text);
    cJSON_free(text);
}

static void judge_emulator(struct differential *d, const struct diff_case *what,
                           const cJSON *answers)
{
    struct judgement j = {.d = d, .server = "emulator", .name = what->name};
    for (size_t i = 0; i < what->step_count; i++) {
        const cJSON *step = cJSON_GetArrayItem(what->steps, (int)i);
        const cJSON *expected = cJSON_GetObjectItemCaseSensitive(step, "expect");
        const cJSON *answer = cJSON_GetArrayItem(answers, (int)i);
        cases_step_name(step, i, j.step);
        if (d->options.show)
            show_answer(&j, answer);
        if (expected != NULL)
            compare_expected(expected, answer, on_undocumented, &j);
    }
    finish_case(&j);
}

static bool run_emulator(struct differential *d)
{
    int code;
    char url[64];
    struct emulator *emulator =
        emulator_new(loop_uv(d->loop),
                     &(struct emulator_options){.region = TARGET_REGION,
                                                .access_key_id = TARGET_ACCESS_KEY_ID,
                                                .secret_access_key = TARGET_SECRET_KEY,
                                                .container_token = "unused",
                                                .session_seconds = 3600,
                                                .seed = 1},
                     &code);
    if (emulator == NULL) {
        buf_printf(&d->errors, "the emulator finds no port: %s\n", uv_strerror(code));
        return false;
    }
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", emulator_port(emulator));
    bool fine = true;
    for (int service = DIFF_SQS; service <= DIFF_DYNAMODB && fine; service++) {
        struct run_spec spec = {d->loop, &d->cases, (enum diff_service)service, url,
                                d->options.only};
        d->right[service] = run_cases(&spec, &d->errors);
        fine = d->right[service] != NULL;
    }
    emulator_close(emulator);
    for (size_t i = 0; i < d->cases.count && fine; i++) {
        const struct diff_case *what = &d->cases.list[i];
        const cJSON *answers = json_get_array(d->right[what->service], what->name);
        if (answers != NULL)
            judge_emulator(d, what, answers);
    }
    return fine;
}

/* --- the others ------------------------------------------------------------------------------ */

static void on_difference(void *ctx, const char *field, const cJSON *right, const cJSON *answers)
{
    struct judgement *j = ctx;
    if (deviations_take(&j->d->deviations, j->server, j->name, j->step, field, right, answers))
        return;
    char *right_text = compare_show(right);
    char *answers_text = compare_show(answers);
    if (j->d->options.propose)
        printf(
            "{\"case\": \"%s\", \"step\": \"%s\", \"field\": \"%s\", \"right\": %s, \"answers\": "
            "%s, \"why\": \"\"},\n",
            j->name, j->step, field, right_text, answers_text);
    else
        printf("%s: %s, %s: %s is %s, right is %s, and that is no known deviation\n", j->server,
               j->name, j->step, field, answers_text, right_text);
    cJSON_free(right_text);
    cJSON_free(answers_text);
    j->failed = true;
}

static void on_unseen(void *ctx, const char *step, const char *field)
{
    struct judgement *j = ctx;
    printf("%s: %s, %s: %s does not deviate as deviations.json says\n", j->server, j->name, step,
           field);
    j->failed = true;
}

static void on_foreign(void *ctx, const char *name, const char *field)
{
    struct judgement *j = ctx;
    printf("%s: deviations.json lists %s (%s), which is no case or happens in none\n", j->server,
           name, field);
    j->failed = true;
}

static void judge_server(struct differential *d, const struct server *server,
                         const cJSON *transcript)
{
    for (size_t i = 0; i < d->cases.count; i++) {
        const struct diff_case *what = &d->cases.list[i];
        const cJSON *answers = json_get_array(transcript, what->name);
        const cJSON *right = json_get_array(d->right[server->service], what->name);
        if (what->service != server->service || answers == NULL)
            continue;
        struct judgement j = {.d = d, .server = server->name, .name = what->name};
        for (size_t k = 0; k < what->step_count; k++) {
            cases_step_name(cJSON_GetArrayItem(what->steps, (int)k), k, j.step);
            compare_answers(cJSON_GetArrayItem(right, (int)k), cJSON_GetArrayItem(answers, (int)k),
                            on_difference, &j);
        }
        deviations_unseen(&d->deviations, server->name, what->name, on_unseen, &j);
        finish_case(&j);
    }
    struct judgement j = {.d = d, .server = server->name};
    if (d->options.only == NULL)
        deviations_foreign(&d->deviations, server->name, transcript, on_foreign, &j);
    d->failed += j.failed;
}

static void run_server(struct differential *d, const struct server *server)
{
    const char *version = deviations_version(&d->deviations, server->name);
    int64_t begin_ms = loop_now_fresh(d->loop).mono.ms;
    if (version == NULL) {
        printf("%s is not in deviations.json\n", server->name);
        d->failed++;
        return;
    }
    struct run_spec spec = {d->loop, &d->cases, server->service, server->url, d->options.only};
    cJSON *transcript = run_cases(&spec, &d->errors);
    if (transcript == NULL) {
        d->failed++;
        printf("%s: the run failed: %s", server->name, buf_text(&d->errors));
        buf_clear(&d->errors);
        return;
    }
    judge_server(d, server, transcript);
    printf("%s %s: %d cases in %.1f s\n", server->name, version, cJSON_GetArraySize(transcript),
           (double)(loop_now_fresh(d->loop).mono.ms - begin_ms) / 1000);
    cJSON_Delete(transcript);
}

/* --- options --------------------------------------------------------------------------------- */

static bool add_server(struct options *options, enum diff_service service, const char *text)
{
    const char *equals = strchr(text, '=');
    struct server *server = &options->servers[options->server_count];
    if (equals == NULL || options->server_count == SERVERS_MAX ||
        (size_t)(equals - text) >= sizeof(server->name))
        return false;
    server->service = service;
    snprintf(server->name, sizeof(server->name), "%.*s", (int)(equals - text), text);
    server->url = equals + 1;
    options->server_count++;
    return true;
}

static bool parse_options(int argc, char **argv, struct options *ret)
{
    static const struct option names[] = {
        {"cases", required_argument, NULL, 'c'}, {"deviations", required_argument, NULL, 'd'},
        {"sqs", required_argument, NULL, 'q'},   {"dynamodb", required_argument, NULL, 't'},
        {"only", required_argument, NULL, 'o'},  {"show", no_argument, NULL, 's'},
        {"propose", no_argument, NULL, 'p'},     {NULL, 0, NULL, 0}};
    *ret = (struct options){.cases = "tests/differential/cases",
                            .deviations = "tests/differential/deviations.json"};
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (option == 'c')
            ret->cases = optarg;
        else if (option == 'd')
            ret->deviations = optarg;
        else if (option == 'o')
            ret->only = optarg;
        else if (option == 's')
            ret->show = true;
        else if (option == 'p')
            ret->propose = true;
        else if ((option != 'q' && option != 't') ||
                 !add_server(ret, option == 'q' ? DIFF_SQS : DIFF_DYNAMODB, optarg))
            return false;
    }
    return optind == argc;
}

static int run_all(struct differential *d)
{
    if (!cases_load(d->options.cases, &d->cases, &d->errors) ||
        !deviations_load(d->options.deviations, &d->deviations, &d->errors) || !run_emulator(d)) {
        printf("%s", buf_text(&d->errors));
        d->failed++;
    } else {
        printf("emulator: %u of %u cases answer as AWS documents\n", d->passed,
               d->passed + d->failed);
        for (size_t i = 0; i < d->options.server_count; i++)
            run_server(d, &d->options.servers[i]);
    }
    printf("differential: %u passed, %u failed\n", d->passed, d->failed);
    return d->failed == 0 && d->passed > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    struct differential d = {.passed = 0};
    if (!parse_options(argc, argv, &d.options)) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    setenv("AWS_ACCESS_KEY_ID", TARGET_ACCESS_KEY_ID, 1);
    setenv("AWS_SECRET_ACCESS_KEY", TARGET_SECRET_KEY, 1);
    unsetenv("AWS_SESSION_TOKEN");
    buf_init(&d.errors, ERRORS_BYTES_MAX);
    d.loop = loop_new();
    int code = run_all(&d);
    cJSON_Delete(d.right[DIFF_SQS]);
    cJSON_Delete(d.right[DIFF_DYNAMODB]);
    deviations_release(&d.deviations);
    cases_release(&d.cases);
    buf_release(&d.errors);
    if (loop_free(d.loop) != STATUS_OK) {
        fputs("differential: a handle was left open\n", stderr);
        code = EXIT_FAILURE;
    }
    return code;
}
