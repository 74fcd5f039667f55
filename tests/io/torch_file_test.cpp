// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "io/torch_bytes.h"
#include "suanli/io.h"
#include "support/errors.h"
#include "support/temp_folder.h"

namespace suanli {
namespace {

using namespace test;

std::vector<float> read_w(const std::string& bytes, Shape* shape = nullptr) {
  TempFolder folder;
  const NamedTensors state = load_weights(folder.file("x.pt", bytes));
  EXPECT_EQ(state.size(), 1u);
  EXPECT_EQ(state.at(0).first, "w");
  if (shape) *shape = state[0].second.shape();
  return state[0].second.to_vector<float>();
}

TEST(TorchFile, ReadsTensorsAsTheyLieInTheirStorages) {
  Shape shape;
  EXPECT_EQ(read_w(torch_file_of({}), &shape), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(shape, Shape({2, 2}));
  // transposed
  EXPECT_EQ(read_w(torch_file_of({.strides = {1, 2}})), (std::vector<float>{1, 3, 2, 4}));
  EXPECT_EQ(read_w(torch_file_of({.offset = 1, .shape = {3}, .strides = {1}})),
            (std::vector<float>{2, 3, 4}));
  EXPECT_EQ(read_w(torch_file_of({.offset = 3, .shape = {}, .strides = {}})),
            (std::vector<float>{4}));
  EXPECT_EQ(read_w(torch_file_of({.shape = {0, 5}, .strides = {5, 1}}), &shape),
            std::vector<float>{});
  EXPECT_EQ(shape, Shape({0, 5}));
}

TEST(TorchFile, TakesParametersCheckpointsAndWhatAStateDictCarries) {
  const std::string parameter =
      object("torch._utils", "_rebuild_parameter") + tuple({tensor_call({}), "\x88", "]"}) + "R";
  const std::string ordered =
      object("collections", "OrderedDict") + ")R(" + text("w") + parameter + "u";
  const std::string attributes =
      dict(text("_metadata") + object("collections", "OrderedDict") + ")R") + "b";
  const std::vector<float> right{1, 2, 3, 4};
  EXPECT_EQ(read_w(torch_file(program(ordered + attributes))), right);
  // epoch, learning rate and momenta beside it, a value that is remembered and recalled
  const std::string checkpoint = dict(
      text("epoch") + "K\x03" + text("lr") + std::string("G\x3f\xb9\x99\x99\x99\x99\x99\x9a", 9) +
      text("state_dict") + ordered + "q\x01" + text("best") + "N" + text("again") + "h\x01");
  EXPECT_EQ(read_w(torch_file(program(checkpoint))), right);
}

TEST(TorchFile, TiedWeightsAreReadOnce) {
  TempFolder folder;
  const std::string both = dict(text("a") + tensor_call({}) + text("b") + tensor_call({}));
  const NamedTensors state = load_torch(folder.file("x.pt", torch_file(program(both))));
  EXPECT_EQ(detail::host_data(state.at(0).second, f32), detail::host_data(state.at(1).second, f32));
}

TEST(TorchFile, RefusesWhatIsNoStateDict) {
  struct Row {
    const char* what;
    std::string bytes, at, given, expected = "";  // `at`: behind the path
  };
  const std::string whole = torch_file_of({}), zip_magic = "PK\3\4";
  std::string broken = whole;
  broken[broken.find(bytes_of(std::vector<float>{3, 4}))] ^= 1;
  const std::string many(1001, '(');
  const std::string pickle = program(dict(text("w") + tensor_call({})));
  std::string endless = "]";
  // each is a pair of the one before
  for (int i = 0; i < 30; ++i) endless += std::string("q\x01") + "(" + "h\x01h\x01" + "t";
  const std::vector<Row> rows = {
      {"an object", torch_file(program(object("os", "system") + "(" + text("rm") + "tR")),
       ": m/data.pkl: byte 2", "names the Python object os.system", "objects of weights alone"},
      {"a module", torch_file(program(object("torchvision.models.resnet", "ResNet") + ")\x81")),
       ": m/data.pkl", "an object of torchvision.models.resnet.ResNet", "a dict of tensors"},
      {"a module in a checkpoint",
       torch_file(
           program(dict(text("model") + object("torchvision.models.resnet", "ResNet") + ")\x81"))),
       ": m/data.pkl",
       "a dict without tensors; its keys are model; 'model' is an object of "
       "torchvision.models.resnet.ResNet"},
      {"a call of eval",
       torch_file(program(object("__builtin__", "eval") + "(" + text("1") + "tR")),
       ": m/data.pkl: byte 2", "names the Python object __builtin__.eval",
       "objects of weights alone"},
      {"a quantized tensor",
       torch_file(program(dict(text("w") + object("torch._utils", "_rebuild_qtensor") + ")R"))),
       ": m/data.pkl: 'w'", "an object of torch._utils._rebuild_qtensor",
       "a plain tensor of a float, integer or bool dtype"},
      {"an opcode", torch_file(program("i")), ": m/data.pkl: byte 2", "opcode 0x69",
       "one that state dicts need"},
      {"protocol 4", torch_file("\x80\x04."), ": m/data.pkl: byte 0", "protocol 4",
       "2, which torch.save writes"},
      {"no stop", torch_file("\x80\x02}"), ": m/data.pkl: byte 3", "0 bytes left",
       "1, as announced"},
      {"no end of a text", torch_file("\x80\x02X\xff\xff\xff\x7f."), ": m/data.pkl: byte 2",
       "1 bytes left", "2147483647, as announced"},
      {"no end of a name",
       torch_file("\x80\x02"
                  "ctorch"),
       ": m/data.pkl: byte 2", "cut off within a name"},
      {"an empty stack", torch_file(program("a")), ": m/data.pkl: byte 2",
       "takes a value where there is none"},
      {"no mark", torch_file(program("}u")), ": m/data.pkl: byte 3",
       "takes the values after a mark where there is none"},
      {"a value below a mark", torch_file(program("](a")), ": m/data.pkl: byte 4",
       "takes a value where there is none"},
      {"a key without value", torch_file(program("}(Nu")), ": m/data.pkl: byte 5",
       "sets a key without a value"},
      {"a list as dict", torch_file(program("](NNu")), ": m/data.pkl: byte 6",
       "adds to another thing", "a dict"},
      {"a call of a number", torch_file(program("K\x01)R")), ": m/data.pkl: byte 5",
       "calls another thing", "a function"},
      {"recalled from nowhere", torch_file(program("h\x07")), ": m/data.pkl: byte 2",
       "recalls value 7", "one that was remembered"},
      {"nested marks", torch_file(program(many)), ": m/data.pkl: byte 1002",
       "too many nested levels", "at most 1000"},
      {"a huge integer", torch_file(program(std::string("\x8a\x09") + std::string(9, '\x7f'))),
       ": m/data.pkl", "a single value", "a dict of tensors"},
      {"an ordered dict of a number",
       torch_file(program(object("collections", "OrderedDict") + "K\x01\x85R")),
       ": m/data.pkl: byte 30", "makes an OrderedDict of other things", "pairs"},
      {"two values", torch_file(program("NN")), ": m/data.pkl: byte 4", "ends with 2 values",
       "one"},
      {"a list that holds itself",
       torch_file(program("]q\x01h\x01"
                          "a")),
       ": m/data.pkl", "a list", "a dict of tensors"},
      {"a dict that holds itself", torch_file(program("}q\x01(" + text("state_dict") + "h\x01u")),
       ": m/data.pkl", "a dict without tensors; its keys are state_dict"},
      {"tuples of tuples", torch_file(program("(" + endless + "t")), ": m/data.pkl", "a list",
       "a dict of tensors"},
      {"a key that is a number", torch_file(program(dict(std::string("N") + tensor_call({})))),
       ": m/data.pkl", "a dict without tensors"},
      {"outside of the storage", torch_file_of({.offset = 1}), ": m/data.pkl: 'w'", "shape [2, 2]",
       "one that fits its storage of 4 elements"},
      {"a repeated storage", torch_file_of({.shape = {1000000, 1000000}, .strides = {0, 0}}),
       ": m/data.pkl: 'w'", "shape [1000000, 1000000]", "one that fits its storage of 4 elements"},
      {"sizes that overflow",
       torch_file_of({.shape = {2147483647, 2147483647, 2147483647}, .strides = {0, 0, 0}}),
       ": m/data.pkl: 'w'", "shape [2147483647, 2147483647, 2147483647]",
       "one that fits its storage of 4 elements"},
      {"a negative stride", torch_file_of({.offset = 3, .shape = {4}, .strides = {-1}}),
       ": m/data.pkl: 'w'", "a size or stride of another kind", "whole numbers from 0 on"},
      {"strides of another rank", torch_file_of({.strides = {1}}), ": m/data.pkl: 'w'", "1 strides",
       "2, one for each axis of [2, 2]"},
      {"nine axes", torch_file_of({.shape = {1, 1, 1, 1, 1, 1, 1, 1, 1}, .strides = {}}),
       ": m/data.pkl: 'w'", "a size or stride of another kind or length", "up to 8 numbers"},
      {"an unknown storage", torch_file_of({.storage = "ComplexFloatStorage"}), ": m/data.pkl: 'w'",
       "a storage of torch.ComplexFloatStorage", "a float, integer or bool storage"},
      {"a longer storage than there is", torch_file_of({.elements = 1 << 30}), ": m/data.pkl: 'w'",
       "16 bytes in 'm/data/0'", "1073741824 elements of f32"},
      {"a wrong dtype", torch_file_of({.storage = "DoubleStorage"}), ": m/data.pkl: 'w'",
       "16 bytes in 'm/data/0'", "4 elements of f64"},
      {"a storage that is missing", torch_file_of({.key = "1"}), ": m/data.pkl",
       "needs 'm/data/1', which is not in the archive"},
      {"a checksum", broken, ": member m/data/0, byte 16", "its checksum is wrong"},
      {"truncated", whole.substr(0, whole.size() - 30), "",
       "no zip archive, or a truncated one: its list of members is missing"},
      {"nothing but its magic", zip_magic, ": byte 4", "too short for a zip archive"},
      {"big-endian", zip_of({{"m/data.pkl", pickle}, {"m/byteorder", "big"}}), ": byteorder",
       "'big'", "little"},
      {"compressed", zip_of({{"m/data.pkl", pickle, 8}}), ": member 'm/data.pkl'", "compressed",
       "stored, as torch.save does"},
      {"encrypted", zip_of({{"m/data.pkl", pickle, 0, 1}}), ": member m/data.pkl", "encrypted"},
      {"a name beside the folder", zip_of({{"m/data.pkl", pickle}, {"n/x", ""}}), ": member 'n/x'",
       "lies outside of m/"},
      {"a name that leads out", zip_of({{"m/data.pkl", pickle}, {"m/../../etc/passwd", ""}}),
       ": member 'm/../../etc/passwd'", "lies outside of m/"},
      {"an absolute name", zip_of({{"/m/data.pkl", pickle}}), "", "a ZIP archive without data.pkl",
       "a PyTorch file"},
      {"a huge entry", zip_of({{"m/data.pkl", pickle, 0, 0, 0xfffffff0}}), ": member m/data.pkl",
       "claims 4294967280 bytes, more than its part of the file can hold"},
      {"a huge pickle", zip_of({{"m/data.pkl", pickle, 0, 0, 4000}}), ": member m/data.pkl",
       "claims 4000 bytes, more than its part of the file can hold"},
      {"a count of entries", zip_of({{"m/data.pkl", pickle}}, 1), ": byte 255",
       "the archive\'s list of members is damaged"},
      {"another archive", zip_of({{"word/document.xml", "<x/>"}}), "",
       "a ZIP archive without data.pkl", "a PyTorch file"},
      {"TorchScript", zip_of({{"m/data.pkl", pickle}, {"m/constants.pkl", ""}}), "",
       "a TorchScript program", "a state dict"},
      {"before 1.6", std::string("\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.", 15) + "rest", "",
       "written as before PyTorch 1.6", "a ZIP archive"},
  };
  for (const Row& r : rows) {
    SCOPED_TRACE(r.what);
    TempFolder folder;
    const std::string path = folder.file("x.pt", r.bytes);
    EXPECT_FAULT(IoError, load_torch(path), .op = "", .argument = path + r.at, .given = r.given,
                 .expected = r.expected);
  }
}

/// Every file that is cut off is refused; one with a changed bit is refused, or says the same where
/// nobody reads the bit: times, attributes.
TEST(TorchFile, DamageAnywhereIsRefusedOrChangesNothing) {
  TempFolder folder;
  const std::string good = torch_file_of({});
  auto attempt = [&](const std::string& bytes) {
    try {
      return load_torch(folder.file("x.pt", bytes));
    } catch (const IoError&) { return NamedTensors(); }
  };
  for (size_t n = 0; n < good.size(); ++n) EXPECT_TRUE(attempt(good.substr(0, n)).empty()) << n;
  for (size_t i = 0; i < good.size(); ++i)
    for (int bit : {0, 7}) {
      std::string changed = good;
      changed[i] = static_cast<char>(changed[i] ^ (1 << bit));
      const NamedTensors state = attempt(changed);
      if (state.empty()) continue;
      EXPECT_EQ(state.at(0).first, "w") << i;
      EXPECT_EQ(state[0].second.to_vector<float>(), (std::vector<float>{1, 2, 3, 4})) << i;
    }
}

}  // namespace
}  // namespace suanli
