// tests/replication/membership_fixture.h
//
// Memberships and changes as short texts, so that cases are rows of a table.
//   membership: "1 2", joint: "1 2 & 3", with learners: "1 & 3 learners 4 5 next 3"
//   changes:    "v1 l2 r3" = add voter 1, add learner 2, remove 3; "v1@7" = 1 on node 7
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "replication/membership.h"

namespace worldline::replication {

// Found by GoogleTest for readable failures.
void PrintTo(const Membership& membership, std::ostream* out);

}  // namespace worldline::replication

namespace worldline::replication::testing {

// Node 100 + replica, failure domain "zone-<replica>".
MemberInfo info_of(ReplicaId replica);
// The text of the sets, with infos of info_of(). A malformed text is a failed check.
Membership membership(const std::string& text);
std::string print_roles(const Membership& membership);
std::vector<MemberChange> changes(const std::string& text);

}  // namespace worldline::replication::testing
