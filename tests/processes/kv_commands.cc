// What clients and the driver may ask of a KvNode.
#include <algorithm>
#include <charconv>
#include <utility>

#include "tests/processes/kv_node.h"

namespace worldline::kv {

using replication::GroupReplica;
using replication::MemberChange;

namespace {

// 0: no number.
uint64_t number_of(const std::string& word) {
  uint64_t number = 0;
  const char* end = word.data() + word.size();
  const auto [stop, fault] = std::from_chars(word.data(), end, number);
  return fault == std::errc() && stop == end ? number : 0;
}

std::string text_of(const Status& status) {
  return status.ok() ? "OK" : fmt::format("ERR {}", status.message());
}

template <typename Ids>
std::string joined(const Ids& ids) {
  std::string text;
  for (const auto id : ids) text += fmt::format("{}{}", text.empty() ? "" : ",", id.value);
  return fmt::format("[{}]", text);
}

}  // namespace

void KvNode::handle(const ClientRequest& request) {
  const auto answer = [this, &request](const std::string& text) { clients_->reply(request, text); };
  if (request.words.empty()) return answer("ERR no command");
  if (node_ == nullptr) return handle_unborn(request);
  const std::string& verb = request.words[0];
  if (verb == "STATUS") return answer(status_text());
  if (verb == "LOCAL" && request.words.size() == 2) return answer(list_text(request.words[1]));
  if (verb == "ADMIN" && request.words.size() >= 2) return answer(admin(request.words));
  handle_data(request, replica());
}

// It waits for its cluster: nothing is here yet.
void KvNode::handle_unborn(const ClientRequest& request) {
  if (request.words[0] != "STATUS") return clients_->reply(request, "NO_REPLICA");
  clients_->reply(request, fmt::format(R"({{"node":0,"uuid":"{}","cluster":"","birth":"{}"}})",
                                       to_hex(log_->opened().record.uuid), birth_->text(now())));
}

// PUT key id | CAS key expected id | GET key
void KvNode::handle_data(const ClientRequest& request, GroupReplica* here) {
  const std::vector<std::string>& words = request.words;
  Reply reply = [this, to = ClientRequest{request.connection, request.number, {}}](
                    const std::string& text) { clients_->reply(to, text); };
  if (here == nullptr || !here->is_running()) return reply("NO_REPLICA");
  if (!disk_.accepts_appends() && words[0] != "GET") return reply("FULL");
  if (words.size() < 2 || !is_word(words[1], kKeyBytesMax)) return reply("ERR a key is needed");
  if (words[0] == "GET" && words.size() == 2) return machine_->read(words[1], std::move(reply));
  if (!is_word(words.back(), kIdBytesMax)) return reply("ERR an id is needed");
  if (words[0] == "PUT" && words.size() == 3)
    return machine_->write({words[1], words[2], std::nullopt}, std::move(reply));
  if (words[0] == "CAS" && words.size() == 4)
    return machine_->write({words[1], words[3], number_of(words[2])}, std::move(reply));
  reply("ERR unknown command");
}

std::string KvNode::list_text(const std::string& key) {
  const std::vector<std::string>* ids = machine_->state().find(key);
  std::string text = "OK";
  if (ids == nullptr) return text;
  for (const std::string& id : *ids) text.append(" ").append(id);
  return text;
}

std::string KvNode::admin(const std::vector<std::string>& words) {
  const std::string& what = words[1];
  if (what == "disk") return disk_command(words);
  if (what == "clock" && words.size() == 3) {
    wall_offset_us_ = std::atoll(words[2].c_str()) * 1000;
    return "OK";
  }
  if (what == "peer" && words.size() == 4) return peer_command(words);
  if (what == "forget" && words.size() == 3) return forget_command(NodeId{number_of(words[2])});
  if (what == "drop") return drop_command(words);
  if (what == "tls") return text_of(peers_->reload_tls(options_));
  if (what == "destroy") return text_of(node_->remove(kGroup, options_.replica));
  if (what == "members") return change_members(words);
  GroupReplica* here = replica();
  if (here == nullptr) return "NO_REPLICA";
  if (what == "transfer" && words.size() == 3)
    return text_of(here->transfer(ReplicaId{number_of(words[2])}));
  if (what == "campaign") return text_of(here->campaign(replication::CampaignReason::kOperator));
  return "ERR unknown command";
}

// ADMIN peer ID HOST:PORT[/UUID]
std::string KvNode::peer_command(const std::vector<std::string>& words) {
  const NodeId node{number_of(words[2])};
  if (node.value == 0) return "ERR a node is needed";
  if (!options_.peers.contains(node)) {
    const Status added = node_->add_peer(node, now());
    if (!added.ok()) return text_of(added);
  }
  const size_t slash = words[3].find('/');
  if (slash != std::string::npos) {
    const auto uuid = parse_uuid(words[3].substr(slash + 1));
    if (!uuid.ok()) return text_of(uuid.status());
    options_.uuids[node] = *uuid;
  }
  options_.peers[node] = words[3].substr(0, slash);
  return text_of(peers_->set_peers(peer_infos()));
}

// ADMIN forget ID : the node was removed and is gone; nobody tries to reach it any more.
std::string KvNode::forget_command(NodeId node) {
  if (options_.peers.erase(node) == 0) return "ERR no such peer";
  options_.uuids.erase(node);
  node_->remove_peer(node);
  return text_of(peers_->set_peers(peer_infos()));
}

// ADMIN drop CLASS... : what of these classes arrives is lost from now on. None: nothing is.
std::string KvNode::drop_command(const std::vector<std::string>& words) {
  std::vector<replication::TrafficClass> classes;
  for (size_t i = 2; i < words.size(); ++i)
    for (const replication::TrafficClass cls : replication::kTrafficClasses)
      if (words[i] == replication::traffic_class_name(cls)) classes.push_back(cls);
  if (classes.size() + 2 != words.size()) return "ERR classes are needed";
  peers_->lose(classes);
  return "OK";
}

// ADMIN members learner:4 voter:5 remove:1
std::string KvNode::change_members(const std::vector<std::string>& words) {
  GroupReplica* here = replica();
  if (here == nullptr) return "NO_REPLICA";
  std::vector<MemberChange> changes;
  for (size_t i = 2; i < words.size(); ++i) {
    const size_t colon = words[i].find(':');
    const std::string kind = words[i].substr(0, colon);
    const uint64_t id = colon == std::string::npos ? 0 : number_of(words[i].substr(colon + 1));
    MemberChange change{MemberChange::Kind::kRemove, {ReplicaId{id}, NodeId{id}, {}}};
    if (kind == "voter") change.kind = MemberChange::Kind::kAddVoter;
    if (kind == "learner") change.kind = MemberChange::Kind::kAddLearner;
    changes.push_back(change);
  }
  const Result<LogIndex> changed = here->change_config(changes, here->core().log().config_index());
  return changed.ok() ? fmt::format("OK {}", changed->value) : text_of(changed.status());
}

// ADMIN disk stall MS | ADMIN disk fail | ADMIN disk rot: the next read of the log is damaged.
std::string KvNode::disk_command(const std::vector<std::string>& words) {
  if (words.size() == 4 && words[2] == "stall") {
    faults_.stall(static_cast<int64_t>(number_of(words[3])));
    return "OK";
  }
  if (words.size() == 3 && words[2] == "fail") {
    faults_.fails_next = true;
    return "OK";
  }
  if (words.size() == 3 && words[2] == "rot") {
    faults_.rots_next = true;
    return "OK";
  }
  return "ERR unknown command";
}

std::string KvNode::status_text() {
  const replication::SnapshotCounters& snapshots = snapshots_->service().counters();
  std::string why = stopped_why_;
  std::replace(why.begin(), why.end(), '"', '\'');
  std::string text = fmt::format(
      R"({{"node":{},"uuid":"{}","cluster":"{}",)"
      R"("stopped":"{}","gone":{},"disk":[{},{}],"elections":{},"installed":{},)"
      R"("cut":{},"offered":{},"sent":{},"failed":{},"received":{},"clock":{},)"
      R"("bytesIn":{},"bytesOut":{},"pagesFound":{},"pagesStored":{},"checkpointBytes":{})",
      options_.node.value, to_hex(log_->opened().record.uuid),
      to_hex(log_->opened().record.cluster), why, gone_, static_cast<int>(disk_.stall),
      static_cast<int>(disk_.space), machine_->counters().became_leader,
      machine_->counters().installed, snapshots_->cut_count(), snapshots.offered, snapshots.sent,
      snapshots.failed, snapshots.received, static_cast<int>(node_->clock_offset().verdict),
      snapshots.bytes_received, snapshots.bytes_sent, snapshots.pages_found, snapshots.pages_stored,
      snapshots_->newest_bytes());
  text += R"(,"reports":{)";
  bool is_first = true;
  for (const auto& [kind, count] : reports_)
    text += fmt::format(R"({}"{}":{})", std::exchange(is_first, false) ? "" : ",",
                        static_cast<int>(kind), count);
  uint64_t refused = 0;
  uint64_t streams = 0;
  for (const replication::ClassCounters& counters : peers_->counters()) {
    refused += counters.handshakes_refused;
    streams += counters.streams_up;
  }
  text +=
      fmt::format(R"(}},"barred":{},"refused":{},"streams":{},"rotten":{},"heardQuarantined":{})",
                  is_barred_, refused, streams, faults_.rotten.load(), heard_quarantined_);
  return text + group_text() + "}";
}

std::string KvNode::group_text() {
  const GroupReplica* here = replica();
  if (here == nullptr) return "";
  const replication::RaftCore& core = here->core();
  const replication::Membership& config = core.log().config();
  const replication::MemberInfo* leader = config.find(core.leader());
  return fmt::format(
      R"(,"role":"{}","term":{},"leader":{},"commit":{},"applied":{},"stable":{},"last":{},)"
      R"("first":{},"voters":{},"joint":{},"learners":{},"rest":"{}")",
      here->is_running() ? replication::role_name(core.role()) : "stopped", core.term().value,
      leader != nullptr ? leader->node.value : 0, core.commit().value, core.applied_index().value,
      core.stable().value, core.log().last().value, core.log().first().value, joined(config.voters),
      config.is_joint(), joined(config.learners), replication::rest_name(node_->rest_of(kGroup)));
}

}  // namespace worldline::kv
