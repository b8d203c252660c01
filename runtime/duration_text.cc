#include "runtime/duration_text.h"

#include <array>
#include <cstdint>
#include <string_view>

#include <fmt/core.h>

namespace worldline::runtime {
namespace {

struct Unit {
  int64_t nanos;
  int digits;  // Of the fraction.
  std::string_view suffix;
};
constexpr std::array<Unit, 3> kUnits = {
    {{1'000'000'000, 9, "s"}, {1'000'000, 6, "ms"}, {1'000, 3, "\u00b5s"}}};

}  // namespace

std::string duration_text(std::chrono::nanoseconds duration) {
  const int64_t nanos = duration.count();
  if (nanos <= 0) return "0ns";
  for (const Unit& unit : kUnits) {
    if (nanos < unit.nanos) continue;
    std::string fraction = fmt::format("{:0{}}", nanos % unit.nanos, unit.digits);
    fraction.erase(fraction.find_last_not_of('0') + 1);
    const std::string_view point = fraction.empty() ? "" : ".";
    return fmt::format("{}{}{}{}", nanos / unit.nanos, point, fraction, unit.suffix);
  }
  return fmt::format("{}ns", nanos);
}

}  // namespace worldline::runtime
