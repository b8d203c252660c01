#include "schema/bsatn.h"

#include <algorithm>

#include "base/limits.h"
#include "schema/utf8.h"

namespace worldline::schema {
namespace {

constexpr std::string_view kUserSum = "<unknown>";
constexpr size_t kReserveMax = 4096;  // An announced count is not trusted beyond this.

Status too_deep() {
  return Status::too_large("value is nested deeper than {} levels", limits::kValueDepthMax);
}

Status unresolved(uint32_t ref) {
  return Status::invalid_argument("Type reference &{} out of bounds", ref);
}

// Decodes dynamic values. Recursion is bounded by limits::kValueDepthMax.
class ValueDecoder {
 public:
  ValueDecoder(const Typespace& typespace, BsatnReader& reader)
      : typespace_(typespace), reader_(reader) {}

  Result<AlgebraicValue> decode(const AlgebraicType& type) {
    if (type.kind() >= TypeKind::kString) return decode_primitive(type.kind());
    if (depth_ >= limits::kValueDepthMax) return too_deep();
    if (++parts_ > kValuePartsMax) return Status::too_large("value has too many parts");
    ++depth_;
    Result<AlgebraicValue> value = decode_compound(type);
    --depth_;
    return value;
  }

 private:
  Result<AlgebraicValue> decode_compound(const AlgebraicType& type) {
    if (type.is_ref()) {
      const AlgebraicType* target = typespace_.find(type.ref_index());
      if (target == nullptr) return unresolved(type.ref_index());
      return decode(*target);
    }
    if (type.is_sum()) return decode_sum(type.as_sum());
    if (type.is_product()) return decode_product(type.as_product());
    return decode_array(type.element());
  }

  Result<AlgebraicValue> decode_sum(const SumType& type) {
    WL_ASSIGN_OR_RETURN(const uint8_t tag, reader_.read_tag(type.variants.size(), kUserSum));
    WL_ASSIGN_OR_RETURN(AlgebraicValue payload, decode(type.variants[tag].type));
    return AlgebraicValue::sum(tag, std::move(payload));
  }

  Result<AlgebraicValue> decode_product(const ProductType& type) {
    std::vector<AlgebraicValue> elements;
    elements.reserve(type.elements.size());
    for (const auto& element : type.elements) {
      WL_ASSIGN_OR_RETURN(AlgebraicValue value, decode(element.type));
      elements.push_back(std::move(value));
    }
    return AlgebraicValue::product(std::move(elements));
  }

  Result<AlgebraicValue> decode_array(const AlgebraicType& element) {
    if (element.kind() == TypeKind::kU8) {
      WL_ASSIGN_OR_RETURN(const Bytes bytes, reader_.read_byte_array());
      return AlgebraicValue(ByteBuffer(bytes.begin(), bytes.end()));
    }
    WL_ASSIGN_OR_RETURN(const uint32_t count, reader_.read_length());
    std::vector<AlgebraicValue> elements;
    elements.reserve(std::min<size_t>(count, kReserveMax));
    for (uint32_t i = 0; i < count; ++i) {
      const size_t before = reader_.consumed();
      WL_ASSIGN_OR_RETURN(AlgebraicValue value, decode(element));
      if (reader_.consumed() == before && ++zero_size_elements_ > kZeroSizeElementsMax)
        return Status::too_large("value has more than {} elements of no bytes",
                                 kZeroSizeElementsMax);
      elements.push_back(std::move(value));
    }
    return AlgebraicValue::array(std::move(elements));
  }

  template <typename T>
  static Result<AlgebraicValue> wrap(Result<T> number) {
    if (!number.ok()) return number.status();
    return AlgebraicValue(std::move(number).value());
  }

  Result<AlgebraicValue> decode_primitive(TypeKind kind) {
    switch (kind) {
      case TypeKind::kString: {
        WL_ASSIGN_OR_RETURN(const std::string_view text, reader_.read_string());
        return AlgebraicValue(std::string(text));
      }
      case TypeKind::kBool:
        return wrap(reader_.read_bool());
      case TypeKind::kI8:
        return wrap(reader_.read_i8());
      case TypeKind::kU8:
        return wrap(reader_.read_u8());
      case TypeKind::kI16:
        return wrap(reader_.read_i16());
      case TypeKind::kU16:
        return wrap(reader_.read_u16());
      case TypeKind::kI32:
        return wrap(reader_.read_i32());
      case TypeKind::kU32:
        return wrap(reader_.read_u32());
      case TypeKind::kI64:
        return wrap(reader_.read_i64());
      case TypeKind::kU64:
        return wrap(reader_.read_u64());
      case TypeKind::kI128:
        return wrap(reader_.read_i128());
      case TypeKind::kU128:
        return wrap(reader_.read_u128());
      case TypeKind::kI256: {
        WL_ASSIGN_OR_RETURN(const UInt256 bits, reader_.read_i256());
        return AlgebraicValue(Int256{bits});
      }
      case TypeKind::kU256:
        return wrap(reader_.read_u256());
      case TypeKind::kF32:
        return wrap(reader_.read_f32());
      case TypeKind::kF64:
        return wrap(reader_.read_f64());
      case TypeKind::kRef:
      case TypeKind::kSum:
      case TypeKind::kProduct:
      case TypeKind::kArray:
        break;  // Compound; handled by the caller.
    }
    return Status::internal("compound kind in decode_primitive");
  }

