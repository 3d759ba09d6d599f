#include "tests/harness/unit.h"

#include "common/aws_credentials_source.h"
#include "common/mem.h"
#include "common/timeval.h"

static struct slice filled(char *bytes, size_t len, char c)
{
    memset(bytes, c, len);
    return slice_from(bytes, len);
}

static void the_last_reference_ends_it(void **state)
{
    (void)state;
    struct aws_identity *identity =
        aws_identity_new(SLICE_LITERAL("AKID"), SLICE_LITERAL("s"), SLICE_NULL, TIME_NEVER, NULL);
    assert_non_null(identity);
    assert_int_equal(identity->refs, 1);
    assert_ptr_equal(aws_identity_ref(identity), identity);
    aws_identity_unref(identity);
    assert_string_equal(identity->access_key_id, "AKID");
    assert_int_equal(identity->session_token.len, 0);
    assert_int_equal(identity->expires_ms, TIME_NEVER);
    aws_identity_unref(identity);
    aws_identity_unref(NULL);
}

static void a_copy_is_kept(void **state)
{
    (void)state;
    char id[] = "AKID";
    char secret[] = "secret";
    char token[] = "token";
    struct aws_identity *identity = aws_identity_new(slice_from_str(id), slice_from_str(secret),
                                                     slice_from_str(token), 17, NULL);
    memset(id, '?', strlen(id));
    memset(secret, '?', strlen(secret));
    memset(token, '?', strlen(token));
    assert_string_equal(identity->access_key_id, "AKID");
    assert_slice_equal(secret_reveal(&identity->secret_access_key), "secret");
    assert_slice_equal(secret_reveal(&identity->session_token), "token");
    assert_int_equal(identity->expires_ms, 17);
    aws_identity_unref(identity);
}

/* The id and the token become header values; the secret becomes nothing but a key. */
static void what_no_key_has_is_refused(void **state)
{
    (void)state;
    const struct slice good = SLICE_LITERAL("good");
    const struct {
        struct slice id;
        struct slice secret;
        struct slice token;
        bool fine;
    } cases[] = {
        {good, good, SLICE_NULL, true},
        {good, good, SLICE_LITERAL(""), true},
        {SLICE_LITERAL("!~"), good, SLICE_LITERAL("!~"), true},
        {good, SLICE_LITERAL(" \n\x80"), SLICE_NULL, true},
        {SLICE_NULL, good, SLICE_NULL, false},
        {SLICE_LITERAL(""), good, SLICE_NULL, false},
        {SLICE_LITERAL("a b"), good, SLICE_NULL, false},
        {SLICE_LITERAL("a\nb"), good, SLICE_NULL, false},
        {SLICE_LITERAL("a\0b"), good, SLICE_NULL, false},
        {SLICE_LITERAL("a\x7f"), good, SLICE_NULL, false},
        {SLICE_LITERAL("\xc3\xa9"), good, SLICE_NULL, false},
        {good, SLICE_NULL, SLICE_NULL, false},
        {good, SLICE_LITERAL(""), SLICE_NULL, false},
        {good, good, SLICE_LITERAL("a\r\nX: 1"), false},
        {good, good, SLICE_LITERAL("\t"), false},
        {good, good, SLICE_LITERAL("\xff"), false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error error = {.kind = ERROR_NONE};
        struct aws_identity *identity =
            aws_identity_new(cases[i].id, cases[i].secret, cases[i].token, 0, &error);
        if ((identity != NULL) != cases[i].fine)
            fail_msg("case %zu was %s", i, identity == NULL ? "refused" : "taken");
        assert_int_equal(error.kind, cases[i].fine ? ERROR_NONE : ERROR_AUTH);
        aws_identity_unref(identity);
    }
    assert_null(aws_identity_new(good, SLICE_NULL, SLICE_NULL, 0, NULL)); /* nobody asks why */
}

static void lengths_are_bounded(void **state)
{
    (void)state;
    const size_t id_max = sizeof(((struct aws_identity *)NULL)->access_key_id) - 1;
    char *bytes = mem_alloc(CREDENTIALS_TOKEN_BYTES_MAX + 1);
    for (size_t over = 0; over <= 1; over++) {
        const struct slice good = SLICE_LITERAL("good");
        struct aws_identity *made[3];
        made[0] = aws_identity_new(filled(bytes, id_max + over, 'a'), good, good, 0, NULL);
        made[1] = aws_identity_new(good, filled(bytes, CREDENTIALS_SECRET_BYTES_MAX + over, 's'),
                                   good, 0, NULL);
        made[2] = aws_identity_new(good, good,
                                   filled(bytes, CREDENTIALS_TOKEN_BYTES_MAX + over, 't'), 0, NULL);
        for (size_t i = 0; i < ARRAY_LEN(made); i++) {
            assert_int_equal(made[i] != NULL, over == 0);
            aws_identity_unref(made[i]);
        }
    }
    mem_free(bytes);
}

static void ref_a_dead_one(void *identity)
{
    struct aws_identity *dead = identity;
    dead->refs = 0;
    aws_identity_ref(dead);
}

static void nothing_is_raised_from_the_dead(void **state)
{
    (void)state;
    struct aws_identity *identity =
        aws_identity_new(SLICE_LITERAL("AKID"), SLICE_LITERAL("s"), SLICE_NULL, 0, NULL);
    expect_abort(ref_a_dead_one, identity);
    aws_identity_unref(identity);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_reference_ends_it),      cmocka_unit_test(a_copy_is_kept),
        cmocka_unit_test(what_no_key_has_is_refused),      cmocka_unit_test(lengths_are_bounded),
        cmocka_unit_test(nothing_is_raised_from_the_dead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
