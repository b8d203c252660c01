// The parts of http_client.h that need no network library.
#include <cctype>

#include "cli/http_client.h"

namespace worldline::cli {

Result<ServerUrl> ServerUrl::parse(std::string_view text) {
  ServerUrl url;
  while (!text.empty() && text.back() == '/') text.remove_suffix(1);
  url.text = text;
  std::string_view rest = text;
  if (rest.starts_with("http://")) {
    url.protocol = "http";
    rest.remove_prefix(7);
  } else if (rest.starts_with("https://")) {
    url.protocol = "https";
    rest.remove_prefix(8);
  } else {
    return Status::invalid_argument(
        "invalid server URL `{}`: it must start with http:// or https://", text);
  }
  if (const size_t slash = rest.find('/'); slash != std::string_view::npos) {
    url.base_path = rest.substr(slash);
    rest = rest.substr(0, slash);
  }
  std::string_view port;
  if (rest.starts_with('[')) {
    const size_t end = rest.find(']');
    if (end == std::string_view::npos)
      return Status::invalid_argument("invalid server URL `{}`: missing `]`", text);
    url.host = rest.substr(1, end - 1);
    rest.remove_prefix(end + 1);
    if (rest.starts_with(':')) port = rest.substr(1);
  } else {
    const size_t colon = rest.find(':');
    url.host = rest.substr(0, colon);
    if (colon != std::string_view::npos) port = rest.substr(colon + 1);
  }
  if (url.host.empty()) return Status::invalid_argument("invalid server URL `{}`: no host", text);
  for (const char c : port)
    if (std::isdigit(static_cast<unsigned char>(c)) == 0 || port.size() > 5)
      return Status::invalid_argument("invalid server URL `{}`: bad port `{}`", text, port);
  url.port = port.empty() ? (url.protocol == "http" ? "80" : "443") : std::string(port);
  return url;
}

std::string ServerUrl::authority() const {
  const std::string shown = host.find(':') == std::string::npos ? host : "[" + host + "]";
  const bool standard =
      (protocol == "http" && port == "80") || (protocol == "https" && port == "443");
  return standard ? shown : shown + ":" + port;
}

std::string HttpResponse::header(const std::string& lower_name) const {
  const auto found = headers.find(lower_name);
  return found == headers.end() ? std::string() : found->second;
}

std::string percent_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '-' || c == '_')
      out.push_back(c);
    else
      out += fmt::format("%{:02X}", byte);
  }
  return out;
}

}  // namespace worldline::cli
