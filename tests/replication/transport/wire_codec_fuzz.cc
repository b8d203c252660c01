// Fuzz target: whatever bytes a peer sends, a frame is refused or read, never misread into
// undefined behaviour; what was accepted can be sent again and is accepted again, byte for byte.
// The first byte chooses class and handshake, the second where the bytes are cut.
#include <cstddef>
#include <cstdint>

#include "base/crc32c.h"
#include "replication/transport/wire_codec.h"

using namespace worldline;               // NOLINT(google-build-using-namespace): a fuzz target.
using namespace worldline::replication;  // NOLINT(google-build-using-namespace): a fuzz target.

namespace {

constexpr NodeLife kFrom{NodeId{3}, 17};
constexpr NodeId kTo{5};

Bytes whole(const EncodedFrame& frame, ByteBuffer& out) {
  for (const FramePiece& piece : frame.pieces) append(out, piece.bytes);
  return out;
}

void check_again(const WireMessage& message, TrafficClass cls) {
  const StreamEnds ends{kFrom, kTo, cls};
  // Only the size may differ: the bound assumes the longest form of each number.
  if (!validate_outgoing(message, ends).ok()) return;
  FrameEncoder encoder;
  const WireMessage* one = &message;
  ByteBuffer bytes;
  const Bytes first = whole(encoder.encode({&one, 1}), bytes);
  const auto again = decode_frame({&first, 1}, ends);
  WL_CHECK(again.ok());
  WL_CHECK(again.value().messages.size() == 1);
  ByteBuffer second_bytes;
  const WireMessage* two = &again.value().messages[0];
  WL_CHECK(equal(first, whole(encoder.encode({&two, 1}), second_bytes)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const auto cls = static_cast<TrafficClass>(1 + data[0] % kTrafficClasses.size());
  const bool is_handshake = (data[0] & 0x80) != 0;
  // A right checksum, so that the fields behind it are reached.
  ByteBuffer frame(5, 0x0D);
  append(frame, {data + 2, size - 2});
  store_le(frame.data() + 1, crc32c(0, Bytes(frame).subspan(5)));
  const size_t cut = data[1] % (frame.size() + 1);
  const Bytes segments[] = {Bytes(frame).first(cut), Bytes(frame).subspan(cut)};
  const auto decoded = decode_frame(segments, {is_handshake ? NodeLife{} : kFrom, kTo, cls});
  if (!decoded.ok()) return 0;
  if (is_handshake) return 0;
  for (const WireMessage& message : decoded.value().messages) check_again(message, cls);
  return 0;
}
