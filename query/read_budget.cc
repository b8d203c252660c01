#include "query/read_budget.h"

#include "base/check.h"

namespace worldline::query {

ReadBudget::ReadBudget(size_t bytes_max, Interrupt* interrupt)
    : bytes_max_(bytes_max), interrupt_(interrupt) {
  WL_CHECK(bytes_max <= kAnswerBytesMax);
}

bool ReadBudget::look_at(uint64_t rows) {
  if (spent()) return false;
  rows_ += rows;
  if (rows_ > kRowsVisitedMax) {
    status_ = Status::too_large("the query looks at more than {} rows", kRowsVisitedMax);
  } else if (interrupt_ != nullptr) {
    status_ = interrupt_->check();
  }
  return !spent();
}

Status ReadBudget::add_bytes(size_t bytes) {
  if (spent()) return status_;
  if (bytes > bytes_max_ - bytes_)
    status_ = Status::too_large("the answer is larger than {} bytes", bytes_max_);
  else
    bytes_ += bytes;
  return status_;
}

}  // namespace worldline::query
