#include "storage/log/memory_image.h"

#include <utility>

namespace worldline::storage {
namespace {

using Kind = MemoryOperation::Kind;

std::string text_of(Bytes bytes) {
  return std::string(as_text(bytes));
}

class MemoryCursor final : public Cursor {
 public:
  using Pair = std::pair<std::string, std::string>;
  explicit MemoryCursor(std::vector<Pair> pairs) : pairs_(std::move(pairs)) {}
  bool next() override {
    if (started_) ++at_;
    started_ = true;
    return at_ < pairs_.size();
  }
  Bytes key() const override { return as_bytes(pairs_[at_].first); }
  Bytes value() const override { return as_bytes(pairs_[at_].second); }
  Status status() const override { return {}; }

 private:
  std::vector<Pair> pairs_;
  size_t at_ = 0;
  bool started_ = false;
};

}  // namespace

void MemoryBatch::put(Family family, Bytes key, Bytes value) {
  operations.push_back({Kind::kPut, family, text_of(key), text_of(value)});
}

void MemoryBatch::put(Family family, Bytes key, Bytes head, Bytes rest) {
  operations.push_back({Kind::kPut, family, text_of(key), text_of(head) + text_of(rest)});
}

void MemoryBatch::remove(Family family, Bytes key) {
  operations.push_back({Kind::kRemove, family, text_of(key), {}});
}

void MemoryBatch::remove_range(Family family, Bytes first, Bytes end) {
  operations.push_back({Kind::kRemoveRange, family, text_of(first), text_of(end)});
}

void apply_to(MemoryImage& image, const MemoryOperations& batch) {
  for (const MemoryOperation& operation : batch) {
    MemoryTable& table = image[static_cast<size_t>(operation.family)];
    switch (operation.kind) {
      case Kind::kPut:
        table[operation.key] = operation.value;
        break;
      case Kind::kRemove:
        table.erase(operation.key);
        break;
      case Kind::kRemoveRange:
        if (operation.key < operation.value)
          table.erase(table.lower_bound(operation.key), table.lower_bound(operation.value));
        break;
    }
  }
}

std::optional<ByteBuffer> find_row(const MemoryTable& table, Bytes key) {
  const auto found = table.find(text_of(key));
  if (found == table.end()) return std::nullopt;
  const Bytes value = as_bytes(found->second);
  return ByteBuffer(value.begin(), value.end());
}

std::unique_ptr<Cursor> scan_rows(const MemoryTable& table, Bytes first, Bytes end) {
  std::vector<MemoryCursor::Pair> pairs;
  const auto stop = table.lower_bound(text_of(end));
  for (auto at = table.lower_bound(text_of(first)); at != stop && at != table.end(); ++at)
    pairs.emplace_back(at->first, at->second);
  return std::make_unique<MemoryCursor>(std::move(pairs));
}

}  // namespace worldline::storage