  const Typespace& typespace_;  // Borrowed; outlives this.
  BsatnReader& reader_;         // Borrowed; outlives this.
  size_t depth_ = 0;
  size_t parts_ = 0;
  size_t zero_size_elements_ = 0;
};

// Walks over values. Recursion is bounded by limits::kValueDepthMax, work by kValuePartsMax.
class ValueSkipper {
 public:
  ValueSkipper(const Typespace& typespace, BsatnReader& reader)
      : typespace_(typespace), reader_(reader) {}

  Status skip(const AlgebraicType& type) {
    if (type.kind() >= TypeKind::kString) return skip_primitive(type);
    if (depth_ >= limits::kValueDepthMax) return too_deep();
    if (++parts_ > kValuePartsMax) return Status::too_large("value has too many parts");
    ++depth_;
    Status status = skip_compound(type);
    --depth_;
    return status;
  }

  Status skip(const ProductType& type) {
    for (const auto& element : type.elements) WL_RETURN_IF_ERROR(skip(element.type));
    return {};
  }

 private:
  Status skip_compound(const AlgebraicType& type) {
    if (type.is_product()) return skip(type.as_product());
    if (type.is_array()) return skip_array(type.element());
    if (type.is_ref()) {
      const AlgebraicType* target = typespace_.find(type.ref_index());
      return target == nullptr ? unresolved(type.ref_index()) : skip(*target);
    }
    const SumType& sum = type.as_sum();
    WL_ASSIGN_OR_RETURN(const uint8_t tag, reader_.read_tag(sum.variants.size(), kUserSum));
    return skip(sum.variants[tag].type);
  }

  Status skip_array(const AlgebraicType& element) {
    if (element.kind() == TypeKind::kU8) return reader_.read_byte_array().status();
    WL_ASSIGN_OR_RETURN(const uint32_t count, reader_.read_length());
    for (uint32_t i = 0; i < count; ++i) {
      const size_t before = reader_.consumed();
      WL_RETURN_IF_ERROR(skip(element));
      // A value of zero bytes is the only value of its type: the others are as good.
      if (reader_.consumed() == before) return {};
    }
    return {};
  }

  Status skip_primitive(const AlgebraicType& type) {
    switch (type.kind()) {
      case TypeKind::kString:
        return reader_.read_string().status();
      case TypeKind::kBool:
        return reader_.read_bool().status();
      case TypeKind::kI8:
        return reader_.read_i8().status();
      case TypeKind::kU8:
        return reader_.read_u8().status();
      case TypeKind::kI16:
        return reader_.read_i16().status();
      case TypeKind::kU16:
        return reader_.read_u16().status();
      case TypeKind::kI32:
        return reader_.read_i32().status();
      case TypeKind::kU32:
        return reader_.read_u32().status();
      case TypeKind::kI64:
        return reader_.read_i64().status();
      case TypeKind::kU64:
        return reader_.read_u64().status();
      case TypeKind::kI128:
        return reader_.read_i128().status();
      case TypeKind::kU128:
        return reader_.read_u128().status();
      case TypeKind::kI256:
        return reader_.read_i256().status();
      case TypeKind::kU256:
        return reader_.read_u256().status();
      case TypeKind::kF32:
        return reader_.read_f32().status();
      case TypeKind::kF64:
        return reader_.read_f64().status();
      case TypeKind::kRef:
      case TypeKind::kSum:
      case TypeKind::kProduct:
      case TypeKind::kArray:
        break;  // Compound; handled by the caller.
    }
    return Status::internal("compound kind in skip_primitive");
  }

