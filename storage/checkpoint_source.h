// storage/checkpoint_source.h
//
// What a checkpoint writes: the manifest of a pinned Snapshot and its pages as bytes. Storage says
// which pages there are and which version each has; the log room decides where they are kept.
//
// The idea: a page version is the number of pins before the page's latest change. A page listed in
// two manifests with the same (table, page, version) has the same bytes, so a checkpoint writes
// only pages that the previous manifest does not list with that version. Event and ephemeral tables
// are left out [S 08/4.9]. Versions continue after a reload.
//
// Ownership: borrows nothing but the snapshot it is given. Thread: any.
// Units: page images are bounded by kPageImageBytesMax. Sources: [S 08/4.9].
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/status.h"
#include "storage/snapshot.h"
#include "storage/storage_types.h"

namespace worldline::storage {

struct CheckpointPage {
  uint32_t number = 0;
  uint64_t version = 0;
  friend bool operator==(const CheckpointPage&, const CheckpointPage&) = default;
};

struct CheckpointTable {
  TableId table;
  uint64_t row_count = 0;
  Digest128 digest;
  std::vector<CheckpointPage> pages;  // Ascending by number.
};

struct CheckpointManifest {
  GroupId group;
  TxOffset next_offset;
  uint64_t version = 0;                 // Of the snapshot; no page has a larger one.
  Digest128 digest;                     // Of the state.
  std::vector<CheckpointTable> tables;  // Ascending by id.
};

CheckpointManifest checkpoint_manifest(const Snapshot& snapshot);
// The same rows as the state of another group, whose digests they get. O(rows).
CheckpointManifest checkpoint_manifest_for(const Snapshot& snapshot, GroupId group);

// Replaces `out` by the image of one page. REQUIRES: the page is in the snapshot's manifest.
void write_page_image(const Snapshot& snapshot, TableId table, uint32_t page, ByteBuffer& out);

// The pages of `now` that `before` does not have with the same version, as (table, page).
struct PageAddress {
  TableId table;
  CheckpointPage page;
};
std::vector<PageAddress> changed_pages(const CheckpointManifest& before,
                                       const CheckpointManifest& now);

// A canonical byte form of the manifest, with a format version inside, and its inverse.
void encode_manifest(const CheckpointManifest& manifest, ByteBuffer& out);
Result<CheckpointManifest> decode_manifest(Bytes bytes);

}  // namespace worldline::storage
