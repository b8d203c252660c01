#include "tests/simulation/abstract_model.h"

#include <algorithm>

#include <fmt/format.h>

namespace worldline::simulation {
namespace {

using Kind = ModelMessage::Kind;

// Whether those who agree are a majority of each half of the config.
template <typename Agrees>
bool is_quorum(const ModelConfig& config, const Agrees& agrees) {
  const auto has_half = [&agrees](const std::vector<uint64_t>& half) {
    const auto count = std::count_if(half.begin(), half.end(), agrees);
    return 2 * static_cast<size_t>(count) > half.size();
  };
  return has_half(config.voters) && (config.outgoing.empty() || has_half(config.outgoing));
}

std::pair<uint64_t, uint64_t> end_of(const ModelReplica& replica) {
  return {replica.at(replica.last()).term, replica.last()};
}

// The last index up to which both logs are the same; the higher base if they never are.
uint64_t same_up_to(const ModelReplica& old, const ModelReplica& now) {
  const uint64_t from = std::max(old.base, now.base);
  uint64_t same = std::min(old.last(), now.last());
  while (same > from && old.at(same) != now.at(same)) --same;
  return std::max(same, from);
}

bool is_replaced(const ModelReplica& old, const ModelReplica& now) {
  if (now.base <= old.base) return false;
  return !old.has(now.base) || old.at(now.base) != now.base_slot;
}

bool led(const ModelReplica& replica, uint64_t term) {
  return replica.role == ModelRole::kLeader && replica.term == term;
}

}  // namespace

void AbstractModel::refuse(const std::string& rule, uint64_t id, const std::string& why) {
  if (refusal_.empty()) refusal_ = fmt::format("{}: replica {}: {}", rule, id, why);
}

// --- The trace -----------------------------------------------------------------------------------

void AbstractModel::create(uint64_t id) {
  lives_.erase(id);
}

// Restart: everything but what is on the disk is forgotten.
void AbstractModel::start(const ModelReplica& now) {
  if (refuses()) return;
  Life& life = lives_[now.id];
  const ModelReplica& old = life.state;
  const bool keeps_vote =
      now.term > old.durable_term ||
      (now.term == old.durable_term && (old.durable_vote == 0 || now.vote == old.durable_vote));
  if (!keeps_vote)
    refuse("Restart", now.id,
           fmt::format("comes back with vote {} of term {}, had stored {} of {}", now.vote,
                       now.term, old.durable_vote, old.durable_term));
  if (now.role != ModelRole::kFollower) refuse("Restart", now.id, "is no follower");
  if (now.commit > now.last()) refuse("Restart", now.id, "committed more than it has");
  const bool is_first = committed_.empty();
  if (is_first) committed_.emplace_back();
  while (committed_.size() <= now.commit && committed_.size() < now.base) committed_.emplace_back();
  Life fresh;
  fresh.votes.emplace(now.durable_term, now.durable_vote);
  fresh.state = now;
  fresh.is_running = true;
  fresh.verified = now.commit;
  life = std::move(fresh);
  ModelReplica nothing;
  nothing.base = now.base;
  nothing.base_slot = now.base_slot;
  check_matching(nothing, now);
  check_committed(now);
}

void AbstractModel::stop(uint64_t id) {
  lives_[id].is_running = false;
}

void AbstractModel::receive(uint64_t id, const ModelMessage& message) {
  if (!refuses()) lives_[id].received.push_back(message);
}

void AbstractModel::take_snapshot(uint64_t id, uint64_t index) {
  lives_[id].snapshot = index;
}

void AbstractModel::hand_out(uint64_t id, uint64_t job, uint64_t last) {
  lives_[id].handed_out.emplace_back(job, last);
}

void AbstractModel::complete(uint64_t id, uint64_t job) {
  Life& life = lives_[id];
  const auto found = life.jobs.find(job);
  if (found == life.jobs.end()) return;
  if (found->second.epoch == life.epoch)
    life.completed_to = std::max(life.completed_to, found->second.last);
  life.jobs.erase(life.jobs.begin(), std::next(found));
}

void AbstractModel::send(uint64_t id, const ModelMessage& message) {
  if (!refuses()) lives_[id].sent.push_back(message);
}

void AbstractModel::step(const ModelReplica& now) {
  Life& life = lives_[now.id];
  if (refuses() || !life.is_running) return;
  ++steps_;
  const ModelReplica old = life.state;
  life.votes.emplace(now.term, now.vote);
  check_term_and_vote(life, now);
  note_answers(life, now);
  check_role(life, now);
  check_log(life, now);
  check_verified(life, now);
  check_commit(life, now);
  check_stable(life, now);
  check_leader(old, now);
  check_matching(old, now);
  check_committed(now);
  if (now.commit > old.commit && led(now, now.term)) check_durable(now, old.config);
  for (const ModelMessage& message : life.sent) check_sent(life, now, message);
  for (const auto& [job, last] : life.handed_out) life.jobs[job] = {life.epoch, last};
  const bool moved = now.term != old.term || now.last() != old.last() || now.commit != old.commit;
  life.state = now;
  life.received.clear();
  life.sent.clear();
  life.handed_out.clear();
  life.snapshot.reset();
  life.completed_to = 0;
  if (moved) check_up_to_date(now);
  actions_ += moved ? 1 : 0;
}

// --- Terms, votes, roles -------------------------------------------------------------------------

// UpdateTerm, Campaign, GrantVote.
void AbstractModel::check_term_and_vote(Life& life, const ModelReplica& now) {
  const ModelReplica& old = life.state;
  if (now.term < old.term) return refuse("UpdateTerm", now.id, "its term went back");
  const bool campaigns =
      now.term == old.term + 1 && now.vote == now.id && now.role == ModelRole::kCandidate;
  if (now.term > old.term && !campaigns && !may_adopt(life, now.term))
    return refuse("UpdateTerm", now.id, fmt::format("nobody told it of term {}", now.term));
  if (now.term == old.term && old.vote != 0 && now.vote != old.vote)
    return refuse(
        "GrantVote", now.id,
        fmt::format("replaces its vote for {} in term {} by {}", old.vote, now.term, now.vote));
  const bool is_new = now.vote != 0 && (now.term > old.term || old.vote == 0);
  if (is_new && !campaigns && !may_grant(life, now.term, now.vote))
    refuse("GrantVote", now.id,
           fmt::format("votes for {} in term {}, which did not ask or has an older log", now.vote,
                       now.term));
  if (now.term == old.term) return;
  life.grants.clear();
  life.accepted.clear();
}

bool AbstractModel::may_adopt(const Life& life, uint64_t term) const {
  return std::any_of(life.received.begin(), life.received.end(), [term](const ModelMessage& m) {
    return m.term == term && m.kind != Kind::kPreVote;
  });
}

// The log of the voter is the one before the step: no action grants and appends.
bool AbstractModel::may_grant(const Life& life, uint64_t term, uint64_t candidate) const {
  return std::any_of(
      life.received.begin(), life.received.end(), [&life, term, candidate](const ModelMessage& m) {
        return m.kind == Kind::kVoteRequest && m.term == term && m.from == candidate &&
               std::pair(m.index_term, m.index) >= end_of(life.state);
      });
}

void AbstractModel::note_answers(Life& life, const ModelReplica& now) {
  for (const ModelMessage& m : life.received) {
    if (m.term != now.term) continue;
    if (m.kind == Kind::kVoteGranted) life.grants.insert(m.from);
    if (m.kind == Kind::kAppendOk) life.accepted[m.from] = std::max(life.accepted[m.from], m.index);
  }
}

// BecomeLeader; a candidate is made by Campaign alone.
void AbstractModel::check_role(Life& life, const ModelReplica& now) {
  const ModelReplica& old = life.state;
  const bool is_same_term = now.term == old.term;
  if (now.role == ModelRole::kCandidate && is_same_term && old.role != ModelRole::kCandidate)
    return refuse("Campaign", now.id, "becomes a candidate without a new term");
  if (now.role != ModelRole::kLeader || led(old, now.term)) return;
  if (!is_same_term || old.role != ModelRole::kCandidate)
    return refuse("BecomeLeader", now.id, "was no candidate of the term");
  if (now.durable_term != now.term || now.durable_vote != now.id)
    return refuse("BecomeLeader", now.id, "its own vote is not on its disk");
  const auto has_voted = [&life, &now](uint64_t voter) {
    return voter == now.id || life.grants.contains(voter);
  };
  if (!is_quorum(old.config, has_voted))
    return refuse("BecomeLeader", now.id, fmt::format("has no quorum of term {}", now.term));
  if (now.last() == old.last() || now.at(old.last() + 1).term != now.term)
    refuse("BecomeLeader", now.id, "does not begin its term with an entry");
}

// --- Logs ----------------------------------------------------------------------------------------

// ClientRequest, AppendEntries, InstallSnapshot, Compact.
void AbstractModel::check_log(Life& life, const ModelReplica& now) {
  const ModelReplica& old = life.state;
  if (now.base < old.base) return refuse("Compact", now.id, "its checkpoint went back");
  if (is_replaced(old, now)) {
    ++life.epoch;
    const bool is_allowed =
        life.snapshot == now.base && old.role == ModelRole::kFollower && now.log.empty();
    if (!is_allowed) refuse("InstallSnapshot", now.id, "its log was replaced without one");
    return;
  }
  if (now.base > old.base && now.base > old.commit)
    return refuse("Compact", now.id, "dropped what it had not committed");
  const uint64_t first = same_up_to(old, now) + 1;
  if (first > old.last() && first > now.last()) return;
  const bool leads = led(old, now.term) || led(now, now.term);
  if (first <= old.last()) {
    ++life.epoch;
    if (leads) return refuse("ClientRequest", now.id, "a leader changed its own log");
    if (first <= old.commit)
      return refuse("AppendEntries", now.id, fmt::format("changed committed entry {}", first));
  }
  if (!leads) return check_appended(life, now, first);
  for (uint64_t i = first; i <= now.last(); ++i)
    if (now.at(i).term != now.term)
      return refuse("ClientRequest", now.id, fmt::format("appended {} of another term", i));
}

void AbstractModel::check_appended(const Life& life, const ModelReplica& now, uint64_t first) {
  const bool is_allowed =
      std::any_of(life.received.begin(), life.received.end(), [&](const ModelMessage& m) {
        return m.kind == Kind::kAppend && m.term == now.term &&
               comes_from(m, life.state, now, first);
      });
  if (!is_allowed)
    refuse("AppendEntries", now.id,
           fmt::format("its log from {} to {} came with no message", first, now.last()));
}

// Whether `append`, applied to the old log, leaves the new one or a beginning of it. Without a
// conflict nothing is cut off.
bool AbstractModel::comes_from(const ModelMessage& append, const ModelReplica& old,
                               const ModelReplica& now, uint64_t first) const {
  const uint64_t end = append.index + append.entries.size();
  if (append.index >= first || now.last() > end || now.last() < first) return false;
  if (append.index > old.commit && old.at(append.index).term != append.index_term) return false;
  for (uint64_t i = first; i <= now.last(); ++i)
    if (append.entries[i - append.index - 1] != now.at(i)) return false;
  const bool conflicts = first <= old.last();
  return !conflicts || append.entries[first - append.index - 1].term != old.at(first).term;
}

// The bound of what a follower may commit [scylladb #9965].
void AbstractModel::check_verified(Life& life, const ModelReplica& now) {
  const ModelReplica& old = life.state;
  uint64_t bound = std::max(now.term == old.term ? life.verified : 0, old.commit);
  if (life.snapshot) bound = std::max(bound, *life.snapshot);
  for (const ModelMessage& m : life.received) {
    if (m.kind != Kind::kAppend || m.term != now.term) continue;
    const bool fits =
        m.index <= now.commit || (now.has(m.index) && now.at(m.index).term == m.index_term);
    if (fits) bound = std::max(bound, std::min(m.index + m.entries.size(), now.last()));
  }
  life.verified = bound;
  const auto leader = leaders_.find(now.term);
  const bool leads =
      now.role == ModelRole::kLeader || (leader != leaders_.end() && leader->second == now.id);
  if (!leads && now.verified > bound)
    refuse("AppendEntries", now.id,
           fmt::format("takes {} for verified, it may {}", now.verified, bound));
}

// AdvanceCommit of a leader, LearnCommit of all others.
void AbstractModel::check_commit(Life& life, const ModelReplica& now) {
  const ModelReplica& old = life.state;
  if (now.commit < old.commit) return refuse("LearnCommit", now.id, "its commit went back");
  if (now.commit > now.last()) return refuse("LearnCommit", now.id, "committed what it lacks");
  if (now.commit == old.commit) return;
  if (led(now, now.term) || led(old, now.term)) {
    if (now.at(now.commit).term != now.term)
      return refuse("AdvanceCommit", now.id, "counted acknowledgements of an older term's entry");
    if (!is_accepted(life, old.config, now) && !is_accepted(life, now.config, now))
      refuse("AdvanceCommit", now.id,
             fmt::format("{} was not acknowledged by a quorum", now.commit));
    return;
  }
  if (life.snapshot && now.commit <= *life.snapshot) return;
  const bool is_told =
      std::any_of(life.received.begin(), life.received.end(), [&life, &now](const ModelMessage& m) {
        const bool tells = m.kind == Kind::kAppend || m.kind == Kind::kHeartbeat;
        return tells && m.term == now.term && now.commit <= std::min(m.commit, life.verified);
      });
  if (!is_told)
    refuse("LearnCommit", now.id,
           fmt::format("commits {} without being told, or beyond the verified {}", now.commit,
                       life.verified));
}

bool AbstractModel::is_accepted(const Life& life, const ModelConfig& config,
                                const ModelReplica& now) const {
  return is_quorum(config, [&life, &now](uint64_t voter) {
    if (voter == now.id) return now.stable >= now.commit;
    const auto found = life.accepted.find(voter);
    return found != life.accepted.end() && found->second >= now.commit;
  });
}

// Persisted: what was written counts only if nothing replaced it meanwhile.
void AbstractModel::check_stable(Life& life, const ModelReplica& now) {
  const ModelReplica& old = life.state;
  if (now.stable > now.last()) return refuse("Persisted", now.id, "more is stable than there is");
  if (now.stable > std::max(now.durable, now.base))
    return refuse("Persisted", now.id,
                  fmt::format("takes {} for stable, on its disk is {}", now.stable, now.durable));
  if (now.stable <= old.stable || now.stable <= now.base) return;
  if (now.stable > life.completed_to)
    refuse("Persisted", now.id,
           fmt::format("takes {} for stable, its write epoch {} has {}", now.stable, life.epoch,
                       life.completed_to));
}

// --- Messages ------------------------------------------------------------------------------------

void AbstractModel::check_sent(const Life& life, const ModelReplica& now,
                               const ModelMessage& message) {
  const auto leader = leaders_.find(message.term);
  const bool leads = leader != leaders_.end() && leader->second == now.id;
  switch (message.kind) {
    case Kind::kVoteRequest:
      if (now.role != ModelRole::kCandidate || message.term != now.term ||
          std::pair(message.index_term, message.index) != end_of(now))
        refuse("Campaign", now.id, "asks for votes with another term or log than its own");
      return;
    case Kind::kVoteGranted:
      if (!life.votes.contains({message.term, message.to}) || now.durable_term < message.term ||
          (now.durable_term == message.term && now.durable_vote != message.to))
        refuse("GrantVote", now.id, "its vote left before it was on its disk");
      return;
    case Kind::kAppendOk:
      if (message.index > now.durable)
        refuse("AppendEntries", now.id,
               fmt::format("acknowledges {} with {} on its disk", message.index, now.durable));
      return;
    case Kind::kAppend:
      if (!leads)
        return refuse("AppendEntries", now.id, "sends entries of a term it does not lead");
      return check_sent_append(now, message);
    case Kind::kHeartbeat:
      if (!leads || message.commit > now.commit)
        refuse("LearnCommit", now.id, "its heartbeat tells what it does not know");
      return;
    default:
      return;
  }
}

void AbstractModel::check_sent_append(const ModelReplica& now, const ModelMessage& message) {
  if (message.commit > now.commit)
    return refuse("LearnCommit", now.id, "sends more as committed than it is");
  if (now.has(message.index) && now.at(message.index).term != message.index_term)
    return refuse("AppendEntries", now.id, "sends a wrong term of the previous entry");
  for (size_t i = 0; i < message.entries.size(); ++i) {
    const uint64_t index = message.index + 1 + i;
    if (now.has(index) && now.at(index) != message.entries[i])
      return refuse("AppendEntries", now.id, fmt::format("sends an entry {} it lacks", index));
  }
}

// --- Invariants ----------------------------------------------------------------------------------

bool AbstractModel::covers(const ModelReplica& replica, uint64_t index) const {
  if (index < replica.base || index >= committed_.size()) return true;  // In the checkpoint.
  const ModelSlot& slot = committed_[index];
  return slot == ModelSlot{} || (replica.has(index) && replica.at(index) == slot);
}

// OneLeaderPerTerm, LeaderCompleteness, LeaderHasGreatestIndex.
void AbstractModel::check_leader(const ModelReplica& old, const ModelReplica& now) {
  if (now.role == ModelRole::kLeader) {
    const auto [leader, is_new] = leaders_.emplace(now.term, now.id);
    if (leader->second != now.id)
      return refuse("OneLeaderPerTerm", now.id,
                    fmt::format("leads term {} beside {}", now.term, leader->second));
    uint64_t& last = leader_lasts_[now.term];
    last = std::max(last, now.last());
    uint64_t c = committed_.size() - 1;
    while (c > 0 && committed_in_[c] >= now.term) --c;
    if (is_new && !covers(now, c))
      return refuse("LeaderCompleteness", now.id,
                    fmt::format("leads term {} without the committed {}", now.term, c));
  }
  if (now.last() <= old.last()) return;
  const auto greatest = leader_lasts_.find(now.at(now.last()).term);
  if (greatest != leader_lasts_.end() && now.last() > greatest->second)
    refuse("LeaderHasGreatestIndex", now.id,
           fmt::format("has an entry {} its leader never had", now.last()));
}

// LogMatching: as `content` stands for all before it, one comparison per new entry suffices.
void AbstractModel::check_matching(const ModelReplica& old, const ModelReplica& now) {
  const uint64_t first = is_replaced(old, now) ? now.base : same_up_to(old, now) + 1;
  for (uint64_t i = std::max<uint64_t>(first, 1); i <= now.last(); ++i) {
    if (contents_.size() <= i) contents_.resize(i + 1);
    const auto known = contents_[i].emplace(now.at(i).term, now.at(i).content).first;
    if (known->second != now.at(i).content)
      return refuse(
          "LogMatching", now.id,
          fmt::format("entry {} of term {} has another history elsewhere", i, now.at(i).term));
  }
}

void AbstractModel::check_committed(const ModelReplica& now) {
  committed_in_.resize(committed_.size());
  const uint64_t known = std::min<uint64_t>(now.commit, committed_.size() - 1);
  if (!covers(now, known))
    return refuse("CommittedPrefixAgreement", now.id,
                  fmt::format("has committed another entry {} than others", known));
  for (uint64_t i = committed_.size(); i <= now.commit; ++i) {
    if (!now.has(i))
      return refuse("InstallSnapshot", now.id, fmt::format("nobody committed entry {}", i));
    committed_.push_back(now.at(i));
    committed_in_.push_back(now.term);
  }
}

// QuorumLog and CommittedIsDurable, where a leader commits.
void AbstractModel::check_durable(const ModelReplica& now, const ModelConfig& before) {
  const auto state_of = [this, &now](uint64_t voter) -> const ModelReplica* {
    if (voter == now.id) return &now;
    const auto found = lives_.find(voter);
    return found != lives_.end() ? &found->second.state : nullptr;
  };
  const auto has_it = [&](uint64_t voter) {
    const ModelReplica* state = state_of(voter);
    return state != nullptr && state->last() >= now.commit && covers(*state, now.commit);
  };
  const auto stores_it = [&](uint64_t voter) {
    return has_it(voter) && state_of(voter)->durable >= now.commit;
  };
  if (!is_quorum(before, has_it) && !is_quorum(now.config, has_it))
    return refuse("QuorumLog", now.id, fmt::format("{} is in no quorum's logs", now.commit));
  if (!is_quorum(before, stores_it) && !is_quorum(now.config, stores_it))
    refuse("CommittedIsDurable", now.id, fmt::format("{} is on no quorum's disks", now.commit));
}

// UpToDateCheck: whoever could get another's vote has what the other committed.
void AbstractModel::check_up_to_date(const ModelReplica& now) {
  for (const auto& [id, life] : lives_) {
    if (id == now.id || !life.is_running || refuses()) continue;
    const bool is_ahead = end_of(now) >= end_of(life.state);
    const ModelReplica& ahead = is_ahead ? now : life.state;
    const ModelReplica& behind = is_ahead ? life.state : now;
    if (!covers(ahead, behind.commit))
      refuse("UpToDateCheck", ahead.id,
             fmt::format("could lead {} but lacks its committed {}", behind.id, behind.commit));
  }
}

}  // namespace worldline::simulation
