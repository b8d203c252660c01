#include "cli/start_config.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <sstream>
#include <system_error>

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <toml++/toml.h>
#include <unistd.h>

#include "base/limits.h"
#include "cli/module_schema.h"

namespace worldline::cli {
namespace {

using limits::GiB;
using limits::KiB;
using limits::MiB;
using Options = StartOptions;

constexpr int64_t bytes(size_t n) {
  return static_cast<int64_t>(n);
}
constexpr int64_t kSecond = 1000;
constexpr int64_t kMinute = 60 * kSecond;
constexpr int64_t kHour = 60 * kMinute;

using K = KeyKind;
constexpr ConfigKey kKeys[] = {
    {"node.data-dir", K::kText, &Options::data_dir, "--data-dir", 0, 0, "",
     "where the node keeps everything; made with mode 0700"},
    {"listen.client", K::kAddress, &Options::listen_client, "-l, --listen-addr, --listen", 0, 0, "",
     "HTTP and WebSocket clients; port 0 takes a free one"},
    {"listen.advertise-client", K::kText, &Options::advertise_client, "", 0, 0, "",
     "host:port that /v1/prometheus/sd_config names"},
    {"http.metrics-on-client-port", K::kChoice, &Options::metrics_exposure, "", 0, 0,
     "all loopback off", "who may read /v1/metrics"},
    {"metrics.max-databases", K::kInteger, &Options::metric_databases, "", 1, 10'000, "",
     "databases with series of their own on /v1/metrics; the rest is summed under _other"},
    {"logs.level", K::kChoice, &Options::log_level, "--log-level", 0, 0,
     "trace debug info warn error", "least severe level that is logged"},
    {"logs.file", K::kBool, &Options::log_to_file, "", 0, 0, "", "also write DATA/logs/"},
    {"certificate-authority.jwt-key-dir", K::kText, &Options::jwt_key_dir, "--jwt-key-dir", 0, 0,
     "", "directory of id_ecdsa and id_ecdsa.pub, made if absent; empty = DATA/keys"},
    {"certificate-authority.jwt-pub-key-path", K::kText, &Options::jwt_pub_key_path,
     "--jwt-pub-key-path", 0, 0, "", "public key of the token signer; with the next or not at all"},
    {"certificate-authority.jwt-priv-key-path", K::kText, &Options::jwt_priv_key_path,
     "--jwt-priv-key-path", 0, 0, "", "its private key"},
    {"auth.issuer", K::kText, &Options::auth_issuer, "", 0, 0, "",
     "`iss` of our tokens; changing it changes every identity"},
    {"auth.anonymous", K::kBool, &Options::allow_anonymous, "", 0, 0, "",
     "false: requests without a token are answered with 401"},
    {"auth.external-issuers", K::kText, &Options::external_issuers, "", 0, 0, "",
     "issuers whose tokens are accepted too: exact `iss`, separated by commas; * = all"},
    {"auth.block-private-issuers", K::kBool, &Options::block_private_issuers, "", 0, 0, "",
     "do not ask issuers in private networks for their keys"},
    {"auth.jwks-timeout", K::kDuration, &Options::jwks_timeout, "", 10, kMinute, "",
     "how long an issuer may take to answer"},
    {"auth.jwks-max-bytes", K::kSize, &Options::jwks_bytes, "", bytes(KiB), bytes(16 * MiB), "",
     "one answer of an issuer"},
    {"auth.create-issuer", K::kText, &Options::create_issuer, "", 0, 0, "",
     "only tokens with this `iss` may create databases; empty = all"},
    {"limits.io-threads", K::kInteger, &Options::io_threads, "", 0, 256, "",
     "threads that serve connections; 0 = a quarter of the cores, at least 2"},
    {"limits.max-body", K::kSize, &Options::max_body_bytes, "", bytes(KiB), bytes(GiB), "",
     "HTTP request bodies except publish"},
    {"limits.max-program", K::kSize, &Options::max_program_bytes, "", bytes(64 * KiB),
     bytes(limits::kProgramBytesMax), "", "publish bodies"},
    {"limits.max-clients", K::kInteger, &Options::max_clients, "", 1, 1'000'000, "",
     "WebSocket connections of this node; more are answered with 503"},
    {"limits.connect-rate", K::kInteger, &Options::connect_rate, "", 1, 1'000'000, "",
     "WebSocket connections that may begin in a second; more are answered with 503"},
    {"limits.client-queue-bytes", K::kSize, &Options::client_queue_bytes, "", bytes(64 * KiB),
     bytes(8 * GiB), "", "unsent bytes of one client; a client that reads slower is dropped"},
    {"limits.call-budget", K::kDuration, &Options::call_budget, "", 10, kHour, "",
     "wall clock of one reducer; then it is ended and rolled back"},
    {"limits.query-budget", K::kDuration, &Options::query_budget, "", 10, kHour, "",
     "wall clock of one SQL read, one-off query or subscribe; then it fails (SQL: 400)"},
    {"limits.answer-bytes", K::kSize, &Options::answer_bytes, "", bytes(64 * KiB), bytes(GiB), "",
     "rows of one SQL read, one-off query or subscribe; more make it fail (SQL: 400)"},
    {"websocket.ping-interval", K::kDuration, &Options::ping_interval, "", 10, kHour, "",
     "silence after which a client is pinged"},
    {"websocket.idle-timeout", K::kDuration, &Options::idle_timeout, "", 20, kHour, "",
     "silence after which a client is dropped"},
    {"websocket.close-handshake-timeout", K::kDuration, &Options::close_handshake_timeout, "", 1,
     kMinute, "", "how long a closing client may take to answer"},
    {"websocket.incoming-queue-length", K::kInteger, &Options::incoming_queue_length, "", 1,
     1'000'000, "", "messages of one client that wait for execution; more close it with 1013"},
    {"websocket.outgoing-queue-length", K::kInteger, &Options::outgoing_queue_length, "", 1,
     1'000'000, "", "messages that wait to be sent to one client; then it is dropped"},
    {"websocket.max-message", K::kSize, &Options::max_message_bytes, "", bytes(64 * KiB),
     bytes(limits::kClientMessageBytesMax), "", "one message from a client"},
    {"websocket.compress-gzip-clients", K::kBool, &Options::compress_gzip_clients, "", 0, 0, "",
     "compress for clients that ask for gzip; npm clients may then see messages out of order"},
    {"v8-heap-policy.heap-limit-mb", K::kInteger, &Options::heap_limit_mb, "", 16, 16'384, "",
     "JavaScript heap of one module, in MiB"},
    {"storage.checkpoint-tx", K::kInteger, &Options::checkpoint_tx, "", 1, 1'000'000'000, "",
     "transactions after which a database is checkpointed"},
    {"storage.checkpoint-log", K::kSize, &Options::checkpoint_log_bytes, "", bytes(64 * KiB),
     bytes(64 * GiB), "", "log bytes after which a database is checkpointed"},
    {"storage.checkpoint-age", K::kDuration, &Options::checkpoint_age, "", kSecond, 24 * kHour, "",
     "age of unsaved changes after which a database is checkpointed"},
    {"storage.ballast", K::kSize, &Options::ballast_bytes, "", 0, bytes(64 * GiB), "",
     "held back for a start on a full disk, at most 2 % of the disk; 0 = none"},
    {"storage.free-warn", K::kText, &Options::free_warn, "", 0, 0, "",
     "free space below which a warning is logged: 5%, 4GiB or max(5%, 4GiB)"},
    {"storage.free-soft", K::kText, &Options::free_soft, "", 0, 0, "",
     "free space below which the disk counts as almost full"},
    {"storage.free-hard", K::kText, &Options::free_hard, "", 0, 0, "",
     "free space below which calls that write are refused with 503"},
    {"shutdown.timeout", K::kDuration, &Options::shutdown_timeout, "", kSecond, 10 * kMinute, "",
     "how long an orderly stop may take; then the process ends with code 12"},
};

struct Setting {
  std::string value;
  std::string source;
};
using Settings = std::map<std::string, Setting>;

const ConfigKey* find_key(const std::string& name) {
  for (const ConfigKey& key : config_keys())
    if (name == key.name) return &key;
  return nullptr;
}

// The three nearest key names, for a message about an unknown one.
std::string suggestions(const std::string& name) {
  std::vector<std::pair<size_t, std::string>> near;
  for (const ConfigKey& key : config_keys())
    near.emplace_back(edit_distance(name, key.name), key.name);
  std::sort(near.begin(), near.end());
  std::string out;
  for (size_t i = 0; i < std::min<size_t>(3, near.size()); ++i)
    out += (i == 0 ? "" : ", ") + near[i].second;
  return out;
}

// Keys of the reference's config.toml that mean nothing here.
bool is_ignored_key(const std::string& name) {
  constexpr std::string_view kIgnored[] = {
      "logs.directives", "v8-heap-policy.heap-check-request-interval",
      "v8-heap-policy.heap-check-time-interval", "v8-heap-policy.heap-gc-trigger-fraction",
      "v8-heap-policy.heap-retire-fraction"};
  return std::find(std::begin(kIgnored), std::end(kIgnored), name) != std::end(kIgnored);
}

// A key of the reference that is read and judged, and that this node cannot obey. Its value may
// only be the one that asks for nothing, unless `why_not` is null: then any good value has no
// effect.
struct ForeignKey {
  const char* name;
  KeyKind kind;
  int64_t least;
  int64_t most;
  const char* why_not;
};
constexpr ForeignKey kForeignKeys[] = {
    {"node.in-memory", K::kBool, 0, 0,
     "not supported: every confirmed transaction is written to disk"},
    {"listen.pg-port", K::kInteger, 1024, 65'534,
     "not supported: there is no PostgreSQL listener; 0 = off"},
    {"limits.page-pool-max-size", K::kSize, 0, std::numeric_limits<int64_t>::max(), nullptr},
};

const ForeignKey* find_foreign_key(const std::string& name) {
  for (const ForeignKey& key : kForeignKeys)
    if (name == key.name) return &key;
  return nullptr;
}

class Resolver {
 public:
  explicit Resolver(ResolvedStart& out) : out_(out) {}

