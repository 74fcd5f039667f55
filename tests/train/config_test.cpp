// SPDX-License-Identifier: Apache-2.0
#include "train/settings/config.h"

#include <gtest/gtest.h>

#include "base/files/file.h"
#include "base/text/text.h"
#include "support/temp_folder.h"

namespace suanli {
namespace {

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
    const char* text;
    const char* error;
  };
  const Row rows[] = {
      {"epochs = 3\nlr = \"x\"\n", "c.toml: line 2: lr: expected a number"},
      {"epochs = 1.5", "line 1: epochs: expected a whole number"},
      {"mean = [1, \"x\"]", "line 1: mean: expected a list of numbers"},
      {"stddev = 3", "line 1: stddev: expected a list of numbers"},
      {"model = 3", "line 1: model: expected a text in quotes"},
      {"\n\nepoch = 3", "line 3: epoch is no setting: did you mean epochs?"},
      {"epochs = ", "line 1"},
      {"epochs = 3\nepochs = 4", "line 2"},
      {"optimizer = \"adamm\"", "c.toml: optimizer 'adamm' is not known: did you mean 'adam'?"},
      {"schedule = \"cosin\"", "c.toml: schedule 'cosin' is not known: did you mean 'cosine'?"},
      {"device = \"gpu\"", "c.toml: device 'gpu' is not known"},
      {"augment = \"flipp\"", "Did you mean 'flip'?"},
      {"lr = -1.0", "c.toml: lr is -1, expected a number above 0"},
      {"class_weights = \"1,x\"", "c.toml: class_weights is '1,x'"},
      {"ema = 0.9\nlookahead = 5", "c.toml: ema and lookahead both"},
  };
  TempFolder folder;
  for (const Row& r : rows) {
    folder.file("c.toml", r.text);
    std::string text = error_of<InputError>([&] { config_from_toml(folder / "c.toml"); });
    EXPECT_NE(text.find(r.error), std::string::npos) << text;
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
    const char *text, *error;
  };
  const std::string program = str(" than this program (", version(), "), which reads format 1.");
  for (const Row& r : {
           Row{"format = 2\na_new_key = 1", "c.toml: line 1: run format 2 is newer"},
           Row{"lr = 1\nformat = 0", "c.toml: line 2: run format 0 is older"},
       }) {
    folder.file("c.toml", r.text);
    const std::string text = error_of<InputError>([&] { config_from_toml(folder / "c.toml"); });
    EXPECT_NE(text.find(r.error + program), std::string::npos) << text;
  }
  folder.file("c.toml", "format = \"1\"");
  EXPECT_NE(error_of<InputError>([&] {
              config_from_toml(folder / "c.toml");
            }).find("c.toml: line 1: format: expected a whole number"),
            std::string::npos);
  folder.file("c.toml",
              "lr = 0.5");  // written by hand, or by a program before formats had a number
  EXPECT_EQ(config_from_toml(folder / "c.toml").lr, 0.5);
}

}  // namespace
}  // namespace suanli
