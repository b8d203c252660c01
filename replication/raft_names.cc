// How the core's values are called in traces, logs and counters.
#include <iterator>

#include "replication/progress.h"
#include "replication/ready.h"

namespace worldline::replication {
namespace {

struct MessageName {
  const char* operator()(const PreVoteReq&) const { return "PreVoteReq"; }
  const char* operator()(const PreVoteResp&) const { return "PreVoteResp"; }
  const char* operator()(const VoteReq&) const { return "VoteReq"; }
  const char* operator()(const VoteResp&) const { return "VoteResp"; }
  const char* operator()(const Append&) const { return "Append"; }
  const char* operator()(const AppendResp&) const { return "AppendResp"; }
  const char* operator()(const Heartbeat&) const { return "Heartbeat"; }
  const char* operator()(const HeartbeatResp&) const { return "HeartbeatResp"; }
  const char* operator()(const ReadIndexReq&) const { return "ReadIndexReq"; }
  const char* operator()(const ReadIndexResp&) const { return "ReadIndexResp"; }
  const char* operator()(const TimeoutNow&) const { return "TimeoutNow"; }
  const char* operator()(const SnapOffer&) const { return "SnapOffer"; }
  const char* operator()(const Hello&) const { return "Hello"; }
  const char* operator()(const GroupGone&) const { return "GroupGone"; }
};

// In the order of NoteKind.
constexpr const char* kNoteNames[] = {
    "drop-wrong-target",
    "drop-old-incarnation",
    "drop-term-zero",
    "drop-not-member",
    "drop-malformed",
    "drop-quarantined",
    "drop-uninit",
    "drop-installing",
    "drop-stale-reply",
    "lease-ignored-vote",
    "stale-epoch-completion",
    "stale-reject",
    "hint-below-boundary",
    "verified-bound",
    "truncated",
    "probe-to-replicate",
    "replicate-to-probe",
    "to-snapshot",
    "snapshot-ignored",
    "snapshot-kept-log",
    "snapshot-installed",
    "snapshot-reconnected",
    "check-quorum-step-down",
    "leader-left-config",
    "transfer-aborted",
    "transfer-sent",
    "config-refused",
    "window-full",
    "window-probe",
    "vote-repeated",
    "became-leader",
    "auto-leave",
    "quiesced",
    "woken",
    "peer-lost-data",
};
static_assert(std::size(kNoteNames) == kNoteKindCount, "one name for each kind of note");

}  // namespace

const char* message_name(const MessageBody& body) {
  return std::visit(MessageName{}, body);
}

const char* role_name(RoleKind role) {
  switch (role) {
    case RoleKind::kUninit:
      return "uninit";
    case RoleKind::kFollower:
      return "follower";
    case RoleKind::kPrecandidate:
      return "precandidate";
    case RoleKind::kCandidate:
      return "candidate";
    case RoleKind::kLeader:
      return "leader";
    case RoleKind::kQuarantined:
      return "quarantined";
  }
  return "unknown-role";
}

const char* progress_name(ProgressState state) {
  switch (state) {
    case ProgressState::kProbe:
      return "probe";
    case ProgressState::kReplicate:
      return "replicate";
    case ProgressState::kSnapshot:
      return "snapshot";
  }
  return "unknown-progress";
}

const char* note_name(NoteKind kind) {
  const auto place = static_cast<size_t>(kind);
  return place < kNoteKindCount ? kNoteNames[place] : "unknown-note";
}

}  // namespace worldline::replication