  const Typespace& typespace_;  // Borrowed; outlives this.
  BsatnReader& reader_;         // Borrowed; outlives this.
  size_t depth_ = 0;
  size_t parts_ = 0;
};

// Decodes types. Recursion is bounded by limits::kValueDepthMax.
class TypeDecoder {
 public:
  explicit TypeDecoder(BsatnReader& reader) : reader_(reader) {}

  Result<AlgebraicType> decode() {
    if (depth_ >= limits::kValueDepthMax)
      return Status::too_large("type is nested deeper than {} levels", limits::kValueDepthMax);
    ++depth_;
    Result<AlgebraicType> type = decode_tagged();
    --depth_;
    return type;
  }

  Result<ProductType> decode_product() {
    WL_ASSIGN_OR_RETURN(const uint32_t count, reader_.read_length());
    ProductType product;
    product.elements.reserve(std::min<size_t>(count, kReserveMax));
    for (uint32_t i = 0; i < count; ++i) {
      ProductElement element;
      WL_RETURN_IF_ERROR(decode_member(element.name, element.type));
      product.elements.push_back(std::move(element));
    }
    return product;
  }

 private:
  Result<AlgebraicType> decode_tagged() {
    WL_ASSIGN_OR_RETURN(const uint8_t tag, reader_.read_tag(kTypeKindCount, "AlgebraicType"));
    const auto kind = static_cast<TypeKind>(tag);
    if (kind >= TypeKind::kString) return AlgebraicType::primitive(kind);
    if (kind == TypeKind::kRef) {
      WL_ASSIGN_OR_RETURN(const uint32_t index, reader_.read_u32());
      return AlgebraicType::ref(index);
    }
    if (kind == TypeKind::kArray) {
      WL_ASSIGN_OR_RETURN(AlgebraicType element, decode());
      return AlgebraicType::array(std::move(element));
    }
    if (kind == TypeKind::kProduct) {
      WL_ASSIGN_OR_RETURN(ProductType product, decode_product());
      return AlgebraicType::product(std::move(product));
    }
    WL_ASSIGN_OR_RETURN(SumType sum, decode_sum());
    return AlgebraicType::sum(std::move(sum));
  }

  Result<SumType> decode_sum() {
    WL_ASSIGN_OR_RETURN(const uint32_t count, reader_.read_length());
    SumType sum;
    sum.variants.reserve(std::min<size_t>(count, kReserveMax));
    for (uint32_t i = 0; i < count; ++i) {
      SumVariant variant;
      WL_RETURN_IF_ERROR(decode_member(variant.name, variant.type));
      sum.variants.push_back(std::move(variant));
    }
    return sum;
  }

  Status decode_member(std::optional<std::string>& name, AlgebraicType& type) {
    WL_ASSIGN_OR_RETURN(const uint8_t is_none, reader_.read_tag(2, "option"));
    if (is_none == 0) {
      WL_ASSIGN_OR_RETURN(const std::string_view text, reader_.read_string());
      name = std::string(text);
    }
    WL_ASSIGN_OR_RETURN(type, decode());
    return {};
  }

  BsatnReader& reader_;  // Borrowed; outlives this.
  size_t depth_ = 0;
};

void encode_member(const std::optional<std::string>& name, const AlgebraicType& type,
                   BsatnWriter& writer) {
  writer.write_tag(name ? 0 : 1);
  if (name) writer.write_string(*name);
  encode_type(type, writer);
}

// Writes any alternative of AlgebraicValue.
struct ValueEncoder {
  BsatnWriter& writer;

