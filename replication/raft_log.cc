#include "replication/raft_log.h"

#include <algorithm>

#include "base/check.h"
#include "replication/mutants.h"

namespace worldline::replication {
namespace {

// What holds of `entry` whatever log it is for, given the place it must follow.
Status validate_entry(const Entry& entry, EntryId prev) {
  if (entry.index != prev.index.next())
    return Status::invalid_argument("log entry {} follows {}", entry.index.value, prev.index.value);
  if (entry.term < prev.term || entry.term.value == 0)
    return Status::invalid_argument("log entry {}: term {} follows term {}", entry.index.value,
                                    entry.term.value, prev.term.value);
  const auto kind = static_cast<uint8_t>(entry.kind);
  if (kind == 0 || kind > kEntryKindMax)
    return Status::not_supported("log entry {}: unknown kind {}", entry.index.value, kind);
  if (entry.payload == nullptr)
    return Status::invalid_argument("log entry {}: no payload", entry.index.value);
  if (entry.payload->size() != entry.payload_bytes)
    return Status::invalid_argument("log entry {}: payload of {} B where {} B are announced",
                                    entry.index.value, entry.payload->size(), entry.payload_bytes);
  return Status::ok_status();
}

Status validate_config_of(const Entry& entry) {
  if (entry.kind != EntryKind::kConfig) return Status::ok_status();
  const Result<Membership> config = decode_membership(*entry.payload);
  if (config.ok()) return Status::ok_status();
  return config.status().with_context(fmt::format("log entry {}", entry.index.value));
}

bool is_before(LogIndex index, const ConfigAt& config) {
  return index < config.index;
}

}  // namespace

RaftLog::RaftLog(const LogBoundary& boundary, std::vector<Entry> entries, ChainFunction chain)
    : boundary_(boundary), chain_(chain), evicted_to_(boundary.id.index) {
  WL_CHECK(chain_ != nullptr);
  WL_CHECK(boundary.config_index <= boundary.id.index);
  configs_.push_back({boundary_.config_index, boundary_.config});
  LogIndex missing = evicted_to_;
  for (const Entry& entry : entries) {
    push(entry);
    if (entry.payload == nullptr) missing = entry.index;
  }
  // Payloads are missing from the front only: what lies before a missing one is let go as well.
  while (evicted_to_ < missing) evict_next();
}

// --- Reading -------------------------------------------------------------------------------------

LogIndex RaftLog::last() const {
  return LogIndex{boundary_.id.index.value + slots_.size()};
}

EntryId RaftLog::last_id() const {
  return slots_.empty() ? boundary_.id : slots_.back().entry.id();
}

Chain RaftLog::last_chain() const {
  return slots_.empty() ? boundary_.chain : slots_.back().entry.chain;
}

bool RaftLog::has(LogIndex index) const {
  return boundary_.id.index <= index && index <= last();
}

const RaftLog::Slot& RaftLog::slot_at(LogIndex index) const {
  WL_CHECK(first() <= index);
  WL_CHECK(index <= last());
  return slots_[index.value - first().value];
}

Term RaftLog::term_at(LogIndex index) const {
  return index == boundary_.id.index ? boundary_.id.term : at(index).term;
}

Chain RaftLog::chain_at(LogIndex index) const {
  return index == boundary_.id.index ? boundary_.chain : at(index).chain;
}

const Entry& RaftLog::at(LogIndex index) const {
  return slot_at(index).entry;
}

LogIndex RaftLog::find_by_term(LogIndex from, Term term) const {
  const LogIndex end = std::min(from, last());
  if (end <= boundary_.id.index) return boundary_.id.index;
  const auto begin = slots_.begin();
  const auto stop = begin + static_cast<std::ptrdiff_t>(end.value - boundary_.id.index.value);
  const auto higher =
      std::partition_point(begin, stop, [term](const Slot& s) { return s.entry.term <= term; });
  return LogIndex{boundary_.id.index.value + static_cast<uint64_t>(higher - begin)};
}

size_t RaftLog::bytes_after(LogIndex index) const {
  if (slots_.empty() || index >= last()) return 0;
  const uint64_t before =
      index <= boundary_.id.index ? boundary_bytes_ : slot_at(index).bytes_through;
  return slots_.back().bytes_through - before;
}

// --- Configs -------------------------------------------------------------------------------------

const ConfigAt& RaftLog::config_at(LogIndex index) const {
  WL_CHECK(has(index));
  const auto after = std::upper_bound(configs_.begin(), configs_.end(), index, is_before);
  WL_CHECK(after != configs_.begin());
  return *(after - 1);
}

const ConfigAt* RaftLog::config_before_last() const {
  return configs_.size() > 1 ? &configs_[configs_.size() - 2] : nullptr;
}

void RaftLog::push_config_of(const Entry& entry) {
  if (entry.kind != EntryKind::kConfig) return;
  WL_CHECK(entry.payload != nullptr);
  Result<Membership> config = decode_membership(*entry.payload);
  WL_CHECK(config.ok());  // Validated by whoever accepted the bytes.
  configs_.push_back({entry.index, std::move(config).value()});
}

// --- Changing ------------------------------------------------------------------------------------

void RaftLog::push(const Entry& entry) {
  WL_CHECK(entry.index == last().next());
  WL_CHECK(entry.term >= last_id().term);
  if (entry.payload != nullptr) {
    WL_CHECK(entry.payload->size() == entry.payload_bytes);
    WL_DCHECK(chain_(last_chain(), entry) == entry.chain);
    cached_bytes_ += entry.payload_bytes;
  }
  push_config_of(entry);
  const uint64_t before = slots_.empty() ? boundary_bytes_ : slots_.back().bytes_through;
  slots_.push_back({entry, before + entry.payload_bytes});
}

const Entry& RaftLog::append_new(Term term, EntryKind kind, SharedBytes payload) {
  WL_CHECK(payload != nullptr);
  WL_CHECK(payload->size() <= limits::kLogEntryBytesMax);
  Entry entry;
  entry.index = last().next();
  entry.term = term;
  entry.kind = kind;
  entry.payload_bytes = static_cast<uint32_t>(payload->size());
  entry.payload = std::move(payload);
  entry.chain = chain_(last_chain(), entry);
  push(entry);
  return slots_.back().entry;
}

Status RaftLog::validate_append(EntryId prev, Chain prev_chain,
                                const std::vector<Entry>& entries) const {
  // Indexes must not wrap around to 0.
  if (entries.size() > UINT64_MAX - prev.index.value)
    return Status::invalid_argument("{} log entries cannot follow {}", entries.size(),
                                    prev.index.value);
  for (const Entry& entry : entries) {
    WL_RETURN_IF_ERROR(validate_entry(entry, prev));
    if (chain_(prev_chain, entry) != entry.chain)
      return Status::corruption("log entry {}: chain does not match", entry.index.value);
    WL_RETURN_IF_ERROR(validate_config_of(entry));
    prev = entry.id();
    prev_chain = entry.chain;
  }
  return Status::ok_status();
}

void RaftLog::append(const Entry& entry) {
  WL_CHECK(entry.payload != nullptr);
  push(entry);
}

void RaftLog::truncate_from(LogIndex index) {
  WL_CHECK(first() <= index);
  while (last() >= index) {
    const Entry& entry = slots_.back().entry;
    if (entry.payload != nullptr) cached_bytes_ -= entry.payload_bytes;
    slots_.pop_back();
  }
  while (configs_.back().index >= index && !WL_MUTANT(115)) configs_.pop_back();
  evicted_to_ = std::min(evicted_to_, last());
}

void RaftLog::reset_to(const LogBoundary& boundary) {
  WL_CHECK(boundary.config_index <= boundary.id.index);
  boundary_ = boundary;
  slots_.clear();
  configs_.assign(1, {boundary_.config_index, boundary_.config});
  boundary_bytes_ = 0;
  cached_bytes_ = 0;
  evicted_to_ = boundary_.id.index;
}

void RaftLog::compact_to(LogIndex index) {
  WL_CHECK(has(index));
  const ConfigAt in_force = config_at(index);
  boundary_ = {{term_at(index), index}, chain_at(index), in_force.config, in_force.index};
  while (!slots_.empty() && slots_.front().entry.index <= index) {
    const Slot& slot = slots_.front();
    if (slot.entry.payload != nullptr) cached_bytes_ -= slot.entry.payload_bytes;
    boundary_bytes_ = slot.bytes_through;
    slots_.pop_front();
  }
  const auto first_kept = std::upper_bound(configs_.begin(), configs_.end(), index, is_before) - 1;
  configs_.erase(configs_.begin(), first_kept);
  evicted_to_ = std::max(evicted_to_, index);
}

void RaftLog::evict_next() {
  evicted_to_ = evicted_to_.next();
  Entry& entry = slots_[evicted_to_.value - first().value].entry;
  if (entry.payload != nullptr) cached_bytes_ -= entry.payload_bytes;
  entry.payload = nullptr;
}

void RaftLog::evict_to(LogIndex index, size_t keep_bytes) {
  const LogIndex end = std::min(index, last());
  while (evicted_to_ < end && cached_bytes_ > keep_bytes) evict_next();
}

// --- Invariants ----------------------------------------------------------------------------------

Status RaftLog::check_entries() const {
  EntryId prev = boundary_.id;
  Chain chain = boundary_.chain;
  for (const Slot& slot : slots_) {
    const Entry& entry = slot.entry;
    if (entry.index != prev.index.next())
      return Status::internal("I-10: log entry {} follows {}", entry.index.value, prev.index.value);
    if (entry.term < prev.term)
      return Status::internal("I-10: term {} of log entry {} follows term {}", entry.term.value,
                              entry.index.value, prev.term.value);
    if (entry.payload != nullptr && chain_(chain, entry) != entry.chain)
      return Status::internal("I-4: chain of log entry {} does not match", entry.index.value);
    prev = entry.id();
    chain = entry.chain;
  }
  return Status::ok_status();
}

Status RaftLog::check_bytes() const {
  if (evicted_to_ < boundary_.id.index || evicted_to_ > last())
    return Status::internal("I-28: payloads are let go up to {} in a log of ({}, {}]",
                            evicted_to_.value, boundary_.id.index.value, last().value);
  uint64_t through = boundary_bytes_;
  size_t cached = 0;
  for (const Slot& slot : slots_) {
    const Entry& entry = slot.entry;
    through += entry.payload_bytes;
    if (slot.bytes_through != through)
      return Status::internal("I-28: running sum of log entry {}", entry.index.value);
    if ((entry.payload == nullptr) != (entry.index <= evicted_to_))
      return Status::internal("I-28: payload of log entry {}, let go up to {}", entry.index.value,
                              evicted_to_.value);
    if (entry.payload != nullptr) cached += entry.payload->size();
  }
  if (cached != cached_bytes_)
    return Status::internal("I-28: {} B of payloads held, {} B accounted", cached, cached_bytes_);
  return Status::ok_status();
}

Status RaftLog::check_configs() const {
  if (configs_.empty() || configs_[0].index != boundary_.config_index ||
      configs_[0].config != boundary_.config || boundary_.config_index > boundary_.id.index)
    return Status::internal("I-15: the first config is not that of the boundary {}",
                            boundary_.id.index.value);
  size_t found = 1;
  for (const Slot& slot : slots_) {
    const Entry& entry = slot.entry;
    if (entry.kind != EntryKind::kConfig) continue;
    if (found == configs_.size() || configs_[found].index != entry.index)
      return Status::internal("I-15: the config of log entry {} is unknown", entry.index.value);
    if (entry.payload != nullptr) {
      const Result<Membership> config = decode_membership(*entry.payload);
      if (!config.ok() || *config != configs_[found].config)
        return Status::internal("I-15: another config than that of log entry {}",
                                entry.index.value);
    }
    ++found;
  }
  if (found != configs_.size())
    return Status::internal("I-15: {} configs without an entry", configs_.size() - found);
  return Status::ok_status();
}

Status RaftLog::check_invariants() const {
  WL_RETURN_IF_ERROR(check_entries());
  WL_RETURN_IF_ERROR(check_bytes());
  return check_configs();
}

}  // namespace worldline::replication
