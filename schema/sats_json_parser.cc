// SATS-JSON -> BSATN. The tokens come from nlohmann's SAX parser (which does not recurse); this
// file decides what each token means for the expected type and appends bytes at once.
//
// The idea: a stack of frames, one per open array or object. Each frame knows the type it fills and
// which part comes next, so the expected type of the next value is always at hand. An object lists
// the fields of a product in any order: their bytes are appended as they come and permuted once at
// the closing brace, only if the order was not the declared one.
#include <charconv>
#include <cmath>
#include <iterator>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/check.h"
#include "schema/bsatn.h"
#include "schema/number_text.h"
#include "schema/sats_json.h"

namespace worldline::schema {
namespace {

// Feeds the lexer and remembers how far it read, for the position in messages.
class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator() = default;
  CountingIterator(const char* at, const char** furthest) : at_(at), furthest_(furthest) {}

  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    *furthest_ = ++at_;
    return *this;
  }
  CountingIterator operator++(int) {
    CountingIterator before = *this;
    ++*this;
    return before;
  }
  friend bool operator==(const CountingIterator& a, const CountingIterator& b) {
    return a.at_ == b.at_;
  }

 private:
  const char* at_ = nullptr;
  const char** furthest_ = nullptr;  // Borrowed; outlives this.
};

std::string position_suffix(std::string_view text, size_t read) {
  size_t line = 1;
  size_t column = 0;
  for (const char c : text.substr(0, read)) {
    column = c == '\n' ? 0 : column + 1;
    line += c == '\n' ? 1 : 0;
  }
  return fmt::format(" at line {} column {}", line, column);
}

// Input repeated in a message, cut so that a large value does not become a large error.
std::string_view shown(std::string_view text) {
  constexpr size_t kShownMax = 256;
  if (text.size() <= kShownMax) return text;
  size_t end = kShownMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

std::string quoted_list(const std::vector<std::string>& names) {
  if (names.empty()) return "nothing";
  if (names.size() == 1) return fmt::format("`{}`", names[0]);
  if (names.size() == 2) return fmt::format("`{}` or `{}`", names[0], names[1]);
  std::string out = "one of ";
  for (size_t i = 0; i < names.size(); ++i)
    out += fmt::format("{}`{}`", i == 0 ? "" : ", ", names[i]);
  return out;
}

template <typename Members>
std::vector<std::string> names_of(const Members& members) {
  std::vector<std::string> names;
  for (const auto& member : members)
    if (member.name) names.push_back(*member.name);
  return names;
}

std::string expectation(const AlgebraicType& type) {
  switch (type.kind()) {
    case TypeKind::kString:
      return "a string";
    case TypeKind::kBool:
      return "a boolean";
    case TypeKind::kArray:
      return type.is_bytes() ? "a byte array" : "a sequence";
    case TypeKind::kProduct:
      return fmt::format("product type <product> with {} elements",
                         type.as_product().elements.size());
    case TypeKind::kSum:
      return "sum type <unknown>";
    case TypeKind::kU256:
    case TypeKind::kI256:
      return "a string of a 256-bit number with prefix `0x`";
    default: {
      std::string name = type_kind_name(type.kind());
      name[0] = static_cast<char>(name[0] - 'A' + 'a');
      return name;
    }
  }
}

// A string that parses as u8 selects a variant by tag [S 01/3.2].
std::optional<uint8_t> parse_tag(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  uint8_t tag = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), tag);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return tag;
}

// A JSON number as the lexer gives it.
struct JsonNumber {
  enum class Form : uint8_t { kSigned, kUnsigned, kText } form;
  int64_t signed_value = 0;
  uint64_t unsigned_value = 0;
  double float_value = 0;      // Of kText.
  std::string_view text = {};  // Of kText; borrowed.

