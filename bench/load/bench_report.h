// bench/load/bench_report.h
//
// Turns the figures of a run into text for people and JSON for machines. Pure.
//
// JSON: `tps` first at the top, then latencies, CPU, the share of the generator's own limit,
// set-up, verification, parameters, environment and flags [S 09/5.1, 5.4].
#pragma once

#include <string>

#include "bench/load/keynote_scenario.h"

namespace worldline::bench {

// Of this binary, as its caller knows it; empty = not told.
struct BuildInfo {
  std::string version;
  std::string commit;
  std::string compiler;
};

std::string report_text(const KeynoteOptions& options, const KeynoteFigures& figures);
std::string report_json(const KeynoteOptions& options, const KeynoteFigures& figures,
                        const BuildInfo& build);

}  // namespace worldline::bench
