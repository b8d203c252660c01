#include "tests/simulation/sim_disk.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/check.h"
#include "storage/log/entry_codec.h"
#include "storage/log/row_codec.h"

namespace worldline::simulation {
namespace {

constexpr size_t kCheckpointsKept = 2;
constexpr double kUnsyncedPartSurvives = 0.5;
constexpr double kTornShare = 0.8;  // Of the power failures during a write.

replication::CheckpointPlace place_of(const Checkpoint& checkpoint) {
  return {{storage::CheckpointId{checkpoint.id}, {}}, checkpoint.state.digest()};
}

}  // namespace

SimDisk::SimDisk(uint32_t slot, EventQueue& queue, const Scenario& scenario, DiskOwner& owner)
    : queue_(queue),
      owner_(owner),
      model_(scenario.disk),
      chance_(scenario.seed, Purpose::kDisk, slot),
      crash_chance_(scenario.seed, Purpose::kCrashImage, slot),
      tear_chance_(scenario.seed, Purpose::kTear, slot),
      disk_(std::make_shared<SectorDisk>()),
      tears_(scenario.has(FaultClass::kTorn)) {}

// --- Between lives -------------------------------------------------------------------------------

void SimDisk::create(const storage::GroupBirth& birth, CheckpointPtr genesis) {
  WL_CHECK(store_ == nullptr);
  WL_CHECK(!has_replica());
  storage::LogStore store(disk_->open());
  const Status status = store.create_group(birth);
  if (!status.ok()) return owner_.on_disk_broken_rule(status.message());
  begin(birth.replica);
  image_.hard.term = Term{1};
  image_.boundary = genesis->boundary.id.index;
  image_.boundary_mark = {genesis->boundary.id.term, genesis->boundary.chain};
  image_.first = image_.boundary.next();
  checkpoints_.push_back(std::move(genesis));
}

void SimDisk::create_joining(ReplicaId replica) {
  WL_CHECK(store_ == nullptr);
  WL_CHECK(!has_replica());
  storage::LogStore store(disk_->open());
  const Status status = store.create_uninitialised(kGroup, replica);
  if (!status.ok()) return owner_.on_disk_broken_rule(status.message());
  begin(replica);
  image_.boundary_mark.chain = storage::genesis_chain(kGroup);
}

void SimDisk::begin(ReplicaId replica) {
  replica_ = replica;
  image_ = {};
  image_.hard.replica = replica;
  checkpoints_.clear();
}

Result<Mounted> SimDisk::mount(uint64_t incarnation) {
  WL_CHECK(store_ == nullptr);
  WL_CHECK(has_replica());
  ++life_;
  WL_RETURN_IF_ERROR(disk_->recover());
  auto store = std::make_unique<storage::LogStore>(disk_->open());
  WL_RETURN_IF_ERROR(store->write_marker(incarnation));
  WL_ASSIGN_OR_RETURN(const storage::VerifiedGroup group, storage::verify_group(*store, kGroup));
  WL_RETURN_IF_ERROR(storage::adopt_group(*store, group));
  const DurableImage loaded = load_image(*store, group);
  if (is_image_certain_ && !matches_mirror(loaded))
    owner_.on_disk_broken_rule(
        fmt::format("the store has boundary {} last {} term {} vote {}, written were {} {} {} {}",
                    loaded.boundary.value, loaded.last().value, loaded.hard.term.value,
                    loaded.hard.vote.value, image_.boundary.value, image_.last().value,
                    image_.hard.term.value, image_.hard.vote.value));
  image_ = loaded;
  is_image_certain_ = true;
  is_damaged_ = false;  // Verified from end to end.
  Mounted mounted;
  WL_ASSIGN_OR_RETURN(mounted.state, replication::restore_state(*store, group));
  if (mounted.state.applied.value > 0) {
    const CheckpointPtr checkpoint = counting_checkpoint();
    if (checkpoint == nullptr || checkpoint->state.digest() != group.boundary.digest)
      return Status::corruption("no checkpoint for the boundary {}", group.boundary.index.value);
    mounted.machine = checkpoint->state;
  }
  adapter_.emplace(kGroup, replica_, group.hard_state.generation);
  store_ = std::move(store);
  return mounted;
}

void SimDisk::unmount(Loss loss) {
  ++life_;
  if (store_ != nullptr && store_->failure().ok()) {
    const double luck = crash_chance_.unit();
    size_t kept = 0;
    if (luck < 0.3) kept = writing_;
    if (luck > 0.7) kept = crash_chance_.below(jobs_.size() + 1);
    if (tears_ && loss == Loss::kPower && writing_ > 0 && tear_chance_.with(kTornShare)) {
      tear_write();
    } else {
      perform(kept);
    }
  }
  store_.reset();
  adapter_.reset();
  jobs_.clear();
  writing_ = 0;
  fails_next_ = false;
  spoils_next_read_ = false;
  if (loss == Loss::kPower) {
    disk_->crash(crash_chance_);
  } else {
    disk_->kill();
  }
}

// The mirror has what all sectors of are there; what recovery finds must be the same.
void SimDisk::tear_write() {
  const std::vector<storage::QueuedJob> batch = batch_of(writing_);
  if (batch.empty()) return;
  disk_->set_next_write(SectorDisk::NextWrite::kTorn, &tear_chance_);
  store_->write(batch).ignore("it fails with the power");
  if (!disk_->last_write_survived()) return;
  for (const storage::QueuedJob& queued : batch) image_.apply(queued.job);
}

void SimDisk::wipe() {
  WL_CHECK(store_ == nullptr);
  disk_ = std::make_shared<SectorDisk>();
  replica_ = tombstone_ = {};
  image_ = {};
  checkpoints_.clear();
  is_image_certain_ = true;
  is_damaged_ = lacks_tail_ = false;
}

// The mark makes sure that no later start trusts the replica again. What was not written yet never
// will be.
void SimDisk::quarantine(const Status& damage) {
  ++life_;
  is_damaged_ = lacks_tail_ = false;  // It is found.
  if (store_ == nullptr) {
    disk_->set_damage_aside();
    store_ = std::make_unique<storage::LogStore>(disk_->open());
  }
  const bool was_sound = store_->failure().ok();
  const Status status = store_->quarantine(kGroup, replica_, damage);
  if (was_sound && !status.ok()) owner_.on_disk_broken_rule(status.message());
  store_.reset();
  adapter_.reset();
  jobs_.clear();
  writing_ = 0;
}

void SimDisk::destroy_replica() {
  if (store_ == nullptr) store_ = std::make_unique<storage::LogStore>(disk_->open());
  is_damaged_ = lacks_tail_ = false;
  tombstone_ = replica_.next();
  const Status status = store_->destroy_group(kGroup, {tombstone_, {}, {}});
  if (!status.ok()) return owner_.on_disk_failed();
  replica_ = {};
  image_ = {};
  jobs_.clear();
  writing_ = 0;
  checkpoints_.clear();
}

bool SimDisk::rot(Chance& chance) {
  SectorDisk::Table* table =
      disk_->rows_at_rest(chance.with(0.7) ? storage::Family::kLog : storage::Family::kHard);
  if (table == nullptr || table->empty()) return false;
  auto row = table->begin();
  std::advance(row, static_cast<std::ptrdiff_t>(chance.below(table->size())));
  if (row->second.empty()) return false;
  char& byte = row->second[chance.below(row->second.size())];
  byte = static_cast<char>(byte ^ static_cast<char>(1u << chance.below(8)));
  return true;
}

// A bit flips, a sector cannot be read any more, or a write meant for elsewhere went here.
bool SimDisk::damage_row(Chance& chance) {
  SectorDisk::Table* table =
      disk_->rows_at_rest(chance.with(0.8) ? storage::Family::kLog : storage::Family::kHard);
  if (table == nullptr || table->empty()) return false;
  const auto draw_row = [table, &chance] {
    auto row = table->begin();
    std::advance(row, static_cast<std::ptrdiff_t>(chance.below(table->size())));
    return row;
  };
  const auto row = draw_row();
  const std::string before = row->second;
  if (before.empty()) return false;
  const size_t at = chance.below(before.size());
  switch (chance.below(3)) {
    case 0:
      row->second[at] ^= static_cast<char>(1u << chance.below(8));
      break;
    case 1:
      std::fill_n(row->second.begin() + static_cast<std::ptrdiff_t>(at),
                  std::min<size_t>(before.size() - at, 512), '\0');
      break;
    default:
      row->second = draw_row()->second;
  }
  disk_->show_rows();
  return row->second != before;
}

std::optional<DurableImage::Mark> SimDisk::lose_tail(Chance& chance) {
  if (!has_replica() || store_ != nullptr || is_damaged_ || lacks_tail_) return std::nullopt;
  before_loss_ = image_;
  if (!disk_->spoil_last_record(chance)) return std::nullopt;
  lacks_tail_ = disk_->recover().ok();
  storage::LogStore store(disk_->open());
  const auto group = storage::verify_group(store, kGroup);
  if (lacks_tail_ && group.ok()) image_ = load_image(store, *group);
  const bool lacks_entries_only =
      lacks_tail_ && group.ok() && image_.hard.term == before_loss_.hard.term &&
      image_.hard.vote == before_loss_.hard.vote && image_.boundary == before_loss_.boundary &&
      image_.last() < before_loss_.last();
  if (lacks_entries_only) return before_loss_.marks.back();
  undo_lost_tail();
  return std::nullopt;
}

void SimDisk::undo_lost_tail() {
  disk_->undo_damage();
  image_ = before_loss_;
  lacks_tail_ = false;
}

void SimDisk::spoil_entry(LogIndex index) {
  SectorDisk::Table* table = disk_->rows_at_rest(storage::Family::kLog);
  if (table == nullptr) return;
  const storage::LogKey key = storage::entry_key(kGroup, index);
  const auto row = table->find(std::string(as_text(key.span())));
  if (row == table->end() || row->second.empty()) return;
  row->second.back() ^= 1;
  spoils_next_read_ = false;
  disk_->show_rows();
}

bool SimDisk::damage(Chance& chance) {
  if (!has_replica() || is_damaged_) return false;
  const double where = chance.unit();
  // A disk that nobody reads is spoiled where it is: its start would find a latent error, too.
  if (where < 0.4 && store_ != nullptr) {
    spoils_next_read_ = is_damaged_ = true;
  } else if (where < 0.7) {
    is_damaged_ = damage_row(chance);
  } else {
    is_damaged_ = disk_->spoil_sector(chance) == SectorDisk::Verdict::kDamaged;
    if (!is_damaged_) disk_->undo_damage();
  }
  return is_damaged_;
}

DurableImage SimDisk::load_image(storage::LogStore& store,
                                 const storage::VerifiedGroup& group) const {
  DurableImage image;
  image.hard = group.hard_state;
  image.boundary = group.boundary.index;
  image.boundary_mark = {group.boundary.term, group.boundary.chain};
  image.first = group.first;
  storage::EntryCursor cursor = store.scan(kGroup, group.first);
  while (true) {
    const auto entry = cursor.next();
    if (!entry.ok() || !*entry) break;
    image.marks.push_back({(*entry)->term(), (*entry)->chain()});
  }
  return image;
}

// The beginning may differ: a truncation of it may have been lost or kept.
bool SimDisk::matches_mirror(const DurableImage& loaded) const {
  const bool is_same_hard = loaded.hard.term == image_.hard.term &&
                            loaded.hard.vote == image_.hard.vote &&
                            loaded.hard.commit_hint == image_.hard.commit_hint;
  if (!is_same_hard || loaded.boundary != image_.boundary ||
      loaded.boundary_mark != image_.boundary_mark || loaded.last() != image_.last())
    return false;
  const LogIndex from = std::max(loaded.first, image_.first);
  const auto behind = [from](const DurableImage& image) {
    return image.marks.begin() + static_cast<std::ptrdiff_t>(from.value - image.first.value);
  };
  return std::equal(behind(loaded), loaded.marks.end(), behind(image_), image_.marks.end());
}

// --- One life ------------------------------------------------------------------------------------

void SimDisk::submit(DiskJob job) {
  if (store_ == nullptr) return;
  job.handed_over = queue_.now();
  jobs_.push_back(std::move(job));
  pump();
}

void SimDisk::pump() {
  if (writing_ > 0 || jobs_.empty() || store_ == nullptr) return;
  const uint64_t most = chance_.between(1, model_.batch_jobs_max);
  writing_ = std::min<size_t>(jobs_.size(), most);
  const Micros latency = model_.latency_min + chance_.exponential(model_.latency_mean);
  queue_.push(latency, {0, 0, this, 0, life_, ++write_, 0});
}

void SimDisk::on_event(const Event& event) {
  if (event.life != life_ || event.a != write_ || writing_ == 0 || store_ == nullptr) return;
  if (stalled_until_ == kNever) return;  // heal() goes on.
  if (stalled_until_ > queue_.now()) {
    queue_.push(stalled_until_ - queue_.now(), {0, 0, this, 0, life_, write_, 0});
    return;
  }
  const size_t count = writing_;
  if (!perform(count)) return owner_.on_disk_failed();
  complete(count);
  pump();
}

// Writes the first `count` jobs, as the log writer does: one batch, but truncations by themselves.
bool SimDisk::perform(size_t count) {
  if (fails_next_) {
    const bool survives = chance_.with(kUnsyncedPartSurvives);
    disk_->set_next_write(survives ? SectorDisk::NextWrite::kUnsynced
                                   : SectorDisk::NextWrite::kRefused);
    is_image_certain_ = false;
  }
  if (!write_jobs(count)) return false;
  for (size_t i = 0; i < count; ++i)
    if (jobs_[i].truncate_to.value > 0) truncate_prefix(jobs_[i].truncate_to);
  return store_->failure().ok();
}

std::vector<storage::QueuedJob> SimDisk::batch_of(size_t count) {
  std::vector<storage::QueuedJob> batch;
  LogIndex boundary = image_.boundary;
  for (size_t i = 0; i < count; ++i) {
    std::optional<storage::LogJob> job = log_job_of(jobs_[i]);
    if (!job) continue;
    // A boundary never goes back: a snapshot may have overtaken the checkpoint.
    if (jobs_[i].checkpoint != nullptr && job->boundary->index <= boundary) continue;
    if (job->boundary) boundary = job->boundary->index;
    batch.push_back({storage::LogTicket{i + 1}, std::move(*job)});
  }
  return batch;
}

bool SimDisk::write_jobs(size_t count) {
  const std::vector<storage::QueuedJob> batch = batch_of(count);
  if (batch.empty()) return true;
  if (!store_->write(batch).ok()) return false;
  for (const storage::QueuedJob& queued : batch) image_.apply(queued.job);
  return true;
}

std::optional<storage::LogJob> SimDisk::log_job_of(const DiskJob& job) {
  if (job.checkpoint != nullptr)
    return adapter_->to_checkpoint_job(job.checkpoint->boundary, place_of(*job.checkpoint));
  if (!job.persist) return std::nullopt;
  if (!job.persist->new_boundary) return adapter_->to_log_job(*job.persist, nullptr);
  const LogIndex index = job.persist->new_boundary->id.index;
  for (const CheckpointPtr& checkpoint : checkpoints_) {
    if (checkpoint->boundary.id.index != index) continue;
    const replication::CheckpointPlace place = place_of(*checkpoint);
    return adapter_->to_log_job(*job.persist, &place);
  }
  owner_.on_disk_broken_rule(fmt::format("boundary {} without a staged snapshot", index.value));
  return std::nullopt;
}

void SimDisk::complete(size_t count) {
  std::vector<DiskJob> done;
  for (size_t i = 0; i < count; ++i) {
    done.push_back(std::move(jobs_.front()));
    jobs_.pop_front();
  }
  writing_ = 0;
  for (const DiskJob& job : done) {
    if (job.persist) owner_.on_job_stable(job.persist->job);
    if (job.checkpoint != nullptr) owner_.on_checkpoint_counts(job.checkpoint);
  }
}

void SimDisk::truncate_prefix(LogIndex upto) {
  if (upto > image_.boundary)
    return owner_.on_disk_broken_rule(fmt::format("log deleted up to {} with the checkpoint at {}",
                                                  upto.value, image_.boundary.value));
  store_->truncate_prefix(kGroup, upto.next()).ignore("the failure is sticky and looked at");
}

// The newest are kept, and the one the boundary names.
void SimDisk::add_checkpoint(CheckpointPtr checkpoint) {
  const auto by_index = [](const CheckpointPtr& a, const CheckpointPtr& b) {
    return a->boundary.id.index < b->boundary.id.index;
  };
  const LogIndex index = checkpoint->boundary.id.index;
  std::erase_if(checkpoints_, [this, index](const CheckpointPtr& kept) {
    return kept->boundary.id.index == index && index != image_.boundary;
  });
  if (index == image_.boundary) return;
  checkpoints_.insert(
      std::upper_bound(checkpoints_.begin(), checkpoints_.end(), checkpoint, by_index), checkpoint);
  while (checkpoints_.size() > kCheckpointsKept &&
         checkpoints_[1]->boundary.id.index <= image_.boundary)
    checkpoints_.erase(checkpoints_.begin());
}

CheckpointPtr SimDisk::counting_checkpoint() const {
  for (const CheckpointPtr& checkpoint : checkpoints_)
    if (checkpoint->boundary.id.index == image_.boundary) return checkpoint;
  return nullptr;
}

Result<std::vector<replication::Entry>> SimDisk::read(const replication::FetchRequest& request) {
  if (store_ == nullptr) return std::vector<replication::Entry>();
  if (spoils_next_read_) spoil_entry(request.first);
  return replication::read_entries(*store_, kGroup, request);
}

Micros SimDisk::oldest_write_age() const {
  return jobs_.empty() ? 0 : queue_.now() - jobs_.front().handed_over;
}

// --- Faults --------------------------------------------------------------------------------------

void SimDisk::stall(Micros until) {
  stalled_until_ = std::max(stalled_until_, until);
}

void SimDisk::heal() {
  stalled_until_ = 0;
  fails_next_ = false;
  model_.latency_mean = std::min<Micros>(model_.latency_mean, kMillisecond);
  // What is being written ends soon, however slow it was meant to be.
  if (writing_ > 0) queue_.push(kMillisecond, {0, 0, this, 0, life_, write_, 0});
}

}  // namespace worldline::simulation
