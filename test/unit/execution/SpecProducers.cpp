// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Row-local producers in front of attention and consumers behind it.

#include "SpecWriter.h"

#include <algorithm>

using namespace attnc::test;

static bool isHalf(attnc_dtype dtype) {
  return dtype == ATTNC_DTYPE_F16 || dtype == ATTNC_DTYPE_BF16;
}
static unsigned bitsOf(attnc_dtype dtype) {
  return 8 * static_cast<unsigned>(attnc_dtype_size(dtype));
}

/// "%t = arith.extf %x : f16 to f32", or truncf.
static std::string castText(const std::string &result, const std::string &x,
                            const std::string &from, const std::string &to,
                            bool widens) {
  return result + " = arith." + (widens ? "extf " : "truncf ") + x + " : " +
         from + " to " + to + "\n";
}

//===----------------------------------------------------------------------===//
// Pieces
//===----------------------------------------------------------------------===//

/// An empty tensor whose dims are the first dims of `source`, or static.
std::string SpecWriter::emptyLike(const Tensor &source, const Dims &dims,
                                  attnc_dtype dtype) {
  std::string sizes;
  for (size_t d = 0; d < dims.size(); ++d) {
    if (!dims[d].dynamic)
      continue;
    std::string index = fresh(), size = fresh();
    body += "  " + index + " = arith.constant " + std::to_string(d) +
            " : index\n  " + size + " = tensor.dim " + source.name + ", " +
            index + " : " + typeOf(source) + "\n";
    sizes += (sizes.empty() ? "" : ", ") + size;
  }
  std::string name = fresh();
  body += "  " + name + " = tensor.empty(" + sizes +
          ") : " + typeOf(dims, dtype) + "\n";
  return name;
}

/// An elementwise operation over the shape of `shape`: ins with their maps; the
/// region's arguments are %a, %b, ... and %init.
Tensor
SpecWriter::generic(const std::vector<std::pair<Tensor, std::string>> &ins,
                    const Tensor &shape, attnc_dtype dtype,
                    const std::string &region, const std::string &result) {
  Tensor out{"", shape.dims, dtype};
  std::string empty = emptyLike(shape, shape.dims, dtype);
  std::string maps, names, types, arguments, kinds;
  char argument = 'a';
  for (const auto &[tensor, map] : ins) {
    maps += map + ", ";
    names += (names.empty() ? "" : ", ") + tensor.name;
    types += (types.empty() ? "" : ", ") + typeOf(tensor);
    arguments +=
        std::string("%") + argument++ + ": " + elementType(tensor.dtype) + ", ";
  }
  for (int64_t i = 0; i < rank; ++i)
    kinds += i ? ", \"parallel\"" : "\"parallel\"";
  out.name = fresh();
  body += "  " + out.name + " = linalg.generic {indexing_maps = [" + maps +
          "#x], iterator_types = [" + kinds + "]}\n      ins(" + names + " : " +
          types + ") outs(" + empty + " : " + typeOf(out) + ") {\n      ^bb0(" +
          arguments + "%init: " + elementType(dtype) + "):\n" + region +
          "        linalg.yield " + result + " : " + elementType(dtype) +
          "\n      } -> " + typeOf(out) + "\n";
  return out;
}

//===----------------------------------------------------------------------===//
// Producers
//===----------------------------------------------------------------------===//

/// The argument of one of q, k and v, as it lies in memory.
Tensor SpecWriter::operandRows(const std::string &name, const Dims &lead,
                               Dim rows, int64_t d) {
  Dims dims = with(lead, {rows, {d}});
  bool isQuery = name == "q";
  if (c.producer == Producer::Dequantize && !isQuery)
    return argument(name, dims, ATTNC_DTYPE_I8, integers(dims, -128, 127),
                    Kind::Rows);
  attnc_dtype dtype = c.dtype;
  if (c.producer == Producer::Cast)
    dtype = c.dtype == ATTNC_DTYPE_F32 ? ATTNC_DTYPE_F16 : ATTNC_DTYPE_F32;
  if (c.producer == Producer::Float8 && !isQuery)
    dtype = name == "k" ? ATTNC_DTYPE_F8E4M3 : ATTNC_DTYPE_F8E5M2;
  std::vector<double> values = uniform(dims, 1.75);
  if (name == "v")
    for (double x : values)
      problem.largestValue = std::max(problem.largestValue, std::abs(x));
  poisonRows(values, dims, isQuery ? queryLengths : keyLengths, !isQuery);
  return argument(name, dims, dtype, std::move(values), Kind::Rows);
}

