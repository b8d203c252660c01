// Random histories of a log against a naive one that keeps everything and searches linearly
// [S 08/6.1.3 U-56]. A failure prints the seed; WL_SEED=<n> repeats it.
#include <algorithm>
#include <map>
#include <optional>

#include <gtest/gtest.h>

#include "base/prng.h"
#include "replication/raft_log.h"
#include "tests/base/random_seeds.h"
#include "tests/replication/log_fixture.h"
#include "tests/replication/membership_fixture.h"

namespace worldline::replication {
namespace {

using testing::config_draft;
using testing::Draft;
using testing::entries_behind;
using testing::payload_of;
using testing::test_chain;

// Nothing clever: each question walks the map.
struct NaiveLog {
  LogBoundary boundary;
  std::map<uint64_t, Entry> entries;  // Payloads always held.
  std::map<uint64_t, bool> evicted;   // Of each entry.

  uint64_t last() const {
    uint64_t highest = boundary.id.index.value;
    for (const auto& [index, entry] : entries) highest = index;
    return highest;
  }
  Term term_at(uint64_t index) const {
    return index == boundary.id.index.value ? boundary.id.term : entries.at(index).term;
  }
  Chain chain_at(uint64_t index) const {
    return index == boundary.id.index.value ? boundary.chain : entries.at(index).chain;
  }
  ConfigAt config_at(uint64_t index) const {
    ConfigAt in_force{boundary.config_index, boundary.config};
    for (const auto& [place, entry] : entries)
      if (place <= index && entry.kind == EntryKind::kConfig)
        in_force = {entry.index, decode_membership(*entry.payload).value()};
    return in_force;
  }
  uint64_t config_count() const {
    uint64_t count = 1;
    for (const auto& [index, entry] : entries) count += entry.kind == EntryKind::kConfig ? 1 : 0;
    return count;
  }
  uint64_t find_by_term(uint64_t from, Term term) const {
    uint64_t found = boundary.id.index.value;
    for (const auto& [index, entry] : entries)
      if (index <= from && entry.term <= term) found = index;
    return found;
  }
  size_t bytes_after(uint64_t index) const {
    size_t bytes = 0;
    for (const auto& [place, entry] : entries)
      if (place > index) bytes += entry.payload->size();
    return bytes;
  }
  size_t cached_bytes() const {
    size_t bytes = 0;
    for (const auto& [index, entry] : entries)
      if (!evicted.at(index)) bytes += entry.payload->size();
    return bytes;
  }

  void append(const Entry& entry) {
    entries[entry.index.value] = entry;
    evicted[entry.index.value] = false;
  }
  void truncate_from(uint64_t index) {
    std::erase_if(entries, [index](const auto& item) { return item.first >= index; });
  }
  void compact_to(uint64_t index) {
    const ConfigAt config = config_at(index);
    boundary = {{term_at(index), LogIndex{index}}, chain_at(index), config.config, config.index};
    std::erase_if(entries, [index](const auto& item) { return item.first <= index; });
  }
  void evict_to(uint64_t index, size_t keep_bytes) {
    for (const auto& [place, entry] : entries)
      if (place <= index && cached_bytes() > keep_bytes) evicted[place] = true;
  }
};

class History {
 public:
  explicit History(uint64_t seed)
      : prng_(seed),
        model_{testing::boundary_at(1 + prng_.below(5)), {}, {}},
        log_(std::in_place, model_.boundary, std::vector<Entry>{}, test_chain) {}

  void step() {
    switch (prng_.below(12)) {
      case 0:
        truncate();
        break;
      case 1:
        compact();
        break;
      case 2:
      case 3:
        evict();
        break;
      case 4:
        if (prng_.chance(8)) reset();
        break;
      case 5:
      case 6:
        append_sent();
        break;
      case 7:
        if (prng_.chance(4)) restore();
        break;
      default:
        append_own();
        break;
    }
  }

  void compare() const {
    ASSERT_TRUE(log_->check_invariants().ok()) << log_->check_invariants().message();
    ASSERT_EQ(log_->boundary(), model_.boundary);
    ASSERT_EQ(log_->first().value, model_.boundary.id.index.value + 1);
    ASSERT_EQ(log_->last().value, model_.last());
    ASSERT_EQ(log_->last_id().term, model_.term_at(model_.last()));
    ASSERT_EQ(log_->last_chain(), model_.chain_at(model_.last()));
    ASSERT_EQ(log_->cached_bytes(), model_.cached_bytes());
    const ConfigAt top = model_.config_at(model_.last());
    ASSERT_EQ(log_->config(), top.config);
    ASSERT_EQ(log_->config_index(), top.index);
    ASSERT_EQ(log_->config_before_last() != nullptr, model_.config_count() > 1);
    if (log_->config_before_last() != nullptr) {
      ASSERT_EQ(log_->config_before_last()->index, model_.config_at(top.index.value - 1).index);
    }
    const uint64_t boundary = model_.boundary.id.index.value;
    for (uint64_t index = boundary - 1; index <= model_.last() + 2; ++index) compare_at(index);
  }

