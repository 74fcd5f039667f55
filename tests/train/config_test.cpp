// SPDX-License-Identifier: Apache-2.0
#include "train/settings/config.h"

#include <gtest/gtest.h>

#include "base/files/file.h"
#include "base/text/text.h"
#include "support/errors.h"
#include "support/temp_folder.h"

namespace suanli {
namespace {

using namespace test;

TEST(Config, ReadsBackWhatItWrites) {
  TempFolder folder;
  TrainConfig c;
  c.data = "mnist:a \"b\"\\c\n\x7fü";
  c.lr = 0.1 + 0.2;
  c.momentum = 1e-300;
  c.mean = {-5, 0.1};
  c.stddev = {3, 1e-9};
  c.seed = 9223372036854775807;
  c.epochs = 7;
  folder.file("config.toml", to_toml(c));
  TrainConfig back = config_from_toml(folder / "config.toml");
  EXPECT_EQ(back.data, c.data);
  EXPECT_EQ(differences(deciding_fields(c), back), "");
  EXPECT_EQ(to_toml(back), to_toml(c));
}

TEST(Config, RecipesFillWhatIsLeftOpen) {
  TrainConfig c;
  c.model = "cnn_c";
  validate(c, false);
  EXPECT_EQ(c.optimizer, "sgd");
  EXPECT_EQ(c.lr, 0.01);
  EXPECT_EQ(c.momentum, 0.5);
  EXPECT_EQ(c.batch_size, 64);
  TrainConfig other;  // another optimizer does not inherit numbers that were tuned for sgd
  other.model = "cnn_c";
  other.optimizer = "adam";
  validate(other, false);
  EXPECT_EQ(other.lr, 1e-3);
  EXPECT_EQ(other.momentum, 0);
  TrainConfig again = c;
  validate(again, false);
  EXPECT_EQ(to_toml(again), to_toml(c)) << "resolving twice changes nothing";
}

TEST(Config, OnlyWhatDecidesTheResultIsCompared) {
  TrainConfig a, b;
  b.loader_threads = 7;
  b.threads = 5;
  b.checkpoint_every = 1;
  b.epochs = 9;
  b.out = "x";
  EXPECT_EQ(differences(deciding_fields(a), b), "");
  b.seed = 1;
  b.lr = 0.5;
  EXPECT_EQ(differences(deciding_fields(a), b), "lr 0.0 → 0.5, seed 0 → 1");
}

TEST(Config, ErrorsNameFileLineAndKey) {
  struct Row {
    const char *text, *place;
    std::optional<std::string> given{}, expected{}, remedy{};
  };
  const Row rows[] = {
      {"epochs = 3\nlr = \"x\"\n", ": line 2, lr", "a text", "a number"},
      {"epochs = 1.5", ": line 1, epochs", "a number", "a whole number"},
      {"mean = [1, \"x\"]", ": line 1, mean", "a list", "a list of numbers"},
      {"stddev = 3", ": line 1, stddev", "a whole number", "a list of numbers"},
      {"model = 3", ": line 1, model", "a whole number", "a text in quotes"},
      {"\n\nepoch = 3", ": line 3: setting", "'epoch'", {}, "Did you mean epochs?"},
      {"epochs = ", ": line 1"},
      {"epochs = 3\nepochs = 4", ": line 2"},
      {"optimizer = \"adamm\"", ": optimizer", "'adamm'", "one of sgd, nesterov, adam, adamw",
       "Did you mean 'adam'?"},
      {"lr = -1.0", ": lr", "-1", "a number above 0 and up to 1e30"},
      {"class_weights = \"1,x\"", ": class_weights", "'1,x'", "numbers with commas between"},
      {"ema = 0.9\nlookahead = 5", ": lookahead", "5", "0 beside ema = 0.9"},
  };
  TempFolder folder;
  for (const Row& r : rows) {
    SCOPED_TRACE(r.text);
    folder.file("c.toml", r.text);
    test::expect_fault<IoError>([&] { config_from_toml(folder / "c.toml"); },
                                {.argument = (folder / "c.toml") + r.place,
                                 .given = r.given,
                                 .expected = r.expected,
                                 .remedy = r.remedy});
  }
  // what another part of the library says of a value is said of the file
  struct Said {
    const char *text, *given, *advice;
  };
  for (const Said& said : {Said{"schedule = \"cosin\"", "cosin", "Did you mean 'cosine'?"},
                           {"device = \"gpu\"", "gpu", ""},
                           {"augment = \"flipp\"", "flipp", "Did you mean 'flip'?"}}) {
    folder.file("c.toml", said.text);
    const Fault fault = fault_of<IoError>([&] { config_from_toml(folder / "c.toml"); });
    EXPECT_TRUE(fault.argument.starts_with(folder / "c.toml")) << fault.argument;
    EXPECT_TRUE(contains(fault.given, said.given)) << fault.given;
    EXPECT_TRUE(contains(fault.remedy, said.advice)) << fault.remedy;
  }
  folder.file("c.toml", "lr = 1");
  EXPECT_EQ(config_from_toml(folder / "c.toml").lr, 1.0) << "a whole number is a number";
  folder.file("c.toml", "momentum = 0.5\nbatch_size = -1\nmodel = \"own\"");
  EXPECT_EQ(config_from_toml(folder / "c.toml").momentum, 0.5)
      << "what other settings may still make right";
}

TEST(Config, NamesTheFormatOfItsRun) {
  TempFolder folder;
  folder.file("c.toml", to_toml({}));
  EXPECT_NE(to_toml({}).find("\nformat = 1 "), std::string::npos);
  config_from_toml(folder / "c.toml");
  struct Row {
    const char *text, *place, *given;
  };
  for (const Row& r : {
           Row{"format = 2\na_new_key = 1", ": line 1", "run format 2 of a newer program"},
           Row{"lr = 1\nformat = 0", ": line 2", "run format 0 of an older program"},
       }) {
    folder.file("c.toml", r.text);
    EXPECT_FAULT(IoError, config_from_toml(folder / "c.toml"),
                 .argument = (folder / "c.toml") + r.place, .given = r.given,
                 .expected = str("format 1, which version ", version(), " reads"));
  }
  folder.file("c.toml", "format = \"1\"");
  EXPECT_FAULT(IoError, config_from_toml(folder / "c.toml"),
               .argument = (folder / "c.toml") + ": line 1, format", .given = "a text",
               .expected = "a whole number");
  folder.file("c.toml",
              "lr = 0.5");  // written by hand, or by a program before formats had a number
  EXPECT_EQ(config_from_toml(folder / "c.toml").lr, 0.5);
}

}  // namespace
}  // namespace suanli
