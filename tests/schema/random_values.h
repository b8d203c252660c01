// tests/schema/random_values.h
//
// Random types and values for property tests. The seed of a run is printed and can be given with
// the environment variable WL_TEST_SEED.
#pragma once

#include <cstdint>

#include "base/prng.h"
#include "schema/algebraic_type.h"
#include "schema/algebraic_value.h"

namespace worldline::schema {

uint64_t test_seed();  // Prints it.

// A resolved type, at most `depth` compound levels deep. Never empty sums: they have no values.
AlgebraicType random_type(Prng& prng, int depth);
AlgebraicValue random_value(Prng& prng, const AlgebraicType& type);

}  // namespace worldline::schema
