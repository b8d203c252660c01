// cli/start_checks.h
//
// What `worldline start` finds out about its surroundings: whether the data directory can be used,
// and which port is free in place of one that is taken.
//
// Thread: any; blocks for system calls only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/status.h"
#include "cli/console.h"

namespace worldline::cli {

// Makes the directory (mode 0700) if it is missing. kIoError: it cannot be made or written.
Status check_data_directory(const std::string& path);

// Writes `text` to config.toml in the data directory, whole or not at all, unless that or
// worldline.toml is there. kIoError: it cannot be written.
Status write_default_config(const std::string& data_dir, const std::string& text);

// The first free TCP port behind `taken` at this IP address; nullopt: none of the next hundred.
std::optional<uint16_t> next_free_port(const std::string& address, uint16_t taken);

// Asks whether to listen on the next free port instead; nullopt: no, or there is none [S 07/5].
std::optional<uint16_t> offer_next_port(Console& console, const std::string& address,
                                        uint16_t taken);

}  // namespace worldline::cli
