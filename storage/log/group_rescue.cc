#include "storage/log/group_rescue.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "storage/log/database_recovery.h"

namespace worldline::storage {
namespace {

auto end_of(const VerifiedGroup& group) {
  return std::tuple(group.tail.term, group.tail.last);
}

Result<bool> is_here(const LogStore& store, GroupId group) {
  WL_ASSIGN_OR_RETURN(const std::vector<GroupId> groups, store.groups());
  return std::find(groups.begin(), groups.end(), group) != groups.end();
}

std::string fault_of(const Result<VerifiedGroup>& verified) {
  if (!verified.ok()) return verified.status().message();
  if (verified->tail.last <= LogIndex{1}) return "it never held an entry";
  return "";
}

Status check_nodes(std::span<const SurvivingCopy> copies) {
  for (size_t i = 0; i < copies.size(); ++i) {
    for (size_t k = 0; k < i; ++k) {
      if (copies[i].node.cluster != copies[k].node.cluster)
        return Status::invalid_argument("directories {} and {} belong to different clusters", k + 1,
                                        i + 1);
      if (copies[i].node.uuid == copies[k].node.uuid)
        return Status::invalid_argument("directories {} and {} are both of node {}: one is a copy",
                                        k + 1, i + 1, copies[i].node.node.value);
    }
  }
  return Status::ok_status();
}

// The pages of the state under the new group's name, and the manifest that names them.
Result<Checkpoint> store_state(CheckpointStore& store, const RecoveredDatabase& found,
                               const RescueOrder& order) {
  const GroupId group = order.birth.group;
  const SnapshotPtr snapshot = found.state->pin();
  Checkpoint checkpoint;
  checkpoint.id = CheckpointId{1};
  checkpoint.index = found.applied;
  checkpoint.term = found.applied_term;
  checkpoint.chain = found.applied_chain;
  checkpoint.config = order.config;
  checkpoint.cluster_time_ns = found.cluster_time_ns;
  checkpoint.last_timestamp = found.last_timestamp;
  checkpoint.state = checkpoint_manifest_for(*snapshot, group);
  WL_RETURN_IF_ERROR(store.begin(group, checkpoint.id));
  ByteBuffer image;
  for (const CheckpointTable& table : checkpoint.state.tables) {
    for (const CheckpointPage& page : table.pages) {
      write_page_image(*snapshot, table.table, page.number, image);
      const Digest128 hash = content_hash(image);
      WL_RETURN_IF_ERROR(store.add_page(group, hash, image));
      checkpoint.page_hashes.push_back(hash);
      checkpoint.page_bytes += image.size();
    }
  }
  WL_RETURN_IF_ERROR(store.commit(checkpoint));
  return checkpoint;
}

}  // namespace

Result<SurvivingCopy> inspect_copy(const LogStore& store, GroupId group) {
  SurvivingCopy copy;
  WL_ASSIGN_OR_RETURN(const std::optional<NodeRecord> node, store.node_record());
  if (!node) return Status::not_found("no node has lived in this directory");
  copy.node = *node;
  WL_ASSIGN_OR_RETURN(const bool has_copy, is_here(store, group));
  if (!has_copy) {
    copy.fault = "no copy of the group is here";
    return copy;
  }
  const auto state = store.load_hard_state(group);
  if (state.ok() && *state) copy.replica = state.value()->replica;
  Result<VerifiedGroup> verified = verify_group(store, group);
  copy.fault = fault_of(verified);
  if (copy.fault.empty()) copy.whole = std::move(verified).value();
  return copy;
}

Result<size_t> choose_copy(std::span<const SurvivingCopy> copies) {
  WL_RETURN_IF_ERROR(check_nodes(copies));
  std::optional<size_t> best;
  for (size_t i = 0; i < copies.size(); ++i) {
    if (!copies[i].whole) continue;
    if (!best || end_of(*copies[i].whole) > end_of(*copies[*best].whole)) best = i;
  }
  if (!best) return Status::not_found("none of {} copies is whole", copies.size());
  const TailRow& end = copies[*best].whole->tail;
  for (size_t i = 0; i < copies.size(); ++i) {
    if (!copies[i].whole) continue;
    const TailRow& other = copies[i].whole->tail;
    if (other.last == end.last && other.term == end.term && other.chain != end.chain)
      return Status::corruption(
          "directories {} and {} hold different entries at term {} index {}: the group held two "
          "truths, and which one counts is not to be told from the logs",
          *best + 1, i + 1, end.term.value, end.last.value);
  }
  return *best;
}

Status write_rescued(LogStore& log, CheckpointStore& checkpoints, const VerifiedGroup& source,
                     const RescueOrder& order) {
  WL_CHECK(source.tail.last > LogIndex{1});
  WL_CHECK(order.birth.group != source.group);
  WL_ASSIGN_OR_RETURN(const bool is_taken, is_here(log, order.birth.group));
  if (is_taken) return Status::already_exists("group {} is here already", order.birth.group.value);
  WL_ASSIGN_OR_RETURN(const RecoveredDatabase found,
                      recover_database(log, checkpoints, source, ReplayTo::kTail));
  if (found.verdict == DatabaseVerdict::kNeedsSnapshot)
    return Status::corruption("group {}: it has a log, but no checkpoint that the log reaches",
                              source.group.value);
  WL_ASSIGN_OR_RETURN(const Checkpoint checkpoint, store_state(checkpoints, found, order));
  WL_RETURN_IF_ERROR(log.create_group(order.birth));
  LogJob job;
  job.group = order.birth.group;
  job.boundary_use = BoundaryUse::kSnapshot;
  job.boundary = Boundary{checkpoint.index,
                          checkpoint.term,
                          checkpoint.chain,
                          checkpoint.config,
                          {checkpoint.id, checkpoint.manifest_hash},
                          checkpoint.state.digest};
  // The term goes on: the new group's first leader is of a later one.
  job.hard_state = HardState{order.birth.replica, source.hard_state.term, {}, checkpoint.index, 2};
  return log.write(job);
}

Status bury_copy(LogStore& log, GroupId group, const std::string& why) {
  WL_ASSIGN_OR_RETURN(const bool has_copy, is_here(log, group));
  if (!has_copy) return Status::ok_status();
  return log.quarantine(group, kUnknownReplica, Status::corruption("{}", why));
}

}  // namespace worldline::storage
