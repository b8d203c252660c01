// storage/log/memory_image.h
//
// What the key-value stores in memory have in common: the rows of all families, the operations of a
// batch, and the batch and cursor that a KeyValueStore hands out for them.
//
// Invariants: a cursor shows the rows as of its creation, whatever is written later.
// Ownership: values; a cursor owns copies of its rows. Thread: as the store says. Errors: none.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/log/key_value_store.h"

namespace worldline::storage {

using MemoryTable = std::map<std::string, std::string>;
using MemoryImage = std::array<MemoryTable, kFamilyCount>;

struct MemoryOperation {
  enum class Kind : uint8_t { kPut, kRemove, kRemoveRange } kind = Kind::kPut;
  Family family = Family::kLog;
  std::string key;
  std::string value;  // Or the end of the range.
  friend bool operator==(const MemoryOperation&, const MemoryOperation&) = default;
};
using MemoryOperations = std::vector<MemoryOperation>;

class MemoryBatch final : public WriteBatch {
 public:
  void put(Family family, Bytes key, Bytes value) override;
  void put(Family family, Bytes key, Bytes head, Bytes rest) override;
  void remove(Family family, Bytes key) override;
  void remove_range(Family family, Bytes first, Bytes end) override;
  void clear() override { operations.clear(); }

  MemoryOperations operations;
};

void apply_to(MemoryImage& image, const MemoryOperations& batch);
std::optional<ByteBuffer> find_row(const MemoryTable& table, Bytes key);
std::unique_ptr<Cursor> scan_rows(const MemoryTable& table, Bytes first, Bytes end);

}  // namespace worldline::storage
