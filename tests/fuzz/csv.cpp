// SPDX-License-Identifier: Apache-2.0
#include "data/formats/csv.h"

#include "data/formats/number_format.h"
#include "input.h"

using namespace suanli;
using namespace suanli::data;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fuzz::InputFile file(data, size);
  return fuzz::expect_input_errors(file.path(), [&] {
    const Table table = read_csv(file.path());
    for (const auto& column : table.columns) {
      if (static_cast<int64_t>(column.size()) != table.rows()) std::abort();
      std::vector<std::string_view> cells;
      for (const Cell& cell : column) cells.push_back(cell.text);
      const FormatEvidence evidence = format_evidence(cells);
      const NumberFormat format = format_from(evidence, size % 2 == 0, size % 3 == 0);
      if (number_format_from_text(to_text(format)) != format) std::abort();
      for (const Cell& cell : column) {
        double value = 0, again = 0;
        if (is_missing(cell.text) || !read_number(cell.text, format, &value)) continue;
        if (value - value != 0) std::abort();  // not finite
        const std::string name = canonical_name(cell.text, format);
        if (name != cell.text && (!is_plain_number(name, &again) || again != value)) std::abort();
      }
    }
  });
}
