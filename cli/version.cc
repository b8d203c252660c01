#include "cli/version.h"

namespace worldline::cli {

const char* const kVersion = WORLDLINE_VERSION;

}  // namespace worldline::cli
