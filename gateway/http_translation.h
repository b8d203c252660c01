// gateway/http_translation.h
//
// Between Beast's messages and the room's plain values. Only http_connection.cc and its like
// include this: it is the reason that routes do not know Beast.
//
// Thread: any; pure.
#pragma once

#include <string>
#include <string_view>

#include <boost/beast/http.hpp>

#include "gateway/http_message.h"

namespace worldline::gateway {

using RequestBody = boost::beast::http::vector_body<Byte>;
using RequestParser = boost::beast::http::request_parser<RequestBody>;
using BeastRequest = boost::beast::http::request<RequestBody>;
using BeastResponse = boost::beast::http::response<boost::beast::http::string_body>;

Method method_of(const BeastRequest& request);
std::string_view path_of(const BeastRequest& request);  // Without query; borrowed.
HttpRequest to_request(BeastRequest request);

// `without_body`: HEAD; content-length is what the body would have had.
BeastResponse to_response(HttpResponse response, unsigned version, bool keep_alive,
                          bool without_body);
BeastResponse to_upgrade_response(const UpgradePlan& plan, unsigned version);
std::string head_text(const BeastResponse& response);  // Status line and fields.
// One chunk, and the end of the body after the last one.
std::string chunk_text(std::string_view data, bool last);

HttpResponse body_too_long();

}  // namespace worldline::gateway
