#include "data/csv.h"

#include "input.h"

using namespace suanli;
using namespace suanli::data;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fuzz::InputFile file(data, size);
  return fuzz::expect_input_errors(file.path(), [&] {
    const Table table = read_csv(file.path());
    for (const auto& column : table.columns) {
      if (static_cast<int64_t>(column.size()) != table.rows()) std::abort();
      for (const std::string& cell : column) {
        double value = 0;
        if (!is_missing(cell)) is_number(cell, &value);
      }
    }
  });
}
