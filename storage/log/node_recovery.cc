#include "storage/log/node_recovery.h"

#include <utility>

namespace worldline::storage {
namespace {

Result<NodeRecord> check_record(const NodeRecord& record, const NodeOpenOptions& options) {
  if (record.format > kNodeFormatVersion)
    return Status::not_supported("data directory has format {}, this program knows up to {}",
                                 record.format, kNodeFormatVersion);
  if (options.expected_cluster && record.cluster != *options.expected_cluster)
    return Status::failed_precondition("data directory belongs to cluster {}, not to {}",
                                       to_hex(record.cluster), to_hex(*options.expected_cluster));
  return record;
}

}  // namespace

Result<OpenedNode> open_node(LogStore& store, const NodeOpenOptions& options) {
  OpenedNode node;
  WL_ASSIGN_OR_RETURN(node.groups, store.groups());
  WL_ASSIGN_OR_RETURN(const std::optional<NodeRecord> stored, store.node_record());
  if (!stored && !node.groups.empty())
    return Status::corruption("log database: the node record is missing, but group {} exists",
                              node.groups.front().value);
  if (stored) {
    WL_ASSIGN_OR_RETURN(node.record, check_record(*stored, options));
    node.was_clean_shutdown = stored->clean_shutdown;
  } else {
    node.is_first_start = true;
    node.record.cluster = options.fresh_cluster;
    node.record.uuid = options.fresh_uuid;
    node.record.node = options.fresh_node;
  }
  ++node.record.incarnation;
  node.record.clean_shutdown = false;
  WL_RETURN_IF_ERROR(store.write_node_record(node.record));
  WL_RETURN_IF_ERROR(store.write_marker(node.record.incarnation));
  return node;
}

Status enter_cluster(LogStore& store, OpenedNode& node, const ClusterEntry& entry) {
  WL_CHECK(entry.cluster != RandomId{});
  WL_CHECK(entry.node.value != 0);
  NodeRecord record = node.record;
  if (record.cluster == entry.cluster && record.node == entry.node) return Status::ok_status();
  if (record.cluster != RandomId{})
    return Status::failed_precondition("data directory is node {} of cluster {}, not {} of {}",
                                       record.node.value, to_hex(record.cluster), entry.node.value,
                                       to_hex(entry.cluster));
  if (!node.groups.empty())
    return Status::failed_precondition("data directory has group {} and no cluster",
                                       node.groups.front().value);
  record.cluster = entry.cluster;
  record.node = entry.node;
  WL_RETURN_IF_ERROR(entry.genesis.empty() ? store.write_node_record(record)
                                           : store.write_genesis(record, entry.genesis));
  node.record = record;
  return Status::ok_status();
}

Status close_node(LogStore& store, NodeRecord record) {
  WL_RETURN_IF_ERROR(store.flush_truncations());
  record.clean_shutdown = true;
  return store.write_node_record(record);
}

}  // namespace worldline::storage
