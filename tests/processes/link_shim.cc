// A slow, doubling, shuffling wire, for kernels without netem: carries Ethernet frames between an
// interface and a new tap, each way with its own delay.
//
//   link_shim INTERFACE TAP [--delay-ms N] [--jitter-ms N] [--rate-kbit N] [--duplicate PERCENT]
//             [--reorder PERCENT] [--seed N]
//
// Prints "ready" when the tap exists, and when SIGTERM ends it what it did, as JSON. A frame leaves
// `delay` after it came, or later if the wire is busy at `rate`; `jitter` of it is drawn per frame,
// so frames overtake each other; `reorder` per cent skip the delay. Checksums and segments of large
// frames stay as the kernel left them (virtio headers on both sides). At most kQueuedMax frames
// wait per way; then they are lost, as in a router. Thread: one.
#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <queue>
#include <random>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using SteadyClock = std::chrono::steady_clock;
using Time = SteadyClock::time_point;
using std::chrono::microseconds;

constexpr size_t kFrameMax = 70'000;
constexpr ssize_t kHeaderBytes = 10;  // virtio_net_hdr, whose own file is C only.
constexpr size_t kQueuedMax = 20'000;

std::atomic<bool> is_stopping{false};

struct Shape {
  double delay_ms = 0;
  double jitter_ms = 0;
  double rate_kbit = 0;  // 0: none.
  double duplicate = 0;  // Per cent, as is:
  double reorder = 0;
};

struct Counters {
  uint64_t carried = 0;
  uint64_t doubled = 0;
  uint64_t overtaking = 0;  // Sent without the delay.
  uint64_t lost = 0;
};

struct Frame {
  Time due;
  uint64_t number;  // Equal times: in order.
  std::vector<char> bytes;
  bool operator>(const Frame& other) const {
    return std::pair(due, number) > std::pair(other.due, other.number);
  }
};

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "%s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

int open_interface(const char* name) {
  const int file = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL));
  const int yes = 1;
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(if_nametoindex(name));
  if (file < 0 || setsockopt(file, SOL_PACKET, PACKET_VNET_HDR, &yes, sizeof yes) != 0 ||
      setsockopt(file, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof yes) != 0 ||
      bind(file, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    fail(name);
  const int promiscuous = PACKET_MR_PROMISC;
  packet_mreq request{};
  request.mr_ifindex = address.sll_ifindex;
  request.mr_type = static_cast<unsigned short>(promiscuous);
  setsockopt(file, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request, sizeof request);
  return file;
}

int open_tap(const char* name) {
  const int file = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
  ifreq request{};
  request.ifr_flags = static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR);
  std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  if (file < 0 || ioctl(file, TUNSETIFF, &request) != 0) fail("/dev/net/tun");
  return file;
}

// One direction.
class Way {
 public:
  Way(int from, int to, const Shape& shape, uint64_t seed)
      : from_(from), to_(to), shape_(shape), random_(seed) {}
  const Counters& counters() const { return counters_; }

  void take() {
    static std::array<char, kFrameMax> buffer;
    for (;;) {
      const ssize_t count = read(from_, buffer.data(), buffer.size());
      if (count <= kHeaderBytes) return;
      put({buffer.data(), buffer.data() + count});
      if (!chance(shape_.duplicate)) continue;
      ++counters_.doubled;
      put({buffer.data(), buffer.data() + count});
    }
  }

  void send_due(Time now) {
    while (!frames_.empty() && frames_.top().due <= now) {
      const std::vector<char>& bytes = frames_.top().bytes;
      ++(write(to_, bytes.data(), bytes.size()) < 0 ? counters_.lost : counters_.carried);
      frames_.pop();
    }
  }

  Time next_due(Time latest) const {
    return frames_.empty() ? latest : std::min(latest, frames_.top().due);
  }

 private:
  bool chance(double percent) {
    return percent > 0 && std::uniform_real_distribution<>(0, 100)(random_) < percent;
  }

