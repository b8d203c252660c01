// tests/replication_node/test_uuids.h
//
// Node uuids that can be told apart, and whose byte order a codec cannot get wrong unnoticed.
// uuid_of(0) is all zeros, which is no uuid.
#pragma once

#include "replication/node/node_types.h"

namespace worldline::replication {

inline Uuid uuid_of(Byte first) {
  Uuid uuid{};
  uuid[0] = first;
  uuid[15] = first == 0 ? Byte{0} : Byte{7};
  return uuid;
}

}  // namespace worldline::replication
