// gateway/asio_impl.cc: the compiled part of Asio and Beast (BOOST_*_SEPARATE_COMPILATION), so that
// the other units of this room only see declarations.
#include <utility>

#include <boost/asio/impl/src.hpp>
#include <boost/beast/src.hpp>
