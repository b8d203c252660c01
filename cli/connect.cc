// How a command finds its server, its token and its database [S 07/1.2, 1.3, 2.4, 3, 12].
#include "cli/commands.h"

namespace worldline::cli {

Result<ProjectFile> load_project(const TargetOptions& target, const CommandContext& context) {
  if (target.no_config) return ProjectFile{};
  return ProjectFile::load(context.environment.working_dir, target.env);
}

Result<ApiClient> connect(const TargetOptions& target, const std::string& project_server,
                          CommandContext& context) {
  WL_ASSIGN_OR_RETURN(
      const std::string address,
      context.config.server_url(target.server.empty() ? project_server : target.server));
  WL_ASSIGN_OR_RETURN(const ServerUrl server, ServerUrl::parse(address));
  if (target.anonymous) return ApiClient(context.transport, server, "");
  if (context.config.token().empty()) {
    const ApiClient anonymous(context.transport, server, "");
    WL_ASSIGN_OR_RETURN(const std::string token, anonymous.mint_token());
    WL_RETURN_IF_ERROR(context.config.save_token(token, context.console));
    WL_ASSIGN_OR_RETURN(const std::string identity, identity_of_token(token));
    context.console.err("Logged in with identity " + identity + "\n");
  }
  return ApiClient(context.transport, server, context.config.token());
}

Result<ConnectedDatabase> connect_database(const TargetOptions& target,
                                           const std::vector<std::string>& words, FirstWord rule,
                                           CommandContext& context) {
  WL_ASSIGN_OR_RETURN(const ProjectFile project, load_project(target, context));
  WL_ASSIGN_OR_RETURN(DatabaseChoice choice, choose_database(project, words, rule));
  WL_ASSIGN_OR_RETURN(ApiClient client, connect(target, choice.server, context));
  WL_ASSIGN_OR_RETURN(std::string identity, client.resolve(choice.database));
  return ConnectedDatabase{std::move(client), std::move(identity), std::move(choice)};
}

void warn_unstable(Console& console) {
  console.err("Warning: this command is unstable, its options and output may change.\n\n");
}

}  // namespace worldline::cli
