#include "actors/module_host.h"

#include <utility>

#include <caf/send.hpp>

#include "actors/scheduler.h"
#include "actors/subscription.h"

namespace worldline::actors {
// Carries the host's output to the other actors of the database.
class ActorPorts final : public HostPorts {
 public:
  using Self = caf::stateful_actor<ModuleHostState>*;

  ActorPorts(Self self, const ModuleHostArgs& args)
      : self_(self),
        shared_(args.shared),
        queue_(args.handle->queue),
        group_(args.handle->group),
        gate_(std::make_shared<UncommittedGate>()),
        subscription_(self->spawn(
            subscription_actor, SubscriptionArgs{args.handle->queue, shared_.clock, shared_.readers,
                                                 shared_.read_limits, args.handle->counters})),
        scheduler_(self->spawn(scheduler_actor, SchedulerArgs{args.handle->queue, shared_.clock})) {
  }

  void open(OpenGroup group) {
    const auto me = caf::actor_cast<caf::actor_addr>(self_);
    group.listener.leading = [me](Term term) {
      if (const auto host = caf::actor_cast<caf::actor>(me)) caf::anon_send(host, LeadNotice{term});
    };
    group.listener.failed = [me](const Status& why) {
      if (const auto host = caf::actor_cast<caf::actor>(me))
        caf::anon_send(host, GroupFailure{why});
    };
    group.listener.committed = [subscription = subscription_](ProposalSeq proposal) {
      caf::anon_send<caf::message_priority::high>(subscription, CommitNotice{proposal});
    };
    group.gate = gate_;
    shared_.replication->open(std::move(group));
  }

  // Lets the three actors go once everything up to `last` is committed and answered, or the group
  // is lost; then `stopped`.
  void retire(ProposalSeq last, std::function<void()> stopped) {
    const auto let_go = [replication = shared_.replication, group = group_, scheduler = scheduler_,
                         subscription = subscription_, host = caf::actor_cast<caf::actor>(self_),
                         stopped = std::move(stopped)] {
      replication->close(group);
      caf::anon_send(scheduler, retire_atom_v);
      caf::anon_send(subscription, retire_atom_v);
      caf::anon_send(host, retire_atom_v);
      stopped();
    };
    ReplyItem goodbye{let_go, [let_go](const Status&) { let_go(); }};
    auto batch = std::make_shared<ExecutedBatch>();
    batch->depends_on = last;
    batch->items.emplace_back(std::move(goodbye));
    executed(std::move(batch));
  }

  // Whoever waits for a commit is told `why`, and so is every session: behind all that was
  // executed.
  void abandon(const Status& why) { self_->send(subscription_, GroupFailure{why}); }

  void propose(ProposalBatchPtr batch) override {
    gate_->pass(batch->bytes);
    shared_.replication->propose(std::move(batch));
  }
  void executed(ExecutedBatchPtr batch) override { self_->send(subscription_, std::move(batch)); }
  void arm(std::vector<runtime::ScheduleNotice> notices) override {
    self_->send(scheduler_, freeze(std::move(notices)));
  }
  void rearm(std::vector<runtime::ScheduleNotice> notices) override {
    self_->send(scheduler_, rearm_atom_v, freeze(std::move(notices)));
  }
  Status call_later(runtime::ImmediateCall call) override {
    const size_t bytes = kWorkBytes + call.reducer.size() + call.args.size();
    return queue_->offer(ImmediateWork{std::move(call)}, bytes);
  }
  void checkpoint(ProposalSeq covers, CheckpointJob job) override {
    shared_.replication->checkpoint(covers, std::move(job));
  }

 private:
  static ScheduleNotices freeze(std::vector<runtime::ScheduleNotice> notices) {
    return std::make_shared<const std::vector<runtime::ScheduleNotice>>(std::move(notices));
  }

  const Self self_;  // The actor that owns this.
  const NodeShared shared_;
  const std::shared_ptr<WorkQueue> queue_;
  const GroupId group_;
  const std::shared_ptr<UncommittedGate> gate_;
  const caf::actor subscription_;
  const caf::actor scheduler_;
};

ModuleHostState::ModuleHostState() = default;
ModuleHostState::~ModuleHostState() = default;

namespace {

using HostSelf = ActorPorts::Self;

// What is in the inbox was not executed.
void end_host(HostSelf self, const ModuleHostArgs& args, const Status& why) {
  args.handle->queue->close(why);
  for (auto& work : args.handle->queue->take({})) refuse_work(work, why);
  self->state.host.reset();
  self->state.is_leading = false;
}

void stop(HostSelf self, const ModuleHostArgs& args) {
  const ProposalSeq last = self->state.host ? self->state.host->last_proposal() : ProposalSeq{};
  end_host(self, args, Status::unavailable("the database is shutting down"));
  self->state.ports->retire(last, args.stopped);
}

void boot(HostSelf self, const ModuleHostArgs& args) {
  self->state.ports = std::make_unique<ActorPorts>(self, args);
  auto booted = args.boot(*self->state.ports);
  if (!booted.ok()) {
    args.booted(booted.status());
    return stop(self, args);
  }
  self->state.host = std::move(booted->host);
  self->state.ports->open(std::move(booted->group));
}

void drain(HostSelf self, const ModuleHostArgs& args) {
  if (!self->state.is_leading) return;
  std::vector<HostWork> works = args.handle->queue->take(std::move(self->state.spare));
  const HostVerdict verdict = self->state.host->run(works);
  self->state.spare = std::move(works);
  if (verdict == HostVerdict::kStopped) stop(self, args);
}

void lead(HostSelf self, const ModuleHostArgs& args, Term term) {
  if (self->state.host == nullptr) return;
  const Status led = self->state.host->lead(term);
  args.booted(led);
  if (!led.ok()) return stop(self, args);
  self->state.is_leading = true;
  drain(self, args);  // What came meanwhile woke nobody.
}

// The group cannot be opened, or can commit nothing more. In the second case calls are executed
// whose outcome nobody can tell: this database ends rather than guess, the others go on.
void on_failure(HostSelf self, const ModuleHostArgs& args, const Status& why) {
  if (self->state.host == nullptr) {
    if (self->state.ports != nullptr) self->state.ports->abandon(why);  // It is stopping.
    return;
  }
  if (self->state.is_leading) {
    const Status told = args.shared.on_lost_group(*args.handle, why);
    end_host(self, args, told);
    self->state.ports->abandon(told);
    self->state.ports->retire({}, args.stopped);
    return;
  }
  args.booted(why);
  stop(self, args);
}

}  // namespace

void wake_host_for(WorkQueue& queue, const caf::actor& host) {
  // Weak: the queue outlives the actor, and a strong handle would keep the actor for ever.
  queue.set_wake([weak = host.address()] {
    if (const auto me = caf::actor_cast<caf::actor>(weak)) caf::anon_send(me, drain_atom_v);
  });
}

caf::behavior module_host_actor(HostSelf self, ModuleHostArgs args) {
  return {
      [self, args](boot_atom) { boot(self, args); },
      [self, args](const LeadNotice& notice) { lead(self, args, notice.term); },
      [self, args](const GroupFailure& failure) { on_failure(self, args, failure.why); },
      [self, args](drain_atom) { drain(self, args); },
      [self](retire_atom) { self->quit(); },
  };
}

}  // namespace worldline::actors
