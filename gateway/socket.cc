#include "gateway/socket.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

namespace worldline::gateway {

size_t unacknowledged_bytes(const Socket& socket) {
  int bytes = 0;
  const int descriptor = const_cast<Socket&>(socket).native_handle();  // Asio's is not const.
  if (::ioctl(descriptor, SIOCOUTQ, &bytes) != 0 || bytes < 0) return 0;
  return static_cast<size_t>(bytes);
}

}  // namespace worldline::gateway
