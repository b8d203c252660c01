// `worldline publish`: build, ask what would change, ask the user, upload [S 07/6.3, 04/1.10].
#include <cctype>
#include <filesystem>

#include "cli/commands.h"
#include "cli/module_build.h"

namespace worldline::cli {
namespace {

// One database to publish: the options merged with a target of the project file.
struct PublishJob {
  std::string name;
  std::string server;
  ModuleSource source;
  std::string parent;
  std::string organization;
  std::string num_replicas;
  bool break_clients = false;
  bool anonymous = false;
};

Result<ModuleSource> source_of_form(const std::string& path, ModuleSource::Form form) {
  WL_ASSIGN_OR_RETURN(ModuleSource source, module_source(path));
  const bool directory = source.form == ModuleSource::Form::kDirectory;
  if (directory != (form == ModuleSource::Form::kDirectory))
    return Status::invalid_argument("{} is {}", source.path,
                                    directory ? "a directory, not a file" : "not a directory");
  source.form = form;
  return source;
}

Result<ModuleSource> choose_source(const PublishOptions& options, const ProjectTarget& target,
                                   const Environment& environment) {
  using Form = ModuleSource::Form;
  if (!options.path.empty()) return module_source(options.path);
  if (!options.bin_path.empty()) return source_of_form(options.bin_path, Form::kWasmFile);
  if (!options.js_path.empty()) return source_of_form(options.js_path, Form::kJsFile);
  if (!options.module_path.empty()) return source_of_form(options.module_path, Form::kDirectory);
  if (!target.wasm_file.empty()) return source_of_form(target.wasm_file, Form::kWasmFile);
  if (!target.js_file.empty()) return source_of_form(target.js_file, Form::kJsFile);
  if (!target.module_path.empty()) return source_of_form(target.module_path, Form::kDirectory);
  std::error_code ignored;
  const std::string usual = environment.working_dir + "/spacetimedb";
  return module_source(std::filesystem::is_directory(usual, ignored) ? usual
                                                                     : environment.working_dir);
}

// Options that only make sense for one module.
std::string single_module_options(const PublishOptions& options) {
  std::string out;
  const auto add = [&out](const std::string& value, const char* name) {
    if (!value.empty()) out += (out.empty() ? "" : ", ") + std::string(name);
  };
  add(options.path, "PATH");
  add(options.module_path, "--module-path");
  add(options.bin_path, "--bin-path");
  add(options.js_path, "--js-path");
  add(options.build_options, "--build-options");
  add(options.num_replicas, "--num-replicas");
  return out;
}

Result<std::vector<ProjectTarget>> choose_targets(const PublishOptions& options,
                                                  const ProjectFile& project) {
  if (!project.present()) {
    ProjectTarget only;
    only.database = options.name;
    return std::vector<ProjectTarget>{only};
  }
  std::vector<ProjectTarget> chosen;
  for (const ProjectTarget* target : project.match(options.name.empty() ? "*" : options.name))
    chosen.push_back(*target);
  if (chosen.empty() && project.targets.size() == 1) {
    chosen.push_back(project.targets.front());
    if (!options.name.empty()) chosen.front().database = options.name;
  }
  if (chosen.empty())
    return Status::invalid_argument("No database target matches '{}'. Available databases: {}",
                                    options.name, project.names());
  for (const ProjectTarget& target : chosen)
    if (target.database.empty())
      return Status::invalid_argument("a target of {} has no `database`", project.files.front());
  const std::string single = single_module_options(options);
  if (chosen.size() > 1 && !single.empty())
    return Status::invalid_argument("{} cannot be used with several databases ({})", single,
                                    project.names());
  return chosen;
}

Status check_name(const std::string& name) {
  if (name.empty() || !parse_identity(name).empty()) return {};
  bool dash_allowed = false;
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (!plain && !(c == '-' && dash_allowed))
      return Status::invalid_argument(
          "invalid database name `{}`: use lower-case letters, digits "
          "and single hyphens between them",
          name);
    dash_allowed = plain;
  }
  if (!dash_allowed)
    return Status::invalid_argument("invalid database name `{}`: it ends with a hyphen", name);
  return {};
}

Result<PublishJob> make_job(const PublishOptions& options, const ProjectTarget& target,
                            const CommandContext& context) {
  PublishJob job;
  job.name = target.database;
  job.server = target.server;
  job.parent = options.parent.empty() ? target.parent : options.parent;
  job.organization = options.organization.empty() ? target.organization : options.organization;
  job.num_replicas = options.num_replicas.empty() ? target.num_replicas : options.num_replicas;
  job.anonymous = options.target.anonymous || target.anonymous.value_or(false);
  job.break_clients = options.break_clients || target.break_clients.value_or(false);
  if (const size_t slash = job.name.find('/'); slash != std::string::npos) {
    job.parent = job.name.substr(0, slash);
    job.name = job.name.substr(slash + 1);
  }
  WL_RETURN_IF_ERROR(check_name(job.name));
  WL_ASSIGN_OR_RETURN(job.source, choose_source(options, target, context.environment));
  return job;
}

// The conversation of one publish, after the program was built.
class Publisher {
 public:
  Publisher(const PublishOptions& options, const PublishJob& job, const ApiClient& client,
            const BuildOutcome& build, CommandContext& context)
      : options_(options), job_(job), client_(client), build_(build), context_(context) {}

