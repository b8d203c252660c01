// replication/mutants.h
//
// Bugs that other systems had, each at the place where this core would have it too: the proof that
// the tests would find them [S 08/6.4, 8]. A mutant changes one expression and names its source.
//
// In every build that is shipped WL_MUTANT is the constant false and nothing of them is left. The
// tests build the core once more with WL_MUTANTS and choose one at a time.
#pragma once

#ifdef WL_MUTANTS
namespace worldline::replication {
extern int active_mutant;  // 0 = none. Defined and set by the test.
}
#define WL_MUTANT(number) (::worldline::replication::active_mutant == (number))
#else
#define WL_MUTANT(number) false
#endif
