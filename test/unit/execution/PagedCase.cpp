// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Specs and tensors of attention over pages.

#include "PagedCase.h"

#include <algorithm>
#include <limits>

using namespace attnc;
using namespace attnc::test;

std::string attnc::test::tensorType(const std::vector<int64_t> &shape,
                                    attnc_dtype dtype,
                                    const std::vector<bool> &dynamic) {
  std::string text = "tensor<";
  for (size_t d = 0; d < shape.size(); ++d)
    text +=
        (d < dynamic.size() && dynamic[d] ? "?" : std::to_string(shape[d])) +
        "x";
  return text + (dtype == ATTNC_DTYPE_BOOL ? "i1" : attnc_dtype_name(dtype)) +
         ">";
}

int64_t PagedCase::maxPages() const {
  int64_t most = 1;
  for (int64_t b = 0; b < batches(); ++b)
    most = std::max(most, pagesOf(b));
  return most + 1; // an entry that is not read
}

std::string PagedCase::describe() const {
  std::string text = std::string(attnc_dtype_name(dtype)) + ", n " +
                     std::to_string(n) + ", heads " + std::to_string(heads) +
                     "/" + std::to_string(keyHeads) + ", d " +
                     std::to_string(d) + "/" + std::to_string(dv) +
                     ", pages of " + std::to_string(pageSize);
  for (auto [is, name] :
       {std::pair(isDynamic, ", dynamic"), std::pair(isPacked, ", packed"),
        std::pair(rowsFirst, ", rows first"),
        std::pair(sharedPages > 0, ", shared pages"),
        std::pair(isLatent, ", latent")})
    if (is)
      text += name;
  return text + clauses;
}

namespace {
class PagedWriter {
public:
  PagedWriter(const PagedCase &c, uint64_t seed) : c(c), random(seed) {}

  Problem make() {
    drawTable();
    addRows("q", {c.batches(), c.heads, c.n, c.d}, false);
    addRows("k", {c.poolPages, c.keyHeads, c.pageSize, c.d}, true);
    if (!c.isLatent)
      addRows("v", {c.poolPages, c.keyHeads, c.pageSize, c.dv}, true);
    addTable();
    TensorSpec lengths{"len", ATTNC_DTYPE_I32, {c.batches()}, {}, {}};
    for (int64_t length : c.lengths)
      lengths.values.push_back(static_cast<double>(length));
    add(lengths, {c.isDynamic});
    for (const TensorSpec &operand : c.operands)
      add(operand, {});
    finish();
    return std::move(problem);
  }

private:
  const PagedCase &c;
  Random random;
  Problem problem;
  std::vector<std::vector<int64_t>> tables; // pages in use, of each batch
  std::string arguments, types;

  std::string add(TensorSpec spec, const std::vector<bool> &dynamic) {
    std::string type = tensorType(spec.shape, spec.dtype, dynamic);
    arguments += (arguments.empty() ? "%" : ", %") + spec.name + ": " + type;
    bool isOperand = spec.name[0] != 'x'; // whose types the case gives
    if (isOperand)
      types += (types.empty() ? "" : ", ") + type;
    if (c.isLatent && spec.name == "k")
      types += ", " + valueType();
    problem.inputs.push_back(std::move(spec));
    return type;
  }
  std::string valueType() {
    return tensorType({c.poolPages, c.keyHeads, c.pageSize, c.dv}, c.dtype,
                      {c.isDynamic, c.isDynamic, c.isDynamic});
  }

  void drawTable() {
    std::vector<int64_t> order(c.poolPages);
    for (int64_t i = 0; i < c.poolPages; ++i)
      order[i] = i;
    for (int64_t i = c.poolPages - 1; i > 0; --i)
      std::swap(order[i], order[random.below(i + 1)]);
    size_t next = static_cast<size_t>(c.sharedPages);
    for (int64_t b = 0; b < c.batches(); ++b) {
      std::vector<int64_t> &table = tables.emplace_back();
      for (int64_t t = 0; t < c.pagesOf(b); ++t)
        table.push_back(t < c.sharedPages ? order[t]
                                          : order[next++ % order.size()]);
    }
  }

  /// Whether some batch has a key in row r of a page.
  bool isKey(int64_t page, int64_t r) {
    for (int64_t b = 0; b < c.batches(); ++b)
      for (size_t t = 0; t < tables[b].size(); ++t)
        if (tables[b][t] == page &&
            static_cast<int64_t>(t) * c.pageSize + r < c.lengths[b])
          return true;
    return false;
  }

  void addRows(const std::string &name, const std::vector<int64_t> &shape,
               bool isPool) {
    TensorSpec spec{name, c.dtype, shape, {}, {}};
    int64_t columns = shape[3];
    for (int64_t row = 0; row < spec.size() / columns; ++row) {
      bool kept = !isPool || isKey(row / shape[2] / shape[1], row % shape[2]);
      for (int64_t x = 0; x < columns; ++x)
        spec.values.push_back(kept    ? random.uniform(1.5)
                              : x % 2 ? std::numeric_limits<double>::infinity()
                                      : std::nan(""));
    }
    for (double x : spec.values)
      if (std::isfinite(x))
        problem.largestValue = std::max(problem.largestValue, std::abs(x));
    if (isPool && c.rowsFirst)
      spec.strides = {shape[2] * shape[1] * columns, columns,
                      shape[1] * columns, 1};
    add(spec, {c.isDynamic, c.isDynamic, c.isDynamic});
  }

