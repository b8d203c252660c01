#include "schema/definition_errors.h"

#include <vector>

#include <fmt/format.h>

#include "schema/case_conversion.h"

namespace worldline::schema {
namespace {

std::string print_argument(const char* kind, const TypeLocation& location) {
  std::string out = fmt::format("{} `{}` argument {}", kind, location.function, location.position);
  if (location.param) out += fmt::format(" (`{}`)", *location.param);
  return out;
}

std::string print_location(const TypeLocation& location) {
  switch (location.use) {
    case TypeUse::kReducerArgument:
      return print_argument("reducer", location);
    case TypeUse::kProcedureArgument:
      return print_argument("procedure", location);
    case TypeUse::kViewArgument:
      return print_argument("view", location);
    case TypeUse::kProcedureReturn:
      return fmt::format("procedure `{}` return value", location.function);
    case TypeUse::kViewReturn:
      return fmt::format("view `{}` return value", location.function);
    case TypeUse::kTypespaceRef:
      return fmt::format("typespace ref `&{}`", location.position);
  }
  return {};
}

}  // namespace

void DefinitionErrors::check_identifier(std::string_view name) {
  const Status status = validate_identifier(name);
  if (!status.ok())
    add(DefinitionError::kIdentifier, "module contains invalid identifier: {}", status.message());
}

void DefinitionErrors::add_type_shape(const TypeLocation& location, std::string_view problem) {
  if (text_bytes_ >= kErrorBytesMax) return;
  Content content{uint64_t{static_cast<uint8_t>(location.use)}, location.function,
                  location.position, std::string(problem)};
  insert(DefinitionError::kTypeShape, std::move(content),
         fmt::format("error at {}: {}", print_location(location), problem));
}

void DefinitionErrors::insert(DefinitionError kind, Content content, std::string text) {
  const size_t bytes = text.size();
  if (errors_.emplace(kind, std::move(content), std::move(text)).second) text_bytes_ += bytes;
}

Status DefinitionErrors::to_status() const {
  if (errors_.empty()) return {};
  std::vector<std::string> texts;
  for (const auto& [kind, content, text] : errors_) texts.push_back(text);
  return {StatusCode::kInvalidArgument, print_error_list(texts)};
}

std::string print_error_list(const std::vector<std::string>& texts) {
  std::string out = "Errors occurred:\n";
  for (const auto& text : texts) out.append(text).append("\n\n");
  return out;
}

}  // namespace worldline::schema
