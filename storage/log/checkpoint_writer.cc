#include "storage/log/checkpoint_writer.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "storage/log/entry_codec.h"

namespace worldline::storage {
namespace {

// Walks the pages of the previous checkpoint beside those of the new one: both ascend.
class PreviousPages {
 public:
  explicit PreviousPages(const Checkpoint* previous) : previous_(previous) {}

  // The hash of the same version of a page, nullptr if it changed. REQUIRES: ascending calls.
  const Digest128* find(TableId table, const CheckpointPage& page) {
    if (previous_ == nullptr) return nullptr;
    const auto& tables = previous_->state.tables;
    while (table_ < tables.size() && tables[table_].table < table) next_table();
    if (table_ == tables.size() || tables[table_].table != table) return nullptr;
    const auto& pages = tables[table_].pages;
    while (page_ < pages.size() && pages[page_].number < page.number) ++page_;
    if (page_ == pages.size() || !(pages[page_] == page)) return nullptr;
    return &previous_->page_hashes[first_hash_ + page_];
  }

 private:
  void next_table() {
    first_hash_ += previous_->state.tables[table_].pages.size();
    ++table_;
    page_ = 0;
  }

  const Checkpoint* previous_;
  size_t table_ = 0;
  size_t page_ = 0;        // Within the table.
  size_t first_hash_ = 0;  // Of the table's first page.
};

Boundary boundary_of(const Checkpoint& checkpoint) {
  Boundary boundary;
  boundary.index = checkpoint.index;
  boundary.term = checkpoint.term;
  boundary.chain = checkpoint.chain;
  boundary.config = checkpoint.config;
  boundary.checkpoint = {checkpoint.id, checkpoint.manifest_hash};
  boundary.digest = checkpoint.state.digest;
  return boundary;
}

constexpr size_t kFindAtOnce = 256;

}  // namespace

LogPlace CheckpointWriter::Known::covered(GroupId group) const {
  if (!older) return {LogIndex{1}, Term{1}, genesis_chain(group)};
  return {older->index, older->term, older->chain};
}

CheckpointWriter::CheckpointWriter(CheckpointStore& store, GroupId group, Known known)
    : store_(store), group_(group), known_(std::move(known)) {}

Status CheckpointWriter::write_pages(const Snapshot& snapshot, Checkpoint& checkpoint) {
  PreviousPages previous(known_.newest ? &*known_.newest : nullptr);
  ByteBuffer image;
  uint64_t reused_pages = 0;
  for (const CheckpointTable& table : checkpoint.state.tables) {
    for (const CheckpointPage& page : table.pages) {
      ++cost_.pages_total;
      if (const Digest128* known_hash = previous.find(table.table, page)) {
        checkpoint.page_hashes.push_back(*known_hash);
        ++reused_pages;
        continue;
      }
      image.clear();
      write_page_image(snapshot, table.table, page.number, image);
      const Digest128 hash = content_hash(image);
      WL_RETURN_IF_ERROR(store_.add_page(group_, hash, image));
      checkpoint.page_hashes.push_back(hash);
      ++cost_.pages_written;
      cost_.bytes_written += image.size();
    }
  }
  // Reused pages are as large as the previous checkpoint's were on average: good enough for the
  // trigger, which is all this number serves.
  checkpoint.page_bytes = cost_.bytes_written;
  if (reused_pages > 0 && !known_.newest->page_hashes.empty())
    checkpoint.page_bytes +=
        known_.newest->page_bytes * reused_pages / known_.newest->page_hashes.size();
  return Status::ok_status();
}

// A failed checkpoint left a pending mark and perhaps pages that nothing names.
Status CheckpointWriter::remove_abandoned() {
  std::vector<const Checkpoint*> kept;
  if (known_.newest) kept.push_back(&*known_.newest);
  if (known_.older) kept.push_back(&*known_.older);
  WL_RETURN_IF_ERROR(store_.sweep(group_, kept));
  has_leftovers_ = false;
  return Status::ok_status();
}

Result<Boundary> CheckpointWriter::store(const Snapshot& snapshot, const CheckpointCut& cut) {
  Result<Boundary> boundary = try_store(snapshot, cut);
  failures_in_row_ = boundary.ok() ? 0 : failures_in_row_ + 1;
  if (!boundary.ok()) has_leftovers_ = true;
  return boundary;
}

Result<LogPlace> CheckpointWriter::activate() {
  Result<LogPlace> covered = try_activate();
  if (covered.ok()) return covered;
  ++failures_in_row_;
  has_leftovers_ = true;  // The old one, half deleted.
  return covered;
}

Result<Boundary> CheckpointWriter::try_store(const Snapshot& snapshot, const CheckpointCut& cut) {
  WL_CHECK(snapshot.group() == group_);
  if (receiving_)
    return Status::failed_precondition("group {}: a snapshot is being received", group_.value);
  cost_ = {};
  if (staged_) has_leftovers_ = true;  // Whole, but the boundary was never switched to it.
  staged_.reset();
  Checkpoint checkpoint;
  known_.last_id = known_.last_id.next();
  checkpoint.id = known_.last_id;
  checkpoint.index = cut.index;
  checkpoint.term = cut.term;
  checkpoint.chain = cut.chain;
  checkpoint.config = cut.config;
  checkpoint.cluster_time_ns = cut.cluster_time_ns;
  checkpoint.last_timestamp = cut.last_timestamp;
  checkpoint.state = checkpoint_manifest(snapshot);
  WL_RETURN_IF_ERROR(store_.begin(group_, checkpoint.id));
  if (has_leftovers_) {
    WL_RETURN_IF_ERROR(remove_abandoned());
    WL_RETURN_IF_ERROR(store_.begin(group_, checkpoint.id));  // The sweep took this mark too.
  }
  WL_RETURN_IF_ERROR(write_pages(snapshot, checkpoint));
  WL_RETURN_IF_ERROR(store_.commit(checkpoint));

  staged_ = std::move(checkpoint);
  return boundary_of(*staged_);
}

Result<LogPlace> CheckpointWriter::try_activate() {
  WL_CHECK(staged_.has_value());
  std::optional<Checkpoint> doomed = std::move(known_.older);
  known_.older = std::move(known_.newest);
  known_.newest = std::move(staged_);
  staged_.reset();
  if (doomed) {
    const std::vector<const Checkpoint*> kept = {&*known_.newest, &*known_.older};
    WL_RETURN_IF_ERROR(store_.remove(*doomed, kept));
  }
  return known_.covered(group_);
}

// --- A checkpoint of another replica -------------------------------------------------------------

Status CheckpointWriter::begin_received() {
  if (receiving_) return Status::ok_status();
  known_.last_id = known_.last_id.next();
  WL_RETURN_IF_ERROR(store_.begin(group_, known_.last_id));
  staged_.reset();
  receiving_ = known_.last_id;
  return Status::ok_status();
}

Status CheckpointWriter::put_received(const Digest128& hash, Bytes image) {
  WL_CHECK(receiving_.has_value());
  if (content_hash(image) != hash)
    return Status::corruption("group {}: {} B are not page {:016x}{:016x}", group_.value,
                              image.size(), hash.high, hash.low);
  WL_RETURN_IF_ERROR(store_.add_page(group_, hash, image));
  return store_.flush_pages();
}

Result<std::vector<bool>> CheckpointWriter::find_received(std::span<const Digest128> hashes) const {
  return store_.find_pages(group_, hashes);
}

// The older checkpoints may have lost pages since they were looked for, so all are looked for
// again.
Result<CheckpointWriter::Received> CheckpointWriter::store_received(Checkpoint checkpoint) {
  WL_CHECK(receiving_.has_value());
  if (checkpoint.state.group != group_)
    return Status::corruption("group {}: the manifest is of group {}", group_.value,
                              checkpoint.state.group.value);
  Received received;
  const std::span<const Digest128> all(checkpoint.page_hashes);
  for (size_t at = 0; at < all.size(); at += kFindAtOnce) {
    const auto some = all.subspan(at, std::min(kFindAtOnce, all.size() - at));
    WL_ASSIGN_OR_RETURN(const std::vector<bool> found, find_received(some));
    for (size_t i = 0; i < some.size(); ++i)
      if (!found[i]) received.missing.push_back(some[i]);
  }
  if (!received.missing.empty()) return received;
  checkpoint.id = *receiving_;
  WL_RETURN_IF_ERROR(store_.commit(checkpoint));
  staged_ = std::move(checkpoint);
  received.boundary = boundary_of(*staged_);
  return received;
}

Status CheckpointWriter::activate_received() {
  WL_CHECK(receiving_.has_value());
  WL_CHECK(staged_.has_value());
  known_.newest = std::move(staged_);
  known_.older.reset();
  staged_.reset();
  receiving_.reset();
  has_leftovers_ = true;
  return remove_abandoned();
}

Status CheckpointWriter::discard_received() {
  staged_.reset();
  receiving_.reset();
  has_leftovers_ = true;
  return remove_abandoned();
}

}  // namespace worldline::storage