  bool is_integer() const {
    return form != Form::kText || text.find_first_of(".eE") == std::string_view::npos;
  }
  std::string print() const {
    switch (form) {
      case Form::kSigned:
        return fmt::format("integer `{}`", signed_value);
      case Form::kUnsigned:
        return fmt::format("integer `{}`", unsigned_value);
      case Form::kText:
        break;
    }
    return fmt::format("{} `{}`", is_integer() ? "integer" : "floating point", shown(text));
  }
  std::optional<Int128> as_i128() const {
    if (form == Form::kSigned) return signed_value;
    if (form == Form::kUnsigned) return unsigned_value;
    return parse_decimal_i128(text);
  }
  std::optional<UInt128> as_u128() const {
    if (form == Form::kUnsigned) return unsigned_value;
    if (form == Form::kText) return parse_decimal_u128(text);
    if (signed_value < 0) return std::nullopt;
    return static_cast<UInt128>(signed_value);
  }
  double as_double() const {
    if (form == Form::kSigned) return static_cast<double>(signed_value);
    if (form == Form::kUnsigned) return static_cast<double>(unsigned_value);
    return float_value;
  }
  // Rounded once from the text, not by way of double.
  float as_float() const {
    if (form == Form::kSigned) return static_cast<float>(signed_value);
    if (form == Form::kUnsigned) return static_cast<float>(unsigned_value);
    float value = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc())
      return value;
    return static_cast<float>(float_value);
  }
};

enum class FrameKind : uint8_t { kArray, kProductArray, kProductObject, kSumArray, kSumObject };

struct FieldSpan {
  size_t begin = 0;  // In the output.
  size_t end = 0;
  bool seen = false;
};

struct Frame {
  FrameKind kind;
  const AlgebraicType* type;  // Never a ref; null for the arguments of a function.
  size_t start;               // Output offset where the value begins.
  uint32_t count = 0;         // Parts complete.
  uint16_t field = 0;         // Being read, of a product object.
  bool in_order = true;       // Fields came as declared so far.
  uint8_t tag = 0;            // Of a sum, once count > 0.
  size_t first_span = 0;      // Into spans_, of a product object.
  bool in_part = false;       // A part is being read: it belongs to the path.
  std::string key = {};       // Of that part, of an object.
};

class JsonReader {
 public:
  using Json = nlohmann::json;
  using number_integer_t = Json::number_integer_t;
  using number_unsigned_t = Json::number_unsigned_t;
  using number_float_t = Json::number_float_t;
  using string_t = Json::string_t;
  using binary_t = Json::binary_t;

  JsonReader(std::string_view text, const Typespace& typespace, ByteBuffer& out)
      : text_(text), furthest_(text.data()), typespace_(typespace), out_(out), writer_(out) {}

  // Exactly one of `type` and `function` is given.
  bool run(const AlgebraicType* type, const FunctionSignature* function) {
    top_type_ = type;
    if (function != nullptr) {
      arguments_ = &function->params;
      function_name_ = function->name;
    }
    if (text_.starts_with("\xef\xbb\xbf")) return fail("expected value");  // A mark is no space.
    const char* const end = text_.data() + text_.size();
    return Json::sax_parse(CountingIterator(text_.data(), &furthest_),
                           CountingIterator(end, &furthest_), this) &&
           error_.empty();
  }

  const std::string& error() const { return error_; }  // With position.
  const std::string& path() const { return path_; }
  bool has_path() const { return !after_value_; }

  // --- What the parser calls; false ends it. ---
  bool null();
  bool boolean(bool value);
  bool number_integer(number_integer_t value);
  bool number_unsigned(number_unsigned_t value);
  bool number_float(number_float_t value, const string_t& text);
  bool string(string_t& value);
  bool binary(binary_t&) { return fail("unexpected binary value"); }
  bool start_object(size_t);
  bool key(string_t& name);
  bool end_object();
  bool start_array(size_t);
  bool end_array();
  bool parse_error(size_t, const std::string&, const Json::exception& error);

 private:
  bool fail(std::string message);
  bool fail_type(std::string_view found, const AlgebraicType& expected) {
    return fail(fmt::format("invalid type: {}, expected {}", found, expectation(expected)));
  }
  void build_path();

  // The type of the value that begins, refs followed; null after a failure. For the first part of
  // a sum array, `is_tag` is set instead.
  const AlgebraicType* begin_value(bool& is_tag);
  bool end_value();
  const AlgebraicType* part_type(Frame& frame, bool& is_tag);

