// storage/checkpoint_loader.h
//
// CheckpointLoader builds a DatabaseState from a manifest and its page images. Give it every page
// of the manifest in any order, then finish: schemas come from the st_* rows, indexes and free
// space are rebuilt, sequences continue at their reservation, digests are compared.
//
// Indexes are rebuilt in parallel, one task each, because that is nearly all of the time of a load.
//
// Invariants: finish() succeeds only if every page came exactly once and all counts and digests of
// the manifest agree; state and error are the same whatever the number of threads.
// Ownership: copies what it is given. Thread: one; finish() starts others and ends them.
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

// A thread costs some 20 us to start, as much as indexing 100 rows: a hundredth of this work.
inline constexpr uint64_t kRowsPerThreadMin = 10'000;

class CheckpointLoader {
 public:
  explicit CheckpointLoader(CheckpointManifest manifest);
  ~CheckpointLoader();
  CheckpointLoader(const CheckpointLoader&) = delete;
  CheckpointLoader& operator=(const CheckpointLoader&) = delete;

  Status add_page(TableId table, uint32_t page, Bytes image);
  // Once. REQUIRES: threads_max >= 1. Few rows are not worth a thread: see kRowsPerThreadMin.
  Result<std::unique_ptr<DatabaseState>> finish(size_t threads_max = 1);

 private:
  struct Rep;
  std::unique_ptr<Rep> rep_;
};

}  // namespace worldline::storage
