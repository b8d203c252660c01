// `worldline delete`, `lock` and `unlock` [S 07/7.6].
#include "cli/commands.h"

namespace worldline::cli {
namespace {

constexpr int kTreeDepthMax = 64;

// Names of a database of the tree the server shows, or its identity.
std::string tree_label(const JsonTree& node) {
  const JsonTree* names = node.find("database_names");
  std::string label;
  if (names != nullptr)
    for (const JsonTree& name : names->items) label += (label.empty() ? "" : ", ") + name.text;
  const std::string identity = node.text_of("database_identity");
  return label.empty() ? identity : label + " (" + identity + ")";
}

// NOLINTNEXTLINE(misc-no-recursion): bounded by kTreeDepthMax.
void print_tree(const JsonTree& tree, int depth, Console& console) {
  if (depth > kTreeDepthMax) return;
  const JsonTree* root = tree.find("root");
  console.out(std::string(static_cast<size_t>(depth) * 2, ' ') + "- " +
              tree_label(root == nullptr ? tree : *root) + "\n");
  if (const JsonTree* children = tree.find("children"))
    for (const JsonTree& child : children->items) print_tree(child, depth + 1, console);
}

Result<HttpResponse> send_delete(const ConnectedDatabase& database, const std::string& token) {
  HttpRequest request;
  request.method = "DELETE";
  request.target = "/v1/database/" + database.identity +
                   (token.empty() ? "" : "?token=" + percent_encode(token));
  return database.client.send(std::move(request));
}

}  // namespace

Result<int> run_delete(const DeleteOptions& options, CommandContext& context) {
  WL_ASSIGN_OR_RETURN(
      const ConnectedDatabase database,
      connect_database(options.target, options.words, FirstWord::kDatabaseOnly, context));
  Console& console = context.console;
  const AssumeYes assume = options.target.yes ? AssumeYes::kYes : AssumeYes::kNo;
  const std::string& name = database.choice.database;
  const std::string shown =
      parse_identity(name).empty() ? name + " (" + database.identity + ")" : database.identity;
  const std::string question =
      "Are you sure you want to delete database " + shown + "? This action cannot be undone.";
  if (!confirm(console, question, assume)) {
    console.out("Aborting\n");
    return 0;
  }
  WL_ASSIGN_OR_RETURN(HttpResponse answer, send_delete(database, ""));
  if (answer.status == 428) {
    WL_ASSIGN_OR_RETURN(const JsonTree body, JsonTree::parse(answer.body));
    console.out("Deleting this database also deletes:\n");
    if (const JsonTree* tree = body.find("database_tree")) print_tree(*tree, 0, console);
    if (!confirm(console, "Do you want to proceed deleting all of them?", assume)) {
      console.out("Aborting\n");
      return 0;
    }
    WL_ASSIGN_OR_RETURN(answer, send_delete(database, body.text_of("confirmation_token")));
  }
  if (!answer.ok()) return refusal(answer);
  return 0;
}

Result<int> run_lock(const LockOptions& options, CommandContext& context) {
  WL_ASSIGN_OR_RETURN(
      const ConnectedDatabase database,
      connect_database(options.target, options.words, FirstWord::kDatabaseOnly, context));
  const bool lock = options.wanted == LockState::kLocked;
  WL_ASSIGN_OR_RETURN(
      const HttpResponse answer,
      database.client.post("/v1/database/" + database.identity + (lock ? "/lock" : "/unlock"), ""));
  if (!answer.ok()) return refusal(answer);
  context.console.out("Database " + database.identity + " is now " +
                      (lock ? "locked. It cannot be deleted until unlocked.\n" : "unlocked.\n"));
  return 0;
}

}  // namespace worldline::cli