  void problem(const char* code, const std::string& key, const std::string& text,
               const std::string& source) {
    out_.errors.push_back(fmt::format("error[{}]: {}: {} (from {})", code, key, text, source));
  }
  void warning(const char* code, const std::string& key, const std::string& text,
               const std::string& source) {
    out_.warnings.push_back(fmt::format("warning[{}]: {}: {} (from {})", code, key, text, source));
  }

  void set(const std::string& name, const std::string& value, const std::string& source) {
    if (const ForeignKey* foreign = find_foreign_key(name))
      judge_foreign(*foreign, {value, source});
    else if (is_ignored_key(name))
      warning("W002", name, "accepted for compatibility, no effect", source);
    else if (find_key(name) == nullptr)
      problem("C002", name, "unknown key; near: " + suggestions(name), source);
    else
      settings_[name] = {value, source};
  }

  void apply() {
    for (const auto& [name, setting] : settings_) apply_one(*find_key(name), setting);
  }

 private:
  void judge_foreign(const ForeignKey& key, const Setting& setting) {
    if (key.kind == KeyKind::kBool) {
      if (setting.value != "true" && setting.value != "false")
        problem("C003", key.name, "wanted true or false, found `" + setting.value + "`",
                setting.source);
      else if (setting.value == "true")
        problem("C004", key.name, key.why_not, setting.source);
      return;
    }
    const bool is_off = key.why_not != nullptr && setting.value == "0";
    if (is_off || !read_number({key.name, key.kind, {}, "", key.least, key.most, "", ""}, setting))
      return;
    if (key.why_not != nullptr)
      problem("C004", key.name, key.why_not, setting.source);
    else
      warning("W002", key.name, "accepted for compatibility, no effect", setting.source);
  }

