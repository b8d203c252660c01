#include "tests/simulation/sector_disk.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/crc32c.h"

namespace worldline::simulation {
namespace {

using storage::Family;
using Operation = SectorDisk::Operation;
using Batch = SectorDisk::Batch;

constexpr size_t kSector = 512;
constexpr size_t kJournalMax = 32 * 1024;
constexpr size_t kRecordMax = 4 * 1024 * 1024;
constexpr size_t kHeader = 20;  // Length u32, checksum u32, sequence u64, operations u32.

template <typename Number>
void put_number(std::string& out, Number number) {
  for (size_t i = 0; i < sizeof number; ++i)
    out.push_back(static_cast<char>(static_cast<uint64_t>(number) >> (8 * i)));
}

template <typename Number>
Number number_at(std::string_view bytes, size_t at) {
  uint64_t number = 0;
  for (size_t i = 0; i < sizeof(Number); ++i)
    number |= uint64_t{static_cast<uint8_t>(bytes[at + i])} << (8 * i);
  return static_cast<Number>(number);
}

std::string encode(const Batch& batch, uint64_t sequence) {
  std::string body;
  put_number(body, sequence);
  put_number(body, static_cast<uint32_t>(batch.size()));
  for (const Operation& operation : batch) {
    put_number(body, static_cast<uint8_t>(operation.kind));
    put_number(body, static_cast<uint8_t>(operation.family));
    put_number(body, static_cast<uint32_t>(operation.key.size()));
    put_number(body, static_cast<uint32_t>(operation.value.size()));
    body += operation.key;
    body += operation.value;
  }
  std::string record;
  put_number(record, static_cast<uint32_t>(body.size()));
  put_number(record, crc32c(0, as_bytes(body)));
  return record + body;
}

// Of a body whose checksum is right.
Batch decode(std::string_view body) {
  Batch batch;
  size_t at = 12;
  for (uint32_t left = number_at<uint32_t>(body, 8); left > 0; --left) {
    Operation operation;
    operation.kind = static_cast<Operation::Kind>(body[at]);
    operation.family = static_cast<Family>(body[at + 1]);
    const auto key = number_at<uint32_t>(body, at + 2);
    const auto value = number_at<uint32_t>(body, at + 6);
    WL_CHECK(at + 10 + key + value <= body.size());
    operation.key = body.substr(at + 10, key);
    operation.value = body.substr(at + 10 + key, value);
    at += 10 + size_t{key} + value;
    batch.push_back(std::move(operation));
  }
  return batch;
}

}  // namespace

class SectorStore final : public storage::KeyValueStore {
 public:
  SectorStore(std::shared_ptr<SectorDisk> disk, uint64_t life)
      : disk_(std::move(disk)), life_(life) {}

  std::unique_ptr<storage::WriteBatch> new_batch() override {
    return std::make_unique<storage::MemoryBatch>();
  }
  Status apply(storage::WriteBatch& batch, storage::Sync sync) override {
    return disk_->write(static_cast<storage::MemoryBatch&>(batch).operations, sync, life_);
  }
  Status sync() override { return disk_->sync(life_); }
  Status resume() override {
    return Status::failed_precondition("the log database does not go on after a failure");
  }
  Status drop_files(Family, Bytes, Bytes) override { return {}; }

  Result<std::optional<ByteBuffer>> get(Family family, Bytes key) const override {
    return storage::find_row(disk_->table(family), key);
  }
  std::unique_ptr<storage::Cursor> scan(Family family, Bytes first, Bytes end) const override {
    return storage::scan_rows(disk_->table(family), first, end);
  }

