#include "cli/project_file.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "cli/json_tree.h"

namespace worldline::cli {
namespace {

namespace fs = std::filesystem;

constexpr size_t kTargetDepthMax = 32;  // Nesting of `children`.

Result<JsonTree> read_layer(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) return Status::io_error("cannot read {}", path);
  auto tree = JsonTree::parse(json5_to_json(text.str()));
  if (!tree.ok()) return tree.status().with_context(path);
  if (!tree->is_object()) return Status::invalid_argument("{}: must be an object", path);
  return tree;
}

JsonTree* find_member(JsonTree& tree, std::string_view name) {
  for (auto& [key, value] : tree.members)
    if (key == name) return &value;
  return nullptr;
}

// Later layers replace whole keys, except `children`, which merge by position.
// Recursion is bounded by the JSON depth limit. NOLINTNEXTLINE(misc-no-recursion)
void merge_layer(JsonTree& into, const JsonTree& layer) {
  for (const auto& [key, value] : layer.members) {
    JsonTree* present = find_member(into, key);
    if (present == nullptr) {
      into.members.push_back({key, value});
    } else if (key == "children" && present->is_array() && value.is_array()) {
      const size_t shorter = std::min(present->items.size(), value.items.size());
      for (size_t i = 0; i < shorter; ++i) merge_layer(present->items[i], value.items[i]);
    } else {
      *present = value;
    }
  }
}

// A key under any of its accepted spellings.
std::string text_under(const JsonTree& tree, std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (const std::string text = tree.text_of(name); !text.empty()) return text;
  return {};
}

std::string absolute_from(const std::string& directory, const std::string& path) {
  if (path.empty()) return path;
  return (fs::path(directory) / path).lexically_normal().string();
}

// Keys of a target, with `_` for `-`. Those that mean nothing here are known all the same.
constexpr std::string_view kKeys[] = {
    "database",      "server",         "module_path",   "bin_path",     "wasm_file",
    "js_path",       "js_file",        "build_options", "num_replicas", "break_clients",
    "anon_identity", "anonymous",      "parent",        "organization", "org",
    "native_aot",    "dotnet_version", "generate",      "children"};

void note_unknown_keys(const JsonTree& tree, size_t depth, std::vector<std::string>& unknown) {
  for (const auto& member : tree.members) {
    std::string key = member.name;
    std::replace(key.begin(), key.end(), '-', '_');
    const bool known = std::find(std::begin(kKeys), std::end(kKeys), key) != std::end(kKeys) ||
                       (key == "dev" && depth == 0);
    if (!known) unknown.push_back(member.name);
  }
}

ProjectTarget read_target(const JsonTree& tree, const ProjectTarget& parent,
                          const std::string& directory) {
  ProjectTarget target = parent;
  const auto take = [&](std::string& field, std::initializer_list<const char*> names) {
    if (const std::string text = text_under(tree, names); !text.empty()) field = text;
  };
  take(target.database, {"database"});
  take(target.server, {"server"});
  take(target.build_options, {"build-options", "build_options"});
  take(target.parent, {"parent"});
  take(target.organization, {"organization", "org"});
  const std::string module_path = text_under(tree, {"module-path", "module_path"});
  const std::string wasm_file =
      text_under(tree, {"wasm-file", "wasm_file", "bin-path", "bin_path"});
  const std::string js_file = text_under(tree, {"js-file", "js_file", "js-path", "js_path"});
  if (!module_path.empty() || !wasm_file.empty() || !js_file.empty()) {
    target.module_path = absolute_from(directory, module_path);
    target.wasm_file = absolute_from(directory, wasm_file);
    target.js_file = absolute_from(directory, js_file);
  }
  const auto take_flag = [&](std::optional<bool>& field, std::initializer_list<const char*> names) {
    for (const char* name : names)
      if (const JsonTree* value = tree.find(name);
          value != nullptr && value->kind == JsonTree::Kind::kBool)
        field = value->boolean;
  };
  take_flag(target.break_clients, {"break-clients", "break_clients"});
  take_flag(target.anonymous, {"anonymous", "anon-identity", "anon_identity"});
  for (const char* name : {"num-replicas", "num_replicas"})
    if (const JsonTree* value = tree.find(name);
        value != nullptr && value->kind == JsonTree::Kind::kNumber)
      target.num_replicas = value->text;
  return target;
}

// NOLINTNEXTLINE(misc-no-recursion): bounded by kTargetDepthMax.
Status collect_targets(const JsonTree& tree, const ProjectTarget& parent,
                       const std::string& directory, size_t depth, ProjectFile& out) {
  if (depth > kTargetDepthMax)
    return Status::invalid_argument("`children` nested deeper than {}", kTargetDepthMax);
  note_unknown_keys(tree, depth, out.unknown_keys);
  const ProjectTarget target = read_target(tree, parent, directory);
  out.targets.push_back(target);
  const JsonTree* children = tree.find("children");
  if (children == nullptr) return {};
  if (!children->is_array()) return Status::invalid_argument("`children` must be an array");
  for (const JsonTree& child : children->items)
    WL_RETURN_IF_ERROR(collect_targets(child, target, directory, depth + 1, out));
  return {};
}

std::string find_upwards(const std::string& directory) {
  std::error_code ignored;
  for (fs::path at = directory; !at.empty(); at = at.parent_path()) {
    const fs::path candidate = at / "spacetime.json";
    if (fs::is_regular_file(candidate, ignored)) return candidate.string();
    if (at == at.root_path()) break;
  }
  return {};
}

bool glob_matches(std::string_view glob, std::string_view text) {
  size_t g = 0;
  size_t t = 0;
  size_t star = std::string_view::npos;
  size_t retry = 0;
  while (t < text.size()) {
    if (g < glob.size() && (glob[g] == '?' || glob[g] == text[t])) {
      ++g;
      ++t;
    } else if (g < glob.size() && glob[g] == '*') {
      star = g++;
      retry = t;
    } else if (star != std::string_view::npos) {
      g = star + 1;
      t = ++retry;
    } else {
      return false;
    }
  }
  while (g < glob.size() && glob[g] == '*') ++g;
  return g == glob.size();
}

// End of the JSON5 token that starts at `at`: a comment or a string.
size_t end_of_comment(std::string_view text, size_t at) {
  if (text[at + 1] == '/') return std::min(text.find('\n', at), text.size());
  const size_t close = text.find("*/", at + 2);
  return close == std::string_view::npos ? text.size() : close + 2;
}

size_t copy_string(std::string_view text, size_t at, std::string& out) {
  const char quote = text[at++];
  out += '"';
  for (; at < text.size() && text[at] != quote; ++at) {
    if (text[at] == '\\' && at + 1 < text.size()) {
      ++at;
      if (text[at] == '\n') continue;
      if (text[at] != '\'') out += '\\';
      out += text[at];
    } else if (text[at] == '"') {
      out += "\\\"";
    } else {
      out += text[at];
    }
  }
  out += '"';
  return at + 1;
}

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$';
}

