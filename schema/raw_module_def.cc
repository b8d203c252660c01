#include "schema/raw_module_def.h"

#include <algorithm>
#include <map>

#include "base/check.h"
#include "schema/bsatn.h"
#include "schema/raw_module_variants.h"
#include "schema/sats_json.h"

namespace worldline::schema {
namespace {

using raw::Fields;
using raw::Variants;

constexpr size_t kItemsReservedMax = 4096;

template <typename T>
struct IsVector : std::false_type {};
template <typename T>
struct IsVector<std::vector<T>> : std::true_type {};
template <typename T>
struct IsOptional : std::false_type {};
template <typename T>
struct IsOptional<std::optional<T>> : std::true_type {};

// --- Decoding. Recursion follows the static types, but for submodules, which are counted. ---

class Decoder {
 public:
  explicit Decoder(Bytes input) : reader_(input) {}

  template <typename T>
  Status decode(T& out) {
    if constexpr (raw::IsProduct<T>) {
      return decode_fields(out);
    } else if constexpr (raw::IsSum<T>) {
      return decode_variant(out);
    } else if constexpr (raw::IsEnum<T>) {
      using Names = raw::EnumNames<T>;
      WL_ASSIGN_OR_RETURN(const uint8_t tag, reader_.read_tag(Names::kNames.size(), Names::kName));
      out = static_cast<T>(tag);
      return {};
    } else if constexpr (IsVector<T>::value) {
      return decode_vector(out);
    } else if constexpr (IsOptional<T>::value) {
      WL_ASSIGN_OR_RETURN(const uint8_t is_none, reader_.read_tag(2, "option"));
      return is_none == 1 ? Status() : decode(out.emplace());
    } else {
      return decode_leaf(out);
    }
  }

 private:
  template <typename T>
  Status decode_fields(T& out) {
    const bool is_mount = std::is_same_v<T, RawSubmoduleV10>;
    if (is_mount && ++mount_depth_ > kSubmoduleDepthMax)
      return Status::too_large("submodules are nested deeper than {} levels", kSubmoduleDepthMax);
    Status status;
    std::apply(
        [this, &out, &status](const auto&... field) {
          // Stops at the first failure, as && does.
          ((status = this->decode(out.*(field.member)), status.ok()) && ...);
        },
        Fields<T>::kFields);
    if (is_mount) --mount_depth_;
    return status;
  }

  template <typename T>
  Status decode_variant(T& out) {
    using Sum = Variants<T>;
    WL_ASSIGN_OR_RETURN(const uint8_t tag, reader_.read_tag(Sum::kNames.size(), Sum::kName));
    Sum::select(out, tag);
    return Sum::payload(out, [this](auto& payload) { return this->decode(payload); });
  }

  template <typename T>
  Status decode_vector(std::vector<T>& out) {
    WL_ASSIGN_OR_RETURN(const uint32_t count, reader_.read_length());
    out.reserve(std::min<size_t>(count, kItemsReservedMax));
    for (uint32_t i = 0; i < count; ++i) WL_RETURN_IF_ERROR(decode(out.emplace_back()));
    return {};
  }
  Status decode_vector(ByteBuffer& out) {
    WL_ASSIGN_OR_RETURN(const Bytes bytes, reader_.read_byte_array());
    out.assign(bytes.begin(), bytes.end());
    return {};
  }
  Status decode_vector(std::vector<ProductElement>& out) {
    WL_ASSIGN_OR_RETURN(ProductType product, decode_product_type(reader_));
    out = std::move(product.elements);
    return {};
  }

  template <typename T, typename U>
  static Status assign(T& out, Result<U> result) {
    if (!result.ok()) return result.status();
    out = static_cast<T>(std::move(result).value());
    return {};
  }
  Status decode_leaf(raw::Unit&) { return {}; }
  Status decode_leaf(bool& out) { return assign(out, reader_.read_bool()); }
  Status decode_leaf(uint8_t& out) { return assign(out, reader_.read_u8()); }
  Status decode_leaf(uint16_t& out) { return assign(out, reader_.read_u16()); }
  Status decode_leaf(uint32_t& out) { return assign(out, reader_.read_u32()); }
  Status decode_leaf(Int128& out) { return assign(out, reader_.read_i128()); }
  Status decode_leaf(std::string& out) { return assign(out, reader_.read_string()); }
  Status decode_leaf(AlgebraicType& out) { return assign(out, decode_type(reader_)); }
  Status decode_leaf(ProductType& out) { return assign(out, decode_product_type(reader_)); }
  Status decode_leaf(Typespace& out) { return assign(out, decode_typespace(reader_)); }

  BsatnReader reader_;
  size_t mount_depth_ = 0;
};

// --- Encoding. ---

class Encoder {
 public:
  explicit Encoder(ByteBuffer& out) : writer_(out) {}

