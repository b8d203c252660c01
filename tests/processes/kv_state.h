// tests/processes/kv_state.h
//
// KvState is the state machine under test: lists of ids under keys, grown at the end only. A write
// that took effect twice or not at all stays visible for ever, because nothing here recognises
// repetitions: an id appended twice stands there twice.
//
// Invariants: equal commands in equal order give equal pages, byte for byte.
// Ownership: a value; one thread. Units: bytes. Errors: kCorruption for bytes no node writes.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/status.h"

namespace worldline::kv {

inline constexpr size_t kKeyBytesMax = 128;
inline constexpr size_t kIdBytesMax = 16 * limits::KiB;

// Appends `id` to the list of `key`, always or only if it has `expected` ids.
struct Command {
  std::string key;
  std::string id;
  std::optional<uint64_t> expected;
};
ByteBuffer encode_command(const Command& command);
Result<Command> decode_command(Bytes bytes);

// A list by length and a hash over its ids in order: enough to tell which prefix it is.
struct ListView {
  uint64_t length = 0;
  uint32_t hash = 0;
};
struct Applied {
  bool done = false;  // False: `expected` was wrong.
  ListView list;      // Afterwards.
};

class KvState {
 public:
  Applied apply(const Command& command);
  ListView view(std::string_view key) const;
  const std::vector<std::string>* find(std::string_view key) const;  // Null: no such key.
  size_t key_count() const { return lists_.size(); }

  // Lines of a key and ids of its list, separated by spaces; a page ends with its list or after
  // some KiB. Lists only grow: all pages but the last of each stay as they are. The image is all of
  // them in order.
  std::vector<ByteBuffer> pages() const;
  static Result<KvState> parse(Bytes image);

 private:
  struct List {
    std::vector<std::string> ids;
    uint32_t hash = 0;
  };
  ListView append(const std::string& key, std::string_view id);
  std::map<std::string, List, std::less<>> lists_;
};

// Not empty, printable, no spaces: what lines and images are made of.
bool is_word(std::string_view text, size_t bytes_max);

}  // namespace worldline::kv
