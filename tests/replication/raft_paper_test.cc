// tests/replication/raft_paper_test.cc: one test per sentence of section 5 of the Raft paper
// (U-51).
//
// The sentence stands above its test. What the paper leaves to chance or time is in ticks here.
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/replication/raft_single.h"
#include "tests/replication/raft_trace.h"

namespace worldline::replication::testing {
namespace {

using Terms = std::vector<uint64_t>;

constexpr uint32_t kE = 16;  // The defaults of RaftConfig.
constexpr uint32_t kHeartbeat = 3;

ReplicaSet voters_up_to(uint64_t count) {
  ReplicaSet set;
  for (uint64_t i = 1; i <= count; ++i) set.push_back(ReplicaId{i});
  return set;
}

RestoredState state_of(const Terms& terms, uint64_t term) {
  return restored_of(first_boundary(), terms, Term{term});
}

Heartbeat heartbeat(uint64_t commit = 1) {
  return {LogIndex{commit}, 0, false};
}

void campaign(SingleReplica& replica) {
  replica.feed([](RaftCore& core) { EXPECT_TRUE(core.campaign(CampaignReason::kTimeout).ok()); });
}

void become_candidate(SingleReplica& replica) {
  campaign(replica);
  replica.receive(2, replica.core().term().value + 1, PreVoteResp{});
  ASSERT_EQ(replica.core().role(), RoleKind::kCandidate);
}

std::unique_ptr<SingleReplica> in_role(RoleKind role) {
  auto replica = std::make_unique<SingleReplica>(kSelf, state_of({}, 1));
  if (role == RoleKind::kFollower) replica->receive(2, 2, heartbeat());
  if (role == RoleKind::kPrecandidate) {
    replica->receive(2, 2, heartbeat());
    campaign(*replica);
  }
  if (role == RoleKind::kCandidate) become_candidate(*replica);
  if (role == RoleKind::kLeader) replica->lead({2});
  EXPECT_EQ(replica->core().role(), role);
  EXPECT_EQ(replica->core().term(), Term{2});
  return replica;
}

constexpr RoleKind kRoles[] = {RoleKind::kFollower, RoleKind::kPrecandidate, RoleKind::kCandidate,
                               RoleKind::kLeader};

// --- 5.1 ----------------------------------------------------------------------------------------

// "If one server's current term is smaller than the other's, then it updates its current term to
// the larger value. If a candidate or leader discovers that its term is out of date, it immediately
// reverts to follower state."
TEST(RaftPaper51, ALargerTermMakesAFollowerOfAnybody) {
  for (const RoleKind role : kRoles) {
    SCOPED_TRACE(role_name(role));
    const auto replica = in_role(role);
    replica->receive(3, 7, heartbeat());
    EXPECT_EQ(replica->core().term(), Term{7});
    EXPECT_EQ(replica->core().role(), RoleKind::kFollower);
    EXPECT_EQ(replica->core().vote(), ReplicaId{});
    EXPECT_EQ(replica->core().leader(), ReplicaId{3});
  }
}

// The same by an answer, which names no leader.
TEST(RaftPaper51, AnAnswerOfALargerTermDeposesALeader) {
  for (const RoleKind role : {RoleKind::kCandidate, RoleKind::kLeader}) {
    const auto replica = in_role(role);
    replica->receive(3, 7, HeartbeatResp{HeartbeatStatus::kHigherTerm, 0, {}, {}});
    EXPECT_EQ(replica->core().role(), RoleKind::kFollower);
    EXPECT_EQ(replica->core().term(), Term{7});
    EXPECT_EQ(replica->core().leader(), ReplicaId{});
  }
}

// "If a server receives a request with a stale term number, it rejects the request."
TEST(RaftPaper51, AStaleRequestIsRejectedAndChangesNothing) {
  for (const RoleKind role : kRoles) {
    SCOPED_TRACE(role_name(role));
    const auto replica = in_role(role);
    const LogIndex last = replica->core().log().last();
    const auto sent =
        replica->receive(3, 1, append_of(first_boundary().id, first_boundary().chain, {1}, 2));
    ASSERT_EQ(bodies_of<AppendResp>(sent).size(), 1u);
    EXPECT_FALSE(bodies_of<AppendResp>(sent)[0].ok);
    EXPECT_EQ(sent[0].term, Term{2});
    EXPECT_EQ(replica->core().role(), role);
    EXPECT_EQ(replica->core().log().last(), last);
  }
}

// --- 5.2: elections -----------------------------------------------------------------------------

// "When servers start up, they begin as followers."
TEST(RaftPaper52, StartsAsAFollower) {
  SingleReplica replica(kSelf, state_of({1, 1}, 4));
  EXPECT_EQ(replica.core().role(), RoleKind::kFollower);
  EXPECT_EQ(replica.core().leader(), ReplicaId{});
  EXPECT_EQ(replica.core().term(), Term{4});
}

// "A server remains in follower state as long as it receives valid RPCs from a leader or
// candidate." (A candidate's request counts when it gets the vote.)
TEST(RaftPaper52, RemainsAFollowerWhileItHearsALeader) {
  SingleReplica replica(kSelf, state_of({}, 2));
  for (int round = 0; round < 50; ++round) {
    const auto sent = replica.tick(kE);
    EXPECT_TRUE(bodies_of<PreVoteReq>(sent).empty());
    replica.receive(2, 2, heartbeat());
    EXPECT_EQ(replica.core().role(), RoleKind::kFollower);
  }
}

// "Leaders send periodic heartbeats to all followers in order to maintain their authority."
TEST(RaftPaper52, ALeaderSendsHeartbeatsToAll) {
  const auto leader = in_role(RoleKind::kLeader);
  for (int interval = 0; interval < 4; ++interval) {
    EXPECT_TRUE(bodies_of<Heartbeat>(leader->tick(kHeartbeat - 1)).empty());
    std::set<ReplicaId> to;
    for (const Envelope& message : leader->tick(1))
      if (std::holds_alternative<Heartbeat>(message.body)) to.insert(message.to.replica);
    EXPECT_EQ(to, (std::set<ReplicaId>{ReplicaId{2}, ReplicaId{3}}));
  }
}

// "If a follower receives no communication over a period of time called the election timeout, then
// it assumes there is no viable leader and begins an election. [It] increments its current term and
// transitions to candidate state. It then votes for itself and issues RequestVote RPCs in parallel
// to each of the other servers." (After a pre-vote, which changes nothing [T 9.6].)
TEST(RaftPaper52, AnElectionTimeoutStartsAnElection) {
  SingleReplica replica(kSelf, state_of({2}, 2));
  replica.feed([](RaftCore& core) { core.set_randomised_timeout(20); });
  EXPECT_TRUE(replica.tick(19).empty());
  const auto asked = replica.tick(1);
  ASSERT_EQ(bodies_of<PreVoteReq>(asked).size(), 2u);
  EXPECT_EQ(asked[0].term, Term{3});
  EXPECT_EQ(replica.core().term(), Term{2});
  const auto sent = replica.receive(3, 3, PreVoteResp{});
  EXPECT_EQ(replica.core().role(), RoleKind::kCandidate);
  EXPECT_EQ(replica.core().term(), Term{3});
  EXPECT_EQ(replica.core().vote(), ReplicaId{kSelf});
  std::set<ReplicaId> to;
  for (const Envelope& message : sent)
    if (std::holds_alternative<VoteReq>(message.body)) to.insert(message.to.replica);
  EXPECT_EQ(to, (std::set<ReplicaId>{ReplicaId{2}, ReplicaId{3}}));
}

// "A candidate wins an election if it receives votes from a majority of the servers in the full
// cluster for the same term."
TEST(RaftPaper52, AMajorityOfVotesWinsInOneRound) {
  struct {
    uint64_t voters;
    Terms granted, refused;
    RoleKind role;
  } const cases[] = {
      {3, {2}, {}, RoleKind::kLeader},
      {3, {2, 3}, {}, RoleKind::kLeader},
      {3, {2}, {3}, RoleKind::kLeader},
      {3, {}, {2}, RoleKind::kCandidate},
      {3, {}, {2, 3}, RoleKind::kFollower},
      {5, {2}, {}, RoleKind::kCandidate},
      {5, {2, 3}, {}, RoleKind::kLeader},
      {5, {2, 3}, {4, 5}, RoleKind::kLeader},
      {5, {2}, {3, 4, 5}, RoleKind::kFollower},
      {7, {2, 3}, {4, 5, 6}, RoleKind::kCandidate},
      {7, {2, 3, 7}, {4, 5, 6}, RoleKind::kLeader},
      {1, {}, {}, RoleKind::kLeader},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(std::to_string(c.voters) + " voters, " + std::to_string(c.granted.size()) +
                 " grants, " + std::to_string(c.refused.size()) + " refusals");
    SingleReplica replica(kSelf, restored_of(first_boundary(voters_up_to(c.voters)), {}, Term{1}));
    replica.receive(2, 1, heartbeat());
    if (c.voters == 1) {
      campaign(replica);
    } else {
      replica.receive(2, 1, TimeoutNow{});
    }
    for (const uint64_t from : c.refused)
      replica.receive(from, 2, VoteResp{VoteAnswer::kVotedOther});
    for (const uint64_t from : c.granted) replica.receive(from, 2, VoteResp{});
    EXPECT_EQ(replica.core().role(), c.role);
  }
}

// "Each server will vote for at most one candidate in a given term, on a first-come-first-served
// basis."
TEST(RaftPaper52, VotesForOneCandidatePerTermInOrderOfArrival) {
  for (const uint64_t first : {2u, 3u}) {
    SingleReplica voter(kSelf, state_of({}, 1));
    const uint64_t second = 5 - first;
    const VoteReq request{first_boundary().id, false};
    EXPECT_TRUE(bodies_of<VoteResp>(voter.receive(first, 2, request)).at(0).granted());
    EXPECT_FALSE(bodies_of<VoteResp>(voter.receive(second, 2, request)).at(0).granted());
    EXPECT_TRUE(bodies_of<VoteResp>(voter.receive(second, 3, request)).at(0).granted());
  }
}

// "Once a candidate wins an election, it becomes leader. It then sends heartbeat messages to all of
// the other servers to establish its authority and prevent new elections."
TEST(RaftPaper52, AWinnerTellsEverybodyAtOnce) {
  SingleReplica replica(kSelf, state_of({1}, 1));
  std::set<ReplicaId> to;
  for (const Envelope& message : replica.lead({2})) {
    ASSERT_TRUE(std::holds_alternative<Append>(message.body));
    to.insert(message.to.replica);
  }
  EXPECT_EQ(to, (std::set<ReplicaId>{ReplicaId{2}, ReplicaId{3}}));
}

// "If the leader's term (included in its RPC) is at least as large as the candidate's current term,
// then the candidate recognizes the leader as legitimate and returns to follower state. If the term
// in the RPC is smaller [...] the candidate rejects the RPC and continues in candidate state."
TEST(RaftPaper52, ACandidateRecognisesALeaderOfItsTermOrALaterOne) {
  for (const uint64_t term : {1u, 2u, 3u}) {
    const auto candidate = in_role(RoleKind::kCandidate);
    const auto sent =
        candidate->receive(3, term, append_of(first_boundary().id, first_boundary().chain, {}, 1));
    const bool is_leader = term >= 2;
    EXPECT_EQ(candidate->core().role(), is_leader ? RoleKind::kFollower : RoleKind::kCandidate);
    EXPECT_EQ(bodies_of<AppendResp>(sent).at(0).ok, is_leader);
  }
}

// "The third possible outcome is that a candidate neither wins nor loses the election. When this
// happens, each candidate will time out and start a new election."
TEST(RaftPaper52, AnUndecidedElectionIsStartedAgain) {
  const auto candidate = in_role(RoleKind::kCandidate);
  candidate->feed([](RaftCore& core) { core.set_randomised_timeout(20); });
  EXPECT_TRUE(candidate->tick(19).empty());
  EXPECT_EQ(bodies_of<PreVoteReq>(candidate->tick(1)).size(), 2u);
  candidate->receive(2, 3, PreVoteResp{});
  EXPECT_EQ(candidate->core().term(), Term{3});
  EXPECT_EQ(candidate->core().role(), RoleKind::kCandidate);
}

// "Election timeouts are chosen randomly from a fixed interval."
TEST(RaftPaper52, TimeoutsAreSpreadOverTheWholeInterval) {
  std::map<uint32_t, int> drawn;
  for (uint64_t seed = 1; seed <= 2000; ++seed) {
    RaftConfig config = config_of(kSelf);
    config.seed = seed;
    const RaftCore core(config, state_of({}, 1));
    ++drawn[core.randomised_timeout()];
  }
  // (E, 2E): at least E + 1, so that the voters' leases have ended; 2000 / 15 each on average.
  EXPECT_EQ(drawn.begin()->first, kE + 1);
  EXPECT_EQ(drawn.rbegin()->first, 2 * kE - 1);
  EXPECT_EQ(drawn.size(), kE - 1);
  for (const auto& [ticks, count] : drawn) EXPECT_GT(count, 80) << ticks << " ticks";
}

// "[Timeouts are randomised] so that in most cases only a single server will time out": also each
// time one is drawn, and on transition to every role that waits.
TEST(RaftPaper52, TimeoutsAreDrawnAnewEachTime) {
  SingleReplica replica(kSelf, state_of({}, 1));
  std::set<uint32_t> drawn;
  for (uint64_t term = 2; term < 60; ++term) {
    replica.receive(2, term, HeartbeatResp{HeartbeatStatus::kHigherTerm, 0, {}, {}});
    drawn.insert(replica.core().randomised_timeout());
  }
  EXPECT_GT(drawn.size(), 8u);
  drawn.clear();
  for (int round = 0; round < 60; ++round) {
    campaign(replica);
    drawn.insert(replica.core().randomised_timeout());
    replica.receive(2, replica.core().term().value + 1,
                    HeartbeatResp{HeartbeatStatus::kHigherTerm, 0, {}, {}});
  }
  EXPECT_GT(drawn.size(), 8u);
}

// --- 5.3: replication ---------------------------------------------------------------------------

// "The leader appends the command to its log as a new entry, then issues AppendEntries RPCs in
// parallel to each of the other servers to replicate the entry." (In parallel to its own disk,
// too.)
TEST(RaftPaper53, AProposalIsAppendedAndSentAtOnce) {
  SingleReplica::Options options;
  options.disk = Pace::kManual;
  SingleReplica leader(kSelf, state_of({}, 1), options);
  leader.lead({2});
  leader.acknowledge(2, 2);
  leader.acknowledge(3, 2);
  const auto appends = bodies_of<Append>(leader.propose("x"));
  ASSERT_EQ(appends.size(), 2u);
  for (const Append& append : appends) {
    EXPECT_EQ(append.prev, (EntryId{Term{2}, LogIndex{2}}));
    ASSERT_EQ(append.entries.size(), 1u);
    EXPECT_EQ(text_of(append.entries[0].payload), "x");
  }
  EXPECT_EQ(leader.replica().jobs.back().entries.at(0).index, LogIndex{3});
}

// "A log entry is committed once the leader that created the entry has replicated it on a majority
// of the servers."
TEST(RaftPaper53, AMajorityOfCopiesCommits) {
  struct {
    uint64_t voters;
    Terms acknowledged;  // By whom, besides the leader's own disk.
    bool committed;
  } const cases[] = {
      {1, {}, true},     {3, {}, false},     {3, {2}, true},       {3, {2, 3}, true},
      {4, {2}, false},   {4, {2, 3}, true},  {5, {2}, false},      {5, {2, 3}, true},
      {5, {3, 5}, true}, {7, {2, 3}, false}, {7, {2, 3, 4}, true}, {5, {2, 2, 2}, false},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(std::to_string(c.voters) + " voters, " + std::to_string(c.acknowledged.size()) +
                 " acknowledgements");
    const ReplicaSet voters = voters_up_to(c.voters);
    SingleReplica leader(kSelf, restored_of(first_boundary(voters), {}, Term{1}));
    Terms others;
    for (uint64_t i = 2; i <= c.voters; ++i) others.push_back(i);
    leader.lead(others);
    for (const uint64_t from : c.acknowledged) leader.acknowledge(from, 2);
    EXPECT_EQ(leader.core().commit(), LogIndex{c.committed ? 2u : 1u});
  }
}

// "This also commits all preceding entries in the leader's log, including entries created by
// previous leaders."
TEST(RaftPaper53, CommittingAnEntryCommitsAllBeforeIt) {
  for (const Terms& before : {Terms{}, Terms{2}, Terms{1, 2}, Terms{1, 1, 3}}) {
    SingleReplica leader(kSelf, state_of(before, 3));
    leader.lead({2});
    leader.acknowledge(2, 2 + before.size());
    EXPECT_EQ(leader.core().commit().value, 2 + before.size());
    EXPECT_EQ(leader.replica().state.texts.size(), before.size());
  }
}

// "The leader keeps track of the highest index it knows to be committed, and it includes that index
// in future AppendEntries RPCs (including heartbeats) so that the other servers eventually find
// out."
TEST(RaftPaper53, TheCommitIsTold) {
  SingleReplica leader(kSelf, state_of({}, 1));
  leader.lead({2});
  const auto told = bodies_of<Append>(leader.acknowledge(2, 2));
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].commit, LogIndex{2});
  for (const Heartbeat& heartbeat : bodies_of<Heartbeat>(leader.tick(kHeartbeat)))
    EXPECT_EQ(heartbeat.commit, LogIndex{2});
}

