#include "tests/replication/membership_fixture.h"

#include <cstdlib>
#include <sstream>

#include "base/check.h"

namespace worldline::replication {

void PrintTo(const Membership& membership, std::ostream* out) {
  *out << testing::print_roles(membership);
  for (const MemberInfo& member : membership.members)
    *out << " [" << member.replica.value << " on node " << member.node.value << " in '"
         << member.failure_domain << "']";
}

}  // namespace worldline::replication

namespace worldline::replication::testing {
namespace {

void print_set(std::ostream& out, const char* before, const ReplicaSet& set) {
  const char* separator = before;
  for (const ReplicaId replica : set) {
    out << separator << replica.value;
    separator = " ";
  }
}

uint64_t number(const std::string& digits) {
  WL_CHECK(!digits.empty());
  WL_CHECK(digits.find_first_not_of("0123456789") == std::string::npos);
  return std::strtoull(digits.c_str(), nullptr, 10);
}

MemberChange::Kind change_kind(char letter) {
  WL_CHECK(letter == 'v' || letter == 'l' || letter == 'r');
  if (letter == 'v') return MemberChange::Kind::kAddVoter;
  return letter == 'l' ? MemberChange::Kind::kAddLearner : MemberChange::Kind::kRemove;
}

}  // namespace

MemberInfo info_of(ReplicaId replica) {
  return {replica, NodeId{100 + replica.value}, "zone-" + std::to_string(replica.value)};
}

Membership membership(const std::string& text) {
  Membership parsed;
  ReplicaSet* set = &parsed.voters;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (word == "&")
      set = &parsed.voters_outgoing;
    else if (word == "learners")
      set = &parsed.learners;
    else if (word == "next")
      set = &parsed.learners_next;
    else
      set->push_back(ReplicaId{number(word)});
  }
  for (const ReplicaId replica : parsed.replicas()) parsed.members.push_back(info_of(replica));
  return parsed;
}

std::string print_roles(const Membership& membership) {
  std::ostringstream out;
  print_set(out, "", membership.voters);
  print_set(out, " & ", membership.voters_outgoing);
  print_set(out, " learners ", membership.learners);
  print_set(out, " next ", membership.learners_next);
  return out.str();
}

std::vector<MemberChange> changes(const std::string& text) {
  std::vector<MemberChange> parsed;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const size_t at = word.find('@');
    const ReplicaId replica{number(word.substr(1, at - 1))};
    MemberChange change{change_kind(word[0]), info_of(replica)};
    if (at != std::string::npos) change.member.node = NodeId{number(word.substr(at + 1))};
    parsed.push_back(change);
  }
  return parsed;
}

}  // namespace worldline::replication::testing
