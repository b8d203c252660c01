// kv_load: closed-loop writers against one kv_node that leads, and what they saw, as JSON.
//
//   kv_load HOST PORT CLIENTS SECONDS [ID_BYTES]
//
// Each client has a connection and one write in flight. The first tenth of the time is not counted.
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace worldline::kv {
namespace {

using Time = std::chrono::steady_clock::time_point;

struct Client {
  int socket = -1;
  uint64_t count = 0;
  std::string in;
  Time sent_at;
};

struct Load {
  std::vector<Client> clients;
  std::string padding;
  uint64_t run = 0;  // Ids of one run differ from those of others.
  Time counted_from;
  std::vector<uint32_t> latencies_us;
  uint64_t refused = 0;
};

bool send_next(Load& load, size_t number) {
  Client& client = load.clients[number];
  ++client.count;
  const std::string line = fmt::format("{} PUT b{}.{} {}{}\n", client.count, load.run, number,
                                       client.count, load.padding);
  client.sent_at = std::chrono::steady_clock::now();
  return send(client.socket, line.data(), line.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(line.size());
}

bool take_answers(Load& load, size_t number) {
  Client& client = load.clients[number];
  std::array<char, 4096> bytes;
  const ssize_t count = read(client.socket, bytes.data(), bytes.size());
  if (count <= 0) return false;
  client.in.append(bytes.data(), static_cast<size_t>(count));
  for (size_t end; (end = client.in.find('\n')) != std::string::npos;) {
    const bool is_ok = client.in.find(" OK ") < end;
    client.in.erase(0, end + 1);
    const Time now = std::chrono::steady_clock::now();
    if (!is_ok) ++load.refused;
    if (is_ok && now >= load.counted_from) {
      const auto took = std::chrono::duration_cast<std::chrono::microseconds>(now - client.sent_at);
      load.latencies_us.push_back(static_cast<uint32_t>(took.count()));
    }
    if (!send_next(load, number)) return false;
  }
  return true;
}

bool open_clients(Load& load, int poll, const sockaddr_in& address) {
  for (size_t i = 0; i < load.clients.size(); ++i) {
    Client& client = load.clients[i];
    client.socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int yes = 1;
    setsockopt(client.socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (connect(client.socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      return false;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    if (epoll_ctl(poll, EPOLL_CTL_ADD, client.socket, &event) != 0) return false;
  }
  for (size_t i = 0; i < load.clients.size(); ++i)
    if (!send_next(load, i)) return false;
  return true;
}

void print(Load& load, double seconds) {
  std::vector<uint32_t>& sorted = load.latencies_us;
  std::sort(sorted.begin(), sorted.end());
  const auto at = [&sorted](double share) {
    if (sorted.empty()) return 0u;
    return sorted[std::min(sorted.size() - 1, static_cast<size_t>(share * double(sorted.size())))];
  };
  fmt::print(R"({{"clients":{},"seconds":{:.2f},"commits":{},"commits_per_second":{:.0f},)"
             R"("p50_us":{},"p90_us":{},"p99_us":{},"max_us":{},"refused":{}}})"
             "\n",
             load.clients.size(), seconds, sorted.size(), double(sorted.size()) / seconds, at(0.5),
             at(0.9), at(0.99), sorted.empty() ? 0u : sorted.back(), load.refused);
}

int main_of(int count, char** words) {
  if (count < 5) {
    std::fprintf(stderr, "kv_load HOST PORT CLIENTS SECONDS [ID_BYTES]\n");
    return 2;
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(std::atoi(words[2])));
  if (inet_pton(AF_INET, words[1], &address.sin_addr) != 1) return 2;
  const auto whole = std::chrono::duration<double>(std::atof(words[4]));
  Load load;
  load.clients.resize(static_cast<size_t>(std::max(1, std::atoi(words[3]))));
  load.padding.assign(count > 5 ? static_cast<size_t>(std::atoi(words[5])) : 100, 'x');
  load.run = static_cast<uint64_t>(getpid());
  const Time start = std::chrono::steady_clock::now();
  const auto lead = std::chrono::duration_cast<Time::duration>(whole / 10);
  load.counted_from = start + lead;
  const Time end = start + std::chrono::duration_cast<Time::duration>(whole);
  const int poll = epoll_create1(EPOLL_CLOEXEC);
  if (!open_clients(load, poll, address)) {
    std::fprintf(stderr, "cannot connect: %s\n", std::strerror(errno));
    return 1;
  }
  std::array<epoll_event, 256> events{};
  while (std::chrono::steady_clock::now() < end) {
    const int ready = epoll_wait(poll, events.data(), static_cast<int>(events.size()), 100);
    for (int i = 0; i < ready; ++i)
      if (!take_answers(load, events[static_cast<size_t>(i)].data.u64)) return 1;
  }
  print(load, std::chrono::duration<double>(end - load.counted_from).count());
  return 0;
}

}  // namespace
}  // namespace worldline::kv

int main(int count, char** words) {
  return worldline::kv::main_of(count, words);
}