// "Once a follower learns that a log entry is committed, it applies the entry to its local state
// machine (in log order)."
TEST(RaftPaper53, AFollowerAppliesWhatIsCommittedInOrder) {
  for (uint64_t commit = 1; commit <= 4; ++commit) {
    SingleReplica follower(kSelf, state_of({}, 1));
    follower.receive(2, 2,
                     append_of(first_boundary().id, first_boundary().chain, {1, 2, 2}, commit));
    std::vector<std::string> expected;
    const char* const texts[] = {"e2.1", "e3.2", "e4.2"};
    for (uint64_t i = 0; i + 1 < commit; ++i) expected.emplace_back(texts[i]);
    EXPECT_EQ(follower.replica().state.texts, expected);
  }
}

// "If the follower does not find an entry in its log with the same index and term, then it refuses
// the new entries."
TEST(RaftPaper53, AFollowerRefusesWhatDoesNotConnect) {
  struct {
    EntryId prev;
    bool ok;
  } const cases[] = {
      {{Term{1}, LogIndex{1}}, true},  {{Term{1}, LogIndex{2}}, true},
      {{Term{2}, LogIndex{3}}, true},  {{Term{1}, LogIndex{3}}, false},
      {{Term{3}, LogIndex{3}}, false}, {{Term{2}, LogIndex{2}}, false},
      {{Term{3}, LogIndex{4}}, false}, {{Term{2}, LogIndex{9}}, false},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(print(c.prev));
    SingleReplica follower(kSelf, state_of({1, 2}, 3));
    const RaftLog& log = follower.core().log();
    const bool has = log.has(c.prev.index) && log.term_at(c.prev.index) == c.prev.term;
    const Chain chain = has ? log.chain_at(c.prev.index) : Chain{7};
    const auto answers =
        bodies_of<AppendResp>(follower.receive(2, 3, append_of(c.prev, chain, {}, 1)));
    EXPECT_EQ(answers.at(0).ok, c.ok);
  }
}

