#include "replication/node/node_types.h"

#include <string>

#include <fmt/core.h>

namespace worldline::replication {

Status NodeConfig::validate() const {
  std::string faults;
  const auto require = [&faults](bool holds, const std::string& text) {
    if (!holds) faults += (faults.empty() ? "" : "; ") + text;
  };
  require(self.node.value != 0, "the node has no id");
  require(self.incarnation != 0, "the node has no incarnation");
  require(chain != nullptr, "no chain function");
  require(heartbeat_ticks >= 1, "heartbeat_ticks must be at least 1");
  require(election_ticks >= 4 * heartbeat_ticks,
          fmt::format("election_ticks {} must be at least 4 heartbeats of {} ticks", election_ticks,
                      heartbeat_ticks));
  require(limits.inflight_bytes_max >= limits.message_bytes_max,
          fmt::format("inflight_bytes_max {} is below message_bytes_max {}",
                      limits.inflight_bytes_max, limits.message_bytes_max));
  require(quiesce_after_intervals >= 1, "quiesce_after_intervals must be at least 1");
  require(quiesce_schedule_gap > Micros{0}, "quiesce_schedule_gap must be positive");
  require(wakes_per_second_max >= 1, "wakes_per_second_max must be at least 1");
  require(fast_path_step > Micros{0}, "fast_path_step must be positive");
  require(append_bytes_max >= limits.message_bytes_max,
          fmt::format("append_bytes_max {} is below message_bytes_max {}", append_bytes_max,
                      limits.message_bytes_max));
  require(append_wait_bytes_max >= append_bytes_max,
          "append_wait_bytes_max is below append_bytes_max");
  require(catch_up_bytes_per_second >= limits::KiB, "catch_up_bytes_per_second is below 1 KiB");
  require(apply_stall_ticks >= election_ticks, "apply_stall_ticks is below election_ticks");
  require(limits.retained_bytes < checkpoint_log_bytes,
          fmt::format("retained_bytes {} must be below checkpoint_log_bytes {}",
                      limits.retained_bytes, checkpoint_log_bytes));
  require(groups_max >= 1, "groups_max must be at least 1");
  require(peers_max >= 1, "peers_max must be at least 1");
  if (faults.empty()) return Status::ok_status();
  return Status::invalid_argument("{}", faults);
}

}  // namespace worldline::replication
