// SPDX-License-Identifier: Apache-2.0
// CSV files, and what becomes of their columns.
#include <cmath>

#include "data/datasets/encoding.h"
#include "data/files.h"
#include "data/formats/csv.h"
#include "gtest/gtest.h"
#include "suanli/dataset.h"
#include "suanli/loader.h"

namespace suanli::data {
namespace {

using namespace suanli::test;

Table table_of(const std::string& text) {
  TemporaryFolder folder;
  write_bytes(folder / "t.csv", text);
  return read_csv(folder / "t.csv");
}

std::vector<std::string> texts(const Table& t, size_t column) {
  std::vector<std::string> out;
  for (const Cell& cell : t.columns[column]) out.push_back(cell.text);
  return out;
}

Encoding target_of(const Table& t, TableSettings settings, std::vector<std::string>& notes) {
  return encode_target(t, column_formats(t, settings.decimal), settings, notes);
}

TEST(Csv, ReadsWhatRfc4180Has) {
  const Table t = table_of(
      "\xEF\xBB\xBFname,\"a \"\"b\"\"\",c\r\n x , 1,\"two\r\nlines, and a comma\"\r\n\r\n\"\",  "
      ",3");
  EXPECT_EQ(t.header, (std::vector<std::string>{"name", "a \"b\"", "c"}));
  ASSERT_EQ(t.rows(), 2);
  EXPECT_EQ(texts(t, 0), (std::vector<std::string>{"x", ""}));
  EXPECT_EQ(texts(t, 1), (std::vector<std::string>{"1", ""}));
  EXPECT_EQ(texts(t, 2), (std::vector<std::string>{"two\r\nlines, and a comma", "3"}));
  EXPECT_EQ(t.lines, (std::vector<int64_t>{2, 5}));
  EXPECT_EQ(table_of("a;b\n1,5;2\n").columns[0][0].text, "1,5");
  EXPECT_EQ(table_of("a\tb\n1\t2\n").columns[1][0].text, "2");
  EXPECT_EQ(table_of(gzip("a,b\n1,2\n")).columns[1][0].text, "2");
  EXPECT_EQ(table_of(xz("a,b\n1,2\n")).columns[1][0].text, "2");
}

TEST(Csv, SaysWhatIsWrong) {
  struct Bad {
    const char *text, *at, *given, *expected = "";
  };
  const Bad cases[] = {
      {"", "byte 0", "the file is empty"},
      {"a,b\n", "line 1", "nothing below the header"},
      {"a,b,a\n1,2,3\n", "line 1", "'a' as the name of columns 1 and 3", "a name for each"},
      {"a,b\n1,2\n3\n", "line 3", "1 cells", "2, as in the first line"},
      {"a,b\n1,2,3\n", "line 2", "3 cells", "2, as in the first line"},
      {"a,b\n1,\"2\n3,4\n", "line 2, cell 2", "a quote that never closes"},
      {"a,b\n1,\"2\"x\n", "line 2, cell 2", "text behind a closing quote"},
      {"a,b\n1,caf\xE9\n", "line 2, cell 2", "bytes that are no UTF-8"},
      {"\xFF\xFE"
       "a",
       "byte 0", "a text in UTF-16", "UTF-8"},
  };
  TemporaryFolder folder;
  for (const Bad& c : cases) {
    SCOPED_TRACE(c.text);
    write_bytes(folder / "t.csv", c.text);
    EXPECT_FAULT(IoError, read_csv(folder / "t.csv"), .argument = (folder / "t.csv") + ": " + c.at,
                 .given = c.given, .expected = c.expected);
  }
}

// The numbers of a small table, worked out by hand.
TEST(Encoding, ByHand) {
  const Table t = table_of(
      "size,color,note,same,y\n1,red,n1,7,0.5\n3,blue,n2,7,1.5\n,red,n3,7,2.5\n5,,n4,7,9.5\n100,"
      "green,n5,7,100\n");
  std::vector<std::string> notes;
  const TableSettings settings{.target = "y"};
  Encoding e = target_of(t, settings, notes);
  EXPECT_EQ(e.task, Task::regression);
  const std::vector<int64_t> train = {0, 1, 2, 3};  // the last row is not seen
  learn_columns(e, t, column_formats(t, {}), settings, train, notes);
  // size: mean 3, deviation √(8/3), and a mark; color: blue, red (green is not known); note: four
  // words; same: left out
  ASSERT_EQ(e.columns.size(), 3u);
  EXPECT_EQ(e.width(), 2 + 2 + 4);
  EXPECT_DOUBLE_EQ(e.columns[0].mean, 3);
  EXPECT_DOUBLE_EQ(e.columns[0].stddev, std::sqrt(8.0 / 3));
  EXPECT_EQ(e.columns[1].words, (std::vector<std::string>{"blue", "red"}));
  const auto d = static_cast<float>(2 / std::sqrt(8.0 / 3)),
             far = static_cast<float>(97 / std::sqrt(8.0 / 3));
  EXPECT_EQ(e.inputs(t, {0, 1, 2, 3, 4}), (std::vector<float>{-d,  0, 0, 1, 1, 0, 0, 0,  //
                                                              0,   0, 1, 0, 0, 1, 0, 0,  //
                                                              0,   1, 0, 1, 0, 0, 1, 0,  //
                                                              d,   0, 0, 0, 0, 0, 0, 1,  //
                                                              far, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_DOUBLE_EQ(e.target_mean, 3.5);
  EXPECT_DOUBLE_EQ(e.target_stddev, std::sqrt(12.5));  // (9 + 4 + 1 + 36) / 4
  EXPECT_FLOAT_EQ(e.values(t)[3], static_cast<float>(6 / std::sqrt(12.5)));
  const std::string all = [&] {
    std::string s;
    for (const std::string& n : notes) s += n + "\n";
    return s;
  }();
  for (const char* part :
       {"regression: the target 'y' holds numbers", "column 'size': 1 of 4 cells are missing",
        "column 'same' left out: one value only", "column 'color': 2 categories"})
    EXPECT_TRUE(contains(all, part)) << all;
  const Encoding again = encoding_from_text(to_text(e));
  EXPECT_EQ(to_text(again), to_text(e));
  EXPECT_EQ(again.inputs(t, {0, 1, 2, 3, 4}), e.inputs(t, {0, 1, 2, 3, 4}));
}

TEST(Encoding, TextKeepsEveryWord) {
  Encoding e;
  e.target = "a\tb";
  e.classes = {"x\ny", "\\t", ""};
  e.columns = {{.name = "\\", .numeric = false, .words = {"\t", "\n\\n", "ü"}},
               {.name = "n", .mean = 0.1, .stddev = 1e-300, .words = {}}};
  const Encoding back = encoding_from_text(to_text(e));
  EXPECT_EQ(back.target, e.target);
  EXPECT_EQ(back.classes, e.classes);
  EXPECT_EQ(back.columns[0].words, e.columns[0].words);
  EXPECT_EQ((std::vector{back.columns[1].mean, back.columns[1].stddev}),
            (std::vector{0.1, 1e-300}));
  EXPECT_FAULT(IoError, encoding_from_text("nonsense\n"), .argument = "encoding",
               .given = "a damaged description of a table");
}

TEST(Encoding, TheTargetColumnSaysTheTask) {
  auto task = [](const std::string& cells, TaskAsked asked) {
    std::vector<std::string> notes;
    return target_of(table_of("x,y\n" + cells), {.target = "y", .task = asked}, notes).task;
  };
  std::string many;
  for (int i = 0; i < 30; ++i) many += "1," + std::to_string(i) + "\n";
  EXPECT_EQ(task("1,a\n2,b\n", TaskAsked::by_column), Task::classification);
  EXPECT_EQ(task("1,0\n2,1\n", TaskAsked::by_column), Task::classification);
  EXPECT_EQ(task("1,0.5\n2,1\n", TaskAsked::by_column), Task::regression);
  EXPECT_EQ(task(many, TaskAsked::by_column), Task::regression);
  EXPECT_EQ(task(many, TaskAsked::classification), Task::classification);
  EXPECT_EQ(task("1,0\n2,1\n", TaskAsked::regression), Task::regression);
}

std::string animals() {
  std::string text = "weight,legs,kind\n";
  for (int i = 0; i < 40; ++i)
    text += std::to_string(i % 2 ? 4 + i : 100 + i) + (i % 7 ? ",4," : ",,") +
            (i % 2 ? "cat" : "cow") + "\n";
  return text + "5,two,cat\n6,two,cat\n";
}

TEST(Table, SplitsAndRemembers) {
  TemporaryFolder folder;
  std::string text = "weight,kind\n";
  for (int i = 0; i < 60; ++i)
    text += std::to_string(i % 3 ? 4 + i : 100 + i) + (i % 3 ? ",cat\n" : ",cow\n");
  write_bytes(folder / "t.csv", text);
  const Splits s = open((folder / "t.csv") + "?target=kind", {.seed = 1, .val_fraction = 0.25});
  EXPECT_EQ(s.test->size(), 12);
  EXPECT_EQ(s.val->size(), 12);
  EXPECT_EQ(s.train->size(), 36);
  const Info& info = s.train->info();
  EXPECT_EQ(info.source, "csv:" + (folder / "t.csv") + "?target=kind&task=classification&test=20");
  EXPECT_EQ(info.class_names, (std::vector<std::string>{"cat", "cow"}));
  EXPECT_EQ(info.input_shape, Shape{1});
  double sum = 0, squares = 0;
  int64_t cows = 0;
  for (int64_t i = 0, y = 0; i < 36; ++i) {
    float x = 0;
    s.train->read(i, &x, &y);
    sum += x;
    squares += x * x;
    cows += y;
  }
  EXPECT_NEAR(sum / 36, 0, 1e-6);
  EXPECT_NEAR(squares / 36, 1, 1e-6);
  EXPECT_EQ(cows, 12);  // a third, as in the whole
  EXPECT_EQ(open(info.source, {.seed = 1, .val_fraction = 0.25}).train->info().fingerprint,
            info.fingerprint);
  EXPECT_NE(open(info.source, {.seed = 2, .val_fraction = 0.25}).train->info().fingerprint,
            info.fingerprint);

  // another table becomes numbers by the statistics of the first
  write_bytes(folder / "new.csv", "kind,weight\ncow,40\n");
  const Splits other =
      open("csv:" + (folder / "new.csv"), {.val_fraction = 0, .encoding = info.encoding});
  float x = 0;
  int64_t y = 0;
  other.train->read(0, &x, &y);
  EXPECT_EQ(y, 1);
  const Encoding e = encoding_from_text(info.encoding);
  EXPECT_FLOAT_EQ(x, static_cast<float>((40 - e.columns[0].mean) / e.columns[0].stddev));
  EXPECT_EQ(other.test, nullptr);
}

TEST(Table, SaysWhatIsWrong) {
  struct Bad {
    const char* what;
    std::string text, settings, at, given, expected, remedy;  // how the remedy begins
  };
  const Bad cases[] = {
      {"no target", "a,b\n1,2\n", "", "", "no target", "one of the columns a, b",
       "Say which column is to be learned: ?target=COLUMN"},
      {"unknown target", "color,b\n1,2\n", "?target=coler", ": line 1", "no column 'coler'",
       "one of color, b", "Did you mean 'color'?"},
      {"odd cell", "a,y\n1,p\n2,q\nx,p\n4,q\n", "?target=y", ": line 4, column 'a'", "'x'",
       "a number, as 3 of 4 cells are", "Correct it"},
      {"target missing", "a,y\n1,p\n2,\n", "?target=y", ": line 3, column 'y'",
       "no target in 1 of 2 rows (line 3)", "", "Fill it in"},
      {"target no number", "a,y\n1,1.5\n2,p\n", "?target=y&task=regression", ": line 3, column 'y'",
       "'p'", "a number, as 1 of 2 cells are", "A regression needs numbers"},
      {"one class", "a,y\n1,p\n2,p\n", "?target=y", ": target 'y'", "one class only, 'p'",
       "at least two to tell apart", "Give another target."},
      {"nothing to learn from", "a,y\n1,p\n1,q\n", "?target=y", "",
       "no column to learn from besides the target ('a': one value only)", "", "Give"},
  };
  TemporaryFolder folder;
  for (const Bad& c : cases) {
    write_bytes(folder / "t.csv", c.text);
    SCOPED_TRACE(c.what);
    auto call = [&] { open("csv:" + (folder / "t.csv") + c.settings, {.val_fraction = 0}); };
    EXPECT_FAULT(IoError, call(), .op = "", .argument = (folder / "t.csv") + c.at, .given = c.given,
                 .expected = c.expected);
    const Fault fault = fault_of<IoError>(call);
    EXPECT_TRUE(fault.remedy.starts_with(c.remedy)) << fault.remedy;
    EXPECT_EQ(fault.settings, c.settings.empty() || c.at == ": target 'y'"
                                  ? std::vector<std::string>{"target"}
                                  : std::vector<std::string>{});
  }
  const std::string guess = "csv:" + (folder / "t.csv") + "?target=y&task=guess";
  EXPECT_FAULT(ArgumentError, open(guess), .argument = guess + ": task", .given = "'guess'",
               .expected = "one of regression, classification");
  const Fault fault =
      fault_of<IoError>([&] { open("csv:" + (folder / "none.csv") + "?target=y"); });
  EXPECT_TRUE(contains(told(fault), folder / "none.csv")) << told(fault);
  write_bytes(folder / "t.csv", animals());
  EXPECT_FAULT(IoError, open("csv:" + (folder / "t.csv") + "?target=kind"),
               .argument = (folder / "t.csv") + ": line 42, column 'legs'", .given = "'two'",
               .expected = "a number, as 34 of 36 cells are");
}

TEST(Table, ATargetThatIsANumber) {
  TemporaryFolder folder;
  std::string text = "x,y\n";
  for (int i = 0; i < 50; ++i) text += std::to_string(i) + "," + std::to_string(3 * i + 0.5) + "\n";
  write_bytes(folder / "t.csv", text);
  const Splits s = open((folder / "t.csv") + "?target=y&test=0", {.val_fraction = 0});
  const Info& info = s.train->info();
  EXPECT_EQ(info.task, Task::regression);
  EXPECT_NEAR(info.target_mean, 3 * 24.5 + 0.5, 1e-9);
  Loader loader(s.train, {.batch_size = 50});
  for (auto& [x, y] : loader) {
    ASSERT_EQ(y.dtype(), DType::f32);
    const std::vector<float> values = y.to_vector<float>();
    for (int i = 0; i < 50; ++i)
      EXPECT_NEAR(static_cast<double>(values[static_cast<size_t>(i)]) * info.target_stddev +
                      info.target_mean,
                  3 * i + 0.5, 1e-4);
  }
  float x = 0;
  int64_t y = 0;
  EXPECT_FAULT(StateError, s.train->read(0, &x, &y), .op = "read", .argument = info.source,
               .given = "targets that are numbers", .expected = "classes");
  const Splits glyphs = open("glyphs?train=2&test=1", {.val_fraction = 0});
  EXPECT_FAULT(StateError, glyphs.train->read_value(0, &x, &x), .op = "read_value",
               .argument = glyphs.train->info().source, .given = "targets that are classes",
               .expected = "numbers");
  EXPECT_FAULT(ArgumentError, class_counts(*s.train), .op = "class_counts", .argument = "dataset",
               .given = info.source + ", whose targets are numbers",
               .expected = "targets that are classes");
}

}  // namespace
}  // namespace suanli::data
