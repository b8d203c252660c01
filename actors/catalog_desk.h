// actors/catalog_desk.h
//
// CatalogDesk runs changes of the catalog and publishes what is committed: changes become log
// entries, callers are answered and a new CatalogIndex is published when those are committed. It
// writes checkpoints as any other database does.
//
// Invariants: the published index shows committed changes only; answers keep the order of changes;
// before lead() nothing is changed.
// Ownership: the catalog actor; not thread-safe, but for index(), which is frozen and shared.
// Sources: architecture 2, [S 04/1.2].
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "actors/checkpoint_pacer.h"
#include "actors/checkpointer.h"
#include "actors/messages.h"
#include "actors/proposal.h"
#include "base/clock.h"
#include "storage/catalog/catalog_state.h"

namespace worldline::actors {

// The committed catalog, frozen.
struct CatalogIndex {
  std::map<schema::Identity, storage::DatabaseRecord> databases;
  std::map<std::string, storage::NameRecord, std::less<>> names;

  const storage::DatabaseRecord* find_database(const schema::Identity& database) const;
  const storage::NameRecord* find_name(std::string_view name) const;
  std::vector<std::string> names_of(const schema::Identity& database) const;

  // The database a route names; the texts of [S 02/1.4].
  Result<storage::DatabaseRecord> resolve(const DatabaseRef& ref) const;
};
using CatalogIndexPtr = std::shared_ptr<const CatalogIndex>;

// Where readers on any thread get the latest index.
class CatalogBoard {
 public:
  CatalogIndexPtr index() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return index_;
  }
  void publish(CatalogIndexPtr index) {
    const std::lock_guard<std::mutex> lock(mutex_);
    index_ = std::move(index);
  }

 private:
  mutable std::mutex mutex_;
  CatalogIndexPtr index_ = std::make_shared<const CatalogIndex>();  // Guarded by mutex_.
};

// The catalog's state is small and its log is short: a checkpoint costs next to nothing, and long
// before that of a database would be due.
inline constexpr storage::CheckpointPolicy kCatalogCheckpoints{
    .log_bytes_min = 1 * limits::MiB,
    .transactions = 10'000,
    .aged_log_bytes_min = 64 * limits::KiB,
};

struct CatalogDeskParts {
  std::unique_ptr<storage::CatalogState> state;
  uint64_t cluster_time_ns = 0;  // The last logged one.
  Timestamp last_timestamp;      // Of the last transaction.
  uint64_t replayed_bytes = 0;   // Of log that no checkpoint covers.
  std::function<void(ProposalBatchPtr)> propose;
  std::function<void(ProposalSeq covers, CheckpointJob)>
      checkpoint;  // Of the state after `covers`.
  std::shared_ptr<storage::CheckpointWriter> checkpoint_writer;
  storage::CheckpointPolicy checkpoint_policy = kCatalogCheckpoints;
  CatalogBoard* board = nullptr;  // Borrowed, as is the clock; they outlive the desk.
  const Clock* clock = nullptr;
};

class CatalogDesk {
 public:
  explicit CatalogDesk(CatalogDeskParts parts);

  // This node leads `term`: changes may be made. Proposes what opening the state changed.
  Status lead(Term term);

  // Runs `change`; `done` gets its status once everything it did is committed. A change must not
  // write before its last check: a failed one is told at once.
  using Change = std::function<Status(storage::CatalogState&, Timestamp now)>;
  void run(const Change& change, Callback<Status> done);

  void committed(ProposalSeq proposal);

  // Refuses changes from here on; what was run before is still committed and answered.
  void close() { is_closed_ = true; }
  // Closed, and everything that was run is answered.
  bool is_done() const { return is_closed_ && held_.empty(); }
  // Makes the next start quick. REQUIRES: is_done().
  void write_last_checkpoint();

 private:
  struct Held {
    ProposalSeq depends_on;
    Callback<Status> done;
  };
  void propose_committed();
  void checkpoint_if_due(CheckpointPacer::Occasion occasion);
  void publish();

  const CatalogDeskParts parts_;
  storage::BundleBuilder builder_;
  CheckpointPacer checkpoint_pacer_;
  Timestamp last_timestamp_;
  Term term_;  // Led; 0 = none yet.
  ProposalSeq proposed_;
  std::deque<Held> held_;  // INVARIANT: depends_on ascending.
  ProposalSeq committed_;
  bool is_closed_ = false;
};

}  // namespace worldline::actors