DatabaseChoice choice_of(const ProjectTarget& target, std::vector<std::string> words) {
  return {target.database, target.server, std::move(words)};
}

}  // namespace

std::string json5_to_json(std::string_view text) {
  std::string out;
  size_t at = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '/' && at + 1 < text.size() && (text[at + 1] == '/' || text[at + 1] == '*')) {
      at = end_of_comment(text, at);
    } else if (c == '"' || c == '\'') {
      at = copy_string(text, at, out);
    } else if (c == '}' || c == ']') {
      size_t last = out.find_last_not_of(" \t\r\n");
      if (last != std::string::npos && out[last] == ',') out.erase(last, 1);
      out += c;
      ++at;
    } else if (is_word(c) && std::isdigit(static_cast<unsigned char>(c)) == 0) {
      size_t end = at;
      while (end < text.size() && is_word(text[end])) ++end;
      const std::string_view word = text.substr(at, end - at);
      const size_t next = text.find_first_not_of(" \t\r\n", end);
      const bool key = next != std::string_view::npos && text[next] == ':';
      out += key ? "\"" + std::string(word) + "\"" : std::string(word);
      at = end;
    } else {
      out += c;
      ++at;
    }
  }
  return out;
}

Result<ProjectFile> ProjectFile::load(const std::string& directory, const std::string& env) {
  ProjectFile project;
  const std::string base = find_upwards(directory);
  if (base.empty()) return project;
  const std::string home = fs::path(base).parent_path().string();
  std::vector<std::string> layers = {"spacetime.json", "spacetime.local.json"};
  if (!env.empty()) {
    layers.push_back("spacetime." + env + ".json");
    layers.push_back("spacetime." + env + ".local.json");
  }
  JsonTree merged;
  merged.kind = JsonTree::Kind::kObject;
  for (const std::string& layer : layers) {
    const std::string path = home + "/" + layer;
    std::error_code ignored;
    if (!fs::is_regular_file(path, ignored)) continue;
    WL_ASSIGN_OR_RETURN(const JsonTree tree, read_layer(path));
    merge_layer(merged, tree);
    project.files.push_back(path);
  }
  WL_RETURN_IF_ERROR(collect_targets(merged, {}, home, 0, project));
  return project;
}

