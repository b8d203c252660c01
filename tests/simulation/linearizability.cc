#include "tests/simulation/linearizability.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include <fmt/format.h>

#include "base/check.h"
#include "tests/simulation/chance.h"

namespace worldline::simulation {
namespace {

constexpr size_t kNone = SIZE_MAX;

bool writes(const RegisterOp& op) {
  return op.kind != RegisterOp::Kind::kRead;
}

// Whether `op` may come next when the register holds `value`; the value after it.
bool step(const RegisterOp& op, uint64_t& value) {
  switch (op.kind) {
    case RegisterOp::Kind::kRead:
      return op.seen == value;
    case RegisterOp::Kind::kWrite:
      value = op.value;
      return true;
    case RegisterOp::Kind::kCompareAndSet:
      if (op.seen != value) return false;
      if (op.expected == value) value = op.value;
      return true;
  }
  return false;
}

// A set of operations as bits, with a hash kept in step.
class OpSet {
 public:
  explicit OpSet(size_t size) : words_((size + 63) / 64) {}
  void flip(size_t op) {
    words_[op / 64] ^= uint64_t{1} << (op % 64);
    hash_ ^= mix(op + 1);
  }
  uint64_t hash() const { return hash_; }
  bool operator==(const OpSet& other) const { return words_ == other.words_; }

 private:
  std::vector<uint64_t> words_;
  uint64_t hash_ = 0;
};

// The search over one register.
class RegisterSearch {
 public:
  // REQUIRES: no operation is open. `ops` is borrowed.
  explicit RegisterSearch(const std::vector<RegisterOp>& ops)
      : ops_(ops), marks_(2 * ops.size() + 1), done_(ops.size()) {
    link_marks();
  }

  Verdict run(uint64_t steps_max) {
    size_t at = marks_[kHead].next;
    while (marks_[kHead].next != kNone) {
      if (++steps_ > steps_max) return Verdict::kBudgetSpent;
      if (marks_[at].is_call) {
        at = try_call(at) ? marks_[kHead].next : marks_[at].next;
        continue;
      }
      // A return of what was not done yet: nothing behind it may come first.
      if (stack_.empty()) return Verdict::kViolation;
      at = undo();
    }
    return Verdict::kLinearizable;
  }

  uint64_t steps() const { return steps_; }
  // The operation that could not be placed after the longest order that was found.
  size_t stuck_at() const { return stuck_; }
  size_t longest() const { return longest_; }

 private:
  static constexpr size_t kHead = 0;
  struct Mark {  // A call or a return in the list by time.
    size_t op = kNone;
    size_t match = kNone;  // Of a call: its return.
    size_t previous = kNone;
    size_t next = kNone;
    bool is_call = false;
  };
  struct Taken {
    size_t call;
    uint64_t value_before;
  };

  void link_marks() {
    struct Moment {
      uint64_t at;
      bool is_call;
      size_t op;
    };
    std::vector<Moment> moments;
    for (size_t i = 0; i < ops_.size(); ++i) {
      moments.push_back({ops_[i].called, true, i});
      moments.push_back({ops_[i].returned, false, i});
    }
    // Calls before returns of the same moment: the two then overlap, which is the weaker claim.
    std::stable_sort(moments.begin(), moments.end(), [](const Moment& a, const Moment& b) {
      return a.at != b.at ? a.at < b.at : a.is_call && !b.is_call;
    });
    std::vector<size_t> call_of(ops_.size(), kNone);
    size_t last = kHead;
    for (size_t i = 0; i < moments.size(); ++i) {
      const size_t place = i + 1;
      marks_[place] = {moments[i].op, kNone, last, kNone, moments[i].is_call};
      marks_[last].next = place;
      if (moments[i].is_call) call_of[moments[i].op] = place;
      if (!moments[i].is_call) marks_[call_of[moments[i].op]].match = place;
      last = place;
    }
  }

  bool try_call(size_t call) {
    uint64_t value = value_;
    if (!step(ops_[marks_[call].op], value)) return false;
    done_.flip(marks_[call].op);
    if (!remember(value)) {
      done_.flip(marks_[call].op);
      return false;
    }
    stack_.push_back({call, value_});
    value_ = value;
    unlink(call);
    unlink(marks_[call].match);
    if (stack_.size() > longest_) {
      longest_ = stack_.size();
      const size_t next = marks_[kHead].next;
      stuck_ = next == kNone ? kNone : first_return(next);
    }
    return true;
  }

  // Back to before the last call taken; gives the place behind it.
  size_t undo() {
    const Taken taken = stack_.back();
    stack_.pop_back();
    value_ = taken.value_before;
    done_.flip(marks_[taken.call].op);
    relink(marks_[taken.call].match);
    relink(taken.call);
    return marks_[taken.call].next;
  }

  // False: this set with this value was seen before.
  bool remember(uint64_t value) {
    std::vector<Seen>& bucket = seen_[mix(done_.hash(), value)];
    for (const Seen& seen : bucket)
      if (seen.value == value && seen.done == done_) return false;
    bucket.push_back({done_, value});
    return true;
  }

