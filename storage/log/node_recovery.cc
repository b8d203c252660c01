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

Status close_node(LogStore& store, NodeRecord record) {
  WL_RETURN_IF_ERROR(store.flush_truncations());
  record.clean_shutdown = true;
  return store.write_node_record(record);
}

}  // namespace worldline::storage
