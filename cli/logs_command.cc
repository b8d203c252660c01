// `worldline logs` [S 07/7.4].
#include "cli/commands.h"
#include "cli/log_line.h"

namespace worldline::cli {
namespace {

constexpr size_t kLineBytesMax = 64 * 1024 * 1024;  // A longer one is shown in parts.

// Splits what arrives into lines and shows those that pass.
class LinePrinter {
 public:
  LinePrinter(const LogsOptions& options, Console& console)
      : options_(options), console_(console) {}

  bool take(std::string_view piece) {
    pending_.append(piece);
    size_t start = 0;
    for (size_t end = pending_.find('\n'); end != std::string::npos;
         end = pending_.find('\n', start)) {
      show(std::string_view(pending_).substr(start, end - start));
      start = end + 1;
    }
    pending_.erase(0, start);
    if (pending_.size() > kLineBytesMax) finish();
    return true;
  }

  void finish() {
    if (!pending_.empty()) show(pending_);
    pending_.clear();
  }

 private:
  void show(std::string_view line) {
    if (line.empty()) return;
    const Result<JsonTree> record = JsonTree::parse(line);
    if (!record.ok()) {
      console_.out(std::string(line) + "\n");
      return;
    }
    if (!passes_level(*record, options_)) return;
    if (options_.format == OutputFormat::kJson)
      console_.out(std::string(line) + "\n");
    else
      console_.out(
          log_record_text(*record, console_.out_is_terminal() ? Colour::kOn : Colour::kOff));
  }

  const LogsOptions& options_;  // Borrowed; outlives this.
  Console& console_;            // Borrowed; outlives this.
  std::string pending_;
};

}  // namespace

Result<int> run_logs(const LogsOptions& options, CommandContext& context) {
  WL_ASSIGN_OR_RETURN(
      const ConnectedDatabase database,
      connect_database(options.target, options.words, FirstWord::kDatabaseOnly, context));
  std::optional<uint32_t> lines = options.num_lines;
  if (options.follow && !lines) lines = 10;
  LinePrinter printer(options, context.console);
  HttpRequest request;
  request.method = "GET";
  request.target = "/v1/database/" + database.identity + "/logs?" +
                   (lines ? "num_lines=" + std::to_string(*lines) + "&" : "") +
                   "follow=" + (options.follow ? "true" : "false");
  request.sink = [&printer](std::string_view piece) { return printer.take(piece); };
  WL_ASSIGN_OR_RETURN(const HttpResponse answer, database.client.send(std::move(request)));
  if (!answer.ok()) return refusal(answer);
  printer.finish();
  return 0;
}

}  // namespace worldline::cli
