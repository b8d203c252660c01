// tests/simulation/machine.h
//
// The replicated state of the simulated database: eight registers, one list of which only length
// and running hash are kept, and eight accounts whose sum never changes. It is a plain value, so a
// checkpoint is a copy.
//
// Ownership: values. Errors: decode_command gives nullopt for foreign bytes.
#pragma once

#include <array>
#include <optional>

#include "base/bytes.h"
#include "storage/storage_types.h"

namespace worldline::simulation {

inline constexpr size_t kRegisters = 8;
inline constexpr size_t kAccounts = 8;
inline constexpr int64_t kAccountStart = 100;
inline constexpr int64_t kAccountTotal = kAccountStart * static_cast<int64_t>(kAccounts);

enum class OpKind : uint8_t {
  kRead = 0,
  kWrite = 1,
  kCompareAndSet = 2,  // Returns what was there.
  kReadList = 3,
  kAppend = 4,  // Returns the length after it.
  kReadAccounts = 5,
  kTransfer = 6,
};
inline constexpr size_t kOpKindCount = 7;
inline bool is_read(OpKind kind) {
  return kind == OpKind::kRead || kind == OpKind::kReadList || kind == OpKind::kReadAccounts;
}

struct Command {
  OpKind kind = OpKind::kRead;
  uint8_t key = 0;        // Register, or the account that pays,
  uint8_t other = 0;      // and the one that gets.
  uint64_t value = 0;     // Written values are unique in a run; an amount for transfers.
  uint64_t expected = 0;  // kCompareAndSet.
  uint64_t op = 0;        // Unique in a run.
};
SharedBytes encode_command(const Command& command, size_t padding_bytes);
std::optional<Command> decode_command(Bytes bytes);

struct CommandResult {
  uint64_t value = 0;  // Of the register before a compare-and-set, or the length of the list.
  uint64_t hash = 0;   // Of the list.
  int64_t total = 0;   // Of the accounts.
};

struct MachineState {
  std::array<uint64_t, kRegisters> registers{};
  std::array<int64_t, kAccounts> accounts;
  uint64_t list_length = 0;
  uint64_t list_hash = 0;

  MachineState() { accounts.fill(kAccountStart); }
  CommandResult apply(const Command& command);       // REQUIRES: not a read.
  CommandResult read(const Command& command) const;  // REQUIRES: a read.
  int64_t total() const;
  storage::Digest128 digest() const;
  friend bool operator==(const MachineState&, const MachineState&) = default;
};

}  // namespace worldline::simulation
