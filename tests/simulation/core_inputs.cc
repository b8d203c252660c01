#include "tests/simulation/core_inputs.h"

#include <memory>
#include <utility>

namespace worldline::simulation {

using replication::RestoredState;

namespace {

// Before there is a core: it may not like what it finds.
CoreRecording* record_start(const replication::RaftConfig& config, const RestoredState& state,
                            CoreRecording* recording) {
  if (recording == nullptr) return nullptr;
  CoreStart start;
  start.config = config;
  start.hard = state.hard;
  start.boundary = state.boundary;
  start.last = state.entries.empty() ? state.boundary.id : state.entries.back().id();
  start.last_chain = state.entries.empty() ? state.boundary.chain : state.entries.back().chain;
  start.applied = state.applied;
  recording->begin(config.self.replica, CoreInput::kStart).start =
      std::make_shared<const CoreStart>(std::move(start));
  return recording;
}

}  // namespace

CoreInputs::CoreInputs(const replication::RaftConfig& config, const RestoredState& state,
                       CoreRecording* recording)
    : recording_(record_start(config, state, recording)), core_(config, state) {}

CoreStep* CoreInputs::note(CoreInput input, uint64_t a, uint64_t b) {
  if (recording_ == nullptr) return nullptr;
  CoreStep& step = recording_->begin(core_.config().self.replica, input);
  step.a = a;
  step.b = b;
  return &step;
}

void CoreInputs::tick() {
  note(CoreInput::kClockTick);
  core_.tick();
}

void CoreInputs::recv(const replication::Envelope& message) {
  if (CoreStep* step = note(CoreInput::kMessage); step != nullptr)
    step->message = std::make_shared<const replication::Envelope>(message);
  core_.recv(message);
}

void CoreInputs::paused() {
  note(CoreInput::kPaused);
  core_.paused();
}

replication::ProposeResult CoreInputs::propose(
    Term term, const std::vector<replication::Proposal>& proposals) {
  if (CoreStep* step = note(CoreInput::kPropose, term.value); step != nullptr)
    for (const replication::Proposal& proposal : proposals)
      step->payload_bytes.push_back(proposal.payload->size());
  return core_.propose(term, proposals);
}

void CoreInputs::persisted(replication::JobId job) {
  note(CoreInput::kPersisted, job.value);
  core_.persisted(job);
}

void CoreInputs::applied(LogIndex index) {
  note(CoreInput::kApplied, index.value);
  core_.applied(index);
}

void CoreInputs::checkpointed(replication::EntryId id, Chain chain) {
  note(CoreInput::kCheckpointed, id.index.value);
  core_.checkpointed(id, chain);
}

void CoreInputs::fetched(ReplicaId peer, std::vector<replication::Entry> entries) {
  note(CoreInput::kFetched, peer.value, entries.empty() ? 0 : entries.back().index.value);
  core_.fetched(peer, std::move(entries));
}

void CoreInputs::snapshot_staged(const replication::SnapshotMeta& meta) {
  note(CoreInput::kStaged, meta.boundary.id.index.value);
  core_.snapshot_staged(meta);
}

void CoreInputs::installed(LogIndex index) {
  note(CoreInput::kInstalled, index.value);
  core_.installed(index);
}

void CoreInputs::snapshot_result(ReplicaId peer, replication::SnapshotOutcome outcome) {
  note(CoreInput::kSnapshotResult, peer.value, static_cast<uint64_t>(outcome));
  core_.snapshot_result(peer, outcome);
}

void CoreInputs::snapshot_pinned(ReplicaId peer, LogIndex index) {
  note(CoreInput::kSnapshotPinned, peer.value, index.value);
  core_.snapshot_pinned(peer, index);
}

void CoreInputs::unreachable(ReplicaId peer) {
  note(CoreInput::kUnreachable, peer.value);
  core_.unreachable(peer);
}

void CoreInputs::node_hint(ReplicaId replica, replication::PeerHint hint) {
  note(CoreInput::kHint, replica.value, static_cast<uint64_t>(hint));
  core_.node_hint(replica, hint);
}

void CoreInputs::say_hello() {
  note(CoreInput::kHello);
  core_.say_hello();
}

Result<LogIndex> CoreInputs::change_config(const std::vector<replication::MemberChange>& changes,
                                           LogIndex expected_index) {
  if (CoreStep* step = note(CoreInput::kChange, expected_index.value); step != nullptr)
    step->changes = changes;
  return core_.change_config(changes, expected_index);
}

void CoreInputs::read_barrier(replication::ReadToken token) {
  note(CoreInput::kRead, token.value);
  core_.read_barrier(token);
}

Status CoreInputs::transfer(ReplicaId target) {
  note(CoreInput::kTransfer, target.value);
  return core_.transfer(target);
}

Status CoreInputs::campaign(replication::CampaignReason reason) {
  note(CoreInput::kCampaign, static_cast<uint64_t>(reason));
  return core_.campaign(reason);
}

void CoreInputs::forget_leader() {
  note(CoreInput::kForget);
  core_.forget_leader();
}

// Monitors repeat themselves with each tick: only news is an input.
void CoreInputs::set_eligible(bool is_eligible) {
  if (std::exchange(is_eligible_, is_eligible) != is_eligible)
    note(CoreInput::kEligible, is_eligible ? 1 : 0);
  core_.set_eligible(is_eligible);
}

void CoreInputs::set_disk_full(bool is_full) {
  const bool was_full = std::exchange(is_full_, is_full);
  if (is_full || was_full) note(CoreInput::kDiskFull, is_full ? 1 : 0);
  core_.set_disk_full(is_full);
}

Status CoreInputs::quiesce() {
  note(CoreInput::kQuiesce);
  return core_.quiesce();
}

void CoreInputs::wake() {
  note(CoreInput::kWake);
  core_.wake();
}

void CoreInputs::quarantine() {
  note(CoreInput::kQuarantine);
  core_.quarantine();
}

replication::Ready CoreInputs::take_ready() {
  replication::Ready ready = core_.take_ready();
  if (recording_ != nullptr) recording_->on_ready(core_, ready);
  return ready;
}

void CoreInputs::offered(ReplicaId peer, const replication::Envelope& offer) {
  const auto& meta = std::get<replication::SnapOffer>(offer.body).meta;
  CoreStep* step = note(CoreInput::kOffer, peer.value, meta.boundary.id.index.value);
  if (step != nullptr) step->message = std::make_shared<const replication::Envelope>(offer);
}

}  // namespace worldline::simulation
