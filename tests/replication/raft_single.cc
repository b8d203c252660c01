#include "tests/replication/raft_single.h"

#include <gtest/gtest.h>

namespace worldline::replication::testing {

SingleReplica::SingleReplica(uint64_t id, RestoredState state)
    : SingleReplica(id, std::move(state), Options{}) {}

SingleReplica::SingleReplica(uint64_t id, RestoredState state, const Options& options)
    : id_(ReplicaId{id}) {
  cluster_.set_tracing(false);
  cluster_.set_observing(false);  // The peers are not there to be looked at.
  ReplicaSpec spec;
  spec.config = config_of(id);
  spec.config.limits = options.limits;
  spec.state = std::move(state);
  spec.disk = options.disk;
  spec.apply = options.apply;
  cluster_.add(std::move(spec));
}

SingleReplica::~SingleReplica() {
  for (const std::string& problem : cluster_.problems()) ADD_FAILURE() << problem;
}

std::vector<Envelope> SingleReplica::take_sent() {
  std::vector<Envelope> sent(cluster_.under_way().begin(), cluster_.under_way().end());
  cluster_.drop({});
  return sent;
}

std::vector<Envelope> SingleReplica::receive(uint64_t from, uint64_t term,
                                             const MessageBody& body) {
  Envelope message = message_of(from, id_.value, term, body);
  message.to.incarnation = replica().spec.config.self.incarnation;
  cluster_.inject(message);
  return take_sent();
}

std::vector<Envelope> SingleReplica::feed(const std::function<void(RaftCore&)>& input) {
  cluster_.feed(id_, input);
  return take_sent();
}

std::vector<Envelope> SingleReplica::tick(uint64_t ticks) {
  for (uint64_t i = 0; i < ticks; ++i) cluster_.feed(id_, [](RaftCore& core) { core.tick(); });
  return take_sent();
}

std::vector<Envelope> SingleReplica::write() {
  EXPECT_TRUE(cluster_.write_one(id_)) << "nothing to write";
  return take_sent();
}

std::vector<Envelope> SingleReplica::lead(const std::vector<uint64_t>& peers) {
  feed([](RaftCore& core) { core.campaign(CampaignReason::kTimeout).ignore("looked at below"); });
  const uint64_t next = core().term().value + (core().role() == RoleKind::kPrecandidate ? 1 : 0);
  for (const uint64_t peer : peers) {
    if (core().role() == RoleKind::kPrecandidate) receive(peer, next, PreVoteResp{});
  }
  while (!replica().jobs.empty()) write();
  std::vector<Envelope> sent;
  for (const uint64_t peer : peers) {
    if (core().role() == RoleKind::kCandidate) sent = receive(peer, next, VoteResp{});
  }
  EXPECT_EQ(core().role(), RoleKind::kLeader);
  return sent;
}

std::vector<Envelope> SingleReplica::propose(const std::string& text) {
  return feed([&text](RaftCore& core) {
    EXPECT_TRUE(core.propose(core.term(), {{EntryKind::kBundle, payload_of(text)}}).ok());
  });
}

std::vector<Envelope> SingleReplica::acknowledge(uint64_t from, uint64_t match) {
  AppendResp response;
  response.ok = true;
  response.match = LogIndex{match};
  response.last_index = LogIndex{match};
  response.seq_echo = 1000 + match;
  return receive(from, core().term().value, response);
}

std::vector<uint64_t> SingleReplica::terms() {
  std::vector<uint64_t> terms;
  const RaftLog& log = core().log();
  for (LogIndex i = log.first(); i <= log.last(); i = i.next())
    terms.push_back(log.term_at(i).value);
  return terms;
}

Append append_of(EntryId prev, Chain prev_chain, const std::vector<uint64_t>& terms,
                 uint64_t commit) {
  Append append;
  append.prev = prev;
  append.prev_chain = prev_chain;
  append.commit = LogIndex{commit};
  append.seq = 1;
  LogBoundary boundary;
  boundary.id = prev;
  boundary.chain = prev_chain;
  append.entries = entries_of(boundary, terms);
  return append;
}

}  // namespace worldline::replication::testing