// "The leader handles inconsistencies by forcing the followers' logs to duplicate its own": the
// followers (a) to (f) of figure 7, and the leader for term 8.
TEST(RaftPaper53, TheLeadersLogReplacesTheFollowers) {
  const Terms leader_log = {1, 1, 4, 4, 5, 5, 6, 6, 6};
  const Terms followers[] = {
      {1, 1, 4, 4, 5, 5, 6, 6},          {1, 1, 4},          {1, 1, 4, 4, 5, 5, 6, 6, 6, 6},
      {1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7}, {1, 1, 4, 4, 4, 4}, {1, 1, 2, 2, 2, 3, 3, 3, 3, 3},
  };
  for (const Terms& log : followers) {
    RaftCluster cluster;
    cluster.set_tracing(false);
    ReplicaSpec spec;
    spec.config = config_of(1);
    spec.state = state_of(leader_log, 7);
    cluster.add(spec);
    spec.config = config_of(2);
    spec.state = state_of(log, 7);
    cluster.add(spec);
    spec.config = config_of(3);
    spec.state = state_of({}, 7);
    cluster.add(spec);  // Its vote is needed against (c) and (d), whose logs are better.
    cluster.feed(ReplicaId{1},
                 [](RaftCore& core) { EXPECT_TRUE(core.campaign(CampaignReason::kTimeout).ok()); });
    cluster.stabilise({});
    const RaftLog& leader = cluster.find(ReplicaId{1})->core->log();
    const RaftLog& follower = cluster.find(ReplicaId{2})->core->log();
    EXPECT_EQ(cluster.find(ReplicaId{1})->core->role(), RoleKind::kLeader);
    EXPECT_EQ(follower.last_id(), leader.last_id());
    EXPECT_EQ(follower.last_chain(), leader.last_chain());
    EXPECT_TRUE(cluster.problems().empty());
  }
}

