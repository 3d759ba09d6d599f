/* Named places at which tests end or stop the process, as kill -9 and SIGSTOP would. Nothing at all
 * in builds without -DKILL_POINTS (VARIANT=chaos has it).
 *
 * The environment's KILL_POINT=NAME[:N[:stop]] chooses one: the N-th time (the first) that it is
 * passed, the process gets SIGKILL, or SIGSTOP. `tests/chaos` knows all names by their place in the
 * source. */
#ifndef COMMON_KILL_POINT_H
#define COMMON_KILL_POINT_H

void kill_point_pass(const char *name); /* defined where KILL_POINTS is */

#ifdef KILL_POINTS
#define KILL_POINT(name) kill_point_pass(name)
#else
#define KILL_POINT(name) ((void)0)
#endif

#endif
