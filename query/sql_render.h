// query/sql_render.h
//
// Prints tokens in canonical form for error messages: single blanks, upper-case keywords
// [S 06/1.4]. Only the readable shape matters; no client parses it. Thread: pure functions.
#pragma once

#include <span>
#include <string>

#include "query/sql_lexer.h"

namespace worldline::query {

std::string render_tokens(std::span<const Token> tokens);

}  // namespace worldline::query
