// tests/replication_snapshot/snapshot_fixture.h
//
// Checkpoints made of random pages, and the messages around them.
#pragma once

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <vector>

#include "base/prng.h"
#include "replication/snapshot/snapshot_messages.h"
#include "storage/log/checkpoint_store.h"

namespace worldline::replication {

inline constexpr GroupId kFirstGroup{7};
inline constexpr ReplicaId kLeaderNode{1};
inline constexpr ReplicaId kTarget{2};
inline constexpr ReplicaId kDelegate{3};

using Pages = std::map<ContentHash, SharedBytes, storage::ByHash>;

struct FakeCheckpoint {
  storage::Checkpoint manifest;
  SharedBytes manifest_bytes;
  Pages pages;

  SnapshotOffer offer(uint64_t id, ReplicaId leader = kLeaderNode, uint64_t leader_term = 5) const {
    SnapshotOffer out;
    out.id = SnapshotId{id};
    out.group = manifest.state.group;
    out.leader = leader;
    out.target = kTarget;
    out.leader_term = Term{leader_term};
    out.index = manifest.index;
    out.term = manifest.term;
    out.chain = manifest.chain;
    out.manifest_hash = manifest.manifest_hash;
    return out;
  }
  // What a source has under a name; null if nothing.
  SharedBytes find(const ContentHash& hash) const {
    if (hash == manifest.manifest_hash) return manifest_bytes;
    const auto found = pages.find(hash);
    return found == pages.end() ? nullptr : found->second;
  }
};

inline SharedBytes random_bytes(Prng& rng, size_t count) {
  auto bytes = std::make_shared<ByteBuffer>(count);
  for (size_t at = 0; at < count; at += sizeof(uint64_t)) {
    const uint64_t drawn = rng.next();
    std::memcpy(bytes->data() + at, &drawn, std::min(sizeof drawn, count - at));
  }
  return bytes;
}

// `sizes`: of its pages. `shared`: a page of it is taken over for every second one, as in the
// checkpoint after it.
inline FakeCheckpoint make_checkpoint(Prng& rng, uint64_t index, const std::vector<size_t>& sizes,
                                      const FakeCheckpoint* shared = nullptr) {
  FakeCheckpoint made;
  storage::Checkpoint& manifest = made.manifest;
  manifest.id = storage::CheckpointId{index};
  manifest.index = LogIndex{index};
  manifest.term = Term{3};
  manifest.chain = Chain{rng.next()};
  manifest.state.group = kFirstGroup;
  storage::CheckpointTable table{TableId{4096}, sizes.size(), {}, {}};
  for (size_t i = 0; i < sizes.size(); ++i) {
    const bool is_taken_over =
        shared != nullptr && i % 2 == 0 && i < shared->manifest.page_hashes.size();
    const SharedBytes page = is_taken_over ? shared->pages.at(shared->manifest.page_hashes[i])
                                           : random_bytes(rng, sizes[i]);
    const ContentHash hash = storage::content_hash(*page);
    manifest.page_hashes.push_back(hash);
    made.pages[hash] = page;
    table.pages.push_back({static_cast<uint32_t>(i), index});
  }
  manifest.state.tables.push_back(std::move(table));
  made.manifest_bytes = std::make_shared<const ByteBuffer>(storage::encode_checkpoint(manifest));
  manifest.manifest_hash = storage::decode_checkpoint(*made.manifest_bytes)->manifest_hash;
  return made;
}

inline SnapMessage message_of(const SnapshotOffer& offer, ReplicaId from, ReplicaId to,
                              SnapBody body) {
  return {offer.id, offer.group, from, to, std::move(body)};
}

// The bodies of one type among messages.
template <typename Body>
std::vector<Body> bodies(const std::vector<SnapMessage>& messages) {
  std::vector<Body> out;
  for (const SnapMessage& message : messages)
    if (const auto* body = std::get_if<Body>(&message.body)) out.push_back(*body);
  return out;
}

}  // namespace worldline::replication
