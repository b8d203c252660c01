// query/read_budget.h
//
// ReadBudget is what one request may cost: rows looked at, bytes built, and whether the work should
// go on at all. One budget serves all queries of a request, so their sum is what is limited.
//
// Invariants: once a limit is reached or the interrupt has spoken, the budget stays spent and
// status() says why. The interrupt is asked about every kRowsPerCheck rows.
// Ownership: one request; borrows the interrupt. Thread: one.
// Units: rows, bytes of BSATN. Errors: kTooLarge beyond a limit; what the interrupt returns.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/status.h"

namespace worldline::query {

// What one request may cost, cross products included: some ten seconds of work.
inline constexpr uint64_t kRowsVisitedMax = 200'000'000;
// Rows of one answer as BSATN; what fits the u32 lengths of the protocol with room to spare.
inline constexpr size_t kAnswerBytesMax = size_t{1} << 30;
// Some ten microseconds of work; with the widest predicate (1,601 operators) some milliseconds.
inline constexpr uint64_t kRowsPerCheck = 1024;

// Whether work should go on: this room reads no clock and knows no clients.
class Interrupt {
 public:
  virtual ~Interrupt() = default;
  virtual Status check() = 0;  // Not OK: stop, and this is why.
};

class ReadBudget {
 public:
  ReadBudget() = default;  // The limits above, and nobody to ask.
  // REQUIRES: bytes_max <= kAnswerBytesMax; the interrupt outlives this or is null.
  ReadBudget(size_t bytes_max, Interrupt* interrupt);

  // Charges rows looked at; false: stop.
  bool look_at(uint64_t rows);
  // Charges bytes of an answer.
  Status add_bytes(size_t bytes);

  bool spent() const { return !status_.ok(); }
  const Status& status() const { return status_; }

 private:
  size_t bytes_max_ = kAnswerBytesMax;  // Constant after construction, as the next one.
  Interrupt* interrupt_ = nullptr;      // Borrowed; outlives this.
  uint64_t rows_ = 0;
  size_t bytes_ = 0;
  Status status_;
};

}  // namespace worldline::query
