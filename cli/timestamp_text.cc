#include "cli/timestamp_text.h"

#include <fmt/core.h>

namespace worldline::cli {
namespace {

constexpr int64_t kMicrosPerSecond = 1'000'000;
constexpr int64_t kSecondsPerDay = 86'400;

struct Date {
  int64_t year;
  unsigned month;
  unsigned day;
};

// Days since 1970-01-01 to a date of the proleptic Gregorian calendar: eras of 400 years that
// start in March, so that the leap day comes last.
Date date_of_days(int64_t days) {
  const int64_t shifted = days + 719'468;
  const int64_t era = (shifted >= 0 ? shifted : shifted - 146'096) / 146'097;
  const auto day_of_era = static_cast<unsigned>(shifted - era * 146'097);
  const unsigned year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const unsigned day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const unsigned month_from_march = (5 * day_of_year + 2) / 153;
  const unsigned day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
  const unsigned month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
  return {static_cast<int64_t>(year_of_era) + era * 400 + (month <= 2 ? 1 : 0), month, day};
}

}  // namespace

std::string timestamp_text(int64_t micros, TimestampStyle style) {
  int64_t seconds = micros / kMicrosPerSecond;
  int64_t fraction = micros % kMicrosPerSecond;
  if (fraction < 0) {
    fraction += kMicrosPerSecond;
    --seconds;
  }
  int64_t days = seconds / kSecondsPerDay;
  int64_t of_day = seconds % kSecondsPerDay;
  if (of_day < 0) {
    of_day += kSecondsPerDay;
    --days;
  }
  const Date date = date_of_days(days);
  std::string out = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", date.year, date.month,
                                date.day, of_day / 3600, of_day / 60 % 60, of_day % 60);
  if (fraction % 1000 != 0)
    out += fmt::format(".{:06}", fraction);
  else if (fraction != 0)
    out += fmt::format(".{:03}", fraction / 1000);
  return out + (style == TimestampStyle::kZulu ? "Z" : "+00:00");
}

std::string duration_text(int64_t micros) {
  const bool negative = micros < 0;
  const uint64_t size =
      negative ? ~static_cast<uint64_t>(micros) + 1 : static_cast<uint64_t>(micros);
  return fmt::format("{}{}.{:06}", negative ? '-' : '+', size / kMicrosPerSecond,
                     size % kMicrosPerSecond);
}

std::string elapsed_text(int64_t micros) {
  const auto value = static_cast<double>(micros);
  if (micros < 1000) return fmt::format("{:.2f}\u00b5s", value);
  if (micros < kMicrosPerSecond) return fmt::format("{:.2f}ms", value / 1e3);
  return fmt::format("{:.2f}s", value / 1e6);
}

}  // namespace worldline::cli