 private:
  std::shared_ptr<SectorDisk> disk_;
  const uint64_t life_;
};

std::unique_ptr<storage::KeyValueStore> SectorDisk::open() {
  return std::make_unique<SectorStore>(shared_from_this(), life_);
}

void SectorDisk::set_next_write(NextWrite next, Chance* tears) {
  next_ = next;
  tears_ = tears;
}

// --- Writing -------------------------------------------------------------------------------------

Status SectorDisk::write(const Batch& batch, storage::Sync sync_now, uint64_t life) {
  if (life != life_ || failed_) return Status::io_error("sector disk: failed before");
  const NextWrite fate = std::exchange(next_, NextWrite::kSound);
  if (journal_.size() > kJournalMax && unsynced_.empty()) flush();
  failed_ = fate != NextWrite::kSound;
  if (fate == NextWrite::kRefused) return Status::io_error("sector disk: a write fails on order");
  const size_t from = journal_.size();
  unsynced_.push_back(from);
  journal_ += encode(batch, sequence_++);
  if (fate == NextWrite::kTorn) {
    tear(from);
    return Status::io_error("sector disk: the power fails during a write");
  }
  apply_to(current_, batch);
  if (fate == NextWrite::kUnsynced) return Status::io_error("sector disk: a sync fails on order");
  return sync_now == storage::Sync::kYes ? sync(life) : Status::ok_status();
}

Status SectorDisk::sync(uint64_t life) {
  if (life != life_ || failed_) return Status::io_error("sector disk: failed before");
  unsynced_.clear();
  return {};
}

void SectorDisk::flush() {
  WL_CHECK(unsynced_.empty());
  base_ = current_;
  journal_.clear();
  base_sequence_ = sequence_;
}

SectorDisk::Table* SectorDisk::rows_at_rest(Family family) {
  if (failed_ || !unsynced_.empty() || scan().verdict != Verdict::kWhole) return nullptr;
  if (!recover().ok()) return nullptr;
  flush();
  return &base_[static_cast<size_t>(family)];
}

void SectorDisk::set_damage_aside() {
  Found found = scan();
  for (const Batch& batch : found.batches) apply_to(base_, batch);
  current_ = base_;
  journal_.clear();
  unsynced_.clear();
  base_sequence_ = sequence_ = base_sequence_ + found.batches.size();
}

// What a sector that was not written holds: nothing, or whatever the file system had there. Those
// at the end may be missing from the file.
void SectorDisk::tear(size_t from) {
  const std::string whole = journal_;
  for (size_t sector = from / kSector; sector * kSector < whole.size(); ++sector) {
    if (tears_->with(0.5)) continue;
    const size_t begin = std::max(from, sector * kSector);
    const size_t end = std::min(whole.size(), (sector + 1) * kSector);
    const bool is_empty = tears_->with(0.7);
    for (size_t at = begin; at < end; ++at)
      journal_[at] = is_empty ? '\0' : static_cast<char>(tears_->below(256));
  }
  last_write_survived_ = journal_ == whole;
  if (!last_write_survived_ && tears_->with(0.5))
    journal_.resize(from + tears_->below(journal_.size() - from));
  tears_ = nullptr;
  unsynced_.clear();  // What is there is there.
}

// --- Lives ---------------------------------------------------------------------------------------

void SectorDisk::crash(Prng& rng) {
  const uint64_t kept = rng.below(unsynced_.size() + 1);
  if (kept < unsynced_.size()) journal_.resize(unsynced_[kept]);
  unsynced_.clear();
  kill();
}

void SectorDisk::kill() {
  ++life_;
  failed_ = false;
  next_ = NextWrite::kSound;
  tears_ = nullptr;
}

Status SectorDisk::recover() {
  Found found = scan();
  if (found.verdict == Verdict::kDamaged)
    return Status::corruption("the journal is damaged at byte {} and goes on behind it", found.end);
  // Rows may have been spoiled at rest: those are read as they are, unless a record replaces them.
  if (found.verdict == Verdict::kTornTail) {
    ++torn_tails_;
    journal_.resize(found.end);
    std::erase_if(unsynced_, [&found](size_t at) { return at >= found.end; });
  }
  sequence_ = base_sequence_ + found.batches.size();
  Image image = base_;
  for (const Batch& batch : found.batches) apply_to(image, batch);
  current_ = std::move(image);
  return {};
}

// --- Reading the journal -------------------------------------------------------------------------

std::optional<Batch> SectorDisk::record_at(size_t at, uint64_t sequence, size_t& end) const {
  const std::string_view bytes = journal_;
  if (at + kHeader > bytes.size()) return std::nullopt;
  const auto length = number_at<uint32_t>(bytes, at);
  if (length < kHeader - 8 || length > kRecordMax || at + 8 + length > bytes.size())
    return std::nullopt;
  const std::string_view body = bytes.substr(at + 8, length);
  if (number_at<uint64_t>(body, 0) != sequence) return std::nullopt;
  if (number_at<uint32_t>(bytes, at + 4) != crc32c(0, as_bytes(body))) return std::nullopt;
  end = at + 8 + length;
  return decode(body);
}

SectorDisk::Found SectorDisk::scan() const {
  Found found;
  while (found.end < journal_.size()) {
    const uint64_t sequence = base_sequence_ + found.batches.size();
    size_t end = 0;
    std::optional<Batch> batch = record_at(found.end, sequence, end);
    if (!batch) {
      const bool goes_on = finds_record_behind(found.end + 1, sequence);
      found.verdict = goes_on ? Verdict::kDamaged : Verdict::kTornTail;
      return found;
    }
    found.batches.push_back(std::move(*batch));
    found.end = end;
  }
  return found;
}

// At any byte: a damaged length says nothing about where the next record begins.
bool SectorDisk::finds_record_behind(size_t from, uint64_t sequence) const {
  for (size_t at = from; at + kHeader <= journal_.size(); ++at) {
    const auto later = number_at<uint64_t>(journal_, at + 8);
    size_t end = 0;
    if (later > sequence && later < sequence + kJournalMax && record_at(at, later, end))
      return true;
  }
  return false;
}

// --- Damage --------------------------------------------------------------------------------------

SectorDisk::Verdict SectorDisk::spoil_sector(Chance& chance) {
  undamaged_ = journal_;
  if (journal_.empty()) return Verdict::kWhole;
  const size_t sectors = (journal_.size() + kSector - 1) / kSector;
  const size_t begin = chance.below(sectors) * kSector;
  const size_t length = std::min(kSector, journal_.size() - begin);
  switch (chance.below(3)) {
    case 0:  // It cannot be read.
      std::fill_n(journal_.begin() + static_cast<std::ptrdiff_t>(begin), length, '\0');
      break;
    case 1: {  // A write meant for elsewhere went here.
      const size_t other = chance.below(sectors) * kSector;
      const size_t both = std::min(length, journal_.size() - other);
      std::memmove(journal_.data() + begin, undamaged_.data() + other, both);
      break;
    }
    default:
      journal_[begin + chance.below(length)] ^= static_cast<char>(1u << chance.below(8));
  }
  return scan().verdict;
}

bool SectorDisk::spoil_last_record(Chance& chance) {
  undamaged_ = journal_;
  size_t begin = 0;
  size_t end = 0;
  for (uint64_t sequence = base_sequence_; end < journal_.size(); ++sequence) {
    const size_t at = end;
    if (!record_at(at, sequence, end)) break;
    begin = at;
  }
  if (end == 0) return false;
  journal_[begin + chance.below(end - begin)] ^= static_cast<char>(1u << chance.below(8));
  return true;
}

void SectorDisk::undo_damage() {
  journal_ = std::move(undamaged_);
}

}  // namespace worldline::simulation
