#include "schema/migration_plan.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "schema/definition_errors.h"
#include "schema/sats_json.h"

namespace worldline::schema {
namespace {

std::vector<std::string> split_path(const std::string& path) {
  std::vector<std::string> segments;
  size_t begin = 0;
  while (begin < path.size()) {
    const size_t end = std::min(path.find('.', begin), path.size());
    segments.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return segments;
}

// Refuses what is not built; one text per difference, in the order they are found.
class Refusals {
 public:
  template <typename... Args>
  void not_built(fmt::format_string<Args...> format, Args&&... args) {
    texts_.push_back(fmt::format(format, std::forward<Args>(args)...) +
                     " is not supported by this version");
  }
  // Differences no version migrates by itself [S 04/2.3].
  template <typename... Args>
  void manual(fmt::format_string<Args...> format, Args&&... args) {
    texts_.push_back(fmt::format(format, std::forward<Args>(args)...));
  }
  Status to_status() const {
    if (texts_.empty()) return {};
    return {StatusCode::kNotSupported, print_error_list(texts_)};
  }

 private:
  std::vector<std::string> texts_;
};

// Everything that makes an index, constraint or sequence a different one under the same name.
bool same(const IndexDef& a, const IndexDef& b) {
  return a.algorithm == b.algorithm && a.columns == b.columns && a.source_name == b.source_name &&
         a.accessor_name == b.accessor_name;
}
bool same(const ConstraintDef& a, const ConstraintDef& b) {
  return a.columns == b.columns;
}
bool same(const SequenceDef& a, const SequenceDef& b) {
  return a.column == b.column && a.start == b.start && a.min_value == b.min_value &&
         a.max_value == b.max_value && a.increment == b.increment;
}
bool same(const ScheduleDef& a, const ScheduleDef& b) {
  return a.at_column == b.at_column && a.function_name == b.function_name;
}
bool same(const ReducerDef& a, const ReducerDef& b) {
  return a.params == b.params && a.lifecycle == b.lifecycle && a.visibility == b.visibility;
}
bool same(const ProcedureDef& a, const ProcedureDef& b) {
  return a.params == b.params && a.return_type == b.return_type && a.visibility == b.visibility;
}

template <typename Def>
std::map<std::string, const Def*> by_full_name(const std::vector<Def>& defs) {
  std::map<std::string, const Def*> out;
  for (const auto& def : defs) out.emplace(def.full_name, &def);
  return out;
}

class Planner {
 public:
  Planner(const ModuleDef& old_def, const ModuleDef& new_def) : old_(old_def), new_(new_def) {}

  Result<std::vector<PlanStep>> plan() {
    compare_views();
    compare_tables();
    compare_row_level_security();
    WL_RETURN_IF_ERROR(refusals_.to_status());
    std::sort(steps_.begin(), steps_.end());
    return std::move(steps_);
  }

 private:
  void add_step(StepKind kind, const std::string& path, const std::string& name) {
    steps_.push_back({kind, split_path(path), name});
  }

  void compare_tables() {
    const auto olds = by_full_name(old_.tables());
    const auto news = by_full_name(new_.tables());
    std::set<std::string> names;
    for (const auto& [name, table] : olds) names.insert(name);
    for (const auto& [name, table] : news) names.insert(name);
    for (const auto& name : names) {
      const auto old_table = olds.find(name);
      const auto new_table = news.find(name);
      if (old_table == olds.end()) {
        const TableDef& table = *new_table->second;
        add_step(StepKind::kAddTable, new_.scope_of(table.scope).path, table.name);
      } else if (new_table == news.end()) {
        refusals_.not_built("Removing table `{}`", name);
      } else {
        compare_table(*old_table->second, *new_table->second);
      }
    }
  }

  void compare_table(const TableDef& a, const TableDef& b) {
    auto kind_name = [](TableKind kind) { return kind == TableKind::kUser ? "User" : "System"; };
    if (a.kind != b.kind)
      refusals_.manual(
          "Changing the table type of table {} from {} to {} requires a manual migration", b.name,
          kind_name(a.kind), kind_name(b.kind));
    if (a.is_event != b.is_event)
      refusals_.manual("Changing the event flag of table {} requires a manual migration", b.name);
    compare_columns(a, b);
    compare_members("index", a.full_name, a.indexes, b.indexes);
    compare_members("auto-increment sequence", a.full_name, a.sequences, b.sequences);
    compare_members("unique constraint", a.full_name, a.constraints, b.constraints);
    compare_schedules(a, b);
    if (a.accessor_name != b.accessor_name)
      refusals_.not_built("Changing the accessor name of table `{}` from `{}` to `{}`", a.full_name,
                          a.accessor_name, b.accessor_name);
    if (a.access != b.access) refusals_.not_built("Changing the access of table `{}`", a.full_name);
    if (a.primary_key != b.primary_key)
      refusals_.not_built("Changing the primary key of table `{}`", a.full_name);
  }

  // Default values of existing columns may change freely: rows keep what they have.
  void compare_columns(const TableDef& a, const TableDef& b) {
    for (size_t i = 0; i < a.columns.size(); ++i) {
      const ColumnDef& column = a.columns[i];
      const auto position = b.row_type.find(column.name);
      if (!position) {
        refusals_.not_built("Removing column `{}` of table `{}`", column.name, a.full_name);
        continue;
      }
      const ColumnDef& other = b.columns[*position];
      if (*position != i)
        refusals_.not_built("Moving column `{}` of table `{}`", column.name, a.full_name);
      if (column.type != other.type)
        refusals_.not_built("Changing the type of column `{}` of table `{}` from {} to {}",
                            column.name, a.full_name, print(column.type), print(other.type));
      if (column.accessor_name != other.accessor_name)
        refusals_.not_built("Changing the accessor name of column `{}` of table `{}`", column.name,
                            a.full_name);
    }
    for (const auto& column : b.columns)
      if (!a.row_type.find(column.name))
        refusals_.not_built("Adding column `{}` to table `{}`", column.name, a.full_name);
  }

  template <typename Def>
  void compare_members(const char* what, const std::string& table, const std::vector<Def>& olds,
                       const std::vector<Def>& news) {
    const auto old_names = by_full_name(olds);
    const auto new_names = by_full_name(news);
    for (const auto& [name, def] : old_names) {
      const auto found = new_names.find(name);
      if (found == new_names.end()) {
        refusals_.not_built("Removing {} `{}` of table `{}`", what, def->name, table);
      } else if (!same(*def, *found->second)) {
        refusals_.not_built("Changing {} `{}` of table `{}`", what, def->name, table);
      }
    }
    for (const auto& [name, def] : new_names)
      if (old_names.find(name) == old_names.end())
        refusals_.not_built("Adding {} `{}` to table `{}`", what, def->name, table);
  }

  void compare_schedules(const TableDef& a, const TableDef& b) {
    if (a.schedule && !b.schedule)
      refusals_.not_built("Removing the schedule of table `{}`", a.full_name);
    if (!a.schedule && b.schedule)
      refusals_.not_built("Adding a schedule to table `{}`", a.full_name);
    if (a.schedule && b.schedule && !same(*a.schedule, *b.schedule))
      refusals_.not_built("Changing the schedule of table `{}`", a.full_name);
  }

  bool same_view(const ViewDef& a, const ViewDef& b) const {
    const auto resolve_row = [](const ModuleDef& def, const ViewDef& view) {
      const ModuleScope& scope = def.scope_of(view.scope);
      return resolve(scope.typespace.types[view.product_type_ref], scope.typespace);
    };
    const auto row_a = resolve_row(old_, a);
    const auto row_b = resolve_row(new_, b);
    return a.is_anonymous == b.is_anonymous && a.is_public == b.is_public &&
           a.primary_key == b.primary_key && a.params == b.params && row_a.ok() && row_b.ok() &&
           *row_a == *row_b;
  }

  void compare_views() {
    for (const auto& view : old_.views())
      if (new_.find_view(view.full_name) == nullptr)
        refusals_.not_built("Removing view `{}`", view.full_name);
    for (const auto& view : new_.views()) {
      const ViewDef* other = old_.find_view(view.full_name);
      if (other == nullptr) {
        refusals_.not_built("Adding view `{}`", view.full_name);
      } else if (!same_view(*other, view)) {
        refusals_.not_built("Changing view `{}`", view.full_name);
      } else {
        add_step(StepKind::kUpdateView, new_.scope_of(view.scope).path, view.name);
      }
    }
  }

  // Rules of the root only. QUIRK [S 04/2.7 Q8]: unchanged ones are dropped and made again.
  void compare_row_level_security() {
    const auto& olds = old_.scopes()[0].row_level_security;
    const auto& news = new_.scopes()[0].row_level_security;
    auto contains = [](const auto& rules, const std::string& sql) {
      return std::find(rules.begin(), rules.end(), sql) != rules.end();
    };
    for (const auto& sql : olds) {
      if (!contains(news, sql)) {
        refusals_.not_built("Removing the row-level security rule `{}`", sql);
        continue;
      }
      add_step(StepKind::kRemoveRowLevelSecurity, "", sql);
      add_step(StepKind::kAddRowLevelSecurity, "", sql);
    }
    for (const auto& sql : news)
      if (!contains(olds, sql)) refusals_.not_built("Adding the row-level security rule `{}`", sql);
  }

  const ModuleDef& old_;  // Borrowed; outlives this.
  const ModuleDef& new_;  // Borrowed; outlives this.
  std::vector<PlanStep> steps_;
  Refusals refusals_;
};

template <typename Def>
void compare_functions(FunctionKind kind, const std::vector<Def>& olds,
                       const std::vector<Def>& news, std::vector<FunctionChange>& out) {
  using What = FunctionChange::What;
  const auto old_names = by_full_name(olds);
  const auto new_names = by_full_name(news);
  for (const auto& [name, def] : old_names) {
    const auto found = new_names.find(name);
    if (found == new_names.end()) {
      out.push_back({What::kRemoved, kind, name});
    } else if (!same(*def, *found->second)) {
      out.push_back({What::kChanged, kind, name});
    }
  }
  for (const auto& [name, def] : new_names)
    if (old_names.find(name) == old_names.end()) out.push_back({What::kAdded, kind, name});
}

}  // namespace

std::string PlanStep::full_name() const {
  std::string out;
  for (const auto& segment : path) out.append(segment).append(".");
  return out + name;
}

bool MigrationPlan::breaks_clients() const {
  return std::any_of(steps.begin(), steps.end(), [](const PlanStep& step) {
    return step.kind == StepKind::kDisconnectAllUsers;
  });
}

bool MigrationPlan::is_major_version_upgrade() const {
  return old_def->raw_version() < 10 && new_def->raw_version() == 10;
}

Result<MigrationPlan> plan_migration(ModuleDefPtr old_def, ModuleDefPtr new_def) {
  MigrationPlan plan;
  WL_ASSIGN_OR_RETURN(plan.steps, Planner(*old_def, *new_def).plan());
  compare_functions(FunctionKind::kReducer, old_def->reducers(), new_def->reducers(),
                    plan.function_changes);
  compare_functions(FunctionKind::kProcedure, old_def->procedures(), new_def->procedures(),
                    plan.function_changes);
  plan.old_def = std::move(old_def);
  plan.new_def = std::move(new_def);
  return plan;
}

}  // namespace worldline::schema
