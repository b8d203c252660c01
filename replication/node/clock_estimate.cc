#include "replication/node/clock_estimate.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace worldline::replication {
namespace {

constexpr size_t kSamplesPerPeerMax = 16;  // 1.2 s of heartbeats.
constexpr Micros kSampleAgeMax{10'000'000};
constexpr Micros kDriftPerSecond{200};  // Two clocks of 100 ppm each.
constexpr Micros kTolerance{10'000};    // Between clocks that are synchronised well.
constexpr Micros kWarnBeyond{500'000};
constexpr Micros kDrainBeyond{5'000'000};

struct Edge {
  Micros at;
  int opens;  // +1 an interval begins, -1 it ends.
};

// The stretch covered by the most intervals. Beginnings sort before ends at the same place:
// intervals include their ends.
ClockOffset most_agreed(std::vector<Edge> edges) {
  std::sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) {
    return a.at != b.at ? a.at < b.at : a.opens > b.opens;
  });
  ClockOffset best;
  size_t open = 0;
  for (size_t i = 0; i < edges.size(); ++i) {
    if (edges[i].opens < 0) {
      --open;
      continue;
    }
    ++open;
    if (open <= best.agreeing) continue;
    best.agreeing = open;
    best.low = edges[i].at;
    best.high = edges[i + 1].at;  // Whatever comes next closes or narrows it.
  }
  return best;
}

}  // namespace

void ClockEstimate::add(NodeId peer, const ClockSample& sample) {
  if (sample.received_at < sample.sent_at) return;
  const Micros rtt = sample.received_at - sample.sent_at;
  const BootTime middle = sample.sent_at + rtt / 2;
  auto& kept = samples_[peer];
  kept.push_back(
      {sample.received_at, rtt, Micros{sample.peer_wall.micros} - middle.time_since_epoch()});
  if (kept.size() > kSamplesPerPeerMax) kept.pop_front();
}

const ClockEstimate::Kept* ClockEstimate::best(NodeId peer) const {
  const auto found = samples_.find(peer);
  if (found == samples_.end()) return nullptr;
  const auto& kept = found->second;
  return &*std::min_element(kept.begin(), kept.end(),
                            [](const Kept& a, const Kept& b) { return a.rtt < b.rtt; });
}

std::optional<Micros> ClockEstimate::rtt(NodeId peer) const {
  const Kept* sample = best(peer);
  if (sample == nullptr) return std::nullopt;
  return sample->rtt;
}

std::optional<Micros> ClockEstimate::median_rtt() const {
  std::vector<Micros> all;
  for (const auto& [peer, kept] : samples_) all.push_back(best(peer)->rtt);
  if (all.empty()) return std::nullopt;
  std::sort(all.begin(), all.end());
  return all[all.size() / 2];
}

ClockOffset ClockEstimate::estimate(BootTime now, Timestamp wall) const {
  const Micros own = Micros{wall.micros} - now.time_since_epoch();
  std::vector<Edge> edges{{Micros{0}, 1}, {Micros{0}, -1}};  // We believe ourselves.
  size_t sources = 1;
  for (const auto& [peer, kept] : samples_) {
    const Kept& sample = *best(peer);
    const Micros age = now - sample.at;
    if (age > kSampleAgeMax) continue;
    const Micros error =
        kTolerance + sample.rtt / 2 + kDriftPerSecond * (age / Micros{1'000'000} + 1);
    const Micros offset = sample.wall_minus_boot - own;
    edges.push_back({offset - error, 1});
    edges.push_back({offset + error, -1});
    ++sources;
  }
  ClockOffset result = most_agreed(std::move(edges));
  if (sources < 2 || result.agreeing < sources / 2 + 1) return result;
  const Micros away = result.low > Micros{0}    ? result.low
                      : result.high < Micros{0} ? -result.high
                                                : Micros{0};
  result.verdict = away > kDrainBeyond  ? ClockVerdict::kDrain
                   : away > kWarnBeyond ? ClockVerdict::kWarning
                                        : ClockVerdict::kGood;
  return result;
}

}  // namespace worldline::replication
