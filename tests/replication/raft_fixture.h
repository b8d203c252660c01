// tests/replication/raft_fixture.h
//
// Builders of the values a RaftCore is made of: entries that are equal wherever their index and
// term are, memberships, boundaries, restored states, messages.
//
// Thread: values only. Units: as in replication/raft_types.h.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "replication/raft_core.h"

namespace worldline::replication::testing {

inline constexpr GroupId kGroup{7};

// FNV-1a over everything an entry is; only good for tests.
Chain test_chain(Chain previous, const Entry& entry);

SharedBytes payload_of(std::string_view text);
std::string text_of(const SharedBytes& payload);  // "" for a payload that was let go.

ReplicaSet ids(std::initializer_list<uint64_t> replicas);
// Replica r lives on node r.
Membership membership_of(const ReplicaSet& voters, const ReplicaSet& learners = {},
                         const ReplicaSet& outgoing = {}, const ReplicaSet& learners_next = {});
MemberChange add_voter(uint64_t replica);
MemberChange add_learner(uint64_t replica);
MemberChange remove_member(uint64_t replica);

LogBoundary boundary_at(EntryId id, const Membership& config);
// 1@1, where a new group of these replicas begins.
LogBoundary first_boundary(const ReplicaSet& voters = ids({1, 2, 3}),
                           const ReplicaSet& learners = {});
// A bundle "e<index>.<term>" for each term, chained behind `boundary`.
std::vector<Entry> entries_of(const LogBoundary& boundary, const std::vector<uint64_t>& terms);
// Gives `entry` its place and chain behind `previous`.
Entry chained(Chain previous, EntryId id, EntryKind kind, SharedBytes payload);

// A durable state: the log of `terms` behind `boundary`, in `term` without a vote.
RestoredState restored_of(const LogBoundary& boundary, const std::vector<uint64_t>& terms,
                          Term term);

Address address_of(uint64_t replica, uint64_t incarnation = 1);
RaftConfig config_of(uint64_t replica, uint64_t incarnation = 1);
Envelope message_of(uint64_t from, uint64_t to, uint64_t term, MessageBody body);

}  // namespace worldline::replication::testing
