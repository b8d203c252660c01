// docs/configuration.md, written from the table of keys so that the two cannot differ.
#include <algorithm>

#include <fmt/core.h>

#include "cli/start_config.h"

namespace worldline::cli {
namespace {

// The largest unit that divides the number.
std::string size_text(int64_t bytes) {
  if (bytes != 0 && bytes % (int64_t{1} << 30) == 0) return fmt::format("{}GiB", bytes >> 30);
  if (bytes != 0 && bytes % (1 << 20) == 0) return fmt::format("{}MiB", bytes >> 20);
  if (bytes != 0 && bytes % (1 << 10) == 0) return fmt::format("{}KiB", bytes >> 10);
  return fmt::format("{}", bytes);
}

std::string duration_of_ms(int64_t ms) {
  if (ms % 3'600'000 == 0) return fmt::format("{}h", ms / 3'600'000);
  if (ms % 60'000 == 0) return fmt::format("{}m", ms / 60'000);
  if (ms % 1000 == 0) return fmt::format("{}s", ms / 1000);
  return fmt::format("{}ms", ms);
}

std::string number_text(KeyKind kind, int64_t number) {
  if (kind == KeyKind::kSize) return size_text(number);
  if (kind == KeyKind::kDuration) return duration_of_ms(number);
  return fmt::format("{}", number);
}

std::string default_text(const ConfigKey& key, const StartOptions& defaults) {
  if (const auto* text = std::get_if<std::string StartOptions::*>(&key.field)) {
    const std::string& value = defaults.**text;
    return value.empty() ? "" : "`" + value + "`";
  }
  if (const auto* flag = std::get_if<bool StartOptions::*>(&key.field))
    return defaults.**flag ? "`true`" : "`false`";
  if (const auto* number = std::get_if<int64_t StartOptions::*>(&key.field))
    return "`" + number_text(key.kind, defaults.**number) + "`";
  const auto* time = std::get_if<std::chrono::milliseconds StartOptions::*>(&key.field);
  return "`" + duration_of_ms((defaults.**time).count()) + "`";
}

std::string allowed_text(const ConfigKey& key) {
  switch (key.kind) {
    case KeyKind::kText:
      return "text";
    case KeyKind::kAddress:
      return "address:port";
    case KeyKind::kBool:
      return "`true`, `false`";
    case KeyKind::kChoice:
      return key.choices;
    case KeyKind::kInteger:
    case KeyKind::kSize:
    case KeyKind::kDuration:
      break;
  }
  return number_text(key.kind, key.least) + " to " + number_text(key.kind, key.most);
}

bool is_quoted(KeyKind kind) {
  return kind != KeyKind::kBool && kind != KeyKind::kInteger;
}

// As the file writes it.
std::string toml_text(const ConfigKey& key, const StartOptions& defaults) {
  std::string value = default_text(key, defaults);
  std::erase(value, '`');
  return is_quoted(key.kind) ? "\"" + value + "\"" : value;
}

}  // namespace

std::string default_config_file() {
  std::string out =
      "# Settings of this node. Each key is shown with its default; take the `#` away to change "
      "it.\n"
      "# The command line and the environment win; `worldline config document` explains all "
      "keys.\n";
  const StartOptions defaults;
  std::vector<std::string> tables;  // Keys of one table need not stand together in the list.
  for (const ConfigKey& key : config_keys()) {
    const std::string_view name = key.name;
    const std::string table(name.substr(0, name.find('.')));
    if (std::find(tables.begin(), tables.end(), table) == tables.end()) tables.push_back(table);
  }
  for (const std::string& table : tables) {
    out += fmt::format("\n[{}]\n", table);
    for (const ConfigKey& key : config_keys())
      if (std::string_view(key.name).starts_with(table + "."))
        out += fmt::format("# {} = {}  # {}\n", key.name + table.size() + 1,
                           toml_text(key, defaults), key.meaning);
  }
  return out;
}

std::string configuration_document() {
  std::string out =
      "# Configuration of a node\n"
      "\n"
      "<!-- Written by `worldline config document`; do not edit. -->\n"
      "\n"
      "`worldline start` takes each setting from the first of these that has it:\n"
      "\n"
      "1. the command line: the flag below, or `--set KEY=VALUE`; when repeated, the last one "
      "counts;\n"
      "2. the environment: `WORLDLINE_` + table + `__` + key in upper case with `_` for `-`, for\n"
      "   example `WORLDLINE_LIMITS__CALL_BUDGET=5s`;\n"
      "3. a TOML file: `--config F`, else `$WORLDLINE_CONFIG`, else `DATA/worldline.toml`, else\n"
      "   `DATA/config.toml`; the last is made, with every key commented out, where there is "
      "none;\n"
      "4. the default.\n"
      "\n"
      "Sizes are written `4096`, `64KiB`, `8GiB`; durations `250ms`, `15s`, `1h30m`. All mistakes "
      "are\n"
      "reported together and the process ends with code 3. `worldline config check` only looks.\n"
      "\n"
      "| Key | Flag | Default | Allowed | Meaning |\n"
      "|---|---|---|---|---|\n";
  const StartOptions defaults;
  for (const ConfigKey& key : config_keys()) {
    const std::string flag = key.flag;
    out += fmt::format("| `{}` | {} | {} | {} | {} |\n", key.name,
                       flag.empty() ? "" : "`" + flag + "`", default_text(key, defaults),
                       allowed_text(key), key.meaning);
  }
  out +=
      "\n"
      "The data directory defaults to `$XDG_DATA_HOME/worldline/data`, else\n"
      "`~/.local/share/worldline/data`. Flags without a key: `--config F`, `--set KEY=VALUE`,\n"
      "`--non-interactive`. Of the reference's options `--page_pool_max_size` (also\n"
      "`limits.page-pool-max-size`) and `--enable-tracy` are accepted without effect; "
      "`--in-memory`\n"
      "and `--pg-port` are refused, because nothing here is kept in memory alone and there is no\n"
      "PostgreSQL listener.\n";
  return out;
}

}  // namespace worldline::cli