  bool number(const JsonNumber& value);
  bool write_number(const AlgebraicType& type, const JsonNumber& value);
  bool write_wide(const AlgebraicType& type, std::string_view text);
  bool write_bytes(std::string_view hex);
  bool select_variant(Frame& frame, std::string_view name);
  bool select_tag(Frame& frame, uint64_t tag);
  bool end_product(Frame& frame);
  void restore_field_order(const Frame& frame, size_t field_count);
  bool open(FrameKind kind, const AlgebraicType* type);
  bool finish_frame();

  const ProductType& product_of(const Frame& frame) const {
    return frame.type == nullptr ? *arguments_ : frame.type->as_product();
  }
  const char* field_word(const Frame& frame) const {
    return frame.type == nullptr ? "reducer argument" : "field";
  }

  std::string_view text_;
  const char* furthest_;
  const Typespace& typespace_;               // Borrowed; outlives this.
  const AlgebraicType* top_type_ = nullptr;  // Borrowed.
  std::string_view function_name_;           // Of `arguments_`.
  const ProductType* arguments_ = nullptr;   // Borrowed.
  ByteBuffer& out_;                          // Borrowed; outlives this.
  BsatnWriter writer_;
  std::vector<Frame> frames_;
  std::vector<FieldSpan> spans_;  // Of all open product objects, innermost last.
  ByteBuffer scratch_;
  bool after_value_ = false;   // The top-level value is complete.
  bool number_ahead_ = false;  // The lexer has read the character behind the number, if any.
  std::string error_;
  std::string path_;
};

void JsonReader::build_path() {
  for (const Frame& frame : frames_) {
    if (!frame.in_part) continue;
    const bool is_object =
        frame.kind == FrameKind::kProductObject || frame.kind == FrameKind::kSumObject;
    if (!is_object) {
      path_ += fmt::format("[{}]", frame.count);
      continue;
    }
    if (!path_.empty()) path_ += '.';
    path_ += frame.key;
  }
  if (path_.empty()) path_ = ".";
}

bool JsonReader::fail(std::string message) {
  if (!error_.empty()) return false;
  auto read = static_cast<size_t>(furthest_ - text_.data());
  constexpr std::string_view kNumberCharacters = "0123456789+-.eE";
  if (number_ahead_ && read > 0 &&
      kNumberCharacters.find(text_[read - 1]) == std::string_view::npos)
    --read;
  error_ = std::move(message) + position_suffix(text_, read);
  build_path();
  return false;
}

bool JsonReader::parse_error(size_t, const std::string&, const Json::exception& error) {
  constexpr int kNumberOverflow = 406;
  if (error.id == kNumberOverflow) return fail("number out of range");
  if (after_value_) return fail("trailing characters");
  const bool at_end = furthest_ == text_.data() + text_.size();
  return fail(at_end ? "EOF while parsing a value" : "expected value");
}

const AlgebraicType* JsonReader::part_type(Frame& frame, bool& is_tag) {
  switch (frame.kind) {
    case FrameKind::kArray:
      return &frame.type->element();
    case FrameKind::kProductArray: {
      const ProductType& product = product_of(frame);
      if (frame.count < product.elements.size()) return &product.elements[frame.count].type;
      frame.in_part = false;
      fail("trailing characters");
      return nullptr;
    }
    case FrameKind::kProductObject:
      return &product_of(frame).elements[frame.field].type;
    case FrameKind::kSumArray:
      is_tag = frame.count == 0;
      if (is_tag) return frame.type;
      if (frame.count == 1) return &frame.type->as_sum().variants[frame.tag].type;
      frame.in_part = false;
      fail("trailing characters");
      return nullptr;
    case FrameKind::kSumObject:
      return &frame.type->as_sum().variants[frame.tag].type;
  }
  return nullptr;
}

const AlgebraicType* JsonReader::begin_value(bool& is_tag) {
  is_tag = false;
  const AlgebraicType* type = top_type_;
  if (!frames_.empty()) {
    frames_.back().in_part = true;
    type = part_type(frames_.back(), is_tag);
  }
  if (type == nullptr) return nullptr;
  const AlgebraicType* target = typespace_.follow(*type);
  if (target == nullptr) fail("type reference out of bounds");
  return target;
}

