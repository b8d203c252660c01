#include "schema/key_encoding.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace worldline::schema {
namespace {

constexpr Byte kEscape = 0x00;
constexpr Byte kEscapedZero = 0xff;
constexpr Byte kArrayElement = 0x01;
constexpr Byte kArrayEnd = 0x00;

// One bit pattern per class of equal floats, in total order when read as unsigned.
template <typename Bits>
Bits ordered_float_bits(Bits bits) {
  constexpr Bits kSign = Bits{1} << (sizeof(Bits) * 8 - 1);
  constexpr Bits kInfinity =
      sizeof(Bits) == 4 ? Bits{0x7f800000} : Bits{0x7ff} << (sizeof(Bits) == 4 ? 0 : 52);
  if ((bits & ~kSign) > kInfinity) return ~Bits{0};  // NaN, all of them, above everything.
  if (bits == kSign) bits = 0;                       // -0 equals +0.
  return (bits & kSign) != 0 ? static_cast<Bits>(~bits) : static_cast<Bits>(bits | kSign);
}

// Where a normal form goes: it is written, or compared with one that is known.
class KeyWriter {
 public:
  explicit KeyWriter(ByteBuffer& out) : out_(out) {}
  void put(Byte byte) { out_.push_back(byte); }
  void put(const Byte* bytes, size_t size) { out_.insert(out_.end(), bytes, bytes + size); }
  void put_reversed(const Byte* bytes, size_t size, Byte flip) {
    const size_t first = out_.size();
    out_.resize(first + size);
    std::reverse_copy(bytes, bytes + size, out_.begin() + static_cast<ptrdiff_t>(first));
    out_[first] ^= flip;
  }

 private:
  ByteBuffer& out_;
};

class KeyMatcher {
 public:
  explicit KeyMatcher(Bytes key) : at_(key.data()), end_(key.data() + key.size()) {}
  bool is_matched() const { return is_same_ && at_ == end_; }
  void put(Byte byte) { is_same_ = is_same_ && at_ != end_ && *at_++ == byte; }
  void put(const Byte* bytes, size_t size) {
    if (takes(size)) is_same_ = std::memcmp(std::exchange(at_, at_ + size), bytes, size) == 0;
  }
  void put_reversed(const Byte* bytes, size_t size, Byte flip) {
    if (!takes(size)) return;
    const Byte* key = std::exchange(at_, at_ + size);
    bool is_same = true;
    const Byte* end = bytes + size;
    for (; end - bytes >= 8 && is_same; end -= 8, key += 8) {
      const uint64_t word = load_le<uint64_t>(end - 8) ^ uint64_t { std::exchange(flip, 0) } << 56;
      is_same = __builtin_bswap64(word) == load_le<uint64_t>(key);
    }
    for (; end != bytes && is_same; --end, ++key)
      is_same = (end[-1] ^ std::exchange(flip, 0)) == *key;
    is_same_ = is_same;
  }

 private:
  bool takes(size_t size) { return is_same_ = is_same_ && static_cast<size_t>(end_ - at_) >= size; }
  const Byte* at_;
  const Byte* end_;
  bool is_same_ = true;
};

template <typename Bits, typename Sink>
void append_big_endian(Bits bits, Sink& out) {
  for (size_t i = sizeof bits; i-- > 0;) out.put(static_cast<Byte>(bits >> (8 * i)));
}

template <typename Sink>
void append_escaped(Bytes bytes, Sink& out) {
  for (const Byte b : bytes) {
    out.put(b);
    if (b == kEscape) out.put(kEscapedZero);
  }
  out.put(kEscape);
  out.put(kEscape);
}

// A type with a single value, encoded as nothing. Recursion follows the type.
bool is_zero_size(const AlgebraicType& type) {
  if (!type.is_product()) return false;
  const auto& elements = type.as_product().elements;
  return std::all_of(elements.begin(), elements.end(),
                     [](const ProductElement& element) { return is_zero_size(element.type); });
}

std::strong_ordering compare_bytes(Bytes a, Bytes b) {
  const size_t common = std::min(a.size(), b.size());
  const int order = common == 0 ? 0 : std::memcmp(a.data(), b.data(), common);
  if (order != 0) return order <=> 0;
  return a.size() <=> b.size();
}

// Compares numbers of `width` bytes as unsigned or signed integers.
std::strong_ordering compare_integers(const Byte* a, const Byte* b, size_t width, bool is_signed) {
  Byte flip = is_signed ? 0x80 : 0;  // Applies to the most significant byte.
  for (size_t i = width; i-- > 0;) {
    const auto x = static_cast<Byte>(a[i] ^ flip);
    const auto y = static_cast<Byte>(b[i] ^ flip);
    if (x != y) return x <=> y;
    flip = 0;
  }
  return std::strong_ordering::equal;
}

// Walks two values in step. Recursion follows the type. When the result is not `equal`, the
// positions are meaningless.
class Comparator {
 public:
  Comparator(const Byte* a, const Byte* b) : a_(a), b_(b) {}

