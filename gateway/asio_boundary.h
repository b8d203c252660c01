// gateway/asio_boundary.h
//
// The one place where exceptions of Asio, Beast and the standard library end. The gateway calls the
// overloads with error codes; what still throws (creating contexts, threads, acceptors, running
// out of descriptors) becomes a Status here.
//
// Thread: any.
#pragma once

#include <functional>

#include "base/status.h"

namespace boost::asio {
class io_context;
}

namespace worldline::gateway {

// Runs `work`; an exception becomes kIoError naming `what`.
Status guard_asio(const char* what, const std::function<void()>& work);

// Runs the loop until it is stopped. A handler that throws costs its own connection only.
void run_guarded(boost::asio::io_context& context);

}  // namespace worldline::gateway
