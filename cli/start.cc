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
#include <unistd.h>

#include "actors/node.h"
#include "base/clock.h"
#include "cli/console.h"
#include "cli/crash_report.h"
#include "cli/exit_codes.h"
#include "cli/last_resort.h"
#include "cli/server_log.h"
#include "cli/start_checks.h"
#include "cli/start_config.h"
#include "cli/stop_sequence.h"
#include "gateway/http_server.h"

namespace worldline::cli {
namespace {

int fail(int exit_code, std::string_view what, const Status& why) {
  log_error(fmt::format("{}: {}", what, why.message()));
  std::fprintf(stderr, "Error: %.*s: %s\n", static_cast<int>(what.size()), what.data(),
               why.message().c_str());
  return exit_code;
}

int exit_code_of_node(StatusCode code) {
  if (code == StatusCode::kFailedPrecondition) return kExitDirectory;  // Another process has it.
  if (code == StatusCode::kNotSupported) return kExitForeignDirectory;
  if (code == StatusCode::kCorruption) return kExitCorruption;
  return kExitFailure;
}

int exit_code_of_gateway(StatusCode code) {
  if (code == StatusCode::kInvalidArgument) return kExitConfiguration;  // Keys, mostly.
  if (code == StatusCode::kUnavailable) return kExitAddress;
  return kExitFailure;
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

// REQUIRES: the text was checked when the options were read.
storage::SpaceLimit space_limit(const std::string& text) {
  SpaceShare limit;
  WL_CHECK(parse_space_share(text, limit));
  return {static_cast<double>(limit.per_cent) / 100, static_cast<uint64_t>(limit.bytes)};
}

actors::NodeConfig node_config(const StartOptions& options) {
  actors::NodeConfig config;
  config.data_dir = options.data_dir;
  config.runtime.lowering_cache = options.data_dir + "/lowered";
  config.module_limits.heap_bytes = static_cast<size_t>(options.heap_limit_mb) * limits::MiB;
  config.module_limits.call_budget = options.call_budget;
  config.read_limits.time_max = options.query_budget;
  config.read_limits.answer_bytes_max = static_cast<size_t>(options.answer_bytes);
  config.read_limits.session_bytes_max = static_cast<size_t>(options.client_queue_bytes);
  config.checkpoint.log_bytes_min = static_cast<uint64_t>(options.checkpoint_log_bytes);
  config.checkpoint.transactions = static_cast<uint64_t>(options.checkpoint_tx);
  config.checkpoint.age = std::chrono::duration_cast<std::chrono::seconds>(options.checkpoint_age);
  config.ballast_bytes = static_cast<uint64_t>(options.ballast_bytes);
  config.space.warning = space_limit(options.free_warn);
  config.space.almost_full = space_limit(options.free_soft);
  config.space.full = space_limit(options.free_hard);
  config.runtime.on_warning = [](const std::string& line) { log_warning(line); };
  config.on_note = [](const std::string& line) { log_info(line); };
  config.on_alarm = [](const std::string& line) { log_error(line); };
  return config;
}

// `address:port`; IPv6 addresses stand in brackets. The parser of the options checked the form.
std::pair<std::string, uint16_t> split_address(const std::string& text) {
  const size_t colon = text.rfind(':');
  std::string address = text.substr(0, colon);
  if (address.size() > 1 && address.front() == '[') address = address.substr(1, address.size() - 2);
  return {address, static_cast<uint16_t>(std::strtoul(text.c_str() + colon + 1, nullptr, 10))};
}

std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream list(text);
  for (std::string part; std::getline(list, part, ',');) parts.push_back(part);
  return parts;
}

gateway::MetricsExposure metrics_exposure(const std::string& choice) {
  if (choice == "loopback") return gateway::MetricsExposure::kLoopback;
  return choice == "off" ? gateway::MetricsExposure::kOff : gateway::MetricsExposure::kAll;
}

gateway::GatewayConfig gateway_config(const StartOptions& options, const actors::Node& node,
                                      const Clock& clock) {
  gateway::GatewayConfig config;
  std::tie(config.listen_address, config.listen_port) = split_address(options.listen_client);
  if (options.io_threads > 0) config.io_threads = static_cast<uint32_t>(options.io_threads);
  config.connections_max = static_cast<uint32_t>(options.max_clients);
  config.connect_rate_max = static_cast<uint32_t>(options.connect_rate);
  if (!options.advertise_client.empty()) config.advertise = options.advertise_client;
  config.stop_grace = StopShares(options.shutdown_timeout).answers;
  config.http.body_bytes_max = static_cast<size_t>(options.max_body_bytes);
  config.http.program_bytes_max = static_cast<size_t>(options.max_program_bytes);
  config.metric_databases_max = static_cast<uint32_t>(options.metric_databases);
  config.http.metrics = metrics_exposure(options.metrics_exposure);
  config.websocket.ping_interval = options.ping_interval;
  config.websocket.idle_timeout = options.idle_timeout;
  config.websocket.close_handshake_timeout = options.close_handshake_timeout;
  config.websocket.incoming_messages_max = static_cast<uint32_t>(options.incoming_queue_length);
  config.websocket.outgoing_messages_max = static_cast<uint32_t>(options.outgoing_queue_length);
  config.websocket.outgoing_bytes_max = static_cast<size_t>(options.client_queue_bytes);
  config.websocket.message_bytes_max = static_cast<size_t>(options.max_message_bytes);
  config.websocket.compress_gzip_clients = options.compress_gzip_clients;
  config.auth.key_dir =
      options.jwt_key_dir.empty() ? node.keys_directory().string() : options.jwt_key_dir;
  config.auth.private_key_path = options.jwt_priv_key_path;
  config.auth.public_key_path = options.jwt_pub_key_path;
  config.auth.issuer = options.auth_issuer;
  config.auth.allow_anonymous = options.allow_anonymous;
  config.auth.external_issuers = split_list(options.external_issuers);
  config.auth.block_private_issuers = options.block_private_issuers;
  config.auth.key_set_timeout = options.jwks_timeout;
  config.auth.key_set_bytes_max = static_cast<size_t>(options.jwks_bytes);
  if (!options.create_issuer.empty()) config.auth.create_issuer = options.create_issuer;
  config.clock = &clock;
  return config;
}

int stop_everything(gateway::Gateway& gateway, actors::Node& node, const Clock& clock,
                    const StartOptions& options) {
  const StopShares shares(options.shutdown_timeout);
  const auto now = std::chrono::steady_clock::now();
  node.wind_down({now + shares.shorten_calls(), now + shares.refuse_calls()});
  StopParts parts;
  parts.answer_clients = [&gateway] { return gateway.stop(); };  // The node still answers.
  parts.stop_node = [&node](std::chrono::milliseconds limit) { return node.stop(limit); };
  parts.complain = [](const std::string& line) { log_error(line); };
  const int exit_code = stop_in_order(parts, clock, options.shutdown_timeout);
  if (exit_code == 0) log_info("stopped");
  flush_server_log();
  return exit_code;
}

// Everything that is found out about the data directory without opening the node in it.
Status prepare_directory(const StartOptions& options, const Clock& clock) {
  WL_RETURN_IF_ERROR(check_data_directory(options.data_dir));
  WL_RETURN_IF_ERROR(open_server_log(
      {options.log_level, options.log_to_file ? options.data_dir + "/logs" : std::string()}));
  if (const Status made = write_default_config(options.data_dir, default_config_file()); !made.ok())
    log_warning(made.message());  // Nothing needs it.
  return install_crash_report(options.data_dir + "/cores", clock.now().micros / 1'000'000);
}

// A taken port is exchanged for the next free one if somebody at a terminal wants that [S 07/5].
Result<std::unique_ptr<gateway::Gateway>> open_gateway(const StartOptions& options,
                                                       gateway::GatewayConfig config,
                                                       actors::NodeApi& node,
                                                       const sigset_t& signals) {
  auto opened = gateway::Gateway::open(config, node);
  if (opened.ok() || opened.status().code() != StatusCode::kUnavailable ||
      options.non_interactive || ::isatty(STDIN_FILENO) == 0 || ::isatty(STDOUT_FILENO) == 0)
    return opened;
  ProcessConsole console;
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);  // Ctrl-C is an answer too.
  const auto port = offer_next_port(console, config.listen_address, config.listen_port);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  if (!port) return opened;
  config.listen_port = *port;
  return gateway::Gateway::open(config, node);
}

// What people and tools wait for [S 07/5, 12].
void tell_ready(const std::string& address, uint16_t port, const actors::Node& node,
                const std::string& data_dir) {
  const size_t databases = node.database_count();
  const size_t outages = node.outage_count();
  log_info(fmt::format("ready address={} port={} databases={} out_of_service={}", address, port,
                       databases, outages));
  const std::string host =
      address.find(':') == std::string::npos ? address : fmt::format("[{}]", address);
  ProcessConsole console;
  if (outages > 0)
    console.out(fmt::format("{} databases are OUT OF SERVICE, see the errors above.\n", outages));
  console.out(
      fmt::format("Starting SpacetimeDB listening on {}:{}\n"
                  "worldline ready: http://{}:{} ({} databases, data in {})\n",
                  host, port, host, port, databases, data_dir));
}

}  // namespace

