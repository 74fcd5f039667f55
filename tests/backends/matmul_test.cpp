// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "backends/kernel_run.h"
#include "ops/schema/attributes.h"

namespace suanli::test {
namespace {

struct Case {
  Shape a, b;  // before transposition
  bool transpose_a = false, transpose_b = false;
};

Shape transposed(Shape s, bool swap) {
  if (swap) std::swap(s[s.rank() - 1], s[s.rank() - 2]);
  return s;
}

Shape leading(const Shape& s) { return Shape(s.begin(), s.rank() - 2); }

Shape result_shape(const Case& c) {
  Shape out = broadcast(leading(c.a), leading(c.b));
  out.push_back(c.a[c.a.rank() - 2]);
  out.push_back(c.b[c.b.rank() - 1]);
  return out;
}

const Case cases[] = {
    {{1, 1}, {1, 1}},
    {{3, 5}, {5, 7}},
    {{17, 33}, {33, 19}},
    {{64, 1600}, {1600, 128}},
    {{128, 64}, {64, 10}},
    {{1, 300}, {300, 5}},
    {{300, 5}, {5, 1}},
    {{1, 1000}, {1000, 1100}},
    {{7, 513}, {513, 700}},
    {{600, 31}, {31, 3}},
    {{97, 257}, {257, 241}},
    {{250, 300}, {300, 481}},
    {{2, 2000}, {2000, 1001}},
    {{1001, 1500}, {1500, 1}},
    {{4, 5, 6}, {4, 6, 7}},
    {{4, 5, 6}, {6, 7}},
    {{5, 6}, {4, 6, 7}},
    {{1, 5, 6}, {4, 6, 7}},
    {{2, 3, 5, 6}, {2, 3, 6, 7}},
    {{2, 1, 5, 6}, {3, 6, 7}},
    {{2, 3, 5, 6}, {2, 1, 6, 7}},
    {{2, 1, 4, 5, 6}, {3, 1, 6, 7}},
    {{1, 2, 1, 2, 1, 2, 3, 4}, {2, 1, 2, 1, 2, 1, 4, 3}},
    {{9, 60, 70}, {9, 70, 80}},
    {{3, 200, 64}, {3, 64, 200}},
    {{2, 6, 90, 64}, {2, 1, 64, 90}},
    {{0, 4}, {4, 3}},
    {{3, 0}, {0, 5}},
    {{3, 4}, {4, 0}},
    {{0, 3, 4}, {4, 5}},
    {{2, 3, 0}, {0, 5}},
};

template <class T> std::vector<T> run(const Case& c, const Buffer<T>& a, const Buffer<T>& b) {
  const MatmulAttr attr{c.transpose_a, c.transpose_b};
  return run_kernel<T>("matmul", &attr, {&a, &b}, result_shape(c));
}

template <class T> void check(const Case& c) {
  const auto a = random_buffer<T>(transposed(c.a, c.transpose_a), 1),
             b = random_buffer<T>(transposed(c.b, c.transpose_b), 2);
  const Shape out = result_shape(c), lead = leading(out);
  const int64_t m = out[out.rank() - 2], n = out[out.rank() - 1], k = c.a[c.a.rank() - 1];
  SCOPED_TRACE(str(a.shape, c.transpose_a ? "T × " : " × ", b.shape, c.transpose_b ? "T " : " ",
                   dtype_of<T>));
  /// Index of the matrix of `s` that meets matrix `index` of the result.
  auto matrix = [&](const Shape& s, int64_t index) {
    int64_t at = 0, stride = 1;
    for (int i = lead.rank() - 1, j = s.rank() - 3; i >= 0; --i, --j) {
      if (j >= 0) {
        at += (s[j] == 1 ? 0 : index % lead[i]) * stride;
        stride *= s[j];
      }
      index /= lead[i];
    }
    return at * s[s.rank() - 1] * s[s.rank() - 2];
  };
  std::vector<double> expected(static_cast<size_t>(out.numel()));
  for (int64_t batch = 0; batch < lead.numel(); ++batch) {
    const T* at = a.values.data() + matrix(a.shape, batch);
    const T* bt = b.values.data() + matrix(b.shape, batch);
    for (int64_t i = 0; i < m; ++i)
      for (int64_t p = 0; p < k; ++p) {
        const double x = at[c.transpose_a ? p * m + i : i * k + p];
        for (int64_t j = 0; j < n; ++j)
          expected[static_cast<size_t>((batch * m + i) * n + j)] +=
              x * static_cast<double>(bt[c.transpose_b ? j * k + p : p * n + j]);
      }
  }
  expect_near(run(c, a, b), expected, static_cast<double>(k));
}

TEST(Matmul, EqualsTheSum) {
  PoolThreads two(2);
  for (Case c : cases)
    for (int transpose = 0; transpose < 4; ++transpose) {
      c.transpose_a = (transpose & 1) != 0;
      c.transpose_b = (transpose & 2) != 0;
      check<float>(c);
      check<double>(c);
    }
}

template <class T> void check_bits(const Case& c) {
  const auto a = random_buffer<T>(transposed(c.a, c.transpose_a), 1),
             b = random_buffer<T>(transposed(c.b, c.transpose_b), 2);
  std::vector<T> one;
  for (int threads : {1, 2, 3, 4, 7}) {
    PoolThreads pool(threads);
    const std::vector<T> now = run(c, a, b);
    if (threads == 1) one = now;
    EXPECT_TRUE(one.empty() || std::memcmp(one.data(), now.data(), now.size() * sizeof(T)) == 0)
        << str(a.shape, c.transpose_a ? "T × " : " × ", b.shape, c.transpose_b ? "T " : " ",
               dtype_of<T>, ": ", threads, " threads");
  }
}

TEST(Matmul, BitsDoNotDependOnTheThreads) {
  for (Case c : cases)
    for (int transpose = 0; transpose < 4; ++transpose) {
      c.transpose_a = (transpose & 1) != 0;
      c.transpose_b = (transpose & 2) != 0;
      check_bits<float>(c);
      check_bits<double>(c);
    }
  const Case larger[] = {{{512, 512}, {512, 512}},   {{128, 1024}, {1024, 1024}},
                         {{1024, 2000}, {2000, 72}}, {{16, 4096}, {4096, 600}},
                         {{1, 4096}, {4096, 2048}},  {{2048, 3000}, {3000, 1}},
                         {{1030, 777}, {777, 519}},  {{24, 128, 64}, {24, 64, 128}}};
  for (Case c : larger)
    for (int transpose = 0; transpose < 4; ++transpose) {
      c.transpose_a = (transpose & 1) != 0;
      c.transpose_b = (transpose & 2) != 0;
      check_bits<float>(c);
    }
}

TEST(Matmul, EpiloguesAddNoError) {
  for (Case c : cases) {
    if (c.a.numel() == 0 || c.b.numel() == 0) continue;
    for (int transpose = 0; transpose < 4; ++transpose) {
      const MatmulAttr attr{(transpose & 1) != 0, (transpose & 2) != 0};
      const auto a = random_buffer<float>(transposed(c.a, attr.transpose_a), 1),
                 b = random_buffer<float>(transposed(c.b, attr.transpose_b), 2);
      SCOPED_TRACE(
          str(a.shape, attr.transpose_a ? "T × " : " × ", b.shape, attr.transpose_b ? "T" : ""));
      check_epilogue("matmul", &attr, {&a, &b}, result_shape(c), 1 + transpose);
    }
  }
}

}  // namespace
}  // namespace suanli::test