  size_t first_return(size_t at) const {
    while (at != kNone && marks_[at].is_call) at = marks_[at].next;
    return at == kNone ? kNone : marks_[at].op;
  }
  void unlink(size_t at) {
    marks_[marks_[at].previous].next = marks_[at].next;
    if (marks_[at].next != kNone) marks_[marks_[at].next].previous = marks_[at].previous;
  }
  void relink(size_t at) {
    marks_[marks_[at].previous].next = at;
    if (marks_[at].next != kNone) marks_[marks_[at].next].previous = at;
  }

  struct Seen {
    OpSet done;
    uint64_t value;
  };

  const std::vector<RegisterOp>& ops_;
  std::vector<Mark> marks_;
  OpSet done_;
  uint64_t value_ = 0;
  std::vector<Taken> stack_;
  std::unordered_map<uint64_t, std::vector<Seen>> seen_;
  uint64_t steps_ = 0;
  size_t longest_ = 0;
  size_t stuck_ = kNone;
};

using FirstSeen = std::unordered_map<uint64_t, uint64_t>;

bool lower(FirstSeen& first_seen, uint64_t value, uint64_t moment) {
  const auto [place, is_new] = first_seen.emplace(value, moment);
  if (!is_new && place->second <= moment) return false;
  place->second = moment;
  return true;
}

// Of each value the earliest return that tells of it. An unknown compare-and-set that was seen had
// found what it expected, and so tells of that.
FirstSeen find_first_seen(const std::vector<RegisterOp>& ops) {
  FirstSeen first_seen;
  for (const RegisterOp& op : ops)
    if (op.returned != kNotReturned && op.kind != RegisterOp::Kind::kWrite)
      lower(first_seen, op.seen, op.returned);
  // Each pass follows chains of them by one step at least.
  for (size_t pass = 0; pass < ops.size(); ++pass) {
    bool has_changed = false;
    for (const RegisterOp& op : ops) {
      if (op.returned != kNotReturned || op.kind != RegisterOp::Kind::kCompareAndSet) continue;
      const auto seen = first_seen.find(op.value);
      if (seen == first_seen.end()) continue;
      const uint64_t moment = seen->second;
      has_changed = lower(first_seen, op.expected, moment) || has_changed;
    }
    if (!has_changed) break;
  }
  return first_seen;
}

// Leaves out what had no visible effect, and ends what was seen (see the header).
std::vector<RegisterOp> settle_unknown(std::vector<RegisterOp> ops) {
  const FirstSeen first_seen = find_first_seen(ops);
  std::vector<RegisterOp> settled;
  for (RegisterOp& op : ops) {
    if (op.returned == kNotReturned) {
      if (!writes(op)) continue;
      const auto seen = first_seen.find(op.value);
      if (seen == first_seen.end()) continue;
      // A compare-and-set that was seen had found what it expected.
      op.seen = op.expected;
      op.returned = std::max(seen->second, op.called + 1);
    }
    settled.push_back(op);
  }
  return settled;
}

std::string describe(const std::vector<RegisterOp>& ops, const RegisterSearch& search) {
  const size_t stuck = search.stuck_at() == kNone ? 0 : search.stuck_at();
  std::string text = fmt::format(
      "register {}: {} of {} operations can be ordered; then none of those open at the return of:"
      "\n  {}\naround it:",
      ops[stuck].key, search.longest(), ops.size(), print_op(ops[stuck]));
  for (const RegisterOp& op : ops)
    if (op.called <= ops[stuck].returned && op.returned >= ops[stuck].called)
      text += "\n  " + print_op(op);
  return text;
}

}  // namespace

HistoryVerdict check_registers(std::vector<RegisterOp> history, uint64_t steps_max) {
  std::map<uint32_t, std::vector<RegisterOp>> by_key;
  for (const RegisterOp& op : history) {
    WL_CHECK(op.returned > op.called);
    by_key[op.key].push_back(op);
  }
  HistoryVerdict result;
  for (auto& [key, all] : by_key) {
    std::vector<RegisterOp> ops = settle_unknown(std::move(all));
    std::stable_sort(ops.begin(), ops.end(),
                     [](const RegisterOp& a, const RegisterOp& b) { return a.called < b.called; });
    RegisterSearch search(ops);
    const Verdict verdict = search.run(steps_max);
    result.steps += search.steps();
    if (verdict == Verdict::kLinearizable) continue;
    result.verdict = verdict;
    if (verdict == Verdict::kBudgetSpent) continue;
    result.text = describe(ops, search);
    return result;
  }
  return result;
}

std::string print_op(const RegisterOp& op) {
  const std::string end = op.returned == kNotReturned ? "never" : fmt::format("{}", op.returned);
  const std::string when = fmt::format("op {} [{}, {}] ", op.id, op.called, end);
  switch (op.kind) {
    case RegisterOp::Kind::kRead:
      return when + fmt::format("read {}", op.seen);
    case RegisterOp::Kind::kWrite:
      return when + fmt::format("write {}", op.value);
    case RegisterOp::Kind::kCompareAndSet:
      return when + fmt::format("compare {} and set {}, saw {}", op.expected, op.value, op.seen);
  }
  return when;
}

}  // namespace worldline::simulation
