// The transport between the processes: gRPC, with certificates of a directory or in the clear in
// namespaces nobody else sees.
#include "replication/transport/grpc_transport.h"
#include "tests/processes/kv_node.h"

namespace worldline::kv {
namespace {

Result<replication::TlsMaterial> read_material(const KvNodeOptions& options) {
  const std::string& from = options.tls_directory;
  return replication::read_tls_files({from + "/node.pem", from + "/node.key", from + "/ca.pem"});
}

}  // namespace

Result<replication::TransportConfig> transport_config(const KvNodeOptions& options,
                                                      const storage::NodeRecord& record) {
  replication::TransportConfig config;
  config.identity.cluster = record.cluster;
  config.identity.uuid = record.uuid;
  config.identity.node = record.node;
  config.identity.incarnation = record.incarnation;
  config.cluster_name = "processes";
  config.node_name = fmt::format("kv{}", record.node.value);
  config.listen_address = options.listen;
  config.advertised_host = options.listen.substr(0, options.listen.rfind(':'));
  config.allow_insecure_network = options.tls_directory.empty();
  if (!options.tls_directory.empty()) {
    WL_ASSIGN_OR_RETURN(config.tls, read_material(options));
  }
  config.jitter_seed = record.node.value;
  return config;
}

Result<std::unique_ptr<replication::Transport>> make_transport(
    const KvNodeOptions& options, const storage::NodeRecord& record,
    replication::TransportListener& listener, replication::BirthListener* birth) {
  WL_ASSIGN_OR_RETURN(replication::TransportConfig config, transport_config(options, record));
  WL_ASSIGN_OR_RETURN(
      std::unique_ptr<replication::GrpcTransport> transport,
      replication::GrpcTransport::start(std::move(config), listener, SystemClock().now(), birth));
  return std::unique_ptr<replication::Transport>(std::move(transport));
}

Status reload_tls(replication::Transport& transport, const KvNodeOptions& options) {
  WL_ASSIGN_OR_RETURN(replication::TlsMaterial material, read_material(options));
  return static_cast<replication::GrpcTransport&>(transport)
      .reload_tls(std::move(material), SystemClock().now())
      .status();
}

}  // namespace worldline::kv
