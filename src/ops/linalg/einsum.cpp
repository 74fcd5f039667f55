// SPDX-License-Identifier: Apache-2.0
// Einstein's notation. Operands are multiplied from left to right as batched matrix products;
// letters that no later operand and not the result needs are summed at once.
#include <algorithm>
#include <array>

#include "ops/op.h"

namespace suanli {

namespace {

constexpr char kFirstEllipsis = '0';  // letters of the dimensions that "..." stands for: '0' … '7'

[[noreturn]] void fail(std::string_view equation, std::string expected) {
  throw ArgumentError({.op = "einsum",
                       .argument = "equation",
                       .given = str('"', equation, '"'),
                       .expected = std::move(expected),
                       .module = module_path()});
}

/// A tensor with one letter for each dimension.
struct Term {
  Tensor value;
  std::string letters;
  bool has(char letter) const { return letters.find(letter) != std::string::npos; }
};

/// Letters of an operand or of the result, "..." as the last `rank` digits' letters.
std::string letters_of(std::string_view equation, std::string_view text, int rank) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ' ') continue;
    if (text.substr(i, 3) == "...") {
      if (out.find(kFirstEllipsis + 7) != std::string::npos) fail(equation, "one ... per operand");
      for (int k = 0; k < rank; ++k)
        out.push_back(static_cast<char>(kFirstEllipsis + 8 - rank + k));
      i += 2;
    } else if ((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= 'A' && text[i] <= 'Z')) {
      out.push_back(text[i]);
    } else {
      fail(equation, "letters, commas, ... and one ->");
    }
  }
  return out;
}

/// Each letter once: dimensions of the same letter become their diagonal.
Term without_repeats(std::string_view equation, Term t) {
  for (size_t i = 0; i < t.letters.size(); ++i)
    for (size_t k = i + 1; k < t.letters.size();) {
      if (t.letters[i] != t.letters[k]) {
        ++k;
        continue;
      }
      const int a = static_cast<int>(i), b = static_cast<int>(k);
      if (t.value.size(a) != t.value.size(b))
        fail(equation, str("equal sizes for both ", t.letters[i]));
      const Tensor last = diagonal(t.value, 0, a, b);
      t.letters.erase(k, 1);
      t.value = movedim(last, -1, a);
    }
  return t;
}

Term summed(const Term& t, std::string_view kept) {
  Dims gone;
  Term out;
  for (size_t i = 0; i < t.letters.size(); ++i)
    if (kept.find(t.letters[i]) == std::string_view::npos) gone.push_back(static_cast<int64_t>(i));
    else out.letters.push_back(t.letters[i]);
  out.value = gone.empty() ? t.value : sum(t.value, gone);
  return out;
}

/// The dimensions in the order of `letters`; those that t lacks have size 1.
Tensor arranged(const Term& t, const std::string& letters) {
  Dims order;
  Shape shape;
  for (char letter : letters) {
    const size_t at = t.letters.find(letter);
    if (at == std::string::npos) {
      shape.push_back(1);
    } else {
      order.push_back(static_cast<int64_t>(at));
      shape.push_back(t.value.shape()[static_cast<int>(at)]);
    }
  }
  return reshape(permute(t.value, order), shape);
}

int64_t size_of(const Term& t, char letter) {
  const size_t at = t.letters.find(letter);
  return at == std::string::npos ? 1 : t.value.shape()[static_cast<int>(at)];
}

