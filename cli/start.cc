#include "cli/start.h"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include <pthread.h>

#include "actors/node.h"
#include "base/clock.h"
#include "cli/last_resort.h"
#include "cli/server_log.h"
#include "cli/stop_sequence.h"
#include "gateway/http_server.h"

namespace worldline::cli {
namespace {

constexpr int kExitFailure = 1;
constexpr int kExitLocked = 5;          // Another process has the data directory [S 09/1.10].
constexpr int kExitWrongDirectory = 6;  // Other cluster or newer format.

int fail(const Status& why, std::string_view what) {
  log_error(fmt::format("{}: {}", what, why.message()));
  std::fprintf(stderr, "Error: %.*s: %s\n", static_cast<int>(what.size()), what.data(),
               why.message().c_str());
  switch (why.code()) {
    case StatusCode::kFailedPrecondition:
      return kExitLocked;
    case StatusCode::kNotSupported:
      return kExitWrongDirectory;
    default:
      return kExitFailure;
  }
}

// Every thread made after this leaves the stop signals to wait_for_stop().
sigset_t block_stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return signals;
}

int wait_for_stop(const sigset_t& signals) {
  int received = 0;
  while (sigwait(&signals, &received) != 0) {
  }
  return received;
}

actors::NodeConfig node_config(const StartOptions& options) {
  actors::NodeConfig config;
  config.data_dir = options.data_dir;
  config.runtime.lowering_cache = options.data_dir + "/lowered";
  config.module_limits.heap_bytes = static_cast<size_t>(options.heap_limit_mb) * limits::MiB;
  config.module_limits.call_budget = options.call_budget;
  config.checkpoint.log_bytes_min = static_cast<uint64_t>(options.checkpoint_log_bytes);
  config.checkpoint.transactions = static_cast<uint64_t>(options.checkpoint_tx);
  config.checkpoint.age = std::chrono::duration_cast<std::chrono::seconds>(options.checkpoint_age);
  config.on_note = [](const std::string& line) { log_info(line); };
  return config;
}

// `address:port`; IPv6 addresses stand in brackets. The parser of the options checked the form.
std::pair<std::string, uint16_t> split_address(const std::string& text) {
  const size_t colon = text.rfind(':');
  std::string address = text.substr(0, colon);
  if (address.size() > 1 && address.front() == '[') address = address.substr(1, address.size() - 2);
  return {address, static_cast<uint16_t>(std::strtoul(text.c_str() + colon + 1, nullptr, 10))};
}

gateway::GatewayConfig gateway_config(const StartOptions& options, const actors::Node& node,
                                      const Clock& clock) {
  gateway::GatewayConfig config;
  std::tie(config.listen_address, config.listen_port) = split_address(options.listen_client);
  if (options.io_threads > 0) config.io_threads = static_cast<uint32_t>(options.io_threads);
  config.connections_max = static_cast<uint32_t>(options.max_clients);
  config.stop_grace = StopShares(options.shutdown_timeout).answers;
  config.http.body_bytes_max = static_cast<size_t>(options.max_body_bytes);
  config.http.program_bytes_max = static_cast<size_t>(options.max_program_bytes);
  config.websocket.ping_interval = options.ping_interval;
  config.websocket.idle_timeout = options.idle_timeout;
  config.websocket.close_handshake_timeout = options.close_handshake_timeout;
  config.websocket.incoming_messages_max = static_cast<uint32_t>(options.incoming_queue_length);
  config.websocket.outgoing_bytes_max = static_cast<size_t>(options.client_queue_bytes);
  config.websocket.message_bytes_max = static_cast<size_t>(options.max_message_bytes);
  config.websocket.compress_gzip_clients = options.compress_gzip_clients;
  config.auth.key_dir =
      options.jwt_key_dir.empty() ? node.keys_directory().string() : options.jwt_key_dir;
  config.auth.private_key_path = options.jwt_priv_key_path;
  config.auth.public_key_path = options.jwt_pub_key_path;
  config.auth.issuer = options.auth_issuer;
  config.clock = &clock;
  return config;
}

int stop_everything(gateway::Gateway& gateway, actors::Node& node, const Clock& clock,
                    const StartOptions& options) {
  StopParts parts;
  parts.answer_clients = [&gateway] { return gateway.stop(); };  // The node still answers.
  parts.stop_node = [&node](std::chrono::milliseconds limit) { return node.stop(limit); };
  parts.complain = [](const std::string& line) { log_error(line); };
  const int exit_code = stop_in_order(parts, clock, options.shutdown_timeout);
  if (exit_code == 0) log_info("stopped");
  flush_server_log();
  return exit_code;
}

}  // namespace

int run_start(const StartOptions& options) {
  const Status log_opened = open_server_log(
      {options.log_level, options.log_to_file ? options.data_dir + "/logs" : std::string()});
  if (!log_opened.ok()) return fail(log_opened, "server log");
  const sigset_t signals = block_stop_signals();
  const SystemClock clock;
  std::optional<LastResort> last_resort;  // Outlives what may hang.
  auto node = actors::Node::open(node_config(options), clock);
  if (!node.ok()) return fail(node.status(), "node");
  auto gateway = gateway::Gateway::open(gateway_config(options, **node, clock), (*node)->api());
  if (!gateway.ok()) {
    (*node)->stop(options.shutdown_timeout).ignore("the gateway's failure is told");
    return fail(gateway.status(), "gateway");
  }
  const std::string address = split_address(options.listen_client).first;
  log_info(fmt::format("ready address={} port={} databases={}", address, (*gateway)->port(),
                       (*node)->database_count()));
  std::printf("worldline ready: http://%s:%u (%zu databases, data in %s)\n", address.c_str(),
              static_cast<unsigned>((*gateway)->port()), (*node)->database_count(),
              options.data_dir.c_str());
  std::fflush(stdout);
  const int signal = wait_for_stop(signals);
  last_resort.emplace(signals, options.shutdown_timeout);
  log_info(fmt::format("stopping signal={}", signal));
  const int exit_code = stop_everything(**gateway, **node, clock, options);
  if (exit_code != 0) std::_Exit(exit_code);  // Something still runs: nothing can be torn down.
  last_resort->everything_is_safe();
  return 0;
}

}  // namespace worldline::cli