  void apply_one(const ConfigKey& key, const Setting& setting) {
    Options& options = out_.options;
    if (const auto* text = std::get_if<std::string Options::*>(&key.field))
      return apply_text(key, setting, options.**text);
    if (const auto* flag = std::get_if<bool Options::*>(&key.field)) {
      if (setting.value != "true" && setting.value != "false")
        return problem("C003", key.name, "wanted true or false, found `" + setting.value + "`",
                       setting.source);
      options.** flag = setting.value == "true";
      return;
    }
    const std::optional<int64_t> number = read_number(key, setting);
    if (!number) return;
    if (const auto* integer = std::get_if<int64_t Options::*>(&key.field))
      options.** integer = *number;
    else if (const auto* time = std::get_if<std::chrono::milliseconds Options::*>(&key.field))
      options.** time = std::chrono::milliseconds(*number);
  }

  void apply_text(const ConfigKey& key, const Setting& setting, std::string& field) {
    if (key.kind == KeyKind::kChoice) {
      std::istringstream choices(key.choices);
      bool known = false;
      for (std::string choice; choices >> choice;) known = known || choice == setting.value;
      if (!known)
        return problem("C004", key.name,
                       fmt::format("`{}` is none of: {}", setting.value, key.choices),
                       setting.source);
    }
    if (key.kind == KeyKind::kAddress && !is_address(setting.value))
      return problem(
          "C005", key.name,
          fmt::format("`{}` is no IP address and port (IPv6 in brackets)", setting.value),
          setting.source);
    field = setting.value;
  }

