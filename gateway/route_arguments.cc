#include "gateway/route_arguments.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

namespace worldline::gateway {
namespace {

constexpr size_t kHashDigits = 64;

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}
bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

Status bad_query(std::string_view reason) {
  return Status::invalid_argument("Failed to deserialize query string: {}", reason);
}

void skip_spaces(std::string_view& text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
}

struct Unit {
  std::string_view name;
  int64_t milliseconds;
};
constexpr std::array kUnits{
    Unit{"ms", 1},        Unit{"msec", 1},       Unit{"s", 1000},         Unit{"sec", 1000},
    Unit{"secs", 1000},   Unit{"second", 1000},  Unit{"seconds", 1000},   Unit{"m", 60'000},
    Unit{"min", 60'000},  Unit{"mins", 60'000},  Unit{"minute", 60'000},  Unit{"minutes", 60'000},
    Unit{"h", 3'600'000}, Unit{"hr", 3'600'000}, Unit{"hour", 3'600'000}, Unit{"hours", 3'600'000}};
constexpr int64_t kDurationMsMax = 24 * 3'600'000;

Result<actors::DatabaseRef> parse_name_or_identity(const std::string& text,
                                                   std::string_view context) {
  actors::DatabaseRef database;
  schema::Identity identity;
  if (schema::looks_like_identity(text, identity)) {
    database.identity = identity;
    return database;
  }
  if (const Status status = check_database_name(text); !status.ok())
    return status.with_context(context);
  database.name = text;
  return database;
}

}  // namespace

Status check_database_name(std::string_view name) {
  if (name.empty()) return Status::invalid_argument("database names cannot be empty");
  schema::Identity identity;
  if (schema::looks_like_identity(name, identity))
    return Status::invalid_argument("database names cannot be identities");
  for (const char c : name)
    if (!is_name_character(c) && c != '-')
      return Status::invalid_argument("invalid characters in database name");
  if (name.front() == '-' || name.back() == '-' || name.find("--") != std::string_view::npos)
    return Status::invalid_argument("invalid hyphen in database name");
  return {};
}

Result<actors::DatabaseRef> parse_database(const std::string& segment) {
  return parse_name_or_identity(segment, "Invalid URL");
}

Result<std::optional<actors::DatabaseRef>> parse_related(const QueryParameters& query,
                                                         std::string_view parameter) {
  const std::string* value = query.find(parameter);
  if (value == nullptr) return std::optional<actors::DatabaseRef>();
  WL_ASSIGN_OR_RETURN(auto found,
                      parse_name_or_identity(*value, "Failed to deserialize query string"));
  return std::optional<actors::DatabaseRef>(std::move(found));
}

Result<schema::Identity> parse_identity(const std::string& segment) {
  if (!std::all_of(segment.begin(), segment.end(), is_hex))
    return Status::invalid_argument(
        "Invalid URL: invalid value: string \"{}\", expected a byte array or hex string", segment);
  if (segment.size() < kHashDigits)
    return Status::invalid_argument("Invalid URL: too few elements for array");
  if (segment.size() > kHashDigits)
    return Status::invalid_argument("Invalid URL: too many elements for array");
  return schema::Identity::parse(segment);
}

Result<actors::HostType> parse_host_type(const QueryParameters& query) {
  const std::string* value = query.find("host_type");
  if (value == nullptr || *value == "Wasm") return actors::HostType::kWasm;
  if (*value == "Js") return actors::HostType::kJs;
  return bad_query(fmt::format("unknown variant `{}`, expected `Wasm` or `Js`", *value));
}

Result<actors::MigrationPolicy> parse_policy(const QueryParameters& query) {
  const std::string* value = query.find("policy");
  if (value == nullptr || *value == "Compatible") return actors::MigrationPolicy::kCompatible;
  if (*value == "BreakClients") return actors::MigrationPolicy::kBreakClients;
  return bad_query(
      fmt::format("unknown variant `{}`, expected `Compatible` or `BreakClients`", *value));
}

Result<bool> parse_plan_style(const QueryParameters& query) {
  if (const std::string* style = query.find("style")) {
    if (*style == "AnsiColor" || *style == "NoColor") return *style == "AnsiColor";
    return bad_query(
        fmt::format("unknown variant `{}`, expected `AnsiColor` or `NoColor`", *style));
  }
  const std::string* style = query.find("pretty_print_style");
  return style == nullptr || *style != "NoColor";
}

Result<Compression> parse_compression(const QueryParameters& query) {
  const std::string* value = query.find("compression");
  if (value == nullptr || *value == "Brotli") return Compression::kBrotli;
  if (*value == "Gzip") return Compression::kGzip;
  if (*value == "None") return Compression::kNone;
  return bad_query(
      fmt::format("unknown variant `{}`, expected one of `None`, `Brotli`, `Gzip`", *value));
}

Result<schema::Hash256> parse_hash(std::string_view text) {
  const auto invalid = [text] {
    return bad_query(fmt::format("invalid hash `{}`: expected 0x and 1 to 64 hex digits", text));
  };
  if (text.size() < 3 || text.substr(0, 2) != "0x") return invalid();
  const std::string_view digits = text.substr(2);
  if (digits.size() > kHashDigits || !std::all_of(digits.begin(), digits.end(), is_hex))
    return invalid();
  ByteBuffer number;
  if (!parse_hex(std::string(kHashDigits - digits.size(), '0') + std::string(digits), number))
    return invalid();
  std::reverse(number.begin(), number.end());  // The number's bytes, least significant first.
  return schema::Hash256::from_bytes(number);
}

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  const auto invalid = [text] {
    return bad_query(fmt::format("invalid duration `{}`: write it like `5s` or `1m 30s`", text));
  };
  int64_t total = 0;
  std::string_view rest = text;
  if (rest.empty()) return invalid();
  while (!rest.empty()) {
    int64_t number = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    if (error != std::errc() || number < 0 || number > kDurationMsMax) return invalid();
    rest.remove_prefix(static_cast<size_t>(end - rest.data()));
    skip_spaces(rest);
    const auto unit_end = std::find_if(rest.begin(), rest.end(),
                                       [](char c) { return c == ' ' || (c >= '0' && c <= '9'); });
    const std::string_view name(rest.data(), static_cast<size_t>(unit_end - rest.begin()));
    const auto* const unit = std::find_if(kUnits.begin(), kUnits.end(),
                                          [name](const Unit& u) { return u.name == name; });
    if (unit == kUnits.end()) return invalid();
    total = std::min(total + number * unit->milliseconds, kDurationMsMax);
    rest.remove_prefix(name.size());
    skip_spaces(rest);
  }
  return std::chrono::milliseconds(total);
}

bool is_json(const std::optional<std::string>& content_type) {
  if (!content_type) return false;
  std::string_view type = *content_type;
  type = type.substr(0, type.find(';'));
  while (!type.empty() && type.back() == ' ') type.remove_suffix(1);
  return type == kJson;
}

}  // namespace worldline::gateway
