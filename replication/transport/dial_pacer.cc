#include "replication/transport/dial_pacer.h"

#include <utility>

#include "base/check.h"

namespace worldline::replication {

void DialPacer::on_dial(Time now) {
  dialled_at_ = now;
  up_since_.reset();
}

std::optional<Backoff::Duration> DialPacer::on_over(Time now, EndReason reason) {
  WL_CHECK(dialled_at_.has_value());
  const Time dialled_at = *std::exchange(dialled_at_, std::nullopt);
  if (!up_since_) return backoff_.next(now - dialled_at);
  // A stream that breaks as soon as it is up gets no free attempt, or this would be a busy loop;
  // nor does one that the peer ended for what came on it, however long it lasted: we may say it
  // again.
  const auto up_for = now - *up_since_;
  const bool is_our_fault = reason == EndReason::kProtocol;
  if (up_for >= range_.min && !is_our_fault) backoff_.reset();
  if (up_for >= range_.max && !is_our_fault) return std::nullopt;
  return backoff_.next();
}

}  // namespace worldline::replication