  static bool is_address(const std::string& text) {
    const size_t colon = text.rfind(':');
    if (colon == std::string::npos || colon == 0) return false;
    std::string host = text.substr(0, colon);
    const bool in_brackets = host.front() == '[' && host.back() == ']';
    if (in_brackets) host = host.substr(1, host.size() - 2);
    in6_addr parsed{};  // Large enough for both families.
    if (::inet_pton(in_brackets ? AF_INET6 : AF_INET, host.c_str(), &parsed) != 1) return false;
    int port = -1;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, port);
    return error == std::errc() && stop == end && port >= 0 && port <= 65535;
  }

  std::optional<int64_t> read_number(const ConfigKey& key, const Setting& setting) {
    int64_t number = 0;
    bool good = false;
    if (key.kind == KeyKind::kSize) {
      good = parse_size(setting.value, number);
    } else if (key.kind == KeyKind::kDuration) {
      good = parse_duration(setting.value, number);
    } else {
      const char* end = setting.value.data() + setting.value.size();
      const auto [stop, error] = std::from_chars(setting.value.data(), end, number);
      good = error == std::errc() && stop == end && !setting.value.empty();
    }
    const char* wanted = key.kind == KeyKind::kSize       ? "size such as 64KiB"
                         : key.kind == KeyKind::kDuration ? "duration such as 15s"
                                                          : "number";
    if (!good) {
      problem("C005", key.name, fmt::format("`{}` is no {}", setting.value, wanted),
              setting.source);
      return std::nullopt;
    }
    if (number < key.least || number > key.most) {
      problem("C004", key.name,
              fmt::format("{} is outside {} to {}", setting.value, key.least, key.most),
              setting.source);
      return std::nullopt;
    }
    return number;
  }

