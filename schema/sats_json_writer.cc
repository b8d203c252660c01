// BSATN -> SATS-JSON: one pass over the bytes, text appended as it goes.
#include <algorithm>

#include "base/check.h"
#include "base/limits.h"
#include "schema/bsatn.h"
#include "schema/number_text.h"
#include "schema/sats_json.h"

namespace worldline::schema {
namespace {

bool all_named(const ProductType& type) {
  return std::all_of(type.elements.begin(), type.elements.end(),
                     [](const ProductElement& element) { return element.name.has_value(); });
}

// The meta-type adds up to eight levels per level of the type it prints.
constexpr size_t kMetaDepthMax = 8 * limits::kValueDepthMax;

// Recursion is bounded by `depth_max`; work by the bytes, kValuePartsMax and
// kZeroSizeElementsMax.
class JsonWriter {
 public:
  JsonWriter(const Typespace& typespace, Bytes value, JsonStyle style, std::string& out,
             size_t depth_max = limits::kValueDepthMax)
      : typespace_(typespace), reader_(value), style_(style), out_(out), depth_max_(depth_max) {}

  Status write(const AlgebraicType& type) {
    if (type.kind() >= TypeKind::kString) return write_primitive(type.kind());

    if (depth_ >= depth_max_)
      return Status::too_large("value is nested deeper than {} levels", depth_max_);
    if (++parts_ > kValuePartsMax) return Status::too_large("value has too many parts");
    ++depth_;
    Status status = write_compound(type);
    --depth_;
    return status;
  }

  Status write(const ProductType& type) {
    const bool as_object =
        style_ != JsonStyle::kUntyped && !type.elements.empty() && all_named(type);
    out_ += as_object ? '{' : '[';
    bool first = true;
    for (const auto& element : type.elements) {
      if (!first) out_ += ',';
      first = false;
      if (as_object) {
        append_json_string(*element.name, out_);
        out_ += ':';
      }
      WL_RETURN_IF_ERROR(write(element.type));
    }
    out_ += as_object ? '}' : ']';
    return {};
  }

  size_t consumed() const { return reader_.consumed(); }

 private:
  Status write_compound(const AlgebraicType& type) {
    if (type.is_product()) return write(type.as_product());
    if (type.is_sum()) return write_sum(type.as_sum());
    if (type.is_array()) return write_array(type.element());
    const AlgebraicType* target = typespace_.find(type.ref_index());
    if (target == nullptr)
      return Status::invalid_argument("Type reference &{} out of bounds", type.ref_index());
    return write(*target);
  }

  Status write_sum(const SumType& type) {
    WL_ASSIGN_OR_RETURN(const uint8_t tag, reader_.read_tag(type.variants.size(), "<unknown>"));
    const SumVariant& variant = type.variants[tag];
    if (style_ == JsonStyle::kTyped && variant.name) {
      out_ += '{';
      append_json_string(*variant.name, out_);
      out_ += ':';
      WL_RETURN_IF_ERROR(write(variant.type));
      out_ += '}';
      return {};
    }
    out_ += '[';
    append_decimal(UInt128{tag}, out_);
    out_ += ',';
    WL_RETURN_IF_ERROR(write(variant.type));
    out_ += ']';
    return {};
  }

  Status write_array(const AlgebraicType& element) {
    if (element.kind() == TypeKind::kU8) {
      WL_ASSIGN_OR_RETURN(const Bytes bytes, reader_.read_byte_array());
      out_ += '"';
      out_ += to_hex(bytes);
      out_ += '"';
      return {};
    }
    WL_ASSIGN_OR_RETURN(const uint32_t count, reader_.read_length());
    const JsonStyle outer = style_;
    if (style_ == JsonStyle::kStoredRow) style_ = JsonStyle::kUntyped;  // [S 01/3.1].
    out_ += '[';
    for (uint32_t i = 0; i < count; ++i) {
      if (i > 0) out_ += ',';
      const size_t before = reader_.consumed();
      WL_RETURN_IF_ERROR(write(element));
      if (reader_.consumed() == before && ++zero_size_elements_ > kZeroSizeElementsMax)
        return Status::too_large("value has more than {} elements of no bytes",
                                 kZeroSizeElementsMax);
    }
    out_ += ']';
    style_ = outer;
    return {};
  }

  template <typename Wide, typename Number>
  Status integer(const Result<Number>& number) {
    if (!number.ok()) return number.status();
    append_decimal(static_cast<Wide>(*number), out_);
    return {};
  }

  template <typename Float>
  Status floating(const Result<Float>& number) {
    if (!number.ok()) return number.status();
    append_float(*number, out_);
    return {};
  }

  Status write_wide(TypeKind kind) {
    WL_ASSIGN_OR_RETURN(const UInt256 number,
                        kind == TypeKind::kI256 ? reader_.read_i256() : reader_.read_u256());
    out_ += '"';
    if (kind == TypeKind::kI256) {
      append_hex_i256(number, out_);
    } else {
      append_hex_u256(number, out_);
    }
    out_ += '"';
    return {};
  }