  std::strong_ordering compare(const AlgebraicType& type) {
    switch (type.kind()) {
      case TypeKind::kProduct:
        for (const auto& element : type.as_product().elements)
          if (const auto order = compare(element.type); order != 0) return order;
        return std::strong_ordering::equal;
      case TypeKind::kSum: {
        const Byte tag = *a_++;
        if (const auto order = tag <=> *b_++; order != 0) return order;
        return compare(type.as_sum().variants[tag].type);
      }
      case TypeKind::kArray:
        return compare_arrays(type.element());
      case TypeKind::kString:
        return compare_byte_arrays();
      case TypeKind::kF32:
        return compare_floats<uint32_t>();
      case TypeKind::kF64:
        return compare_floats<uint64_t>();
      default: {  // Bool and integers.
        const size_t width = type.primitive_bytes();
        const auto order = compare_integers(a_, b_, width, type.is_signed_integer());
        a_ += width;
        b_ += width;
        return order;
      }
    }
  }

 private:
  std::strong_ordering compare_byte_arrays() {
    const Bytes a(a_ + 4, load_le<uint32_t>(a_));
    const Bytes b(b_ + 4, load_le<uint32_t>(b_));
    a_ += 4 + a.size();
    b_ += 4 + b.size();
    return compare_bytes(a, b);
  }

  std::strong_ordering compare_arrays(const AlgebraicType& element) {
    if (element.kind() == TypeKind::kU8) return compare_byte_arrays();
    const auto count_a = load_le<uint32_t>(a_);
    const auto count_b = load_le<uint32_t>(b_);
    a_ += 4;
    b_ += 4;
    const uint32_t common = is_zero_size(element) ? 0 : std::min(count_a, count_b);
    for (uint32_t i = 0; i < common; ++i)
      if (const auto order = compare(element); order != 0) return order;
    return count_a <=> count_b;
  }

  template <typename Bits>
  std::strong_ordering compare_floats() {
    const auto order =
        ordered_float_bits(load_le<Bits>(a_)) <=> ordered_float_bits(load_le<Bits>(b_));
    a_ += sizeof(Bits);
    b_ += sizeof(Bits);
    return order;
  }

  const Byte* a_;
  const Byte* b_;
};

template <typename Sink>
const Byte* append_key(const AlgebraicType& type, const Byte* at, Sink& out);

template <typename Sink>
const Byte* append_array_key(const AlgebraicType& element, const Byte* at, Sink& out) {
  const auto count = load_le<uint32_t>(at);
  at += 4;
  if (element.kind() == TypeKind::kU8) {
    append_escaped({at, count}, out);
    return at + count;
  }
  if (is_zero_size(element)) {
    append_big_endian(count, out);
    return at;
  }
  for (uint32_t i = 0; i < count; ++i) {
    out.put(kArrayElement);
    at = append_key(element, at, out);
  }
  out.put(kArrayEnd);
  return at;
}

// Recursion follows the type.
template <typename Sink>
const Byte* append_key(const AlgebraicType& type, const Byte* at, Sink& out) {
  switch (type.kind()) {
    case TypeKind::kProduct:
      for (const auto& element : type.as_product().elements) at = append_key(element.type, at, out);
      return at;
    case TypeKind::kSum:
      out.put(*at);
      return append_key(type.as_sum().variants[*at].type, at + 1, out);
    case TypeKind::kArray:
      return append_array_key(type.element(), at, out);
    case TypeKind::kString: {
      const auto length = load_le<uint32_t>(at);
      append_escaped({at + 4, length}, out);
      return at + 4 + length;
    }
    case TypeKind::kF32:
      append_big_endian(ordered_float_bits(load_le<uint32_t>(at)), out);
      return at + 4;
    case TypeKind::kF64:
      append_big_endian(ordered_float_bits(load_le<uint64_t>(at)), out);
      return at + 8;
    default: {  // Bool and integers.
      const uint32_t width = type.primitive_bytes();
      out.put_reversed(at, width, type.is_signed_integer() ? 0x80 : 0);
      return at + width;
    }
  }
}

// The one element of nested one-element products, e.g. the I64 of a Timestamp.
const AlgebraicType& unwrap(const AlgebraicType& type) {
  const AlgebraicType* at = &type;
  while (at->is_product() && at->as_product().elements.size() == 1)
    at = &at->as_product().elements[0].type;
  return *at;
}

}  // namespace