  ResolvedStart& out_;
  Settings settings_;
};

// Tables of the reference's config.toml that mean nothing here.
bool is_ignored_table(const std::string& name) {
  return name == "commitlog" || name == "wasm" || name == "module-http" || name == "v8";
}

std::string toml_value_text(const toml::node& node) {
  if (const auto text = node.value_exact<std::string>()) return *text;
  if (const toml::array* list = node.as_array()) {  // As on the command line: a,b.
    std::string joined;
    for (const toml::node& element : *list)
      joined += (joined.empty() ? "" : ",") + element.value<std::string>().value_or("");
    return joined;
  }
  std::ostringstream out;
  out << toml::node_view<const toml::node>(node);
  return out.str();
}

void read_file(const std::string& path, Resolver& resolver) {
  const toml::parse_result parsed = toml::parse_file(path);
  if (!parsed) {
    resolver.problem(
        "C001", path,
        fmt::format("line {}, column {}: {}", parsed.error().source().begin.line,
                    parsed.error().source().begin.column, parsed.error().description()),
        "file");
    return;
  }
  for (const auto& [table, node] : parsed.table()) {
    const std::string name(table.str());
    if (is_ignored_table(name)) {
      resolver.warning("W002", name, "accepted for compatibility, no effect", path);
      continue;
    }
    if (!node.is_table()) {
      resolver.problem("C002", name, "keys stand in tables such as [limits]", path);
      continue;
    }
    for (const auto& [key, value] : *node.as_table())
      resolver.set(name + "." + std::string(key.str()), toml_value_text(value), path);
  }
}

// WORLDLINE_RAFT__ELECTION_TIMEOUT -> raft.election-timeout.
std::string key_of_variable(std::string name) {
  std::string out;
  for (size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '_' && i + 1 < name.size() && name[i + 1] == '_') {
      out += '.';
      ++i;
    } else {
      out += name[i] == '_' ? '-'
                            : static_cast<char>(std::tolower(static_cast<unsigned char>(name[i])));
    }
  }
  return out;
}

void read_environment(const Environment& environment, Resolver& resolver) {
  constexpr std::string_view kPrefix = "WORLDLINE_";
  constexpr char kCreateIssuer[] = "TEMP_SPACETIMEAUTH_ISSUER_REQUIRED_TO_PUBLISH";
  if (const std::string issuer = environment.get(kCreateIssuer); !issuer.empty())
    resolver.set("auth.create-issuer", issuer, kCreateIssuer);
  for (const auto& [name, value] : environment.variables)
    if (name.starts_with(kPrefix) && name.find("__") != std::string::npos)
      resolver.set(key_of_variable(name.substr(kPrefix.size())), value, name);
}

std::string file_to_read(const StartArguments& arguments, const Environment& environment,
                         const std::string& data_dir) {
  if (!arguments.config_file.empty()) return arguments.config_file;
  if (const std::string named = environment.get("WORLDLINE_CONFIG"); !named.empty()) return named;
  std::error_code ignored;
  for (const char* name : {"/worldline.toml", "/config.toml"})
    if (std::filesystem::is_regular_file(data_dir + name, ignored)) return data_dir + name;
  return {};
}

void check_space_limits(Resolver& resolver, const StartOptions& options) {
  SpaceShare soft;
  SpaceShare hard;
  SpaceShare warn;
  const auto check = [&resolver](const char* key, const std::string& text, SpaceShare& limit) {
    if (!parse_space_share(text, limit))
      resolver.problem("C005", key,
                       fmt::format("`{}` is no amount such as 5%, 4GiB or max(5%, 4GiB)", text),
                       "all sources");
  };
  check("storage.free-warn", options.free_warn, warn);
  check("storage.free-soft", options.free_soft, soft);
  check("storage.free-hard", options.free_hard, hard);
  if (hard.per_cent > soft.per_cent || hard.bytes > soft.bytes)
    resolver.problem("C013", "storage.free-hard", "must not be above storage.free-soft",
                     "all sources");
}

void check_relations(Resolver& resolver, const StartOptions& options) {
  check_space_limits(resolver, options);
  if (options.jwt_pub_key_path.empty() != options.jwt_priv_key_path.empty()) {
    resolver.problem("C007", "certificate-authority",
                     "give both jwt-pub-key-path and jwt-priv-key-path or neither", "all sources");
  } else if (!options.jwt_pub_key_path.empty()) {
    for (const std::string& path : {options.jwt_pub_key_path, options.jwt_priv_key_path})
      if (::access(path.c_str(), R_OK) != 0)
        resolver.problem("C008", "certificate-authority",
                         fmt::format("cannot read {}: {}", path, std::strerror(errno)),
                         "all sources");
  }
  if (options.ping_interval >= options.idle_timeout)
    resolver.problem("C013", "websocket.ping-interval", "must be below websocket.idle-timeout",
                     "all sources");
}

}  // namespace

std::span<const ConfigKey> config_keys() {
  return kKeys;
}

