// gateway/process_samples.h
//
// The `process_*` figures of the metrics page, as Prometheus' client libraries name them, read from
// the kernel when the page is asked for.
//
// Thread: any. Units: seconds, bytes. Errors: a figure that cannot be read is left out.
// Sources: [S 05/6], proc(5).
#pragma once

#include <filesystem>
#include <vector>

#include "actors/messages.h"

namespace worldline::gateway {

// `proc` is the directory of a process; its parent holds `stat` of the machine.
void append_process_samples(const std::filesystem::path& proc,
                            std::vector<actors::MetricSample>& out);

}  // namespace worldline::gateway