// "A leader never overwrites or deletes entries in its own log; it only appends new entries." A
// message that would make it is a second leader: the process stops (I-1).
TEST(RaftPaper53, ALeaderOnlyAppends) {
  SingleReplica leader(kSelf, state_of({1, 1}, 1));
  leader.lead({2});
  leader.receive(3, 2, append_of(first_boundary().id, first_boundary().chain, {2}, 1));
  EXPECT_TRUE(leader.core().is_stopped());
  EXPECT_EQ(leader.terms(), (Terms{1, 1, 2}));
}

// "[The leader] retries AppendEntries RPCs indefinitely (even after it has responded to the client)
// until all followers eventually store all log entries."
TEST(RaftPaper53, ALeaderNeverGivesUpOnAFollower) {
  SingleReplica leader(kSelf, state_of({}, 1));
  leader.lead({2});
  leader.acknowledge(2, 2);
  for (int round = 0; round < 40; ++round) {
    EXPECT_FALSE(bodies_of<Heartbeat>(leader.tick(kHeartbeat)).empty());
    leader.receive(2, 2, HeartbeatResp{HeartbeatStatus::kOk, 0, {}, LogIndex{2}});
    const auto sent = leader.receive(3, 2, HeartbeatResp{HeartbeatStatus::kOk, 0, {}, LogIndex{1}});
    ASSERT_EQ(bodies_of<Append>(sent).size(), 1u) << "and the Append is lost again";
    EXPECT_EQ(bodies_of<Append>(sent)[0].entries.size(), 1u);
  }
}

