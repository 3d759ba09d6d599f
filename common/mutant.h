/* Planted bugs, to test the tests: a build with -DMUTANT=n has the n-th one, every other has none.
 * Which promise each breaks stands in tests/sim/README.md; tests/sim/mutants shows that each is
 * found. */
#ifndef COMMON_MUTANT_H
#define COMMON_MUTANT_H

#ifndef MUTANT
#define MUTANT 0
#endif

#define MUTANT_IS(n) (MUTANT == (n))

#endif
