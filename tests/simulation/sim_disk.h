// tests/simulation/sim_disk.h
//
// One node's disk: the real log store over a SectorDisk, written by a queue with latency, and the
// checkpoints beside it. It outlives the processes that use it.
//
// Crash: of the jobs that were handed over but not completed, a prefix is on the disk, from none to
// all [S 08/1.10]; the write that was under way may be torn. A failed write stops the process for
// good. Every start verifies the log as a real node does and compares it with the mirror.
//
// Ownership: one SimNode, which is its owner and outlives it. Units: microseconds.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "replication/log_adapter.h"
#include "tests/simulation/chance.h"
#include "tests/simulation/durable_image.h"
#include "tests/simulation/machine.h"
#include "tests/simulation/scenario.h"
#include "tests/simulation/sector_disk.h"

namespace worldline::simulation {

inline constexpr GroupId kGroup{9};

struct Checkpoint {
  uint64_t id = 0;  // Unique in a run.
  replication::LogBoundary boundary;
  MachineState state;
};
using CheckpointPtr = std::shared_ptr<const Checkpoint>;

// One thing the log writer does: a job of the core, a switch of the boundary to a checkpoint, or
// the truncation of the log's beginning.
struct DiskJob {
  std::optional<replication::PersistJob> persist;
  CheckpointPtr checkpoint;
  LogIndex truncate_to;
  Micros handed_over = 0;
};

class DiskOwner {
 public:
  virtual ~DiskOwner() = default;
  virtual void on_job_stable(replication::JobId job) = 0;
  virtual void on_checkpoint_counts(const CheckpointPtr& checkpoint) = 0;
  virtual void on_disk_failed() = 0;                       // The process must end.
  virtual void on_disk_broken_rule(std::string text) = 0;  // A bug of ours.
};

enum class Loss : uint8_t { kProcess, kPower };

struct Mounted {
  replication::RestoredState state;
  MachineState machine;  // At state.applied.
};

class SimDisk final : public EventSink {
 public:
  SimDisk(uint32_t slot, EventQueue& queue, const Scenario& scenario, DiskOwner& owner);

  // --- Between lives
  // ------------------------------------------------------------------------------ Writes the rows
  // of a new replica; the disk must be mounted by no process.
  void create(const storage::GroupBirth& birth, CheckpointPtr genesis);
  void create_joining(ReplicaId replica);  // It waits for a snapshot.
  // Opens and verifies. kCorruption: the replica must be quarantined.
  Result<Mounted> mount(uint64_t incarnation);
  void unmount(Loss loss);
  void wipe();                            // The volume is lost.
  void quarantine(const Status& damage);  // After mount() refused it, or under a process.
  void destroy_replica();                 // With a tombstone. No process may use it any more.
  bool rot(Chance& chance);               // Flips one bit at rest; false if there is nothing.
  // Any damage at rest that recovery can tell from a torn write; also under a process, which finds
  // it when it reads there.
  bool damage(Chance& chance);
  bool is_damaged() const { return is_damaged_; }  // And nobody found it yet, or it is undone.
  // Loses the last write, if it brought entries and no vote; as recovery cannot tell, the disk is
  // whole afterwards, but for this. The entry that was the last one, or none: nothing happened.
  std::optional<DurableImage::Mark> lose_tail(Chance& chance);
  void undo_lost_tail();  // REQUIRES: of lose_tail(), and no start since.
  bool lacks_tail() const { return lacks_tail_; }
  bool has_replica() const { return replica_.value != 0; }
  ReplicaId replica() const { return replica_; }
  ReplicaId tombstone() const { return tombstone_; }  // Lowest replica allowed; 0 = any.

  // --- One life
  // -----------------------------------------------------------------------------------
  void submit(DiskJob job);
  void add_checkpoint(CheckpointPtr checkpoint);  // Durable from here on.
  CheckpointPtr counting_checkpoint() const;      // Of the stored boundary; null before the first.
  Result<std::vector<replication::Entry>> read(const replication::FetchRequest& request);
  Micros oldest_write_age() const;  // 0 = nothing is being written.
  bool is_writing() const { return writing_ > 0; }
  const DurableImage& durable() const { return image_; }
  uint64_t torn_tails() const { return disk_->torn_tails(); }  // That recovery cut.
  Micros latency_mean() const { return model_.latency_mean; }

  // --- Faults
  // -------------------------------------------------------------------------------------
  void stall(Micros until);  // kNever = until heal().
  void fail_next_write() { fails_next_ = true; }
  void heal();

  void on_event(const Event& event) override;

 private:
  void begin(ReplicaId replica);
  void pump();
  bool perform(size_t count);  // False: the write failed.
  void tear_write();
  bool write_jobs(size_t count);
  std::vector<storage::QueuedJob> batch_of(size_t count);
  bool damage_row(Chance& chance);
  void spoil_entry(LogIndex index);
  std::optional<storage::LogJob> log_job_of(const DiskJob& job);
  void complete(size_t count);
  void truncate_prefix(LogIndex upto);
  DurableImage load_image(storage::LogStore& store, const storage::VerifiedGroup& group) const;
  bool matches_mirror(const DurableImage& loaded) const;

  EventQueue& queue_;
  DiskOwner& owner_;
  DiskModel model_;
  Chance chance_;
  Chance crash_chance_;
  Chance tear_chance_;
  std::shared_ptr<SectorDisk> disk_;
  std::unique_ptr<storage::LogStore> store_;  // Null: not mounted.
  std::optional<replication::LogAdapter> adapter_;
  ReplicaId replica_;
  ReplicaId tombstone_;
  DurableImage image_;
  bool is_image_certain_ = true;
  bool is_damaged_ = false;
  bool lacks_tail_ = false;  // Nobody knows yet, or ever will.
  DurableImage before_loss_;
  bool spoils_next_read_ = false;           // A latent sector error where it will read next.
  const bool tears_ = false;                // Power failures tear what is being written.
  std::vector<CheckpointPtr> checkpoints_;  // Ascending by index.
  std::deque<DiskJob> jobs_;
  size_t writing_ = 0;  // The first so many of jobs_ are in one write.
  uint32_t life_ = 1;
  Micros stalled_until_ = 0;
  uint64_t write_ = 0;  // Counts writes.
  bool fails_next_ = false;
};

}  // namespace worldline::simulation
