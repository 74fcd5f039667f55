// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "io/torch_bytes.h"
#include "suanli/io.h"
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

std::string error(const std::string& bytes) {
  TempFolder folder;
  const std::string path = folder.file("x.pt", bytes);
  std::string text = error_of<InputError>([&] { load_torch(path); });
  if (text.rfind(path + ": ", 0) == 0) text.erase(0, path.size() + 2);
  return text;
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

TEST(TorchFile, RefusesWhatIsNoStateDictInOneLine) {
  struct Row {
    const char* what;
    std::string bytes, expected;
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
       "names the Python object os.system, which is not executed"},
      {"a module", torch_file(program(object("torchvision.models.resnet", "ResNet") + ")\x81")),
       "is an object of torchvision.models.resnet.ResNet, no dict of tensors"},
      {"a module in a checkpoint",
       torch_file(
           program(dict(text("model") + object("torchvision.models.resnet", "ResNet") + ")\x81"))),
       "its keys are model; 'model' is an object of torchvision.models.resnet.ResNet"},
      {"a call of eval",
       torch_file(program(object("__builtin__", "eval") + "(" + text("1") + "tR")),
       "the Python object __builtin__.eval"},
      {"a quantized tensor",
       torch_file(program(dict(text("w") + object("torch._utils", "_rebuild_qtensor") + ")R"))),
       "holds 'w', which is an object of torch._utils._rebuild_qtensor"},
      {"an opcode", torch_file(program("i")),
       "m/data.pkl: byte 2: has the opcode 0x69, which no state dict needs"},
      {"protocol 4", torch_file("\x80\x04."), "is of protocol 4"},
      {"no stop", torch_file("\x80\x02}"), "is cut off: 1 bytes are announced, 0 are left"},
      {"no end of a text", torch_file("\x80\x02X\xff\xff\xff\x7f."),
       "2147483647 bytes are announced, 1 are left"},
      {"no end of a name",
       torch_file("\x80\x02"
                  "ctorch"),
       "is cut off within a name"},
      {"an empty stack", torch_file(program("a")), "takes a value where there is none"},
      {"no mark", torch_file(program("}u")), "after a mark where there is none"},
      {"a value below a mark", torch_file(program("](a")), "takes a value where there is none"},
      {"a key without value", torch_file(program("}(Nu")), "sets a key without a value"},
      {"a list as dict", torch_file(program("](NNu")), "adds to something that is no dict"},
      {"a call of a number", torch_file(program("K\x01)R")), "calls something that is no function"},
      {"recalled from nowhere", torch_file(program("h\x07")),
       "recalls value 7, which it never remembered"},
      {"nested marks", torch_file(program(many)), "nests deeper than 1000 levels"},
      {"a huge integer", torch_file(program(std::string("\x8a\x09") + std::string(9, '\x7f'))),
       "is a single value, no dict of tensors"},
      {"an ordered dict of a number",
       torch_file(program(object("collections", "OrderedDict") + "K\x01\x85R")),
       "other things than pairs"},
      {"two values", torch_file(program("NN")), "ends with 2 values, one is expected"},
      {"a list that holds itself",
       torch_file(program("]q\x01h\x01"
                          "a")),
       "is a list, no dict of tensors"},
      {"a dict that holds itself", torch_file(program("}q\x01(" + text("state_dict") + "h\x01u")),
       "is a dict without tensors; its keys are state_dict"},
      {"tuples of tuples", torch_file(program("(" + endless + "t")),
       "is a list, no dict of tensors"},
      {"a key that is a number", torch_file(program(dict(std::string("N") + tensor_call({})))),
       "is a dict without tensors"},
      {"outside of the storage", torch_file_of({.offset = 1}),
       "shape [2, 2] does not fit its storage of 4 elements"},
      {"a repeated storage", torch_file_of({.shape = {1000000, 1000000}, .strides = {0, 0}}),
       "does not fit its storage"},
      {"sizes that overflow",
       torch_file_of({.shape = {2147483647, 2147483647, 2147483647}, .strides = {0, 0, 0}}),
       "does not fit its storage"},
      {"a negative stride", torch_file_of({.offset = 3, .shape = {4}, .strides = {-1}}),
       "no whole number from 0 on"},
      {"strides of another rank", torch_file_of({.strides = {1}}),
       "size and stride differ in length"},
      {"nine axes", torch_file_of({.shape = {1, 1, 1, 1, 1, 1, 1, 1, 1}, .strides = {}}),
       "up to 8 numbers"},
      {"an unknown storage", torch_file_of({.storage = "ComplexFloatStorage"}),
       "describes 'w' wrongly: its storage is a torch.ComplexFloatStorage"},
      {"a longer storage than there is", torch_file_of({.elements = 1 << 30}),
       "lies in 1073741824 elements of f32; 'm/data/0' has 16 bytes"},
      {"a wrong dtype", torch_file_of({.storage = "DoubleStorage"}),
       "lies in 4 elements of f64; 'm/data/0' has 16 bytes"},
      {"a storage that is missing", torch_file_of({.key = "1"}),
       "needs 'm/data/1', which is not in the archive"},
      {"a checksum", broken, "member m/data/0, byte 16, its checksum is wrong"},
      {"truncated", whole.substr(0, whole.size() - 30), "its list of members is missing"},
      {"nothing but its magic", zip_magic, "too short for a zip archive"},
      {"big-endian", zip_of({{"m/data.pkl", pickle}, {"m/byteorder", "big"}}),
       "its byte order is 'big'"},
      {"compressed", zip_of({{"m/data.pkl", pickle, 8}}),
       "member 'm/data.pkl' is compressed, which torch.save never does"},
      {"encrypted", zip_of({{"m/data.pkl", pickle, 0, 1}}), "member m/data.pkl is encrypted"},
      {"a name beside the folder", zip_of({{"m/data.pkl", pickle}, {"n/x", ""}}),
       "member 'n/x' lies outside of m/"},
      {"a name that leads out", zip_of({{"m/data.pkl", pickle}, {"m/../../etc/passwd", ""}}),
       "member 'm/../../etc/passwd' lies outside of m/"},
      {"an absolute name", zip_of({{"/m/data.pkl", pickle}}), "is a ZIP archive without data.pkl"},
      {"a huge entry", zip_of({{"m/data.pkl", pickle, 0, 0, 0xfffffff0}}),
       "member m/data.pkl claims 4294967280 bytes"},
      {"a huge pickle", zip_of({{"m/data.pkl", pickle, 0, 0, 4000}}),
       "member m/data.pkl claims 4000 bytes"},
      {"a count of entries", zip_of({{"m/data.pkl", pickle}}, 1),
       "the archive's list of members is damaged"},
      {"another archive", zip_of({{"word/document.xml", "<x/>"}}),
       "is a ZIP archive without data.pkl"},
      {"TorchScript", zip_of({{"m/data.pkl", pickle}, {"m/constants.pkl", ""}}),
       "is a TorchScript program"},
      {"before 1.6", std::string("\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.", 15) + "rest",
       "before PyTorch 1.6"},
  };
  for (const Row& r : rows) {
    const std::string text = error(r.bytes);
    EXPECT_NE(text.find(r.expected), std::string::npos) << r.what << ": " << text;
    EXPECT_EQ(text.find('\n'), std::string::npos) << r.what;
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
    } catch (const InputError&) { return NamedTensors(); }
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
