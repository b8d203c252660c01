#include "tests/simulation/machine.h"

#include "base/check.h"
#include "tests/simulation/chance.h"

namespace worldline::simulation {
namespace {

// kind, key, other, then value, expected and op.
constexpr size_t kCommandBytes = 3 + 3 * sizeof(uint64_t);

}  // namespace

SharedBytes encode_command(const Command& command, size_t padding_bytes) {
  ByteBuffer bytes;
  bytes.reserve(kCommandBytes + padding_bytes);
  bytes.push_back(static_cast<Byte>(command.kind));
  bytes.push_back(command.key);
  bytes.push_back(command.other);
  append_le(bytes, command.value);
  append_le(bytes, command.expected);
  append_le(bytes, command.op);
  bytes.resize(kCommandBytes + padding_bytes);
  return std::make_shared<const ByteBuffer>(std::move(bytes));
}

std::optional<Command> decode_command(Bytes bytes) {
  if (bytes.size() < kCommandBytes || bytes[0] >= kOpKindCount) return std::nullopt;
  Command command;
  command.kind = static_cast<OpKind>(bytes[0]);
  command.key = bytes[1] % kRegisters;
  command.other = bytes[2] % kAccounts;
  command.value = load_le<uint64_t>(bytes.data() + 3);
  command.expected = load_le<uint64_t>(bytes.data() + 11);
  command.op = load_le<uint64_t>(bytes.data() + 19);
  return command;
}

CommandResult MachineState::apply(const Command& command) {
  WL_CHECK(!is_read(command.kind));
  CommandResult result;
  uint64_t& cell = registers[command.key];
  switch (command.kind) {
    case OpKind::kWrite:
      cell = command.value;
      break;
    case OpKind::kCompareAndSet:
      result.value = cell;
      if (cell == command.expected) cell = command.value;
      break;
    case OpKind::kAppend:
      result.value = ++list_length;
      list_hash = mix(list_hash, command.value);
      result.hash = list_hash;
      break;
    case OpKind::kTransfer:
      accounts[command.key] -= static_cast<int64_t>(command.value);
      accounts[command.other] += static_cast<int64_t>(command.value);
      break;
    case OpKind::kRead:
    case OpKind::kReadList:
    case OpKind::kReadAccounts:
      break;
  }
  return result;
}

CommandResult MachineState::read(const Command& command) const {
  WL_CHECK(is_read(command.kind));
  CommandResult result;
  if (command.kind == OpKind::kRead) result.value = registers[command.key];
  if (command.kind == OpKind::kReadList) result = {list_length, list_hash, 0};
  if (command.kind == OpKind::kReadAccounts) result.total = total();
  return result;
}

int64_t MachineState::total() const {
  int64_t sum = 0;
  for (const int64_t account : accounts) sum += account;
  return sum;
}

storage::Digest128 MachineState::digest() const {
  storage::Digest128 digest{list_length, list_hash};
  for (const uint64_t value : registers) digest.low = mix(digest.low, value);
  for (const int64_t account : accounts)
    digest.high = mix(digest.high, static_cast<uint64_t>(account));
  return digest;
}

}  // namespace worldline::simulation