std::strong_ordering compare_bsatn(const AlgebraicType& type, Bytes a, Bytes b) {
  return Comparator(a.data(), b.data()).compare(type);
}

size_t append_normalised_key(const AlgebraicType& type, Bytes value, ByteBuffer& out) {
  KeyWriter writer(out);
  return static_cast<size_t>(append_key(type, value.data(), writer) - value.data());
}

KeyEncoder KeyEncoder::compile(const RowLayout& layout, std::span<const ColumnId> columns) {
  KeyEncoder encoder;
  uint32_t size = 0;
  bool fixed = true;
  for (const ColumnId column : columns) {
    Part part;
    part.column = column;
    part.type = layout.column_type(column);
    const AlgebraicType& inner = unwrap(part.type);
    if (inner.kind() == TypeKind::kBool || inner.is_plain_enum()) part.width = 1;
    if (inner.is_integer() && inner.primitive_bytes() <= 8)
      part.width = static_cast<uint8_t>(inner.primitive_bytes());
    if (inner.is_signed_integer() && part.width > 0)
      part.sign_bit = uint64_t{1} << (8 * part.width - 1);
    const auto column_size = layout.fixed_column_size(column);
    fixed = fixed && column_size.has_value();
    size += column_size.value_or(0);
    encoder.parts_.push_back(std::move(part));
  }
  encoder.is_word_ = encoder.parts_.size() == 1 && encoder.parts_[0].width > 0;
  if (fixed) encoder.fixed_size_ = size;  // Normal forms of fixed-size values keep their size.
  return encoder;
}

uint64_t KeyEncoder::load_word(const Part& part, const Byte* at) {
  uint64_t word = 0;
  switch (part.width) {
    case 1:
      word = *at;
      break;
    case 2:
      word = load_le<uint16_t>(at);
      break;
    case 4:
      word = load_le<uint32_t>(at);
      break;
    default:
      word = load_le<uint64_t>(at);
  }
  return word ^ part.sign_bit;
}

template <typename Sink>
size_t KeyEncoder::put_part(const Part& part, Bytes value, Sink& out) {
  if (part.width == 0)
    return static_cast<size_t>(append_key(part.type, value.data(), out) - value.data());
  const uint64_t word = __builtin_bswap64(load_word(part, value.data()) << (64 - 8 * part.width));
  out.put(reinterpret_cast<const Byte*>(&word), part.width);
  return part.width;
}

template <typename Sink>
void KeyEncoder::put_row_key(const RowLayout& layout, Bytes row, Sink& out) const {
  for (const Part& part : parts_)
    put_part(part, row.subspan(layout.column_offset(row, part.column)), out);
}

size_t KeyEncoder::append_part(size_t index, Bytes value, ByteBuffer& out) const {
  KeyWriter writer(out);
  return put_part(parts_[index], value, writer);
}

void KeyEncoder::append_row_key(const RowLayout& layout, Bytes row, ByteBuffer& out) const {
  KeyWriter writer(out);
  put_row_key(layout, row, writer);
}

bool KeyEncoder::is_row_key(const RowLayout& layout, Bytes row, Bytes key) const {
  KeyMatcher matcher(key);
  put_row_key(layout, row, matcher);
  return matcher.is_matched();
}

uint64_t KeyEncoder::word_of_row(const RowLayout& layout, Bytes row) const {
  WL_DCHECK(is_word_);
  return load_word(parts_[0], row.data() + layout.column_offset(row, parts_[0].column));
}

uint64_t KeyEncoder::word_of_value(Bytes value) const {
  WL_DCHECK(is_word_);
  return load_word(parts_[0], value.data());
}

}  // namespace worldline::schema
