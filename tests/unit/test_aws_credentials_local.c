#include "tests/harness/credentials_world.h"

#include <sys/stat.h>

#include "common/aws_credentials_source.h"

static void environment_comes_first(void **state)
{
    struct world *w = *state;
    setenv("AWS_ACCESS_KEY_ID", " AKID\n", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    setenv("AWS_SESSION_TOKEN", "token", 1);
    setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/never", 1);
    temp_dir_write(&w->root, ".aws/config", "= broken\n");
    world_start(w);
    assert_string_equal(aws_credentials_source(w->credentials), "none");
    struct aws_identity *identity = aws_credentials_peek(w->credentials);
    assert_non_null(identity);
    assert_string_equal(identity->access_key_id, "AKID");
    world_get(w);
    assert_int_equal(w->answer.count, 1);
    assert_string_equal(w->answer.secret, "secret");
    assert_string_equal(w->answer.token, "token");
    assert_true(w->answer.expires_ms == TIME_NEVER);
    assert_string_equal(aws_credentials_source(w->credentials), "environment");
}

static void half_a_pair_is_a_mistake(void **state)
{
    struct world *w = *state;
    setenv("AWS_ACCESS_KEY_ID", "AKID", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "  ", 1);
    world_expect_failure(w, "AWS_SECRET_ACCESS_KEY is not");
}

static void keys_that_would_break_a_header_are_refused(void **state)
{
    struct world *w = *state;
    setenv("AWS_ACCESS_KEY_ID", "AKID\r\nX-Evil: 1", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    world_expect_failure(w, "characters");
}

static void keys_that_have_expired_are_an_error(void **state)
{
    struct world *w = *state;
    setenv("AWS_ACCESS_KEY_ID", "AKID", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    setenv("AWS_CREDENTIAL_EXPIRATION", "2020-01-01T00:00:00Z", 1);
    world_expect_failure(w, "expired");
}

static void a_profile_gives_static_keys(void **state)
{
    struct world *w = *state;
    temp_dir_write(&w->root, ".aws/config",
                   "[profile ops]\nregion = eu-west-1\naws_access_key_id = OLD\n");
    temp_dir_write(&w->root, ".aws/credentials",
                   "[ops]\naws_access_key_id = AKOPS\naws_secret_access_key = ops#1\n");
    setenv("AWS_PROFILE", "ops", 1);
    world_start(w);
    world_get(w);
    assert_string_equal(w->answer.id, "AKOPS");
    assert_string_equal(w->answer.secret, "ops#1");
    assert_string_equal(aws_credentials_source(w->credentials), "profile");
}

static void a_profile_that_is_not_there_is_a_mistake(void **state)
{
    struct world *w = *state;
    setenv("AWS_PROFILE", "opz", 1);
    world_expect_failure(w, "opz");
}

static void a_broken_file_is_a_mistake_with_its_line(void **state)
{
    struct world *w = *state;
    temp_dir_write(&w->root, ".aws/config", "[default]\n= us-east-1\n");
    world_expect_failure(w, "line 2");
}

static void a_profile_we_cannot_follow_says_so(void **state)
{
    struct world *w = *state;
    temp_dir_write(&w->root, ".aws/config",
                   "[default]\nrole_arn = arn:aws:iam::1:role/r\n"
                   "source_profile = base\n");
    world_expect_failure(w, "role_arn, which is not supported");
}

static void a_file_that_was_named_must_be_readable(void **state)
{
    struct world *w = *state;
    setenv("AWS_SHARED_CREDENTIALS_FILE", w->root.path, 1); /* a folder */
    world_expect_failure(w, "AWS_SHARED_CREDENTIALS_FILE");
}

static void an_expiration_that_is_no_time_is_a_mistake(void **state)
{
    struct world *w = *state;
    setenv("AWS_ACCESS_KEY_ID", "AKID", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    setenv("AWS_CREDENTIAL_EXPIRATION", "tomorrow", 1);
    world_expect_failure(w, "AWS_CREDENTIAL_EXPIRATION");
}

static void half_a_pair_in_a_profile_is_a_mistake(void **state)
{
    struct world *w = *state;
    temp_dir_write(&w->root, ".aws/credentials", "[default]\naws_secret_access_key = s\n");
    world_expect_failure(w, "has aws_secret_access_key but no aws_access_key_id");
}

static void the_other_half_too(void **state)
{
    struct world *w = *state;
    temp_dir_write(&w->root, ".aws/credentials", "[default]\naws_access_key_id = AK\n");
    world_expect_failure(w, "has aws_access_key_id but no aws_secret_access_key");
}

/* A service's user often cannot read its HOME, and has none at times. */
static void files_in_their_usual_place_may_be_missing(void **state)
{
    struct world *w = *state;
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    unsetenv("HOME");
    world_expect_failure(w, "no AWS credentials");
}

static void dev_null_is_an_empty_file(void **state)
{
    struct world *w = *state;
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    temp_dir_write(&w->root, ".aws/config", "[default\n");
    temp_dir_write(&w->root, ".aws/credentials", "[default\n");
    setenv("AWS_CONFIG_FILE", "/dev/null", 1);
    setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null", 1);
    world_expect_failure(w, "no AWS credentials");
}

static void a_file_over_its_limit_is_a_mistake(void **state)
{
    struct world *w = *state;
    char *text = calloc(1, AWS_PROFILE_FILE_BYTES_MAX + 2);
    assert_non_null(text);
    memset(text, '\n', AWS_PROFILE_FILE_BYTES_MAX + 1);
    temp_dir_write(&w->root, "large", text);
    setenv("AWS_CONFIG_FILE", world_path(w, "large"), 1);
    world_expect_failure(w, "AWS_CONFIG_FILE names a file that cannot be read");
    free(text);
}

/* --- what the sources share ------------------------------------------------------------------ */

static void variables_are_trimmed_and_blank_is_unset(void **state)
{
    (void)state;
    setenv("AWS_X", " \t value \n", 1);
    assert_slice_equal(credentials_getenv("AWS_X"), "value");
    setenv("AWS_X", " \n", 1);
    assert_true(slice_is_null(credentials_getenv("AWS_X")));
    assert_true(slice_is_null(credentials_getenv("AWS_NOWHERE")));
    static const char *const yes[] = {"true", "True", " TRUE "};
    static const char *const no[] = {"", "1", "yes", "tru", "truee"};
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        setenv("AWS_X", yes[i], 1);
        assert_true(credentials_getenv_true("AWS_X"));
    }
    for (size_t i = 0; i < ARRAY_LEN(no); i++) {
        setenv("AWS_X", no[i], 1);
        assert_false(credentials_getenv_true("AWS_X"));
    }
}

static void the_nearest_region_wins(void **state)
{
    struct world *w = *state;
    struct aws_profiles profiles = {0};
    const struct aws_profile *profile = NULL;
    temp_dir_write(&w->root, ".aws/config", "[default]\nregion = of-profile\n");
    assert_status(credentials_load_profile(&profiles, &profile, NULL), STATUS_OK);
    assert_true(slice_is_null(credentials_region(NULL, NULL)));
    assert_slice_equal(credentials_region("", profile), "of-profile");
    setenv("AWS_DEFAULT_REGION", "of-default", 1);
    assert_slice_equal(credentials_region(NULL, profile), "of-default");
    setenv("AWS_REGION", "of-environment", 1);
    assert_slice_equal(credentials_region(NULL, profile), "of-environment");
    assert_slice_equal(credentials_region("of-argument", profile), "of-argument");
    aws_profiles_release(&profiles);
}

static void header_values_have_no_line_breaks(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        uint8_t value[] = {'a', (uint8_t)c, 'b'};
        assert_int_equal(credentials_header_value_valid(slice_from(value, 3)),
                         c >= ' ' && c <= '~');
    }
    assert_true(credentials_header_value_valid(SLICE_NULL));
}

static void home_takes_the_place_of_a_tilde(void **state)
{
    (void)state;
    char out[CREDENTIALS_PATH_SIZE];
    static const char *const cases[][2] = {
        {"~/.aws/config", "/home/me/.aws/config"},
        {"~", "~"},
        {"~you/x", "~you/x"},
        {"/a/~/b", "/a/~/b"},
        {"", ""},
        {"~/", "/home/me/"},
    };
    setenv("HOME", "/home/me", 1);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_status(credentials_copy_path(slice_from_str(cases[i][0]), out), STATUS_OK);
        assert_string_equal(out, cases[i][1]);
    }
    char path[CREDENTIALS_PATH_SIZE];
    memset(path, 'p', sizeof(path));
    path[0] = '~';
    path[1] = '/';
    assert_status(credentials_copy_path(slice_from(path, sizeof(path) - 7), out), STATUS_TOO_LARGE);
    assert_status(credentials_copy_path(slice_from(path, sizeof(path) - 8), out), STATUS_OK);
    assert_int_equal(strlen(out), CREDENTIALS_PATH_SIZE - 1);
}

static void only_small_regular_files_are_read(void **state)
{
    struct world *w = *state;
    temp_dir_write(&w->root, "four", "1234");
    temp_dir_write(&w->root, "none", "");
    assert_int_equal(mkfifo(world_path(w, "fifo"), 0600), 0); /* would block for ever */
    static const struct {
        const char *name;
        size_t max;
        enum status status;
        const char *text;
    } cases[] = {
        {"four", 4, STATUS_OK, "1234"},           {"four", 100, STATUS_OK, "1234"},
        {"four", 3, STATUS_TOO_LARGE, NULL},      {"none", 0, STATUS_OK, ""},
        {"fifo", 100, STATUS_IO, NULL},           {"", 100, STATUS_IO, NULL},
        {"nowhere", 100, STATUS_NOT_FOUND, NULL}, {"four/below", 100, STATUS_NOT_FOUND, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf text;
        buf_init(&text, 0);
        enum status status =
            credentials_read_file(world_path(w, cases[i].name), cases[i].max, &text);
        if (status != cases[i].status)
            fail_msg("%s: %s", cases[i].name, status_name(status));
        if (status == STATUS_OK)
            assert_slice_equal(buf_slice(&text), cases[i].text);
        secret_buf_release(&text);
        assert_int_equal(text.len, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(environment_comes_first),
        CASE(half_a_pair_is_a_mistake),
        CASE(keys_that_would_break_a_header_are_refused),
        CASE(keys_that_have_expired_are_an_error),
        CASE(a_profile_gives_static_keys),
        CASE(a_profile_that_is_not_there_is_a_mistake),
        CASE(a_broken_file_is_a_mistake_with_its_line),
        CASE(a_profile_we_cannot_follow_says_so),
        CASE(a_file_that_was_named_must_be_readable),
        CASE(an_expiration_that_is_no_time_is_a_mistake),
        CASE(half_a_pair_in_a_profile_is_a_mistake),
        CASE(the_other_half_too),
        CASE(files_in_their_usual_place_may_be_missing),
        CASE(dev_null_is_an_empty_file),
        CASE(a_file_over_its_limit_is_a_mistake),
        CASE(variables_are_trimmed_and_blank_is_unset),
        CASE(the_nearest_region_wins),
        CASE(header_values_have_no_line_breaks),
        CASE(home_takes_the_place_of_a_tilde),
        CASE(only_small_regular_files_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
