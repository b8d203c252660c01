// storage/checkpoint_loader.h
//
// CheckpointLoader builds a DatabaseState from a manifest and its page images. Give it every page
// of the manifest in any order, then finish: schemas come from the st_* rows, indexes and free
// space are rebuilt, sequences continue at their reservation, digests are compared.
//
// Invariants: finish() succeeds only if every page came exactly once and all counts and digests of
// the manifest agree. Ownership: copies what it is given. Thread: one.
// Errors: kCorruption, naming table and page. Sources: [S 08/3.7, 4.9].
//   CheckpointLoader loader(manifest); for (page...) loader.add_page(table, number, bytes);
//   auto state = loader.finish();
#pragma once

#include <memory>

#include "base/bytes.h"
#include "base/status.h"
#include "storage/checkpoint_source.h"
#include "storage/database_state.h"

namespace worldline::storage {

class CheckpointLoader {
 public:
  explicit CheckpointLoader(CheckpointManifest manifest);
  ~CheckpointLoader();
  CheckpointLoader(const CheckpointLoader&) = delete;
  CheckpointLoader& operator=(const CheckpointLoader&) = delete;

  Status add_page(TableId table, uint32_t page, Bytes image);
  Result<std::unique_ptr<DatabaseState>> finish();  // Once.

 private:
  struct Rep;
  std::unique_ptr<Rep> rep_;
};

}  // namespace worldline::storage
