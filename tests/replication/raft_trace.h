// tests/replication/raft_trace.h
//
// How messages, entries, jobs and configs look in traces. An entry is `12@2=text` (index, term,
// payload), a barrier `11@2=noop`, a config `13@2=(1 2 3)(1 2)learners(4)`.
//
// Thread: pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "replication/raft_core.h"

namespace worldline::replication::testing {

std::string print(EntryId id);
std::string print(const Entry& entry);
std::string print(const std::vector<Entry>& entries);  // Separated by blanks.
std::string print(const ReplicaSet& set);              // `1,2,3`, `-` if empty.
std::string print(const Membership& membership);
std::string print(const MessageBody& body);
std::string print(const PersistJob& job);
std::string print(const RoleChange& change);
std::string print(const Fatal& fatal);
std::string_view answer_name(VoteAnswer answer);
std::string_view status_name(HeartbeatStatus status);
std::string_view refusal_name(Refusal refusal);
// `role_name` and so on, in one form: lower case, words joined by '-'.
std::string lower_name(std::string_view name);

}  // namespace worldline::replication::testing