Tensor SpecWriter::produce(const std::string &name, Tensor x, bool isValue) {
  switch (c.producer) {
  case Producer::None:
  case Producer::Count:
    return x;
  case Producer::Scale:
    return isValue ? x : scaled(x);
  case Producer::Rotary:
    return isValue ? x : rotated(name, x);
  case Producer::QKNorm:
    return isValue ? x : normalized(name, x);
  case Producer::NormThenRotary:
    return isValue ? x : rotated(name, normalized(name, x));
  case Producer::Cast:
    return castRows(x);
  case Producer::Dequantize:
  case Producer::Float8:
    return name == "q" ? x : dequantized(name, x);
  }
  return x;
}

Tensor SpecWriter::scaled(const Tensor &x) {
  std::string t = elementType(c.dtype);
  return generic({{x, "#x"}}, x, c.dtype,
                 "        %f = arith.constant 0.8125 : " + t +
                     "\n        %y = arith.mulf %a, %f : " + t + "\n",
                 "%y");
}

Tensor SpecWriter::castRows(const Tensor &x) {
  bool widens = bitsOf(x.dtype) < bitsOf(c.dtype);
  return generic({{x, "#x"}}, x, c.dtype,
                 "        " + castText("%y", "%a", elementType(x.dtype),
                                       elementType(c.dtype), widens),
                 "%y");
}

Tensor SpecWriter::dequantized(const std::string &name, const Tensor &x) {
  Dims dims(x.dims.begin(), x.dims.end() - 1);
  bool isInteger = x.dtype == ATTNC_DTYPE_I8;
  double largest = isInteger ? 128 : 1.75, limit = isInteger ? 0.01 : 1.0;
  std::vector<double> values = uniform(dims, limit);
  if (name == "v") // the largest value times a scale
    problem.largestValue = largest * limit;
  poisonRows(values, dims, keyLengths, true);
  Tensor scale = argument(name + "_scale", dims, c.dtype, std::move(values));
  std::string t = elementType(c.dtype);
  return generic({{x, "#x"}, {scale, "#row"}}, x, c.dtype,
                 std::string("        %f = arith.") +
                     (isInteger ? "sitofp" : "extf") +
                     " %a : " + elementType(x.dtype) + " to " + t +
                     "\n        %y = arith.mulf %f, %b : " + t + "\n",
                 "%y");
}

/// x cos + partner sin, the partner half a row further.
Tensor SpecWriter::rotated(const std::string &name, const Tensor &x) {
  Dims dims(x.dims.end() - 2, x.dims.end());
  Tensor cosine = argument(name + "_cos", dims, c.dtype, uniform(dims, 1.0)),
         sine = argument(name + "_sin", dims, c.dtype, uniform(dims, 1.0));
  std::string t = elementType(c.dtype), at, region;
  int64_t d = x.dims.back().size;
  for (int64_t i = 0; i < rank; ++i)
    region += "        %i" + std::to_string(i) + " = linalg.index " +
              std::to_string(i) + " : index\n";
  for (int64_t i = 0; i < rank - 1; ++i)
    at += "%i" + std::to_string(i) + ", ";
  region += "        %half = arith.constant " + std::to_string(d / 2) +
            " : index\n        %d = arith.constant " + std::to_string(d) +
            " : index\n        %shifted = arith.addi %i" +
            std::to_string(rank - 1) +
            ", %half : index\n        %p = arith.remui %shifted, %d : index\n"
            "        %other = tensor.extract " +
            x.name + "[" + at + "%p] : " + typeOf(x) +
            "\n        %own = arith.mulf %a, %b : " + t +
            "\n        %turned = arith.mulf %other, %c : " + t +
            "\n        %y = arith.addf %own, %turned : " + t + "\n";
  return generic({{x, "#x"}, {cosine, "#table"}, {sine, "#table"}}, x, c.dtype,
                 region, "%y");
}