std::vector<const ProjectTarget*> ProjectFile::match(std::string_view glob) const {
  std::vector<const ProjectTarget*> found;
  for (const ProjectTarget& target : targets)
    if (glob_matches(glob, target.database)) found.push_back(&target);
  return found;
}

const ProjectTarget* ProjectFile::find(std::string_view database) const {
  for (const ProjectTarget& target : targets)
    if (!target.database.empty() && target.database == database) return &target;
  return nullptr;
}

std::string ProjectFile::names() const {
  std::string out;
  for (const ProjectTarget& target : targets)
    if (!target.database.empty()) out += (out.empty() ? "" : ", ") + target.database;
  return out;
}

Status ProjectFile::check_keys() const {
  if (unknown_keys.empty()) return {};
  const auto joined = [](const auto& names) {
    std::string out;
    for (const auto& name : names) out += (out.empty() ? "" : ", ") + std::string(name);
    return out;
  };
  return Status::invalid_argument("{}: unknown keys: {}\n\nKnown are: {}", files.front(),
                                  joined(unknown_keys), joined(kKeys));
}

Result<DatabaseChoice> choose_database(const ProjectFile& project, std::vector<std::string> words,
                                       FirstWord rule) {
  std::vector<const ProjectTarget*> named;
  for (const ProjectTarget& target : project.targets)
    if (!target.database.empty()) named.push_back(&target);
  const auto rest = [&] { return std::vector<std::string>(words.begin() + 1, words.end()); };

  if (!words.empty())
    if (const ProjectTarget* known = project.find(words.front())) return choice_of(*known, rest());
  if (named.empty()) {
    if (words.empty())
      return Status::invalid_argument("no database named, and no spacetime.json that names one");
    return DatabaseChoice{words.front(), "", rest()};
  }
  if (rule == FirstWord::kDatabaseOnly) {
    if (!words.empty()) return DatabaseChoice{words.front(), "", rest()};
    if (named.size() == 1) return choice_of(*named.front(), {});
    return Status::invalid_argument("which database? spacetime.json names several: {}",
                                    project.names());
  }
  if (named.size() == 1) return choice_of(*named.front(), std::move(words));
  if (rule == FirstWord::kMayBeUnknown && words.size() >= 2)
    return DatabaseChoice{words.front(), "", rest()};
  return Status::invalid_argument(
      "the first argument must be one of the databases of "
      "spacetime.json: {}",
      project.names());
}

}  // namespace worldline::cli