  void put(std::vector<char> bytes) {
    if (frames_.size() >= kQueuedMax) {
      ++counters_.lost;
      return;
    }
    const Time now = SteadyClock::now();
    Time due = now;
    if (chance(shape_.reorder)) {
      ++counters_.overtaking;
    } else {
      const double drawn = std::uniform_real_distribution<>(0, 1)(random_) * shape_.jitter_ms;
      due += microseconds(static_cast<int64_t>(1000 * (shape_.delay_ms + drawn)));
    }
    if (shape_.rate_kbit > 0) {
      const double ms = static_cast<double>(bytes.size()) * 8 / shape_.rate_kbit;
      free_at_ = std::max(free_at_, now) + microseconds(static_cast<int64_t>(1000 * ms));
      due += free_at_ - now;
    }
    frames_.push({due, ++last_, std::move(bytes)});
  }

  const int from_;
  const int to_;
  const Shape shape_;
  std::mt19937_64 random_;
  std::priority_queue<Frame, std::vector<Frame>, std::greater<>> frames_;
  Time free_at_;
  uint64_t last_ = 0;
  Counters counters_;
};

bool set_option(Shape& shape, const std::string& flag, double value) {
  if (flag == "--delay-ms") shape.delay_ms = value;
  if (flag == "--jitter-ms") shape.jitter_ms = value;
  if (flag == "--rate-kbit") shape.rate_kbit = value;
  if (flag == "--duplicate") shape.duplicate = value;
  if (flag == "--reorder") shape.reorder = value;
  return flag == "--delay-ms" || flag == "--jitter-ms" || flag == "--rate-kbit" ||
         flag == "--duplicate" || flag == "--reorder";
}

void carry(int interface, int tap, const Shape& shape, uint64_t seed) {
  Way in(interface, tap, shape, seed);
  Way out(tap, interface, shape, seed + 1);
  std::array<pollfd, 2> files = {{{interface, POLLIN, 0}, {tap, POLLIN, 0}}};
  while (!is_stopping) {
    const Time now = SteadyClock::now();
    const Time due = in.next_due(out.next_due(now + std::chrono::seconds{1}));
    const auto wait = std::max(microseconds{0}, std::chrono::ceil<microseconds>(due - now));
    const timespec time{wait.count() / 1'000'000, wait.count() % 1'000'000 * 1000};
    ppoll(files.data(), files.size(), &time, nullptr);
    in.take();
    out.take();
    const Time at = SteadyClock::now();
    in.send_due(at);
    out.send_due(at);
  }
  const Counters& a = in.counters();
  const Counters& b = out.counters();
  std::printf("{\"carried\":%lu,\"doubled\":%lu,\"overtaking\":%lu,\"lost\":%lu}\n",
              a.carried + b.carried, a.doubled + b.doubled, a.overtaking + b.overtaking,
              a.lost + b.lost);
}

}  // namespace

int main(int count, char** words) {
  Shape shape;
  uint64_t seed = 1;
  bool is_right = count >= 3 && count % 2 == 1;
  for (int i = 3; i + 1 < count; i += 2) {
    const std::string flag = words[i];
    if (flag == "--seed") {
      seed = std::strtoull(words[i + 1], nullptr, 10);
    } else if (!set_option(shape, flag, std::atof(words[i + 1]))) {
      is_right = false;
    }
  }
  if (!is_right) {
    std::fprintf(stderr,
                 "link_shim INTERFACE TAP [--delay-ms N] [--jitter-ms N] [--rate-kbit N]\n"
                 "  [--duplicate PERCENT] [--reorder PERCENT] [--seed N]\n");
    return 2;
  }
  std::signal(SIGTERM, [](int) { is_stopping = true; });
  const int interface = open_interface(words[1]);
  const int tap = open_tap(words[2]);
  std::printf("ready\n");
  std::fflush(stdout);
  carry(interface, tap, shape, seed);
}
