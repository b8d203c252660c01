// Names of messages, roles, states and notes: traces and counters depend on them.
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "replication/progress.h"
#include "replication/ready.h"

namespace worldline::replication {
namespace {

TEST(RaftNames, TellMessagesApart) {
  const std::pair<MessageBody, const char*> rows[] = {
      {PreVoteReq{}, "PreVoteReq"},
      {PreVoteResp{}, "PreVoteResp"},
      {VoteReq{}, "VoteReq"},
      {VoteResp{}, "VoteResp"},
      {Append{}, "Append"},
      {AppendResp{}, "AppendResp"},
      {Heartbeat{}, "Heartbeat"},
      {HeartbeatResp{}, "HeartbeatResp"},
      {ReadIndexReq{}, "ReadIndexReq"},
      {ReadIndexResp{}, "ReadIndexResp"},
      {TimeoutNow{}, "TimeoutNow"},
      {SnapOffer{}, "SnapOffer"},
      {Hello{}, "Hello"},
      {GroupGone{}, "GroupGone"},
  };
  static_assert(std::size(rows) == std::variant_size_v<MessageBody>);
  for (const auto& [body, name] : rows) EXPECT_STREQ(message_name(body), name);
}

TEST(RaftNames, TellRolesApart) {
  const std::pair<RoleKind, const char*> rows[] = {
      {RoleKind::kUninit, "uninit"},
      {RoleKind::kFollower, "follower"},
      {RoleKind::kPrecandidate, "precandidate"},
      {RoleKind::kCandidate, "candidate"},
      {RoleKind::kLeader, "leader"},
      {RoleKind::kQuarantined, "quarantined"},
  };
  for (const auto& [role, name] : rows) EXPECT_STREQ(role_name(role), name);
}

TEST(RaftNames, TellStatesOfProgressApart) {
  EXPECT_STREQ(progress_name(ProgressState::kProbe), "probe");
  EXPECT_STREQ(progress_name(ProgressState::kReplicate), "replicate");
  EXPECT_STREQ(progress_name(ProgressState::kSnapshot), "snapshot");
}

TEST(RaftNames, GiveEachNoteAPhrase) {
  std::set<std::string> names;
  for (size_t kind = 0; kind < kNoteKindCount; ++kind) {
    const std::string name = note_name(static_cast<NoteKind>(kind));
    EXPECT_FALSE(name.empty());
    EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz-"), std::string::npos) << name;
    names.insert(name);
  }
  EXPECT_EQ(names.size(), kNoteKindCount);
  EXPECT_EQ(names.count("unknown-note"), 0U);
}

// The table of names is in the order of the kinds: places all over it show a shift.
TEST(RaftNames, BelongToTheirNotes) {
  EXPECT_STREQ(note_name(NoteKind::kDropWrongTarget), "drop-wrong-target");
  EXPECT_STREQ(note_name(NoteKind::kDropMalformed), "drop-malformed");
  EXPECT_STREQ(note_name(NoteKind::kLeaseIgnoredVote), "lease-ignored-vote");
  EXPECT_STREQ(note_name(NoteKind::kHintBelowBoundary), "hint-below-boundary");
  EXPECT_STREQ(note_name(NoteKind::kProbeToReplicate), "probe-to-replicate");
  EXPECT_STREQ(note_name(NoteKind::kSnapshotKeptLog), "snapshot-kept-log");
  EXPECT_STREQ(note_name(NoteKind::kCheckQuorumStepDown), "check-quorum-step-down");
  EXPECT_STREQ(note_name(NoteKind::kConfigRefused), "config-refused");
  EXPECT_STREQ(note_name(NoteKind::kBecameLeader), "became-leader");
  EXPECT_STREQ(note_name(NoteKind::kPeerLostData), "peer-lost-data");
}

}  // namespace
}  // namespace worldline::replication