ResolvedStart resolve_start_options(const StartArguments& arguments, const Environment& environment,
                                    const std::string& default_data_dir,
                                    const std::string& default_listen) {
  ResolvedStart out;
  Resolver resolver(out);
  out.options.data_dir = default_data_dir;
  out.options.non_interactive = arguments.non_interactive;
  if (!default_listen.empty()) out.options.listen_client = default_listen;
  std::string data_dir = default_data_dir;
  if (const std::string named = environment.get("WORLDLINE_NODE__DATA_DIR"); !named.empty())
    data_dir = named;
  for (const auto& [name, value] : arguments.settings)
    if (name == "node.data-dir") data_dir = value;

  const std::string file = file_to_read(arguments, environment, data_dir);
  if (!file.empty()) read_file(file, resolver);
  read_environment(environment, resolver);
  for (const auto& [name, value] : arguments.settings) resolver.set(name, value, "command line");
  resolver.apply();
  if (out.options.data_dir.empty())
    resolver.problem("C005", "node.data-dir", "must not be empty", "all sources");
  check_relations(resolver, out.options);
  for (const std::string& flag : arguments.without_effect)
    resolver.warning("W002", flag, "accepted for compatibility, no effect", "command line");
  return out;
}

bool parse_size(const std::string& text, int64_t& bytes) {
  static constexpr std::pair<std::string_view, int64_t> kUnits[] = {
      {"", 1},          {"B", 1},       {"K", 1 << 10},   {"KiB", 1 << 10},         {"M", 1 << 20},
      {"MiB", 1 << 20}, {"G", 1 << 30}, {"GiB", 1 << 30}, {"TiB", int64_t{1} << 40}};
  const char* end = text.data() + text.size();
  int64_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || number < 0) return false;
  const std::string_view unit(stop, static_cast<size_t>(end - stop));
  for (const auto& [name, factor] : kUnits) {
    if (unit != name) continue;
    if (number > std::numeric_limits<int64_t>::max() / factor) return false;
    bytes = number * factor;
    return true;
  }
  return false;
}

namespace {

bool parse_per_cent(const std::string& text, int64_t& per_cent) {
  if (!text.ends_with("%")) return false;
  const char* end = text.data() + text.size() - 1;
  const auto [stop, error] = std::from_chars(text.data(), end, per_cent);
  return error == std::errc() && stop == end && per_cent >= 0 && per_cent < 100;
}

}  // namespace

bool parse_space_share(const std::string& text, SpaceShare& limit) {
  constexpr std::string_view kBoth = "max(";
  if (text.starts_with(kBoth) && text.ends_with(")")) {
    const size_t comma = text.find(',');
    if (comma == std::string::npos) return false;
    const size_t second = text.find_first_not_of(' ', comma + 1);
    return parse_per_cent(text.substr(kBoth.size(), comma - kBoth.size()), limit.per_cent) &&
           parse_size(text.substr(second, text.size() - 1 - second), limit.bytes);
  }
  return parse_per_cent(text, limit.per_cent) || parse_size(text, limit.bytes);
}

bool parse_duration(const std::string& text, int64_t& ms) {
  static constexpr std::pair<std::string_view, int64_t> kUnits[] = {
      {"ms", 1}, {"s", kSecond}, {"m", kMinute}, {"h", kHour}, {"d", 24 * kHour}};
  const char* at = text.data();
  const char* end = at + text.size();
  int64_t total = 0;
  if (at == end) return false;
  while (at != end) {
    int64_t number = 0;
    const auto [stop, error] = std::from_chars(at, end, number);
    if (error != std::errc() || number < 0 || number > 1'000'000'000) return false;
    const char* unit_end = stop;
    while (unit_end != end && *unit_end >= 'a' && *unit_end <= 'z') ++unit_end;
    const std::string_view unit(stop, static_cast<size_t>(unit_end - stop));
    const auto* found = std::find_if(std::begin(kUnits), std::end(kUnits),
                                     [unit](const auto& known) { return known.first == unit; });
    if (found == std::end(kUnits)) return false;
    total += number * found->second;
    at = unit_end;
  }
  ms = total;
  return true;
}

}  // namespace worldline::cli
