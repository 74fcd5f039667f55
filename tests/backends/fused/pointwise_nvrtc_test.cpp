// SPDX-License-Identifier: Apache-2.0
// Every text of pointwise.def compiles with NVRTC to machine code, for float, double and integers.
// NVRTC needs no GPU; where the library is missing these tests are skipped.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <vector>

#include "backends/cuda/pointwise_prelude.h"

using namespace suanli;

namespace {

/// The part of nvrtc.h that is needed; its C interface has not changed since CUDA 11.
struct Nvrtc {
  using Program = void*;
  int (*create)(Program*, const char* source, const char* name, int headers, const char* const*,
                const char* const*) = nullptr;
  int (*compile)(Program, int options, const char* const*) = nullptr;
  int (*log_size)(Program, size_t*) = nullptr;
  int (*log)(Program, char*) = nullptr;
  int (*cubin_size)(Program, size_t*) = nullptr;
  int (*destroy)(Program*) = nullptr;
  std::string missing;  // why it cannot be used; empty if it can

  Nvrtc() {
    std::vector<std::string> folders{""};
    folders.push_back("/usr/local/cuda/lib64/");
    if (const char* home = std::getenv("CUDA_HOME"))
      folders.insert(folders.begin(), std::string(home) + "/lib64/");
    void* library = nullptr;
    for (const std::string& folder : folders)
      for (const char* name : {"libnvrtc.so", "libnvrtc.so.13", "libnvrtc.so.12"})
        if (!library) library = dlopen((folder + name).c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) {
      missing =
          "libnvrtc was found neither in CUDA_HOME/lib64 nor in /usr/local/cuda/lib64 nor by the "
          "loader";
      return;
    }
    load(library, "nvrtcCreateProgram", create);
    load(library, "nvrtcCompileProgram", compile);
    load(library, "nvrtcGetProgramLogSize", log_size);
    load(library, "nvrtcGetProgramLog", log);
    load(library, "nvrtcGetCUBINSize", cubin_size);
    load(library, "nvrtcDestroyProgram", destroy);
  }
  template <class F> void load(void* library, const char* name, F& f) {
    f = reinterpret_cast<F>(dlsym(library, name));
    if (!f) missing = std::string("libnvrtc has no ") + name;
  }
};
const Nvrtc& nvrtc() {
  static const Nvrtc loaded;
  return loaded;
}

struct Compiled {
  int status;
  size_t bytes;
  std::string log;
};
Compiled compile(const std::string& source, const char* arch) {
  Nvrtc::Program program = nullptr;
  Compiled result{};
  if (nvrtc().create(&program, source.c_str(), "pointwise.cu", 0, nullptr, nullptr))
    return {-1, 0, "no program"};
  const std::string target = std::string("--gpu-architecture=") + arch;
  const char* options[] = {target.c_str(), "--std=c++17"};
  result.status = nvrtc().compile(program, 2, options);
  size_t length = 0;
  nvrtc().log_size(program, &length);
  result.log.resize(length);
  nvrtc().log(program, result.log.data());
  if (!result.status) nvrtc().cubin_size(program, &result.bytes);
  nvrtc().destroy(&program);
  return result;
}

/// The function of one text, and a kernel per type that calls it, so that machine code is made.
std::string with_kernels(const PointwiseRow& row, int input) {
  static const char* suffixes[] = {"_value", "_gx", "_gy", "_gz"};
  static const char* arguments[] = {"a[i]", "a[i], b[i]", "a[i], b[i], c[i]"};
  const std::string name = std::string(row.name) + suffixes[input + 1];
  std::string source = cuda::pointwise_function(row, input);
  const bool bits = row.cls == PointwiseClass::Bits || row.cls == PointwiseClass::Integers;
  for (const char* type : {"float", "double", "Int"}) {
    const bool integer = std::string(type) == "Int";
    if (integer ? row.cls == PointwiseClass::Floats || input >= 0 : bits) continue;
    source +=
        "extern \"C\" __global__ void " + name + "_" + type + "(const " + type + "* a, const " +
        type + "* b, const " + type + "* c, const " + type + "* o, const " + type + "* g, " + type +
        "* r) {\n  int i = blockIdx.x * blockDim.x + threadIdx.x;\n  r[i] = " + name + "<" + type +
        ">(" + arguments[row.arity - 1] + (input < 0 ? "" : ", o[i], g[i]") + ");\n}\n";
  }
  return source;
}

std::string everything() {
  std::string source = cuda::pointwise_prelude;
  for (const PointwiseRow& row : pointwise_rows)
    for (int input = -1; input < row.arity; ++input)
      if (input < 0 || std::string_view(row.gradient[input]) != "none")
        source += with_kernels(row, input);
  return source;
}

class PointwiseNvrtc : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!nvrtc().missing.empty()) GTEST_SKIP() << nvrtc().missing;
  }
};

TEST_P(PointwiseNvrtc, EveryRowCompiles) {
  const auto start = std::chrono::steady_clock::now();
  const Compiled all = compile(everything(), GetParam());
  EXPECT_EQ(all.status, 0) << all.log;
  EXPECT_GT(all.bytes, 10000u);
  EXPECT_EQ(all.log.find("warning"), std::string::npos) << all.log;
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  RecordProperty("seconds", std::to_string(seconds.count()));
  RecordProperty("bytes", std::to_string(all.bytes));
}

TEST_P(PointwiseNvrtc, BrokenTextFails) {
  PointwiseRow broken = pointwise_rows[static_cast<int>(PointwiseOp::gelu)];
  broken.value = "half*x*(one + erff_of(x*rsqrt2))";
  const Compiled result = compile(cuda::pointwise_prelude + with_kernels(broken, -1), GetParam());
  EXPECT_NE(result.status, 0);
  EXPECT_NE(result.log.find("erff_of"), std::string::npos) << result.log;
}

INSTANTIATE_TEST_SUITE_P(Arch, PointwiseNvrtc, testing::Values("sm_80", "sm_90"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
