// query/literal.h
//
// Literals get their type from context: the text of a token becomes the BSATN of the expected type
// [S 06/1.10], or is refused. Thread: pure functions. Errors: nullopt; the caller words them.
#pragma once

#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "schema/algebraic_type.h"

namespace worldline::query {

// The BSATN of `text` read as `type`. Bool has no text form: only its tokens are accepted.
std::optional<ByteBuffer> parse_literal(std::string_view text, const schema::AlgebraicType& type);

// RFC 3339 with offset, fraction cut to microseconds.
std::optional<int64_t> parse_timestamp_micros(std::string_view text);

}  // namespace worldline::query