// --- 5.4: safety --------------------------------------------------------------------------------

// "The RequestVote RPC includes information about the candidate's log."
TEST(RaftPaper54, ARequestForAVoteNamesTheLastEntry) {
  for (const Terms& log : {Terms{}, Terms{1}, Terms{1, 1, 4}}) {
    SingleReplica replica(kSelf, state_of(log, 5));
    campaign(replica);
    const auto sent = replica.receive(2, 6, PreVoteResp{});
    const auto requests = bodies_of<VoteReq>(sent);
    ASSERT_EQ(requests.size(), 2u);
    const EntryId last{Term{log.empty() ? 1 : log.back()}, LogIndex{1 + log.size()}};
    EXPECT_EQ(requests[0].last, last);
  }
}

// "The voter denies its vote if its own log is more up-to-date than that of the candidate. [...] If
// the logs have last entries with different terms, then the log with the later term is more
// up-to-date. If the logs end with the same term, then whichever log is longer is."
TEST(RaftPaper54, AVoterWithABetterLogRefuses) {
  struct {
    Terms own;
    EntryId candidate;
    bool granted;
  } const cases[] = {
      {{1}, {Term{1}, LogIndex{2}}, true},     {{1}, {Term{1}, LogIndex{3}}, true},
      {{1, 1}, {Term{1}, LogIndex{2}}, false}, {{1}, {Term{2}, LogIndex{2}}, true},
      {{1}, {Term{2}, LogIndex{3}}, true},     {{1, 1}, {Term{2}, LogIndex{2}}, true},
      {{2}, {Term{1}, LogIndex{2}}, false},    {{2}, {Term{1}, LogIndex{3}}, false},
      {{1, 2}, {Term{1}, LogIndex{9}}, false},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(print(c.candidate));
    SingleReplica voter(kSelf, state_of(c.own, 2));
    const auto sent = voter.receive(2, 3, VoteReq{c.candidate, false});
    EXPECT_EQ(bodies_of<VoteResp>(sent).at(0).granted(), c.granted);
  }
}

