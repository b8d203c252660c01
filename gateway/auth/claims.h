// gateway/auth/claims.h
//
// The JSON of tokens: reading header and payload strictly, writing payloads in the order of the
// specification. Pure; no keys, no clock.
//
// Thread: any. Errors: kUnauthenticated with the text behind `Invalid token: ` or, for claim
// rules, the whole text [S 02/11.2, 11.4].
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "schema/identity.h"

namespace worldline::gateway {

// The three segments of a compact JWS; views into the token.
struct TokenParts {
  std::string_view header;
  std::string_view payload;
  std::string_view signature;
  std::string_view signed_text;  // header.payload
};
std::optional<TokenParts> split_token(std::string_view token);

Result<std::string> decode_segment(std::string_view segment);  // Base64url, JSON object text.

struct TokenHeader {
  std::string algorithm;
  std::optional<std::string> key_id;
};
Result<TokenHeader> read_header(const std::string& header_json);

struct Claims {
  std::string issuer;
  std::string subject;
  std::optional<int64_t> expires_seconds;
  std::optional<std::string> hex_identity;
};
// Structure and types only; expiry and identity are the caller's.
Result<Claims> read_claims(const std::string& payload_json);
// What can be read of `iss` without trusting anything.
std::optional<std::string> peek_issuer(const std::string& payload_json);

// Bounds of iss and sub, and hex_identity against the derived identity.
Result<schema::Identity> check_identity(const Claims& claims);

// A payload in the order of [S 02/11.2]. `expires_seconds` none prints null.
std::string write_payload(const schema::Identity& identity, std::string_view issuer,
                          std::string_view subject, int64_t issued_seconds);
// The claims of `payload_json` with new times; extra members are kept behind the known ones.
Result<std::string> rewrite_payload(const std::string& payload_json,
                                    const schema::Identity& identity, int64_t issued_seconds,
                                    int64_t expires_seconds);

}  // namespace worldline::gateway