  template <typename T>
  void encode(const T& value) {
    if constexpr (raw::IsProduct<T>) {
      std::apply(
          [this, &value](const auto&... field) { (this->encode(value.*(field.member)), ...); },
          Fields<T>::kFields);
    } else if constexpr (raw::IsSum<T>) {
      using Sum = Variants<T>;
      writer_.write_tag(Sum::tag(value));
      Sum::payload(value, [this](const auto& payload) {
        this->encode(payload);
        return Status();
      }).ignore("encoding cannot fail");
    } else if constexpr (raw::IsEnum<T>) {
      writer_.write_tag(static_cast<uint8_t>(value));
    } else if constexpr (IsVector<T>::value) {
      encode_vector(value);
    } else if constexpr (IsOptional<T>::value) {
      writer_.write_tag(value ? 0 : 1);
      if (value) encode(*value);
    } else {
      encode_leaf(value);
    }
  }

 private:
  template <typename T>
  void encode_vector(const std::vector<T>& values) {
    writer_.write_length(values.size());
    for (const auto& value : values) encode(value);
  }
  void encode_vector(const ByteBuffer& bytes) { writer_.write_byte_array(bytes); }
  void encode_vector(const std::vector<ProductElement>& elements) {
    encode_product_type({elements}, writer_);
  }

  void encode_leaf(const raw::Unit&) {}
  void encode_leaf(bool value) { writer_.write_bool(value); }
  void encode_leaf(uint8_t value) { writer_.write_u8(value); }
  void encode_leaf(uint16_t value) { writer_.write_u16(value); }
  void encode_leaf(uint32_t value) { writer_.write_u32(value); }
  void encode_leaf(const Int128& value) { writer_.write_i128(value); }
  void encode_leaf(const std::string& value) { writer_.write_string(value); }
  void encode_leaf(const AlgebraicType& value) { encode_type(value, writer_); }
  void encode_leaf(const ProductType& value) { encode_product_type(value, writer_); }
  void encode_leaf(const Typespace& value) { encode_typespace(value, writer_); }

  BsatnWriter writer_;
};

// --- Description. Each C++ type is entered once, before its members, so recursion ends. ---

class Describer {
 public:
  TypeDescription take() {
    WL_CHECK(refs_.empty() || refs_.size() == description_.names.size());
    return std::move(description_);
  }

  template <typename T>
  AlgebraicType describe() {
    if constexpr (raw::IsProduct<T>) {
      return entry(Fields<T>::kName, [this] { return this->template describe_fields<T>(); });
    } else if constexpr (raw::IsSum<T>) {
      return entry(Variants<T>::kName, [this] { return this->template describe_variants<T>(); });
    } else if constexpr (raw::IsEnum<T>) {
      return entry(raw::EnumNames<T>::kName, [] {
        SumType sum;
        for (const char* name : raw::EnumNames<T>::kNames)
          sum.variants.push_back({name, AlgebraicType::unit()});
        return AlgebraicType::sum(std::move(sum));
      });
    } else if constexpr (std::is_same_v<T, ByteBuffer>) {
      return AlgebraicType::bytes();
    } else if constexpr (std::is_same_v<T, std::vector<ProductElement>>) {
      return AlgebraicType::array(meta("ProductTypeElement"));
    } else if constexpr (IsVector<T>::value || IsOptional<T>::value) {
      AlgebraicType inner = describe<typename T::value_type>();
      return IsVector<T>::value ? AlgebraicType::array(std::move(inner))
                                : AlgebraicType::option(std::move(inner));
    } else {
      return leaf(static_cast<const T*>(nullptr));
    }
  }

 private:
  template <typename Make>
  AlgebraicType entry(const char* name, Make make) {
    if (const auto found = refs_.find(name); found != refs_.end())
      return AlgebraicType::ref(found->second);
    const auto ref = static_cast<uint32_t>(description_.names.size());
    refs_.emplace(name, ref);
    description_.names.emplace_back(name);
    description_.typespace.types.emplace_back();  // Filled when its members are known.
    AlgebraicType type = make();
    description_.typespace.types[ref] = std::move(type);
    return AlgebraicType::ref(ref);
  }

  template <typename T>
  AlgebraicType describe_fields() {
    ProductType product;
    std::apply(
        [this, &product](const auto&... field) {
          (product.elements.push_back({field.name, this->describe_member(field.member)}), ...);
        },
        Fields<T>::kFields);
    return AlgebraicType::product(std::move(product));
  }
  template <typename Owner, typename Member>
  AlgebraicType describe_member(Member Owner::*) {
    return describe<Member>();
  }

  template <typename T>
  AlgebraicType describe_variants() {
    SumType sum;
    for (uint8_t tag = 0; tag < Variants<T>::kNames.size(); ++tag) {
      T value;
      Variants<T>::select(value, tag);
      AlgebraicType payload;
      Variants<T>::payload(value, [this, &payload](auto& part) {
        payload = this->template describe<std::remove_cvref_t<decltype(part)>>();
        return Status();
      }).ignore("describing cannot fail");
      sum.variants.push_back({Variants<T>::kNames[tag], std::move(payload)});
    }
    return AlgebraicType::sum(std::move(sum));
  }