 private:
  void compare_at(uint64_t index) const {
    const LogIndex place{index};
    const bool exists = model_.boundary.id.index.value <= index && index <= model_.last();
    ASSERT_EQ(log_->has(place), exists) << index;
    ASSERT_EQ(log_->bytes_after(place), model_.bytes_after(index)) << index;
    for (uint64_t term = 0; term <= term_ + 1; ++term)
      ASSERT_EQ(log_->find_by_term(place, Term{term}).value, model_.find_by_term(index, Term{term}))
          << index << " term " << term;
    if (!exists) return;
    ASSERT_EQ(log_->term_at(place), model_.term_at(index)) << index;
    ASSERT_EQ(log_->chain_at(place), model_.chain_at(index)) << index;
    ASSERT_EQ(log_->config_at(place).index, model_.config_at(index).index) << index;
    ASSERT_EQ(log_->config_at(place).config, model_.config_at(index).config) << index;
    if (index > model_.boundary.id.index.value) compare_entry(log_->at(place));
  }

  void compare_entry(const Entry& entry) const {
    const Entry& wanted = model_.entries.at(entry.index.value);
    ASSERT_EQ(entry.id(), wanted.id());
    ASSERT_EQ(entry.kind, wanted.kind);
    ASSERT_EQ(entry.payload_bytes, wanted.payload->size());
    ASSERT_EQ(entry.payload == nullptr, model_.evicted.at(entry.index.value));
    if (entry.payload == nullptr) return;
    ASSERT_EQ(*entry.payload, *wanted.payload);
  }

  EntryId last_id() const { return {model_.term_at(model_.last()), LogIndex{model_.last()}}; }

  Draft random_draft() {
    if (prng_.chance(4)) ++term_;
    if (prng_.chance(5)) {
      const bool is_joint = prng_.chance(2);
      return config_draft(term_, std::to_string(1 + prng_.below(9)) + (is_joint ? " & 1" : ""));
    }
    if (prng_.chance(5)) return {term_, EntryKind::kNoop, payload_of(0)};
    return {term_, EntryKind::kBundle,
            payload_of(prng_.below(50), static_cast<Byte>(prng_.below(256)))};
  }

  void append_own() {
    const Draft draft = random_draft();
    log_->append_new(Term{draft.term}, draft.kind, draft.payload);
    model_.append(entries_behind(last_id(), model_.chain_at(model_.last()), {draft})[0]);
  }
  void append_sent() {
    std::vector<Draft> drafts;
    for (uint64_t left = prng_.below(6); left > 0; --left) drafts.push_back(random_draft());
    const Chain chain = model_.chain_at(model_.last());
    const std::vector<Entry> sent = entries_behind(last_id(), chain, drafts);
    EXPECT_TRUE(log_->validate_append(last_id(), chain, sent).ok());
    for (const Entry& entry : sent) {
      log_->append(entry);
      model_.append(entry);
    }
  }
  // Somewhere in [from, last + 1].
  uint64_t random_place(uint64_t from) { return from + prng_.below(model_.last() + 2 - from); }

  void truncate() {
    const uint64_t from = random_place(model_.boundary.id.index.value + 1);
    log_->truncate_from(LogIndex{from});
    model_.truncate_from(from);
  }
  void compact() {
    const uint64_t to = std::min(random_place(model_.boundary.id.index.value), model_.last());
    log_->compact_to(LogIndex{to});
    model_.compact_to(to);
  }
  void evict() {
    const uint64_t to = random_place(model_.boundary.id.index.value - 1);
    const size_t keep = prng_.below(200);
    log_->evict_to(LogIndex{to}, keep);
    model_.evict_to(to, keep);
  }
  void reset() {
    LogBoundary boundary = testing::boundary_at(model_.last() + prng_.below(5));
    boundary.id.term = Term{term_};
    boundary.config_index = LogIndex{1 + prng_.below(boundary.id.index.value)};
    log_->reset_to(boundary);
    model_ = {boundary, {}, {}};
  }
  // A restart: a new log from what is held, without the payloads that were let go.
  void restore() {
    std::vector<Entry> entries;
    uint64_t missing = 0;
    for (const auto& [index, entry] : model_.entries) {
      entries.push_back(entry);
      const bool is_config = entry.kind == EntryKind::kConfig;  // Those are always restored.
      if (!model_.evicted.at(index) || is_config) continue;
      entries.back().payload = nullptr;
      missing = index;
    }
    for (auto& [index, is_evicted] : model_.evicted) is_evicted = index <= missing;
    log_.emplace(model_.boundary, entries, test_chain);
  }

  Prng prng_;
  NaiveLog model_;
  std::optional<RaftLog> log_;
  uint64_t term_ = 1;
};

TEST(RaftLogModel, AnswersAsTheNaiveLog) {
  for (const uint64_t seed : random_seeds(60)) {
    SCOPED_TRACE("WL_SEED=" + std::to_string(seed));
    History history(seed);
    for (int step = 0; step < 150; ++step) {
      SCOPED_TRACE("step " + std::to_string(step));
      history.step();
      history.compare();
      if (HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace worldline::replication