bool JsonReader::end_value() {
  if (frames_.empty()) {
    after_value_ = true;
    return true;
  }
  Frame& frame = frames_.back();
  if (frame.kind == FrameKind::kProductObject) {
    FieldSpan& span = spans_[frame.first_span + frame.field];
    span.end = out_.size();
    span.seen = true;
  }
  frame.in_part = false;
  ++frame.count;
  return true;
}

bool JsonReader::null() {
  number_ahead_ = false;
  bool is_tag = false;
  if (frames_.empty() && top_type_ == nullptr)
    return fail("invalid type: null, expected reducer args");
  const AlgebraicType* type = begin_value(is_tag);
  if (type == nullptr) return false;
  if (is_tag || !type->is_option()) return fail_type("null", *type);
  writer_.write_tag(1);  // None.
  return end_value();
}

bool JsonReader::boolean(bool value) {
  number_ahead_ = false;
  bool is_tag = false;
  const char* const found = value ? "boolean `true`" : "boolean `false`";
  if (frames_.empty() && top_type_ == nullptr)
    return fail(fmt::format("invalid type: {}, expected reducer args", found));
  const AlgebraicType* type = begin_value(is_tag);
  if (type == nullptr) return false;
  if (is_tag || type->kind() != TypeKind::kBool) return fail_type(found, *type);
  writer_.write_bool(value);
  return end_value();
}

bool JsonReader::number_integer(number_integer_t value) {
  return number({.form = JsonNumber::Form::kSigned, .signed_value = value});
}

bool JsonReader::number_unsigned(number_unsigned_t value) {
  return number({.form = JsonNumber::Form::kUnsigned, .unsigned_value = value});
}

bool JsonReader::number_float(number_float_t value, const string_t& text) {
  return number({.form = JsonNumber::Form::kText, .float_value = value, .text = text});
}

bool JsonReader::number(const JsonNumber& value) {
  number_ahead_ = true;
  bool is_tag = false;
  if (frames_.empty() && top_type_ == nullptr)
    return fail(fmt::format("invalid type: {}, expected reducer args", value.print()));
  const AlgebraicType* type = begin_value(is_tag);
  if (type == nullptr) return false;
  if (!is_tag) return write_number(*type, value) && end_value();
  const auto tag = value.is_integer() ? value.as_u128() : std::nullopt;
  if (!tag || *tag > UINT8_MAX)
    return fail(fmt::format("invalid value: {}, expected u8", value.print()));
  return select_tag(frames_.back(), static_cast<uint64_t>(*tag)) && end_value();
}

bool JsonReader::write_number(const AlgebraicType& type, const JsonNumber& value) {
  if (type.kind() == TypeKind::kF64) {
    writer_.write_f64(value.as_double());
    return true;
  }
  if (type.kind() == TypeKind::kF32) {
    const float narrowed = value.as_float();
    if (!std::isfinite(narrowed)) return fail("number out of range");
    writer_.write_f32(narrowed);
    return true;
  }
  const uint32_t width = type.primitive_bytes();
  if (!type.is_integer() || width > sizeof(UInt128) || !value.is_integer())
    return fail_type(value.print(), type);
  auto out_of_range = [this, &value, &type] {
    return fail(fmt::format("invalid value: {}, expected {}", value.print(), expectation(type)));
  };
  const uint32_t bits = 8 * width;
  UInt128 pattern = 0;
  if (type.is_signed_integer()) {
    const auto number = value.as_i128();
    if (!number) return out_of_range();
    // In range if shifting the sign bits out and back changes nothing.
    const Int128 narrowed =
        static_cast<Int128>(static_cast<UInt128>(*number) << (128 - bits)) >> (128 - bits);
    if (narrowed != *number) return out_of_range();
    pattern = static_cast<UInt128>(*number);
  } else {
    const auto number = value.as_u128();
    if (!number || (bits < 128 && (*number >> bits) != 0)) return out_of_range();
    pattern = *number;
  }
  writer_.write_raw({reinterpret_cast<const Byte*>(&pattern), width});
  return true;
}