  // Copies an entry of the meta-type, its refs renumbered by name.
  AlgebraicType meta(const std::string& name) {
    static const std::vector<std::string> kMetaNames = {"AlgebraicType",      "SumType",
                                                        "SumTypeVariant",     "ProductType",
                                                        "ProductTypeElement", "Typespace"};
    const auto at = std::find(kMetaNames.begin(), kMetaNames.end(), name) - kMetaNames.begin();
    return entry(kMetaNames[static_cast<size_t>(at)].c_str(), [this, at] {
      return renumber(meta_typespace().types[static_cast<size_t>(at)], kMetaNames);
    });
  }
  AlgebraicType renumber(const AlgebraicType& type, const std::vector<std::string>& names) {
    if (type.is_ref()) return meta(names[type.ref_index()]);
    if (type.is_array()) return AlgebraicType::array(renumber(type.element(), names));
    if (type.is_product()) {
      ProductType product;
      for (const auto& element : type.as_product().elements)
        product.elements.push_back({element.name, renumber(element.type, names)});
      return AlgebraicType::product(std::move(product));
    }
    if (!type.is_sum()) return type;
    SumType sum;
    for (const auto& variant : type.as_sum().variants)
      sum.variants.push_back({variant.name, renumber(variant.type, names)});
    return AlgebraicType::sum(std::move(sum));
  }

  static AlgebraicType leaf(const raw::Unit*) { return AlgebraicType::unit(); }
  static AlgebraicType leaf(const bool*) { return AlgebraicType::boolean(); }
  static AlgebraicType leaf(const uint8_t*) { return AlgebraicType::primitive(TypeKind::kU8); }
  static AlgebraicType leaf(const uint16_t*) { return AlgebraicType::primitive(TypeKind::kU16); }
  static AlgebraicType leaf(const uint32_t*) { return AlgebraicType::primitive(TypeKind::kU32); }
  static AlgebraicType leaf(const Int128*) { return AlgebraicType::primitive(TypeKind::kI128); }
  static AlgebraicType leaf(const std::string*) { return AlgebraicType::string(); }
  AlgebraicType leaf(const AlgebraicType*) { return meta("AlgebraicType"); }
  AlgebraicType leaf(const ProductType*) { return meta("ProductType"); }
  AlgebraicType leaf(const Typespace*) { return meta("Typespace"); }

  TypeDescription description_;
  std::map<std::string, uint32_t, std::less<>> refs_;
};

TypeDescription describe_all() {
  Describer describer;
  describer.describe<RawModuleDef>();
  return describer.take();
}

template <typename T>
Result<std::string> print_json(const T& def, std::string_view type_name) {
  ByteBuffer encoded;
  Encoder(encoded).encode(def);
  const TypeDescription& description = raw_module_def_types();
  std::string out;
  WL_RETURN_IF_ERROR(
      append_description_json(*description.find(type_name), description.typespace, encoded, out));
  return out;
}

}  // namespace

std::optional<uint32_t> TypeDescription::find(std::string_view name) const {
  const auto at = std::find(names.begin(), names.end(), name);
  if (at == names.end()) return std::nullopt;
  return static_cast<uint32_t>(at - names.begin());
}

Result<RawModuleDef> decode_raw_module_def(Bytes input) {
  if (input.size() > kModuleDefBytesMax)
    return Status::too_large("module definition of {} bytes exceeds the limit of {}", input.size(),
                             kModuleDefBytesMax);
  RawModuleDef def;
  WL_RETURN_IF_ERROR(Decoder(input).decode(def));
  return def;
}

void encode_raw_module_def(const RawModuleDef& def, ByteBuffer& out) {
  Encoder(out).encode(def);
}

const TypeDescription& raw_module_def_types() {
  static const TypeDescription kTypes = describe_all();
  return kTypes;
}

Result<std::string> print_raw_module_def_json(const RawModuleDef& def) {
  return print_json(def, "RawModuleDef");
}

Result<std::string> print_raw_module_def_json(const RawModuleDefV9& def) {
  return print_json(def, "RawModuleDefV9");
}

Result<std::string> print_raw_module_def_json(const RawModuleDefV10& def) {
  return print_json(def, "RawModuleDefV10");
}

Result<RawModuleDef> parse_raw_module_def_json(std::string_view text) {
  ByteBuffer encoded;
  const TypeDescription& description = raw_module_def_types();
  WL_RETURN_IF_ERROR(
      parse_json(text, description.typespace.types[0], description.typespace, encoded));
  return decode_raw_module_def(encoded);
}

}  // namespace worldline::schema
