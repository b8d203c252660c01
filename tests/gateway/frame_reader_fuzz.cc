// tests/gateway/frame_reader_fuzz.cc: any bytes, in any steps, as a client's frames: no crash, no
// message beyond the limit, and the same messages whatever the steps.
#include <algorithm>
#include <string>
#include <vector>

#include "base/check.h"
#include "gateway/frame_reader.h"

namespace worldline::gateway {
namespace {

constexpr size_t kMessageBytesMax = 2000;

std::vector<std::string> read_all(Bytes stream, size_t step) {
  BufferPool pool(256, 2);
  FrameReader reader(kMessageBytesMax, pool);
  std::vector<std::string> seen;
  while (!stream.empty()) {
    const MutableBytes room = reader.prepare();
    WL_CHECK(!room.empty());
    const size_t bytes = std::min({step, room.size(), stream.size()});
    std::copy_n(stream.begin(), bytes, room.begin());
    reader.commit(bytes);
    stream = stream.subspan(bytes);
    IncomingFrame frame;
    bool borrowed = false;
    while (true) {
      const FrameOutcome outcome = reader.next(frame);
      if (outcome == FrameOutcome::kNeedMore) break;
      if (outcome == FrameOutcome::kViolation || outcome == FrameOutcome::kTooLarge) {
        seen.emplace_back("end");
        return seen;
      }
      WL_CHECK(frame.payload.size() <= kMessageBytesMax);
      seen.emplace_back(as_text(frame.payload));
      borrowed = borrowed || frame.owner == nullptr;
    }
    if (borrowed) reader.detach();
    reader.release_if_empty();
  }
  return seen;
}

}  // namespace
}  // namespace worldline::gateway

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace worldline;  // NOLINT(google-build-using-namespace): one function.
  if (size == 0) return 0;
  const Bytes stream(data + 1, size - 1);
  const auto whole = gateway::read_all(stream, stream.size());
  const auto stepped = gateway::read_all(stream, size_t{1} + data[0] % 64);
  WL_CHECK(whole == stepped);
  return 0;
}
