// gateway/auth/key_files.h
//
// Where the token key pair lives: two PEM files, made at the first start with mode 0600. Both are
// written and synced under other names first; only a crash between the two renames leaves one file,
// which the next start reports instead of guessing.
//
// Thread: start-up only. Errors: the start-up texts of [S 02/11.3], with path and cause.
#pragma once

#include <string>

#include "base/status.h"
#include "gateway/gateway_config.h"

namespace worldline::gateway {

struct KeyPairText {
  std::string private_pem;
  std::string public_pem;
};

Result<KeyPairText> load_or_create_key_pair(const AuthConfig& config);

}  // namespace worldline::gateway