int run_start(const StartOptions& options) {
  const SystemClock clock;
  std::optional<LastResort> last_resort;  // Outlives what may hang.
  const Status prepared = prepare_directory(options, clock);
  if (!prepared.ok()) return fail(kExitDirectory, "data directory", prepared);
  const sigset_t signals = block_stop_signals();
  auto node = actors::Node::open(node_config(options), clock);
  if (!node.ok()) return fail(exit_code_of_node(node.status().code()), "node", node.status());
  auto gateway =
      open_gateway(options, gateway_config(options, **node, clock), (*node)->api(), signals);
  if (!gateway.ok()) {
    (*node)->stop(options.shutdown_timeout).ignore("the gateway's failure is told");
    return fail(exit_code_of_gateway(gateway.status().code()), "gateway", gateway.status());
  }
  tell_ready(split_address(options.listen_client).first, (*gateway)->port(), **node,
             options.data_dir);
  const int signal = wait_for_stop(signals);
  last_resort.emplace(signals, options.shutdown_timeout);
  log_info(fmt::format("stopping signal={}", signal));
  const int exit_code = stop_everything(**gateway, **node, clock, options);
  if (exit_code != 0) std::_Exit(exit_code);  // Something still runs: nothing can be torn down.
  last_resort->everything_is_safe();
  return 0;
}

}  // namespace worldline::cli
