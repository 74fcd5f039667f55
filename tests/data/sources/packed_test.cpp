// SPDX-License-Identifier: Apache-2.0
#include "data/files.h"
#include "gtest/gtest.h"
#include "suanli/dataset.h"

namespace suanli::data {
namespace {

using namespace suanli::test;

std::vector<float> all_of(const Dataset& set) {
  std::vector<float> out, x(static_cast<size_t>(set.info().input_shape.numel()));
  for (int64_t i = 0, y = 0; i < set.size(); ++i) {
    set.read(i, x.data(), &y);
    out.insert(out.end(), x.begin(), x.end());
    out.push_back(static_cast<float>(y));
  }
  return out;
}

TEST(Packed, HoldsWhatWasPacked) {
  TemporaryFolder folder;
  // 1.5 MB: more than one block
  const Splits before = open("glyphs?train=2000&test=50", {.val_fraction = 0});
  pack(folder / "a.packed", before);
  // recognized by its first bytes
  const Splits after = open(folder / "a.packed", {.val_fraction = 0});
  EXPECT_EQ(after.train->info().source, "packed:" + (folder / "a.packed"));
  EXPECT_EQ(after.train->info().kind, "packed");
  EXPECT_EQ(after.train->info().content(), "glyphs");
  pack(folder / "again.packed", after);
  EXPECT_EQ(open(folder / "again.packed").train->info().content(), "glyphs");
  EXPECT_EQ(after.train->info().class_names, before.train->info().class_names);
  EXPECT_EQ(after.train->info().mean, before.train->info().mean);
  EXPECT_EQ(after.train->info().stddev, before.train->info().stddev);
  EXPECT_EQ(all_of(*after.train), all_of(*before.train));
  EXPECT_EQ(all_of(*after.test), all_of(*before.test));
  EXPECT_EQ(after.val, nullptr);
  EXPECT_LT(after.train->bytes_held(), 10'000);
  const Splits split = open("packed:" + (folder / "a.packed"), {.val_fraction = 0.1});
  EXPECT_NEAR(static_cast<double>(split.val->size()), 200, 5);  // a tenth of each class
  EXPECT_FALSE(std::filesystem::exists(folder / "a.packed.tmp"));
}

TEST(Packed, DamageIsFoundWhereItIsRead) {
  TemporaryFolder folder;
  pack(folder / "a.packed", open("glyphs?train=4000&test=1", {.val_fraction = 0}));
  const std::string good = read_bytes(folder / "a.packed");
  auto read = [&](const std::string& bytes) {
    write_bytes(folder / "b.packed", bytes);
    all_of(*open("packed:" + (folder / "b.packed"), {.val_fraction = 0}).train);
  };
  const std::string path = folder / "b.packed";
  auto changed = [&](size_t at) {
    std::string bytes = good;
    bytes[at] ^= 4;
    return bytes;
  };
  EXPECT_NO_THROW(read(good));
  EXPECT_FAULT(IoError, read(changed(1'500'000)), .argument = path + ": bytes 1048576 to 2097151",
               .given = "damaged");
  EXPECT_FAULT(IoError, read(changed(good.size() - 60)), .given = "its description is damaged");
  EXPECT_FAULT(IoError, read(changed(8)), .argument = path + ": byte 8", .given = "version 6",
               .expected = "version 2");
  EXPECT_FAULT(IoError, read(changed(0)), .argument = path + ": byte 0", .given = "no packed data");
  EXPECT_FAULT(IoError, read(""), .argument = path + ": byte 0", .given = "no packed data");
  for (size_t size : {size_t{10}, size_t{1000}, good.size() / 2, good.size() - 1}) {
    const Fault fault = fault_of<IoError>([&] { read(good.substr(0, size)); });
    EXPECT_TRUE(fault.argument.starts_with(path + ": byte ")) << size;
    EXPECT_EQ(fault.remedy, "Pack the data again.") << size;
  }
  // Only what is read is verified: the first samples lie before the damage.
  write_bytes(folder / "b.packed", changed(1'500'000));
  std::vector<float> x(784);
  int64_t y = 0;
  open("packed:" + (folder / "b.packed"), {.val_fraction = 0}).train->read(3, x.data(), &y);
}

TEST(Packed, RefusesWhatIsNoPicture) {
  TemporaryFolder folder;
  const Splits rows = open("random:7", {.val_fraction = 0});
  EXPECT_FAULT(IoError, pack(folder / "a", rows), .op = "pack",
               .argument = rows.train->info().source, .given = "samples of shape [7]",
               .expected = "pictures with classes");
  EXPECT_FALSE(std::filesystem::exists(folder / "a"));
}

}  // namespace
}  // namespace suanli::data
