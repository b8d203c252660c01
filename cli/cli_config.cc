#include "cli/cli_config.h"

#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <system_error>

#include <toml++/toml.h>
#include <unistd.h>

#include "base/bytes.h"
#include "cli/json_tree.h"
#include "schema/identity.h"

namespace worldline::cli {
namespace {

constexpr std::string_view kNewConfig =
    "default_server = \"local\"\n"
    "\n"
    "[[server_configs]]\n"
    "nickname = \"local\"\n"
    "host = \"127.0.0.1:3000\"\n"
    "protocol = \"http\"\n";

// One logical value of the file: absent is fine, another type is an error.
Status read_string(const toml::table& table, const char* key, std::string& out) {
  const toml::node* node = table.get(key);
  if (node == nullptr) return {};
  const auto value = node->value_exact<std::string>();
  if (!value) {
    std::ostringstream found;
    found << toml::node_view<const toml::node>(node);
    return Status::invalid_argument("`{}` must be a string, found {}: {}", key,
                                    node->type() == toml::node_type::array ? "an array" : "a value",
                                    found.str());
  }
  out = *value;
  return {};
}

std::string toml_quote(std::string_view value) {
  std::string out = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

// Base64 of either alphabet, padding optional; nullopt on a foreign character.
std::optional<std::string> decode_base64(std::string_view text) {
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    if (c == '=') break;
    uint32_t digit = 0;
    if (c >= 'A' && c <= 'Z')
      digit = static_cast<uint32_t>(c - 'A');
    else if (c >= 'a' && c <= 'z')
      digit = static_cast<uint32_t>(c - 'a' + 26);
    else if (c >= '0' && c <= '9')
      digit = static_cast<uint32_t>(c - '0' + 52);
    else if (c == '+' || c == '-')
      digit = 62;
    else if (c == '/' || c == '_')
      digit = 63;
    else
      return std::nullopt;
    bits = (bits << 6) | digit;
    count += 6;
    if (count >= 8) {
      count -= 8;
      out.push_back(static_cast<char>((bits >> count) & 0xff));
    }
  }
  return out;
}

}  // namespace

Result<CliConfig> CliConfig::open(const std::string& path, Console& console) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    CliConfig fresh;
    fresh.path_ = path;
    fresh.text_ = kNewConfig;
    WL_RETURN_IF_ERROR(fresh.write(console));
  }
  return open_existing(path);
}

Result<CliConfig> CliConfig::open_existing(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return Status::not_found("there is no {}", path);
  CliConfig config;
  config.path_ = path;
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) return Status::io_error("cannot read {}", path);
  config.text_ = text.str();
  if (Status parsed = config.parse(); !parsed.ok())
    return parsed.with_context("invalid config file " + path);
  return config;
}

Status CliConfig::parse() {
  const toml::parse_result parsed = toml::parse(text_);
  if (!parsed)
    return Status::invalid_argument("line {}: {}", parsed.error().source().begin.line,
                                    parsed.error().description());
  const toml::table& table = parsed.table();
  WL_RETURN_IF_ERROR(read_string(table, "default_server", default_server_));
  WL_RETURN_IF_ERROR(read_string(table, "spacetimedb_token", token_));
  WL_RETURN_IF_ERROR(read_string(table, "listen_addr", listen_addr_));
  servers_.clear();
  const toml::node* list = table.get("server_configs");
  if (list == nullptr) return {};
  if (!list->is_array_of_tables() && !list->is_array())
    return Status::invalid_argument("`server_configs` must be an array of tables");
  for (const toml::node& node : *list->as_array()) {
    if (!node.is_table())
      return Status::invalid_argument("`server_configs` must be an array of tables");
    ServerConfig server;
    WL_RETURN_IF_ERROR(read_string(*node.as_table(), "nickname", server.nickname));
    WL_RETURN_IF_ERROR(read_string(*node.as_table(), "host", server.host));
    WL_RETURN_IF_ERROR(read_string(*node.as_table(), "protocol", server.protocol));
    if (server.host.empty()) return Status::invalid_argument("a `server_configs` has no `host`");
    if (server.protocol != "http" && server.protocol != "https")
      return Status::invalid_argument("`protocol` of server `{}` must be `http` or `https`",
                                      server.host);
    servers_.push_back(std::move(server));
  }
  return {};
}

