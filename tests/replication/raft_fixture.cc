#include "tests/replication/raft_fixture.h"

#include <algorithm>

#include <fmt/core.h>

namespace worldline::replication::testing {
namespace {

uint64_t mix(uint64_t hash, Bytes bytes) {
  for (const Byte byte : bytes) hash = (hash ^ byte) * 1099511628211u;
  return hash;
}

uint64_t mix(uint64_t hash, uint64_t number) {
  Byte bytes[sizeof number];
  store_le(bytes, number);
  return mix(hash, Bytes(bytes));
}

}  // namespace

Chain test_chain(Chain previous, const Entry& entry) {
  uint64_t hash = mix(14695981039346656037u, previous.value);
  hash = mix(hash, entry.index.value);
  hash = mix(hash, entry.term.value);
  hash = mix(hash, static_cast<uint64_t>(entry.kind));
  return Chain{entry.payload ? mix(hash, Bytes(*entry.payload)) : hash};
}

SharedBytes payload_of(std::string_view text) {
  const Bytes bytes = as_bytes(text);
  return std::make_shared<const ByteBuffer>(bytes.begin(), bytes.end());
}

std::string text_of(const SharedBytes& payload) {
  return payload ? std::string(as_text(Bytes(*payload))) : std::string();
}

ReplicaSet ids(std::initializer_list<uint64_t> replicas) {
  ReplicaSet set;
  for (const uint64_t replica : replicas) set.push_back(ReplicaId{replica});
  std::sort(set.begin(), set.end());
  return set;
}

Membership membership_of(const ReplicaSet& voters, const ReplicaSet& learners,
                         const ReplicaSet& outgoing, const ReplicaSet& learners_next) {
  Membership membership;
  membership.voters = voters;
  membership.voters_outgoing = outgoing;
  membership.learners = learners;
  membership.learners_next = learners_next;
  ReplicaSet all = voters;
  for (const ReplicaSet& more : {learners, outgoing, learners_next})
    all.insert(all.end(), more.begin(), more.end());
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  for (const ReplicaId replica : all)
    membership.members.push_back({replica, NodeId{replica.value}, ""});
  return membership;
}

MemberChange add_voter(uint64_t replica) {
  return {MemberChange::Kind::kAddVoter, {ReplicaId{replica}, NodeId{replica}, ""}};
}

MemberChange add_learner(uint64_t replica) {
  return {MemberChange::Kind::kAddLearner, {ReplicaId{replica}, NodeId{replica}, ""}};
}

MemberChange remove_member(uint64_t replica) {
  return {MemberChange::Kind::kRemove, {ReplicaId{replica}, NodeId{replica}, ""}};
}

LogBoundary boundary_at(EntryId id, const Membership& config) {
  // Equal places have equal histories in a test, so the chain may depend on the place alone.
  return {id, Chain{id.index.value * 1000 + id.term.value}, config, id.index};
}

LogBoundary first_boundary(const ReplicaSet& voters, const ReplicaSet& learners) {
  return boundary_at({Term{1}, LogIndex{1}}, membership_of(voters, learners));
}

Entry chained(Chain previous, EntryId id, EntryKind kind, SharedBytes payload) {
  Entry entry;
  entry.index = id.index;
  entry.term = id.term;
  entry.kind = kind;
  entry.payload_bytes = static_cast<uint32_t>(payload->size());
  entry.payload = std::move(payload);
  entry.chain = test_chain(previous, entry);
  return entry;
}

std::vector<Entry> entries_of(const LogBoundary& boundary, const std::vector<uint64_t>& terms) {
  std::vector<Entry> entries;
  Chain chain = boundary.chain;
  LogIndex index = boundary.id.index;
  for (const uint64_t term : terms) {
    index = index.next();
    entries.push_back(chained(chain, {Term{term}, index}, EntryKind::kBundle,
                              payload_of(fmt::format("e{}.{}", index.value, term))));
    chain = entries.back().chain;
  }
  return entries;
}

RestoredState restored_of(const LogBoundary& boundary, const std::vector<uint64_t>& terms,
                          Term term) {
  RestoredState state;
  state.hard = {term, ReplicaId{}, boundary.id.index};
  state.boundary = boundary;
  state.entries = entries_of(boundary, terms);
  state.applied = boundary.id.index;
  return state;
}

Address address_of(uint64_t replica, uint64_t incarnation) {
  return {NodeId{replica}, incarnation, ReplicaId{replica}};
}

RaftConfig config_of(uint64_t replica, uint64_t incarnation) {
  RaftConfig config;
  config.group = kGroup;
  config.self = address_of(replica, incarnation);
  config.seed = replica * 100 + incarnation;
  config.chain = &test_chain;
  return config;
}

Envelope message_of(uint64_t from, uint64_t to, uint64_t term, MessageBody body) {
  Envelope message;
  message.group = kGroup;
  message.from = address_of(from);
  message.to = address_of(to);
  message.term = Term{term};
  message.body = std::move(body);
  return message;
}

}  // namespace worldline::replication::testing
