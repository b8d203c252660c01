#include "replication/quorum.h"

#include <algorithm>

#include "base/check.h"

namespace worldline::replication::internal {

LogIndex majority_index(LogIndex* reached, size_t count) {
  WL_CHECK(count > 0);
  WL_CHECK(count <= kVotersMax);
  std::sort(reached, reached + count);
  // count / 2 + 1 of the ascending values are at or above this place.
  return reached[(count - 1) / 2];
}

}  // namespace worldline::replication::internal
