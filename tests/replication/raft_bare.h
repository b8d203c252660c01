// tests/replication/raft_bare.h
//
// BareReplica is one core and nothing else: no invariants are looked at from outside, so what a
// test sees is what the core checks by itself in every build.
//
// Ownership: one test. Its disk is immediate; what it applies is said by apply().
#pragma once

#include <algorithm>
#include <iterator>
#include <vector>

#include "tests/replication/raft_fixture.h"

namespace worldline::replication::testing {

class BareReplica {
 public:
  BareReplica(const RaftConfig& config, RestoredState state) : core_(config, std::move(state)) {}

  RaftCore& core() { return core_; }

  void receive(uint64_t from, uint64_t term, MessageBody body, uint64_t incarnation = 1) {
    Envelope message = message_of(from, core_.config().self.replica.value, term, std::move(body));
    message.from.incarnation = incarnation;
    core_.recv(message);
    settle();
  }
  void tick(uint64_t ticks) {
    for (uint64_t i = 0; i < ticks && !core_.is_stopped(); ++i) {
      core_.tick();
      settle();
    }
  }
  // Campaigns, and `voters` grant it everything.
  void lead(const std::vector<uint64_t>& voters) {
    core_.campaign(CampaignReason::kOperator).ignore("a test looks at what came of it");
    settle();
    const uint64_t term = core_.term().value + (core_.role() == RoleKind::kPrecandidate ? 1 : 0);
    for (const uint64_t voter : voters) receive(voter, term, PreVoteResp{});
    for (const uint64_t voter : voters) receive(voter, term, VoteResp{});
  }
  void acknowledge(uint64_t from, uint64_t match, bool disk_full = false) {
    AppendResp response;
    response.ok = true;
    response.match = response.last_index = LogIndex{match};
    response.seq_echo = 1;
    response.disk_full = disk_full;
    receive(from, core_.term().value, response);
  }
  ProposeResult propose(size_t bytes, uint32_t transactions = 1) {
    const auto payload = std::make_shared<const ByteBuffer>(bytes);
    const ProposeResult result =
        core_.propose(core_.term(), {{EntryKind::kBundle, payload, transactions}});
    settle();
    return result;
  }
  void apply() {
    if (to_apply_ > core_.applied_index()) core_.applied(to_apply_);
    settle();
  }
  // Everything the core wants, until it wants nothing.
  void settle() {
    for (Ready ready = core_.take_ready(); !ready.empty(); ready = core_.take_ready()) {
      move_to(ready.send_now, sent);
      move_to(ready.fatal, fatals);
      move_to(ready.notes, notes);
      move_to(ready.read_failed, failed_reads);
      move_to(ready.config_changes, configs);
      if (!ready.apply.empty()) to_apply_ = ready.apply.back().entry.index;
      if (ready.install) core_.installed(ready.install->boundary.id.index);
      if (ready.persist) core_.persisted(ready.persist->job);
    }
  }

  size_t count(NoteKind kind) const {
    return static_cast<size_t>(std::count_if(
        notes.begin(), notes.end(), [kind](const Note& note) { return note.kind == kind; }));
  }
  template <typename Body>
  std::vector<Body> take_sent() {
    std::vector<Body> bodies;
    for (const Envelope& message : std::exchange(sent, {}))
      if (const auto* body = std::get_if<Body>(&message.body); body != nullptr)
        bodies.push_back(*body);
    return bodies;
  }

  std::vector<Envelope> sent;
  std::vector<Fatal> fatals;
  std::vector<Note> notes;
  std::vector<ReadToken> failed_reads;
  std::vector<ConfigChange> configs;

 private:
  template <typename T>
  static void move_to(std::vector<T>& from, std::vector<T>& to) {
    to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
  }

  RaftCore core_;
  LogIndex to_apply_;
};

// Three voters, a boundary at 10 of term 1, a log of `terms` behind it, all of it applied.
inline LogBoundary bare_boundary() {
  return boundary_at({Term{1}, LogIndex{10}}, membership_of(ids({1, 2, 3})));
}
inline RestoredState bare_state(const std::vector<uint64_t>& terms, uint64_t commit) {
  RestoredState state = restored_of(bare_boundary(), terms, Term{2});
  state.hard.commit_hint = LogIndex{commit};
  return state;
}

// A config that adds replica `added` as the first entry of `term` behind prev, in place of others.
inline Append append_config(uint64_t term, uint64_t added) {
  const SharedBytes config =
      std::make_shared<const ByteBuffer>(encode_membership(membership_of(ids({1, 2, 3, added}))));
  Append append;
  append.prev = bare_boundary().id;
  append.prev_chain = bare_boundary().chain;
  append.entries = {chained(append.prev_chain, {Term{term}, append.prev.index.next()},
                            EntryKind::kConfig, config)};
  append.seq = 1;
  return append;
}

// The Append that gives a follower everything of `terms` behind the boundary.
inline Append append_from_boundary(const std::vector<uint64_t>& terms, uint64_t commit) {
  Append append;
  append.prev = bare_boundary().id;
  append.prev_chain = bare_boundary().chain;
  append.entries = entries_of(bare_boundary(), terms);
  append.commit = LogIndex{commit};
  append.seq = 1;
  return append;
}

}  // namespace worldline::replication::testing
