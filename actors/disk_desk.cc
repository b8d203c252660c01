#include "actors/disk_desk.h"

#include <utility>

#include <fmt/core.h>

namespace worldline::actors {

using storage::SpaceLevel;
using storage::StallLevel;

namespace {

const char* consequence_of(SpaceLevel level) {
  switch (level) {
    case SpaceLevel::kPlenty:
      return "";
    case SpaceLevel::kWarning:
      return "; free some soon";
    case SpaceLevel::kAlmostFull:
      return "; writes are refused when it is full";
    case SpaceLevel::kFull:
      return "; writes are refused until there is space";
  }
  return "";
}

}  // namespace

DiskDesk::DiskDesk(DiskDeskParts parts) : parts_(std::move(parts)), space_(parts_.policy) {}

// A disk that hangs answers no order: they must not pile up behind it.
void DiskDesk::on_time() {
  if (std::exchange(is_reading_, true)) return;
  parts_.order_reading();
}

void DiskDesk::on_space(const Result<storage::SpaceReading>& reading) {
  is_reading_ = false;
  const bool failed_before = std::exchange(reading_failed_, !reading.ok());
  if (!reading.ok()) {
    if (!failed_before) parts_.on_note(fmt::format("disk space: {}", reading.status().message()));
    return;
  }
  parts_.board->free_bytes = reading->free_bytes;
  parts_.board->total_bytes = reading->total_bytes;
  const auto change = space_.observe(*reading);
  if (change) {
    state_.space = change->after;
    apply();
    note_space(*change);
  }
  restore_ballast(*reading);
}

void DiskDesk::on_log(const LogHealth& health) {
  if (health.stall != state_.stall) note_log(health);
  if (state_.stall == StallLevel::kNone && health.stall != StallLevel::kNone)
    ++parts_.board->stalls;
  if (health.is_slow && !state_.is_slow)
    parts_.on_note("the disk is slow: more than one log write in a hundred took over 100 ms");
  state_.stall = health.stall;
  state_.is_slow = health.is_slow;
  apply();
}

void DiskDesk::on_checkpoints(bool fail) {
  state_.checkpoints_fail = fail;
  apply();
}

void DiskDesk::on_ballast(const Result<uint64_t>& bytes) {
  if (!bytes.ok()) {
    ballast_ = Ballast::kGivenUp;
    parts_.on_note(fmt::format("no ballast is kept: {}", bytes.status().message()));
    return;
  }
  parts_.board->ballast_bytes = *bytes;
  ballast_ = *bytes == 0 ? Ballast::kAbsent : Ballast::kThere;
}

// Only if the disk is not almost full with it.
void DiskDesk::restore_ballast(const storage::SpaceReading& reading) {
  if (parts_.ballast_bytes == 0 || ballast_ != Ballast::kAbsent) return;
  if (reading.free_bytes < parts_.ballast_bytes) return;
  storage::DiskSpaceMonitor with_ballast = space_;
  with_ballast.observe({reading.free_bytes - parts_.ballast_bytes, reading.total_bytes});
  if (with_ballast.level() >= SpaceLevel::kAlmostFull) return;
  ballast_ = Ballast::kOrdered;
  parts_.order_ballast();
}

void DiskDesk::note_space(const storage::SpaceChange& change) const {
  parts_.on_note(
      fmt::format("disk space: {}, was {}: {} MiB of {} MiB are free{}",
                  storage::space_level_name(change.after), storage::space_level_name(change.before),
                  change.reading.free_bytes / limits::MiB, change.reading.total_bytes / limits::MiB,
                  consequence_of(change.after)));
}

void DiskDesk::note_log(const LogHealth& health) const {
  if (health.stall == StallLevel::kNone) return parts_.on_note("the disk stalls no more");
  parts_.on_note(fmt::format("the disk stalls: a log write is under way for {} ms; level {}",
                             health.in_flight.count(), storage::stall_level_name(health.stall)));
}

void DiskDesk::apply() {
  DiskBoard& board = *parts_.board;
  board.space = state_.space;
  board.stall = state_.stall;
  const bool accepts = state_.accepts_appends();
  const bool accepted = board.accepts_writes.exchange(accepts);
  parts_.tell({state_.may_lead(), state_.may_heartbeat(), !accepts});
  if (accepts && !accepted) parts_.writes_resumed();
}

}  // namespace worldline::actors
