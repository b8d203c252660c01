#include "replication/progress.h"

#include <algorithm>

#include "base/check.h"

namespace worldline::replication {

void InflightWindow::add(LogIndex last, size_t bytes) {
  WL_CHECK(!full());
  WL_CHECK(sent_.empty() || sent_.back().last < last);
  sent_.push_back({last, bytes});
  bytes_ += bytes;
}

void InflightWindow::free_to(LogIndex match) {
  while (!sent_.empty() && sent_.front().last <= match) {
    bytes_ -= sent_.front().bytes;
    sent_.pop_front();
  }
}

void InflightWindow::reset() {
  sent_.clear();
  bytes_ = 0;
}

bool InflightWindow::is_sorted() const {
  const auto not_ascending = [](const Sent& a, const Sent& b) { return a.last >= b.last; };
  return std::adjacent_find(sent_.begin(), sent_.end(), not_ascending) == sent_.end();
}

bool InflightWindow::is_within(LogIndex match, LogIndex next) const {
  if (sent_.empty()) return bytes_ == 0;
  // One message may cross the byte limit.
  const bool is_small = sent_.size() <= messages_max_ && bytes_ - sent_.back().bytes < bytes_max_;
  return is_small && match < sent_.front().last && sent_.back().last < next;
}

void Progress::become_probe(LogIndex next_index) {
  state = ProgressState::kProbe;
  next = std::max(next_index, match.next());
  // What told it the commit may be lost as well.
  sent_commit = std::min(sent_commit, LogIndex{next.value - 1});
  pinned = {};
  paused = false;
  window_probe = false;
  window.reset();
}

void Progress::become_replicate() {
  state = ProgressState::kReplicate;
  next = match.next();  // Whatever was sent behind it is sent again: its fate is not known.
  pinned = {};
  paused = false;
  window_probe = false;
  window.reset();
}

void Progress::become_snapshot(LogIndex pin) {
  state = ProgressState::kSnapshot;
  pinned = pin;
  paused = false;
  window_probe = false;
  window.reset();
}

bool Progress::raise_match(LogIndex index, uint64_t seq_echo, uint64_t incarnation) {
  window.free_to(index);
  if (index <= match) return false;
  match = index;
  match_seq = seq_echo;
  match_incarnation = incarnation;
  next = std::max(next, match.next());
  return true;
}

bool Progress::is_paused() const {
  switch (state) {
    case ProgressState::kProbe:
      return paused;
    case ProgressState::kReplicate:
      return window.full() && !window_probe;
    case ProgressState::kSnapshot:
      return true;
  }
  return true;
}

}  // namespace worldline::replication
