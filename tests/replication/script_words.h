// tests/replication/script_words.h
//
// ScriptWords is one command line of a script: `name positional... key=value...`. Each word must
// be read by its command; what is left over is an error, so that a typing error cannot weaken a
// test.
//
// Ownership: a value. Errors: collected; a missing or malformed word reads as 0 or "".
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "replication/raft_types.h"

namespace worldline::replication::testing {

std::vector<std::string> split_text(std::string_view text, char separator);

class ScriptWords {
 public:
  explicit ScriptWords(const std::string& line);

  const std::string& name() const { return name_; }
  bool has_next() const { return next_ < positional_.size(); }
  std::string next();  // The next positional word.
  uint64_t next_number();
  ReplicaId next_replica() { return ReplicaId{next_number()}; }
  std::string rest();  // Every word left, with blanks between.

  bool has(const std::string& key) const { return keyed_.count(key) != 0; }
  std::string text(const std::string& key, const std::string& otherwise = "");
  uint64_t number(const std::string& key, uint64_t otherwise);
  bool flag(const std::string& key);                         // key=yes; absent or key=no: false.
  EntryId place(const std::string& key, EntryId otherwise);  // `12@2`.
  std::vector<uint64_t> numbers(const std::string& key);     // `1,2,3`, `-` is none.
  ReplicaSet replicas(const std::string& key);
  std::map<std::string, std::string> take_keys();  // Those that are left.

  uint64_t number_of(const std::string& text);
  EntryId place_of(const std::string& text);
  std::vector<uint64_t> numbers_of(const std::string& text);
  ReplicaSet replicas_of(const std::string& text);
  void fault(const std::string& text) { faults_.push_back(text); }
  std::vector<std::string> take_faults();  // Those of unread words too.

 private:
  std::optional<std::string> take(const std::string& key);

  std::string name_;
  std::vector<std::string> positional_;
  size_t next_ = 0;
  std::map<std::string, std::string> keyed_;
  std::vector<std::string> faults_;
};

}  // namespace worldline::replication::testing
