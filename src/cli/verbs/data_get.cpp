// SPDX-License-Identifier: Apache-2.0
// suanli data get: the small data sets that everyone compares on.
#include <fmt/format.h>

#include <algorithm>

#include "base/core/faults.h"
#include "base/files/file.h"
#include "base/system/environment.h"
#include "base/text/did_you_mean.h"
#include "base/text/json.h"
#include "base/text/shell.h"
#include "cli/framework/console.h"
#include "cli/net/download.h"
#include "cli/verbs/data_verbs.h"

namespace suanli::cli {

namespace {

struct PublishedFile {
  const char* name;
  int64_t bytes;
  const char* sha256;
};
struct PublishedSet {
  const char* name;
  std::vector<const char*> mirrors;  // folders
  std::vector<PublishedFile> files;
};

const PublishedSet kSets[] = {
    {"mnist",
     {"https://ossci-datasets.s3.amazonaws.com/mnist/",
      "https://storage.googleapis.com/cvdf-datasets/mnist/"},
     {{"train-images-idx3-ubyte.gz", 9'912'422,
       "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"},
      {"train-labels-idx1-ubyte.gz", 28'881,
       "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"},
      {"t10k-images-idx3-ubyte.gz", 1'648'877,
       "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"},
      {"t10k-labels-idx1-ubyte.gz", 4'542,
       "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"}}},
    {"fashion-mnist",
     {"http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
      "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/"},
     {{"train-images-idx3-ubyte.gz", 26'421'880,
       "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"},
      {"train-labels-idx1-ubyte.gz", 29'515,
       "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"},
      {"t10k-images-idx3-ubyte.gz", 4'422'102,
       "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"},
      {"t10k-labels-idx1-ubyte.gz", 5'148,
       "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"}}},
    {"cifar10",
     {"https://www.cs.toronto.edu/~kriz/",
      "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/"},
     {{"cifar-10-binary.tar.gz", 170'052'171,
       "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"}}},
};

const PublishedSet& find_set(const std::string& name) {
  std::vector<std::string> names;
  for (const PublishedSet& s : kSets) {
    if (name == s.name) return s;
    names.push_back(s.name);
  }
  throw ArgumentError({.argument = "DATA",
                       .given = fmt::format("'{}'", name),
                       .expected = fmt::format("one of {}", fmt::join(names, ", ")),
                       .remedy = suggestion(name, names, "Did you mean ", "?")});
}

RemoteFile remote(const PublishedSet& set, const PublishedFile& file) {
  RemoteFile out{.urls = {}, .sha256 = file.sha256, .bytes = file.bytes};
  if (const auto mirror = environment_text("SUANLI_MIRROR"))
    out.urls.push_back(fmt::format("{}/{}/{}", *mirror, set.name, file.name));
  else
    for (const char* folder : set.mirrors) out.urls.push_back(std::string(folder) + file.name);
  return out;
}

}  // namespace

std::string published_sets() {
  std::string names;
  for (const PublishedSet& s : kSets) names += (names.empty() ? "" : " ") + std::string(s.name);
  return names;
}

int run_data_get(const Arguments& args) {
  if (args.positionals().size() < 2)
    throw ArgumentError(
        {.argument = "DATA", .given = "missing", .expected = "mnist, fashion-mnist or cifar10"});
  if (args.positionals().size() > 3) refuse_word(find_verb("data"), args.positional(3));
  const PublishedSet& set = find_set(args.positional(1));
  const std::string folder = args.positional(2, std::string("downloads/") + set.name);
  make_folders(folder);
  int there = 0;
  Activity activity(args.has("--quiet"));
  for (const PublishedFile& file : set.files) {
    const RemoteFile from = remote(set, file);
    const std::string path = folder + "/" + file.name;
    if (is_downloaded(from, path)) {
      ++there;
      continue;
    }
    try {
      download(from, path, [&](int64_t bytes) { activity.show(file.name, bytes, file.bytes); });
    } catch (const IoError& e) {
      activity.close();
      throw IoError(with_advice(
          e.fault(),
          fmt::format(
              "Run this again to go on, or download {} on another machine and put it into {}.",
              from.urls[0], folder)));
    }
  }
  activity.close();
  const bool all = there == static_cast<int>(set.files.size());
  if (args.has("--json")) {
    Json::Array files;
    for (const PublishedFile& file : set.files) files.emplace_back(file.name);
    Json out = Json::Object{
        {"set", set.name}, {"folder", folder}, {"data", fmt::format("{}:{}", set.name, folder)}};
    print_result(
        out.set("files", files).set("there_already", all).set("version", version()).dump() + "\n");
    return 0;
  }
  print_result(fmt::format("{:<14} {} in {}{}\n{:<14} suanli train {}\n", set.name,
                           counted(static_cast<int64_t>(set.files.size()), "file"), folder,
                           all ? ", there already" : "", "next",
                           shell_quoted(fmt::format("{}:{}", set.name, folder))));
  return 0;
}

}  // namespace suanli::cli
