#include "tests/simulation/core_trace.h"

namespace worldline::simulation {
namespace {

using replication::Envelope;
using replication::RaftCore;
using replication::RaftLog;
using replication::RoleKind;
using Kind = ModelMessage::Kind;

std::vector<uint64_t> ids_of(const replication::ReplicaSet& replicas) {
  std::vector<uint64_t> ids;
  for (const ReplicaId replica : replicas) ids.push_back(replica.value);
  return ids;
}

ModelRole role_of(RoleKind role) {
  if (role == RoleKind::kLeader) return ModelRole::kLeader;
  return role == RoleKind::kCandidate ? ModelRole::kCandidate : ModelRole::kFollower;
}

ModelReplica replica_of(const RaftCore& core, const OnDisk& disk) {
  const RaftLog& log = core.log();
  ModelReplica out;
  out.id = core.config().self.replica.value;
  out.term = core.term().value;
  out.vote = core.vote().value;
  out.role = role_of(core.role());
  out.base = log.boundary().id.index.value;
  out.base_slot = {log.boundary().id.term.value, log.boundary().chain.value};
  out.log.reserve(log.last().value - out.base);
  for (LogIndex i = log.first(); i <= log.last(); i = i.next())
    out.log.push_back({log.term_at(i).value, log.chain_at(i).value});
  out.config = {ids_of(log.config().voters), ids_of(log.config().voters_outgoing)};
  out.commit = core.commit().value;
  out.verified = core.verified().value;
  out.stable = core.stable().value;
  out.durable_term = disk.term.value;
  out.durable_vote = disk.vote.value;
  out.durable = disk.last.value;
  return out;
}

// Fills in what the kind of message says beside its addresses.
struct BodyReader {
  ModelMessage& out;

  void operator()(const replication::PreVoteReq&) { out.kind = Kind::kPreVote; }
  void operator()(const replication::PreVoteResp& body) {
    if (body.granted()) out.kind = Kind::kPreVote;
  }
  void operator()(const replication::VoteReq& body) {
    out.kind = Kind::kVoteRequest;
    out.index = body.last.index.value;
    out.index_term = body.last.term.value;
  }
  void operator()(const replication::VoteResp& body) {
    if (body.granted()) out.kind = Kind::kVoteGranted;
  }
  void operator()(const replication::Append& body) {
    out.kind = Kind::kAppend;
    out.index = body.prev.index.value;
    out.index_term = body.prev.term.value;
    out.commit = body.commit.value;
    for (const replication::Entry& entry : body.entries)
      out.entries.push_back({entry.term.value, entry.chain.value});
  }
  void operator()(const replication::AppendResp& body) {
    if (!body.ok) return;
    out.kind = Kind::kAppendOk;
    out.index = body.match.value;
  }
  void operator()(const replication::Heartbeat& body) {
    out.kind = Kind::kHeartbeat;
    out.commit = body.commit.value;
  }
  void operator()(const replication::TimeoutNow&) { out.kind = Kind::kTimeoutNow; }
  template <typename Other>
  void operator()(const Other&) {}
};

ModelMessage message_of(const Envelope& message) {
  ModelMessage out;
  out.from = message.from.replica.value;
  out.to = message.to.replica.value;
  out.term = message.term.value;
  std::visit(BodyReader{out}, message.body);
  return out;
}

}  // namespace

void CoreTrace::on_created(ReplicaId replica) {
  model_.create(replica.value);
}

void CoreTrace::on_start(const RaftCore& core, const OnDisk& disk) {
  model_.start(replica_of(core, disk));
}

void CoreTrace::on_stop(ReplicaId replica) {
  model_.stop(replica.value);
}

void CoreTrace::on_message(ReplicaId receiver, const Envelope& message) {
  model_.receive(receiver.value, message_of(message));
}

void CoreTrace::on_job_written(ReplicaId replica, replication::JobId job) {
  model_.complete(replica.value, job.value);
}

void CoreTrace::on_snapshot(ReplicaId replica, LogIndex index) {
  model_.take_snapshot(replica.value, index.value);
}

void CoreTrace::on_job(const RaftCore& core, const replication::PersistJob& job) {
  model_.hand_out(core.config().self.replica.value, job.job.value, core.log().last().value);
}

void CoreTrace::on_sent(ReplicaId sender, const Envelope& message) {
  model_.send(sender.value, message_of(message));
}

void CoreTrace::on_step(const RaftCore& core, const OnDisk& disk) {
  model_.step(replica_of(core, disk));
}

}  // namespace worldline::simulation
