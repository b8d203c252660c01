#include "tests/replication/script_forge.h"

#include <fmt/core.h>

#include "tests/replication/raft_fixture.h"
#include "tests/replication/raft_trace.h"

namespace worldline::replication::testing {
namespace {

// The chain behind `place` in whichever log holds it, else the one of a boundary there.
Chain chain_behind(EntryId place, const RaftCluster& cluster) {
  for (const auto& [id, replica] : cluster.replicas()) {
    const RaftLog& log = replica.core->log();
    if (log.has(place.index) && log.term_at(place.index) == place.term)
      return log.chain_at(place.index);
  }
  return boundary_at(place, {}).chain;
}

// `12@2`, `12@2=text`, `12@2=noop` or `12@2=cfg:VOTERS|OUTGOING|LEARNERS|NEXT`.
Entry entry_of(const std::string& text, Chain previous, ScriptWords& words) {
  const size_t equals = text.find('=');
  const EntryId id = words.place_of(text.substr(0, equals));
  if (equals == std::string::npos)
    return chained(previous, id, EntryKind::kBundle,
                   payload_of(fmt::format("e{}.{}", id.index.value, id.term.value)));
  const std::string payload = text.substr(equals + 1);
  if (payload == "noop") return chained(previous, id, EntryKind::kNoop, payload_of(""));
  if (payload.rfind("cfg:", 0) != 0)
    return chained(previous, id, EntryKind::kBundle, payload_of(payload));
  std::vector<std::string> sets = split_text(payload.substr(4), '|');
  sets.resize(4, "-");
  const Membership config = membership_of(words.replicas_of(sets[0]), words.replicas_of(sets[2]),
                                          words.replicas_of(sets[1]), words.replicas_of(sets[3]));
  return chained(previous, id, EntryKind::kConfig,
                 std::make_shared<const ByteBuffer>(encode_membership(config)));
}

VoteAnswer answer_of(ScriptWords& words) {
  const std::string why = words.text("why", "granted");
  for (const VoteAnswer answer :
       {VoteAnswer::kOk, VoteAnswer::kStaleLog, VoteAnswer::kLeaderAlive, VoteAnswer::kNotMember,
        VoteAnswer::kQuarantined, VoteAnswer::kVotedOther, VoteAnswer::kOldTerm})
    if (answer_name(answer) == why) return answer;
  words.fault("no such answer: " + why);
  return VoteAnswer::kOk;
}

HeartbeatStatus status_of(ScriptWords& words) {
  const std::string text = words.text("status", "ok");
  for (const HeartbeatStatus status :
       {HeartbeatStatus::kOk, HeartbeatStatus::kHigherTerm, HeartbeatStatus::kUnknownGroup,
        HeartbeatStatus::kUninit, HeartbeatStatus::kQuarantined, HeartbeatStatus::kRefuseQuiesce})
    if (status_name(status) == text) return status;
  words.fault("no such status: " + text);
  return HeartbeatStatus::kOk;
}

LogIndex index_of(ScriptWords& words, const std::string& key) {
  return LogIndex{words.number(key, 0)};
}

MessageBody append_of(ScriptWords& words, const RaftCluster& cluster) {
  Append append;
  append.prev = words.place("prev", {});
  append.prev_chain = Chain{words.number("chain", chain_behind(append.prev, cluster).value)};
  append.commit = index_of(words, "commit");
  append.seq = words.number("seq", 1);
  Chain chain = append.prev_chain;
  for (const std::string& text : split_text(words.text("entries"), ';')) {
    append.entries.push_back(entry_of(text, chain, words));
    chain = append.entries.back().chain;
  }
  return append;
}

MessageBody append_resp_of(ScriptWords& words) {
  AppendResp response;
  response.ok = words.has("match");
  response.match = index_of(words, "match");
  response.reject_prev = index_of(words, "prev");
  response.hint = words.place("hint", {});
  response.last_index = index_of(words, "last");
  response.applied = index_of(words, "applied");
  response.seq_echo = words.number("seq", 1);
  return response;
}

MessageBody snap_offer_of(ScriptWords& words, const RaftCluster& cluster) {
  SnapOffer offer;
  const EntryId place = words.place("at", {});
  offer.meta.boundary = boundary_at(place, {});
  for (const auto& [id, replica] : cluster.replicas())
    for (const auto& [index, image] : replica.disk.checkpoints)
      if (image.at.id == place) offer.meta.boundary = image.at;
  offer.meta.snap_id = 1000;
  return offer;
}

MessageBody heartbeat_resp_of(ScriptWords& words) {
  HeartbeatResp response;
  response.status = status_of(words);
  response.read_ctx = words.number("read", 0);
  response.last_index = index_of(words, "last");
  response.applied = index_of(words, "applied");
  return response;
}

MessageBody read_resp_of(ScriptWords& words) {
  ReadIndexResp response;
  response.token = ReadToken{words.number("token", 0)};
  response.ok = words.has("index");
  response.index = index_of(words, "index");
  return response;
}

MessageBody heartbeat_of(ScriptWords& words) {
  return Heartbeat{index_of(words, "commit"), words.number("read", 0), words.flag("quiesce")};
}

MessageBody hello_of(ScriptWords& words) {
  return Hello{words.place("last", {}), Term{words.number("durable-term", 0)},
               index_of(words, "boundary")};
}

MessageBody body_of(ScriptWords& words, const RaftCluster& cluster) {
  const std::string type = words.next();
  if (type == "PreVoteReq") return PreVoteReq{words.place("last", {}), CampaignReason::kTimeout};
  if (type == "PreVoteResp") return PreVoteResp{answer_of(words), {}};
  if (type == "VoteReq") return VoteReq{words.place("last", {}), words.flag("transfer")};
  if (type == "VoteResp") return VoteResp{answer_of(words)};
  if (type == "Append") return append_of(words, cluster);
  if (type == "AppendResp") return append_resp_of(words);
  if (type == "Heartbeat") return heartbeat_of(words);
  if (type == "HeartbeatResp") return heartbeat_resp_of(words);
  if (type == "ReadIndexReq") return ReadIndexReq{ReadToken{words.number("token", 0)}};
  if (type == "ReadIndexResp") return read_resp_of(words);
  if (type == "SnapOffer") return snap_offer_of(words, cluster);
  if (type == "Hello") return hello_of(words);
  if (type != "TimeoutNow") words.fault("no such message: " + type);
  return TimeoutNow{};
}

Address present_address(ReplicaId id, const RaftCluster& cluster) {
  const auto found = cluster.replicas().find(id);
  if (found != cluster.replicas().end()) return found->second.spec.config.self;
  return address_of(id.value);
}

}  // namespace

Envelope forge_message(ScriptWords& words, const RaftCluster& cluster) {
  Envelope message;
  message.group = kGroup;
  message.from = present_address(ReplicaId{words.number("from", 0)}, cluster);
  message.to = present_address(ReplicaId{words.number("to", 0)}, cluster);
  message.from.incarnation = words.number("inc", message.from.incarnation);
  message.to.incarnation = words.number("to-inc", message.to.incarnation);
  message.from.node = NodeId{words.number("node", message.from.node.value)};
  message.term = Term{words.number("term", 0)};
  message.config_index = LogIndex{words.number("config", 0)};
  message.body = body_of(words, cluster);
  return message;
}

}  // namespace worldline::replication::testing
