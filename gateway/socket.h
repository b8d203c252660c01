// gateway/socket.h
//
// The socket type of the room: TCP on one I/O thread's io_context, without type-erased executors.
#pragma once

#include <cstddef>
#include <utility>  // Asio's awaitable.hpp needs it under C++20.

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace worldline::gateway {

using IoExecutor = boost::asio::io_context::executor_type;
using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, IoExecutor>;

// Bytes handed to the kernel that the peer's has not confirmed; 0 also if that cannot be told.
size_t unacknowledged_bytes(const Socket& socket);

}  // namespace worldline::gateway
