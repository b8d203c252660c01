#include "schema/definition_errors.h"

#include <vector>

#include "schema/case_conversion.h"

namespace worldline::schema {

void DefinitionErrors::check_identifier(std::string_view name) {
  const Status status = validate_identifier(name);
  if (!status.ok())
    add(DefinitionError::kIdentifier, "module contains invalid identifier: {}", status.message());
}

void DefinitionErrors::insert(DefinitionError kind, std::string text) {
  const size_t bytes = text.size();
  if (errors_.emplace(kind, std::move(text)).second) text_bytes_ += bytes;
}

Status DefinitionErrors::to_status() const {
  if (errors_.empty()) return {};
  std::vector<std::string> texts;
  for (const auto& [kind, text] : errors_) texts.push_back(text);
  return {StatusCode::kInvalidArgument, print_error_list(texts)};
}

std::string print_error_list(const std::vector<std::string>& texts) {
  std::string out = "Errors occurred:\n";
  for (const auto& text : texts) out.append(text).append("\n\n");
  return out;
}

}  // namespace worldline::schema
