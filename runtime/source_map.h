// runtime/source_map.h
//
// SourceMap answers where a position of a generated script comes from (source map revision 3,
// without indexed maps). Built once per program, on the first trace that needs it.
//
// Invariants: segments are sorted by (line, column) as the format demands; damaged mappings end at
// the first bad character, what came before stays usable.
// Units: lines and columns are 1-based here and 0-based in the encoded form.
// Thread: frozen after parse(); any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace worldline::runtime {

struct SourcePosition {
  std::string_view source;  // Borrowed from the map; empty if the map names none.
  uint32_t line = 0;
  uint32_t column = 0;
};

class SourceMap {
 public:
  // `mappings` is the field of that name, `sources` the list it refers to.
  static SourceMap parse(std::string_view mappings, std::vector<std::string> sources);

  // The original of the segment that covers the position; none before the line's first segment or
  // where the map says "no source".
  std::optional<SourcePosition> find(uint32_t line, uint32_t column) const;

  bool empty() const { return segments_.empty(); }

 private:
  struct Segment {
    uint32_t column;  // 0-based, generated.
    int32_t source;   // Index into sources_, or -1.
    uint32_t original_line;
    uint32_t original_column;
  };

  std::vector<std::string> sources_;
  std::vector<Segment> segments_;     // All lines, in order.
  std::vector<uint32_t> line_start_;  // First segment of each generated line, plus the end.
};

// The JSON text of the map a script carries as a base64 `data:` URL in its last
// `//# sourceMappingURL=` comment; empty if there is none or it is not base64.
std::string inline_source_map(std::string_view script);

// The script without that comment, so that tools need not look at it. Positions stay the same.
std::string_view without_inline_source_map(std::string_view script);

}  // namespace worldline::runtime