  void encode(const AlgebraicValue& value) const { std::visit(*this, value.storage()); }
  void operator()(const SumValue& sum) const {
    writer.write_tag(sum.tag);
    encode(*sum.value);
  }
  void operator()(const ProductValue& product) const {
    for (const auto& element : product.elements) encode(element);
  }
  void operator()(const ArrayValue& array) const {
    writer.write_length(array.elements.size());
    for (const auto& element : array.elements) encode(element);
  }
  void operator()(const std::string& text) const { writer.write_string(text); }
  void operator()(const ByteBuffer& bytes) const { writer.write_byte_array(bytes); }
  void operator()(bool value) const { writer.write_bool(value); }
  void operator()(const Int256& value) const { writer.write_u256(value.bits); }
  template <typename Number>
  void operator()(const Number& value) const {
    append_le(writer.buffer(), value);
  }
};

}  // namespace

Status BsatnReader::too_short(const char* name, size_t expected) const {
  return Status::invalid_argument("data too short for {}: Expected {}, given {}", name, expected,
                                  remaining());
}

Result<bool> BsatnReader::read_bool() {
  WL_ASSIGN_OR_RETURN(const uint8_t byte, read_u8());
  if (byte > 1)
    return Status::invalid_argument("byte {} not valid as `bool` (must be 0 or 1)", byte);
  return byte == 1;
}

Result<float> BsatnReader::read_f32() {
  WL_ASSIGN_OR_RETURN(const uint32_t bits, read_u32());
  return std::bit_cast<float>(bits);
}

Result<double> BsatnReader::read_f64() {
  WL_ASSIGN_OR_RETURN(const uint64_t bits, read_u64());
  return std::bit_cast<double>(bits);
}

Result<Bytes> BsatnReader::read_raw(size_t count) {
  if (remaining() < count) return too_short("[u8]", count);
  const Bytes bytes(at_, count);
  at_ += count;
  return bytes;
}

Result<Bytes> BsatnReader::read_byte_array() {
  WL_ASSIGN_OR_RETURN(const uint32_t length, read_length());
  return read_raw(length);
}

Result<std::string_view> BsatnReader::read_string() {
  WL_ASSIGN_OR_RETURN(const Bytes bytes, read_byte_array());
  if (!is_valid_utf8(bytes)) return Status::invalid_argument("invalid utf8");
  return as_text(bytes);
}

Result<uint8_t> BsatnReader::read_tag(size_t variant_count, std::string_view type_name) {
  WL_ASSIGN_OR_RETURN(const uint8_t tag, read_u8());
  if (tag >= variant_count)
    return Status::invalid_argument("unknown tag {:#x} for sum type {}", tag, type_name);
  return tag;
}

void BsatnWriter::write_length(size_t length) {
  if (length > UINT32_MAX) {
    is_too_long_ = true;
    return;
  }
  write_u32(static_cast<uint32_t>(length));
}

Status BsatnWriter::status() const {
  if (is_too_long_) return Status::too_large("len too long");
  return {};
}

void BsatnWriter::write_string(std::string_view text) {
  write_byte_array(as_bytes(text));
}

void BsatnWriter::write_byte_array(Bytes bytes) {
  write_length(bytes.size());
  if (bytes.size() <= UINT32_MAX) write_raw(bytes);
}

Result<AlgebraicValue> decode_value(const AlgebraicType& type, const Typespace& typespace,
                                    BsatnReader& reader) {
  return ValueDecoder(typespace, reader).decode(type);
}

Status encode_value(const AlgebraicValue& value, BsatnWriter& writer) {
  ValueEncoder{writer}.encode(value);
  return writer.status();
}

Status skip_value(const AlgebraicType& type, const Typespace& typespace, BsatnReader& reader) {
  return ValueSkipper(typespace, reader).skip(type);
}

Status skip_value(const ProductType& type, const Typespace& typespace, BsatnReader& reader) {
  return ValueSkipper(typespace, reader).skip(type);
}

Result<AlgebraicType> decode_type(BsatnReader& reader) {
  return TypeDecoder(reader).decode();
}

Result<ProductType> decode_product_type(BsatnReader& reader) {
  return TypeDecoder(reader).decode_product();
}

Result<Typespace> decode_typespace(BsatnReader& reader) {
  WL_ASSIGN_OR_RETURN(const uint32_t count, reader.read_length());
  Typespace typespace;
  typespace.types.reserve(std::min<size_t>(count, kReserveMax));
  for (uint32_t i = 0; i < count; ++i) {
    WL_ASSIGN_OR_RETURN(AlgebraicType type, decode_type(reader));
    typespace.types.push_back(std::move(type));
  }
  return typespace;
}

void encode_type(const AlgebraicType& type, BsatnWriter& writer) {
  writer.write_tag(static_cast<uint8_t>(type.kind()));
  switch (type.kind()) {
    case TypeKind::kRef:
      writer.write_u32(type.ref_index());
      return;
    case TypeKind::kArray:
      encode_type(type.element(), writer);
      return;
    case TypeKind::kProduct:
      encode_product_type(type.as_product(), writer);
      return;
    case TypeKind::kSum:
      writer.write_length(type.as_sum().variants.size());
      for (const auto& variant : type.as_sum().variants)
        encode_member(variant.name, variant.type, writer);
      return;
    default:  // Primitives are their tag alone.
      return;
  }
}

void encode_product_type(const ProductType& type, BsatnWriter& writer) {
  writer.write_length(type.elements.size());
  for (const auto& element : type.elements) encode_member(element.name, element.type, writer);
}

void encode_typespace(const Typespace& typespace, BsatnWriter& writer) {
  writer.write_length(typespace.types.size());
  for (const auto& type : typespace.types) encode_type(type, writer);
}

}  // namespace worldline::schema
