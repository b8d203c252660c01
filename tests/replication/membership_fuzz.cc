// Fuzz target: whatever bytes a peer or a disk gives, a membership is refused or read; what was
// read is written again as the same bytes, and every step from it leads to a valid membership.
// The first byte says how many of the last bytes are changes.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "replication/membership.h"

using namespace worldline;               // NOLINT(google-build-using-namespace): a fuzz target.
using namespace worldline::replication;  // NOLINT(google-build-using-namespace): a fuzz target.

namespace {

std::vector<MemberChange> changes_from(Bytes bytes) {
  std::vector<MemberChange> changes;
  for (const Byte byte : bytes) {
    const auto kind = static_cast<MemberChange::Kind>(byte % 3);
    changes.push_back({kind, {ReplicaId{byte / 3u}, NodeId{byte}, std::string(byte, 'd')}});
  }
  return changes;
}

void check_step(const Result<Membership>& step) {
  if (step.ok()) WL_CHECK(step->validate().ok());
}

void check_steps(const Membership& membership, Bytes wanted) {
  check_step(revert_joint(membership));
  const Result<Membership> left = leave_joint(membership);
  WL_CHECK(left.ok() == membership.is_joint());
  check_step(left);
  const Membership& plain = left.ok() ? *left : membership;
  const Result<MembershipPlan> plan = plan_change(plain, changes_from(wanted));
  if (!plan.ok()) return;
  WL_CHECK(plan->next.validate().ok());
  WL_CHECK((plan->kind == MembershipPlan::Kind::kNone) == (plan->next == plain));
  WL_CHECK((plan->kind == MembershipPlan::Kind::kJoint) == plan->next.is_joint());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || data[0] >= size) return 0;
  const Bytes bytes(data + 1, size - 1 - data[0]);
  const Result<Membership> membership = decode_membership(bytes);
  if (!membership.ok()) return 0;
  WL_CHECK(equal(encode_membership(*membership), bytes));
  check_steps(*membership, Bytes(data + size - data[0], data[0]));
  return 0;
}
