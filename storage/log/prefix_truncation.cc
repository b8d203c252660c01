#include "storage/log/prefix_truncation.h"

#include <algorithm>

#include "base/check.h"

namespace worldline::storage {

PrefixTruncation::PrefixTruncation(const TruncationPolicy& policy, const LogExtent& log)
    : policy_(policy), first_(log.first), allowed_(log.first), end_{log.last, log.bytes} {
  WL_CHECK(log.first.value > 0);
  WL_CHECK(log.first <= log.last.next());
  marks_.push_back({LogIndex{log.first.value - 1}, 0});
  marks_.push_back(end_);
}

void PrefixTruncation::on_appended(LogIndex last, size_t bytes) {
  WL_CHECK(last >= end_.last);
  end_ = {last, end_.total_bytes + bytes};
  const Mark& newest = marks_.back();
  if (end_.total_bytes - newest.total_bytes >= policy_.bytes_min / 16 ||
      end_.last.value - newest.last.value >= policy_.entries_min)
    marks_.push_back(end_);
}

void PrefixTruncation::on_truncated_suffix(LogIndex last) {
  WL_CHECK(last.next() >= first_);
  if (last >= end_.last) return;
  // The new end lies within a mark's interval: counting the interval as gone is good enough.
  allowed_ = std::min(allowed_, last.next());
  while (marks_.size() > 1 && marks_.back().last > last) marks_.pop_back();
  end_ = {last, marks_.back().total_bytes};
}

void PrefixTruncation::on_replaced(LogIndex last) {
  WL_CHECK(last.next() >= first_);
  first_ = last.next();
  allowed_ = first_;
  end_ = {last, 0};
  marks_.assign(1, end_);
}

void PrefixTruncation::allow(LogIndex first) {
  allowed_ = std::max(allowed_, std::min(first, end_.last.next()));
}

size_t PrefixTruncation::bytes_below(LogIndex index) const {
  const auto total_before = [this](LogIndex at) {
    if (at > end_.last) return end_.total_bytes;
    // The last mark whose entries all lie below `at`.
    const auto above = std::partition_point(marks_.begin(), marks_.end(),
                                            [at](const Mark& mark) { return mark.last < at; });
    return above == marks_.begin() ? size_t{0} : std::prev(above)->total_bytes;
  };
  const size_t begin = total_before(first_);
  const size_t end = total_before(index);
  return end > begin ? end - begin : 0;
}

std::optional<LogIndex> PrefixTruncation::take(TruncationNeed need) {
  if (under_way_ || allowed_ <= first_) return std::nullopt;
  const bool is_worth_it = allowed_.value - first_.value >= policy_.entries_min ||
                           bytes_below(allowed_) >= policy_.bytes_min;
  if (need == TruncationNeed::kCoarse && !is_worth_it) return std::nullopt;
  under_way_ = true;
  first_ = allowed_;
  while (marks_.size() > 1 && marks_[1].last < first_) marks_.pop_front();
  return first_;
}

void PrefixTruncation::on_done() {
  WL_CHECK(under_way_);
  under_way_ = false;
}

}  // namespace worldline::storage
