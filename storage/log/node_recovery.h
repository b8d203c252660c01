// storage/log/node_recovery.h
//
// The first steps of a start: who this data directory belongs to, one incarnation more, and one
// synced write before anything read from disk counts as durable [S 08/3.7 steps 1 and 2].
//
// Thread: the one that starts the node. Errors: kFailedPrecondition = directory of another cluster
// (exit 6); kNotSupported = newer format (exit 6); kCorruption, kIoError.
#pragma once

#include <optional>
#include <vector>

#include "base/status.h"
#include "storage/log/log_store.h"

namespace worldline::storage {

struct NodeOpenOptions {
  // Written into an empty data directory; random, drawn by the caller. All zero, with node 0: the
  // node waits for its cluster, see enter_cluster().
  RandomId fresh_cluster{};
  RandomId fresh_uuid{};
  NodeId fresh_node{1};
  std::optional<RandomId> expected_cluster;  // Refuse a directory of any other.
};

struct OpenedNode {
  NodeRecord record;            // As it is now stored: incarnation already raised.
  bool is_first_start = false;  // The directory was empty.
  bool was_clean_shutdown = false;
  std::vector<GroupId> groups;  // Ascending; catalog first if it exists.
};

Result<OpenedNode> open_node(LogStore& store, const NodeOpenOptions& options);

// What a node is told once, when its cluster is born or lets it in [S 08/3.9].
struct ClusterEntry {
  RandomId cluster{};
  NodeId node;
  ByteBuffer genesis;  // Of a founder; empty: it joined.
};
// After this the node is of that cluster, after any crash: wholly or not at all. It may be asked
// for again. kFailedPrecondition: it is of another cluster, another node, or has groups already.
Status enter_cluster(LogStore& store, OpenedNode& node, const ClusterEntry& entry);

// The last write of a clean stop.
Status close_node(LogStore& store, NodeRecord record);

}  // namespace worldline::storage
