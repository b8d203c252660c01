// gateway/status_to_http.h
//
// The one translation from Status to an HTTP answer. Texts pass through unchanged: they are what
// the client is shown [S 02/1.3].
#pragma once

#include "base/status.h"
#include "gateway/http_message.h"

namespace worldline::gateway {

uint16_t http_status_of(StatusCode code);
HttpResponse error_response(const Status& status);

}  // namespace worldline::gateway
