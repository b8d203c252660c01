// `worldline call` [S 07/7.1].
#include "cli/commands.h"
#include "cli/module_schema.h"

namespace worldline::cli {
namespace {

// One argument as JSON text, with the conveniences for String and Identity.
std::string argument_json(const std::string& argument, const std::string& type) {
  const bool quoted = argument.size() >= 2 && argument.front() == '"' && argument.back() == '"';
  if (type == "String") return quoted ? argument : "\"" + argument + "\"";
  if (type != "Identity") return argument;
  const std::string bare = quoted ? argument.substr(1, argument.size() - 2) : argument;
  if (bare.starts_with("0x")) return "[\"" + bare + "\"]";
  if (bare.starts_with("c200")) return "[\"0x" + bare + "\"]";
  return argument;
}

// The body of the call: arguments paired with parameters; surplus ones are dropped.
std::string call_body(const FunctionSchema& function, const std::vector<std::string>& arguments) {
  std::string body = "[";
  const JsonTree* elements =
      function.params == nullptr ? nullptr : function.params->find("elements");
  const size_t count = elements == nullptr ? 0 : elements->items.size();
  for (size_t i = 0; i < std::min(count, arguments.size()); ++i) {
    const JsonTree* type = elements->items[i].find("algebraic_type");
    body +=
        (i == 0 ? "" : ", ") +
        argument_json(arguments[i], type == nullptr ? "" : type_text(*type, function.typespace));
  }
  return body + "]";
}

Status call_failure(const HttpResponse& answer, const ModuleSchema& schema,
                    const FunctionSchema& function, const ConnectedDatabase& database,
                    Console& console) {
  console.err("Response text: " + answer.body + "\n");
  if (answer.body.starts_with("no such reducer") || answer.body.starts_with("no such procedure") ||
      answer.body.starts_with("No such procedure"))
    return Status::not_found(
        "{}", schema.not_found_text(function.name, database.choice.database, database.identity));
  if (answer.body.starts_with("invalid arguments"))
    return Status::invalid_argument(
        "Invalid arguments provided for `{}` for database `{}` resolving "
        "to identity `{}`.\n\nIt has the following signature:\n\t{}",
        function.name, database.choice.database, database.identity,
        ModuleSchema::signature(function));
  return refusal(answer);
}

}  // namespace

Result<int> run_call(const CallOptions& options, CommandContext& context) {
  warn_unstable(context.console);
  WL_ASSIGN_OR_RETURN(
      const ConnectedDatabase database,
      connect_database(options.target, options.words, FirstWord::kMustBeKnown, context));
  if (database.choice.words.empty())
    return Status::invalid_argument("which reducer or procedure of `{}` should be called?",
                                    database.choice.database);
  const std::string& name = database.choice.words.front();
  const std::vector<std::string> arguments(database.choice.words.begin() + 1,
                                           database.choice.words.end());
  WL_ASSIGN_OR_RETURN(JsonTree document, database.client.schema(database.identity));
  const ModuleSchema schema(std::move(document));
  const FunctionSchema* function = schema.find_function(name);
  if (function == nullptr)
    return Status::not_found(
        "{}", schema.not_found_text(name, database.choice.database, database.identity));

  HttpRequest request;
  request.method = "POST";
  request.target = "/v1/database/" + database.identity + "/call/" + percent_encode(function->name);
  request.headers.emplace_back("Content-Type", "application/json");
  const std::string body = call_body(*function, arguments);
  request.body = body;
  WL_ASSIGN_OR_RETURN(const HttpResponse answer, database.client.send(std::move(request)));
  if (!answer.ok()) return call_failure(answer, schema, *function, database, context.console);
  if (function->kind == FunctionSchema::Kind::kProcedure && !answer.body.empty())
    context.console.out(answer.body + "\n");
  return 0;
}

}  // namespace worldline::cli