Result<std::string> CliConfig::server_url(std::string_view server) const {
  if (server.starts_with("http://") || server.starts_with("https://")) return std::string(server);
  const std::string wanted(server.empty() ? std::string_view(default_server_) : server);
  if (wanted.empty())
    return Status::invalid_argument(
        "no default server in {}\n\nName one with --server, e.g. --server http://127.0.0.1:3000",
        path_);
  for (const ServerConfig& known : servers_)
    if (known.nickname == wanted || known.host == wanted)
      return known.protocol + "://" + known.host;
  return Status::not_found(
      "no such saved server: {}\n\nGive its address instead, e.g. --server http://127.0.0.1:3000, "
      "or add a [[server_configs]] table to {}",
      wanted, path_);
}

Status CliConfig::save_token(const std::string& token, Console& console) {
  token_ = token;
  text_ = set_toml_string(text_, "spacetimedb_token", token);
  return write(console);
}

Status CliConfig::write(Console& console) const {
  namespace fs = std::filesystem;
  std::error_code error;
  fs::create_directories(fs::path(path_).parent_path(), error);
  const std::string temporary = path_ + "." + std::to_string(::getpid()) + ".tmp";
  {
    std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
    fs::permissions(temporary, fs::perms::owner_read | fs::perms::owner_write, error);
    file << text_;
    file.flush();
    if (!file) return Status::io_error("cannot write {}", temporary);
  }
  fs::rename(temporary, path_, error);
  if (error) return Status::io_error("cannot write {}: {}", path_, error.message());
  console.err("Saving config to " + path_ + ".\n");
  return {};
}

std::string set_toml_string(std::string_view text, std::string_view key, std::string_view value) {
  const std::string line = std::string(key) + " = " + toml_quote(value);
  std::string out;
  bool done = false;
  bool at_top = true;  // Before the first table header.
  size_t start = 0;
  while (start < text.size()) {
    size_t end = text.find('\n', start);
    if (end == std::string_view::npos) end = text.size();
    std::string_view current = text.substr(start, end - start);
    const size_t first = current.find_first_not_of(" \t");
    const std::string_view trimmed =
        first == std::string_view::npos ? std::string_view() : current.substr(first);
    if (at_top && trimmed.starts_with('[')) {
      at_top = false;
      if (!done) out += line + "\n\n";
      done = true;
    }
    std::string_view rest = trimmed;
    const bool named = at_top && rest.starts_with(key);
    if (named) rest.remove_prefix(key.size());
    const size_t equals = rest.find_first_not_of(" \t");
    if (named && equals != std::string_view::npos && rest[equals] == '=') {
      out += line;
      done = true;
    } else {
      out += current;
    }
    out += '\n';
    start = end + 1;
  }
  if (!done) out += line + "\n";
  return out;
}

Result<std::string> identity_of_token(std::string_view token) {
  const size_t first = token.find('.');
  const size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos)
    return Status::invalid_argument("the stored token is not a JWT");
  const auto payload = decode_base64(token.substr(first + 1, second - first - 1));
  if (!payload) return Status::invalid_argument("the stored token is not a JWT");
  WL_ASSIGN_OR_RETURN(const JsonTree claims, JsonTree::parse(*payload));
  const std::string identity = claims.text_of("hex_identity");
  if (!identity.empty()) return identity;
  const std::string issuer = claims.text_of("iss");
  const std::string subject = claims.text_of("sub");
  if (issuer.empty() || subject.empty())
    return Status::invalid_argument("the stored token names no identity");
  WL_ASSIGN_OR_RETURN(const schema::Identity derived,
                      schema::Identity::from_claims(issuer, subject));
  return derived.to_hex();
}

}  // namespace worldline::cli
