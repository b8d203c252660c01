// tests/simulation/linearizability.h
//
// Decides whether a history of reads, writes and compare-and-sets of registers could have happened
// one after another, each at a moment between its call and its return.
//
// Idea: the search of Wing and Gong with Lowe's memory of (set of operations done, value): at each
// step one of the calls that are open is tried next; what was tried before with the same set and
// value is not tried again. Registers are independent, so each is searched alone (Horn and
// Kroening's partition, as in Porcupine).
//
// An operation whose outcome is unknown has no return: it may take effect at any time later, or
// never. Written values are unique, so one whose value nobody saw (nor needed) can be left out, and
// one that was seen took effect before the first of those who saw it returned: both lose nothing
// and keep the number of open calls small.
//
// Ownership: pure functions. Units: times are any increasing numbers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace worldline::simulation {

inline constexpr uint64_t kNotReturned = UINT64_MAX;  // `returned` of an unknown outcome.

struct RegisterOp {
  enum class Kind : uint8_t { kRead, kWrite, kCompareAndSet } kind = Kind::kRead;
  uint32_t key = 0;
  uint64_t called = 0;
  uint64_t returned = kNotReturned;
  uint64_t value = 0;     // Written; not 0, which every register holds at first. Unique.
  uint64_t expected = 0;  // kCompareAndSet.
  uint64_t seen = 0;      // By a read, or by a compare-and-set before it wrote. Open: meaningless.
  uint64_t id = 0;        // For the report.
};

enum class Verdict : uint8_t { kLinearizable, kViolation, kBudgetSpent };
struct HistoryVerdict {
  Verdict verdict = Verdict::kLinearizable;
  std::string text;    // Of a violation: the register and the operations around the dead end.
  uint64_t steps = 0;  // Of the search, over all registers.
};

// Gives up on a register after `steps_max` steps. REQUIRES: returned > called; values unique.
HistoryVerdict check_registers(std::vector<RegisterOp> history, uint64_t steps_max);

std::string print_op(const RegisterOp& op);

}  // namespace worldline::simulation
