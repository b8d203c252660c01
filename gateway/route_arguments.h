// gateway/route_arguments.h
//
// Parsing of what routes take from path, query and body, with the reasons of [S 02/1.3, 1.4].
// Thread: any; pure. Errors: kInvalidArgument, whose message is the body of the 400.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "actors/messages.h"
#include "gateway/http_message.h"

namespace worldline::gateway {

// `^[a-z0-9]+(-[a-z0-9]+)*$`; the message is the bare reason.
Status check_database_name(std::string_view name);

Result<actors::DatabaseRef> parse_database(const std::string& segment);
// Exactly 64 hex digits, no prefix: identity routes.
Result<schema::Identity> parse_identity(const std::string& segment);

Result<actors::HostType> parse_host_type(const QueryParameters& query);
Result<actors::MigrationPolicy> parse_policy(const QueryParameters& query);
// Is the plan to be coloured? `style`, or what the CLI sends in its place [S 04/1.5].
Result<bool> parse_plan_style(const QueryParameters& query);
Result<Compression> parse_compression(const QueryParameters& query);
// The database or namespace a parameter names; nullopt: no such parameter.
Result<std::optional<actors::DatabaseRef>> parse_related(const QueryParameters& query,
                                                         std::string_view parameter);
// `0x...`, the digest read as a little-endian number [S 04/1.4].
Result<schema::Hash256> parse_hash(std::string_view text);
// `5s`, `1m 30s`, `500ms`.
Result<std::chrono::milliseconds> parse_duration(std::string_view text);

// Parameters as `application/json; charset=utf-8` are accepted [S 02/15 no. 12].
bool is_json(const std::optional<std::string>& content_type);

}  // namespace worldline::gateway
