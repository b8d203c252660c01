#include "schema/plan_formatter.h"

#include <algorithm>

#include <fmt/format.h>

#include "schema/sats_json.h"

namespace worldline::schema {
namespace {

constexpr const char* kRule = "\xe2\x94\x81";         // U+2501, sixty times.
constexpr const char* kStepBullet = "\xe2\x96\xb8 ";  // U+25B8.
constexpr const char* kItemBullet = "\xe2\x80\xa2 ";  // U+2022.
constexpr size_t kRuleLength = 60;
constexpr const char* kIndent = "    ";

// What a coloured run shows [S 04/3.3].
struct Paint {
  int code;
  bool bold;
};
constexpr Paint kHeading{34, true};
constexpr Paint kCreated{32, true};
constexpr Paint kRemoved{31, true};
constexpr Paint kTableName{36, true};
constexpr Paint kType{35, false};
constexpr Paint kAccess{32, false};
constexpr Paint kSql{34, false};
constexpr Paint kWarning{41, true};

class PlanPrinter {
 public:
  PlanPrinter(const MigrationPlan& plan, PlanStyle style) : plan_(plan), style_(style) {}

  Result<std::string> print() {
    print_header();
    for (const auto& step : plan_.steps) WL_RETURN_IF_ERROR(print_step(step));
    return std::move(out_);
  }

 private:
  void text(std::string_view plain) { out_ += plain; }
  void run(const Paint& paint, std::string_view plain) {
    if (style_ == PlanStyle::kNoColor) return text(plain);
    out_ +=
        fmt::format("\x1b[0m{}\x1b[{}m{}\x1b[0m", paint.bold ? "\x1b[1m" : "", paint.code, plain);
  }

  void print_header() {
    std::string rule;
    for (size_t i = 0; i < kRuleLength; ++i) rule += kRule;
    text(rule + "\n");
    run(kHeading, "Database Migration Plan");
    text("\n" + rule + "\n\n");
  }

  Status print_step(const PlanStep& step) {
    switch (step.kind) {
      case StepKind::kAddTable:
        return print_added_table(step);
      case StepKind::kAddRowLevelSecurity:
        print_rule(kCreated, "Created", step.name);
        return {};
      case StepKind::kRemoveRowLevelSecurity:
        print_rule(kRemoved, "Removed", step.name);
        return {};
      case StepKind::kUpdateView:
        return {};  // Says nothing.
      case StepKind::kDisconnectAllUsers:
        run(kWarning,
            "!!! Warning: All clients will be disconnected due to breaking schema changes");
        text("\n");
        return {};
      default:  // Kinds the planner does not produce so far.
        return Status::not_supported("migration plan step {} on {} cannot be printed",
                                     static_cast<int>(step.kind), step.full_name());
    }
  }

  Status print_added_table(const PlanStep& step) {
    const TableDef* table = plan_.new_def->find_table(step.full_name());
    if (table == nullptr) return Status::internal("Table not found: {}", step.full_name());
    text(kStepBullet);
    run(kCreated, "Created");
    text(table->kind == TableKind::kUser ? " user table: " : " system table: ");
    run(kTableName, table->full_name);
    text(" (");
    run(kAccess, table->access == TableAccess::kPublic ? "public" : "private");
    text(")\n");
    print_columns(*table);
    print_constraints(*table);
    print_indexes(*table);
    print_sequences(*table);
    print_schedule(*table);
    text("\n");
    return {};
  }

  void section(std::string_view heading) {
    text(kIndent);
    run(kHeading, heading);
    text("\n");
  }
  void item(std::string_view line) {
    text(kIndent);
    text(kIndent);
    text(kItemBullet);
    text(line);
  }

  std::string joined(const TableDef& table, const std::vector<ColumnId>& columns) const {
    std::string out;
    for (const ColumnId column : columns)
      out.append(out.empty() ? "" : ", ").append(table.columns[column.value].name);
    return out;
  }

  void print_columns(const TableDef& table) {
    if (table.columns.empty()) return;
    section("Columns:");
    for (const auto& column : table.columns) {
      item(column.name + ": ");
      run(kType, schema::print(column.type));
      text("\n");
    }
  }
  // The three lists of a TableDef are sorted by name already.
  void print_constraints(const TableDef& table) {
    if (table.constraints.empty()) return;
    section("Unique constraints:");
    for (const auto& def : table.constraints)
      item(fmt::format("{} on [{}]\n", def.name, joined(table, def.columns)));
  }
  void print_indexes(const TableDef& table) {
    if (table.indexes.empty()) return;
    section("Indexes:");
    for (const auto& def : table.indexes)
      item(fmt::format("{} on [{}]\n", def.name, joined(table, def.columns)));
  }
  void print_sequences(const TableDef& table) {
    if (table.sequences.empty()) return;
    section("Auto-increment constraints:");
    for (const auto& def : table.sequences)
      item(fmt::format("{} on {}\n", def.name, table.columns[def.column.value].name));
  }
  void print_schedule(const TableDef& table) {
    if (!table.schedule) return;
    section("Schedule:");
    item(fmt::format("Calls {}: {}\n", function_kind_name(table.schedule->function_kind),
                     table.schedule->function_name));
  }

  // A rule in both definitions is made again without a word.
  void print_rule(const Paint& paint, std::string_view verb, const std::string& sql) {
    auto contains = [&sql](const ModuleDef& def) {
      const auto& rules = def.scopes()[0].row_level_security;
      return std::find(rules.begin(), rules.end(), sql) != rules.end();
    };
    if (contains(*plan_.old_def) && contains(*plan_.new_def)) return;
    text(kStepBullet);
    run(paint, verb);
    text(fmt::format(" row level security policy:\n{}`", kIndent));
    run(kSql, sql);
    text("`\n");
  }

  const MigrationPlan& plan_;  // Borrowed; outlives this.
  const PlanStyle style_;
  std::string out_;
};

}  // namespace

Result<std::string> format_plan(const MigrationPlan& plan, PlanStyle style) {
  return PlanPrinter(plan, style).print();
}

}  // namespace worldline::schema
