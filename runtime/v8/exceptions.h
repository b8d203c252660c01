// runtime/v8/exceptions.h
//
// From a caught JavaScript exception to text and trace for module logs [S 03/3.7], with positions
// mapped back through the lowering and the bundle's own source map.
//
// Units: lines and columns are 1-based.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/module_log.h"
#include "runtime/source_map.h"
#include "runtime/v8/isolate.h"

namespace worldline::runtime {

// Where the positions of the running script come from. Maps are decoded when first needed.
class ScriptPositions {
 public:
  // `bundle` is the published text (kept alive by the caller); `lowered_map` the JSON text of the
  // map from the running script to it, empty if the bundle runs as it is.
  ScriptPositions(std::string_view bundle, std::string lowered_map);

  struct Position {
    std::string source;
    uint32_t line;
    uint32_t column;
  };
  // All the way back to the author's file, as far as maps reach.
  Position original(IsolateScope& scope, std::string_view script, uint32_t line, uint32_t column);
  // Only the lowering undone: a position in the published bundle.
  uint32_t bundle_line(IsolateScope& scope, uint32_t line, uint32_t column);

 private:
  void load(IsolateScope& scope);

  const std::string_view bundle_;
  std::string lowered_map_json_;
  std::optional<SourceMap> lowered_;
  std::optional<SourceMap> inline_;
};

struct ExceptionText {
  std::string message;     // `Uncaught Error: text` and one line per frame.
  std::string first_line;  // Only the former.
  std::vector<LogFrame> frames;
};

// REQUIRES: failed.HasCaught() and not terminated. Runs no code of the module.
ExceptionText describe_exception(IsolateScope& scope, v8::TryCatch& failed,
                                 ScriptPositions* positions);

}  // namespace worldline::runtime
