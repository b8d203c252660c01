// schema/sats_json.h
//
// SATS-JSON <-> BSATN, streaming by type: no dynamic values in either direction.
//
// Invariants: what append_json writes, parse_json reads back to the same bytes, except NaN and
// infinities, which are written as null. Names are taken from the types given, which for a module
// are the case-converted ones [S 01/3.2].
// Ownership: texts and bytes are borrowed for the call. Thread: any.
// Errors: kInvalidArgument; messages of [S 01/3.6] where the specification fixes them, with the
// position appended. Nesting beyond kJsonDepthMax is refused. On error `out` holds garbage.
// Sources: [S 01/3].
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/status.h"
#include "schema/algebraic_type.h"

namespace worldline::schema {

inline constexpr size_t kJsonDepthMax = 127;

enum class JsonStyle : uint8_t {
  kUntyped,    // Products as arrays, sums as [tag, payload]: SQL rows, procedure results.
  kTyped,      // Products and sums as objects: structures of the server.
  kStoredRow,  // Rows of committed tables in the v1 JSON protocol.
};

// Appends the value at the start of `value` and returns how many bytes it took.
Result<size_t> append_json(const AlgebraicType& type, const Typespace& typespace, Bytes value,
                           JsonStyle style, std::string& out);
Result<size_t> append_json(const ProductType& type, const Typespace& typespace, Bytes value,
                           JsonStyle style, std::string& out);

// Types as typed JSON [S 01/3.5].
void append_type_json(const AlgebraicType& type, std::string& out);
void append_product_type_json(const ProductType& type, std::string& out);

// Typed JSON of a structure of the server: `value` is of entry `ref` of `description`, a typespace
// like meta_typespace() whose values describe types and so nest deeper than user values.
Status append_description_json(uint32_t ref, const Typespace& description, Bytes value,
                               std::string& out);

// Appends the BSATN of the JSON value `text`. The message is MSG of [S 01/3.6].
Status parse_json(std::string_view text, const AlgebraicType& type, const Typespace& typespace,
                  ByteBuffer& out);

enum class FunctionKind : uint8_t { kReducer, kProcedure, kView };
const char* function_kind_name(FunctionKind kind);  // "reducer", ...

struct FunctionSignature {  // Borrowed for the call.
  FunctionKind kind = FunctionKind::kReducer;
  std::string_view name;
  const ProductType& params;
  const Typespace& typespace;
};

// Arguments as JSON array or object -> BSATN of the parameter product. The message is the complete
// text an HTTP client sees: `invalid arguments for reducer NAME: PATH: ...`.
Result<ByteBuffer> parse_json_arguments(std::string_view text, const FunctionSignature& function);

// Checks BSATN arguments; bytes behind the last parameter are allowed [S 01/2.4]. Same messages.
Status validate_bsatn_arguments(Bytes arguments, const FunctionSignature& function);

// A JSON string with quotes and escapes. REQUIRES: valid UTF-8.
void append_json_string(std::string_view text, std::string& out);

}  // namespace worldline::schema
