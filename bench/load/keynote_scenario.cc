#include "bench/load/keynote_scenario.h"

#include <charconv>
#include <memory>
#include <utility>

#include "bench/load/keynote_bundle.h"
#include "bench/load/null_node.h"
#include "bench/load/started_node.h"
#include "bench/load/transfer_pairs.h"

namespace worldline::bench {
namespace {

constexpr std::chrono::seconds kStartLimit{60};

double seconds_since(uint64_t begin_us) {
  return static_cast<double>(monotonic_us() - begin_us) / 1e6;
}

std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
}

// The node under test and a database on it.
struct Target {
  NodeAddress address;
  std::string token;
  std::string database;
  pid_t pid = 0;
};

LoadOptions load_options(const KeynoteOptions& options, const Target& target,
                         std::span<const TransferPair> pairs, double seconds) {
  LoadOptions load;
  load.session.address = target.address;
  load.session.token = target.token;
  load.session.database = target.database;
  load.session.in_flight = options.in_flight;
  load.session.pairs = pairs;
  load.connections = options.connections;
  load.threads = options.threads;
  load.warmup = milliseconds(options.warmup_seconds < 0 ? seconds / 10 : options.warmup_seconds);
  load.call_timeout = milliseconds(options.timeout_seconds);
  load.duration = milliseconds(seconds);
  return load;
}

RunFigures figures_of(LoadResult result) {
  return {std::move(result.tally), result.generator_cpu_seconds, result.connect_seconds};
}

Result<RunFigures> run_null(const KeynoteOptions& options, std::span<const TransferPair> pairs,
                            double seconds) {
  WL_ASSIGN_OR_RETURN(const auto node, NullNode::start());
  Target target;
  target.address = node->address();
  target.database = "null";
  WL_ASSIGN_OR_RETURN(LoadResult result, run_load(load_options(options, target, pairs, seconds)));
  return figures_of(std::move(result));
}

Status set_up(const KeynoteOptions& options, Target& target, KeynoteFigures& figures) {
  HttpRequest request;
  request.method = "POST";
  request.path = "/v1/identity";
  WL_ASSIGN_OR_RETURN(const std::string minted, http_ok(target.address, request));
  target.token = json_string(minted, "token");
  if (target.token.empty()) return Status::invalid_argument("no token in `{}`", minted);
  if (target.database.empty())
    target.database = fmt::format("keynote-{:x}", monotonic_us() & 0xFFFFFFFF);

  uint64_t begin = monotonic_us();
  const std::string publish_path = fmt::format("/v1/database/{}?host_type=Js", target.database);
  request.method = "PUT";
  request.path = publish_path;
  request.token = target.token;
  request.body = keynote_bundle();
  WL_RETURN_IF_ERROR(http_ok(target.address, request).status());
  figures.publish_seconds = seconds_since(begin);

  begin = monotonic_us();
  const std::string seed_path = fmt::format("/v1/database/{}/call/seed", target.database);
  const std::string arguments = fmt::format("[{},{}]", options.accounts, options.initial);
  request.method = "POST";
  request.path = seed_path;
  request.content_type = "application/json";
  request.body = as_bytes(arguments);
  WL_RETURN_IF_ERROR(http_ok(target.address, request).status());
  figures.seed_seconds = seconds_since(begin);
  return Status::ok_status();
}

// Adds up the rows of `[[id,balance],...]` that follow `"rows":` in a SQL answer.
Result<Verification> add_up(std::string_view json, int64_t initial) {
  constexpr std::string_view kRows = "\"rows\":[";
  size_t at = json.find(kRows);
  if (at == std::string_view::npos)
    return Status::invalid_argument("no rows in `{}`", json.substr(0, 200));
  at += kRows.size();
  Verification out;
  while (at < json.size() && json[at] != ']') {
    const size_t comma = json.find(',', at + 1);
    const size_t end = json.find(']', at + 1);
    if (comma == std::string_view::npos || end == std::string_view::npos || comma > end)
      return Status::invalid_argument("no row at `{}`", json.substr(at, 40));
    int64_t balance = 0;
    const auto parsed = std::from_chars(json.data() + comma + 1, json.data() + end, balance);
    if (parsed.ec != std::errc() || parsed.ptr != json.data() + end)
      return Status::invalid_argument("no balance in `{}`", json.substr(at, end - at));
    out.sum += balance;
    ++out.accounts;
    if (balance != initial) ++out.changed;
    at = end + 1;
    if (at < json.size() && json[at] == ',') ++at;
  }
  return out;
}

Result<Verification> verify(const KeynoteOptions& options, const Target& target) {
  const uint64_t begin = monotonic_us();
  const std::string path = fmt::format("/v1/database/{}/sql", target.database);
  HttpRequest request;
  request.method = "POST";
  request.path = path;
  request.token = target.token;
  request.body = as_bytes("SELECT * FROM accounts");
  WL_ASSIGN_OR_RETURN(const std::string json, http_ok(target.address, request));
  WL_ASSIGN_OR_RETURN(Verification out, add_up(json, options.initial));
  out.expected_sum = static_cast<int64_t>(options.accounts) * options.initial;
  out.seconds = seconds_since(begin);
  return out;
}

// Reads the node's CPU time at both ends of the window; absent if it cannot be read.
class NodeCpu {
 public:
  explicit NodeCpu(pid_t pid) : pid_(pid) {}
  void begin() { begin_ = read(); }
  void end() { end_ = read(); }
  std::optional<double> seconds() const {
    if (!begin_ || !end_) return std::nullopt;
    return *end_ - *begin_;
  }