/// x gain / rms(x); sums of 16-bit squares in f32.
Tensor SpecWriter::normalized(const std::string &name, const Tensor &x) {
  Dims dims(x.dims.begin(), x.dims.end() - 1);
  Tensor gain = argument(name + "_gain", {x.dims.back()}, c.dtype,
                         uniform({x.dims.back()}, 1.0));
  std::string t = elementType(c.dtype), s = elementType(compute);
  std::string rowType = typeOf(dims, compute), kinds;
  std::string empty = emptyLike(x, dims, compute), zero = fresh(),
              zeros = fresh();
  Tensor sums{fresh(), dims, compute};
  for (int64_t i = 0; i < rank - 1; ++i)
    kinds += "\"parallel\", ";
  auto widen = [&](const std::string &to, const std::string &from) {
    return isHalf(c.dtype) ? "        " + castText(to, from, t, s, true)
                           : std::string();
  };
  std::string a = isHalf(c.dtype) ? "%wide" : "%a",
              g = isHalf(c.dtype) ? "%gain" : "%c";
  body += "  " + zero + " = arith.constant 0.0 : " + s + "\n  " + zeros +
          " = linalg.fill ins(" + zero + " : " + s + ") outs(" + empty + " : " +
          rowType + ") -> " + rowType + "\n  " + sums.name +
          " = linalg.generic {indexing_maps = [#x, #row], iterator_types = [" +
          kinds + "\"reduction\"]}\n      ins(" + x.name + " : " + typeOf(x) +
          ") outs(" + zeros + " : " + rowType + ") {\n      ^bb0(%a: " + t +
          ", %acc: " + s + "):\n" + widen("%wide", "%a") +
          "        %square = arith.mulf " + a + ", " + a + " : " + s +
          "\n        %next = arith.addf %acc, %square : " + s +
          "\n        linalg.yield %next : " + s + "\n      } -> " + rowType +
          "\n";
  std::string region =
      widen("%wide", "%a") + widen("%gain", "%c") +
      "        %count = arith.constant " + std::to_string(x.dims.back().size) +
      ".0 : " + s + "\n        %epsilon = arith.constant 0.015625 : " + s +
      "\n        %mean = arith.divf %b, %count : " + s +
      "\n        %safe = arith.addf %mean, %epsilon : " + s +
      "\n        %rms = math.sqrt %safe : " + s +
      "\n        %scaled = arith.mulf " + a + ", " + g + " : " + s +
      "\n        %unit = arith.divf %scaled, %rms : " + s + "\n";
  if (isHalf(c.dtype))
    region += "        " + castText("%y", "%unit", s, t, false);
  return generic({{x, "#x"}, {sums, "#row"}, {gain, "#gain"}}, x, c.dtype,
                 region, isHalf(c.dtype) ? "%y" : "%unit");
}

//===----------------------------------------------------------------------===//
// Consumers
//===----------------------------------------------------------------------===//

Tensor SpecWriter::consume(Tensor o) {
  std::string t = elementType(c.dtype);
  bool everything = c.epilogue == Epilogue::Everything;
  if (c.epilogue == Epilogue::Gate || everything) {
    Tensor gate =
        argument("gate", o.dims, c.dtype, uniform(o.dims, 2.0), Kind::Rows);
    o = generic({{o, "#x"}, {gate, "#x"}}, o, c.dtype,
                "        %one = arith.constant 1.0 : " + t +
                    "\n        %minus = arith.negf %b : " + t +
                    "\n        %exp = math.exp %minus : " + t +
                    "\n        %below = arith.addf %one, %exp : " + t +
                    "\n        %y = arith.divf %a, %below : " + t + "\n",
                "%y");
  }
  if (c.epilogue == Epilogue::Residual || everything) {
    Tensor residual =
        argument("residual", o.dims, c.dtype, uniform(o.dims, 1.0), Kind::Rows);
    std::string sum = fresh();
    body += "  " + sum + " = arith.addf " + o.name + ", " + residual.name +
            " : " + typeOf(o) + "\n";
    o.name = sum;
  }
  if (c.epilogue == Epilogue::Cast || everything) {
    attnc_dtype to =
        c.dtype == ATTNC_DTYPE_F32 ? ATTNC_DTYPE_F16 : ATTNC_DTYPE_F32;
    std::string result = fresh();
    body += "  " + castText(result, o.name, typeOf(o), typeOf(o.dims, to),
                            bitsOf(to) > bitsOf(o.dtype));
    o = {result, o.dims, to};
  }
  return o;
}
