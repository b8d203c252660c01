#include "actors/replication.h"

#include <utility>

#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>
#include <caf/stateful_actor.hpp>

#include "actors/caf_types.h"

namespace worldline::actors {
namespace {

struct ReplicationState {
  std::unique_ptr<ReplicationDesk> desk;
  std::chrono::microseconds timer_due{0};  // Of the boot clock; 0 = no timer is set.
};
using ReplicationSelf = caf::stateful_actor<ReplicationState>*;

constexpr std::chrono::microseconds kTimerSlack{1000};

// One timer is out at a time, for the earliest deadline: an idle node is not woken.
void set_timer(ReplicationSelf self, const Clock& clock) {
  const std::chrono::microseconds due = clock.boot() + self->state.desk->until_next_deadline();
  const bool is_set = self->state.timer_due.count() != 0;
  if (is_set && self->state.timer_due <= due + kTimerSlack) return;
  self->state.timer_due = due;
  self->delayed_send(self, self->state.desk->until_next_deadline(), tick_atom_v);
}

void on_timer(ReplicationSelf self, const Clock& clock) {
  if (clock.boot() + kTimerSlack >= self->state.timer_due) self->state.timer_due = {};
  self->state.desk->on_time();
  set_timer(self, clock);
}

// To the actor itself, from the log writer's thread; nobody is kept alive by it.
void post_to(const caf::actor_addr& me, ReplicationTask task) {
  if (const auto actor = caf::actor_cast<caf::actor>(me))
    caf::anon_send(actor,
                   ReplicationWork(std::make_shared<const ReplicationTask>(std::move(task))));
}

// Retiring drops the desk: what is still in the mailbox finds nothing to do.
caf::behavior replication_actor(ReplicationSelf self, ReplicationDeskParts parts) {
  const Clock& clock = *parts.clock;
  const auto me = caf::actor_cast<caf::actor_addr>(self);
  parts.post_created = [me](GroupId group, Status status) {
    post_to(me, [group, status](ReplicationDesk& desk) { desk.created(group, status); });
  };
  parts.post_destroyed = [me](GroupId group) {
    post_to(me, [group](ReplicationDesk& desk) { desk.destroyed(group); });
  };
  parts.post_truncated = [me](GroupId group) {
    post_to(me, [group](ReplicationDesk& desk) { desk.truncated(group); });
  };
  parts.post_marked = [me](GroupId group) {
    post_to(me, [group](ReplicationDesk& desk) { desk.marked(group); });
  };
  self->state.desk = std::make_unique<ReplicationDesk>(std::move(parts));
  set_timer(self, clock);
  return {
      [self, &clock](const ProposalBatchPtr& batch) {
        self->state.desk->propose(batch);
        set_timer(self, clock);
      },
      [self](const WrittenJobsPtr& jobs) { self->state.desk->written(*jobs); },
      [self, &clock](const ReplicationWork& work) {
        (*work)(*self->state.desk);
        set_timer(self, clock);
      },
      [self, &clock](tick_atom) { on_timer(self, clock); },
      [self](retire_atom) { self->quit(); },
  };
}

}  // namespace

Replication::Replication(caf::actor_system& system, ReplicationDeskParts parts)
    : actor_(system.spawn(replication_actor, std::move(parts))) {}

void Replication::post(const caf::actor& actor, Work work) {
  caf::anon_send(actor, ReplicationWork(std::make_shared<const ReplicationTask>(std::move(work))));
}

void Replication::open(OpenGroup group) const {
  // std::function copies, and a recovered state is moved once: it travels in a shared box.
  post(actor_, [box = std::make_shared<OpenGroup>(std::move(group))](ReplicationDesk& desk) {
    desk.open(std::move(*box));
  });
}

void Replication::close(GroupId group) const {
  post(actor_, [group](ReplicationDesk& desk) { desk.close(group); });
}

void Replication::remove(GroupId group, std::function<void()> done) const {
  post(actor_,
       [group, done = std::move(done)](ReplicationDesk& desk) { desk.remove(group, done); });
}

void Replication::distrust(GroupId group, storage::MarkKind kind, const std::string& why) const {
  post(actor_, [group, kind, why](ReplicationDesk& desk) { desk.distrust(group, kind, why); });
}

void Replication::propose(ProposalBatchPtr batch) const {
  caf::anon_send<caf::message_priority::high>(actor_, std::move(batch));
}

void Replication::written(WrittenJobsPtr jobs) const {
  caf::anon_send<caf::message_priority::high>(actor_, std::move(jobs));
}

void Replication::checkpoint(ProposalSeq covers, CheckpointJob job) const {
  auto work = std::make_shared<const ReplicationTask>(
      [covers, box = std::make_shared<CheckpointJob>(std::move(job))](ReplicationDesk& desk) {
        desk.checkpoint(covers, std::move(*box));
      });
  // As proposals: a checkpoint must arrive before the proposal behind its cut.
  caf::anon_send<caf::message_priority::high>(actor_, ReplicationWork(std::move(work)));
}

void Replication::checkpointed(GroupId group, const storage::LogPlace& covered) const {
  post(actor_, [group, covered](ReplicationDesk& desk) { desk.checkpointed(group, covered); });
}

void Replication::on_disk(const replication::DiskVerdict& verdict) const {
  post(actor_, [verdict](ReplicationDesk& desk) { desk.on_disk(verdict); });
}

void Replication::stop() const {
  caf::anon_send(actor_, retire_atom_v);
}

}  // namespace worldline::actors
