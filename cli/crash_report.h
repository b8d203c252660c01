// cli/crash_report.h
//
// Turns the end of the process by a broken invariant (WL_CHECK, or an abort in a library) into exit
// code 11 with a report in DATA/cores [S 09/1.5, 1.10]: what failed, the version, and the addresses
// of the frames for addr2line.
//
// Thread: install_crash_report() once, at start-up. The handler runs on the failing thread and uses
// async-signal-safe calls only.
#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"

namespace worldline::cli {

// `directory` is made if it is missing (mode 0700). `started_seconds`, since 1970, is part of the
// report's name.
Status install_crash_report(const std::string& directory, int64_t started_seconds);

}  // namespace worldline::cli
