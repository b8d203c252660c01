// tests/processes/kv_damage.h
//
// damage_row() flips a bit in what a stopped node stored, beneath the checksums of the database:
// what comes back has to be found out by those of the rows.
//
// Errors: kInvalidArgument for a row that has no name here; kNotFound if nothing of it is stored.
#pragma once

#include <filesystem>
#include <string>

#include "base/status.h"

namespace worldline::kv {

// `what`: hard-state, boundary, tail, entry (the middle one), page (each one of the checkpoints).
Status damage_row(const std::filesystem::path& data, const std::string& what);

}  // namespace worldline::kv
