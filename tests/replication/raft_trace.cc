#include "tests/replication/raft_trace.h"

#include <cctype>

#include <fmt/core.h>

#include "tests/replication/raft_fixture.h"

namespace worldline::replication::testing {
namespace {

std::string_view reason_name(CampaignReason reason) {
  switch (reason) {
    case CampaignReason::kTimeout:
      return "timeout";
    case CampaignReason::kSuspect:
      return "suspect";
    case CampaignReason::kTransfer:
      return "transfer";
    case CampaignReason::kOperator:
      return "operator";
  }
  return "?";
}

std::string when(bool condition, std::string_view text) {
  return condition ? std::string(text) : std::string();
}

std::string fields(const PreVoteReq& m) {
  return fmt::format("last={} {}", print(m.last), reason_name(m.reason));
}
std::string fields(const PreVoteResp& m) {
  return std::string(answer_name(m.why));
}
std::string fields(const VoteReq& m) {
  return fmt::format("last={}{}", print(m.last), when(m.transfer, " transfer"));
}
std::string fields(const VoteResp& m) {
  return std::string(answer_name(m.why));
}
std::string fields(const Append& m) {
  return fmt::format("prev={} commit={} [{}]", print(m.prev), m.commit.value, print(m.entries));
}
std::string fields(const AppendResp& m) {
  const std::string flags = when(m.disk_full, " disk-full") + when(m.apply_lag, " apply-lag");
  if (m.ok) return fmt::format("match={}{}", m.match.value, flags);
  return fmt::format("reject prev={} hint={} last={}{}", m.reject_prev.value, print(m.hint),
                     m.last_index.value, flags);
}
std::string fields(const Heartbeat& m) {
  return fmt::format("commit={}{}{}", m.commit.value,
                     m.read_ctx != 0 ? fmt::format(" read={}", m.read_ctx) : "",
                     when(m.quiesce, " quiesce"));
}
std::string fields(const HeartbeatResp& m) {
  return fmt::format("{} last={}{}", status_name(m.status), m.last_index.value,
                     m.read_ctx != 0 ? fmt::format(" read={}", m.read_ctx) : "");
}
std::string fields(const ReadIndexReq& m) {
  return fmt::format("token={}", m.token.value);
}
std::string fields(const ReadIndexResp& m) {
  return m.ok ? fmt::format("token={} index={}", m.token.value, m.index.value)
              : fmt::format("token={} failed", m.token.value);
}
std::string fields(const TimeoutNow&) {
  return "";
}
std::string fields(const SnapOffer& m) {
  return fmt::format("{} {}", print(m.meta.boundary.id), print(m.meta.boundary.config));
}
std::string fields(const Hello& m) {
  return fmt::format("last={} durable-term={} boundary={}", print(m.last), m.durable_term.value,
                     m.boundary_index.value);
}
std::string fields(const GroupGone& m) {
  return fmt::format("replica={}", m.replica.value);
}

std::string payload_text(const Entry& entry) {
  if (entry.kind == EntryKind::kNoop) return "noop";
  if (!entry.payload) return "?";
  if (entry.kind == EntryKind::kConfig) {
    const auto config = decode_membership(Bytes(*entry.payload));
    return config.ok() ? print(*config) : "broken";
  }
  const std::string text = text_of(entry.payload);
  return text.size() <= 16 ? text : fmt::format("{}..({})", text.substr(0, 4), text.size());
}

std::string_view scope_name(FatalScope scope) {
  switch (scope) {
    case FatalScope::kReplica:
      return "replica";
    case FatalScope::kProcess:
      return "process";
    case FatalScope::kGroup:
      return "group";
  }
  return "?";
}

}  // namespace

std::string print(EntryId id) {
  return fmt::format("{}@{}", id.index.value, id.term.value);
}

std::string print(const Entry& entry) {
  return fmt::format("{}={}", print(entry.id()), payload_text(entry));
}

std::string print(const std::vector<Entry>& entries) {
  std::string out;
  for (const Entry& entry : entries) out += (out.empty() ? "" : " ") + print(entry);
  return out;
}

std::string print(const ReplicaSet& set) {
  std::string out;
  for (const ReplicaId replica : set)
    out += (out.empty() ? "" : ",") + std::to_string(replica.value);
  return out.empty() ? "-" : out;
}

std::string print(const Membership& membership) {
  std::string out = "(" + print(membership.voters) + ")";
  if (membership.is_joint()) out += "&(" + print(membership.voters_outgoing) + ")";
  if (!membership.learners.empty()) out += "learners(" + print(membership.learners) + ")";
  if (!membership.learners_next.empty()) out += "next(" + print(membership.learners_next) + ")";
  return out;
}

std::string print(const MessageBody& body) {
  const std::string rest = std::visit([](const auto& m) { return fields(m); }, body);
  return rest.empty() ? std::string(message_name(body))
                      : fmt::format("{} {}", message_name(body), rest);
}

std::string print(const PersistJob& job) {
  std::string out = fmt::format("#{}", job.job.value);
  if (job.hard_state)
    out += fmt::format(" term={} vote={}", job.hard_state->term.value, job.hard_state->vote.value);
  if (job.new_boundary)
    out += fmt::format(" boundary={} {}", print(job.new_boundary->id),
                       print(job.new_boundary->config));
  if (job.truncate_from) out += fmt::format(" cut={}", job.truncate_from->value);
  if (!job.entries.empty()) out += fmt::format(" [{}]", print(job.entries));
  return out;
}

std::string print(const RoleChange& change) {
  std::string out =
      fmt::format("{} term={}", lower_name(role_name(change.role)), change.term.value);
  if (change.role == RoleKind::kLeader)
    return out + fmt::format(" barrier={}", change.barrier.value);
  return change.leader.value != 0 ? out + fmt::format(" leader={}", change.leader.value) : out;
}

std::string print(const Fatal& fatal) {
  return fmt::format("I-{} replica={} scope={}", fatal.invariant, fatal.replica.value,
                     scope_name(fatal.scope));
}

std::string_view answer_name(VoteAnswer answer) {
  switch (answer) {
    case VoteAnswer::kOk:
      return "granted";
    case VoteAnswer::kStaleLog:
      return "stale-log";
    case VoteAnswer::kLeaderAlive:
      return "leader-alive";
    case VoteAnswer::kNotMember:
      return "not-member";
    case VoteAnswer::kQuarantined:
      return "quarantined";
    case VoteAnswer::kVotedOther:
      return "voted-other";
    case VoteAnswer::kOldTerm:
      return "old-term";
  }
  return "?";
}

std::string_view status_name(HeartbeatStatus status) {
  switch (status) {
    case HeartbeatStatus::kOk:
      return "ok";
    case HeartbeatStatus::kHigherTerm:
      return "higher-term";
    case HeartbeatStatus::kUnknownGroup:
      return "unknown-group";
    case HeartbeatStatus::kUninit:
      return "uninit";
    case HeartbeatStatus::kQuarantined:
      return "quarantined";
    case HeartbeatStatus::kRefuseQuiesce:
      return "refuse-quiesce";
  }
  return "?";
}

std::string_view refusal_name(Refusal refusal) {
  switch (refusal) {
    case Refusal::kNone:
      return "ok";
    case Refusal::kNotLeader:
      return "not-leader";
    case Refusal::kBusy:
      return "busy";
    case Refusal::kTransferring:
      return "transferring";
    case Refusal::kTermMismatch:
      return "term-mismatch";
    case Refusal::kTooLarge:
      return "too-large";
    case Refusal::kStopped:
      return "stopped";
    case Refusal::kDiskFull:
      return "disk-full";
  }
  return "?";
}

std::string lower_name(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isupper(byte) != 0 && !out.empty() && out.back() != '-') out += '-';
    out += c == ' ' || c == '_' ? '-' : static_cast<char>(std::tolower(byte));
  }
  return out;
}

}  // namespace worldline::replication::testing
