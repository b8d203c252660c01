// The transport between the processes: gRPC in the clear, in namespaces nobody else sees.
#include "replication/transport/grpc_transport.h"
#include "tests/processes/kv_node.h"

namespace worldline::kv {

Result<std::unique_ptr<replication::Transport>> make_transport(
    const KvNodeOptions& options, const storage::NodeRecord& record,
    replication::TransportListener& listener) {
  replication::TransportConfig config;
  config.identity.cluster = record.cluster;
  config.identity.uuid = record.uuid;
  config.identity.node = record.node;
  config.identity.incarnation = record.incarnation;
  config.cluster_name = "processes";
  config.node_name = fmt::format("kv{}", record.node.value);
  config.listen_address = options.listen;
  config.advertised_host = options.listen.substr(0, options.listen.rfind(':'));
  config.allow_insecure_network = true;
  config.jitter_seed = record.node.value;
  WL_ASSIGN_OR_RETURN(
      std::unique_ptr<replication::GrpcTransport> transport,
      replication::GrpcTransport::start(std::move(config), listener, SystemClock().now()));
  return std::unique_ptr<replication::Transport>(std::move(transport));
}

}  // namespace worldline::kv
