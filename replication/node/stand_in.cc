#include "replication/node/stand_in.h"

#include <utility>

namespace worldline::replication {
namespace {

bool is_request(const MessageBody& body) {
  return std::holds_alternative<PreVoteReq>(body) || std::holds_alternative<VoteReq>(body) ||
         std::holds_alternative<Append>(body) || std::holds_alternative<Heartbeat>(body) ||
         std::holds_alternative<SnapOffer>(body) || std::holds_alternative<ReadIndexReq>(body) ||
         std::holds_alternative<TimeoutNow>(body) || std::holds_alternative<Hello>(body);
}

std::optional<MessageBody> refusal_of(const Envelope& asked, Absence absence) {
  if (absence == Absence::kGone) {
    if (!is_request(asked.body)) return std::nullopt;
    return GroupGone{asked.to.replica, GoneReason::kTombstone};
  }
  const bool is_quarantined = absence == Absence::kQuarantined;
  if (const auto* heartbeat = std::get_if<Heartbeat>(&asked.body); heartbeat != nullptr) {
    HeartbeatResp response;
    response.status =
        is_quarantined ? HeartbeatStatus::kQuarantined : HeartbeatStatus::kUnknownGroup;
    return response;
  }
  if (!is_quarantined) return std::nullopt;
  if (std::holds_alternative<PreVoteReq>(asked.body))
    return PreVoteResp{VoteAnswer::kQuarantined, {}};
  if (std::holds_alternative<VoteReq>(asked.body)) return VoteResp{VoteAnswer::kQuarantined};
  return std::nullopt;
}

}  // namespace

std::optional<Envelope> answer_for_absent(const Envelope& asked, const Address& self,
                                          Absence absence) {
  std::optional<MessageBody> body = refusal_of(asked, absence);
  if (!body) return std::nullopt;
  Envelope answer{asked.group, self, asked.from, asked.term, {}, std::move(*body)};
  // A pre-vote asks for the next term: refused, the answer bears the asker's own.
  const bool is_next_term = std::holds_alternative<PreVoteReq>(asked.body);
  if (is_next_term && answer.term.value > 1) answer.term = Term{answer.term.value - 1};
  return answer;
}

}  // namespace worldline::replication