  void addTable() {
    constexpr double kNoPages[] = {-1, 1 << 30, -(1 << 30)};
    TensorSpec pages{"pages", ATTNC_DTYPE_I32, {}, {}, {}};
    TensorSpec indptr{"indptr", ATTNC_DTYPE_I32, {c.batches() + 1}, {}, {0}};
    for (int64_t b = 0; b < c.batches(); ++b) {
      std::vector<double> row(tables[b].begin(), tables[b].end());
      row.push_back(kNoPages[b % 3]);
      if (!c.isPacked)
        row.resize(c.maxPages(), kNoPages[(b + 1) % 3]);
      pages.values.insert(pages.values.end(), row.begin(), row.end());
      indptr.values.push_back(static_cast<double>(pages.values.size()));
    }
    if (c.isPacked)
      pages.shape = {static_cast<int64_t>(pages.values.size())};
    else
      pages.shape = {c.batches(), c.maxPages()};
    add(pages, {c.isDynamic, c.isDynamic});
    if (c.isPacked)
      add(indptr, {c.isDynamic});
  }

  void finish() {
    std::vector<bool> dynamic(3, c.isDynamic);
    auto result = [&](const std::string &name, std::vector<int64_t> shape,
                      attnc_dtype dtype) {
      problem.outputs.push_back({name, dtype, shape, {}, {}});
      return tensorType(shape, dtype, dynamic);
    };
    std::string results =
        result("o", {c.batches(), c.heads, c.n, c.dv}, c.dtype);
    if (c.lse)
      results = "(" + results + ", " +
                result("lse", {c.batches(), c.heads, c.n}, ATTNC_DTYPE_F32) +
                ")";
    std::string body;
    if (c.isLatent)
      body = slice();
    body += std::string(c.lse ? "  %o, %lse" : "  %o") +
            " = attn.attention %q, %k, %v pages(%pages" +
            (c.isPacked ? ", %indptr" : "") + ") lengths(%len)" + c.clauses +
            (c.lse ? " returns = [lse]" : "") + "\n    : " + types +
            c.operandTypes + " -> " + results + "\n  return %o" +
            (c.lse ? ", %lse : " : " : ");
    body += c.lse ? results.substr(1, results.size() - 2) : results;
    problem.text = "func.func @paged(" + arguments + ") -> " + results +
                   " {\n" + body + "\n}\n";
    problem.operand = c.dtype;
  }

  /// %v as columns of %k.
  std::string slice() {
    std::string sizes, text;
    const char *names[] = {"%pool", "%heads", "%rows"};
    int64_t shape[] = {c.poolPages, c.keyHeads, c.pageSize};
    std::string kType =
        tensorType({c.poolPages, c.keyHeads, c.pageSize, c.d}, c.dtype,
                   {c.isDynamic, c.isDynamic, c.isDynamic});
    for (int d = 0; d < 3; ++d) {
      std::string number = std::to_string(d);
      if (c.isDynamic)
        text += "  %c" + number + " = arith.constant " + number +
                " : index\n  " + names[d] + " = tensor.dim %k, %c" + number +
                " : " + kType + "\n";
      sizes += (c.isDynamic ? names[d] : std::to_string(shape[d])) + ", ";
    }
    return text + "  %v = tensor.extract_slice %k[0, 0, 0, 0] [" + sizes +
           std::to_string(c.dv) + "] [1, 1, 1, 1] : " + kType + " to " +
           valueType() + "\n";
  }
};
} // namespace

Problem attnc::test::makePaged(const PagedCase &c, uint64_t seed) {
  return PagedWriter(c, seed).make();
}

Problem attnc::test::makeContiguous(const PagedCase &c, const Problem &paged) {
  Problem problem = paged;
  int64_t m = c.maxPages() * c.pageSize;
  const TensorSpec &table = const_cast<Problem &>(paged).input("pages");
  std::string types, arguments;
  problem.inputs.clear();
  for (const TensorSpec &spec : paged.inputs) {
    if (spec.name == "pages")
      continue;
    TensorSpec own = spec;
    if (spec.name == "k" || spec.name == "v") {
      int64_t columns = spec.shape[3];
      own.shape = {c.batches(), c.keyHeads, m, columns};
      own.strides.clear();
      own.values.assign(own.size(), std::nan(""));
      for (int64_t b = 0; b < c.batches(); ++b)
        for (int64_t h = 0; h < c.keyHeads; ++h)
          for (int64_t row = 0; row < c.lengths[b]; ++row) {
            auto page = static_cast<int64_t>(
                table.values[b * c.maxPages() + row / c.pageSize]);
            int64_t from =
                        (page * c.keyHeads + h) * c.pageSize + row % c.pageSize,
                    to = (b * c.keyHeads + h) * m + row;
            std::copy_n(spec.values.begin() + from * columns, columns,
                        own.values.begin() + to * columns);
          }
    }
    std::string type = tensorType(own.shape, own.dtype);
    arguments += (arguments.empty() ? "%" : ", %") + own.name + ": " + type;
    types += (types.empty() ? "" : ", ") + type;
    problem.inputs.push_back(std::move(own));
  }
  std::string result = tensorType(problem.outputs[0].shape, c.dtype);
  problem.text = "func.func @contiguous(" + arguments + ") -> " + result +
                 " {\n  %o = attn.attention %q, %k, %v lengths(%len)" +
                 c.clauses + "\n    : " + types + " -> " + result +
                 "\n  return %o : " + result + "\n}\n";
  return problem;
}
