#include "tests/replication/script_words.h"

#include <charconv>
#include <utility>

namespace worldline::replication::testing {

std::vector<std::string> split_text(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    if (end > 0) parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

ScriptWords::ScriptWords(const std::string& line) {
  for (const std::string& word : split_text(line, ' ')) {
    const size_t equals = word.find('=');
    if (name_.empty()) {
      name_ = word;
    } else if (equals == std::string::npos) {
      positional_.push_back(word);
    } else if (!keyed_.emplace(word.substr(0, equals), word.substr(equals + 1)).second) {
      fault("twice: " + word);
    }
  }
}

std::string ScriptWords::next() {
  if (has_next()) return positional_[next_++];
  fault("a word is missing");
  return "";
}

uint64_t ScriptWords::next_number() {
  return has_next() ? number_of(next()) : number_of("");
}

std::string ScriptWords::rest() {
  std::string out;
  while (has_next()) out += (out.empty() ? "" : " ") + next();
  return out;
}

std::optional<std::string> ScriptWords::take(const std::string& key) {
  const auto found = keyed_.find(key);
  if (found == keyed_.end()) return std::nullopt;
  std::string value = std::move(found->second);
  keyed_.erase(found);
  return value;
}

std::string ScriptWords::text(const std::string& key, const std::string& otherwise) {
  return take(key).value_or(otherwise);
}

uint64_t ScriptWords::number(const std::string& key, uint64_t otherwise) {
  const auto value = take(key);
  return value ? number_of(*value) : otherwise;
}

bool ScriptWords::flag(const std::string& key) {
  const std::string value = text(key, "no");
  if (value != "yes" && value != "no") fault(key + " is yes or no");
  return value == "yes";
}

EntryId ScriptWords::place(const std::string& key, EntryId otherwise) {
  const auto value = take(key);
  return value ? place_of(*value) : otherwise;
}

std::vector<uint64_t> ScriptWords::numbers(const std::string& key) {
  return numbers_of(text(key, "-"));
}

ReplicaSet ScriptWords::replicas(const std::string& key) {
  return replicas_of(text(key, "-"));
}

std::map<std::string, std::string> ScriptWords::take_keys() {
  return std::exchange(keyed_, {});
}

uint64_t ScriptWords::number_of(const std::string& text) {
  uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  if (result.ec != std::errc() || result.ptr != end) fault("no number: '" + text + "'");
  return value;
}

EntryId ScriptWords::place_of(const std::string& text) {
  const size_t at = text.find('@');
  if (at == std::string::npos) {
    fault("no place (12@2): '" + text + "'");
    return {};
  }
  return {Term{number_of(text.substr(at + 1))}, LogIndex{number_of(text.substr(0, at))}};
}

std::vector<uint64_t> ScriptWords::numbers_of(const std::string& text) {
  std::vector<uint64_t> numbers;
  if (text == "-") return numbers;
  for (const std::string& part : split_text(text, ',')) numbers.push_back(number_of(part));
  return numbers;
}

ReplicaSet ScriptWords::replicas_of(const std::string& text) {
  ReplicaSet set;
  for (const uint64_t number : numbers_of(text)) set.push_back(ReplicaId{number});
  return set;
}

std::vector<std::string> ScriptWords::take_faults() {
  while (has_next()) fault("not understood: " + next());
  for (const auto& [key, value] : take_keys()) fault("not understood: " + key + "=" + value);
  return std::exchange(faults_, {});
}

}  // namespace worldline::replication::testing
