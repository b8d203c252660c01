// `worldline list`, `identity` and `version` [S 07/7.6, 12].
#include "cli/commands.h"
#include "cli/value_text.h"
#include "cli/version.h"

namespace worldline::cli {

Result<int> run_list(const ListOptions& options, CommandContext& context) {
  warn_unstable(context.console);
  WL_ASSIGN_OR_RETURN(const ApiClient client, connect(options.target, "", context));
  WL_ASSIGN_OR_RETURN(const std::string owner, identity_of_token(context.config.token()));
  WL_ASSIGN_OR_RETURN(const HttpResponse answer,
                      client.get("/v1/identity/" + owner + "/databases"));
  WL_ASSIGN_OR_RETURN(const JsonTree body, json_answer(answer));
  const JsonTree* identities = body.find("identities");
  if (identities == nullptr || identities->items.empty()) {
    context.console.out("No databases found for " + owner + ".\n");
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const JsonTree& identity : identities->items) {
    WL_ASSIGN_OR_RETURN(const HttpResponse named,
                        client.get("/v1/database/" + percent_encode(identity.text) + "/names"));
    WL_ASSIGN_OR_RETURN(const JsonTree names, json_answer(named));
    std::string joined;
    if (const JsonTree* list = names.find("names"))
      for (const JsonTree& name : list->items) joined += (joined.empty() ? "" : ", ") + name.text;
    rows.push_back({joined, identity.text});
  }
  context.console.out("Associated database identities for " + owner + ":\n\n");
  context.console.out(table_text({"Database Name(s)", "Identity"}, rows));
  return 0;
}

Result<int> run_identity(const IdentityOptions& options, CommandContext& context) {
  if (options.make_new || context.config.token().empty()) {
    TargetOptions target = options.target;
    target.anonymous = true;
    WL_ASSIGN_OR_RETURN(const ApiClient client, connect(target, "", context));
    WL_ASSIGN_OR_RETURN(const std::string token, client.mint_token());
    WL_RETURN_IF_ERROR(context.config.save_token(token, context.console));
  }
  WL_ASSIGN_OR_RETURN(const std::string identity, identity_of_token(context.config.token()));
  context.console.out("You are logged in as " + identity + "\n");
  if (options.show_token)
    context.console.out("Your auth token (don't share this!) is " + context.config.token() + "\n");
  return 0;
}

Result<int> run_version(const VersionOptions&, CommandContext& context) {
  context.console.out(std::string("worldline ") + kVersion + "\n" +
                      "client protocols: v3.bsatn.spacetimedb, v2.bsatn.spacetimedb\n" +
                      "module interfaces: spacetime:sys@1.0-1.3, 2.0, 2.1 (JavaScript)\n");
  return 0;
}

}  // namespace worldline::cli
