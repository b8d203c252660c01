// cli/cli_config.h
//
// CliConfig: the user's cli.toml [S 07/2.2, 12]: known servers, the default one, and the one token.
//
// Invariants: saving changes only the keys that were set; comments, order and unknown keys survive.
// Writes are atomic (temporary file and rename) and 0600, because the file holds a token.
// Thread: the command's one thread.
// Errors: kInvalidArgument for bad TOML or a key of the wrong type, kIoError for the file.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "cli/console.h"

namespace worldline::cli {

struct ServerConfig {
  std::string nickname;  // Empty if none.
  std::string host;      // host[:port]
  std::string protocol;  // "http" or "https".
};

class CliConfig {
 public:
  // Reads `path`; a missing file is made with the one server `local`, which is the default.
  static Result<CliConfig> open(const std::string& path, Console& console);

  // Like open(), but a missing file is kNotFound and nothing is written.
  static Result<CliConfig> open_existing(const std::string& path);

  const std::string& path() const { return path_; }
  const std::string& token() const { return token_; }
  const std::string& listen_addr() const { return listen_addr_; }

  // Base URL for `--server` (a nickname, host[:port] or URL); empty means the default server.
  Result<std::string> server_url(std::string_view server) const;

  // Stores the token and says where on stderr.
  Status save_token(const std::string& token, Console& console);

 private:
  Status parse();
  Status write(Console& console) const;

  std::string path_;
  std::string text_;  // The file as it is.
  std::string default_server_;
  std::string token_;
  std::string listen_addr_;
  std::vector<ServerConfig> servers_;
};

// `text` (TOML) with the top-level `key` set to the string `value`: in place if it is there, else
// before the first table.
std::string set_toml_string(std::string_view text, std::string_view key, std::string_view value);

// The identity a token stands for: its claim hex_identity, else derived from iss and sub.
Result<std::string> identity_of_token(std::string_view token);

}  // namespace worldline::cli
