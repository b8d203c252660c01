// storage/log/entry_codec.h
//
// Seals log entries and checks them when they come back. The chain is a running hash: entry i's
// chain covers entry i-1's, so equal (index, chain) means equal logs up to there [S 08/2 I-4].
//
// Errors: kCorruption may mean lost acknowledged data: the caller quarantines, it never truncates.
//   kNotSupported: written by a newer version.
// Sources: [S 08/3.6]; docs/formats/log-record.md. Thread: any.
#pragma once

#include "base/crc32c.h"
#include "base/status.h"
#include "storage/log/log_types.h"

namespace worldline::storage {

using worldline::crc32c;

// Chain before a group's first entry. Differs per group, so entries of one cannot pass in another.
Chain genesis_chain(GroupId group);

struct EntryPlace {
  EntryKind kind;
  Term term;
  LogIndex index;
  Chain previous;  // Chain of entry index - 1, or genesis_chain.
};

// What seal_entry writes as the entry's chain.
Chain chain_of(const EntryPlace& place, Bytes payload);

// REQUIRES: payload not null and at most kLogEntryBytesMax (propose() refused larger ones).
LogEntry seal_entry(const EntryPlace& place, SharedBytes payload);

// A place whose chain was computed before, as the Raft core does.
struct ChainedPlace {
  EntryKind kind;
  Term term;
  LogIndex index;
  Chain chain;  // INVARIANT: chain_of its place; the log store compares it with the one before.
};
LogEntry seal_chained_entry(const ChainedPlace& place, SharedBytes payload);  // REQUIRES: as above.

// Parses a stored value and checks lengths and checksum, not the chain.
Result<LogEntry> decode_entry(Bytes value);
// Whether `entry` follows an entry with chain `previous`.
bool chain_follows(const LogEntry& entry, Chain previous);

}  // namespace worldline::storage