bool JsonReader::write_wide(const AlgebraicType& type, std::string_view text) {
  const bool is_signed = type.kind() == TypeKind::kI256;
  const auto number = is_signed ? parse_hex_i256(text) : parse_hex_u256(text);
  if (!number)
    return fail(
        fmt::format("invalid value: string \"{}\", expected {}", shown(text), expectation(type)));
  writer_.write_u256(*number);
  return true;
}

bool JsonReader::write_bytes(std::string_view hex) {
  ByteBuffer bytes;
  if (!parse_hex(hex, bytes))
    return fail(hex.size() % 2 != 0 ? "Odd number of digits" : "Invalid hexadecimal digits");
  writer_.write_byte_array(bytes);
  return true;
}

bool JsonReader::string(string_t& value) {
  number_ahead_ = false;
  bool is_tag = false;
  if (frames_.empty() && top_type_ == nullptr)
    return fail(fmt::format("invalid type: string \"{}\", expected reducer args", shown(value)));
  const AlgebraicType* type = begin_value(is_tag);
  if (type == nullptr) return false;
  if (is_tag) return select_variant(frames_.back(), value) && end_value();
  if (type->is_string()) {
    writer_.write_string(value);
    return end_value();
  }
  if (type->is_bytes()) return write_bytes(value) && end_value();
  if (type->kind() == TypeKind::kU256 || type->kind() == TypeKind::kI256)
    return write_wide(*type, value) && end_value();
  return fail_type(fmt::format("string \"{}\"", shown(value)), *type);
}

bool JsonReader::select_tag(Frame& frame, uint64_t tag) {
  if (tag >= frame.type->as_sum().variants.size())
    return fail(fmt::format("unknown tag {:#x} for sum type <unknown>", tag));
  frame.tag = static_cast<uint8_t>(tag);
  writer_.write_tag(frame.tag);
  return true;
}

bool JsonReader::select_variant(Frame& frame, std::string_view name) {
  if (const auto tag = parse_tag(name)) return select_tag(frame, *tag);
  const auto& variants = frame.type->as_sum().variants;
  for (size_t i = 0; i < variants.size() && i <= UINT8_MAX; ++i)
    if (variants[i].name == name) return select_tag(frame, i);
  return fail(fmt::format("unknown variant `{}`, expected {}", shown(name),
                          quoted_list(names_of(variants))));
}

bool JsonReader::open(FrameKind kind, const AlgebraicType* type) {
  if (frames_.size() >= kJsonDepthMax) return fail("recursion limit exceeded");
  Frame frame{.kind = kind, .type = type, .start = out_.size()};
  if (kind == FrameKind::kArray) writer_.write_u32(0);  // The count, known at the end.
  if (kind == FrameKind::kProductObject) {
    frame.first_span = spans_.size();
    const size_t fields =
        type == nullptr ? arguments_->elements.size() : type->as_product().elements.size();
    spans_.resize(spans_.size() + fields);
  }
  frames_.push_back(std::move(frame));
  return true;
}

bool JsonReader::start_object(size_t) {
  number_ahead_ = false;
  if (frames_.empty() && top_type_ == nullptr) return open(FrameKind::kProductObject, nullptr);
  bool is_tag = false;
  const AlgebraicType* type = begin_value(is_tag);
  if (type == nullptr) return false;
  if (is_tag) return fail("invalid type: map, expected variant identifier");
  if (type->is_product()) return open(FrameKind::kProductObject, type);
  if (type->is_sum()) return open(FrameKind::kSumObject, type);
  return fail_type("map", *type);
}

bool JsonReader::start_array(size_t) {
  number_ahead_ = false;
  if (frames_.empty() && top_type_ == nullptr) return open(FrameKind::kProductArray, nullptr);
  bool is_tag = false;
  const AlgebraicType* type = begin_value(is_tag);
  if (type == nullptr) return false;
  if (is_tag) return fail("invalid type: sequence, expected variant identifier");
  if (type->is_product()) return open(FrameKind::kProductArray, type);
  if (type->is_sum()) return open(FrameKind::kSumArray, type);
  if (type->is_array()) return open(FrameKind::kArray, type);
  return fail_type("sequence", *type);
}

