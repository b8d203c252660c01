// cli/project_file.h
//
// The project file spacetime.json with its layers [S 07/2.3], and how commands pick a database and
// a server from it [S 07/2.4].
//
// Invariants: targets are in document order, parents before children, inheritance already done;
// paths are absolute. Thread: immutable after load().
// Errors: kInvalidArgument for bad JSON5 or keys, kIoError for an unreadable file.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace worldline::cli {

struct ProjectTarget {
  std::string database;
  std::string server;
  std::string module_path;  // Absolute, or empty; so are the next two.
  std::string wasm_file;
  std::string js_file;
  std::string build_options;
  std::string parent;
  std::string organization;
  std::string num_replicas;
  std::optional<bool> break_clients;
  std::optional<bool> anonymous;
};

struct ProjectFile {
  std::vector<std::string> files;  // Those read, for the user; empty: no project file.
  std::vector<ProjectTarget> targets;
  std::vector<std::string> unknown_keys;  // As written; only some commands mind.

  // Walks up from `directory`; an empty ProjectFile if there is none. `env` names the extra layer.
  static Result<ProjectFile> load(const std::string& directory, const std::string& env);

  bool present() const { return !files.empty(); }
  // Targets whose database matches the glob (`*` and `?`).
  std::vector<const ProjectTarget*> match(std::string_view glob) const;
  const ProjectTarget* find(std::string_view database) const;
  std::string names() const;  // Databases joined by ", ".
  // kInvalidArgument if there are unknown keys; lists the known ones.
  Status check_keys() const;
};

// How a command's words are read when there is a project file [S 07/2.4].
enum class FirstWord {
  kDatabaseOnly,  // logs, delete, lock, unlock: the word is the database and may be missing.
  kMustBeKnown,   // call, describe: with several targets the first word must name one.
  kMayBeUnknown,  // sql: with several targets and two words an unknown first word is a database.
};

struct DatabaseChoice {
  std::string database;
  std::string server;              // Of the project file; empty: none said.
  std::vector<std::string> words;  // What is left.
};

// REQUIRES: `words` are the positional arguments in order.
Result<DatabaseChoice> choose_database(const ProjectFile& project, std::vector<std::string> words,
                                       FirstWord rule);

// JSON5 (comments, trailing commas, single quotes, bare keys) as JSON.
std::string json5_to_json(std::string_view text);

}  // namespace worldline::cli
