#include "cli/command_line.h"

#include <functional>
#include <memory>
#include <sstream>

#include <CLI/CLI.hpp>

#include "cli/log_line.h"
#include "cli/version.h"

namespace worldline::cli {
namespace {

constexpr int kWordsMax = 100'000;  // Positional arguments of one command.

constexpr const char* kAbout =
    "Worldline is a database that runs your code: publish a module with tables and reducers,\n"
    "and clients call the reducers and subscribe to queries over WebSocket.";
constexpr const char* kFirstSteps =
    "A first session:\n"
    "  worldline start --data-dir ./data                start a node on port 3000\n"
    "  worldline publish chat ./examples/chat           build and publish a module\n"
    "  worldline call chat send_message '\"hello\"'       call a reducer\n"
    "  worldline sql chat 'SELECT * FROM message'       look at a table\n"
    "  worldline logs chat --follow                     watch what the module logs\n"
    "\n"
    "`worldline <command> --help` explains one command.";

// The parsers below fill this; `chosen` says which command it was.
struct Parse {
  GlobalOptions global;
  Command command = EarlyExit{};
};
using Apps = CLI::App;

// CLI11 takes words like `[1,2]` apart and loses track of words behind `--`. Neither happens to a
// word behind this mark.
constexpr char kWordMark = '\x01';

std::vector<std::string> mark_words(const std::vector<std::string>& words) {
  std::vector<std::string> marked;
  bool words_only = false;  // `--` was seen.
  for (const std::string& word : words) {
    if (!words_only && word == "--")
      words_only = true;
    else if (word.starts_with('[') || (words_only && word.starts_with('-')))
      marked.push_back(kWordMark + word);
    else
      marked.push_back(word);
  }
  return marked;
}

std::vector<std::string> unmark_words(std::vector<std::string> words) {
  for (std::string& word : words)
    if (word.starts_with(kWordMark)) word.erase(word.begin());
  return words;
}

void add_words(Apps* app, std::vector<std::string>& words, const char* name, const char* about) {
  app->add_option_function<std::vector<std::string>>(
         name, [&words](const std::vector<std::string>& given) { words = unmark_words(given); },
         about)
      ->expected(0, kWordsMax);
}

void add_target(Apps* app, TargetOptions& target) {
  app->add_option("-s,--server", target.server,
                  "Nickname, host[:port] or URL of the server (default: project file, then "
                  "default_server of cli.toml)");
  app->add_flag("-y,--yes", target.yes, "Answer yes to every question");
  app->add_flag("--no-config", target.no_config, "Ignore spacetime.json");
}

void add_anonymous(Apps* app, TargetOptions& target) {
  app->add_flag("--anonymous", target.anonymous, "Send no token");
}

template <typename Options>
Apps* add_command(Apps& root, Parse& parse, const char* name, const char* about,
                  const std::shared_ptr<Options>& options) {
  Apps* app = root.add_subcommand(name, about);
  app->callback([&parse, options] { parse.command = *options; });
  return app;
}

void add_setting(Apps* app, const std::shared_ptr<StartArguments>& options, const char* flag,
                 const std::string& key, const char* about) {
  app->add_option_function<std::vector<std::string>>(
         flag,
         [options, key](const std::vector<std::string>& values) {
           options->settings.emplace_back(key, values.back());
         },
         about)
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
}

void add_start_options(Apps* app, const std::shared_ptr<StartArguments>& options) {
  for (const ConfigKey& key : config_keys()) {
    if (*key.flag == '\0') continue;
    std::string names = key.flag;  // "-l, --listen" -> "-l,--listen"
    for (size_t at = names.find(", "); at != std::string::npos; at = names.find(", "))
      names.erase(at + 1, 1);
    add_setting(app, options, names.c_str(), key.name, key.meaning);
  }
  app->add_option_function<std::vector<std::string>>(
         "--set",
         [options](const std::vector<std::string>& values) {
           for (const std::string& value : values) {
             const size_t equals = value.find('=');
             if (equals == std::string::npos)
               throw CLI::ValidationError("--set", "wants KEY=VALUE, found `" + value + "`");
             options->settings.emplace_back(value.substr(0, equals), value.substr(equals + 1));
           }
         },
         "Set KEY=VALUE; docs/configuration.md lists the keys")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
  app->add_flag_callback(
      "--in-memory", [options] { options->settings.emplace_back("node.in-memory", "true"); },
      "Not supported: every confirmed transaction is written to disk");
  add_setting(app, options, "--page_pool_max_size", "limits.page-pool-max-size",
              "No effect; accepted for compatibility");
  add_setting(app, options, "--pg-port", "listen.pg-port",
              "Not supported: there is no PostgreSQL listener; 0 = off");
  app->add_option("--config", options->config_file, "Read settings from this TOML file");
  app->add_flag("--non-interactive", options->non_interactive,
                "Fail when the port is in use instead of asking for another");
  app->add_flag_callback(
      "--enable-tracy", [options] { options->without_effect.emplace_back("--enable-tracy"); },
      "No effect; accepted for compatibility");
}

void add_start(Apps& root, Parse& parse) {
  auto options = std::make_shared<StartArguments>();
  Apps* app = add_command(root, parse, "start", "Run a node in this process", options);
  add_start_options(app, options);
  app->footer(
      "When it serves, standard output gets one line beginning `worldline ready`.\n"
      "Ctrl-C stops it: what was accepted is answered, and everything is on disk.\n\n"
      "Example:\n  worldline start --data-dir ./data --listen 127.0.0.1:3000");
}

void add_config(Apps& root, Parse& parse) {
  Apps* app = root.add_subcommand("config", "Check or document the settings of `start`");
  app->require_subcommand(1);
  auto check = std::make_shared<ConfigArguments>();
  auto start = std::make_shared<StartArguments>();
  Apps* check_app = app->add_subcommand("check", "Judge the settings without starting");
  add_start_options(check_app, start);
  check_app->callback([&parse, check, start] {
    check->start = *start;
    parse.command = *check;
  });
  Apps* document = app->add_subcommand("document", "Print docs/configuration.md");
  document->callback([&parse] { parse.command = ConfigArguments{ConfigAction::kDocument, {}}; });
}

// One comma list of --yes.
void add_yes(PublishOptions& options, const std::string& list) {
  static const std::set<std::string> kKnown = {"all",           "remote",     "migrate",
                                               "break-clients", "skip-login", "delete-data"};
  std::istringstream parts(list);
  for (std::string part; std::getline(parts, part, ',');) {
    if (kKnown.count(part) == 0) throw CLI::ValidationError("--yes", "knows no `" + part + "`");
    options.yes.insert(part);
  }
  options.target.yes = options.yes.count("all") > 0;
}

void add_publish(Apps& root, Parse& parse) {
  auto options = std::make_shared<PublishOptions>();
  Apps* app = add_command(root, parse, "publish", "Build a module and publish it", options);
  app->add_option("name", options->name, "Name or identity of the database; new names are created");
  app->add_option("path", options->path, "Module directory, .js bundle or .wasm binary");
  app->add_option("-p,--module-path", options->module_path, "Build the module of this directory");
  app->add_option("-b,--bin-path", options->bin_path, "Publish this WebAssembly binary");
  app->add_option("-j,--js-path", options->js_path, "Publish this JavaScript bundle");
  app->add_option("--build-options,--build-opts", options->build_options,
                  "Accepted for compatibility; TypeScript builds have none");
  app->add_option_function<std::string>(
         "--delete-data,--clear-database",
         [options](const std::string& mode) {
           options->delete_data = mode == "always"        ? DeleteData::kAlways
                                  : mode == "on-conflict" ? DeleteData::kOnConflict
                                                          : DeleteData::kNever;
         },
         "-c, --delete-data[=always|on-conflict|never]: destroy the data of the database first; "
         "without a value: always")
      ->check(CLI::IsMember({"always", "on-conflict", "never"}));
  app->add_flag("--break-clients", options->break_clients,
                "Do not ask before a change that breaks clients");
  app->add_option_function<std::vector<std::string>>(
         "--yes",
         [options](const std::vector<std::string>& lists) {
           for (const std::string& list : lists) add_yes(*options, list);
         },
         "-y, --yes[=LIST]: answer yes to all, remote, migrate, break-clients, skip-login, "
         "delete-data; without a value: all")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
  app->add_option("-s,--server", options->target.server, "Server to publish to");
  add_anonymous(app, options->target);
  app->add_option("--parent", options->parent, "Parent database of a new one");
  app->add_option("--organization,--org", options->organization, "Organization of a new one");
  app->add_option("--num-replicas", options->num_replicas, "Replicas of a new one")->group("");
  // Of C# modules, which are not built here.
  app->add_flag_callback("--native-aot", [] {})->group("");
  app->add_option_function<std::string>("--dotnet-version", [](const std::string&) {})->group("");
  app->add_flag("--no-config", options->target.no_config, "Ignore spacetime.json");
  app->add_option("--env", options->target.env, "Also read spacetime.<env>.json");
  app->footer(
      "A directory is type-checked with its own tsc and bundled with its own esbuild;\n"
      "nothing is installed for you.\n\n"
      "Examples:\n"
      "  worldline publish chat ./examples/chat\n"
      "  worldline publish chat ./dist/bundle.js\n"
      "  worldline publish chat ./examples/chat --delete-data=on-conflict");
}

void add_call(Apps& root, Parse& parse) {
  auto options = std::make_shared<CallOptions>();
  Apps* app = add_command(root, parse, "call", "Call a reducer or procedure", options);
  add_target(app, options->target);
  add_anonymous(app, options->target);
  add_words(app, options->words, "words", "[DATABASE] FUNCTION [ARGUMENT...]");
  app->footer(
      "Arguments are JSON, one for each parameter; quotes around a plain text may be left\n"
      "out. Put `--` before arguments that begin with a hyphen.\n\n"
      "Examples:\n"
      "  worldline call chat send_message 'hello there'\n"
      "  worldline call game move -- -3 5");
}

void add_sql(Apps& root, Parse& parse) {
  auto options = std::make_shared<SqlOptions>();
  Apps* app = add_command(root, parse, "sql", "Run a SQL statement", options);
  add_target(app, options->target);
  add_anonymous(app, options->target);
  app->add_flag("--interactive", options->interactive, "Open a prompt");
  app->add_option_function<std::string>(
         "--format",
         [options](const std::string& format) {
           options->format = format == "json" ? OutputFormat::kJson : OutputFormat::kText;
         },
         "text (default) or json")
      ->check(CLI::IsMember({"text", "json"}));
  app->add_option_function<std::string>(
         "--confirmed",
         [options](const std::string& value) { options->confirmed = value == "true"; },
         "Wait until what was read is durable: true (default) or false")
      ->check(CLI::IsMember({"true", "false"}));
  add_words(app, options->words, "words", "[DATABASE] QUERY...");
  app->footer("Example:\n  worldline sql chat \"SELECT * FROM message WHERE sender = 'ann'\"");
}

void add_logs(Apps& root, Parse& parse) {
  auto options = std::make_shared<LogsOptions>();
  Apps* app = add_command(root, parse, "logs", "Show what a module logged", options);
  add_target(app, options->target);
  app->add_option_function<uint32_t>(
      "-n,--num-lines", [options](const uint32_t& lines) { options->num_lines = lines; },
      "Only the last N lines");
  app->add_flag("-f,--follow", options->follow, "Go on until interrupted");
  app->add_option_function<std::string>(
         "--format",
         [options](const std::string& format) {
           options->format = format == "json" ? OutputFormat::kJson : OutputFormat::kText;
         },
         "text (default) or json")
      ->check(CLI::IsMember({"text", "json"}));
  app->add_option_function<std::string>(
         "-l,--level",
         [options](const std::string& level) { options->level = parse_log_level(level); },
         "This level and graver ones: trace, debug, info, warn, error, panic")
      ->check(
          CLI::IsMember({"trace", "debug", "info", "warn", "error", "panic"}, CLI::ignore_case));
  app->add_flag("--level-exact", options->level_exact, "Only the level of --level")
      ->needs(app->get_option("--level"));
  add_words(app, options->words, "database", "[DATABASE]");
  app->footer("Example:\n  worldline logs chat --follow --level warn");
}

void add_describe(Apps& root, Parse& parse) {
  auto options = std::make_shared<DescribeOptions>();
  Apps* app = add_command(root, parse, "describe", "Show tables and reducers as JSON", options);
  add_target(app, options->target);
  add_anonymous(app, options->target);
  app->add_flag_callback(
      "--json", [] {}, "The only format there is; accepted for compatibility");
  add_words(app, options->words, "words", "[DATABASE] [table|reducer NAME]");
  app->footer("Example:\n  worldline describe chat reducer send_message");
}

void add_small_commands(Apps& root, Parse& parse) {
  auto doomed = std::make_shared<DeleteOptions>();
  Apps* app = add_command(root, parse, "delete", "Delete a database and all its data", doomed);
  add_target(app, doomed->target);
  add_words(app, doomed->words, "database", "[DATABASE]");

  for (const auto wanted : {LockState::kLocked, LockState::kUnlocked}) {
    const bool lock = wanted == LockState::kLocked;
    auto options = std::make_shared<LockOptions>();
    options->wanted = wanted;
    app = add_command(
        root, parse, lock ? "lock" : "unlock",
        lock ? "Protect a database against delete and reset" : "Take that protection away",
        options);
    add_target(app, options->target);
    add_words(app, options->words, "database", "[DATABASE]");
  }

  auto list = std::make_shared<ListOptions>();
  app = add_command(root, parse, "list", "List your databases", list);
  add_target(app, list->target);

  auto identity = std::make_shared<IdentityOptions>();
  app = add_command(root, parse, "identity", "Show who you are; makes an identity if there is none",
                    identity);
  add_target(app, identity->target);
  app->add_flag("--token", identity->show_token, "Show the token too");
  app->add_flag("--new", identity->make_new,
                "Become somebody new: replaces the stored token by one of this server");

  add_command(root, parse, "version", "Show version and protocols",
              std::make_shared<VersionOptions>());
  root.add_subcommand("bench", "Measure a server; `worldline bench --help` lists the scenarios");
}

void add_recover_group(Apps& root, Parse& parse) {
  auto options = std::make_shared<RecoverGroupOptions>();
  Apps* app = add_command(root, parse, "recover-group",
                          "Begin a database anew from what is left of it, offline", options);
  app->add_option("--data-dir", options->data_dirs,
                  "Data directory of a survivor; once for each of them")
      ->allow_extra_args(false)
      ->required();
  app->add_option("--database", options->database, "Name or identity of the database");
  app->add_option("--group", options->group, "Its group, where no catalog can be asked");
  app->add_flag("--all-survivors", options->all_survivors,
                "I have named every copy that still exists");
  app->add_option("--data-loss", options->data_loss, "What is lost and why; kept with the data");
  app->add_option("--new-group", options->new_group,
                  "Id of the new group, if the catalog has members elsewhere");
  app->add_flag("--dry-run", options->dry_run, "Show the copies and the choice, change nothing");
  app->footer(
      "Use it when a majority of the copies of a database is gone for good: then it has no leader\n"
      "and never will. The copy whose log goes furthest (last term, then last index) becomes a\n"
      "new group of one member. Whatever only the lost copies had is lost, even if it was\n"
      "acknowledged; what this copy has counts, even if it was not. All old copies are marked and\n"
      "are never used again, so a copy that you leave out here is lost too.\n\n"
      "All nodes named must be stopped. Look first, with --dry-run. If a majority is whole, the\n"
      "command refuses: start those nodes instead. Run again after an interruption.\n\n"
      "Example:\n"
      "  worldline recover-group --data-dir /mnt/n1 --data-dir /mnt/n2 --database shop --dry-run\n"
      "  worldline recover-group --data-dir /mnt/n1 --data-dir /mnt/n2 --database shop \\\n"
      "      --all-survivors --data-loss 'rack 7 burnt with nodes 3, 4 and 5'");
}

// `-c`, `--delete-data` and `--yes` of publish take a value only after `=`; CLI11 would take the
// next word, so that the forms without a value are spelled out before it sees them.
std::vector<std::string> spell_out_optional_values(std::vector<std::string> words) {
  for (std::string& word : words) {
    if (word == "--") break;
    if (word == "-c" || word == "--delete-data" || word == "--clear-database")
      word = "--delete-data=always";
    else if (word.starts_with("-c="))
      word = "--delete-data=" + word.substr(3);
    else if (word == "-y" || word == "--yes")
      word = "--yes=all";
    else if (word.starts_with("-y="))
      word = "--yes=" + word.substr(3);
  }
  return words;
}

// Place of the command word: the first that is no global option.
size_t command_position(const std::vector<std::string>& words) {
  size_t at = 0;
  while (at < words.size() && words[at].starts_with("-"))
    at += (words[at] == "--root-dir" || words[at] == "--config-path") ? 2 : 1;
  return at;
}

EarlyExit finish(const Apps& root, const CLI::ParseError& error) {
  EarlyExit exit;
  std::ostringstream out;
  std::ostringstream err;
  const int code = root.exit(error, out, err);
  exit.code = code == 0 ? 0 : 2;
  exit.out = out.str();
  exit.err = err.str();
  return exit;
}

}  // namespace

CommandLine parse_command_line(const std::vector<std::string>& given) {
  std::vector<std::string> words = given;
  size_t at = command_position(words);
  if (at < words.size() && words[at] == "help") {
    words.erase(words.begin() + static_cast<std::ptrdiff_t>(at));
    words.emplace_back("--help");
  }
  Parse parse;
  Apps root(kAbout, "worldline");
  root.footer(kFirstSteps);
  root.require_subcommand(0, 1);
  root.set_version_flag("-V", std::string("worldline ") + kVersion);
  root.add_flag_callback(
      "--version", [] { throw CLI::CallForVersion(long_version(), 0); },
      "Display version, executable path, commit, and tool and protocol versions");
  root.add_option("--root-dir", parse.global.root_dir, "Keep config and data under this directory");
  root.add_option("--config-path", parse.global.config_path, "Use this file instead of cli.toml");
  add_start(root, parse);
  add_publish(root, parse);
  add_call(root, parse);
  add_sql(root, parse);
  add_logs(root, parse);
  add_describe(root, parse);
  add_small_commands(root, parse);
  add_config(root, parse);
  add_recover_group(root, parse);

  if (at < words.size() && words[at] == "bench")
    return {parse.global,
            BenchArguments{{words.begin() + static_cast<std::ptrdiff_t>(at) + 1, words.end()}}};
  const std::string command = at < words.size() ? words[at] : "";
  if (command == "publish")
    words = spell_out_optional_values(std::move(words));
  else if (command != "start" && command != "config" && command != "recover-group")
    words = mark_words(words);
  try {
    std::vector<std::string> reversed(words.rbegin(), words.rend());
    root.parse(reversed);
  } catch (const CLI::ParseError& error) {
    return {parse.global, finish(root, error)};
  }
  if (root.get_subcommands().empty()) return {parse.global, EarlyExit{0, root.help(), ""}};
  return {parse.global, parse.command};
}

}  // namespace worldline::cli
