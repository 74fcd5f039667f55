// SPDX-License-Identifier: Apache-2.0
// Tables as people have them: separators, decimal commas, spellings of classes, missing targets,
// counts of the rows.
#include <algorithm>
#include <cmath>

#include "data/datasets/encoding.h"
#include "data/files.h"
#include "gtest/gtest.h"
#include "suanli/dataset.h"

namespace suanli::data {
namespace {

using namespace suanli::test;

/// A table in a folder of its own, opened whole.
struct Opened {
  TemporaryFolder folder;
  Splits splits;
  std::string notes;

  Opened(const std::string& text, const std::string& settings,
         const OpenOptions& options = {.val_fraction = 0}) {
    write_bytes(folder / "t.csv", text);
    splits = open("csv:" + (folder / "t.csv") + settings, options);
    for (const std::string& n : splits.notes) notes += n + "\n";
  }
  const Info& info() const { return splits.train->info(); }
  Encoding encoding() const { return encoding_from_text(info().encoding); }
  /// Input `k` of every row in the column's own unit.
  std::vector<double> column(size_t k) const {
    const Encoding e = encoding();
    std::vector<double> out;
    std::vector<float> x(static_cast<size_t>(e.width()));
    for (int64_t i = 0, y = 0; i < splits.train->size(); ++i) {
      float value = 0;
      if (e.task == Task::regression) splits.train->read_value(i, x.data(), &value);
      else splits.train->read(i, x.data(), &y);
      out.push_back(
          std::round((static_cast<double>(x[k]) * e.columns[k].stddev + e.columns[k].mean) * 1e4) /
          1e4);
    }
    return out;
  }
};

/// The fault of a table; its argument without the folder: "t.csv: …".
Fault fault_in(const std::string& text, const std::string& settings) {
  Fault fault = fault_of<IoError>([&] { Opened(text, settings); });
  fault.argument.erase(0, fault.argument.find("t.csv"));
  return fault;
}
void expect(const Fault& fault, const Parts& parts) {
  expect_parts(fault, parts, IoError(fault).what());
}

TEST(TableWriting, SeparatorsAreFoundOutsideOfQuotes) {
  struct Case {
    const char *what, *text;
    std::vector<std::string> header;
    char separator;
  };
  const Case cases[] = {
      {"stated", "sep=;\na;b\n1;2\n", {"a", "b"}, ';'},
      {"stated in quotes, below a byte order mark",
       "\xEF\xBB\xBF\"sep=|\"\r\na|b\r\n1|2\r\n",
       {"a", "b"},
       '|'},
      {"stated against what it looks like", "sep=,\na;x,b;y\n1;2,3;4\n", {"a;x", "b;y"}, ','},
      {"quoted header",
       "\"size; mm; outer; inner\",b\n1,2\n",
       {"size; mm; outer; inner", "b"},
       ','},
      {"quoted cells", "a,b\n\"1;2;3\",4\n", {"a", "b"}, ','},
      {"pipe", "a|b\n1|2\n", {"a", "b"}, '|'},
      {"tab", "a\tb, c\n1\t2\n", {"a", "b, c"}, '\t'},
      {"decimal commas", "a;b\n1,5;2,5\n1,7;3,5\n", {"a", "b"}, ';'},
      {"blanks around quotes", "a, b\n \"1, 5\" , 2\n", {"a", "b"}, ','},
      {"one column", "a\n1\n", {"a"}, ','},
      {"old Macintosh", "a;b\r1;2\r", {"a", "b"}, ';'},
  };
  TemporaryFolder folder;
  for (const Case& c : cases) {
    write_bytes(folder / "t.csv", c.text);
    const Table t = read_csv(folder / "t.csv");
    EXPECT_EQ(t.header, c.header) << c.what;
    EXPECT_EQ(t.separator, c.separator) << c.what;
    EXPECT_EQ(t.rows(), 1 + (std::string(c.what) == "decimal commas")) << c.what;
  }
  write_bytes(folder / "t.csv", "sep=;\na;b\n1;2\n3\n");
  EXPECT_FAULT(IoError, read_csv(folder / "t.csv"), .argument = (folder / "t.csv") + ": line 4",
               .given = "1 cells", .expected = "2, as in the first line");
}

TEST(TableWriting, NumbersOfOtherCountriesAreNumbers) {
  struct Case {
    const char *what, *text, *settings;
    std::vector<double> first;
    std::string note;
  };
  const Case cases[] = {
      {"decimal comma",
       "a;b;y\n0,5;1;p\n-1,25;2;q\n2;3;p\n",
       "?target=y",
       {0.5, -1.25, 2},
       "column 'a': numbers with a decimal comma ('0,5' is 0.5)"},
      {"whole numbers beside decimal commas",
       "a;b;y\n1.234;0,5;p\n2.345;1,5;q\n",
       "?target=y",
       {1234, 2345},
       "column 'a': numbers with a decimal comma, groups of thousands ('1.234' is 1234; "
       "decimal=point reads it otherwise)"},
      {"open, semicolons",
       "a;y\n1,234;p\n2,345;q\n",
       "?target=y",
       {1.234, 2.345},
       "numbers with a decimal comma ('1,234' is 1.234; decimal=point reads it otherwise)"},
      {"open, commas",
       "a,y\n\"1,234\",p\n\"2,345\",q\n",
       "?target=y",
       {1234, 2345},
       "groups of thousands ('1,234' is 1234; decimal=comma reads it otherwise)"},
      {"forced",
       "a,y\n\"1,234\",p\n\"2,345\",q\n",
       "?target=y&decimal=comma",
       {1.234, 2.345},
       "numbers with a decimal comma ('1,234' is 1.234)"},
      {"forced by the thousands",
       "a;y\n1,234;p\n2,345;q\n",
       "?target=y&thousands=comma",
       {1234, 2345},
       "groups of thousands ('1,234' is 1234)"},
      {"both",
       "a,y\n\"1.234,5\",p\n\"2,25\",q\n",
       "?target=y",
       {1234.5, 2.25},
       "numbers with a decimal comma, groups of thousands"},
      {"blanks",
       "a,y\n1 234,p\n2\xC2\xA0"
       "345.5,q\n",
       "?target=y",
       {1234, 2345.5},
       "groups of thousands ('1 234' is 1234)"},
      {"per cent", "a,y\n12.5%,p\n7 %,q\n", "?target=y", {12.5, 7}, "the unit % ('12.5%' is 12.5)"},
      {"money",
       "a,y\n\"$1,200\",p\n$7,q\n9,q\n",
       "?target=y",
       {1200, 7, 9},
       "groups of thousands, the unit $ ('$1,200' is 1200"},
      {"brackets",
       "a,y\n(12),p\n7,q\n",
       "?target=y",
       {-12, 7},
       "brackets for minus ('(12)' is -12)"},
      {"minus",
       "a,y\n\xE2\x88\x92"
       "12,p\n7,q\n",
       "?target=y",
       {-12, 7},
       "is -12)"},
      {"Fortran", "a,y\n1.0D+02,p\n-2.5D-01,q\n", "?target=y", {100, -0.25}, ""},
      {"too small", "a,y\n1e-400,p\n7,q\n", "?target=y", {0, 7}, ""},
  };
  for (const Case& c : cases) {
    const Opened t(c.text, std::string(c.settings) + "&test=0");
    ASSERT_TRUE(t.encoding().columns[0].numeric) << c.what << "\n" << t.notes;
    EXPECT_EQ(t.column(0), c.first) << c.what;
    EXPECT_TRUE(contains(t.notes, c.note)) << c.what << "\n" << t.notes;
    EXPECT_EQ(contains(t.notes, "numbers with"), !c.note.empty()) << c.what << "\n" << t.notes;
    EXPECT_EQ(open(t.info().source, {.val_fraction = 0}).train->info().fingerprint,
              t.info().fingerprint)
        << c.what;
  }
  expect(fault_in("a,y\n1.5,p\n\"2,5\",q\n3.5,p\n", "?target=y"),
         {.argument = "t.csv: line 3, column 'a'",
          .given = "'2,5'",
          .expected = "a number with a decimal point, as 2 of 3 cells are"});
  expect(fault_in("a,y\n1%,p\n2%,q\n3,p\n", "?target=y"),
         {.argument = "t.csv: line 4, column 'a'",
          .given = "'3'",
          .expected = "a number with the unit %, as 2 of 3 cells are"});
  expect(fault_in("a,y\n1e400,p\n2,q\n3,p\n", "?target=y"),
         {.argument = "t.csv: line 2, column 'a'",
          .given = "'1e400'",
          .expected = "a number that is not too large for f64, as 2 of 3 cells are"});
}

TEST(TableWriting, PredictionReadsAsTrainingDid) {
  const Opened t("a;b;y\n0,5;7;p\n1,5;8;q\n2,5;9;p\n", "?target=y&test=0");
  TemporaryFolder folder;
  struct Case {
    const char *what, *text;
    double a;
  };
  const Case cases[] = {{"the same", "a;b\n1,5;7\n", 1.5},
                        {"open, as the training's", "a;b\n1,234;7\n", 1.234},
                        {"commas between the cells too", "a,b\n\"1,234\",7\n", 1.234},
                        {"saved elsewhere", "a,b\n1.5,7\n", 1.5}};
  const ColumnCode code = t.encoding().columns[0];
  for (const Case& c : cases) {
    write_bytes(folder / "new.csv", c.text);
    const std::vector<float> x =
        read_table(folder / "new.csv", t.info().encoding).to_vector<float>();
    EXPECT_FLOAT_EQ(x[0], static_cast<float>((c.a - code.mean) / code.stddev)) << c.what;
  }
  write_bytes(folder / "new.csv", "a;b\n5%;7\n");
  EXPECT_FAULT(IoError, read_table(folder / "new.csv", t.info().encoding),
               .argument = (folder / "new.csv") + ": line 2, column 'a'", .given = "'5%'",
               .expected = "a number without a unit, as in training");
}

TEST(TableWriting, WholeNumbersOfTrainingLeaveTheSeparatorToTheNewTable) {
  const Opened t("a,b,y\n12,1.5,p\n15,2.5,q\n19,3.5,p\n", "?target=y&test=0");
  const ColumnCode code = t.encoding().columns[0];
  TemporaryFolder folder;
  for (const auto& [text, a] : {std::pair("a;b\n12,125;1,5\n", 12.125),
                                {"a,b\n\"12,125\",1.5\n", 12125.0},
                                {"a;b\n12.125;1,5\n", 12125.0},
                                {"a,b\n12.125,1.5\n", 12.125}}) {
    write_bytes(folder / "new.csv", text);
    const std::vector<float> x =
        read_table(folder / "new.csv", t.info().encoding).to_vector<float>();
    EXPECT_FLOAT_EQ(x[0], static_cast<float>((a - code.mean) / code.stddev)) << text;
  }
}

TEST(TableWriting, ATargetOfNumbersWithOddCells) {
  std::string rows, thousands, dollars, shares, unique;
  for (int i = 0; i < 60; ++i) {
    const std::string a = std::to_string((i * 37) % 60) + ".5,";
    rows += a + (i == 9 ? "on request" : std::to_string(2000 + i * 37)) + "\n";
    thousands += a + "\"" + std::to_string(2 + i) + ",000\"\n";
    dollars += a + "$" + std::to_string(20 + i) + "\n";
    shares += a + std::to_string(i) + ".5%\n";
    unique += a + "name" + std::to_string(i) + "\n";
  }
  const Fault odd = fault_in("a,y\n" + rows, "?target=y");
  expect(odd, {.argument = "t.csv: line 11, column 'y'",
               .given = "'on request'",
               .expected = "a number, as 59 of 60 cells are"});
  for (const char* part : {"missing=WORD", "skip_missing_target=1", "task=classification"})
    EXPECT_TRUE(contains(odd.remedy, part)) << odd.remedy;
  const Opened without("a,y\n" + rows, "?target=y&missing=on request&skip_missing_target=1&test=0");
  EXPECT_EQ(without.splits.train->size(), 59);
  EXPECT_TRUE(
      contains(without.notes, "left out: 1 of 60 rows have no target in column 'y' (line 11)"))
      << without.notes;
  for (const std::string& text : {thousands, dollars, shares}) {
    const Opened t("a,y\n" + text, "?target=y&test=0");
    EXPECT_EQ(t.info().task, Task::regression) << text;
  }
  EXPECT_DOUBLE_EQ(Opened("a,y\n" + thousands, "?target=y&test=0").info().target_mean,
                   1000 * (2 + 29.5));
  EXPECT_DOUBLE_EQ(Opened("a,y\n" + shares, "?target=y&test=0").info().target_mean, 30);
  expect(fault_in("a,y\n" + unique, "?target=y"),
         {.argument = "t.csv: target 'y'",
          .given = "60 different words in 60 rows",
          .expected = "classes rather than names or texts"});
  const Fault asked = fault_in("a,y\n1,yes\n2,no\n", "?target=y&task=regression");
  expect(asked, {.argument = "t.csv: line 2, column 'y'",
                 .given = "'yes'",
                 .expected = "a number, as 0 of 2 cells are"});
  EXPECT_TRUE(contains(asked.remedy, "A regression needs numbers")) << asked.remedy;
  // Levels that are mostly whole numbers are classes.
  const Opened doors("a,y\n1.5,2\n2.5,3\n3.5,4\n4.5,5more\n5.5,2\n", "?target=y&test=0");
  EXPECT_EQ(doors.info().class_names, (std::vector<std::string>{"2", "3", "4", "5more"}));
}

TEST(TableWriting, SpellingsOfOneClass) {
  struct Case {
    const char *what, *targets;
    std::vector<std::string> classes;
    std::vector<int64_t> labels;
    const char* note;
  };
  const Case cases[] = {
      {"numbers",
       "1 1.0 0 0.0 01",
       {"0", "1"},
       {1, 1, 0, 0, 1},
       "'01', '1', '1.0' are one class, '1'"},
      {"one spelling stays", "01 02 01 02 02", {"01", "02"}, {0, 1, 0, 1, 1}, ""},
      {"in order of value", "10 9 10 9 -1", {"-1", "9", "10"}, {2, 1, 2, 1, 0}, ""},
      {"blanks", "yes '_yes' yes_ no '_no_'", {"no", "yes"}, {1, 1, 1, 0, 0}, ""},
      {"case",
       "yes Yes YES no no",
       {"YES", "Yes", "no", "yes"},
       {3, 1, 0, 2, 2},
       "'YES', 'Yes', 'yes' differ in case only and count as different"},
      {"numbers among words", "01 1 A B C", {"01", "1", "A", "B", "C"}, {0, 1, 2, 3, 4}, ""},
      {"words beside numbers",
       "1.10 1.1 1.2b 1.2c 1.2d",
       {"1.1", "1.10", "1.2b", "1.2c", "1.2d"},
       {1, 0, 2, 3, 4},
       ""},
  };
  for (const Case& c : cases) {
    std::string text = "a,y\n", cell;
    int row = 0;
    for (const char* at = c.targets;; ++at) {
      if (*at && *at != ' ') {
        cell += *at == '_' ? ' ' : *at == '\'' ? '"' : *at;
        continue;
      }
      text += std::to_string(row++) + ".5," + cell + "\n";
      cell = "";
      if (!*at) break;
    }
    const Opened t(text, "?target=y&test=0");
    EXPECT_EQ(t.info().class_names, c.classes) << c.what;
    std::vector<int64_t> labels;
    for (int64_t i = 0; i < t.splits.train->size(); ++i) labels.push_back(t.splits.train->label(i));
    EXPECT_EQ(labels, c.labels) << c.what;
    EXPECT_TRUE(contains(t.notes, c.note)) << c.what << "\n" << t.notes;
  }
  // Another table may spell a class otherwise.
  const Opened t("a,y\n1.5,1\n2.5,0\n", "?target=y&test=0");
  const Opened other("a,y\n1.5,1.0\n2.5,0.00\n", "",
                     {.val_fraction = 0, .encoding = t.info().encoding});
  EXPECT_EQ((std::vector{other.splits.train->label(0), other.splits.train->label(1)}),
            (std::vector<int64_t>{1, 0}));
}

std::string graded(const std::string& word, int every, int rows = 60) {
  std::string text = "a,grade\n";
  for (int i = 0; i < rows; ++i)
    text += std::to_string(i) + ".5," + (i % every == 0 ? word : i % 2 ? "mild" : "severe") + "\n";
  return text;
}

TEST(TableWriting, ClassesCalledNone) {
  for (const char* word : {"None", "NA", "null", "?", "N/A"}) {
    for (const char* quote : {"", "\""}) {
      const std::string cell = std::string(quote) + word + quote;
      const Opened t(graded(cell, 3), "?target=grade&test=0");
      std::vector<std::string> classes = {word, "mild", "severe"};
      std::sort(classes.begin(), classes.end());
      const int64_t label = std::find(classes.begin(), classes.end(), word) - classes.begin();
      EXPECT_EQ(t.info().class_names, classes) << cell;
      EXPECT_EQ(t.splits.train->label(0), label) << cell;
      EXPECT_EQ(contains(t.notes,
                         "'" + std::string(word) + "' (20 of 60 rows) is a class; missing=" + word),
                !*quote)
          << t.notes;
      const Opened other("a,grade\n1.5," + std::string(word) + "\n", "",
                         {.val_fraction = 0, .encoding = t.info().encoding});
      EXPECT_EQ(other.splits.train->label(0), label) << cell;
    }
    // A rare one is missing, unless it is said to be a class.
    const Fault fault = fault_in(graded(word, 60), "?target=grade");
    expect(fault, {.argument = "t.csv: line 2, column 'grade'",
                   .given = "no target in 1 of 60 rows (line 2)"});
    EXPECT_TRUE(contains(fault.remedy, "?skip_missing_target=1") &&
                contains(fault.remedy, "?missing= takes empty cells alone"))
        << fault.remedy;
    EXPECT_EQ(Opened(graded(word, 60), "?target=grade&test=0&missing=").info().classes, 3) << word;
  }
  for (const char* word : {"nan", "\"\""})
    expect(fault_in(graded(word, 3), "?target=grade"),
           {.argument = "t.csv: line 2, column 'grade'",
            .given = "no target in 20 of 60 rows (line 2, 5, 8, 11, 14, 17, 20, 23, 26, 29, …)"});
  const Opened skipped(graded("None", 3),
                       "?target=grade&test=0&missing=None&skip_missing_target=1");
  EXPECT_EQ(skipped.info().class_names, (std::vector<std::string>{"mild", "severe"}));
  EXPECT_EQ(skipped.splits.train->size(), 40);
  EXPECT_TRUE(contains(skipped.notes,
                       "left out: 20 of 60 rows have no target in column 'grade' (line 2, 5, 8, "
                       "11, 14, 17, 20, 23, 26, 29, …)"))
      << skipped.notes;
  EXPECT_EQ(open(skipped.info().source, {.val_fraction = 0}).train->info().fingerprint,
            skipped.info().fingerprint);
  expect(fault_in("a,y\n1.5,\n2.5,\n", "?target=y"),
         {.argument = "t.csv: target 'y'", .given = "missing in all 2 rows"});
  // The setting counts for inputs too.
  const Opened inputs("a,y\n1.5,p\n-999,q\n2.5,p\n", "?target=y&test=0&missing=-999");
  EXPECT_TRUE(contains(inputs.notes, "column 'a': 1 of 3 cells are missing")) << inputs.notes;
  EXPECT_TRUE(inputs.encoding().is_missing("-999"));
}

TEST(TableWriting, EveryNameCanBeWritten) {
  struct Name {
    const char *header, *setting;
  };
  const Name names[] = {{"R&D", "R%26D"},      {"R&D", "R&D"},     {"a=b", "a=b"},
                        {"a=b", "a%3Db"},      {"100%", "100%"},   {"100%25", "100%2525"},
                        {"a?b", "a?b"},        {"a:b", "a:b"},     {"a#b", "a#b"},
                        {"a b", "a b"},        {"\"a,b\"", "a,b"}, {"a+b", "a+b"},
                        {"\xC3\xBC", "%C3%BC"}};
  for (const Name& n : names) {
    const Opened t(std::string("x,") + n.header + "\n1.5,p\n2.5,q\n",
                   std::string("?target=") + n.setting + "&test=0");
    EXPECT_EQ(t.encoding().columns[0].name, "x") << n.header;
    EXPECT_EQ(open(t.info().source, {.val_fraction = 0}).train->info().fingerprint,
              t.info().fingerprint)
        << t.info().source;
  }
  const Fault setting = fault_of<ArgumentError>([] { Opened("x,R&D\n1.5,p\n", "?target=R&&D"); });
  expect(setting, {.given = "``", .expected = "a setting of the form key=value"});
  EXPECT_TRUE(contains(setting.remedy, "Within a value, write & as %26")) << setting.remedy;
  const Opened dropped("x,\"p,q\",R&D,y\n1.5,7,1,p\n2.5,8,2,q\n",
                       "?target=y&test=0&drop=p%2Cq,R%26D");
  EXPECT_EQ(dropped.info().input_shape, Shape{1});
  EXPECT_TRUE(contains(dropped.notes, "left out as asked: 'p,q', 'R&D'")) << dropped.notes;
  EXPECT_EQ(open(dropped.info().source, {.val_fraction = 0}).train->info().fingerprint,
            dropped.info().fingerprint);
  const Fault mistyped = fault_in("size,y\n1.5,p\n2.5,q\n", "?target=y&drop=sise");
  expect(mistyped,
         {.argument = "t.csv: line 1", .given = "no column 'sise'", .expected = "one of size, y"});
  EXPECT_EQ(mistyped.remedy, "Did you mean 'size'?");
  for (const char* key : {"drop", "keep"}) {
    const Fault fault = fault_of<ArgumentError>(
        [&] { Opened("xx,y\n1.5,p\n2.5,q\n", std::string("?target=y&") + key + "=y"); });
    EXPECT_TRUE(fault.argument.ends_with(std::string("t.csv: ") + key)) << fault.argument;
    expect(fault, {.given = "'y', the target", .expected = "another column"});
  }
  // Paths with question marks.
  TemporaryFolder folder;
  write_bytes(folder / "what?.csv", "x,y\n1.5,p\n2.5,q\n");
  write_bytes(folder / "what", "");
  EXPECT_EQ(
      open("csv:" + (folder / "what?.csv") + "?target=y&test=0&missing=?", {.val_fraction = 0})
          .train->size(),
      2);
}

TEST(TableWriting, TablesWithoutHeader) {
  std::string flowers, numbers, news;
  for (int i = 0; i < 20; ++i) {
    flowers += std::to_string(i) + ".1,3.5," + (i % 2 ? "setosa" : "virginica") + "\n";
    numbers +=
        std::to_string(5 * i % 7) + "," + std::to_string(i) + ".5," + std::to_string(i % 2) + "\n";
  }
  for (int i = 0; i < 20; ++i)
    news += std::to_string(3 + i % 4) + ",title " + std::to_string(i) + "\n";
  for (const std::string& text : {flowers, numbers, news}) {
    const Fault fault = fault_in(text, "?target=setosa");
    expect(fault, {.argument = "t.csv: line 1",
                   .given = "what looks like values (" + text.substr(0, text.find(',')) + ", …)",
                   .expected = "the names of the columns"});
    EXPECT_TRUE(contains(fault.remedy, "?header=no") && contains(fault.remedy, "?header=yes"))
        << fault.remedy;
  }
  const Opened t(flowers, "?target=3&header=no&test=0");
  EXPECT_EQ(t.splits.train->size(), 20);
  EXPECT_EQ(t.encoding().columns[0].name, "1");
  EXPECT_EQ(Opened(flowers, "?target=column 3&header=no&test=0").info().fingerprint,
            t.info().fingerprint);
  EXPECT_EQ(open(t.info().source, {.val_fraction = 0}).train->info().fingerprint,
            t.info().fingerprint);
  TemporaryFolder folder;
  const Encoding e = t.encoding();
  const auto expected = static_cast<float>((4.1 - e.columns[0].mean) / e.columns[0].stddev);
  write_bytes(folder / "new.csv", "4.1,3.5\n5.1,3.5\n");
  EXPECT_FLOAT_EQ(read_table(folder / "new.csv", t.info().encoding).to_vector<float>()[0],
                  expected);
  // A target in front: where it is missing, the other columns have moved.
  const Opened front("p,1.5,7\nq,2.5,9\n", "?target=1&header=no&test=0");
  write_bytes(folder / "new.csv", "2.5,7\n");
  EXPECT_EQ(read_table(folder / "new.csv", front.info().encoding).to_vector<float>(),
            (std::vector<float>{1, -1}));
  write_bytes(folder / "new.csv", "?,2.5,7\n");
  EXPECT_EQ(read_table(folder / "new.csv", front.info().encoding).to_vector<float>(),
            (std::vector<float>{1, -1}));
  // Names that are numbers: pandas' count of columns, and what the user says.
  EXPECT_EQ(Opened("0,1,2\n1.5,7,p\n2.5,9,q\n", "?target=2&test=0").splits.train->size(), 2);
  EXPECT_EQ(
      Opened("2019,2020\n1.5,p\n2.5,q\n", "?target=2020&test=0&header=yes").splits.train->size(),
      2);
  EXPECT_EQ(Opened("country,2019\nA,1\nB,2\nA,5\n", "?target=country&test=0").splits.train->size(),
            3);
}

TEST(TableWriting, WithoutHeaderTheNumberOfColumnsTellsThePlaces) {
  // The last column is constant, so no used one shows how many there are.
  std::string constant, dropped;
  for (int i = 0; i < 12; ++i) {
    const std::string row = std::string(i % 2 ? "p" : "q") + "," + std::to_string(i % 5) + ".5," +
                            std::to_string(i * i) + ",";
    constant += row + "7\n";
    dropped += row + std::to_string(i % 4) + "\n";
  }
  TemporaryFolder folder;
  auto ask = [&](const std::string& text, const std::string& encoding) {
    write_bytes(folder / "new.csv", text);
    return read_table(folder / "new.csv", encoding).to_vector<float>();
  };
  for (const auto& [text, settings] : {std::pair(constant, "?target=1&header=no&test=0"),
                                       {dropped, "?target=1&header=no&drop=4&test=0"}}) {
    const Opened t(text, settings);
    const std::string encoding = t.info().encoding;
    EXPECT_EQ(t.encoding().table_columns, 4);
    EXPECT_TRUE(contains(encoding, "header\tno\t4\n")) << encoding;
    EXPECT_EQ(ask("2.5,9,7\n", encoding), ask("p,2.5,9,7\n", encoding)) << settings;
    for (auto [odd, given] : {std::pair{"2.5,9\n", "2 columns"}, {"p,2.5,9,7,7\n", "5 columns"}})
      EXPECT_FAULT(IoError, ask(odd, encoding), .argument = folder / "new.csv", .given = given,
                   .expected = "4, as in training, or 3 without the target");
    // A measurement needs the target.
    EXPECT_FAULT(IoError, Opened("2.5,9,7\n", "", {.val_fraction = 0, .encoding = encoding}),
                 .given = "3 columns", .expected = "4, as in training");
    EXPECT_EQ(
        Opened("p,2.5,9,7\n", "", {.val_fraction = 0, .encoding = encoding}).splits.train->size(),
        1);
  }
  // A run of an older version does not say the number.
  const std::string older =
      "target\t1\tclassification\t0\t1\nclasses\tp\tq\nheader\tno\nnumbers\t2\t2\t1\t0\nnumbers\t3"
      "\t8\t1\t0\n";
  EXPECT_EQ(ask("2.5,9\n", older), (std::vector<float>{0.5f, 1}));
  EXPECT_EQ(ask("p,2.5,9\n", older), (std::vector<float>{0.5f, 1}));
  EXPECT_EQ(to_text(encoding_from_text(older)), older);
}

TEST(TableWriting, NumbersThatAreTooLargeToScale) {
  const char* too_large = "values too large for a mean and a deviation";
  const Fault column = fault_in("a,b,y\n1e200,1,p\n-1e200,2,q\n2,5,p\n", "?target=y&test=0");
  expect(column, {.argument = "t.csv: column 'a'", .given = too_large});
  EXPECT_TRUE(contains(column.remedy, "drop=a")) << column.remedy;
  expect(fault_in("a,b,y\n1.7e308,1,p\n1.6e308,2,q\n1.7e308,5,p\n", "?target=y&test=0"),
         {.argument = "t.csv: column 'a'", .given = too_large});
  EXPECT_EQ(Opened("a,b,y\n1e200,1,p\n-1e200,2,q\n2,5,p\n", "?target=y&test=0&drop=a")
                .splits.train->size(),
            3);
  expect(fault_in("b,y\n1,1e200\n2,-1e200\n5,2\n", "?target=y&test=0&task=regression"),
         {.argument = "t.csv: column 'y'", .given = too_large});
  // Cells that come later.
  const Opened t("a,y\n1,1.5\n2,2.5\n5,3.5\n", "?target=y&test=0&task=regression");
  TemporaryFolder folder;
  write_bytes(folder / "new.csv", "a\n1\n1e60\n");
  const char* smaller = "a number not too large beside those of training";
  EXPECT_FAULT(IoError, read_table(folder / "new.csv", t.info().encoding),
               .argument = (folder / "new.csv") + ": line 3, column 'a'", .given = "'1e60'",
               .expected = smaller);
  const Fault answer = fault_of<IoError>(
      [&] { Opened("a,y\n1,1e60\n", "", {.val_fraction = 0, .encoding = t.info().encoding}); });
  EXPECT_TRUE(answer.argument.ends_with("t.csv: line 2, column 'y'")) << answer.argument;
  expect(answer, {.given = "'1e60'", .expected = smaller});
}

TEST(TableWriting, SettingsBesideATrainedModel) {
  const Opened t("a;b;y\n1;7;p\n3;8;q\n5;9;p\n", "?target=y&test=0&drop=b");
  const OpenOptions trained{.val_fraction = 0, .encoding = t.info().encoding};
  const ColumnCode code = t.encoding().columns[0];
  struct Case {
    const char *settings, *cell;
    double value;
  };
  for (const Case& c : {Case{"?decimal=comma", "1,250", 1.25},
                        {"?decimal=point", "\"1,250\"", 1250},
                        {"?thousands=point", "1.250", 1250},
                        {"?thousands=comma", "1.250", 1.25}}) {
    const Opened other(std::string("a;b;y\n") + c.cell + ";7;p\n", c.settings, trained);
    float x = 0;
    int64_t y = 0;
    other.splits.train->read(0, &x, &y);
    EXPECT_FLOAT_EQ(x, static_cast<float>((c.value - code.mean) / code.stddev)) << c.settings;
  }
  struct Refused {
    const char *settings, *key, *given, *expected;
  };
  for (const Refused& c :
       {Refused{"?drop=a", "drop", "'a'", "this column kept, as in training"},
        {"?keep=b", "keep", "'b'", "this column dropped, as in training"},
        {"?missing=-", "missing", "'-'", "the usual words, as in training"},
        {"?task=regression", "task", "'regression'", "classification, as in training"},
        {"?target=b", "target", "'b'", "'y', as in training"}}) {
    const Fault fault =
        fault_of<ArgumentError>([&] { Opened("a;b;y\n1;7;p\n", c.settings, trained); });
    EXPECT_TRUE(fault.argument.ends_with(std::string("t.csv: ") + c.key)) << fault.argument;
    expect(fault, {.given = c.given, .expected = c.expected});
  }
  // The settings of the training itself change nothing.
  EXPECT_EQ(Opened("a;b;y\n1;7;p\n", "?target=y&task=classification&drop=b&keep=a", trained)
                .splits.train->size(),
            1);
  const Fault missing = fault_of<IoError>([&] { Opened("a;b;y\n1;7;NA\n", "", trained); });
  expect(missing, {.given = "no target in 1 of 1 rows (line 2)"});
  EXPECT_TRUE(contains(missing.remedy, "?skip_missing_target=1") &&
              !contains(missing.remedy, "?missing="))
      << missing.remedy;
}

TEST(TableWriting, CountsOfTheRows) {
  auto table = [](const std::string& name, const std::function<std::string(int)>& value) {
    std::string text = name + ",b,y\n";
    for (int i = 0; i < 20; ++i)
      text += value(i) + "," + std::to_string(i * 7 % 5) + ".5," + (i % 2 ? "p" : "q") + "\n";
    return text;
  };
  auto counting = [](int from) { return [from](int i) { return std::to_string(from + i); }; };
  struct Case {
    const char* what;
    std::string text;
    bool left_out;
  };
  const Case cases[] = {
      {"id", table("id", counting(1)), true},
      {"pandas' index", table("", counting(0)), true},
      {"pandas' index, read twice", table("Unnamed: 0", counting(0)), true},
      {"another name", table("n", counting(1)), true},
      {"shuffled ids", table("id", [](int i) { return std::to_string(i * 7 % 20); }), true},
      {"pandas' index of shuffled rows",
       table("", [](int i) { return std::to_string(i * 7 % 20); }), true},
      {"ranks", table("rank", [](int i) { return std::to_string(1 + i * 7 % 20); }), false},
      {"distances", table("distance", [](int i) { return std::to_string(i * 7 % 20); }), false},
      {"downwards", table("rank", [](int i) { return std::to_string(20 - i); }), false},
      {"PassengerId of another part", table("PassengerId", counting(892)), true},
      {"order_id, with gaps",
       table("order_id", [](int i) { return std::to_string(1000 + 13 * i); }), true},
      {"years", table("year", counting(1)), false},
      {"from elsewhere on", table("size", counting(892)), false},
      {"with gaps", table("size", [](int i) { return std::to_string(13 * i); }), false},
      {"fractions", table("id", [](int i) { return std::to_string(i) + ".5"; }), false},
      {"again", table("id", [](int i) { return std::to_string(i / 2); }), false},
      {"asked for", table("id", counting(1)), false},
  };
  for (const Case& c : cases) {
    const Opened t(c.text, std::string(c.what) == "asked for" ? "?target=y&test=0&keep=id"
                                                              : "?target=y&test=0");
    EXPECT_EQ(t.info().input_shape, (Shape{c.left_out ? 1 : 2})) << c.what << "\n" << t.notes;
    EXPECT_EQ(contains(t.notes, "it numbers the rows (keep="), c.left_out) << c.what << "\n"
                                                                           << t.notes;
  }
  std::string only = "n,y\n";
  for (int i = 0; i < 20; ++i) only += std::to_string(i) + "," + std::to_string(2 * i) + ".5\n";
  EXPECT_EQ(Opened(only, "?target=y&test=0").info().input_shape, Shape{1})
      << "the only column is used";
}

TEST(TableWriting, OneValueBesideMissingCellsIsUsed) {
  auto table = [](const std::string& value, int missing) {
    std::string text = "a,b,y\n";
    for (int i = 0; i < 20; ++i)
      text += (i < missing ? std::string() : value) + "," + std::to_string(i * 7 % 5) + ".5," +
              (i % 2 ? "p" : "q") + "\n";
    return text;
  };
  auto inputs = [](const Opened& t, int64_t row) {
    std::vector<float> x(static_cast<size_t>(t.encoding().width()));
    int64_t y = 0;
    t.splits.train->read(row, x.data(), &y);
    x.pop_back();  // column b
    return x;
  };
  const Opened words(table("yes", 8), "?target=y&test=0");
  EXPECT_EQ(words.encoding().columns[0].words, std::vector<std::string>{"yes"}) << words.notes;
  EXPECT_EQ(inputs(words, 0), std::vector<float>{0});
  EXPECT_EQ(inputs(words, 19), std::vector<float>{1});
  EXPECT_TRUE(contains(words.notes, "column 'a': 1 category, an input")) << words.notes;
  for (const char* value : {"5.0", "0.1", "-3"}) {
    const Opened numbers(table(value, 8), "?target=y&test=0");
    const ColumnCode a = numbers.encoding().columns[0];
    EXPECT_EQ(a.name, "a") << numbers.notes;
    EXPECT_TRUE(a.marks_missing) << value;
    EXPECT_EQ(a.mean, std::stod(value));
    EXPECT_EQ(a.stddev, 1) << value << ": the mean's rounding is no deviation";
    EXPECT_EQ(inputs(numbers, 0), (std::vector<float>{0, 1})) << value;
    EXPECT_EQ(inputs(numbers, 19), (std::vector<float>{0, 0})) << value;
  }
  for (const char* value : {"yes", "5.0"}) {
    const Opened full(table(value, 0), "?target=y&test=0");
    EXPECT_EQ(full.info().input_shape, Shape{1}) << value;
    EXPECT_TRUE(contains(full.notes, "column 'a' left out: one value only\n")) << full.notes;
  }
  EXPECT_TRUE(contains(Opened(table("", 0), "?target=y&test=0").notes,
                       "column 'a' left out: no values, 20 of 20 cells are missing\n"));
  std::string names = "a,b,y\n";
  for (int i = 0; i < 130; ++i)
    names += (i < 10 ? "" : "n" + std::to_string(i)) + "," + std::to_string(i * 7 % 5) + ".5," +
             (i % 2 ? "p" : "q") + "\n";
  EXPECT_TRUE(contains(Opened(names, "?target=y&test=0").notes,
                       "left out: 120 different words, names rather than categories, 10 of 130 "
                       "cells are missing\n"));
}

TEST(TableWriting, ColumnsAreJudgedByAllRows) {
  // 104 words in 120 rows: fewer than 100 in any 80% of them.
  std::string text = "cabin,b,y\n";
  for (int i = 0; i < 120; ++i)
    text += (i < 104 ? "c" + std::to_string(i) : "c0") + "," + std::to_string(i * 7 % 11) + ".5," +
            (i % 2 ? "p" : "q") + "\n";
  for (double val : {0.0, 0.1, 0.4}) {
    const Opened t(text, "?target=y", {.val_fraction = val});
    EXPECT_EQ(t.info().input_shape, Shape{1}) << val;
    EXPECT_TRUE(contains(
        t.notes, "column 'cabin' left out: 104 different words, names rather than categories"))
        << t.notes;
  }
}

TEST(TableWriting, ControlCharactersAreShownAsCodes) {
  const std::string nul(1, '\0'),
      odd = "w" + nul +
            "\x1b[31m\xC2\x9B"
            "1\x7f",
      shown = "w\\x00\\x1b[31m\\x9b1\\x7f";
  auto rows = [](const std::string& first, const std::string& header) {
    std::string text = header + "\n" + first + "\n";
    for (int i = 0; i < 30; ++i) text += std::to_string(i % 7) + ".5," + (i % 3 ? "p" : "q") + "\n";
    return text;
  };
  struct Case {
    const char* what;
    std::string text, settings;
  };
  const Case cases[] = {
      {"a cell among numbers", rows(odd + ",p", "a,y"), "?target=y"},
      {"a header", rows("word,p", odd + ",y"), "?target=y"},
      {"columns to choose from", rows("1.5,p", odd + ",y"), "?target=z"},
      {"columns without a target", rows("1.5,p", odd + ",y"), ""},
      {"a name twice", rows("1.5,p", odd + "," + odd), "?target=y"},
      {"one class only", "a,y\n1.5," + odd + "\n2.5," + odd + "\n", "?target=y"},
      {"a target of numbers", rows("p," + odd, "y,a") + "1,2\n", "?target=y&task=regression"},
  };
  for (const Case& c : cases) {
    const Fault fault = fault_in(c.text, c.settings);
    const std::string said = fault.argument + fault.given + fault.expected + fault.remedy;
    EXPECT_TRUE(contains(said, c.what == std::string("a target of numbers") ? "'p'" : shown))
        << c.what << ": " << said;
    EXPECT_EQ(said.find_first_of(nul + "\x1b\x7f"), std::string::npos) << c.what;
  }
  std::string text = "a," + odd + ",y\n";
  for (int i = 0; i < 40; ++i)
    text += std::to_string(i % 7) + ".5," + (i % 3 ? odd : "W" + odd.substr(1)) + "," +
            (i % 2 ? "1" : "1.0" + nul) + "\n";
  const Opened t(text, "?target=y&test=0&task=classification");
  EXPECT_TRUE(contains(t.notes, "column '" + shown + "': 'W" + shown.substr(1) + "', '" + shown +
                                    "' differ in case only"))
      << t.notes;
  EXPECT_EQ(t.notes.find_first_of(nul + "\x1b\x7f"), std::string::npos) << t.notes;
  EXPECT_EQ(t.encoding().columns[1].words[1], odd) << "what is kept is what the table holds";
}

TEST(TableWriting, FilesThatAreNoTables) {
  struct Case {
    const char *name, *bytes, *given;
  };
  const Case cases[] = {
      {"t.xlsx", "PK\x03\x04rest", "an Excel workbook (.xlsx), or another zip archive"},
      {"t.xls", "\xD0\xCF\x11\xE0", "an Excel workbook (.xls)"},
      {"t.parquet", "PAR1", "a Parquet file"},
      {"t.png", "\x89PNG\r\n", "a PNG picture"},
      {"t.json", "[{\"a\":1}]", "a JSON file"}};
  TemporaryFolder folder;
  for (const Case& c : cases) {
    write_bytes(folder / c.name, c.bytes);
    EXPECT_FAULT(IoError, read_csv(folder / c.name), .argument = (folder / c.name) + ": byte 0",
                 .given = c.given, .expected = "a table of text",
                 .remedy = "Save it as CSV (UTF-8).");
  }
  EXPECT_FAULT(IoError, read_csv(folder.path()), .argument = folder.path(), .given = "a folder",
               .expected = "a table");
}

}  // namespace
}  // namespace suanli::data
