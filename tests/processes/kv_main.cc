// The process: flags, signals, exit codes.
#include <csignal>
#include <cstdio>
#include <sstream>

#include "tests/processes/kv_damage.h"
#include "tests/processes/kv_node.h"

namespace worldline::kv {
namespace {

constexpr const char* kUsage =
    R"(kv_node: one node of the test cluster of tests/processes.
  --node N --data DIR --listen HOST:PORT --clients HOST:PORT --peer N=HOST:PORT...
  [--members 1,2,3]          the members of birth; without it the node waits to be added
  [--cluster UUID]           the cluster that --node was let into; with --peer N=HOST:PORT/UUID
  [--seeds HOST:PORT,... --token TEXT]  in place of --node, --peer and --members: all are born
                             together, and find each other
  [--die-at STEP]            of birth: hello ballot pledge store stored offer listening created
  [--checkpoint-entries N] [--retained-entries N] [--retained-bytes N] [--full-bytes N]
  [--memtable-bytes N] [--cached-bytes N] [--snapshot-rate BYTES-PER-SECOND]
  [--tls DIR]                node.pem, node.key and ca.pem of this node
kv_node --damage ROW DIR: flips a bit in what a stopped node stored, see kv_damage.h.
)";

KvNode* running = nullptr;  // Of the signal handler.

Result<uint64_t> parse_number(const std::string& flag, const std::string& value) {
  char* end = nullptr;
  const uint64_t number = std::strtoull(value.c_str(), &end, 10);
  if (value.empty() || *end != '\0') return Status::invalid_argument("{}: '{}'", flag, value);
  return number;
}

Status set_address(KvNodeOptions& options, const std::string& flag, const std::string& value) {
  const size_t colon = value.rfind(':');
  if (colon == std::string::npos) return Status::invalid_argument("{}: '{}'", flag, value);
  WL_ASSIGN_OR_RETURN(const uint64_t port, parse_number(flag, value.substr(colon + 1)));
  options.client_host = value.substr(0, colon);
  options.client_port = static_cast<uint16_t>(port);
  return {};
}

Status set_peer(KvNodeOptions& options, const std::string& value) {
  const size_t equals = value.find('=');
  if (equals == std::string::npos) return Status::invalid_argument("--peer: '{}'", value);
  WL_ASSIGN_OR_RETURN(const uint64_t node, parse_number("--peer", value.substr(0, equals)));
  const size_t slash = value.find('/', equals);
  if (slash != std::string::npos) {
    WL_ASSIGN_OR_RETURN(options.uuids[NodeId{node}], parse_uuid(value.substr(slash + 1)));
  }
  options.peers[NodeId{node}] = value.substr(equals + 1, slash - equals - 1);
  return {};
}

Status set_number(KvNodeOptions& options, const std::string& flag, const std::string& value) {
  WL_ASSIGN_OR_RETURN(const uint64_t number, parse_number(flag, value));
  if (flag == "--node") {
    options.node = NodeId{number};
    options.replica = ReplicaId{number};
  } else if (flag == "--snapshot-rate" && number >= 10) {
    options.snapshot_bytes_per_second = number;
  } else if (flag == "--checkpoint-entries") {
    options.checkpoint_entries = number;
  } else if (flag == "--retained-entries") {
    options.retained_entries = number;
  } else if (flag == "--retained-bytes") {
    options.retained_bytes = number;
  } else if (flag == "--cached-bytes") {
    options.cached_bytes = number;
  } else if (flag == "--memtable-bytes") {
    options.memtable_bytes = number;
  } else if (flag == "--full-bytes") {
    options.full_bytes = number;
    options.almost_full_bytes = 2 * number;
  } else {
    return Status::invalid_argument("unknown flag {}", flag);
  }
  return {};
}

Status set_birth(KvNodeOptions& options, const std::string& flag, const std::string& value) {
  if (flag == "--token") {
    options.token = value;
  } else if (flag == "--die-at") {
    options.die_at = value;
  } else if (flag == "--cluster") {
    WL_ASSIGN_OR_RETURN(options.cluster.emplace(), parse_uuid(value));
  } else {
    std::istringstream addresses(value);
    for (std::string address; std::getline(addresses, address, ',');)
      options.seeds.push_back(address);
  }
  return {};
}

Status set_flag(KvNodeOptions& options, const std::string& flag, const std::string& value) {
  if (flag == "--data") {
    options.data = value;
  } else if (flag == "--tls") {
    options.tls_directory = value;
  } else if (flag == "--listen") {
    options.listen = value;
  } else if (flag == "--clients") {
    return set_address(options, flag, value);
  } else if (flag == "--peer") {
    return set_peer(options, value);
  } else if (flag == "--cluster" || flag == "--seeds" || flag == "--token" || flag == "--die-at") {
    return set_birth(options, flag, value);
  } else if (flag == "--members") {
    std::istringstream ids(value);
    for (std::string id; std::getline(ids, id, ',');) {
      WL_ASSIGN_OR_RETURN(const uint64_t number, parse_number(flag, id));
      options.members.emplace_back(number);
    }
  } else {
    return set_number(options, flag, value);
  }
  return {};
}

Result<KvNodeOptions> parse_flags(int count, char** words) {
  KvNodeOptions options;
  for (int i = 1; i + 1 < count; i += 2)
    WL_RETURN_IF_ERROR(set_flag(options, words[i], words[i + 1]));
  const bool has_place = (options.node.value != 0) != (!options.seeds.empty());
  const bool is_complete =
      has_place && !options.data.empty() && !options.listen.empty() && options.client_port != 0;
  if (count % 2 == 0 || !is_complete) return Status::invalid_argument("{}", kUsage);
  return options;
}

int exit_code_of(const Status& status) {
  return status.code() == StatusCode::kCorruption ? kExitDamaged : 1;
}

int main_of(int count, char** words) {
  if (count == 4 && words[1] == std::string("--damage")) {
    const Status done = damage_row(words[3], words[2]);
    if (!done.ok()) std::fprintf(stderr, "damage: %s\n", done.message().c_str());
    return done.ok() ? 0 : 1;
  }
  Result<KvNodeOptions> options = parse_flags(count, words);
  if (!options.ok()) {
    std::fprintf(stderr, "%s\n", options.status().message().c_str());
    return 2;
  }
  KvNode node(std::move(options).value());
  if (const Status started = node.start(); !started.ok()) {
    std::fprintf(stderr, "start: %s\n", started.message().c_str());
    std::fflush(stderr);
    std::_Exit(exit_code_of(started));  // Threads of what did start are not waited for.
  }
  running = &node;
  std::signal(SIGTERM, [](int) { running->stop(); });
  std::printf("ready\n");
  std::fflush(stdout);
  const int code = node.run();
  std::fflush(stderr);
  std::_Exit(code);  // The watchdog still runs.
}

}  // namespace
}  // namespace worldline::kv

int main(int count, char** words) {
  return worldline::kv::main_of(count, words);
}
