#include "cli/module_schema.h"

#include <algorithm>
#include <cstdlib>

namespace worldline::cli {
namespace {

constexpr int kSubmoduleDepthMax = 16;
constexpr int kTypeDepthMax = 12;  // Deeper types are shown as `...`.
constexpr size_t kNearestShown = 10;

const JsonTree* section(const JsonTree& module, std::string_view name) {
  const JsonTree* sections = module.find("sections");
  if (sections == nullptr) return nullptr;
  for (const JsonTree& candidate : sections->items)
    if (const JsonTree* found = candidate.find(name)) return found;  // The first one counts.
  return nullptr;
}

std::string optional_text(const JsonTree* value) {
  if (value == nullptr) return {};
  return value->is_string() ? value->text : value->text_of("some");
}

// The canonical name the module gave to a source name, if any.
std::string canonical_name(const JsonTree& module, const char* kind, const std::string& source) {
  const JsonTree* names = section(module, "ExplicitNames");
  const JsonTree* entries = names == nullptr ? nullptr : names->find("entries");
  if (entries == nullptr) return source;
  for (const JsonTree& entry : entries->items) {
    const JsonTree* pair = entry.find(kind);
    if (pair != nullptr && pair->text_of("source_name") == source)
      return pair->text_of("canonical_name");
  }
  return source;
}

const char* primitive_text(std::string_view kind) {
  static constexpr std::pair<std::string_view, const char*> kNames[] = {
      {"Bool", "bool"}, {"I8", "i8"},     {"U8", "u8"},     {"I16", "i16"},
      {"U16", "u16"},   {"I32", "i32"},   {"U32", "u32"},   {"I64", "i64"},
      {"U64", "u64"},   {"I128", "i128"}, {"U128", "u128"}, {"I256", "i256"},
      {"U256", "u256"}, {"F32", "f32"},   {"F64", "f64"},   {"String", "String"}};
  for (const auto& [name, text] : kNames)
    if (name == kind) return text;
  return nullptr;
}

const char* special_type_text(const std::string& field) {
  if (field == "__identity__") return "Identity";
  if (field == "__connection_id__") return "ConnectionId";
  if (field == "__timestamp_micros_since_unix_epoch__") return "Timestamp";
  if (field == "__time_duration_micros__") return "TimeDuration";
  if (field == "__uuid__") return "Uuid";
  return nullptr;
}

// Types recurse; kTypeDepthMax bounds it. NOLINTBEGIN(misc-no-recursion)
std::string fields_text(const std::vector<JsonTree>& fields, const JsonTree* typespace, int depth) {
  std::string out;
  for (const JsonTree& field : fields) {
    const JsonTree* type = field.find("algebraic_type");
    const std::string name = optional_text(field.find("name"));
    if (!out.empty()) out += ", ";
    out += (name.empty() ? "" : name + ": ") +
           (type == nullptr ? "?" : type_text(*type, typespace, depth + 1));
  }
  return out;
}

std::string sum_type_text(const std::vector<JsonTree>& variants, const JsonTree* typespace,
                          int depth) {
  const auto name = [&](size_t i) { return optional_text(variants[i].find("name")); };
  const auto payload = [&](size_t i) {
    const JsonTree* type = variants[i].find("algebraic_type");
    return type == nullptr ? std::string("?") : type_text(*type, typespace, depth + 1);
  };
  if (variants.size() == 2 && name(0) == "some" && name(1) == "none")
    return "Option<" + payload(0) + ">";
  if (variants.size() == 2 && name(0) == "ok" && name(1) == "err")
    return "Result<" + payload(0) + ", " + payload(1) + ">";
  if (variants.size() == 2 && name(0) == "Interval" && name(1) == "Time") return "ScheduleAt";
  return "enum { " + fields_text(variants, typespace, depth) + " }";
}

const std::vector<JsonTree>& items_under(const JsonTree& tree, const char* name) {
  static const std::vector<JsonTree> kNone;
  const JsonTree* found = tree.find(name);
  return found == nullptr ? kNone : found->items;
}

}  // namespace

std::string type_text(const JsonTree& type, const JsonTree* typespace, int depth) {
  if (depth > kTypeDepthMax || type.members.size() != 1) return "...";
  const auto& [kind, body] = type.members.front();
  if (const char* primitive = primitive_text(kind)) return primitive;
  if (kind == "Array") return "Vec<" + type_text(body, typespace, depth + 1) + ">";
  if (kind == "Product") {
    const auto& elements = items_under(body, "elements");
    if (elements.size() == 1)
      if (const char* special = special_type_text(optional_text(elements[0].find("name"))))
        return special;
    return elements.empty() ? "()" : "{ " + fields_text(elements, typespace, depth) + " }";
  }
  if (kind == "Sum") return sum_type_text(items_under(body, "variants"), typespace, depth);
  if (kind == "Ref" && typespace != nullptr) {
    const auto index = static_cast<size_t>(std::strtoul(body.text.c_str(), nullptr, 10));
    const auto& types = items_under(*typespace, "types");
    if (index < types.size()) return type_text(types[index], typespace, depth + 1);
  }
  return kind;
}
// NOLINTEND(misc-no-recursion)

ModuleSchema::ModuleSchema(JsonTree document) : document_(std::move(document)) {
  read_module(document_, "", 0);
}

// NOLINTNEXTLINE(misc-no-recursion): bounded by kSubmoduleDepthMax.
void ModuleSchema::read_module(const JsonTree& module, const std::string& prefix, int depth) {
  if (module.find("sections") != nullptr)
    read_v10(module, prefix, depth);
  else
    read_v9(module);
}

// NOLINTNEXTLINE(misc-no-recursion): bounded by kSubmoduleDepthMax.
void ModuleSchema::read_v10(const JsonTree& module, const std::string& prefix, int depth) {
  const JsonTree* typespace = section(module, "Typespace");
  if (const JsonTree* lifecycle = section(module, "LifeCycleReducers"))
    for (const JsonTree& entry : lifecycle->items)
      lifecycle_.push_back(prefix + entry.text_of("function_name"));
  const auto add_all = [&](const char* name, FunctionSchema::Kind kind) {
    const JsonTree* list = section(module, name);
    if (list == nullptr) return;
    for (const JsonTree& definition : list->items) {
      add_function(definition, kind, typespace, prefix);
      FunctionSchema& added = functions_.back();
      const bool special =
          std::find(lifecycle_.begin(), lifecycle_.end(), added.name) != lifecycle_.end();
      if (special) added.kind = FunctionSchema::Kind::kLifecycle;
      added.name = prefix + canonical_name(module, "Function", definition.text_of("source_name"));
    }
  };
  add_all("Reducers", FunctionSchema::Kind::kReducer);
  add_all("Procedures", FunctionSchema::Kind::kProcedure);
  if (const JsonTree* tables = section(module, "Tables"))
    for (const JsonTree& table : tables->items)
      tables_.push_back(
          {prefix + canonical_name(module, "Table", table.text_of("source_name")), &table});
  const JsonTree* submodules = section(module, "Submodules");
  if (submodules == nullptr || depth >= kSubmoduleDepthMax) return;
  for (const JsonTree& mounted : submodules->items)
    if (const JsonTree* inner = mounted.find("module"))
      read_module(*inner, prefix + mounted.text_of("namespace") + ".", depth + 1);
}

void ModuleSchema::read_v9(const JsonTree& module) {
  const JsonTree* typespace = module.find("typespace");
  for (const JsonTree& reducer : items_under(module, "reducers")) {
    const JsonTree* lifecycle = reducer.find("lifecycle");
    const bool special = lifecycle != nullptr && lifecycle->find("some") != nullptr;
    add_function(reducer,
                 special ? FunctionSchema::Kind::kLifecycle : FunctionSchema::Kind::kReducer,
                 typespace, "");
  }
  for (const JsonTree& exported : items_under(module, "misc_exports"))
    if (const JsonTree* procedure = exported.find("Procedure"))
      add_function(*procedure, FunctionSchema::Kind::kProcedure, typespace, "");
  for (const JsonTree& table : items_under(module, "tables"))
    tables_.push_back({table.text_of("name"), &table});
}

void ModuleSchema::add_function(const JsonTree& definition, FunctionSchema::Kind kind,
                                const JsonTree* typespace, const std::string& prefix) {
  std::string name = definition.text_of("source_name");
  if (name.empty()) name = definition.text_of("name");
  functions_.push_back({prefix + name, kind, definition.find("params"), typespace, &definition});
}

const FunctionSchema* ModuleSchema::find_function(std::string_view name) const {
  for (const auto procedure : {false, true})
    for (const FunctionSchema& function : functions_)
      if (function.name == name && (function.kind == FunctionSchema::Kind::kProcedure) == procedure)
        return &function;
  return nullptr;
}

const TableEntry* ModuleSchema::find_table(std::string_view name) const {
  for (const TableEntry& table : tables_)
    if (table.name == name) return &table;
  return nullptr;
}

std::string ModuleSchema::signature(const FunctionSchema& function) {
  const std::string parameters =
      function.params == nullptr
          ? ""
          : fields_text(items_under(*function.params, "elements"), function.typespace, 0);
  return function.name + "(" + parameters + ")";
}

void ModuleSchema::list_nearest(std::string_view function, FunctionSchema::Kind kind,
                                const char* heading, std::string& out) const {
  std::vector<std::pair<size_t, std::string>> found;
  for (const FunctionSchema& candidate : functions_)
    if (candidate.kind == kind)
      found.emplace_back(edit_distance(function, candidate.name), candidate.name);
  if (found.empty()) return;
  std::sort(found.begin(), found.end());
  out += std::string("\n\n") + heading;
  for (size_t i = 0; i < std::min(found.size(), kNearestShown); ++i)
    out += "\n- " + found[i].second;
  if (found.size() > kNearestShown)
    out += fmt::format("\n... ({} not shown)", found.size() - kNearestShown);
}

std::string ModuleSchema::not_found_text(std::string_view function, std::string_view database,
                                         std::string_view identity) const {
  std::string out = fmt::format(
      "No such reducer OR procedure `{}` for database `{}` resolving to "
      "identity `{}`.",
      function, database, identity);
  // A name is close when at most a third of it has to change.
  const size_t close = std::max<size_t>(1, function.size() / 3);
  for (const auto kind : {FunctionSchema::Kind::kReducer, FunctionSchema::Kind::kProcedure}) {
    const FunctionSchema* nearest = nullptr;
    size_t best = close + 1;
    for (const FunctionSchema& candidate : functions_) {
      const size_t distance = edit_distance(function, candidate.name);
      if (candidate.kind == kind && distance < best) {
        best = distance;
        nearest = &candidate;
      }
    }
    if (nearest == nullptr) continue;
    const char* what = kind == FunctionSchema::Kind::kReducer ? "reducer" : "procedure";
    return out + fmt::format("\n\nA {} with a similar name exists: `{}`", what, nearest->name);
  }
  list_nearest(function, FunctionSchema::Kind::kReducer, "Here are some existing reducers:", out);
  list_nearest(function, FunctionSchema::Kind::kProcedure,
               "Here are some existing procedures:", out);
  return out;
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

}  // namespace worldline::cli
