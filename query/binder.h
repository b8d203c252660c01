// query/binder.h
//
// Resolves names and types of a statement against the catalog as one caller sees it.
//
// Order: FROM and ON left to right, WHERE, projection, LIMIT; the first failure is reported
// [S 06/1.8]. Recursion over expressions is bounded by ast::kExprHeightMax.
// Thread: pure functions; the view is borrowed for the call.
// Errors: the texts of [S 06/1.16]: kNotFound for a table, kNotSupported for views and tables with
// row-level security, else kInvalidArgument.
#pragma once

#include "base/status.h"
#include "query/bound_query.h"
#include "query/query_types.h"
#include "query/sql_ast.h"
#include "storage/read_view.h"

namespace worldline::query {

Result<BoundQuery> bind_select(const ast::Select& select, const storage::ReadView& view,
                               const Caller& caller);
Result<BoundInsert> bind_insert(const ast::Insert& insert, const storage::ReadView& view,
                                const Caller& caller);
Result<BoundChange> bind_update(const ast::Update& update, const storage::ReadView& view,
                                const Caller& caller);
Result<BoundChange> bind_delete(const ast::Delete& remove, const storage::ReadView& view,
                                const Caller& caller);

// The BSATN of a literal in INSERT, UPDATE or SET, where its kind counts [S 06/1.12].
Result<ByteBuffer> bind_value(const ast::Literal& literal, const schema::AlgebraicType& type);

}  // namespace worldline::query
