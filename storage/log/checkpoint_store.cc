#include "storage/log/checkpoint_store.h"

#include <algorithm>
#include <cstring>

#include "base/record_reader.h"
#include "schema/hash.h"
#include "storage/log/row_codec.h"

namespace worldline::storage {
namespace {

constexpr uint32_t kCheckpointVersion = 2;  // 1 named pages by another hash, before any release.
constexpr size_t kBatchBytes = 4 * limits::MiB;
// A manifest that is only this byte stands for a checkpoint being written or deleted.
constexpr Byte kPendingMark = 'p';

using PageKey = std::array<Byte, 8 + sizeof(Digest128)>;

PageKey page_key(GroupId group, const Digest128& hash) {
  PageKey key{};
  const auto prefix = group_key(group);
  std::copy(prefix.begin(), prefix.end(), key.begin());
  store_le(key.data() + prefix.size(), hash);
  return key;
}

LogKey manifest_key(GroupId group, CheckpointId id) {
  return entry_key(group, LogIndex{id.value});
}
LogKey group_begin(GroupId group) {
  return entry_key(group, LogIndex{0});
}
LogKey group_end(GroupId group) {
  return entry_key(GroupId{group.value + 1}, LogIndex{0});
}

size_t page_count(const CheckpointManifest& state) {
  size_t count = 0;
  for (const CheckpointTable& table : state.tables) count += table.pages.size();
  return count;
}

// All pages that some checkpoint of `kept` names, sorted.
std::vector<Digest128> pages_of(std::span<const Checkpoint* const> kept) {
  std::vector<Digest128> hashes;
  for (const Checkpoint* checkpoint : kept)
    hashes.insert(hashes.end(), checkpoint->page_hashes.begin(), checkpoint->page_hashes.end());
  std::sort(hashes.begin(), hashes.end(), ByHash());
  return hashes;
}

}  // namespace

Digest128 content_hash(Bytes bytes) {
  return load_le<Digest128>(schema::blake3(bytes).bytes.data());
}

ByteBuffer encode_checkpoint(const Checkpoint& checkpoint) {
  ByteBuffer state;
  encode_manifest(checkpoint.state, state);
  ByteBuffer out;
  append_le(out, kCheckpointVersion);
  append_le(out, checkpoint.id.value);
  append_le(out, checkpoint.index.value);
  append_le(out, checkpoint.term.value);
  append_le(out, checkpoint.chain.value);
  append_le(out, checkpoint.cluster_time_ns);
  append_le(out, checkpoint.last_timestamp.micros);
  append_le(out, checkpoint.page_bytes);
  append_le(out, static_cast<uint32_t>(checkpoint.config.size()));
  append(out, checkpoint.config);
  append_le(out, static_cast<uint64_t>(state.size()));
  append(out, state);
  append_le(out, static_cast<uint64_t>(checkpoint.page_hashes.size()));
  append(out, {reinterpret_cast<const Byte*>(checkpoint.page_hashes.data()),
               checkpoint.page_hashes.size() * sizeof(Digest128)});
  append_le(out, content_hash(out));
  return out;
}

Result<Checkpoint> decode_checkpoint(Bytes bytes) {
  if (bytes.size() < sizeof(uint32_t) + sizeof(Digest128))
    return Status::corruption("checkpoint manifest of {} B", bytes.size());
  const Bytes covered = bytes.first(bytes.size() - sizeof(Digest128));
  Checkpoint checkpoint;
  checkpoint.manifest_hash = load_le<Digest128>(bytes.data() + covered.size());
  if (content_hash(covered) != checkpoint.manifest_hash)
    return Status::corruption("checkpoint manifest: hash does not match");
  RecordReader reader(covered);
  if (const auto version = reader.number<uint32_t>(); version != kCheckpointVersion)
    return Status::not_supported("checkpoint manifest: version {}, this program reads {}", version,
                                 kCheckpointVersion);
  checkpoint.id = CheckpointId{reader.number<uint64_t>()};
  checkpoint.index = LogIndex{reader.number<uint64_t>()};
  checkpoint.term = Term{reader.number<uint64_t>()};
  checkpoint.chain = Chain{reader.number<uint64_t>()};
  checkpoint.cluster_time_ns = reader.number<uint64_t>();
  checkpoint.last_timestamp = Timestamp{reader.number<int64_t>()};
  checkpoint.page_bytes = reader.number<uint64_t>();
  const Bytes config = reader.take(reader.number<uint32_t>());
  const Bytes state = reader.take(reader.number<uint64_t>());
  const auto hash_count = reader.number<uint64_t>();
  if (!reader.ok() || hash_count != reader.left() / sizeof(Digest128) ||
      reader.left() % sizeof(Digest128) != 0)
    return Status::corruption("checkpoint manifest: lengths do not fit");
  const Bytes hashes = reader.take(reader.left());
  checkpoint.config.assign(config.begin(), config.end());
  checkpoint.page_hashes.resize(hash_count);
  if (hash_count > 0) std::memcpy(checkpoint.page_hashes.data(), hashes.data(), hashes.size());
  WL_ASSIGN_OR_RETURN(checkpoint.state, decode_manifest(state));
  if (page_count(checkpoint.state) != hash_count)
    return Status::corruption("checkpoint manifest: {} pages but {} hashes",
                              page_count(checkpoint.state), hash_count);
  return checkpoint;
}

CheckpointStore::CheckpointStore(std::unique_ptr<KeyValueStore> database)
    : database_(std::move(database)), batch_(database_->new_batch()) {}

Status CheckpointStore::note(Status status) {
  if (!status.ok()) has_failed_ = true;
  return status.with_context("checkpoint database");
}

Status CheckpointStore::flush(Sync sync) {
  const Status status = database_->apply(*batch_, sync);
  batch_->clear();
  batch_bytes_ = 0;
  return note(status);
}

Status CheckpointStore::sync_all() {
  return note(database_->sync());
}

Result<std::vector<CheckpointId>> CheckpointStore::list(GroupId group) const {
  std::vector<CheckpointId> ids;
  const auto cursor =
      database_->scan(Family::kManifest, group_begin(group).span(), group_end(group).span());
  while (cursor->next()) {
    WL_ASSIGN_OR_RETURN(const LogIndex id, parse_entry_key(group, cursor->key()));
    if (cursor->value().size() != 1) ids.push_back(CheckpointId{id.value});
  }
  WL_RETURN_IF_ERROR(cursor->status());
  std::reverse(ids.begin(), ids.end());
  return ids;
}

Result<Checkpoint> CheckpointStore::load_manifest(GroupId group, CheckpointId id) const {
  WL_ASSIGN_OR_RETURN(const ByteBuffer bytes, load_manifest_bytes(group, id));
  const std::string context = fmt::format("group {} checkpoint {}", group.value, id.value);
  Result<Checkpoint> checkpoint = decode_checkpoint(bytes);
  if (!checkpoint.ok()) return checkpoint.status().with_context(context);
  if (checkpoint->id != id || checkpoint->state.group != group)
    return Status::corruption("{}: the manifest is of group {} checkpoint {}", context,
                              checkpoint->state.group.value, checkpoint->id.value);
  return checkpoint;
}

Result<ByteBuffer> CheckpointStore::load_manifest_bytes(GroupId group, CheckpointId id) const {
  const std::string context = fmt::format("group {} checkpoint {}", group.value, id.value);
  auto stored = database_->get(Family::kManifest, manifest_key(group, id).span());
  if (!stored.ok()) return stored.status().with_context(context);
  if (!stored.value() || stored.value()->size() == 1)
    return Status::not_found("{}: there is no such checkpoint", context);
  return std::move(**stored);
}

Result<ByteBuffer> CheckpointStore::load_page(GroupId group, const Digest128& hash) const {
  WL_ASSIGN_OR_RETURN(std::optional<ByteBuffer> image,
                      database_->get(Family::kPage, page_key(group, hash)));
  if (!image)
    return Status::corruption("group {}: page {:016x}{:016x} is missing", group.value, hash.high,
                              hash.low);
  if (content_hash(*image) != hash)
    return Status::corruption("group {}: page {:016x}{:016x} has other content", group.value,
                              hash.high, hash.low);
  return std::move(*image);
}

Result<std::vector<bool>> CheckpointStore::find_pages(GroupId group,
                                                      std::span<const Digest128> hashes) const {
  std::vector<bool> found;
  found.reserve(hashes.size());
  for (const Digest128& hash : hashes) {
    WL_ASSIGN_OR_RETURN(const std::optional<ByteBuffer> image,
                        database_->get(Family::kPage, page_key(group, hash)));
    found.push_back(image && content_hash(*image) == hash);
  }
  return found;
}

Status CheckpointStore::begin(GroupId group, CheckpointId id) {
  batch_->clear();
  batch_bytes_ = 0;
  if (has_failed_) {
    WL_RETURN_IF_ERROR(database_->resume().with_context("checkpoint database"));
    has_failed_ = false;
  }
  batch_->put(Family::kManifest, manifest_key(group, id).span(), Bytes(&kPendingMark, 1));
  return flush(Sync::kNo);
}

Status CheckpointStore::add_page(GroupId group, const Digest128& hash, Bytes image) {
  batch_->put(Family::kPage, page_key(group, hash), image);
  batch_bytes_ += image.size();
  return batch_bytes_ >= kBatchBytes ? flush(Sync::kNo) : Status::ok_status();
}

Status CheckpointStore::flush_pages() {
  return flush(Sync::kNo);
}

Status CheckpointStore::commit(Checkpoint& checkpoint) {
  const ByteBuffer bytes = encode_checkpoint(checkpoint);
  batch_->put(Family::kManifest, manifest_key(checkpoint.state.group, checkpoint.id).span(), bytes);
  WL_RETURN_IF_ERROR(flush(Sync::kNo));
  WL_RETURN_IF_ERROR(sync_all());
  checkpoint.manifest_hash = load_le<Digest128>(bytes.data() + bytes.size() - sizeof(Digest128));
  return Status::ok_status();
}

Status CheckpointStore::repair_page(GroupId group, const Digest128& hash, Bytes image) {
  if (content_hash(image) != hash)
    return Status::invalid_argument("group {}: {} B are not page {:016x}{:016x}", group.value,
                                    image.size(), hash.high, hash.low);
  WL_RETURN_IF_ERROR(add_page(group, hash, image));
  WL_RETURN_IF_ERROR(flush(Sync::kNo));
  return sync_all();
}

Status CheckpointStore::remove(const Checkpoint& doomed, std::span<const Checkpoint* const> kept) {
  const GroupId group = doomed.state.group;
  WL_RETURN_IF_ERROR(begin(group, doomed.id));  // Pending: a crash from here on is swept up.
  const std::vector<Digest128> needed = pages_of(kept);
  for (const Digest128& hash : doomed.page_hashes) {
    if (std::binary_search(needed.begin(), needed.end(), hash, ByHash())) continue;
    batch_->remove(Family::kPage, page_key(group, hash));
    batch_bytes_ += sizeof(PageKey);
    if (batch_bytes_ >= kBatchBytes) WL_RETURN_IF_ERROR(flush(Sync::kNo));
  }
  batch_->remove(Family::kManifest, manifest_key(group, doomed.id).span());
  return flush(Sync::kNo);
}

Status CheckpointStore::sweep(GroupId group, std::span<const Checkpoint* const> kept) {
  const auto is_kept = [kept](uint64_t id) {
    return std::any_of(kept.begin(), kept.end(),
                       [id](const Checkpoint* checkpoint) { return checkpoint->id.value == id; });
  };
  std::vector<CheckpointId> doomed;
  const auto manifests =
      database_->scan(Family::kManifest, group_begin(group).span(), group_end(group).span());
  while (manifests->next()) {
    WL_ASSIGN_OR_RETURN(const LogIndex id, parse_entry_key(group, manifests->key()));
    if (!is_kept(id.value)) doomed.push_back(CheckpointId{id.value});
  }
  WL_RETURN_IF_ERROR(manifests->status());
  if (doomed.empty()) return Status::ok_status();

  const std::vector<Digest128> needed = pages_of(kept);
  const auto pages =
      database_->scan(Family::kPage, group_begin(group).span(), group_end(group).span());
  while (pages->next()) {
    if (pages->key().size() != sizeof(PageKey))
      return Status::corruption("group {}: page key of {} B", group.value, pages->key().size());
    const auto hash = load_le<Digest128>(pages->key().data() + 8);
    if (std::binary_search(needed.begin(), needed.end(), hash, ByHash())) continue;
    batch_->remove(Family::kPage, pages->key());
  }
  WL_RETURN_IF_ERROR(pages->status());
  for (const CheckpointId id : doomed)
    batch_->remove(Family::kManifest, manifest_key(group, id).span());
  return flush(Sync::kNo);
}

Status CheckpointStore::destroy_group(GroupId group) {
  const std::unique_ptr<WriteBatch> batch = database_->new_batch();
  batch->remove_range(Family::kPage, group_begin(group).span(), group_end(group).span());
  batch->remove_range(Family::kManifest, group_begin(group).span(), group_end(group).span());
  return database_->apply(*batch, Sync::kNo).with_context("checkpoint database");
}

}  // namespace worldline::storage
