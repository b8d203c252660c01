// `worldline describe` [S 07/7.5, 12].
#include "cli/commands.h"
#include "cli/module_schema.h"

namespace worldline::cli {

Result<int> run_describe(const DescribeOptions& options, CommandContext& context) {
  warn_unstable(context.console);
  WL_ASSIGN_OR_RETURN(
      const ConnectedDatabase database,
      connect_database(options.target, options.words, FirstWord::kMustBeKnown, context));
  const std::vector<std::string>& words = database.choice.words;
  const bool whole = words.empty();
  if (!whole && (words.size() != 2 || (words[0] != "table" && words[0] != "reducer")))
    return Status::invalid_argument(
        "describe takes a database and then nothing, `table NAME` or `reducer NAME`");
  WL_ASSIGN_OR_RETURN(JsonTree document, database.client.schema(database.identity));
  const ModuleSchema schema(std::move(document));
  const JsonTree* shown = &schema.document();
  if (!whole && words[0] == "table") {
    const TableEntry* table = schema.find_table(words[1]);
    if (table == nullptr) return Status::not_found("no such table: {}", words[1]);
    shown = table->definition;
  } else if (!whole) {
    const FunctionSchema* function = schema.find_function(words[1]);
    if (function == nullptr) return Status::not_found("no such reducer: {}", words[1]);
    shown = function->definition;
  }
  context.console.out(shown->print_pretty() + "\n");
  return 0;
}

}  // namespace worldline::cli
