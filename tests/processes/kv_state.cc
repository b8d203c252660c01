#include "tests/processes/kv_state.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace worldline::kv {
namespace {

constexpr size_t kPageBytes = 4 * limits::KiB;
constexpr uint32_t kHashBasis = 2166136261u;  // FNV-1a; run.mjs computes the same.
constexpr uint32_t kHashPrime = 16777619u;

uint32_t hash_on(uint32_t hash, std::string_view id) {
  for (const char c : id) hash = (hash ^ static_cast<Byte>(c)) * kHashPrime;
  return (hash ^ static_cast<Byte>(' ')) * kHashPrime;
}

std::string_view next_word(std::string_view& text) {
  const size_t end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

}  // namespace

bool is_word(std::string_view text, size_t bytes_max) {
  const auto is_plain = [](char c) { return c > ' ' && c <= '~'; };
  return !text.empty() && text.size() <= bytes_max &&
         std::all_of(text.begin(), text.end(), is_plain);
}

ByteBuffer encode_command(const Command& command) {
  const std::string expected = command.expected ? std::to_string(*command.expected) : "any";
  ByteBuffer bytes;
  append(bytes, as_bytes(fmt::format("{} {} {}", expected, command.key, command.id)));
  return bytes;
}

Result<Command> decode_command(Bytes bytes) {
  std::string_view text = as_text(bytes);
  const std::string_view expected = next_word(text);
  Command command;
  command.key = next_word(text);
  command.id = text;
  if (!is_word(command.key, kKeyBytesMax) || !is_word(command.id, kIdBytesMax))
    return Status::corruption("a command of {} B has no key and id", bytes.size());
  if (expected == "any") return command;
  uint64_t number = 0;
  const auto [end, fault] =
      std::from_chars(expected.data(), expected.data() + expected.size(), number);
  if (fault != std::errc() || end != expected.data() + expected.size())
    return Status::corruption("a command expects '{}' ids", expected);
  command.expected = number;
  return command;
}

Applied KvState::apply(const Command& command) {
  const ListView before = view(command.key);
  if (command.expected && *command.expected != before.length) return {false, before};
  return {true, append(command.key, command.id)};
}

ListView KvState::append(const std::string& key, std::string_view id) {
  List& list = lists_[key];
  if (list.ids.empty()) list.hash = kHashBasis;
  list.ids.emplace_back(id);
  list.hash = hash_on(list.hash, id);
  return {list.ids.size(), list.hash};
}

ListView KvState::view(std::string_view key) const {
  const auto found = lists_.find(key);
  if (found == lists_.end()) return {0, kHashBasis};
  return {found->second.ids.size(), found->second.hash};
}

const std::vector<std::string>* KvState::find(std::string_view key) const {
  const auto found = lists_.find(key);
  return found != lists_.end() ? &found->second.ids : nullptr;
}

std::vector<ByteBuffer> KvState::pages() const {
  std::vector<ByteBuffer> out;
  for (const auto& [key, list] : lists_) {
    bool is_open = false;
    for (const std::string& id : list.ids) {
      if (!std::exchange(is_open, true)) worldline::append(out.emplace_back(), as_bytes(key));
      ByteBuffer& page = out.back();
      page.push_back(' ');
      worldline::append(page, as_bytes(id));
      if (page.size() < kPageBytes) continue;
      page.push_back('\n');
      is_open = false;
    }
    if (is_open) out.back().push_back('\n');
  }
  return out;
}

Result<KvState> KvState::parse(Bytes image) {
  KvState state;
  std::string_view text = as_text(image);
  while (!text.empty()) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return Status::corruption("an image ends within a line");
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    const std::string key(next_word(line));
    if (!is_word(key, kKeyBytesMax) || line.empty())
      return Status::corruption("an image has a line without key and ids");
    while (!line.empty()) state.append(key, next_word(line));
  }
  return state;
}

}  // namespace worldline::kv
