// actors/disk_care.h
//
// The disk actor: one per node, it owns the DiskDesk and the timer of its readings. DiskCare is the
// end that everybody else holds; its calls only post messages.
//
// Invariants: after stop() nothing is done any more.
// Thread: any. Sources: [S 08/3.12].
// Only .cc files of actors/ include this header.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

#include "actors/disk_desk.h"

namespace worldline::actors {

class DiskCare {
 public:
  // The desk is the actor's from here on.
  DiskCare(caf::actor_system& system, std::shared_ptr<DiskDesk> desk,
           std::chrono::milliseconds between_readings);

  void on_space(Result<storage::SpaceReading> reading) const;
  void on_log(const LogHealth& health) const;
  void on_checkpoints(bool fail) const;
  void on_ballast(Result<uint64_t> bytes) const;
  void stop() const;

 private:
  void post(std::function<void()> work) const;

  const std::shared_ptr<DiskDesk> desk_;
  const caf::actor actor_;
};

}  // namespace worldline::actors
