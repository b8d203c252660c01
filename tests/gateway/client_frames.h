// tests/gateway/client_frames.h
//
// Builds the bytes of a client's frames, masked, for tests without a socket.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"

namespace worldline::gateway::testing {

class ClientFrames {
 public:
  ClientFrames& add(int opcode, std::string_view payload, bool final_fragment = true) {
    out_.push_back(static_cast<Byte>((final_fragment ? 0x80 : 0) | opcode));
    if (payload.size() < 126) {
      out_.push_back(static_cast<Byte>(0x80 | payload.size()));
    } else {
      const int bytes = payload.size() <= 0xFFFF ? 2 : 8;
      out_.push_back(static_cast<Byte>(0x80 | (bytes == 2 ? 126 : 127)));
      for (int i = bytes - 1; i >= 0; --i)
        out_.push_back(static_cast<Byte>(payload.size() >> (8 * i)));
    }
    constexpr Byte kMask[4] = {0x12, 0x34, 0x56, 0x78};
    out_.insert(out_.end(), kMask, kMask + 4);
    for (size_t i = 0; i < payload.size(); ++i)
      out_.push_back(static_cast<Byte>(static_cast<Byte>(payload[i]) ^ kMask[i % 4]));
    return *this;
  }
  const ByteBuffer& bytes() const { return out_; }

 private:
  ByteBuffer out_;
};

}  // namespace worldline::gateway::testing