 private:
  std::optional<double> read() const {
    if (pid_ <= 0) return std::nullopt;
    const Result<double> seconds = process_cpu_seconds(pid_);
    return seconds.ok() ? std::optional<double>(*seconds) : std::nullopt;
  }
  const pid_t pid_;
  std::optional<double> begin_, end_;
};

std::vector<TransferPair> pairs_of(const KeynoteOptions& options) {
  PairOptions pair_options;
  pair_options.accounts = options.accounts;
  pair_options.alpha = options.alpha;
  pair_options.seed = options.seed;
  return draw_pairs(pair_options);
}

// Fills `pairs` once the node is ready for them: one that cannot be reached is told of at once.
Status run_on_node(const KeynoteOptions& options, std::vector<TransferPair>& pairs,
                   KeynoteFigures& figures) {
  Target target;
  target.database = options.database;
  target.pid = options.node_pid;
  std::unique_ptr<StartedNode> own;
  if (options.uri.empty()) {
    WL_ASSIGN_OR_RETURN(own, StartedNode::start(kStartLimit));
    target.address = own->address();
    target.pid = own->pid();
    figures.start_seconds = own->start_seconds();
  } else {
    WL_ASSIGN_OR_RETURN(target.address, parse_uri(options.uri));
  }
  WL_RETURN_IF_ERROR(set_up(options, target, figures));

  pairs = pairs_of(options);
  NodeCpu cpu(target.pid);
  LoadOptions load = load_options(options, target, pairs, options.seconds);
  load.on_window_begin = [&cpu] { cpu.begin(); };
  load.on_window_end = [&cpu] { cpu.end(); };
  WL_ASSIGN_OR_RETURN(LoadResult result, run_load(load));
  figures.run = figures_of(std::move(result));
  figures.node_cpu_seconds = cpu.seconds();
  if (target.pid > 0) {
    const Result<uint64_t> resident = process_resident_bytes(target.pid);
    if (resident.ok()) figures.node_resident_bytes = *resident;
  }
  if (!options.verifies) return Status::ok_status();
  WL_ASSIGN_OR_RETURN(figures.verification, verify(options, target));
  return Status::ok_status();
}

}  // namespace

double RunFigures::generator_cpu_us_per_call() const {
  return tally.ok() == 0 ? 0 : generator_cpu_seconds * 1e6 / static_cast<double>(tally.ok());
}

double RunFigures::generator_utilisation(uint32_t threads) const {
  return generator_cpu_seconds / (tally.seconds() * threads);
}

Result<KeynoteFigures> run_keynote(const KeynoteOptions& options) {
  KeynoteFigures figures;
  figures.machine = machine_info();
  std::vector<TransferPair> pairs;
  if (options.is_null_only) {
    pairs = pairs_of(options);
    WL_ASSIGN_OR_RETURN(figures.null, run_null(options, pairs, options.seconds));
    return figures;
  }
  WL_RETURN_IF_ERROR(run_on_node(options, pairs, figures));
  // After the node's run, so that it does not disturb the node's start.
  if (options.null_seconds > 0) {
    WL_ASSIGN_OR_RETURN(figures.null, run_null(options, pairs, options.null_seconds));
  }
  return figures;
}

}  // namespace worldline::bench
