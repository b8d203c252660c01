#include "tests/query/random_queries.h"

#include <algorithm>
#include <set>

namespace worldline::query::testing {
namespace {

constexpr const char* kTypes[] = {"U32", "I32", "String", "Bool", "F64", "U64"};
constexpr const char* kOps[] = {"=", "<>", "<", "<=", ">", ">="};

std::string name_of(char prefix, size_t number) {
  return prefix + std::to_string(number);
}

std::string sql_literal(const Json& cell) {
  return cell.is_string() ? "'" + cell.get<std::string>() + "'" : cell.dump();
}

bool compare(const Json& a, const std::string& op, const Json& b) {
  if (op == "=") return a == b;
  if (op == "<>") return a != b;
  if (op == "<") return a < b;
  if (op == "<=") return a <= b;
  if (op == ">") return a > b;
  return a >= b;
}

}  // namespace

RandomDatabase::RandomDatabase(uint64_t seed, size_t table_count, bool with_indexes)
    : prng_(seed), tables_(table_count), rows_(table_count) {
  // The first two columns have the same types in every table, so that joins are possible.
  const std::string shared[] = {kTypes[prng_.below(6)], kTypes[prng_.below(3)]};
  for (size_t i = 0; i < table_count; ++i) {
    TableSpec& spec = tables_[i];
    spec.name = name_of('t', i);
    const size_t columns = 2 + prng_.below(3);
    for (size_t c = 0; c < columns; ++c)
      spec.columns.emplace_back(name_of('c', c), c < 2 ? shared[c] : kTypes[prng_.below(6)]);
    std::set<std::vector<std::string>> indexes;
    for (uint64_t n = with_indexes ? 2 + prng_.below(4) : 0; n > 0; --n) {
      std::vector<std::string> index = {name_of('c', prng_.below(columns))};
      const std::string second = name_of('c', prng_.below(columns));
      if (second != index[0] && prng_.chance(2)) index.push_back(second);
      if (!indexes.insert(index).second) continue;
      (prng_.chance(4) ? spec.hash_indexes : spec.indexes).push_back(index);
    }
  }
}

void RandomDatabase::create() {
  for (const TableSpec& spec : tables_) database_.create_table(spec);
}

Json RandomDatabase::random_cell(const std::string& type) {
  constexpr double kFloats[] = {-1.5, -0.0, 0.0, 0.5, 1.0, 2.0};
  if (type == "String") return std::string(prng_.below(3), 'a') + std::string(prng_.below(2), 'b');
  if (type == "Bool") return prng_.chance(2);
  if (type == "F64") return kFloats[prng_.below(6)];
  if (type == "I32") return static_cast<int>(prng_.below(6)) - 3;
  return prng_.below(6);
}

Json RandomDatabase::random_row(size_t table) {
  Json row = Json::array();
  for (const auto& [name, type] : tables_[table].columns) row.push_back(random_cell(type));
  return row;
}

RandomCondition RandomDatabase::random_condition(const RandomQuery& query, size_t depth) {
  RandomCondition condition;
  if (depth > 0 && prng_.chance(2)) {
    condition.kind = prng_.chance(3) ? RandomCondition::Kind::kOr : RandomCondition::Kind::kAnd;
    for (uint64_t n = 2 + prng_.below(2); n > 0; --n)
      condition.children.push_back(random_condition(query, depth - 1));
    return condition;
  }
  condition.relation = prng_.below(query.tables.size());
  condition.column = prng_.below(tables_[query.tables[condition.relation]].columns.size());
  condition.op = kOps[prng_.chance(2) ? 0 : prng_.below(6)];
  const std::string& type = type_of(query.tables[condition.relation], condition.column);
  condition.other_relation = prng_.below(query.tables.size());
  const size_t other = query.tables[condition.other_relation];
  condition.other_column = prng_.below(tables_[other].columns.size());
  if (prng_.chance(4) && type_of(other, condition.other_column) == type) {
    condition.kind = RandomCondition::Kind::kColumns;
  } else {
    condition.literal = random_cell(type);
  }
  return condition;
}

std::string RandomDatabase::print(const RandomQuery& query,
                                  const RandomCondition& condition) const {
  const auto column = [](size_t relation, size_t number) {
    return name_of('r', relation) + "." + name_of('c', number);
  };
  const std::string left = column(condition.relation, condition.column);
  switch (condition.kind) {
    case RandomCondition::Kind::kLiteral:
      return left + " " + condition.op + " " + sql_literal(condition.literal);
    case RandomCondition::Kind::kColumns:
      return left + " " + condition.op + " " +
             column(condition.other_relation, condition.other_column);
    case RandomCondition::Kind::kAnd:
    case RandomCondition::Kind::kOr:
      break;
  }
  std::string out;
  for (const RandomCondition& child : condition.children) {
    if (!out.empty()) out += condition.kind == RandomCondition::Kind::kAnd ? " AND " : " OR ";
    out += "(" + print(query, child) + ")";
  }
  return out;
}

RandomQuery RandomDatabase::random_query(size_t relation_count) {
  RandomQuery query;
  std::string from;
  for (size_t i = 0; i < relation_count; ++i) {
    query.tables.push_back(prng_.below(tables_.size()));
    const std::string alias = name_of('r', i);
    from += (i == 0 ? " FROM " : " JOIN ") + tables_[query.tables[i]].name + " AS " + alias;
    if (i == 0) continue;
    const size_t column = prng_.below(2);
    query.on.emplace_back(column, column);
    from += " ON " + name_of('r', i - 1) + "." + name_of('c', column) + " = " + alias + "." +
            name_of('c', column);
  }
  query.returned = prng_.below(relation_count);
  query.sql = "SELECT " + name_of('r', query.returned) + ".*" + from;
  if (!prng_.chance(4)) {
    query.where.push_back(random_condition(query, 2));
    query.sql += " WHERE " + print(query, query.where[0]);
  }
  return query;
}

bool RandomDatabase::holds(const RandomQuery& query, const RandomCondition& condition,
                           const std::vector<const Json*>& combination) const {
  const auto child_holds = [&](const RandomCondition& child) {
    return holds(query, child, combination);
  };
  const auto& children = condition.children;
  switch (condition.kind) {
    case RandomCondition::Kind::kLiteral:
      return compare((*combination[condition.relation])[condition.column], condition.op,
                     condition.literal);
    case RandomCondition::Kind::kColumns:
      return compare((*combination[condition.relation])[condition.column], condition.op,
                     (*combination[condition.other_relation])[condition.other_column]);
    case RandomCondition::Kind::kAnd:
      return std::all_of(children.begin(), children.end(), child_holds);
    case RandomCondition::Kind::kOr:
      return std::any_of(children.begin(), children.end(), child_holds);
  }
  return false;
}

Rows RandomDatabase::evaluate(const RandomQuery& query) const {
  Rows out;
  const size_t relations = query.tables.size();
  std::vector<size_t> at(relations, 0);
  const auto rows_at = [&](size_t relation) -> const std::vector<Json>& {
    return rows_[query.tables[relation]];
  };
  for (size_t i = 0; i < relations; ++i)
    if (rows_at(i).empty()) return out;
  while (true) {
    std::vector<const Json*> combination;
    for (size_t i = 0; i < relations; ++i) combination.push_back(&rows_at(i)[at[i]]);
    bool match = query.where.empty() || holds(query, query.where[0], combination);
    for (size_t i = 1; i < relations; ++i)
      match = match && (*combination[i - 1])[query.on[i - 1].first] ==
                           (*combination[i])[query.on[i - 1].second];
    if (match) {
      const auto& type = database_.schema(tables_[query.tables[query.returned]].name).row_type;
      out.emplace(as_text(encode_row(*combination[query.returned], type)));
    }
    size_t digit = 0;
    while (digit < relations && ++at[digit] == rows_at(digit).size()) at[digit++] = 0;
    if (digit == relations) return out;
  }
}

storage::TxDataPtr RandomDatabase::random_change(size_t changes) {
  std::map<std::string, Json> deletes, inserts;
  for (size_t n = 1 + prng_.below(changes); n > 0; --n) {
    const size_t table = prng_.below(tables_.size());
    std::vector<Json>& rows = rows_[table];
    const std::string& name = tables_[table].name;
    if (prng_.chance(2) && !rows.empty()) {
      const size_t victim = prng_.below(rows.size());
      const Json row = rows[victim];
      // A row inserted by this very transaction is left alone: deletes are applied first.
      const bool fresh =
          inserts.count(name) > 0 &&
          std::find(inserts[name].begin(), inserts[name].end(), row) != inserts[name].end();
      if (fresh) continue;
      deletes[name].push_back(row);
      rows.erase(rows.begin() + static_cast<ptrdiff_t>(victim));
      continue;
    }
    const Json row = random_row(table);
    // -0.0 and 0.0 are equal numbers but two rows: compare as text.
    const bool known = std::any_of(rows.begin(), rows.end(),
                                   [&](const Json& other) { return other.dump() == row.dump(); });
    if (known) continue;
    inserts[name].push_back(row);
    if (!tables_[table].is_event) rows.push_back(row);
  }
  return database_.change(deletes, inserts);
}

}  // namespace worldline::query::testing
