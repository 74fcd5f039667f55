// SPDX-License-Identifier: Apache-2.0
#include "base/text/shell.h"

#include <array>
#include <cstdio>
#include <string>

#include "gtest/gtest.h"

namespace suanli {
namespace {

/// The first word that bash reads from `text`.
std::string read_by_bash(const std::string& text) {
  const std::string path = ::testing::TempDir() + "suanli_shell_test.sh";
  FILE* script = std::fopen(path.c_str(), "w");
  std::fputs(("printf %s " + text).c_str(), script);
  std::fclose(script);
  FILE* bash = popen(("bash '" + path + "'").c_str(), "r");
  std::string out;
  std::array<char, 4096> piece;
  for (size_t n; (n = std::fread(piece.data(), 1, piece.size(), bash)) > 0;)
    out.append(piece.data(), n);
  EXPECT_EQ(pclose(bash), 0) << text;
  std::remove(path.c_str());
  return out;
}

TEST(ShellQuoted, WhatNeedsNoQuotesHasNone) {
  for (const char* word :
       {"runs/2026-01-31-cnn_b-1", "mnist:downloads/mnist", "a.b,c=d+e@f%20", "猫/犬", "名前"})
    EXPECT_EQ(shell_quoted(word), word);
  EXPECT_EQ(shell_quoted("run with space 猫"), "'run with space 猫'");
  EXPECT_EQ(shell_quoted("base.csv?target=y"), "'base.csv?target=y'");
  EXPECT_EQ(shell_quoted("=ls"), "'=ls'") << "zsh would look for the command";
  EXPECT_EQ(shell_quoted("-x"), "./-x") << "no option";
  EXPECT_EQ(shell_quoted(""), "''");
}

TEST(ShellQuoted, BashReadsBackWhatWasGiven) {
  for (const std::string& word :
       {std::string("it's"), std::string("a b"), std::string("$HOME `x` \"q\" \\n"),
        std::string("!x #y ~z *?[a]{b,c}"), std::string("a&b;c|d<e>f(g)"),
        std::string("tab\tand\nnewline 'quoted' \\back"), std::string("\x1b]0;title\x07"),
        std::string("latin\xe9 1"), std::string("\xc2\x9b c1"), std::string("e\u0301 🐶")})
    EXPECT_EQ(read_by_bash(shell_quoted(word)), word);
  for (const std::string& word :
       {std::string("\x1b[1m"), std::string("a\nb"), std::string("\xff"), std::string("\xc2\x85")})
    for (char c : shell_quoted(word)) EXPECT_TRUE(c >= ' ' && c <= '~') << "a terminal draws it";
}

}  // namespace
}  // namespace suanli
