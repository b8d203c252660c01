// replication/raft_log.h
//
// RaftLog is a replica's log as the core sees it: metadata of every retained entry, payloads of the
// recent ones, and the stack of configs. It decides nothing about consensus.
//
// Invariants (I-10, I-15): indexes consecutive from the boundary, terms never decreasing, chains
//   linked; the config in force is that of the last kConfig entry, else the boundary's.
// Ownership: one RaftCore. Units: bytes of payloads. Errors: bad entries of a peer are refused by
//   validate_append(); misuse by the core is a WL_CHECK.
// Sources: [S 08/1.1], [S 08/1.14]; terms of compacted entries: NuRaft #668 [S 08/1.17 S3].
#pragma once

#include <deque>

#include "base/status.h"
#include "replication/raft_types.h"

namespace worldline::replication {

// A config and the entry that brought it.
struct ConfigAt {
  LogIndex index;
  Membership config;
};

class RaftLog {
 public:
  // REQUIRES: entries follow the boundary without a gap, kConfig ones with a payload that decodes
  // (recovery checked it, as validate_append() does).
  RaftLog(const LogBoundary& boundary, std::vector<Entry> entries, ChainFunction chain);

  // --- Reading -----------------------------------------------------------------------------------
  LogIndex first() const { return boundary_.id.index.next(); }
  LogIndex last() const;
  EntryId last_id() const;  // The boundary's when there is no entry, never term 0.
  Chain last_chain() const;
  const LogBoundary& boundary() const { return boundary_; }
  bool has(LogIndex index) const;  // The boundary counts as an entry.
  // REQUIRES: has(index).
  Term term_at(LogIndex index) const;
  Chain chain_at(LogIndex index) const;
  // REQUIRES: first() <= index <= last().
  const Entry& at(LogIndex index) const;
  // Largest index <= `from` whose term is <= `term`; the boundary's index if none is. O(log n).
  LogIndex find_by_term(LogIndex from, Term term) const;
  // How many bytes of payload (index, last] has, held or not. O(1).
  size_t bytes_after(LogIndex index) const;

  // --- Configs -----------------------------------------------------------------------------------
  const Membership& config() const { return configs_.back().config; }
  LogIndex config_index() const { return configs_.back().index; }
  // In force at `index`. REQUIRES: has(index).
  const ConfigAt& config_at(LogIndex index) const;
  const ConfigAt* config_before_last() const;  // Null: none is known.

  // --- Changing ----------------------------------------------------------------------------------
  // Gives the entry its index, term and chain and appends it. REQUIRES: term >= last term, payload
  // not null, that of a kConfig decodes.
  const Entry& append_new(Term term, EntryKind kind, SharedBytes payload);
  // What a peer sent: consecutive after `prev`, terms fine, chains right, configs readable. Looks
  // at the message only, never at what the log holds. O(bytes of payloads).
  Status validate_append(EntryId prev, Chain prev_chain, const std::vector<Entry>& entries) const;
  // REQUIRES: entry follows last(), was validated.
  void append(const Entry& entry);
  void truncate_from(LogIndex index);          // REQUIRES: first() <= index.
  void reset_to(const LogBoundary& boundary);  // A snapshot replaces everything.
  void compact_to(LogIndex index);             // REQUIRES: has(index); it becomes the boundary.
  // Lets go of payloads up to `index`, oldest first, while more than `keep_bytes` are held.
  void evict_to(LogIndex index, size_t keep_bytes);
  size_t cached_bytes() const { return cached_bytes_; }

  Status check_invariants() const;  // O(entries and payload bytes held).

 private:
  // An entry and the payload bytes of everything up to and including it, so that any range is one
  // subtraction. The sum starts anywhere and never falls.
  struct Slot {
    Entry entry;
    uint64_t bytes_through = 0;
  };

  const Slot& slot_at(LogIndex index) const;
  void push(const Entry& entry);
  void push_config_of(const Entry& entry);
  void evict_next();
  Status check_entries() const;
  Status check_bytes() const;
  Status check_configs() const;

  LogBoundary boundary_;
  const ChainFunction chain_;
  std::deque<Slot> slots_;         // INVARIANT: slots_[i].entry.index = boundary + 1 + i.
  std::vector<ConfigAt> configs_;  // INVARIANT: never empty; ascending; first is the boundary's.
  uint64_t boundary_bytes_ = 0;    // The running sum at the boundary.
  size_t cached_bytes_ = 0;        // Payload bytes held.
  LogIndex evicted_to_;            // Payloads up to here are gone (or never were).
};

}  // namespace worldline::replication
