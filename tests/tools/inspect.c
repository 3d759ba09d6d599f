#include "tests/tools/inspect.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "common/compiler.h"

#define ANSWER_BYTES_MAX (128 * 1024)

const char inspect_help[] =
    "inspect: looks at what Delayline writes, and at what it would decide. Prints JSON.\n"
    "\n"
    "  inspect envelope < FILE\n"
    "      decodes an envelope: the base64 of an SQS body or of a table attribute, or the raw\n"
    "      bytes.\n"
    "  inspect delay --until V | --for V [--timestamp MS] [--now MS] [--target TOPIC]\n"
    "                [--horizon DURATION] [--max DURATION] [--lead DURATION]\n"
    "      the due time and path of a record with these headers, or the rejection code (exit 1).\n"
    "      The timestamp is now if it is not given. delay_seconds is null on the long path.\n"
    "  inspect endpoint --service sqs|dynamodb|sts --region R [--fips] [--dualstack]\n"
    "                   [--endpoint URL]\n"
    "      URL and signing region, or why there is none (exit 1).\n"
    "  inspect sign < FILE\n"
    "      signs requests, one JSON object a line, and prints the Authorization of each.\n"
    "  inspect msk-iam < FILE\n"
    "      tokens for MSK IAM: of region, timestamp, access_key_id, secret_access_key and\n"
    "      session_token, one JSON object a line.\n"
    "\n"
    "Exit codes: 0 fine, 1 refused, 64 wrong usage, 65 bad input, 74 no output.\n";

bool inspect_read_input(struct buf *out)
{
    uint8_t chunk[4096];
    size_t got;
    while ((got = fread(chunk, 1, sizeof(chunk), stdin)) > 0)
        buf_append(out, chunk, got);
    return !ferror(stdin) && !out->overflow;
}

void inspect_print(const struct buf *out)
{
    fwrite(buf_text(out), 1, out->len, stdout);
    putchar('\n');
    fflush(stdout); /* whoever feeds it line by line waits for this one */
}

int inspect_each_line(int argc, char **argv, inspect_line_fn *answer)
{
    if (argc > 1)
        return inspect_usage_error("%s takes no arguments; it reads standard input", argv[0]);
    char *line = NULL;
    size_t capacity = 0;
    unsigned long number = 0;
    int code = 0;
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, ANSWER_BYTES_MAX);
    for (ssize_t len; code == 0 && (len = getline(&line, &capacity, stdin)) >= 0;) {
        number++;
        while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
            len--;
        if (len == 0)
            continue;
        buf_clear(&out);
        const char *problem = len > INSPECT_LINE_BYTES_MAX
                                  ? "longer than 64 MiB"
                                  : answer(slice_from(line, (size_t)len), &out);
        if (problem == NULL) {
            inspect_print(&out);
        } else {
            fprintf(stderr, "inspect: line %lu: %s\n", number, problem);
            code = INSPECT_BAD_INPUT;
        }
    }
    if (ferror(stdin)) {
        fprintf(stderr, "inspect: standard input cannot be read\n");
        code = INSPECT_BAD_INPUT;
    }
    free(line);
    return code;
}

int inspect_usage_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("inspect: ", stderr);
    vfprintf(stderr, format, args);
    fputs("\nTry inspect --help.\n", stderr);
    va_end(args);
    return INSPECT_USAGE;
}

static int run(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = {
        {"envelope", inspect_envelope}, {"delay", inspect_delay},       {"sign", inspect_sign},
        {"msk-iam", inspect_msk_iam},   {"endpoint", inspect_endpoint},
    };
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(inspect_help, stdout);
            return 0;
        }
    }
    if (argc < 2)
        return inspect_usage_error("no subcommand");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    }
    return inspect_usage_error("unknown subcommand %s", argv[1]);
}

int main(int argc, char **argv)
{
    int code = run(argc, argv);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    fprintf(stderr, "inspect: standard output cannot be written\n");
    return INSPECT_NO_OUTPUT;
}
