#include "actors/host_work.h"

namespace worldline::actors {
namespace {

struct Refuser {
  const Status& why;

  void operator()(SessionBatchWork& work) const { work.sink->close({1011, why.message()}); }
  void operator()(SessionOpenWork& work) const { work.done(why); }
  void operator()(SessionCloseWork&) const {}
  void operator()(CallWork& work) const {
    work.done(CallReply{CallStatus::kFailed, why, why.message(), 0});
  }
  void operator()(SqlWork& work) const { work.done(why); }
  void operator()(ScheduledWork& work) const { work.done(); }
  void operator()(ImmediateWork&) const {}
  void operator()(UpdateWork& work) const { work.done(why); }
  void operator()(PrePublishWork& work) const { work.done(why); }
  void operator()(SchemaWork& work) const { work.done(why); }
  void operator()(ProgramWork& work) const { work.done(why); }
  void operator()(LogsWork& work) const { work.done(why); }
  void operator()(SnapshotHintWork&) const {}
  void operator()(SampleWork&) const {}
  void operator()(StopWork& work) const { work.done(); }
};

// Work without which the house-keeping would stop; the inbox takes it beyond its limit.
bool is_essential(const HostWork& work) {
  return std::holds_alternative<SessionCloseWork>(work) ||
         std::holds_alternative<SnapshotHintWork>(work) || std::holds_alternative<StopWork>(work) ||
         std::holds_alternative<ScheduledWork>(work);
}

}  // namespace

void refuse_work(HostWork& work, const Status& why) {
  std::visit(Refuser{why}, work);
}

Status WorkQueue::offer(HostWork work, size_t bytes) {
  const Admission admission = is_essential(work) ? Admission::kAlways : Admission::kIfRoom;
  const Result<Wake> pushed = inbox_.push(work, bytes, admission);
  if (!pushed.ok()) {
    refuse_work(work, pushed.status());
    return pushed.status();
  }
  if (*pushed == Wake::kYes) wake_();
  return {};
}

}  // namespace worldline::actors
