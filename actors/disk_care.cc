#include "actors/disk_care.h"

#include <utility>

#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>

#include "actors/caf_types.h"

namespace worldline::actors {
namespace {

caf::behavior disk_actor(caf::event_based_actor* self, const std::shared_ptr<DiskDesk>& desk,
                         std::chrono::milliseconds interval) {
  self->delayed_send(self, interval, tick_atom_v);
  return {
      [](const Task& task) { (*task)(); },
      [self, desk, interval](tick_atom) {
        desk->on_time();
        self->delayed_send(self, interval, tick_atom_v);
      },
      [self](retire_atom) { self->quit(); },
  };
}

}  // namespace

DiskCare::DiskCare(caf::actor_system& system, std::shared_ptr<DiskDesk> desk,
                   std::chrono::milliseconds between_readings)
    : desk_(std::move(desk)), actor_(system.spawn(disk_actor, desk_, between_readings)) {}

void DiskCare::post(std::function<void()> work) const {
  caf::anon_send(actor_, Task(std::make_shared<const std::function<void()>>(std::move(work))));
}

void DiskCare::on_space(Result<storage::SpaceReading> reading) const {
  post([desk = desk_, reading = std::move(reading)] { desk->on_space(reading); });
}

void DiskCare::on_log(const LogHealth& health) const {
  post([desk = desk_, health] { desk->on_log(health); });
}

void DiskCare::on_checkpoints(bool fail) const {
  post([desk = desk_, fail] { desk->on_checkpoints(fail); });
}

void DiskCare::on_ballast(Result<uint64_t> bytes) const {
  post([desk = desk_, bytes = std::move(bytes)] { desk->on_ballast(bytes); });
}

void DiskCare::stop() const {
  caf::anon_send(actor_, retire_atom_v);
}

}  // namespace worldline::actors
