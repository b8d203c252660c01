#include "query/row_limit.h"

#include <string_view>

#include "storage/system_tables.h"

namespace worldline::query {

std::optional<uint64_t> read_row_limit(const storage::ReadView& view) {
  const storage::TableView* variables = view.find_table(storage::kStVar);
  if (variables == nullptr || variables->row_count() == 0) return std::nullopt;
  const schema::RowLayout& layout = variables->schema().layout;
  for (storage::RowCursor cursor = variables->scan(); cursor.next();) {
    const Bytes name = layout.column(cursor.row(), ColumnId(0)).subspan(4);
    const Bytes value = layout.column(cursor.row(), ColumnId(1));
    const bool is_u64 = value[0] == kVarValueU64Tag && value.size() == 9;
    if (as_text(name) == kRowLimitVariable && is_u64) return load_le<uint64_t>(value.data() + 1);
  }
  return std::nullopt;
}

Status check_row_limit(uint64_t estimated_rows, const storage::ReadView& view,
                       const Caller& caller) {
  if (caller.caller_class == CallerClass::kOwner) return {};
  const auto limit = read_row_limit(view);
  if (!limit || estimated_rows <= *limit) return {};
  return Status::invalid_argument("Estimated cardinality ({} rows) exceeds limit ({} rows)",
                                  estimated_rows, *limit);
}

}  // namespace worldline::query
