#include "gateway/asio_boundary.h"

#include <exception>

#include <boost/asio/io_context.hpp>

namespace worldline::gateway {

Status guard_asio(const char* what, const std::function<void()>& work) {
  try {
    work();
    return {};
  } catch (const std::exception& error) {
    return Status::io_error("cannot {}: {}", what, error.what());
  }
}

void run_guarded(boost::asio::io_context& context) {
  // The tick timer keeps the loop alive, so run() returns only after stop().
  while (!context.stopped()) {
    try {
      context.run();
    } catch (const std::exception&) {
      // The handler's captures, its connection among them, are gone; the others go on.
      continue;
    }
  }
}

}  // namespace worldline::gateway
