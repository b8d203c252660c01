// schema/table_validator.h
//
// Checks one table of a module definition and builds its TableDef, as complete as the errors allow
// (with errors the result is thrown away). Internal to schema.
//
// Ownership: borrows everything; lives for one validation. Errors: collected in DefinitionErrors.
// Sources: [S 01/6.5-6.7].
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "schema/definition_errors.h"
#include "schema/module_def.h"
#include "schema/module_input.h"
#include "schema/type_checker.h"

namespace worldline::schema {

// The global name space of one module: each name may be taken once.
class NameSpace {
 public:
  explicit NameSpace(DefinitionErrors& errors) : errors_(errors) {}
  void take(const std::string& name);
  // An entity whose two names are equal counts once.
  void take(const std::string& source, const std::string& canonical);

 private:
  DefinitionErrors& errors_;  // Borrowed; outlives this.
  std::set<std::string> taken_;
};

struct ValidationContext {  // All borrowed.
  const ModuleInput& input;
  const std::string& prefix;  // Namespace with dot, or empty.
  TypeChecker& checker;
  NameSpace& names;
  DefinitionErrors& errors;
};

class TableValidator {
 public:
  TableValidator(const ValidationContext& context, const InputTable& input);

  TableDef build();

 private:
  bool build_columns();
  void build_column(size_t position, const ProductElement& source, const ProductElement& converted);
  void build_primary_key();
  void build_indexes();
  IndexDef build_index(const InputIndex& index);
  void check_direct(const IndexDef& index);
  void build_constraints();
  void build_sequences();
  void check_sequence(const SequenceDef& sequence);
  void build_defaults();

  // Known columns of `list`; errors for the others and for repetitions go to `def`.
  std::vector<ColumnId> columns_of(const ColumnList& list, const std::string& def);
  std::string joined_names(const ColumnList& list) const;  // `col_n` for an unknown column n.
  std::string print_column(ColumnId column) const;

  const ValidationContext& context_;  // Borrowed; outlives this.
  const InputTable& input_;           // Borrowed; outlives this.
  DefinitionErrors& errors_;          // Borrowed; outlives this.
  TableDef table_;
};

std::string print_column(const TableDef& table, ColumnId column);  // table `T` column `C`

}  // namespace worldline::schema
