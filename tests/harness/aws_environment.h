/* What the host's environment says about AWS must not reach a test. */
#ifndef TESTS_HARNESS_AWS_ENVIRONMENT_H
#define TESTS_HARNESS_AWS_ENVIRONMENT_H

/* Unsets every variable whose name begins with AWS_. */
void aws_environment_clear(void);
/* The same, and static keys: AKIDEXAMPLE, "secret", "the-token". */
void aws_environment_set_keys(void);

#endif