  Status write_text() {
    WL_ASSIGN_OR_RETURN(const std::string_view text, reader_.read_string());
    append_json_string(text, out_);
    return {};
  }

  Status write_bool() {
    WL_ASSIGN_OR_RETURN(const bool value, reader_.read_bool());
    out_ += value ? "true" : "false";
    return {};
  }

  Status write_primitive(TypeKind kind) {
    switch (kind) {
      case TypeKind::kString:
        return write_text();
      case TypeKind::kBool:
        return write_bool();
      case TypeKind::kI8:
        return integer<Int128>(reader_.read_i8());
      case TypeKind::kU8:
        return integer<UInt128>(reader_.read_u8());
      case TypeKind::kI16:
        return integer<Int128>(reader_.read_i16());
      case TypeKind::kU16:
        return integer<UInt128>(reader_.read_u16());
      case TypeKind::kI32:
        return integer<Int128>(reader_.read_i32());
      case TypeKind::kU32:
        return integer<UInt128>(reader_.read_u32());
      case TypeKind::kI64:
        return integer<Int128>(reader_.read_i64());
      case TypeKind::kU64:
        return integer<UInt128>(reader_.read_u64());
      case TypeKind::kI128:
        return integer<Int128>(reader_.read_i128());
      case TypeKind::kU128:
        return integer<UInt128>(reader_.read_u128());
      case TypeKind::kI256:
      case TypeKind::kU256:
        return write_wide(kind);
      case TypeKind::kF32:
        return floating(reader_.read_f32());
      case TypeKind::kF64:
        return floating(reader_.read_f64());
      case TypeKind::kRef:
      case TypeKind::kSum:
      case TypeKind::kProduct:
      case TypeKind::kArray:
        break;  // Compound; handled by the caller.
    }
    return Status::internal("compound kind in write_primitive");
  }

  const Typespace& typespace_;  // Borrowed; outlives this.
  BsatnReader reader_;
  JsonStyle style_;
  std::string& out_;  // Borrowed; outlives this.
  const size_t depth_max_;
  size_t depth_ = 0;
  size_t parts_ = 0;
  size_t zero_size_elements_ = 0;
};

// What we encoded ourselves from a decoded type prints without fail.
void append_meta_json(uint32_t ref, const ByteBuffer& encoded, std::string& out) {
  const Status status = append_description_json(ref, meta_typespace(), encoded, out);
  WL_CHECK(status.ok());
}

}  // namespace

void append_json_string(std::string_view text, std::string& out) {
  constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && c != '"' && c != '\\') {
      out += c;
      continue;
    }
    out += '\\';
    switch (c) {
      case '"':
      case '\\':
        out += c;
        break;
      case '\b':
        out += 'b';
        break;
      case '\f':
        out += 'f';
        break;
      case '\n':
        out += 'n';
        break;
      case '\r':
        out += 'r';
        break;
      case '\t':
        out += 't';
        break;
      default:
        out += "u00";
        out += kHex[byte >> 4];
        out += kHex[byte & 15];
    }
  }
  out += '"';
}

Result<size_t> append_json(const AlgebraicType& type, const Typespace& typespace, Bytes value,
                           JsonStyle style, std::string& out) {
  JsonWriter writer(typespace, value, style, out);
  WL_RETURN_IF_ERROR(writer.write(type));
  return writer.consumed();
}

Result<size_t> append_json(const ProductType& type, const Typespace& typespace, Bytes value,
                           JsonStyle style, std::string& out) {
  JsonWriter writer(typespace, value, style, out);
  WL_RETURN_IF_ERROR(writer.write(type));
  return writer.consumed();
}

Status append_description_json(uint32_t ref, const Typespace& description, Bytes value,
                               std::string& out) {
  JsonWriter writer(description, value, JsonStyle::kTyped, out, kMetaDepthMax);
  return writer.write(description.types[ref]);
}

void append_type_json(const AlgebraicType& type, std::string& out) {
  ByteBuffer encoded;
  BsatnWriter writer(encoded);
  encode_type(type, writer);
  append_meta_json(0, encoded, out);
}

void append_product_type_json(const ProductType& type, std::string& out) {
  ByteBuffer encoded;
  BsatnWriter writer(encoded);
  encode_product_type(type, writer);
  append_meta_json(3, encoded, out);
}

const char* function_kind_name(FunctionKind kind) {
  switch (kind) {
    case FunctionKind::kReducer:
      return "reducer";
    case FunctionKind::kProcedure:
      return "procedure";
    case FunctionKind::kView:
      return "view";
  }
  return "function";
}

Status validate_bsatn_arguments(Bytes arguments, const FunctionSignature& function) {
  BsatnReader reader(arguments);
  const Status status = skip_value(function.params, function.typespace, reader);
  if (status.ok()) return {};
  const std::string& text = status.message();
  return {status.code(),
          fmt::format("invalid arguments for {} {}: {}: invalid arguments for function {}: {}: {}",
                      function_kind_name(function.kind), function.name, text, function.name, text,
                      text)};
}

}  // namespace worldline::schema