bool JsonReader::key(string_t& name) {
  number_ahead_ = false;
  Frame& frame = frames_.back();
  frame.key = name;
  if (frame.kind == FrameKind::kSumObject) {
    if (frame.count > 0)
      return fail("expected map representing sum type to have exactly one field");
    return select_variant(frame, name);
  }
  const ProductType& product = product_of(frame);
  if (frame.count == product.elements.size()) return fail("trailing comma");
  const auto field = product.find(name);
  if (!field)
    return fail(fmt::format("unknown {} `{}`, expected {}", field_word(frame), shown(name),
                            quoted_list(names_of(product.elements))));
  FieldSpan& span = spans_[frame.first_span + *field];
  if (span.seen) return fail(fmt::format("duplicate {} `{}`", field_word(frame), name));
  span.begin = out_.size();
  frame.in_order = frame.in_order && *field == frame.count;
  frame.field = *field;
  return true;
}

void JsonReader::restore_field_order(const Frame& frame, size_t field_count) {
  scratch_.clear();
  for (size_t i = 0; i < field_count; ++i) {
    const FieldSpan& span = spans_[frame.first_span + i];
    append(scratch_, Bytes(out_).subspan(span.begin, span.end - span.begin));
  }
  out_.resize(frame.start);
  append(out_, scratch_);
}

bool JsonReader::end_product(Frame& frame) {
  const ProductType& product = product_of(frame);
  const size_t wanted = product.elements.size();
  if (frame.kind == FrameKind::kProductArray) {
    if (frame.count == wanted) return true;
    const std::string what = frame.type == nullptr
                                 ? fmt::format("reducer args for {}", function_name_)
                                 : "product type <product>";
    return fail(
        fmt::format("invalid length {}, expected {} with {} elements", frame.count, what, wanted));
  }
  for (size_t i = 0; i < wanted; ++i)
    if (!spans_[frame.first_span + i].seen)
      return fail(fmt::format("missing {} `{}`", field_word(frame),
                              product.elements[i].name.value_or(std::to_string(i))));
  if (!frame.in_order) restore_field_order(frame, wanted);
  spans_.resize(frame.first_span);
  return true;
}

bool JsonReader::finish_frame() {
  number_ahead_ = false;
  Frame& frame = frames_.back();
  switch (frame.kind) {
    case FrameKind::kArray:
      store_le(out_.data() + frame.start, frame.count);
      break;
    case FrameKind::kProductArray:
    case FrameKind::kProductObject:
      if (!end_product(frame)) return false;
      break;
    case FrameKind::kSumArray:
      if (frame.count < 2)
        return fail("expected seq representing sum type to have exactly two fields");
      break;
    case FrameKind::kSumObject:
      if (frame.count == 0)
        return fail("expected map representing sum type to have exactly one field");
      break;
  }
  frames_.pop_back();
  return end_value();
}

bool JsonReader::end_object() {
  return finish_frame();
}

bool JsonReader::end_array() {
  return finish_frame();
}

}  // namespace

Status parse_json(std::string_view text, const AlgebraicType& type, const Typespace& typespace,
                  ByteBuffer& out) {
  JsonReader reader(text, typespace, out);
  if (reader.run(&type, nullptr)) return {};
  return {StatusCode::kInvalidArgument, reader.error()};
}

Result<ByteBuffer> parse_json_arguments(std::string_view text, const FunctionSignature& function) {
  ByteBuffer out;
  JsonReader reader(text, function.typespace, out);
  if (reader.run(nullptr, &function)) return out;
  const std::string& message = reader.error();
  const std::string chain =
      reader.has_path() ? fmt::format("{}: {}", reader.path(), message) : message;
  const std::string& head = reader.has_path() ? reader.path() : message;
  return Status(StatusCode::kInvalidArgument,
                fmt::format("invalid arguments for {} {}: {}: invalid arguments for function {}: "
                            "{}: {}",
                            function_kind_name(function.kind), function.name, head, function.name,
                            head, chain));
}

}  // namespace worldline::schema
