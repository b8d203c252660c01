#include "runtime/source_map.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/limits.h"

namespace worldline::runtime {
namespace {

constexpr std::string_view kUrlComment = "//# sourceMappingURL=";
constexpr std::string_view kBase64Mark = ";base64,";
constexpr size_t kSegmentsMax = 8 * limits::MiB;  // 128 MB; npm's bundle has about 60,000.

constexpr std::array<int8_t, 256> make_base64_table() {
  std::array<int8_t, 256> table{};
  table.fill(-1);
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < kDigits.size(); ++i)
    table[static_cast<unsigned char>(kDigits[i])] = static_cast<int8_t>(i);
  return table;
}
constexpr std::array<int8_t, 256> kBase64 = make_base64_table();

int base64_digit(char c) {
  return kBase64[static_cast<unsigned char>(c)];
}

std::string decode_base64(std::string_view text) {
  std::string out;
  out.reserve(text.size() / 4 * 3);
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const int digit = base64_digit(c);
    if (digit < 0) break;  // Padding or the end of the line.
    bits = (bits << 6) | static_cast<uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out += static_cast<char>((bits >> count) & 0xff);
  }
  return out;
}

// Reads one variable-length quantity. Returns false at a segment's end or a foreign character.
bool read_vlq(std::string_view text, size_t& at, int64_t& value) {
  uint64_t bits = 0;
  for (unsigned shift = 0; at < text.size() && shift < 40; shift += 5) {
    const int digit = base64_digit(text[at]);
    if (digit < 0) return false;
    ++at;
    bits |= static_cast<uint64_t>(digit & 31) << shift;
    if ((digit & 32) != 0) continue;
    const auto magnitude = static_cast<int64_t>(bits >> 1);
    value = (bits & 1) != 0 ? -magnitude : magnitude;
    return true;
  }
  return false;
}

bool fits_u32(int64_t value) {
  return value >= 0 && value <= UINT32_MAX;
}

// Start of the last source map comment, npos if none.
size_t find_url_comment(std::string_view script) {
  return script.rfind(kUrlComment);
}

}  // namespace

SourceMap SourceMap::parse(std::string_view mappings, std::vector<std::string> sources) {
  SourceMap map;
  map.sources_ = std::move(sources);
  map.line_start_.push_back(0);
  int64_t column = 0;
  int64_t source = 0;
  int64_t line = 0;
  int64_t original_column = 0;
  size_t at = 0;
  while (at < mappings.size() && map.segments_.size() < kSegmentsMax) {
    if (mappings[at] == ';') {
      map.line_start_.push_back(static_cast<uint32_t>(map.segments_.size()));
      column = 0;
      ++at;
      continue;
    }
    if (mappings[at] == ',') {
      ++at;
      continue;
    }
    int64_t delta = 0;
    if (!read_vlq(mappings, at, delta)) break;
    column += delta;
    Segment segment{static_cast<uint32_t>(column), -1, 0, 0};
    if (read_vlq(mappings, at, delta)) {
      source += delta;
      if (!read_vlq(mappings, at, delta)) break;
      line += delta;
      if (!read_vlq(mappings, at, delta)) break;
      original_column += delta;
      if (read_vlq(mappings, at, delta)) delta = 0;  // A name; the engine knows better ones.
      if (!fits_u32(line) || !fits_u32(original_column) || !fits_u32(source)) break;
      segment = {static_cast<uint32_t>(column), static_cast<int32_t>(source),
                 static_cast<uint32_t>(line), static_cast<uint32_t>(original_column)};
    }
    if (!fits_u32(column)) break;
    map.segments_.push_back(segment);
  }
  map.line_start_.push_back(static_cast<uint32_t>(map.segments_.size()));
  return map;
}

std::optional<SourcePosition> SourceMap::find(uint32_t line, uint32_t column) const {
  if (line == 0 || column == 0 || line >= line_start_.size()) return std::nullopt;
  const auto begin = segments_.begin() + line_start_[line - 1];
  const auto end = segments_.begin() + line_start_[line];
  const auto after = std::upper_bound(
      begin, end, column - 1, [](uint32_t wanted, const Segment& s) { return wanted < s.column; });
  if (after == begin) return std::nullopt;
  const Segment& segment = *(after - 1);
  if (segment.source < 0) return std::nullopt;
  const auto index = static_cast<size_t>(segment.source);
  return SourcePosition{index < sources_.size() ? std::string_view(sources_[index]) : "",
                        segment.original_line + 1, segment.original_column + 1};
}

std::string inline_source_map(std::string_view script) {
  const size_t start = find_url_comment(script);
  if (start == std::string_view::npos) return {};
  std::string_view url = script.substr(start + kUrlComment.size());
  if (!url.starts_with("data:")) return {};
  // The header of a data URL is short; do not search megabytes for the mark.
  const size_t mark = url.substr(0, 200).find(kBase64Mark);
  if (mark == std::string_view::npos) return {};
  return decode_base64(url.substr(mark + kBase64Mark.size()));
}

std::string_view without_inline_source_map(std::string_view script) {
  const size_t start = find_url_comment(script);
  if (start == std::string_view::npos) return script;
  const std::string_view rest = script.substr(start);
  const bool last_line = rest.find_last_not_of("\r\n \t") < rest.find('\n');
  return last_line ? script.substr(0, start) : script;
}

}  // namespace worldline::runtime