  Status run() {
    WL_RETURN_IF_ERROR(confirm_remote());
    const std::string server =
        options_.target.server.empty() ? job_.server : options_.target.server;
    console().out("Uploading to " + (server.empty() ? "the default server" : server) + " => " +
                  client_.server().text + "\n");
    query_ = "host_type=" + host_type();
    if (!job_.name.empty()) {
      if (options_.delete_data == DeleteData::kAlways)
        WL_RETURN_IF_ERROR(confirm_clear());
      else
        WL_RETURN_IF_ERROR(check_changes());
    }
    return upload();
  }

 private:
  Console& console() { return context_.console; }
  std::string host_type() const { return build_.kind == ProgramKind::kWasm ? "Wasm" : "Js"; }
  AssumeYes assume(const std::string& what) const {
    return options_.says_yes_to(what) ? AssumeYes::kYes : AssumeYes::kNo;
  }
  std::string database_path() const { return "/v1/database/" + percent_encode(job_.name); }

  Status confirm_remote() {
    if (client_.server().is_local()) return {};
    if (options_.says_yes_to("remote")) return {};
    console().out("You are about to publish to a non-local server: " + client_.server().host +
                  "\n");
    if (!confirm(console(), "Are you sure you want to proceed?", AssumeYes::kNo))
      return Status::failed_precondition("Publish aborted by user.");
    return {};
  }

  Status confirm_clear() {
    console().out("This will DESTROY the current " + job_.name +
                  " module, and ALL corresponding data.\n");
    if (!confirm(console(), "Are you sure you want to proceed? [deleting " + job_.name + "]",
                 assume("delete-data")))
      return Status::failed_precondition("Aborted.");
    query_ += "&clear=true";
    return {};
  }

  Status check_changes() {
    console().out("Checking for breaking changes...\n");
    const char* style =
        context_.environment.variables.count("NO_COLOR") > 0 ? "NoColor" : "AnsiColor";
    WL_ASSIGN_OR_RETURN(const HttpResponse answer,
                        client_.post(database_path() + "/pre_publish?pretty_print_style=" + style +
                                         "&style=" + style + "&host_type=" + host_type(),
                                     build_.program));
    if (answer.status == 404) return {};               // A new database.
    if (answer.status == 401) return refusal(answer);  // Says what to do about the token.
    if (!answer.ok())
      return Status::failed_precondition("Pre-publish check failed with status {}: {}",
                                         answer.status, answer.body);
    WL_ASSIGN_OR_RETURN(const JsonTree body, json_answer(answer));
    if (const JsonTree* plan = body.find("AutoMigrate")) return accept_plan(*plan);
    if (const JsonTree* refused = body.find("ManualMigrate")) return accept_manual(*refused);
    return Status::internal("the server answered the pre-publish check with {}", answer.body);
  }

  static bool flag(const JsonTree& tree, const char* name) {
    const JsonTree* found = tree.find(name);
    return found != nullptr && found->boolean;
  }

  Status accept_major_upgrade(const JsonTree& answer) {
    if (!flag(answer, "major_version_upgrade") || options_.says_yes_to("migrate")) return {};
    console().out(
        "This is a major version upgrade from 1.0 to 2.0 of the module interface.\n\n"
        "Clients built for 1.0 may stop working and have to be generated anew.\n\n"
        "WARNING: this upgrade cannot be reverted.\n\nPlease type 'upgrade' to accept this "
        "change: ");
    if (console().read_line().value_or("") != "upgrade")
      return Status::failed_precondition(
          "Aborting because major version upgrade was not accepted.");
    return {};
  }

