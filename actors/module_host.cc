#include "actors/module_host.h"

#include <utility>

#include <caf/send.hpp>

#include "actors/scheduler.h"
#include "actors/subscription.h"

namespace worldline::actors {
namespace {

constexpr size_t kQueuedLogBytesMax = storage::LogWriterLimits{}.queued_bytes_max / 2;

}  // namespace

// Carries the host's output to the other actors of the database.
class ActorPorts final : public HostPorts {
 public:
  using Self = caf::stateful_actor<ModuleHostState>*;

  ActorPorts(Self self, const ModuleHostArgs& args)
      : self_(self),
        shared_(args.shared),
        queue_(args.handle->queue),
        group_(args.handle->group),
        subscription_(self->spawn(subscription_actor,
                                  SubscriptionArgs{args.handle->queue, args.handle->counters})),
        scheduler_(self->spawn(scheduler_actor, SchedulerArgs{args.handle->queue, shared_.clock})) {
    shared_.router->add(group_, [subscription = subscription_](LogIndex index) {
      caf::anon_send<caf::message_priority::high>(subscription, CommitNotice{index});
    });
  }

  // Lets the two actors go once everything up to `last` is committed and answered; then `stopped`.
  void retire(LogIndex last, std::function<void()> stopped) {
    ReplyItem goodbye{[router = shared_.router, group = group_, scheduler = scheduler_,
                       subscription = subscription_, stopped = std::move(stopped)] {
      router->remove(group);
      caf::anon_send(scheduler, retire_atom_v);
      caf::anon_send(subscription, retire_atom_v);
      stopped();
    }};
    auto batch = std::make_shared<ExecutedBatch>();
    batch->depends_on = last;
    batch->items.emplace_back(std::move(goodbye));
    executed(std::move(batch));
  }

  Status append(storage::LogJob job) override {
    // Behind: the writer refuses jobs at twice as much, and by then the state has changed.
    shared_.log->wait_until_below(kQueuedLogBytesMax);
    return shared_.log->push(std::move(job)).status();
  }
  void executed(ExecutedBatchPtr batch) override { self_->send(subscription_, std::move(batch)); }
  void arm(std::vector<runtime::ScheduleNotice> notices) override {
    self_->send(scheduler_, freeze(std::move(notices)));
  }
  void rearm(std::vector<runtime::ScheduleNotice> notices) override {
    self_->send(scheduler_, rearm_atom_v, freeze(std::move(notices)));
  }
  void call_later(runtime::ImmediateCall call) override {
    queue_->push(ImmediateWork{std::move(call)});
  }
  void checkpoint(CheckpointJob job) override { shared_.checkpointer->submit(std::move(job)); }

 private:
  static ScheduleNotices freeze(std::vector<runtime::ScheduleNotice> notices) {
    return std::make_shared<const std::vector<runtime::ScheduleNotice>>(std::move(notices));
  }

  const Self self_;  // The actor that owns this.
  const NodeShared shared_;
  const std::shared_ptr<WorkQueue> queue_;
  const GroupId group_;
  const caf::actor subscription_;
  const caf::actor scheduler_;
};

ModuleHostState::ModuleHostState() = default;
ModuleHostState::~ModuleHostState() = default;

namespace {

using Self = ActorPorts::Self;

void stop(Self self, const ModuleHostArgs& args) {
  args.handle->queue->close();
  const Status closed = Status::unavailable("the database is shutting down");
  for (auto& work : args.handle->queue->take({})) refuse_work(work, closed);
  const LogIndex last = self->state.host ? self->state.host->last_index() : LogIndex{};
  self->state.host.reset();
  self->state.ports->retire(last, args.stopped);
  self->quit();
}

void boot(Self self, const ModuleHostArgs& args) {
  self->state.ports = std::make_unique<ActorPorts>(self, args);
  auto host = args.boot(*self->state.ports);
  if (host.ok()) self->state.host = std::move(host).value();
  args.booted(host.status());
  if (!host.ok()) stop(self, args);
}

void drain(Self self, const ModuleHostArgs& args) {
  if (self->state.host == nullptr) return;
  std::vector<HostWork> works = args.handle->queue->take(std::move(self->state.spare));
  const HostVerdict verdict = self->state.host->run(works);
  self->state.spare = std::move(works);
  if (verdict == HostVerdict::kStopped) stop(self, args);
}

}  // namespace

void wake_host_for(WorkQueue& queue, const caf::actor& host) {
  // Weak: the queue outlives the actor, and a strong handle would keep the actor for ever.
  queue.set_wake([weak = host.address()] {
    if (const auto me = caf::actor_cast<caf::actor>(weak)) caf::anon_send(me, drain_atom_v);
  });
}

caf::behavior module_host_actor(Self self, ModuleHostArgs args) {
  return {
      [self, args](boot_atom) { boot(self, args); },
      [self, args](drain_atom) { drain(self, args); },
  };
}

}  // namespace worldline::actors
