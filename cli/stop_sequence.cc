#include "cli/stop_sequence.h"

#include "cli/exit_codes.h"

namespace worldline::cli {

using std::chrono::milliseconds;

int stop_in_order(const StopParts& parts, const Clock& clock, milliseconds total) {
  const auto started = clock.steady();
  const Status answered = parts.answer_clients();
  if (!answered.ok())
    parts.complain(fmt::format("clients were left unanswered: {}", answered.message()));
  const auto spent = std::chrono::ceil<milliseconds>(clock.steady() - started);
  const milliseconds left = StopShares(total).all_parts - spent;
  if (left <= milliseconds(0)) {
    parts.complain(fmt::format("no time is left to stop the node: {} ms are over", spent.count()));
    return kExitForcedStop;
  }
  const Status stopped = parts.stop_node(left);
  if (!stopped.ok()) parts.complain(fmt::format("stopped with work left: {}", stopped.message()));
  return answered.ok() && stopped.ok() ? 0 : kExitForcedStop;
}

}  // namespace worldline::cli