  Status accept_plan(const JsonTree& plan) {
    WL_RETURN_IF_ERROR(accept_major_upgrade(plan));
    console().out(plan.text_of("migrate_plan") + "\n");
    if (flag(plan, "break_clients") && !job_.break_clients &&
        !options_.says_yes_to("break-clients") &&
        !confirm(console(),
                 "The above changes will BREAK existing clients. Do you want to proceed?",
                 AssumeYes::kNo)) {
      console().out("Aborting\n");
      return Status::failed_precondition("Publishing aborted by user");
    }
    query_ += "&policy=BreakClients&token=" + percent_encode(plan.text_of("token"));
    return {};
  }

  Status accept_manual(const JsonTree& refused) {
    WL_RETURN_IF_ERROR(accept_major_upgrade(refused));
    console().out(refused.text_of("reason") + "\n");
    if (options_.delete_data == DeleteData::kOnConflict) {
      console().out("Proceeding with database clear due to --delete-data=on-conflict.\n");
      return confirm_clear();
    }
    console().out("Aborting publish due to required manual migration.\n");
    return Status::failed_precondition(
        "Aborting because publishing would require manual migration or deletion of data and "
        "--delete-data was not specified.");
  }

  Status upload() {
    console().out("Publishing module...\n");
    const auto add = [this](const char* name, const std::string& value) {
      if (!value.empty()) query_ += std::string("&") + name + "=" + percent_encode(value);
    };
    add("num_replicas", job_.num_replicas);
    add("parent", job_.parent);
    add("org", job_.organization);
    HttpRequest request;
    request.method = job_.name.empty() ? "POST" : "PUT";
    request.target = (job_.name.empty() ? "/v1/database" : database_path()) + "?" + query_;
    request.body = build_.program;
    WL_ASSIGN_OR_RETURN(const HttpResponse answer, client_.send(std::move(request)));
    if (answer.header("content-type") != "application/json") return refusal(answer);
    WL_ASSIGN_OR_RETURN(const JsonTree body, JsonTree::parse(answer.body));
    if (const JsonTree* denied = body.find("PermissionDenied"))
      return Status::permission_denied(
          "the database name `{}` belongs to somebody else: choose another one",
          denied->text_of("name"));
    const JsonTree* success = body.find("Success");
    if (!answer.ok() || success == nullptr) return refusal(answer);
    const std::string name = success->text_of("domain");
    const std::string identity = success->text_of("database_identity");
    console().out(std::string(success->text_of("op") == "created" ? "Created new" : "Updated") +
                  " database with " + (name.empty() ? "" : "name: " + name + ", ") +
                  "identity: " + identity + "\n");
    return {};
  }

  const PublishOptions& options_;  // These five are borrowed and outlive this.
  const PublishJob& job_;
  const ApiClient& client_;
  const BuildOutcome& build_;
  CommandContext& context_;
  std::string query_;
};

Result<int> publish_one(const PublishOptions& options, const PublishJob& job,
                        CommandContext& context) {
  TargetOptions target = options.target;
  target.anonymous = job.anonymous;
  WL_ASSIGN_OR_RETURN(const ApiClient client, connect(target, job.server, context));
  WL_ASSIGN_OR_RETURN(const BuildOutcome build,
                      build_module(job.source, context.environment, context.console));
  if (build.tool_exit_code != 0) {
    context.console.err("Error: the module was not built\n");
    return build.tool_exit_code;
  }
  WL_RETURN_IF_ERROR(Publisher(options, job, client, build, context).run());
  return 0;
}

}  // namespace

Result<int> run_publish(const PublishOptions& options, CommandContext& context) {
  WL_ASSIGN_OR_RETURN(const ProjectFile project, load_project(options.target, context));
  WL_RETURN_IF_ERROR(project.check_keys());
  WL_ASSIGN_OR_RETURN(const std::vector<ProjectTarget> targets, choose_targets(options, project));
  for (const std::string& file : project.files) context.console.err("Using " + file + "\n");
  for (const ProjectTarget& target : targets) {
    WL_ASSIGN_OR_RETURN(const PublishJob job, make_job(options, target, context));
    if (project.present())
      context.console.err("Publishing module " + job.source.path + " to database " + job.name +
                          "\n");
    WL_ASSIGN_OR_RETURN(const int code, publish_one(options, job, context));
    if (code != 0) return code;
  }
  return 0;
}

}  // namespace worldline::cli