// "Raft never commits log entries from previous terms by counting replicas. Only log entries from
// the leader's current term are committed by counting replicas."
TEST(RaftPaper54, OnlyEntriesOfTheOwnTermAreCounted) {
  struct {
    uint64_t acknowledged, commit;
  } const cases[] = {{2, 1}, {3, 1}, {4, 4}};
  for (const auto& c : cases) {
    SingleReplica leader(kSelf, state_of({1, 2}, 2));
    leader.lead({2});
    leader.acknowledge(2, c.acknowledged);
    leader.acknowledge(3, c.acknowledged);
    EXPECT_EQ(leader.core().commit(), LogIndex{c.commit});
  }
}

// --- 5.5, 5.6 -----------------------------------------------------------------------------------

// "Raft RPCs are idempotent."
TEST(RaftPaper55, TheSameRequestTwiceIsHarmless) {
  SingleReplica follower(kSelf, state_of({}, 1));
  const Append append = append_of(first_boundary().id, first_boundary().chain, {2, 2}, 2);
  const auto first = bodies_of<AppendResp>(follower.receive(2, 2, append));
  const auto second = bodies_of<AppendResp>(follower.receive(2, 2, append));
  EXPECT_EQ(first.at(0).match, second.at(0).match);
  EXPECT_EQ(follower.terms(), (Terms{2, 2}));
  EXPECT_EQ(follower.replica().state.texts.size(), 1u);
}

// "Safety must not depend on timing": however fast or slow its ticks, a replica alone elects
// nobody.
TEST(RaftPaper56, TicksAloneElectNobody) {
  SingleReplica replica(kSelf, state_of({}, 1));
  replica.tick(5000);
  EXPECT_NE(replica.core().role(), RoleKind::kLeader);
  EXPECT_EQ(replica.core().term(), Term{1}) << "pre-votes change nothing";
}

}  // namespace
}  // namespace worldline::replication::testing
