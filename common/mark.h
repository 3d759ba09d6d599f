/* Marks at the rare branches: in a build with -DMARKS each tells that it was reached, and
 * tests/sim/marks shows that a campaign reaches all of them. Elsewhere they are nothing. */
#ifndef COMMON_MARK_H
#define COMMON_MARK_H

#ifdef MARKS
void mark_reached(const char *name); /* the simulator's */
#define MARK(name) mark_reached(name)
#else
#define MARK(name) ((void)0)
#endif

#endif