/// The product, summed over the letters of both that are not kept.
Term product(const Term& a, const Term& b, std::string_view kept) {
  std::string batch, rows, columns, inner;
  Shape out;
  auto is_kept = [&](char c) { return kept.find(c) != std::string_view::npos; };
  for (char c : a.letters) (b.has(c) ? (is_kept(c) ? batch : inner) : rows).push_back(c);
  for (char c : b.letters)
    if (!a.has(c)) columns.push_back(c);
  for (char c : batch) {
    const int64_t p = size_of(a, c), q = size_of(b, c);
    out.push_back(std::max(p, q) == 1 ? 1 : p == 1 ? q : p);
  }
  const Shape batches = out;
  auto flat = [&](const Term& t, const std::string& first, const std::string& second) {
    Tensor value = arranged(t, batch + first + second);
    Shape full = batches;
    int64_t m = 1, n = 1, count = 1;
    auto wide = [&](const std::string& letters, int64_t& total) {
      for (char c : letters) {
        const int64_t size = inner.find(c) == std::string::npos
                                 ? size_of(t, c)
                                 : std::max(size_of(a, c), size_of(b, c));
        full.push_back(size);
        total *= size;
      }
    };
    wide(first, m);
    wide(second, n);
    for (int64_t size : batches) count *= size;
    return reshape(expand(value, full), {count, m, n});
  };
  for (char c : rows) out.push_back(size_of(a, c));
  for (char c : columns) out.push_back(size_of(b, c));
  return {reshape(matmul(flat(a, rows, inner), flat(b, inner, columns)), out),
          batch + rows + columns};
}

}  // namespace

Tensor einsum(std::string_view equation, const std::vector<Tensor>& operands) {
  const size_t arrow = equation.find("->");
  std::vector<std::string_view> texts;
  std::string_view left = equation.substr(0, arrow);
  for (size_t at = 0; at <= left.size();) {
    const size_t comma = std::min(left.find(',', at), left.size());
    texts.push_back(left.substr(at, comma - at));
    at = comma + 1;
  }
  if (operands.empty() || texts.size() != operands.size())
    fail(equation, str("one part for each of ", operands.size(), " operands"));
  std::vector<Term> terms;
  int ellipsis = 0;
  std::string sizes_known;
  std::array<int64_t, 128> size{};
  for (size_t i = 0; i < texts.size(); ++i) {
    const Tensor& x = operands[i];
    const bool open = texts[i].find("...") != std::string_view::npos;
    const int named = static_cast<int>(letters_of(equation, texts[i], 0).size()),
              rest = x.rank() - named;
    if (rest < 0 || (rest > 0 && !open))
      fail(equation, str("a letter for each dimension of operand ", i, ", ", x.shape()));
    if (open) ellipsis = std::max(ellipsis, rest);
    terms.push_back(
        without_repeats(equation, {x, letters_of(equation, texts[i], open ? rest : 0)}));
    for (char c : terms.back().letters) {
      const int64_t n = size_of(terms.back(), c);
      int64_t& known = size[static_cast<size_t>(c)];
      if (sizes_known.find(c) == std::string::npos) {
        sizes_known.push_back(c);
        known = n;
      } else if (known == 1) {
        known = n;
      } else if (n != known && n != 1) {
        throw ShapeError({.op = "einsum",
                          .argument = str("operands[", i, "]"),
                          .given = to_string(x.shape()),
                          .expected = str("size ", known, " for ", c, " of \"", equation, "\""),
                          .module = module_path()});
      }
    }
  }
  std::string result;
  if (arrow != std::string_view::npos) {
    result = letters_of(equation, equation.substr(arrow + 2), ellipsis);
    for (size_t i = 0; i < result.size(); ++i)
      if (sizes_known.find(result[i]) == std::string::npos ||
          result.find(result[i], i + 1) != std::string::npos)
        fail(equation, "each letter of the result once, and in an operand");
  } else {  // the letters that occur once, in alphabetical order
    std::string all;
    for (std::string_view text : texts) all += letters_of(equation, text, 0);
    std::string once;
    for (char c : all)
      if (std::count(all.begin(), all.end(), c) == 1) once.push_back(c);
    std::sort(once.begin(), once.end());
    result = letters_of(equation, ellipsis > 0 ? "..." : "", ellipsis) + once;
  }
  Term total = terms[0];
  for (size_t i = 0; i < terms.size(); ++i) {
    std::string needed = result;
    for (size_t k = i + 1; k < terms.size(); ++k) needed += terms[k].letters;
    if (i == 0) total = summed(total, needed);
    else
      total = product(summed(total, needed + terms[i].letters),
                      summed(terms[i], needed + total.letters), needed);
  }
  Shape shape;
  for (char c : result) shape.push_back(size[static_cast<size_t>(c)]);
  return expand(arranged(total, result), shape);
}

}  // namespace suanli
