/* The marks of common/mark.h that were reached, in a build with -DMARKS. */
#ifndef TESTS_SIM_MARKS_H
#define TESTS_SIM_MARKS_H

void mark_reached(const char *name);
/* "mark NAME", a line each. */
void marks_print(void);

#endif
